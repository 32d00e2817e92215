//! A container's life: run, exec, logs, limits, pause, update, stats, restart, health, pod.

use rrun_harness::engines::Set;
use rrun_harness::{eventually, requires};

use crate::{IMAGE, detached, inspect, podman, remove};

/// Ticks until it is told to end, and then ends with 3.
const TICKS: &str =
    "trap 'exit 3' TERM; n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.1; done";

#[test]
fn a_container_runs_by_rrun_and_leaves_nothing() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let said =
        podman.call(&["run", "--rm", IMAGE, "/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    said.code(7).stdout_is("out\n").stderr_has("err");
    podman.call(&["create", "--name", "made", IMAGE, "/bin/true"]).success();
    assert_eq!(inspect(&podman, "made", "{{.OCIRuntime}}"), "rrun");
    remove(&podman, &["made"]);
    podman.call(&["ps", "--all", "--quiet"]).success().stdout_is("");
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn exec_logs_top_stop_and_rm() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    detached(&podman, "ticks", &[], TICKS);
    podman
        .call(&["exec", "ticks", "/bin/sh", "-c", "echo inside; exit 9"])
        .code(9)
        .stdout_is("inside\n");
    podman
        .call(&[
            "exec",
            "--user",
            "7:8",
            "--workdir",
            "/tmp",
            "--env",
            "A=b",
            "ticks",
            "/bin/sh",
            "-c",
            "id -u; id -g; pwd; echo $A",
        ])
        .success()
        .stdout_is("7\n8\n/tmp\nb\n");
    let told = || podman.call(&["logs", "ticks"]).success().stdout().contains("tick 5\n");
    assert!(eventually(told), "the log does not grow");
    podman.call(&["top", "ticks", "pid", "args"]).success().stdout_has("tick $n");
    podman.call(&["stop", "--time", "10", "ticks"]).success();
    assert_eq!(inspect(&podman, "ticks", "{{.State.ExitCode}} {{.State.Status}}"), "3 exited");
    podman.call(&["start", "ticks"]).success();
    podman.call(&["kill", "--signal", "TERM", "ticks"]).success();
    podman.call(&["wait", "ticks"]).success().stdout_is("3\n");
    podman.call(&["rm", "ticks"]).success();
    podman.call(&["ps", "--all", "--quiet"]).success().stdout_is("");
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn limits_are_there_and_follow_an_update_and_stats_are_read() {
    requires!(root, busybox, cgroup("memory"), cgroup("pids"), cgroup("cpu"), engines(Set::Own));
    let podman = podman();
    let options = ["--memory", "64m", "--pids-limit", "30", "--cpus", "0.5"];
    detached(&podman, "limited", &options, TICKS);
    let v1 =
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us";
    let v2 = "cd /sys/fs/cgroup; cat memory.max pids.max; cut -d' ' -f1 cpu.max";
    let read = format!("if [ -e /sys/fs/cgroup/memory.max ]; then {v2}; else {v1}; fi");
    let seen = || podman.call(&["exec", "limited", "/bin/sh", "-c", &read]).success();
    seen().stdout_is("67108864\n30\n50000\n");
    // podman 4.3 knows cpu and memory, and asks for neither of the other's limits.
    podman.call(&["update", "--memory", "80m", "--cpus", "0.25", "limited"]).success();
    seen().stdout_is("83886080\n30\n25000\n");
    let stats = ["stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", "limited"];
    let said = podman.call(&stats).success().stdout();
    // The limit that podman shows is the one it began with, by whatever runtime.
    let figures = said.split(' ').next().and_then(|pids| pids.parse::<u32>().ok());
    assert!(figures.is_some_and(|pids| pids > 0) && said.contains("B / "), "{said}");
    remove(&podman, &["limited"]);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_paused_container_is_silent_until_it_is_resumed() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    detached(&podman, "ticks", &[], TICKS);
    let log = || podman.call(&["logs", "ticks"]).success().stdout();
    assert!(eventually(|| log().contains("tick 2\n")), "it never began");
    podman.call(&["pause", "ticks"]).success();
    assert_eq!(inspect(&podman, "ticks", "{{.State.Status}}"), "paused");
    podman.call(&["exec", "ticks", "/bin/true"]).failure();
    // Longer than several ticks take: nothing is said meanwhile, and the next one says the number that is next.
    let before = log();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(log(), before);
    podman.call(&["unpause", "ticks"]).success();
    assert!(eventually(|| log().len() > before.len()), "it never went on");
    remove(&podman, &["ticks"]);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn restart_policies_act() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    detached(&podman, "fails", &["--restart", "on-failure:2"], "echo run; exit 5");
    detached(&podman, "succeeds", &["--restart", "on-failure:2"], "echo run");
    let ended = || {
        inspect(&podman, "fails", "{{.RestartCount}} {{.State.ExitCode}} {{.State.Status}}")
            == "2 5 exited"
    };
    assert!(eventually(ended), "{}", inspect(&podman, "fails", "{{json .State}}"));
    podman.call(&["logs", "fails"]).success().stdout_is("run\nrun\nrun\n");
    podman.call(&["logs", "succeeds"]).success().stdout_is("run\n");
    assert_eq!(inspect(&podman, "succeeds", "{{.RestartCount}}"), "0");
    remove(&podman, &["fails", "succeeds"]);
}

/// Without systemd nobody calls a health check by the clock; podman's own command does what its timer would.
#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn health_checks_are_execs_whose_status_counts() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let options = ["--health-cmd", "test -f /tmp/well", "--health-interval", "disable"];
    detached(&podman, "patient", &options, TICKS);
    podman.call(&["healthcheck", "run", "patient"]).code(1);
    podman.call(&["exec", "patient", "/bin/touch", "/tmp/well"]).success();
    podman.call(&["healthcheck", "run", "patient"]).success();
    assert_eq!(inspect(&podman, "patient", "{{.State.Health.Status}}"), "healthy");
    remove(&podman, &["patient"]);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_containers_of_a_pod_share_what_it_says() {
    requires!(root, busybox, engines(Set::Own));
    let podman = podman();
    let share =
        ["pod", "create", "--name", "pod", "--share", "pid,net,ipc,uts", "--hostname", "shared"];
    podman.call(&share).success();
    detached(&podman, "first", &["--pod", "pod"], "exec sleep 7654");
    let second = ["run", "--rm", "--pod", "pod", IMAGE, "/bin/sh", "-c", "hostname; ps"];
    podman.call(&second).success().stdout_has("shared\n").stdout_has("sleep 7654");
    podman.call(&["pod", "rm", "--force", "--time", "0", "pod"]).success();
    podman.call(&["ps", "--all", "--quiet"]).success().stdout_is("");
}
