//! Edge cases of `linux` but for its two big children.

use super::Case;
use super::Outcome::{Fails, Parses, Warns};
use rrun::spec::{CgroupPath, Namespace, PropagationMode, TimeOffsets};

const LINUX: &[Case] = &[
    ("unknown-linux", &[("/linux/xUnknown", "1")], Parses(|_| true)),
    ("no-linux", &[("/linux", "")], Parses(|s| s.namespaces.pid == Namespace::Inherit)),
    (
        "ns-unknown",
        &[("/linux/namespaces", r#"[{"type": "foo"}]"#)],
        Fails(
            r#""foo" is no namespace type (at /linux/namespaces/0/type); use one of cgroup, ipc, mount, network, pid, time, user, uts"#,
        ),
    ),
    (
        "ns-time",
        &[("/linux/namespaces", r#"[{"type": "time"}, {"type": "cgroup"}]"#)],
        Parses(|s| {
            (&s.namespaces.time, &s.namespaces.cgroup) == (&Namespace::New, &Namespace::New)
        }),
    ),
    (
        "ns-twice",
        &[("/linux/namespaces", r#"[{"type": "pid"}, {"type": "pid", "path": "/x"}]"#)],
        Fails(r#""pid" is given twice (at /linux/namespaces/1/type); remove one of the two"#),
    ),
    (
        "ns-relative",
        &[("/linux/namespaces", r#"[{"type": "pid", "path": "x"}]"#)],
        Fails(r#""x" is not an absolute path (at /linux/namespaces/0/path); begin it with '/'"#),
    ),
    (
        "uidmap",
        &[("/linux/uidMappings", r#"[{"containerID": 0, "hostID": 4294967295, "size": 1}]"#)],
        Fails(
            r#"4294967295 and 0 more go beyond 4294967294 (at /linux/uidMappings/0/hostID); map fewer, or begin lower"#,
        ),
    ),
    (
        "uidmap-without-user",
        &[("/linux/uidMappings", r#"[{"containerID": 0, "hostID": 1, "size": 1}]"#)],
        Fails(
            r#"ids are mapped, but the container has no user namespace (at /linux/uidMappings); add {"type": "user"} to linux.namespaces, or leave this out"#,
        ),
    ),
    (
        "user-without-uidmap",
        &[("/linux/namespaces", r#"[{"type": "user"}]"#)],
        Fails(
            r#"a new user namespace needs this map (at /linux/uidMappings); add a line such as {"containerID": 0, "hostID": 100000, "size": 65536}"#,
        ),
    ),
    (
        "timeOffsets",
        &[(
            "/linux/timeOffsets",
            r#"{"monotonic": {"secs": -10, "nanosecs": 5}, "boottime": {"secs": 1}}"#,
        )],
        Fails(
            r#"clocks can only be shifted in a new time namespace (at /linux/timeOffsets); add {"type": "time"} to linux.namespaces, or leave this out"#,
        ),
    ),
    (
        "timeOffsets-time",
        &[
            (
                "/linux/timeOffsets",
                r#"{"monotonic": {"secs": -10, "nanosecs": 5}, "boottime": {"secs": 1}}"#,
            ),
            ("/linux/namespaces", r#"[{"type": "time"}]"#),
        ],
        Parses(|s| {
            s.time_offsets == TimeOffsets { monotonic: Some((-10, 5)), boottime: Some((1, 0)) }
        }),
    ),
    (
        "timeOffsets-clock",
        &[("/linux/timeOffsets", r#"{"realtime": {"secs": 1}}"#)],
        Fails(
            r#""realtime" is no clock with an offset (at /linux/timeOffsets/realtime); use monotonic or boottime"#,
        ),
    ),
    (
        "personality",
        &[("/linux/personality", r#"{"domain": "LINUX32", "flags": []}"#)],
        Parses(|s| s.personality == Some(8)),
    ),
    (
        "personality-flags",
        &[("/linux/personality", r#"{"domain": "LINUX", "flags": ["X"]}"#)],
        Fails(
            r#"no flag of a personality is supported (at /linux/personality/flags); leave them out: the runtime-spec has none"#,
        ),
    ),
    (
        "rootfsPropagation",
        &[("/linux/rootfsPropagation", r#""rslave""#)],
        Parses(|s| {
            s.rootfs_propagation.is_some_and(|p| p.mode == PropagationMode::Slave && p.recursive)
        }),
    ),
    (
        "rootfsPropagation-bad",
        &[("/linux/rootfsPropagation", r#""foo""#)],
        Fails(
            r#""foo" is no mount propagation (at /linux/rootfsPropagation); use one of private, rprivate, rshared, rslave, runbindable, shared, slave, unbindable"#,
        ),
    ),
    (
        "masked",
        &[("/linux/maskedPaths", r#"["/a"]"#)],
        Parses(|s| s.masked_paths[0].as_str() == "/a"),
    ),
    (
        "masked-relative",
        &[("/linux/readonlyPaths", r#"["/a", "b"]"#)],
        Fails(r#""b" is not an absolute path (at /linux/readonlyPaths/1); begin it with '/'"#),
    ),
    (
        "sysctl",
        &[("/linux/sysctl", r#"{"a": "b"}"#)],
        Fails(
            "this kernel parameter belongs to the whole machine, not to a namespace (at /linux/sysctl/a); set it on the host",
        ),
    ),
    (
        "cgroupsPath",
        &[("/linux/cgroupsPath", r#""a:b:c""#)],
        Parses(|s| s.cgroups_path == Some(CgroupPath::Relative("a:b:c".into()))),
    ),
    (
        "cgroupsPath-climbs",
        &[("/linux/cgroupsPath", r#""/a/../b""#)],
        Fails(r#""/a/../b" climbs with ".." (at /linux/cgroupsPath); write where it leads to"#),
    ),
    (
        "devnodes",
        &[(
            "/linux/devices",
            r#"[{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}, {"path": "/dev/p", "type": "p"}, {"path": "/dev/u", "type": "u", "major": 1, "minor": 3}]"#,
        )],
        Parses(|s| {
            s.devices.iter().map(|d| (d.device.is_some(), d.mode)).eq([
                (true, 0o666),
                (false, 0o666),
                (true, 0o666),
            ])
        }),
    ),
    (
        "devnodes-nomajor",
        &[("/linux/devices", r#"[{"path": "/dev/p", "type": "p", "fileMode": 420}]"#)],
        Parses(|s| s.devices[0].mode == 0o644),
    ),
    (
        "devnodes-no-number",
        &[("/linux/devices", r#"[{"path": "/dev/c", "type": "c", "major": 1}]"#)],
        Fails(r#"this field is required (at /linux/devices/0/minor); add it"#),
    ),
    (
        "devnodes-conflict",
        &[(
            "/linux/devices",
            r#"[{"path": "/dev/c", "type": "c", "major": 1, "minor": 3}, {"path": "/dev//c", "type": "b", "major": 1, "minor": 3}]"#,
        )],
        Fails(
            r#"another device is listed at /dev/c (at /linux/devices/1/path); remove one of the two"#,
        ),
    ),
    (
        "devnodes-twice",
        &[(
            "/linux/devices",
            r#"[{"path": "/dev/c", "type": "c", "major": 1, "minor": 3}, {"path": "/dev/c", "type": "c", "major": 1, "minor": 3}]"#,
        )],
        Warns("/dev/c is listed twice (at /linux/devices/1)", |s| s.devices.len() == 1),
    ),
    (
        "devnodes-mode",
        &[("/linux/devices", r#"[{"path": "/dev/p", "type": "p", "fileMode": 666}]"#)],
        Fails(
            "666 has more than permission bits (at /linux/devices/0/fileMode); use 0 to 511: the number is decimal, 438 is octal 666",
        ),
    ),
];

#[test]
fn linux_means_what_was_decided() {
    super::check(LINUX);
}
