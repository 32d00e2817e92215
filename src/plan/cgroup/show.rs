//! The cgroup plan as lines of `rrun explain`.
//!
//! What a newcomer would get wrong: a line says what will be written, not what config.json said; the difference is what
//! the reader came for.

use super::scope::{Manager, Scope};
use super::{Absent, CgroupPlan, Devices, Place, Setting};
use crate::host::cgroup::below;

impl CgroupPlan {
    /// One line for each thing done, in order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(scope) = &self.scope {
            ask(scope, &mut lines);
        }
        match &self.unified {
            None => lines.push("none: no cgroup is delegated to this user".to_owned()),
            Some(place) => show(place, self.scope.is_none(), &mut lines),
        }
        for v1 in &self.v1 {
            show(&v1.place, true, &mut lines);
        }
        match &self.devices {
            _ if self.unified.is_none() => {}
            Devices::Program(program) => lines.push(format!("guard devices: {program}")),
            Devices::All => lines.push("guard devices: all are allowed, no program".to_owned()),
            Devices::Unguarded => lines.push("guard devices: not from a user namespace".to_owned()),
        }
        lines
    }
}

fn ask(scope: &Scope, lines: &mut Vec<String>) {
    let slice = scope.properties.iter().find(|property| property.name == "Slice");
    let slice = slice.map(|property| property.value.to_string()).unwrap_or_default();
    let whose = if scope.manager == Manager::User { "the user's systemd" } else { "systemd" };
    lines.push(format!("ask {whose} for {} in {slice}", scope.unit));
    let told = scope.properties.iter().filter(|property| property.name != "Slice");
    lines.extend(told.map(|property| format!("with {property}")));
}

fn show(place: &Place, is_ours: bool, lines: &mut Vec<String>) {
    let made = if is_ours { "make" } else { "find the child in" };
    lines.push(format!("{made} {}", below(&place.mount, &place.path).display()));
    if !place.enable.is_empty() {
        let names: Vec<_> = place.enable.iter().map(|one| &*one.controller).collect();
        lines.push(format!("enable {}", names.join(" ")));
    }
    if let Some(uid) = place.owner {
        lines.push(format!("hand it to user {uid}"));
    }
    for setting in &place.settings {
        lines.push(match setting {
            Setting::RefuseIfUsed { file, limit, .. } => {
                format!("refuse if {file} is {limit} already")
            }
            Setting::Write(write) => match &write.absent {
                Absent::Fails => format!("write {:?} to {}", write.value, write.file),
                Absent::Ignored => format!("write {:?} to {}, if there", write.value, write.file),
                Absent::Instead(file, value) => {
                    format!("write {:?} to {}, else {value:?} to {file}", write.value, write.file)
                }
            },
        });
    }
}
