//! What a container uses, in the words that engines read, and the kernel's word when it runs out of memory.
//!
//! Knows the shape that go-runc decodes. Refuses exact figures of time and memory, which are the kernel's to count: what
//! is asserted is bounded by what the container did. A newcomer would look at a fresh container, all of whose figures are
//! near zero, and not see a field that is always zero.
use crate::group::Group;
use rrun_harness::{Bundle, Leftovers, Must, Running, eventually, requires};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

const MIB: u64 = 1 << 20;

fn stats(bundle: &Bundle) -> Value {
    let output = bundle.runtime().call(["events", "--stats", bundle.id()]).success();
    assert_eq!(output.stdout().lines().count(), 1, "{}", output.account());
    let event = output.json();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(bundle.id())));
    event["data"].clone()
}

fn limited() -> Bundle {
    Bundle::new().set(
        "/linux/resources",
        json!({
            "memory": { "limit": 64 * MIB },
            "cpu": { "quota": 5000, "period": 100_000 },
            "pids": { "limit": 40 },
        }),
    )
}

fn number(value: &Value) -> u64 {
    value.as_u64().must("a number")
}

#[test]
fn a_reading_has_what_the_container_uses_and_may() {
    requires!(root, cgroup("memory"), cgroup("cpu"), cgroup("pids"));
    let bundle = limited().args(["probe", "sleep"]);
    bundle.up();
    // More than its twentieth of a processor, so that it is held back.
    bundle.exec(&[], &["probe", "spin", "1"]).success();
    let data = stats(&bundle);
    let usage = &data["cpu"]["usage"];
    assert!(number(&usage["total"]) > 10_000_000, "{usage}");
    assert!(number(&usage["total"]) < 60_000_000_000, "{usage}");
    assert!(number(&usage["user"]) + number(&usage["kernel"]) > 0, "{usage}");
    let throttling = &data["cpu"]["throttling"];
    assert!(number(&throttling["periods"]) > 0, "{throttling}");
    assert!(number(&throttling["throttledPeriods"]) > 0, "{throttling}");
    assert!(number(&throttling["throttledTime"]) > 1_000_000, "{throttling}");
    let memory = &data["memory"];
    assert_eq!(memory["usage"]["limit"], 64 * MIB);
    let used = number(&memory["usage"]["usage"]);
    assert!(used > 0 && used <= 64 * MIB, "{memory}");
    assert!(number(&memory["usage"]["max"]) >= used, "{memory}");
    assert!(memory["raw"].as_object().must("memory.stat").len() > 10, "{memory}");
    assert_eq!(data["pids"], json!({ "current": 1, "limit": 40 }));
    let per_cpu = usage["percpu"].as_array().must("a list");
    assert_eq!(per_cpu.is_empty(), Group::of(&bundle).is_v2("cpuacct"));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn without_limits_there_are_the_words_for_none() {
    requires!(root, cgroup("memory"), cgroup("pids"));
    let bundle = Bundle::new().args(["probe", "sleep"]).set("/linux/resources", json!({}));
    bundle.up();
    let data = stats(&bundle);
    assert_eq!(data["memory"]["usage"]["limit"], u64::MAX);
    assert_eq!(data["pids"]["limit"], 0);
    assert_eq!(data["memory"]["usage"]["failcnt"], 0);
    bundle.delete_force().success();
}

/// A loop device over a file of its own; both go with it.
struct Loop {
    device: String,
    file: PathBuf,
}

impl Loop {
    #[track_caller]
    fn new(bundle: &Bundle) -> Loop {
        let file = bundle.path().join("disk");
        fs::write(&file, vec![7; 8 << 20]).must("write a disk");
        let output = Command::new("losetup").args(["--find", "--show"]).arg(&file).output();
        let output = output.must("call losetup");
        assert!(output.status.success(), "{output:?}");
        let device = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Loop { device, file }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["--detach", &self.device]).status());
        drop(fs::remove_file(&self.file));
    }
}

/// Past every cache, so that the kernel must count it.
#[test]
fn what_is_read_from_a_device_is_counted_for_it() {
    requires!(root, cgroup("io"), block_device, program("losetup"));
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let group = Group::of(&bundle);
    let v1 = group.is_v1("blkio");
    let directory = if v1 { group.directory("blkio") } else { group.unified() };
    let disk = Loop::new(&bundle);
    // The container may not open it: so it is open before who reads it joins.
    let script = format!(
        "exec 3< {}; echo $$ > {}/cgroup.procs && exec dd of=/dev/null bs=1M count=4 iflag=direct status=none <&3",
        disk.device,
        directory.display(),
    );
    let status = Command::new("sh").args(["-c", &script]).status().must("read the disk");
    assert!(status.success());
    let entries = stats(&bundle)["blkio"]["ioServiceBytesRecursive"].clone();
    let number_of = fs::metadata(&disk.device).must("ask for its number").rdev();
    let (major, minor) = (nix::sys::stat::major(number_of), nix::sys::stat::minor(number_of));
    let read =
        entries.as_array().must("a list").iter().find(|entry| {
            entry["op"] == "Read" && entry["major"] == major && entry["minor"] == minor
        });
    assert!(number(&read.must("an entry of the device")["value"]) >= 4 * MIB, "{entries}");
    drop(disk);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

fn follow(bundle: &Bundle, interval: &str) -> Running {
    let flag = format!("--interval={interval}");
    bundle.runtime().start_command(["events", flag.as_str(), bundle.id()])
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).must("a line of JSON")).collect()
}

#[test]
fn readings_follow_each_other_until_the_container_ends() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let running = follow(&bundle, "10ms");
    assert!(eventually(|| running.stdout().lines().count() > 3), "{}", running.stdout());
    bundle.kill("KILL").success();
    let output = running.wait().success();
    for event in events(&output.stdout()) {
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(bundle.id())));
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_kill_for_want_of_memory_is_told_as_often_as_it_happens() {
    requires!(root, cgroup("memory"));
    let bundle = Bundle::new()
        .args(["probe", "sleep"])
        .set("/linux/resources/memory", json!({ "limit": 32 * MIB }));
    bundle.up();
    let group = Group::of(&bundle);
    let running = follow(&bundle, "1h");
    let ooms = || {
        let all = events(&running.stdout());
        assert!(
            all.iter().all(|event| event["type"] == "oom" && event["id"] == bundle.id()),
            "{all:?}"
        );
        all.len()
    };
    // It watches once it waits, which its state in /proc does not tell from its start.
    let watches = || {
        let fds = fs::read_dir(format!("/proc/{}/fd", running.pid())).must("list its descriptors");
        fds.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| {
                let to = to.to_string_lossy().into_owned();
                to.contains("inotify") || to.contains("eventfd")
            })
        })
    };
    assert!(eventually(watches), "it never watched");
    for expected in 1..=2 {
        bundle.exec(&[], &["probe", "alloc", "268435456"]).code(137);
        assert!(eventually(|| ooms() == expected), "{} of {expected}", ooms());
    }
    bundle.kill("KILL").success();
    let output = running.wait().success();
    assert_eq!(events(&output.stdout()).len(), 2);
    assert_eq!(group.count("memory", ("memory.events", "memory.oom_control"), "oom_kill"), 2);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_last_kill_is_told_though_it_ends_the_container() {
    requires!(root, cgroup("memory"));
    let bundle = Bundle::new()
        .script("read go < /go; exec probe alloc 268435456")
        .set("/linux/resources/memory", json!({ "limit": 32 * MIB }));
    let go = bundle.rootfs().join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).must("make a fifo");
    bundle.up();
    let running = follow(&bundle, "10ms");
    assert!(eventually(|| !running.stdout().is_empty()), "it never watched");
    fs::write(&go, "go\n").must("let it go");
    let output = running.wait().success();
    let kinds: Vec<_> =
        events(&output.stdout()).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "oom").count(), 1, "{kinds:?}");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
