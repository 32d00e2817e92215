//! The cgroup plan as lines of `rrun explain`.
//!
//! What a newcomer would get wrong: a line says what will be written, not what config.json said; the difference is what
//! the reader came for.

use super::{Absent, CgroupPlan, Devices, Place, Setting};
use crate::host::cgroup::below;

impl CgroupPlan {
    /// One line for each thing done, in order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.unified {
            None => lines.push("none: no cgroup is delegated to this user".to_owned()),
            Some(place) => show(place, &mut lines),
        }
        for v1 in &self.v1 {
            show(&v1.place, &mut lines);
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

fn show(place: &Place, lines: &mut Vec<String>) {
    lines.push(format!("make {}", below(&place.mount, &place.path).display()));
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
