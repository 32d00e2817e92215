//! `org.systemd.property.NAME` annotations: further properties of the scope, for who knows systemd.
//!
//! It knows the list of those that only limit, time or end the container's processes. It refuses every other name: an
//! annotation may come from whoever wrote a pod, and systemd has properties that start programs (CVE-2024-3154).
//! What a newcomer would get wrong: systemd's unit files say `TimeoutStopSec=5`, its D-Bus `TimeoutStopUSec`, in
//! microseconds. Both are understood.

use super::{Property, gvariant, properties};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeMap;

/// What precedes a name; listed among what is unsafe to pass on from strangers by `features`.
pub const PREFIX: &str = "org.systemd.property.";

/// The type of a property's value, as D-Bus writes it.
type Signature = &'static str;

/// By type. Nothing here names a program, a unit to start, a file or a user.
const ALLOWED: [(Signature, &[&str]); 6] = [
    ("b", &["SendSIGHUP", "SendSIGKILL", "MemoryZSwapWriteback"]),
    ("i", &["FinalKillSignal", "KillSignal"]),
    ("u", &["ManagedOOMMemoryPressureLimit"]),
    (
        "t",
        &[
            "CPUQuotaPerSecUSec",
            "CPUQuotaPeriodUSec",
            "CPUWeight",
            "DefaultMemoryLow",
            "DefaultMemoryMin",
            "IOWeight",
            "ManagedOOMMemoryPressureDurationUSec",
            "MemoryHigh",
            "MemoryLow",
            "MemoryMax",
            "MemoryMin",
            "MemorySwapMax",
            "MemoryZSwapMax",
            "RuntimeMaxUSec",
            "RuntimeRandomizedExtraUSec",
            "StartupCPUWeight",
            "StartupIOWeight",
            "TasksMax",
            "TimeoutStopUSec",
        ],
    ),
    (
        "s",
        &[
            "CollectMode",
            "Description",
            "KillMode",
            "ManagedOOMMemoryPressure",
            "ManagedOOMPreference",
            "ManagedOOMSwap",
            "OOMPolicy",
        ],
    ),
    ("as", &["After", "Before"]),
];

/// Adds those that `annotations` ask for.
///
/// # Errors
/// [`Kind::Spec`] for a name that is not on the list, a value that is not of its type, and what
/// `linux.resources` has set already.
pub fn add(annotations: &BTreeMap<String, String>, all: &mut Vec<Property>) -> Result<()> {
    for (key, text) in annotations {
        let Some(given) = key.strip_prefix(PREFIX) else { continue };
        let at = |error: Error| error.at(pointer(key));
        let (name, signature, seconds) = known(given).map_err(at)?;
        let value = gvariant::parse(text, signature, seconds).map_err(at)?;
        // Two names have a value of ours that means nothing more than a default.
        let ours = ["Description", "CollectMode"].contains(&name);
        if let Some(old) = all.iter().find(|old| old.name == name && !ours) {
            let other = if old.pointer.is_empty() { "the runtime" } else { &*old.pointer };
            return Err(at(
                wrong(format!("{name} is set by {other} already")).hint("leave out one of the two")
            ));
        }
        let pointer = pointer(key).into();
        properties::add(all, Property { pointer, ..Property::new(name, value) });
    }
    Ok(())
}

/// RFC 6901.
fn pointer(key: &str) -> String {
    format!("/annotations/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn wrong(message: String) -> Error {
    Error::new(Kind::Spec, message)
}

/// The name on D-Bus, the type, and whether the value is in seconds where D-Bus has microseconds.
fn known(given: &str) -> Result<(&'static str, Signature, bool)> {
    let all = ALLOWED
        .iter()
        .flat_map(|(signature, names)| names.iter().map(move |name| (*name, *signature)));
    for (name, signature) in all {
        if name == given {
            return Ok((name, signature, false));
        }
        let in_seconds = name.strip_suffix("USec");
        if in_seconds.is_some_and(|stem| given.strip_suffix("Sec") == Some(stem)) {
            return Ok((name, signature, true));
        }
    }
    let is_name = given.len() >= 3 && given.bytes().all(|byte| byte.is_ascii_alphabetic());
    let problem = if is_name {
        format!("the systemd property {given} is not one that an annotation may set")
    } else {
        format!("{given:?} is no name of a systemd property")
    };
    Err(wrong(problem).hint(
        "remove it: only properties that limit, time or end the container's processes are passed on, such as \
         TimeoutStopSec, KillSignal or MemoryHigh",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    fn added(pairs: &[(&str, &str)]) -> Result<Vec<String>> {
        let one = |(name, value): &(&str, &str)| (format!("{PREFIX}{name}"), (*value).to_owned());
        let mut annotations: BTreeMap<_, _> = pairs.iter().map(one).collect();
        annotations.insert("io.kubernetes.pod".into(), "is not ours".into());
        let mut all = vec![
            Property {
                pointer: "/linux/resources/pids/limit".into(),
                ..Property::new("TasksMax", Value::U64(5))
            },
            Property::new("Slice", Value::Text("system.slice".into())),
            Property::new("CollectMode", Value::Text("inactive-or-failed".into())),
        ];
        add(&annotations, &mut all)?;
        Ok(all.split_off(2).iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_limits_or_ends_processes_is_passed_on() {
        for (name, value, property) in [
            ("TimeoutStopUSec", "uint64 5000000", "TimeoutStopUSec=5000000"),
            ("TimeoutStopSec", "1.5", "TimeoutStopUSec=1500000"),
            ("RuntimeMaxSec", "90", "RuntimeMaxUSec=90000000"),
            ("KillSignal", "@i 9", "KillSignal=9"),
            ("MemoryHigh", "0x1000", "MemoryHigh=4096"),
            ("SendSIGHUP", "true", "SendSIGHUP=true"),
            ("KillMode", "'mixed'", "KillMode=mixed"),
            ("After", "['a.service', \"b.service\"]", "After=a.service b.service"),
        ] {
            let all = added(&[(name, value)]).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(all.last().map(String::as_str), Some(property));
        }
        assert_eq!(added(&[("CollectMode", "'inactive'")]).unwrap(), ["CollectMode=inactive"]);
    }

    #[test]
    fn what_makes_systemd_do_more_is_refused_by_name() {
        for name in [
            "ExecStartPre",
            "ExecStopPost",
            "Wants",
            "Requires",
            "OnFailure",
            "BPFProgram",
            "IPIngressFilterPath",
            "User",
            "Delegate",
            "Environment",
            "DeviceAllow",
            "PIDs",
            "Controller",
            "SuccessAction",
            "JobTimeoutAction",
            "RebootArgument",
        ] {
            let error = added(&[(name, "'/bin/true'")]).expect_err(name);
            assert!(error.to_string().contains("not one that an annotation may set"), "{error}");
            assert_eq!(error.pointer(), Some(&*format!("/annotations/{PREFIX}{name}")));
        }
        for name in ["", "ab", "Kill Mode", "KillMode\n", "KillMode=x", "Kill.Mode", "Kíll"] {
            let error = added(&[(name, "'mixed'")]).expect_err(name);
            assert!(error.to_string().contains("is no name of a systemd property"), "{error}");
        }
    }

    #[test]
    fn a_property_has_one_origin() {
        let error = added(&[("TasksMax", "7")]).unwrap_err();
        assert!(
            error.to_string().contains("is set by /linux/resources/pids/limit already"),
            "{error}"
        );
    }
}
