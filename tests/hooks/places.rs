//! When hooks run, and where.

use crate::journal::{Hooked, Journal, PHASES, script};
use rrun_harness::{Bundle, eventually, requires};
use std::fs;

/// runc 1.1 runs the poststart hooks at the end of `create`.
#[test]
fn hooks_run_in_the_order_of_the_containers_life_and_of_their_lists() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let program = format!("echo program >>{}; exec probe sleep", journal.path("lines"));
    let bundle = PHASES.into_iter().fold(bundle.script(&program), |bundle, phase| {
        let bundle = bundle.notes(phase, &journal, &format!("{phase}-1"));
        bundle.notes(phase, &journal, &format!("{phase}-2"))
    });
    let pairs = |phases: &[&str]| -> Vec<String> {
        phases.iter().flat_map(|phase| [1, 2].map(|n| format!("{phase}-{n}"))).collect()
    };
    bundle.create().success();
    assert_eq!(journal.lines(), pairs(&PHASES[..3]));
    bundle.start().success();
    assert!(eventually(|| journal.lines().len() == 11), "{:?}", journal.lines());
    let mut lines = journal.lines();
    // The program and the poststart hooks run side by side.
    lines.retain(|line| line != "program");
    assert_eq!(lines, pairs(&PHASES[..5]));
    let program = journal.lines().iter().position(|line| line == "program");
    assert!(program.is_some_and(|at| at >= 8), "{:?}", journal.lines());
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    assert_eq!(journal.lines().len(), 11);
    bundle.delete().success();
    assert_eq!(journal.lines()[11..], pairs(&PHASES[5..]));
}

#[test]
fn each_kind_runs_in_its_own_namespaces() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new().args(["probe", "sleep"]));
    let kinds = ["mnt", "uts", "ipc", "net", "pid"];
    let bundle = PHASES.into_iter().fold(bundle, |bundle, phase| {
        let to = journal.path(phase);
        let look = format!(
            "for kind in {}; do echo $(readlink /proc/$$/ns/$kind); done >{to}",
            kinds.join(" ")
        );
        // Before the pivot /proc is the host's, where the shell does not know its own number.
        bundle.hook(phase, script(phase, &look.replace("/proc/$$", "/proc/self")))
    });
    bundle.up();
    let pid = bundle.state()["pid"].to_string();
    let of = |pid: &str| -> Vec<String> {
        let link = |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        kinds.iter().map(|kind| link(kind).to_string_lossy().into_owned()).collect()
    };
    let (host, inside) = (of("self"), of(&pid));
    bundle.delete_force().success();
    for phase in PHASES {
        let seen: Vec<String> = journal.read(phase).lines().map(str::to_owned).collect();
        let expected = if phase.ends_with("Container") { &inside } else { &host };
        assert_eq!(&seen, expected, "{phase}");
    }
}

#[test]
fn create_container_hooks_see_the_hosts_paths_with_the_rootfs_mounted() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let rootfs = bundle.rootfs().to_string_lossy().into_owned();
    let look = format!(
        "cd {rootfs} && grep -c ' {rootfs}/proc ' /proc/self/mountinfo >{0}; test -e /proc/1/root{1}/config.json || echo no; readlink -f {rootfs}/bin >>{0}",
        journal.path("seen"),
        bundle.path().display(),
    );
    let bundle = bundle.hook("createContainer", script("createContainer", &look));
    bundle.run().success();
    assert_eq!(journal.read("seen"), format!("1\n{rootfs}/bin\n"));
}

#[test]
fn create_runtime_hooks_find_the_containers_mounts_by_its_pid() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let rootfs = bundle.rootfs().to_string_lossy().into_owned();
    let look = format!(
        "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); grep -c ' {rootfs}/proc ' /proc/$pid/mountinfo >{0}; grep -c ' {rootfs}/proc ' /proc/self/mountinfo >>{0}; true",
        journal.path("seen")
    );
    let bundle = bundle.hook("createRuntime", script("createRuntime", &look));
    bundle.run().success();
    assert_eq!(journal.read("seen"), "1\n0\n");
}

#[test]
fn what_a_create_container_hook_mounts_in_the_rootfs_is_there_for_the_program() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let target = bundle.rootfs().join("var").to_string_lossy().into_owned();
    let mount = format!("mount -t tmpfs hooked {target} && echo hello >{target}/word");
    let bundle = bundle.hook("createContainer", script("createContainer", &mount));
    bundle.args(["probe", "read", "/var/word"]).run().success().stdout_is("hello\n");
    drop(journal);
}

#[test]
fn start_container_hooks_are_looked_for_in_the_container() {
    requires!(root, busybox);
    let (bundle, journal) = Journal::of(Bundle::new());
    let inner = bundle.rootfs().join("only-inside");
    fs::copy(bundle.rootfs().join("bin/busybox"), inner).unwrap();
    let mut hook =
        script("startContainer", &format!("pwd >{}; hostname >>{0}", journal.path("seen")));
    hook["path"] = "/only-inside".into();
    let bundle = bundle.hook("startContainer", hook).set("/hostname", "inner-name".into());
    bundle.run().success();
    assert!(journal.read("seen").ends_with("inner-name\n"), "{:?}", journal.read("seen"));
}

/// runc 1.1 answers "created" while it is still at work, and lets an exec in.
#[test]
fn a_container_that_is_being_created_says_so_and_nobody_may_enter() {
    requires!(root, rrun, busybox);
    let (bundle, journal) = Journal::of(Bundle::new().args(["probe", "sleep"]));
    let program = bundle.runtime().program().display();
    let rrun = format!("{program} --root {}", bundle.runtime().root().display());
    let id = bundle.id().to_owned();
    let ask = format!(
        "exec >{} 2>&1 </dev/null; {rrun} state {id}; {rrun} exec {id} probe say inside; {rrun} start {id}; {rrun} kill {id}; {rrun} delete {id}; {rrun} list -q; true",
        journal.path("said")
    );
    let bundle = bundle.hook("createRuntime", script("createRuntime", &ask));
    let check = |status: &str| {
        let said = journal.read("said");
        assert!(said.contains("\"status\": \"creating\""), "{said}");
        assert_eq!(said.matches("is being created").count(), 4, "{said}");
        assert!(!said.contains("inside\n"), "{said}");
        assert_eq!(bundle.status(), status);
        bundle.delete_force().success();
    };
    bundle.create().success();
    check("created");
    bundle.run_with(&["--detach"]).success();
    check("running");
}
