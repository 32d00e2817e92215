//! The machine that was measured on, the versions of who was measured, and what the virtual machines were made of.
//!
//! It refuses to judge: a busy machine is a fact for the reader. What a newcomer would get wrong: a load at the end of a
//! run is the run's own, so the load is read before it and after it.

use crate::programs::Programs;
use crate::vm::{Accelerator, Flavour, Machines, hash};
use rrun_harness::workspace;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Kernel, processor, how many of them, the load now.
#[must_use]
pub fn facts() -> Value {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "processor": processor(), "processors": processors, "kernel": read("/proc/sys/kernel/osrelease"),
        "load": load(),
    })
}

/// Everything a report's header says, but how long it took and the load at its end.
#[must_use]
pub fn run(programs: &Programs) -> Value {
    let mut facts = facts();
    facts["distribution"] = distribution().into();
    facts["memory"] = meminfo("MemTotal:").into();
    facts["virtualized"] = virtualized().into();
    facts["cgroup"] = cgroup().into();
    facts["date"] = date().into();
    facts["commit"] = commit().into();
    facts["versions"] = versions(programs);
    facts["sha256"] = digests(programs);
    match Machines::proven_afresh(&programs.payload) {
        Ok(machines) => {
            let name = match machines.accelerator() {
                Accelerator::Kvm => "kvm",
                Accelerator::Tcg | Accelerator::Icount => "tcg",
            };
            facts["accelerator"] = name.into();
            facts["because"] = machines.proof.because.clone().into();
            facts["versions"]["qemu"] = machines.qemu.clone().into();
            facts["versions"]["guest kernel"] = machines.kernel.release.clone().into();
            facts["sha256"]["guest kernel"] = digest(machines.kernel.best());
            let line = |flavour: Flavour| {
                (flavour.subject().to_owned(), words(&machines.recipe(flavour).command()).into())
            };
            facts["command lines"] = Value::Object(Flavour::ALL.into_iter().map(line).collect());
        }
        Err(why) => {
            facts["accelerator"] = "none".into();
            facts["because"] = why.into();
        }
    }
    facts
}

/// The load's averages over 1, 5 and 15 minutes.
#[must_use]
pub fn load() -> String {
    let all = read("/proc/loadavg");
    all.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn processor() -> String {
    let all = read("/proc/cpuinfo");
    let model = all.lines().find(|line| line.starts_with("model name"));
    model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned()
}

fn distribution() -> String {
    let all = read("/etc/os-release");
    let name = all.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

fn meminfo(name: &str) -> String {
    let all = read("/proc/meminfo");
    let line = all.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or("unknown").trim().to_owned()
}

/// The processor tells: a hypervisor sets a flag that no hardware has.
fn virtualized() -> String {
    let flags = read("/proc/cpuinfo");
    let flag = flags.lines().find(|line| line.starts_with("flags"));
    let name = read("/sys/class/dmi/id/product_name");
    match flag.is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")) {
        true if name.is_empty() => "yes".to_owned(),
        true => format!("yes: {name}"),
        false => "no".to_owned(),
    }
}

fn cgroup() -> &'static str {
    let is = |path| Path::new("/sys/fs/cgroup").join(path).is_file();
    match (is("cgroup.controllers"), is("unified/cgroup.controllers")) {
        (true, _) => "v2",
        (false, true) => "hybrid: v1 controllers beside v2",
        (false, false) => "v1",
    }
}

/// UTC, to the minute.
fn date() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let answer =
        Command::new("date").args(["-u", "-d", &format!("@{now}"), "+%F %H:%M UTC"]).output();
    answer.map_or_else(|_| format!("{now} s"), |answer| said(&answer.stdout))
}

/// The commit, and whether the tree differs from it.
fn commit() -> String {
    let git = |words: &[&str]| {
        let answer = Command::new("git").arg("-C").arg(workspace()).args(words).output();
        answer.ok().filter(|answer| answer.status.success()).map(|answer| said(&answer.stdout))
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_some_and(|changed| !changed.is_empty()) { commit + ", changed" } else { commit }
}

fn versions(programs: &Programs) -> Value {
    let all = [
        ("rrun", Some(&programs.rrun)),
        ("runc", programs.runc.as_ref()),
        ("crun", programs.crun.as_ref()),
        ("youki", programs.youki.as_ref()),
    ];
    let version = |program: &Path| {
        let answer = Command::new(program).arg("--version").output();
        answer.map_or_else(|why| why.to_string(), |answer| first_line(&answer.stdout))
    };
    let entry = |(name, program): (&str, Option<&std::path::PathBuf>)| {
        let version = program.map_or_else(|| "not on PATH".to_owned(), |program| version(program));
        (name.to_owned(), version.into())
    };
    Value::Object(all.into_iter().map(entry).collect::<Map<_, _>>())
}

fn digests(programs: &Programs) -> Value {
    json!({ "payload": digest(&programs.payload), "rrun": digest(&programs.rrun) })
}

fn digest(file: &Path) -> Value {
    fs::read(file).map_or(Value::Null, |bytes| hash(&bytes).into())
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn first_line(bytes: &[u8]) -> String {
    said(bytes).lines().next().unwrap_or_default().to_owned()
}

/// A command line as a person would type it, with files by their last name: where they lie is nobody's business.
fn words(command: &Command) -> String {
    let short = |word: &str| match word.strip_prefix('/').and_then(|path| path.rsplit('/').next()) {
        Some(name) => name.to_owned(),
        None if word.contains(' ') => format!("'{word}'"),
        None => word.to_owned(),
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let words = command.get_args().map(|word| short(&word.to_string_lossy()));
    [short(&program)].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_names_no_place_of_this_machine() {
        let mut command = Command::new("/usr/bin/qemu");
        command.args(["-kernel", "/home/me/vmlinux", "-append", "quiet panic=-1"]);
        assert_eq!(words(&command), "qemu -kernel vmlinux -append 'quiet panic=-1'");
    }

    #[test]
    fn the_machine_has_a_kernel_and_a_processor() {
        let facts = facts();
        assert!(facts["kernel"].as_str().is_some_and(|kernel| kernel.contains('.')));
        assert!(facts["processors"].as_u64().is_some_and(|count| count > 0));
        assert_eq!(facts["load"].as_str().map(|load| load.split(' ').count()), Some(3));
    }
}
