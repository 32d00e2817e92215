//! Every edge case that parses also plans, or is refused by a decision that is written down here.
//!
//! What a newcomer would get wrong: a refusal by `plan` is for what only the host, or a second field, makes wrong; what is
//! wrong in itself is `spec`'s to refuse.

use rrun::error::Kind;
use rrun::host::Host;
use rrun::id::ContainerId;
use rrun::plan::{Plan, Request, order};
use rrun::spec::Spec;

/// A case, the machine (`v2`, `hybrid`, or `*`), and the refusal: its kind and the field it names.
const REFUSED: &[(&str, &str, Kind, &str)] = &[
    ("no-process", "*", Kind::Spec, "/process"),
    // What SCHED_DEADLINE forbids to do after it is set.
    ("scheduler-deadline-hook", "*", Kind::Spec, "/process/scheduler"),
    // Fields of cgroup v1 that v2 has nothing for.
    ("mem", "v2", Kind::Unsupported, "/linux/resources/memory/swappiness"),
    ("cpu", "v2", Kind::Unsupported, "/linux/resources/cpu/realtimeRuntime"),
    ("network", "*", Kind::Unsupported, "/linux/resources/network/classID"),
    // Controllers that the hybrid machine doesn't have.
    ("unified", "hybrid", Kind::Host, "/linux/resources/unified/memory.max"),
    ("rdma", "hybrid", Kind::Host, "/linux/resources/rdma/mlx"),
];

/// What is wrong with the plans of a case that parsed.
pub fn wrong(name: &str, spec: &Spec) -> Option<String> {
    let id = ContainerId::new("case").expect("an id");
    let hosts = [("v2", Host::fixture()), ("hybrid", Host::hybrid_fixture())];
    hosts.iter().find_map(|(machine, host)| {
        let decided =
            REFUSED.iter().find(|(case, on, ..)| *case == name && ["*", *machine].contains(on));
        match (Plan::create(&id, spec, host, &Request::default()), decided) {
            (Ok(plan), None) => {
                let broken = order::violations(&plan.steps);
                (!broken.is_empty()).then(|| format!("{name} on {machine}: {}", broken.join("; ")))
            }
            (Ok(_), Some(_)) => Some(format!("{name} on {machine}: plans, which was not decided")),
            (Err(error), Some((.., kind, pointer)))
                if error.kind() == *kind && error.pointer() == Some(pointer) =>
            {
                None
            }
            (Err(error), _) => {
                let pointer = error.pointer().unwrap_or_default();
                Some(format!(
                    "(\"{name}\", \"{machine}\", Kind::{:?}, \"{pointer}\"), // {error}",
                    error.kind()
                ))
            }
        }
    })
}
