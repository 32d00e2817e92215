//! What docker must be able to do by every way of running a container.

use std::fs;

use rrun_harness::engines::Ability::{
    self, Delete, Exec, ExitCodes, Kill, Limits, Logs, OutOfMemory, Pause, Restart, Run, Stats,
    Tty, Update,
};
use rrun_harness::{Must, Terminal, eventually};

use super::scene::Scene;

pub type Case = fn(&Scene<'_>);

pub const ALL: &[(&str, &[Ability], Case)] = &[
    ("run", &[Run, Logs], run_gives_the_exit_code_and_both_streams),
    ("errors", &[ExitCodes], programs_that_cannot_be_run_have_126_and_127),
    ("exec", &[Exec], exec_gives_the_exit_code_and_both_streams),
    ("terminals", &[Tty], run_and_exec_on_a_terminal),
    ("limits", &[Limits], limits_are_seen_inside),
    ("out of memory", &[OutOfMemory, ExitCodes], running_out_of_memory_is_told),
    ("restart policy", &[Restart], a_restart_policy_acts),
    ("pause", &[Pause], pause_and_unpause),
    ("top and stats", &[Stats], processes_and_stats_are_told),
    ("update", &[Update], an_update_is_seen_inside),
    ("stop and kill", &[Kill, Delete, ExitCodes], stop_kill_and_restart),
    ("port", &[], a_published_port_answers),
    ("health", &[], a_health_check_decides),
    ("mounts", &[], volumes_tmpfs_ulimits_and_sysctls),
    ("init", &[], an_init_reaps),
];

pub const BY_DEFAULT: &[(&str, &[Ability], Case)] = &[
    ("run", &[Run, Logs], run_gives_the_exit_code_and_both_streams),
    ("errors", &[ExitCodes], programs_that_cannot_be_run_have_126_and_127),
    ("exec", &[Exec], exec_gives_the_exit_code_and_both_streams),
];

fn run_gives_the_exit_code_and_both_streams(scene: &Scene<'_>) {
    let script = "echo out; echo err >&2; exit 9";
    let output = scene.run(&[], &["sh", "-c", script]).code(9).stdout_is("out\n");
    assert_eq!(output.stderr(), "err\n");
    scene.expect(".State.ExitCode", "9");
    let logs = scene.call(&["logs"], &[]).success().stdout_is("out\n");
    assert_eq!(logs.stderr(), "err\n");
    let runtime = scene.runtime.unwrap_or("rrun");
    scene.expect(".HostConfig.Runtime", runtime);
    scene.remove();
}

fn programs_that_cannot_be_run_have_126_and_127(scene: &Scene<'_>) {
    let all = [("/bin/nope", 127), ("nope", 127), ("/etc/passwd", 126), ("/etc", 126)];
    for (program, code) in all {
        scene.run(&[], &[program]).code(code);
        scene.remove();
    }
    scene.detach(&[], &["probe", "sleep"]);
    // Docker 20.10 knows one code for what `exec` cannot run, whoever says why.
    let one = scene.docker.major() < 24;
    for (program, code) in all {
        scene.exec(&[program]).code(if one { 126 } else { code });
    }
    scene.remove();
}

fn exec_gives_the_exit_code_and_both_streams(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "sleep"]);
    let script = "echo out; echo err >&2; exit 8";
    let output = scene.exec(&["sh", "-c", script]).code(8).stdout_is("out\n");
    assert_eq!(output.stderr(), "err\n");
    let flags = ["exec", "--user", "65534", "--workdir", "/tmp", "--env", "A=b"];
    scene
        .call(&flags, &["sh", "-c", "id -u; pwd; echo $A"])
        .success()
        .stdout_is("65534\n/tmp\nb\n");
    scene.remove();
}

fn run_and_exec_on_a_terminal(scene: &Scene<'_>) {
    let script = "stty -echo; echo ready; read line; tty; exit $line";
    let run = scene.run_words(&["--interactive", "--tty"], &["sh", "-c", script]);
    let exec = ["exec", "--interactive", "--tty", &scene.name, "sh", "-c", script];
    for words in [run, exec.map(str::to_owned).to_vec()] {
        let mut terminal = Terminal::open(24, 80);
        let mut command = scene.docker.docker();
        command.args(words);
        let running = terminal.start(&command);
        terminal.expect("ready");
        terminal.type_in("6\n");
        terminal.expect("/dev/pts/");
        running.wait().code(6);
        scene.remove();
        scene.detach(&[], &["probe", "sleep"]);
    }
    scene.remove();
}

/// A file of the container's own cgroup, by its name in the first or the second version.
const LIMITS: &str = "cd /sys/fs/cgroup; if test -e memory; then \
    cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max; \
    else cat memory.max; cut -d' ' -f1 cpu.max; cat pids.max; fi";

fn limits_are_seen_inside(scene: &Scene<'_>) {
    let flags = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "50"];
    scene.run(&flags, &["sh", "-c", LIMITS]).success().stdout_is("67108864\n50000\n50\n");
    scene.remove();
}

fn running_out_of_memory_is_told(scene: &Scene<'_>) {
    let flags = ["--memory", "32m", "--memory-swap", "32m"];
    scene.run(&flags, &["probe", "alloc", "268435456"]).code(137);
    scene.expect(".State.OOMKilled", "true");
    scene.expect(".State.ExitCode", "137");
    scene.remove();
}

fn a_restart_policy_acts(scene: &Scene<'_>) {
    scene.detach(&["--restart", "on-failure:2"], &["sh", "-c", "echo again; exit 3"]);
    scene.expect(".RestartCount", "2");
    scene.expect(".State.Status", "exited");
    scene.expect(".State.ExitCode", "3");
    scene.call(&["logs"], &[]).stdout_is("again\nagain\nagain\n");
    scene.remove();
}

fn pause_and_unpause(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "sleep"]);
    scene.call(&["pause"], &[]).success();
    scene.expect(".State.Status", "paused");
    scene.exec(&["true"]).failure();
    scene.call(&["unpause"], &[]).success();
    scene.expect(".State.Status", "running");
    scene.exec(&["true"]).success();
    scene.remove();
}

fn processes_and_stats_are_told(scene: &Scene<'_>) {
    scene.detach(&["--memory", "64m"], &["sh", "-c", "sleep 1000 & wait"]);
    let both = eventually(|| scene.call(&["top"], &[]).success().stdout().contains("sleep 1000"));
    assert!(both, "docker top lacks the sleep");
    let format = "{{.MemUsage}} {{.PIDs}}";
    let stats = scene.call(&["stats", "--no-stream", "--format", format], &[]).success().stdout();
    assert!(stats.contains("/ 64MiB") && stats.trim().ends_with(" 2"), "stats are {stats:?}");
    scene.remove();
}

fn an_update_is_seen_inside(scene: &Scene<'_>) {
    let flags = ["--memory", "64m", "--memory-swap", "64m", "--cpus", "0.5", "--pids-limit", "50"];
    scene.detach(&flags, &["probe", "sleep"]);
    let more = ["--memory", "96m", "--memory-swap", "96m", "--cpus", "0.75", "--pids-limit", "60"];
    scene.call(&[&["update"], &more[..]].concat(), &[]).success();
    scene.exec(&["sh", "-c", LIMITS]).success().stdout_is("100663296\n75000\n60\n");
    scene.remove();
}

fn stop_kill_and_restart(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "trap", "15", "4"]);
    scene.call(&["logs"], &[]).success();
    assert!(eventually(|| scene.call(&["logs"], &[]).stdout().contains("ready")), "it never traps");
    scene.call(&["stop"], &[]).success();
    scene.expect(".State.ExitCode", "4");
    scene.call(&["start"], &[]).success();
    scene.expect(".State.Status", "running");
    scene.call(&["restart", "--time", "0"], &[]).success();
    scene.expect(".State.Status", "running");
    scene.call(&["kill"], &[]).success();
    scene.expect(".State.ExitCode", "137");
    scene.call(&["rm"], &[]).success();
    scene.call(&["inspect"], &[]).failure();
}

fn a_published_port_answers(scene: &Scene<'_>) {
    let script = "mkdir /www; echo answer > /www/index.html; exec httpd -f -p 8080 -h /www";
    scene.detach(&["--publish", "18080:8080"], &["sh", "-c", script]);
    let room = scene.docker.room();
    let address = scene.inspect(".NetworkSettings.Networks.bridge.IPAddress");
    // By the address of the container and through the port: a bridge and a rule, or docker's proxy.
    for server in [format!("{address}:8080"), "127.0.0.1:18080".to_owned()] {
        let mut said = String::new();
        let answers = eventually(|| {
            let line = format!("busybox wget -q -O - http://{server}/");
            said = room.sh(&line).stdout();
            said == "answer\n"
        });
        assert!(answers, "{server} says {said:?}");
    }
    scene.remove();
}

fn a_health_check_decides(scene: &Scene<'_>) {
    let check =
        ["--health-cmd", "test -e /well", "--health-interval", "200ms", "--health-retries", "2"];
    scene.detach(&check, &["probe", "sleep"]);
    scene.expect(".State.Health.Status", "unhealthy");
    scene.exec(&["touch", "/well"]).success();
    scene.expect(".State.Health.Status", "healthy");
    scene.remove();
}

fn volumes_tmpfs_ulimits_and_sysctls(scene: &Scene<'_>) {
    let room = scene.docker.room();
    let bind = room.path().join(format!("{}-bind", scene.name));
    fs::create_dir_all(&bind).must("make a directory");
    let volume = format!("{}-volume", scene.name);
    let bound = format!("{}:/bound:ro", bind.display());
    let named = format!("{volume}:/named");
    let flags = [
        "--volume",
        &*bound,
        "--volume",
        &named,
        "--tmpfs",
        "/scratch:size=1m,mode=1777",
        "--ulimit",
        "nofile=512:1024",
        "--sysctl",
        "net.ipv4.ip_unprivileged_port_start=99",
        "--hostname",
        "named",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--add-host",
        "other:192.0.2.7",
    ];
    fs::write(bind.join("given"), "given\n").must("write a file");
    let script = "cat /bound/given; touch /bound/x 2>/dev/null || echo read-only; echo kept > /named/kept; \
        stat -f -c %T /scratch; ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
        hostname; touch /x 2>/dev/null || echo read-only; grep CapEff /proc/self/status; \
        grep -c 192.0.2.7 /etc/hosts";
    let expected =
        "given\nread-only\ntmpfs\n512\n1024\n99\nnamed\nread-only\nCapEff:\t0000000000000000\n1\n";
    scene.run(&flags, &["sh", "-c", script]).success().stdout_is(expected);
    scene.remove();
    let again = scene.run(&["--rm", "--volume", &named], &["cat", "/named/kept"]);
    again.success().stdout_is("kept\n");
    scene.docker.call(&["volume", "rm", &volume]).success();
}

fn an_init_reaps(scene: &Scene<'_>) {
    scene.run(&["--init"], &["sh", "-c", "cat /proc/1/comm; exit 5"]).code(5).stdout_has("init");
    scene.remove();
}
