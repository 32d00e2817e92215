//! Who is noisy in lane I, and how much slower a victim should be for it (M12).

use super::freight::{Freight, cgroup};
use super::order::{Fact, Neighbour, Words};
use crate::scene::Seccomp;
use serde_json::{Value, json};

/// What a ratio is.
pub const INTERVAL: &str = "instructions that go by until a fixed computation in the root cgroup is done ÷ the same \
                            alone, on one processor";

/// Somebody noisy: name of the bundle, case, arguments, resources, and what is to be expected.
struct Noise {
    bundle: &'static str,
    case: &'static str,
    args: &'static [&'static str],
    limits: fn() -> Value,
    facts: &'static [Fact],
    theory: &'static str,
}

const HOGS: &[&str] = &["/bin/aggressor", "hogs", "4"];
const BOMB: &[&str] = &["/bin/aggressor", "bomb"];
const MEMORY: &[&str] = &["/bin/aggressor", "memory"];

const PER_GROUP: &str = "theory: 2, for a cgroup competes as one, whatever is in it";
const TENTH: &str =
    "theory: 1.111 over many periods of 100 ms, for a tenth of each is the neighbour's";

/// All in containers.
const NOISES: [Noise; 8] = [
    Noise {
        bundle: "hog",
        case: "1 hog",
        args: &["/bin/aggressor", "hogs", "1"],
        limits: || json!({}),
        facts: &[],
        theory: PER_GROUP,
    },
    Noise {
        bundle: "hogs",
        case: "4 hogs",
        args: HOGS,
        limits: || json!({}),
        facts: &[],
        theory: PER_GROUP,
    },
    Noise {
        bundle: "light",
        case: "4 hogs | cpu.weight 4",
        args: HOGS,
        limits: || json!({ "unified": { "cpu.weight": "4" } }),
        facts: &[],
        theory: "theory: 1.04, for weights are 100 and 4",
    },
    Noise {
        bundle: "slow",
        case: "4 hogs | cpu.max 10 %",
        args: HOGS,
        limits: tenth,
        facts: &[],
        theory: TENTH,
    },
    Noise {
        bundle: "bomb",
        case: "fork bomb | pids.max 64",
        args: BOMB,
        limits: || json!({ "pids": { "limit": 64 } }),
        facts: &[Fact::Outside, Fact::Refused],
        theory: "theory: 2, and what the kernel does for it in threads of its own",
    },
    Noise {
        bundle: "slow-bomb",
        case: "fork bomb | pids.max 64, cpu.max 10 %",
        args: BOMB,
        limits: || with(tenth(), "pids", json!({ "limit": 64 })),
        facts: &[Fact::Outside, Fact::Refused],
        theory: TENTH,
    },
    Noise {
        bundle: "memory",
        case: "memory hog | memory.max 32 MiB",
        args: MEMORY,
        limits: || json!({ "memory": { "limit": 32 << 20 } }),
        facts: &[Fact::Outside, Fact::KilledInside, Fact::KilledOutside],
        theory: "theory: 2, and what the kernel does for it in threads of its own",
    },
    Noise {
        bundle: "slow-memory",
        case: "memory hog | memory.max 32 MiB, cpu.max 10 %",
        args: MEMORY,
        limits: || with(tenth(), "memory", json!({ "limit": 32 << 20 })),
        facts: &[Fact::Outside, Fact::KilledInside, Fact::KilledOutside],
        theory: TENTH,
    },
];

const BARE: &str = "4 hogs";

/// Adds the bundles, and says who is noisy.
pub fn order(freight: &mut Freight) -> Vec<Neighbour> {
    let bare = Neighbour {
        case: BARE.to_owned(),
        subject: "bare".to_owned(),
        before: vec![words(HOGS)],
        cgroup: None,
        facts: Vec::new(),
        after: Vec::new(),
    };
    let contained = NOISES.iter().map(|noise| {
        freight.bundle(noise.bundle, Seccomp::Docker, noise.args, |config| {
            let resources = &mut config["linux"]["resources"];
            for (name, value) in (noise.limits)().as_object().into_iter().flatten() {
                resources[name] = value.clone();
            }
        });
        let bundle = format!("/bundles/{}", noise.bundle);
        Neighbour {
            case: noise.case.to_owned(),
            subject: "rrun".to_owned(),
            before: vec![
                words(&["/bin/rrun", "create", "--bundle", &bundle, "noise"]),
                words(&["/bin/rrun", "start", "noise"]),
            ],
            cgroup: Some(cgroup(noise.bundle)),
            facts: noise.facts.to_vec(),
            after: vec![
                words(&["/bin/rrun", "kill", "noise", "KILL"]),
                words(&["/bin/rrun", "delete", "noise"]),
            ],
        }
    });
    std::iter::once(bare).chain(contained).collect()
}

/// What is to be expected of a case.
#[must_use]
pub fn theory(case: &str, subject: &str) -> Option<&'static str> {
    if subject == "bare" {
        return (case == BARE).then_some("theory: 5, for each task competes");
    }
    NOISES.iter().find(|noise| noise.case == case).map(|noise| noise.theory)
}

fn tenth() -> Value {
    json!({ "cpu": { "quota": 10_000, "period": 100_000 } })
}

fn with(mut limits: Value, name: &str, value: Value) -> Value {
    limits[name] = value;
    limits
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}
