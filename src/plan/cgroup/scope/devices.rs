//! The device rules as systemd's `DevicePolicy` and `DeviceAllow`.
//!
//! What a newcomer would get wrong: systemd's device program and ours both have to allow, and systemd makes its own anew at
//! every reload. So its list says exactly what ours says, or, where such a list can't, systemd has no program for this
//! unit and ours decides alone. Ours is not systemd's to touch, so a reload changes nothing either way.

use super::{Property, Value};
use crate::plan::device_filter::{Match, Verdict, simplified};
use crate::spec::{DeviceKind, DeviceRule};

const POINTER: &str = "/linux/resources/devices";

/// Both properties; the second replaces whatever list there was.
#[must_use]
pub fn properties(rules: &[DeviceRule]) -> Vec<Property> {
    let of = |name, value| Property { pointer: POINTER.into(), ..Property::new(name, value) };
    let (policy, list) = match list(rules) {
        Some(list) => ("strict", list),
        None => ("auto", Vec::new()),
    };
    // The policy comes last: systemd notes each in the unit's file as it comes, and a list after its policy would be
    // read as having cleared it.
    vec![
        of("DeviceAllow", Value::Accesses(list)),
        of("DevicePolicy", Value::Text(policy.to_owned())),
    ]
}

/// What is allowed, when that is one list with nothing denied in between.
fn list(rules: &[DeviceRule]) -> Option<Vec<(String, String)>> {
    let (simple, _) = simplified(rules);
    let [(Verdict::Allow, allowed)] = simple.runs.as_slice() else { return None };
    let mut list = Vec::new();
    for one in allowed {
        // systemd asks for one entry that allows all of an access; ours may allow reading by one rule and writing by
        // another.
        let same = |other: &&Match| Match { bits: one.bits, ..**other }.covers(one);
        let bits = allowed.iter().filter(same).fold(one.bits, |bits, other| bits | other.bits);
        for kind in kinds(one.kind) {
            let entry = (device(kind, one)?, access(bits));
            if !list.contains(&entry) {
                list.push(entry);
            }
        }
    }
    Some(list)
}

fn kinds(kind: Option<DeviceKind>) -> Vec<DeviceKind> {
    kind.map_or_else(|| vec![DeviceKind::Char, DeviceKind::Block], |kind| vec![kind])
}

/// systemd reads the numbers off such a path, and a number for the name of a driver; it knows no minor number alone.
fn device(kind: DeviceKind, one: &Match) -> Option<String> {
    let kind = match kind {
        DeviceKind::Char => "char",
        DeviceKind::Block => "block",
    };
    match (one.major, one.minor) {
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        (Some(major), None) => Some(format!("{kind}-{major}")),
        (None, None) => Some(format!("{kind}-*")),
        (None, Some(_)) => None,
    }
}

fn access(bits: i32) -> String {
    [(2, 'r'), (4, 'w'), (1, 'm')]
        .into_iter()
        .filter_map(|(bit, letter)| (bits & bit != 0).then_some(letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DeviceAccess, DeviceNumber};

    fn rule(
        allow: bool,
        kind: Option<DeviceKind>,
        numbers: [Option<u32>; 2],
        access: &str,
    ) -> DeviceRule {
        let number = |number: Option<u32>| number.map_or(DeviceNumber::Any, DeviceNumber::Is);
        let has = |letter| access.contains(letter);
        DeviceRule {
            allow,
            kind,
            major: number(numbers[0]),
            minor: number(numbers[1]),
            access: DeviceAccess { read: has('r'), write: has('w'), mknod: has('m') },
        }
    }

    fn shown(rules: &[DeviceRule]) -> Vec<String> {
        properties(rules).iter().map(ToString::to_string).collect()
    }

    const CHAR: Option<DeviceKind> = Some(DeviceKind::Char);

    #[test]
    fn the_list_says_what_the_program_says() {
        let deny_all = rule(false, None, [None, None], "rwm");
        let fuse = rule(true, CHAR, [Some(10), Some(229)], "rw");
        let read_disk = rule(true, Some(DeviceKind::Block), [Some(8), None], "r");
        let [allow, policy] = shown(&[deny_all, fuse, read_disk]).try_into().unwrap();
        assert_eq!(policy, "DevicePolicy=strict");
        for entry in ["/dev/char/10:229 rwm", "block-8 rm", "char-* m", "block-* m", "char-136 rwm"]
        {
            assert!(allow.contains(entry), "{entry}: {allow}");
        }
    }

    #[test]
    fn what_no_list_can_say_is_left_to_our_program() {
        let all = rule(true, None, [None, None], "rwm");
        let no_disk = rule(false, Some(DeviceKind::Block), [Some(8), None], "w");
        let any_major = rule(true, CHAR, [None, Some(3)], "rw");
        for rules in [vec![all, no_disk], vec![any_major], vec![all]] {
            assert_eq!(shown(&rules), ["DeviceAllow=", "DevicePolicy=auto"], "{rules:?}");
        }
    }
}
