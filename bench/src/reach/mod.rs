//! Reach (M13): what a process could touch, counted on instances that run.
//!
//! ```text
//! payload that waits ── ptrace ──► its filters ── every number ──► allowed, by arguments, refused
//!                    ── /proc ───► capabilities, users, mounts
//! look, beside it    ── inside ──► files, devices, sockets, the kernel's log, the host's files
//! ```
//!
//! It refuses declarations: no configuration is read, only what the kernel has made of it. And it executes nothing
//! dangerous: filters are interpreted, files opened and not written. What a newcomer would get wrong: a container does not
//! shrink the kernel that benign work runs through; it shrinks what hostile work may ask of it.

mod around;
pub mod bpf;
mod installed;
mod machine;
mod process;

use crate::filters::{self, ARCH};
use crate::memory::crowd::{self, Subject};
use crate::memory::instance::{Instance, Kind};
use crate::memory::memcg::Hierarchy;
use crate::result::{Lane, Metric, Row, Unit};
use crate::room;
use crate::suite::Context;
use around::{Around, Bait};
use bpf::{Call, Verdict};
use libc::sock_filter;
use process::Rights;
use rrun_harness::workspace;
use serde_json::Value;

/// The system calls that are counted over.
const NUMBERS: std::ops::Range<u32> = filters::NUMBERS;

/// The profiles that every runtime is run with, beside that of Docker's configuration.
const PROFILES: [&str; 2] = ["podman-4.3", "docker-28.5"];

/// Cases of [`GATED_SUBJECTS`] that are the same on every machine; a gate compares them exactly. Mounts are none of them:
/// a path is masked only where the machine has it.
pub const GATED: &[&str] = &[
    "system calls allowed",
    "system calls, always",
    "system calls, errno",
    "system calls, fatal",
    "grid",
    "filter instructions",
    "steps",
    "steps, podman-4.3",
    "steps, docker-28.5",
    "capabilities, effective",
    "capabilities, bounding",
    "no new privileges",
    "processes visible",
    "sys files writable",
    "devices openable",
    "devices made",
    "kernel log",
    "host files reached",
    "host sockets reached",
];

/// Ours alone, because other runtimes' versions differ from machine to machine; and with its filter, because without one
/// it is the machine's `dmesg_restrict` that decides about the kernel's log.
pub const GATED_SUBJECTS: &[&str] = &["rrun"];

/// Cases that are no property of a guest's reach to the host, but of its own kernel.
const OWN_KERNEL: &[&str] = &[
    "system calls allowed",
    "grid",
    "capabilities, effective",
    "capabilities, bounding",
    "no new privileges",
    "uid map",
    "processes visible",
    "mounts",
    "mounts, writable",
    "proc files writable",
    "sys files writable",
    "devices openable",
    "devices made",
    "kernel log",
    "host files reached",
    "host sockets reached",
];

const ALLOWED: &str =
    "of the numbers 0 to 462: what all installed filters let through with some arguments";
const STEPS: &str =
    "mean BPF steps through all installed filters of a call that is allowed with all arguments 0";

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    let machine = crowd::machine_recipe(&context.programs);
    room::enter_beside_cgroups()?;
    let hierarchy = Hierarchy::find()?;
    let bait = Bait::lay(&context.programs)?;
    let mut rows = Vec::new();
    for subject in crowd::containers(&context.programs, &hierarchy)? {
        context.progress(subject.name);
        let found = of(context, &subject, &hierarchy, &bait);
        rows.extend(found.map_err(|why| format!("{}: {why}", subject.name))?);
    }
    context.progress("vm");
    let machine = crowd::machine(machine);
    rows.extend(machine::measure(&machine, &hierarchy, OWN_KERNEL)?);
    crate::memory::nothing_left(&hierarchy)?;
    Ok(rows.into_iter().map(|row| row.lane(Lane::R)).collect())
}

fn of(
    context: &Context,
    subject: &Subject,
    hierarchy: &Hierarchy,
    bait: &Bait,
) -> Result<Vec<Row>, String> {
    let name = subject.name;
    let kind = match &subject.kind {
        Ok(kind) => kind,
        Err(why) => {
            return Ok(vec![row("system calls allowed", name, ALLOWED).missing(why.clone())]);
        }
    };
    let instance = Instance::start(kind, hierarchy)?;
    let pid = instance.pid()?;
    let filters = installed::filters(pid)?;
    let rights = Rights::of(pid)?;
    drop(instance);
    let mut rows = of_filters(name, &filters)?;
    rows.extend(of_rights(name, &rights));
    if let Kind::Container(runtime, config) = kind {
        rows.extend(of_around(name, &bait.inside(&context.programs, kind)?)?);
        if !filters.is_empty() {
            for profile in PROFILES {
                let mut config = config.clone();
                config["linux"]["seccomp"] = read_profile(profile)?;
                let kind = Kind::Container(runtime.clone(), config);
                let instance = Instance::start(&kind, hierarchy)?;
                let filters = installed::filters(instance.pid()?)?;
                rows.push(steps(name, &format!("steps, {profile}"), &filters)?);
            }
        }
    } else {
        rows.extend(of_around(name, &bait.bare(&context.programs)?)?);
    }
    let note = |row: Row| subject.notes.iter().fold(row, |row, note| row.note(note.clone()));
    Ok(rows.into_iter().map(note).collect())
}

fn read_profile(name: &str) -> Result<Value, String> {
    let file = workspace().join(format!("rootfs-fixtures/seccomp/{name}.json"));
    let text = std::fs::read(&file).map_err(|why| format!("read {}: {why}", file.display()))?;
    serde_json::from_slice(&text).map_err(|why| format!("{}: {why}", file.display()))
}

/// Whether some arguments let a call through.
fn allowed(filters: &[Vec<sock_filter>], number: u32) -> bool {
    let verdict = bpf::verdict(filters, number, ARCH);
    matches!(verdict, Some(Verdict::Always | Verdict::Sometimes))
}

fn of_filters(subject: &str, filters: &[Vec<sock_filter>]) -> Result<Vec<Row>, String> {
    let verdicts: Option<Vec<Verdict>> =
        NUMBERS.map(|number| bpf::verdict(filters, number, ARCH)).collect();
    let verdicts = verdicts.ok_or("a filter has an instruction that the kernel does not take")?;
    let count = |wanted: &[Verdict]| {
        let found = verdicts.iter().filter(|verdict| wanted.contains(verdict)).count();
        f64::from(u32::try_from(found).unwrap_or(u32::MAX))
    };
    let grid: String = verdicts.iter().map(|verdict| verdict.letter()).collect();
    let length: usize = filters.iter().map(Vec::len).sum();
    let grid_says = "one letter for each number from 0 to 462: A allowed whatever its arguments are, a allowed \
                     with some arguments, e an errno, k fatal, o a signal, tracer or listener";
    Ok(vec![
        row("system calls allowed", subject, ALLOWED)
            .exact(count(&[Verdict::Always, Verdict::Sometimes])),
        row(
            "system calls, always",
            subject,
            "of these, the ones whose arguments are not looked at",
        )
        .exact(count(&[Verdict::Always])),
        row(
            "system calls, errno",
            subject,
            "of the numbers 0 to 462: what always fails with an errno",
        )
        .exact(count(&[Verdict::Errno])),
        row(
            "system calls, fatal",
            subject,
            "of the numbers 0 to 462: what always ends the process",
        )
        .exact(count(&[Verdict::Kill])),
        text("grid", subject, grid_says).text(grid),
        row("filter instructions", subject, "instructions of all installed filters")
            .exact(f64::from(u32::try_from(length).unwrap_or(u32::MAX))),
        steps(subject, "steps", filters)?,
    ])
}

fn steps(subject: &str, case: &str, filters: &[Vec<sock_filter>]) -> Result<Row, String> {
    let (mut calls, mut all) = (0_u32, 0_u32);
    for number in NUMBERS {
        let call = Call { number, arch: ARCH, arguments: Some([0; 6]) };
        let (answer, took) = bpf::run(filters, &call).ok_or("a filter gives no answer")?;
        if bpf::allows(answer) {
            calls += 1;
            all += u32::try_from(took).unwrap_or(u32::MAX);
        }
    }
    let row = row(case, subject, STEPS);
    Ok(if calls == 0 {
        row.missing("the filters allow no call with all arguments 0")
    } else {
        // To a thousandth: a longer fraction does not survive being written and read as it is.
        row.exact((f64::from(all) / f64::from(calls) * 1000.0).round() / 1000.0)
    })
}

fn of_rights(subject: &str, rights: &Rights) -> Vec<Row> {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let own = "by the waiting payload's own /proc/PID/status";
    vec![
        row("capabilities, effective", subject, own).exact(rights.effective.into()),
        row("capabilities, bounding", subject, own).exact(rights.bounding.into()),
        row("no new privileges", subject, own).exact(rights.no_new_privileges.into()),
        text("uid map", subject, "inside, outside, how many").text(&rights.users),
        row("mounts", subject, "lines of its mountinfo, without those of cgroups")
            .exact(count(rights.mounts)),
        row("mounts, writable", subject, "of these, the ones mounted rw")
            .exact(count(rights.writable)),
    ]
}

fn of_around(subject: &str, around: &Around) -> Result<Vec<Row>, String> {
    let count = |name: &str| {
        around.get(name).copied().ok_or_else(|| format!("look says nothing of {name}"))
    };
    let mut rows = Vec::new();
    for (case, name, interval) in [
        ("processes visible", "processes", "numbers in its /proc"),
        (
            "proc files writable",
            "proc-writable",
            "files of /proc, processes' own left out, that access(2) and open(2) allow to write",
        ),
        (
            "sys files writable",
            "sys-writable",
            "files of /sys, without cgroups, debugfs, tracefs, pstore and bpf, that access(2) and open(2) allow to write",
        ),
        (
            "devices openable",
            "devices",
            "device nodes in its /dev that open(2) opens (bare: that access(2) allows)",
        ),
        (
            "kernel log",
            "kernel-log",
            "of /dev/kmsg, /proc/kmsg and syslog(2): ways to the kernel's log",
        ),
        (
            "host sockets reached",
            "socket",
            "abstract sockets of the host that it could connect to, of one",
        ),
    ] {
        rows.push(row(case, subject, interval).exact(count(name)?.into()));
    }
    if subject == "bare" {
        return Ok(rows);
    }
    let made = "of seven devices (memory, log, KVM, tun, disks): those that mknod(2) makes and the device rules let open";
    rows.push(row("devices made", subject, made).exact(count("devices-made")?.into()));
    let reached = "ways to a file of the host outside its root: its handle, .., process 1's root, inherited descriptors";
    let outside = count("outside-handle")? + count("outside-path")?;
    rows.push(row("host files reached", subject, reached).exact(outside.into()));
    Ok(rows)
}

fn row(case: &str, subject: &str, interval: &str) -> Row {
    Row::new(Metric::M13, case, subject, Unit::Count, interval).lane(Lane::R)
}

/// A row that will be a fact and no number.
fn text(case: &str, subject: &str, interval: &str) -> Row {
    row(case, subject, interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gated_is_measured() {
        let around =
            ["processes", "proc-writable", "sys-writable", "devices", "kernel-log", "socket"];
        let around = around.iter().chain(&["devices-made", "outside-handle", "outside-path"]);
        let around = around.map(|name| ((*name).to_owned(), 0)).collect();
        let rights = Rights {
            effective: 0,
            bounding: 0,
            no_new_privileges: 0,
            users: String::new(),
            mounts: 0,
            writable: 0,
        };
        let mut rows = of_filters("rrun", &[]).expect("rows");
        rows.extend(of_rights("rrun", &rights));
        rows.extend(of_around("rrun", &around).expect("rows"));
        let mut cases: Vec<String> = rows.into_iter().map(|row| row.case).collect();
        cases.extend(PROFILES.map(|profile| format!("steps, {profile}")));
        for case in GATED {
            assert!(cases.iter().any(|measured| measured == case), "{case}");
        }
    }

    #[test]
    fn a_process_without_filters_may_call_everything_in_no_steps() {
        let rows = of_filters("bare", &[]).expect("rows");
        let value = |case: &str| rows.iter().find(|row| row.case == case).and_then(Row::value);
        assert_eq!(value("system calls allowed"), Some(463.0));
        assert_eq!(value("system calls, always"), Some(463.0));
        assert_eq!(value("steps"), Some(0.0));
    }

    #[test]
    fn rruns_own_filter_is_judged_as_its_own_emulation_judges_it() {
        let program = filters::compiled(&filters::profile("podman-4.3")).instructions;
        let filter: Vec<sock_filter> = program
            .iter()
            .map(|i| sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k })
            .collect();
        let theirs = rrun::plan::seccomp::emulate::mean_steps(&program, ARCH, NUMBERS);
        let ours = steps("rrun", "steps", &[filter]).expect("a row").value();
        let apart = ours.zip(theirs).map(|(ours, theirs)| (ours - theirs).abs());
        assert!(apart.is_some_and(|apart| apart < 1e-3), "{ours:?} {theirs:?}");
    }
}
