//! The container's cgroup as a transient scope of systemd's: `--systemd-cgroup`.
//!
//! It knows which slice, which unit and which properties; it refuses to know D-Bus. The limits are decided where they
//! always are, as writes to cgroup2 files, and become properties where systemd has one. Both are done: systemd is told, so
//! that its next look at the unit does not undo the limit, and the kernel is asked, because systemd swallows what the
//! kernel refuses.
//! What a newcomer would get wrong: a scope can't be made empty. systemd takes processes that are there already, so the
//! child is cloned first, waits, and is put into its cgroup before it looks at anything.

mod annotations;
mod devices;
mod gvariant;
mod names;
mod properties;

pub use annotations::PREFIX as ANNOTATION_PREFIX;
pub use devices::properties as device_properties;
pub use properties::{add, of_file, of_settings};

use super::{CONTROLLERS, CgroupPlan, Place, Setting, Text, guard, place, v2};
use crate::error::{Error, Kind, Result};
use crate::host::{Host, Unified};
use crate::id::ContainerId;
use crate::spec::Spec;
use names::Names;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A scope to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// Who is asked for it.
    pub manager: Manager,
    /// `rrun-web.scope`.
    pub unit: String,
    /// In the order of telling. The processes are no part of it.
    pub properties: Vec<Property>,
}

/// A service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// The machine's.
    System,
    /// Ours.
    User,
}

/// One property of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Property {
    /// As systemd names it on D-Bus, which is not always as in unit files: `CPUQuotaPerSecUSec`.
    pub name: Text,
    /// Its value.
    pub value: Value,
    /// The field of config.json that asked for it; empty for what every container gets.
    pub pointer: Text,
}

/// What properties are made of; each variant names its D-Bus type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `t`; the highest number is systemd's "infinity".
    U64(u64),
    /// `s`
    Text(String),
    /// `as`
    Texts(Vec<String>),
    /// `ay`
    Bytes(Vec<u8>),
    /// `au`
    Pids(Vec<u32>),
    /// `a(st)`: devices and rates.
    Rates(Vec<(String, u64)>),
    /// `a(ss)`: devices and accesses.
    Accesses(Vec<(String, String)>),
}

impl Property {
    fn new(name: &'static str, value: Value) -> Self {
        Self { name: name.into(), value, pointer: "".into() }
    }
}

/// As [`super::plan`], for a caller that wants a scope.
///
/// # Errors
/// As there; [`Kind::Spec`] for a `linux.cgroupsPath` or an annotation that systemd or we can't take, [`Kind::Host`] on
/// a host with v1 controllers.
pub fn plan(spec: &Spec, host: &Host, id: &ContainerId, rootless: bool) -> Result<CgroupPlan> {
    let resources = &spec.resources;
    let unified = unified_alone(host)?;
    let unprivileged = rootless || !host.is_machine_root();
    let manager = if unprivileged { Manager::User } else { Manager::System };
    let names = Names::of(spec.cgroups_path.as_ref(), id, manager)?;
    let path = names.path(&root_of(manager, unified, host.euid));

    let mut here =
        Place { mount: unified.mount.clone(), path, enable: vec![], settings: vec![], owner: None };
    if host.is_machine_root() {
        here.owner = place::owner(spec);
    }
    for controller in &CONTROLLERS {
        controller.settle(resources, unified, &mut here, &mut [], unprivileged)?;
    }
    here.settings.extend(v2::unified_map(resources, unified, &mut here.enable)?);
    leave_idle_unweighed(&mut here.settings);

    let mut properties = always(&names, id);
    properties.extend(of_settings(&here.settings));
    if manager == Manager::System {
        properties.extend(device_properties(&resources.devices));
    }
    annotations::add(&spec.annotations, &mut properties)?;
    let (devices, warnings) = guard(resources, host.is_machine_root())?;
    let scope = Some(Scope { manager, unit: names.unit, properties });
    Ok(CgroupPlan { unified: Some(here), v1: Vec::new(), devices, warnings, scope })
}

/// What every scope of ours is.
fn always(names: &Names, id: &ContainerId) -> Vec<Property> {
    let text = |name, text: &str| Property::new(name, Value::Text(text.to_owned()));
    let yes = |name| Property::new(name, Value::Bool(true));
    vec![
        text("Description", &format!("rrun container {id}")),
        text("Slice", &names.slice),
        // The cgroups below are the container's.
        yes("Delegate"),
        // Ended with the container, not before its host goes down.
        Property::new("DefaultDependencies", Value::Bool(false)),
        // One that failed (its memory ran out, say) would otherwise stay until somebody resets it.
        text("CollectMode", "inactive-or-failed"),
        yes("CPUAccounting"),
        yes("MemoryAccounting"),
        yes("IOAccounting"),
        yes("TasksAccounting"),
    ]
}

/// systemd and v1: it makes cgroups in some hierarchies only, and ours would not be in all of them.
fn unified_alone(host: &Host) -> Result<&Unified> {
    match (&host.cgroup.unified, host.cgroup.v1.as_slice()) {
        (Some(unified), []) => Ok(unified),
        (_, v1) => {
            let what = if v1.is_empty() { "there is no cgroup v2" } else { "v1 has controllers" };
            Err(Error::new(Kind::Host, format!("systemd's cgroups need cgroup v2 alone: {what}"))
                .hint(
                    "boot with systemd.unified_cgroup_hierarchy=1, or let the engine manage cgroups itself: \
                     the cgroupfs driver",
                ))
        }
    }
}

/// The cgroup of the manager, below which its slices are. That of a user's is found in our own place if we are below it,
/// else where logind puts it.
fn root_of(manager: Manager, unified: &Unified, euid: u32) -> String {
    if manager == Manager::System {
        return String::new();
    }
    let mut path = String::new();
    for part in unified.own.split('/').filter(|part| !part.is_empty()) {
        path = format!("{path}/{part}");
        if part.starts_with("user@") && part.ends_with(".service") {
            return path;
        }
    }
    format!("/user.slice/user-{euid}.slice/user@{euid}.service")
}

/// systemd makes it idle, by a weight of zero, and to an idle cgroup the kernel gives no weight.
pub fn leave_idle_unweighed(settings: &mut Vec<Setting>) {
    let writes = |setting: &Setting, file: &str, value: Option<&str>| {
        matches!(setting, Setting::Write(write)
            if write.file == file && value.is_none_or(|value| write.value == value))
    };
    if settings.iter().any(|setting| writes(setting, "cpu.idle", Some("1"))) {
        settings.retain(|setting| !writes(setting, "cpu.weight", None));
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: &u64| match number {
            &u64::MAX => "infinity".to_owned(),
            number => number.to_string(),
        };
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::I32(value) => write!(f, "{value}"),
            Self::U32(value) => write!(f, "{value}"),
            Self::U64(value) => f.write_str(&number(value)),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => f.write_str(&texts.join(" ")),
            Self::Bytes(bytes) => {
                f.write_str("0x")?;
                // A mask: the last byte is the highest.
                bytes.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Pids(pids) => write!(f, "{pids:?}"),
            Self::Rates(rates) => {
                let one = |(device, rate): &(String, u64)| format!("{device} {}", number(rate));
                f.write_str(&rates.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            Self::Accesses(list) => {
                let one = |(device, access): &(String, String)| format!("{device} {access}");
                f.write_str(&list.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
