//! What belongs to a container beside its memory: mounts, limits, connections, locks, streams.

use crate::scene::{checkpoint, count, counter, counts_beyond, quiet, restore, runtime};
use crate::scene::{number, there_and_back};
use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::Stdio;

#[test]
fn a_bind_is_restored_from_the_bundles_source_and_a_tmpfs_with_its_files() {
    requires!(root, busybox, criu);
    let runtime = runtime();
    let script = "echo kept > /scratch/note; exec probe count /data/count";
    let with = |bundle: Bundle| {
        let data = bundle.path().join("data");
        fs::create_dir_all(&data).must("make a directory");
        bundle.bind(&data, "/data", &["rw"]).mount("/scratch", "tmpfs", "tmpfs", &["size=1m"])
    };
    let bundle = with(quiet(&runtime, script));
    bundle.up();
    let counted = |bundle: &Bundle| number(&bundle.path().join("data/count"));
    assert!(eventually(|| counted(&bundle) > 5));
    checkpoint(&bundle, &[]).success();
    let kept = counted(&bundle);
    let other = with(quiet(&runtime, script));
    restore(&other, &bundle, &[]).success();
    assert!(eventually(|| counted(&other) > kept));
    assert_eq!(counted(&bundle), kept, "it wrote to the old source");
    let note = ["probe", "read", "/scratch/note"];
    other.exec(&[], &note).success().stdout_is("kept\n");
    other.delete_force().success();
    Leftovers::assert_none(&other);
}

#[test]
fn masked_and_read_only_paths_are_so_again() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime())
        .set("/linux/maskedPaths", json!(["/proc/cpuinfo", "/proc/tty", "/proc/no-such-file"]))
        .set("/linux/readonlyPaths", json!(["/proc/sys"]));
    bundle.up();
    there_and_back(&bundle, &[]);
    bundle.exec(&[], &["probe", "read", "/proc/cpuinfo"]).success().stdout_is("");
    let write = ["probe", "open", "/proc/sys/kernel/hostname", "w"];
    bundle.exec(&[], &write).failure().stdout_is("EROFS\n");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn its_limits_are_there_before_it_goes_on() {
    requires!(root, busybox, criu, cgroup("pids"), cgroup("memory"));
    let bundle = counter(&runtime())
        .set("/linux/resources/pids", json!({ "limit": 7 }))
        .set("/linux/resources/memory", json!({ "limit": 64 << 20 }));
    bundle.up();
    there_and_back(&bundle, &[]);
    let pid = bundle.state()["pid"].to_string();
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).must("read its cgroups");
    let limit = |controller: &str, v1: &str, v2: &str| {
        let path_of = |line: &str| line.rsplit_once(':').map(|(_, path)| path.to_owned());
        let old = lines.lines().find(|line| {
            line.split(':')
                .nth(1)
                .is_some_and(|names| names.split(',').any(|one| one == controller))
        });
        let file = match old.and_then(path_of) {
            Some(path) => format!("/sys/fs/cgroup/{controller}{path}/{v1}"),
            None => {
                let path = lines.lines().find_map(|line| line.strip_prefix("0::"));
                format!("/sys/fs/cgroup{}/{v2}", path.must("find its cgroup"))
            }
        };
        fs::read_to_string(&file).must(&format!("read {file}")).trim().to_owned()
    };
    assert_eq!(limit("pids", "pids.max", "pids.max"), "7");
    assert_eq!(limit("memory", "memory.limit_in_bytes", "memory.max"), (64 << 20).to_string());
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_connection_lives_on_if_that_was_asked_for_and_is_refused_if_not() {
    requires!(root, busybox, criu);
    let bundle = quiet(&runtime(), "busybox ip link set lo up; exec probe pump /count");
    let bundle = ["bounding", "effective", "permitted"].into_iter().fold(bundle, |bundle, set| {
        bundle.push(&format!("/process/capabilities/{set}"), json!("CAP_NET_ADMIN"))
    });
    bundle.up();
    counts_beyond(&bundle, 5);
    let refused = checkpoint(&bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("give --tcp-established");
    }
    let now = count(&bundle);
    counts_beyond(&bundle, now);
    there_and_back(&bundle, &["--tcp-established"]);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_file_lock_is_held_again() {
    requires!(root, busybox, criu);
    let bundle = quiet(&runtime(), "exec probe hold /lock /count");
    bundle.up();
    let held = || bundle.exec(&[], &["busybox", "flock", "-n", "/lock", "true"]).failure();
    counts_beyond(&bundle, 5);
    held();
    let refused = checkpoint(&bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("give --file-locks");
    }
    there_and_back(&bundle, &["--file-locks"]);
    held();
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn streams_that_were_the_callers_are_those_of_whoever_restores_it() {
    requires!(root, busybox, criu);
    let bundle = Bundle::in_runtime(&runtime());
    let bundle = bundle.script("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done");
    let id = bundle.id().to_owned();
    let path = bundle.path().to_string_lossy().into_owned();
    bundle.write_config();
    let mut old = piped(&bundle, &["run", "--detach", "--bundle", &path, &id]);
    let kept = (1..=5).map(|_| line(&mut old)).last().must("read a line");
    assert_eq!(kept, 5);
    checkpoint(&bundle, &[]).success();
    let last = std::iter::from_fn(|| Some(line(&mut old)).filter(|n| *n > 0)).last();
    let last = last.unwrap_or(kept);
    let images = crate::scene::images(&bundle).to_string_lossy().into_owned();
    let words = ["restore", "--detach", "--image-path", &images, "--bundle", &path, &id];
    let mut new = piped(&bundle, &words);
    // What was in the old pipe is in the images, too, and comes again; what was read before is not.
    let first = line(&mut new);
    assert!((kept + 1..=last + 1).contains(&first), "{first} after {kept} and {last}");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

/// The runtime with these words, its output and its container's in a pipe.
fn piped(bundle: &Bundle, words: &[&str]) -> BufReader<PipeReader> {
    let (reader, writer) = std::io::pipe().must("make a pipe");
    let mut command = bundle.runtime().command(words);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let status = command.status().must("start the runtime");
    assert!(status.success(), "{words:?}: {status}");
    BufReader::new(reader)
}

/// The number of the next line; 0 at the end.
fn line(reader: &mut BufReader<PipeReader>) -> u64 {
    let mut text = String::new();
    reader.read_line(&mut text).must("read a line");
    text.trim_start_matches("line ").trim().parse().unwrap_or(0)
}

#[test]
fn several_processes_come_back_as_the_family_they_were() {
    requires!(root, busybox, criu);
    let bundle = quiet(&runtime(), "probe sleep & probe sleep & exec probe count /count");
    bundle.up();
    counts_beyond(&bundle, 5);
    let processes = |bundle: &Bundle| {
        let json = bundle.runtime().call(["ps", "--format", "json", bundle.id()]).success().json();
        json.as_array().map(Vec::len)
    };
    assert_eq!(processes(&bundle), Some(3));
    there_and_back(&bundle, &[]);
    assert_eq!(processes(&bundle), Some(3));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_filter_is_restored_too() {
    requires!(root, busybox, criu);
    let bundle = counter(&runtime()).set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO" }] }),
    );
    bundle.up();
    there_and_back(&bundle, &[]);
    let pid = bundle.state()["pid"].to_string();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).must("read its status");
    assert!(status.lines().any(|line| line == "Seccomp:\t2"), "{status}");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn what_restores_it_can_keep_its_hands_off_cgroups() {
    requires!(root, busybox, criu, rrun);
    let bundle = counter(&runtime()).set("/root/readonly", Value::Bool(false));
    bundle.up();
    there_and_back(&bundle, &["--manage-cgroups-mode", "ignore"]);
    // It is where the runtime looks for it.
    bundle.runtime().call(["pause", bundle.id()]).success();
    assert_eq!(bundle.status(), "paused");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
