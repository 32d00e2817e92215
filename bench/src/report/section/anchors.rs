//! What others have published, with *their* definitions of the interval: never in one column with ours.
//!
//! What a newcomer would get wrong: the definition of the interval is worth a factor of three. Firecracker's start is 125
//! ms from an API call to /sbin/init with the console off, and 350 ms from the birth of a process to its end.

use super::Section;
use crate::report::facts::{Facts, Virtualization, is_vm};
use crate::report::html::{Html, class, table};
use crate::report::number;
use crate::result::{Lane, Metric};

/// A published figure.
struct Anchor {
    source: &'static str,
    interval: &'static str,
    published: &'static str,
    /// Whether it was read in the source itself, or in notes about it.
    at_first_hand: bool,
    /// Ours that comes nearest: a metric, a case, a subject.
    ours: Option<(Metric, &'static str, &'static str)>,
}

const START: Option<(Metric, &str, &str)> = Some((Metric::M1, "run", "rrun"));
const COLD: Option<(Metric, &str, &str)> = Some((Metric::M1, "run", "vm microvm"));

const ANCHORS: [Anchor; 11] = [
    Anchor {
        source: "Firecracker, SPECIFICATION.md and NSDI 2020",
        interval: "API call InstanceStart → guest's /sbin/init; console off, minimal kernel, 1 vCPU, 128 MiB",
        published: "at most 125 ms; VMM memory at most 5 MiB",
        at_first_hand: true,
        ours: COLD,
    },
    Anchor {
        source: "Firecracker's NSDI 2020 data, computed anew",
        interval: "birth of QEMU 4.2 → isa-debug-exit written by /init; m5d.metal, 500 starts in series",
        published: "median / p99: QEMU with qboot 214 / 221 ms, with SeaBIOS 244 / 259 ms, Firecracker's own timer 110 / 116 ms",
        at_first_hand: true,
        ours: COLD,
    },
    Anchor {
        source: "Garzarella 2019, QEMU and PVH",
        interval: "birth of QEMU → guest's first user process; KVM, q35",
        published: "qboot and PVH 133.8 ms, SeaBIOS and bzImage 191.7 ms",
        at_first_hand: true,
        ours: Some((Metric::M1, "run", "vm q35")),
    },
    Anchor {
        source: "crun's README",
        interval: "wall clock of 100 sequential runs of /bin/true, divided by 100",
        published: "crun 16.9 ms, runc 33.4 ms each",
        at_first_hand: true,
        ours: Some((Metric::M1c, "run", "crun")),
    },
    Anchor {
        source: "youki's README, v0.3.3",
        interval: "sudo create, start and delete -f, caches dropped before each",
        published: "crun 47.3 ms, youki 111.5 ms, runc 224.6 ms",
        at_first_hand: true,
        ours: START,
    },
    Anchor {
        source: "LightVM, SOSP 2017",
        interval: "creation and boot of a unikernel guest by a tool stack made for it",
        published: "2.3 ms: a virtual machine can start as fast as a container when guest and tools are small",
        at_first_hand: false,
        ours: START,
    },
    Anchor {
        source: "Felter et al., IBM RC25482, ISPASS 2015",
        interval: "Linpack, random I/O, TCP round trips: native, Docker, KVM",
        published: "Docker equals native; KVM −2 % to −17 % Linpack, half the random IOPS, +30 µs per round trip",
        at_first_hand: false,
        ours: None,
    },
    Anchor {
        source: "Anjali, Caraza-Harter, Swift, VEE 2020",
        interval: "lines of the host's kernel that a set of microbenchmarks reaches",
        published: "native 7.83 %, Firecracker 9.59 %, LXC 11.23 %, gVisor 11.31 %: isolation does not shrink what benign work reaches",
        at_first_hand: false,
        ours: None,
    },
    Anchor {
        source: "van Rijn and Rellermeyer, Middleware 2021",
        interval: "birth of a process → its end",
        published: "containers near native; Firecracker 350 ms by this definition",
        at_first_hand: false,
        ours: Some((Metric::M1c, "run", "rrun")),
    },
    Anchor {
        source: "RunD, ATC 2022",
        interval: "secure containers on 104 vCPUs and 384 GB",
        published: "more than 200 starts per second, more than 2 500 per node",
        at_first_hand: true,
        ours: None,
    },
    Anchor {
        source: "Docker's documentation",
        interval: "system calls that the default profile leaves out",
        published: "about 44 of more than 300",
        at_first_hand: true,
        ours: Some((Metric::M13, "system calls allowed", "rrun")),
    },
];

/// The table.
pub fn section(facts: &Facts) -> Section {
    let line = |anchor: &Anchor| {
        let ours = anchor.ours.and_then(|(metric, case, subject)| {
            let lane = if metric == Metric::M13 { Lane::R } else { Lane::W };
            let of = |subject: &str| facts.number(metric, lane, case, subject);
            let row = of(subject).or_else(|| of(&format!("{subject} without a cgroup")))?;
            let emulated = facts.virtualization() == Virtualization::Emulated && is_vm(subject);
            let how = if emulated { ", emulated" } else { "" };
            let subject = &row.subject;
            Some(format!("{subject}{how}: {} ({})", number::of_row(row), row.interval))
        });
        let hand = if anchor.at_first_hand { "" } else { " (secondary source)" };
        [
            anchor.source.to_owned(),
            anchor.interval.to_owned(),
            format!("{}{hand}", anchor.published),
            ours.unwrap_or_else(|| "nothing here has this definition".to_owned()),
        ]
        .map(Html::from)
        .into()
    };
    let heads = ["source", "its interval", "published", "nearest of ours, by our definition"];
    let table = table(&heads, ANCHORS.iter().map(line).collect());
    let warning = "Other machines, other years, other definitions: no ratio is made of these.";
    Section {
        id: "anchors",
        title: "What others have published",
        lead: "To see whether our figures are of the right size.",
        body: class("div", "rows", table).then(class("p", "soft", warning)),
    }
}
