//! How containers end, and what is said of a container that cannot begin.

use rrun_harness::engines::Set;
use rrun_harness::requires;

use crate::{IMAGE, detached, inspect, podman, remove};

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn what_cannot_be_executed_is_126_or_127_and_a_signal_counts() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let run = |words: &[&str]| podman.call(&[&["run", "--rm", IMAGE], words].concat());
    run(&["/bin/missing"]).code(127).stderr_has("/bin/missing");
    run(&["missing"]).code(127).stderr_has("missing");
    run(&["/etc"]).code(126).stderr_has("/etc");
    run(&["/etc/passwd"]).code(126).stderr_has("/etc/passwd");
    run(&["/bin/sh", "-c", "kill -KILL $$; sleep 9"]).code(0);
    detached(&podman, "sleeps", &[], "exec sleep 1000");
    podman.call(&["exec", "sleeps", "/bin/missing"]).code(127);
    podman.call(&["exec", "sleeps", "/etc"]).code(126);
    podman.call(&["exec", "sleeps", "/bin/sh", "-c", "kill -TERM $$"]).code(143);
    podman.call(&["kill", "sleeps"]).success();
    podman.call(&["wait", "sleeps"]).success().stdout_is("137\n");
    remove(&podman, &["sleeps"]);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_container_that_wants_more_memory_than_it_has_is_killed() {
    requires!(root, busybox, cgroup("memory"), engines(Set::Own));
    let podman = podman();
    let words = ["run", "--name", "hog", "--memory", "24m", "--memory-swap", "24m", IMAGE];
    let hog = ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"];
    podman.call(&[&words[..], &hog].concat()).code(137);
    // conmon 2.1.6 notices nothing of it in a version 1 hierarchy, by runc as by rrun (both are `false`
    // here): `OOMKilled` is asked of other engines.
    assert_eq!(inspect(&podman, "hog", "{{.State.ExitCode}}"), "137");
    remove(&podman, &["hog"]);
}
