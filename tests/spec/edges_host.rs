//! Edge cases of what a container takes from the host: network devices, and a share of its caches.

use super::Case;
use super::Outcome::{Fails, Parses, Warns};
use rrun::spec::Clos;

const NET: (&str, &str) = ("/linux/namespaces", r#"[{"type": "mount"}, {"type": "network"}]"#);

const HOST: &[Case] = &[
    ("netDevices-empty", &[("/linux/netDevices", "{}")], Parses(|_| true)),
    (
        "netDevices",
        &[NET, ("/linux/netDevices", r#"{"e0": {"name": "c0"}, "e1": {}, "e2": {"name": ""}}"#)],
        Parses(|s| {
            let names: Vec<_> = s.net_devices.iter().map(|one| (&*one.host, &*one.name)).collect();
            names == [("e0", "c0"), ("e1", "e1"), ("e2", "e2")]
        }),
    ),
    (
        "netDevices-joined",
        &[
            ("/linux/namespaces", r#"[{"type": "mount"}, {"type": "network", "path": "/n"}]"#),
            ("/linux/netDevices", r#"{"e0": {}}"#),
        ],
        Parses(|s| s.net_devices.len() == 1),
    ),
    (
        "netDevices-same-template",
        &[NET, ("/linux/netDevices", r#"{"e0": {"name": "n%d"}, "e1": {"name": "n%d"}}"#)],
        Parses(|s| s.net_devices.iter().all(|device| device.is_template())),
    ),
    (
        "netDevices-without-namespace",
        &[("/linux/netDevices", r#"{"e0": {}}"#)],
        Fails(
            r#"this would change the host: the container has no network namespace (at /linux/netDevices); add {"type": "network"} to linux.namespaces, or leave this out"#,
        ),
    ),
    (
        "netDevices-same-name",
        &[NET, ("/linux/netDevices", r#"{"e0": {}, "e1": {"name": "e0"}}"#)],
        Fails(
            r#""e0" is the name of "e0" in the container, too (at /linux/netDevices/e1/name); give one of them another name, or both a template such as "eth%d""#,
        ),
    ),
    (
        "netDevices-long",
        &[NET, ("/linux/netDevices", r#"{"e0": {"name": "sixteen-letters0"}}"#)],
        Fails(
            r#""sixteen-letters0" has 16 bytes; 15 are the most (at /linux/netDevices/e0/name); shorten it"#,
        ),
    ),
    (
        "netDevices-slash",
        &[NET, ("/linux/netDevices", r#"{"a/b": {}}"#)],
        Fails(
            r#""a/b" is no name for a network device (at /linux/netDevices/a~1b); use letters, digits, '.', '-' and '_'"#,
        ),
    ),
    (
        "netDevices-space",
        &[NET, ("/linux/netDevices", r#"{"e0": {"name": "a b"}}"#)],
        Fails(
            r#""a b" is no name for a network device (at /linux/netDevices/e0/name); use letters, digits, '.', '-' and '_'"#,
        ),
    ),
    (
        "netDevices-sysctl-name",
        &[NET, ("/linux/netDevices", r#"{"e0": {"name": "all"}}"#)],
        Fails(
            r#""all" is no name for a network device (at /linux/netDevices/e0/name); use letters, digits, '.', '-' and '_'"#,
        ),
    ),
    (
        "netDevices-template-of-host",
        &[NET, ("/linux/netDevices", r#"{"eth%d": {}}"#)],
        Fails(
            r#""eth%d" is a template, not the name of a device (at /linux/netDevices/eth%d); name a device of the host; a template goes into "name""#,
        ),
    ),
    (
        "netDevices-two-numbers",
        &[NET, ("/linux/netDevices", r#"{"e0": {"name": "e%d%d"}}"#)],
        Fails(
            r#""e%d%d" is no template for names (at /linux/netDevices/e0/name); write one %d where the number goes, and no other '%'"#,
        ),
    ),
    (
        "intelRdt-empty",
        &[("/linux/intelRdt", "{}")],
        Parses(|s| s.intel_rdt.as_ref().is_some_and(|rdt| rdt.clos == Clos::Own)),
    ),
    (
        "intelRdt-order",
        &[(
            "/linux/intelRdt",
            r#"{"closID": "/", "schemata": ["L2:0=f"], "memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f\n"}"#,
        )],
        Parses(|s| {
            let rdt = s.intel_rdt.as_ref().expect("intelRdt");
            let lines: Vec<_> = rdt.lines.iter().map(|(line, at)| (&**line, &**at)).collect();
            rdt.clos == Clos::Default
                && !rdt.monitoring
                && lines
                    == [
                        ("L3:0=f", "/linux/intelRdt/l3CacheSchema"),
                        ("MB:0=20", "/linux/intelRdt/memBwSchema"),
                        ("L2:0=f", "/linux/intelRdt/schemata/0"),
                    ]
        }),
    ),
    (
        "intelRdt-old",
        &[("/linux/intelRdt", r#"{"closID": "x", "enableMonitoring": true, "enableCMT": true}"#)],
        Warns(
            "ignored: runtime-spec 1.3 replaced it by enableMonitoring (at /linux/intelRdt/enableCMT)",
            |s| s.intel_rdt.as_ref().is_some_and(|rdt| rdt.monitoring),
        ),
    ),
    (
        "intelRdt-path",
        &[("/linux/intelRdt", r#"{"closID": "a/b"}"#)],
        Fails(
            r#""a/b" is no name of a class of service (at /linux/intelRdt/closID); name one directory of resctrl, or write "/" for the default class"#,
        ),
    ),
    (
        "intelRdt-climbs",
        &[("/linux/intelRdt", r#"{"closID": ".."}"#)],
        Fails(
            r#"".." is no name of a class of service (at /linux/intelRdt/closID); name one directory of resctrl, or write "/" for the default class"#,
        ),
    ),
    (
        "intelRdt-bandwidth",
        &[("/linux/intelRdt", r#"{"memBwSchema": "L3:0=f"}"#)],
        Fails(
            r#""L3:0=f" is no line of memory bandwidth (at /linux/intelRdt/memBwSchema); write it as MB:0=50;1=50"#,
        ),
    ),
    (
        "intelRdt-newline",
        &[("/linux/intelRdt", r#"{"schemata": ["L3:0=f\nMB:0=20"]}"#)],
        Fails(
            r#""L3:0=f\nMB:0=20" is no line of schemata (at /linux/intelRdt/schemata/0); write one resource for each entry, such as L2:0=f;1=f"#,
        ),
    ),
];

#[test]
fn what_the_host_gives_means_what_was_decided() {
    super::check(HOST);
}
