//! What every way of running a container must do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rrun_harness::engines::Ability::{
    self, Delete, Exec, ExitCodes, Kill, Limits, Logs, OutOfMemory, Pause, Restart, Run, Stats, Tty,
};
use rrun_harness::{Must, Terminal, eventually};

use super::scene::{Scene, Way};

pub type Case = fn(&Scene<'_>);

pub const ALL: &[(&str, &[Ability], Case)] = &[
    ("run", &[Run], run_gives_the_exit_code_and_both_streams),
    ("errors", &[ExitCodes], programs_that_cannot_be_run_say_why),
    ("kill", &[Kill, Delete, ExitCodes], a_killed_container_has_137),
    ("exec", &[Exec], exec_gives_the_exit_code_and_both_streams),
    ("exec on a terminal", &[Tty], exec_on_a_terminal),
    ("run on a terminal", &[Tty], run_on_a_terminal),
    ("stdin", &[], stdin_reaches_the_container_and_ends),
    ("log to a file", &[Logs], logs_go_to_a_file),
    ("log to a program", &[Logs], logs_go_to_a_program),
    ("limits", &[Limits], limits_are_seen_inside_and_outside),
    ("out of memory", &[OutOfMemory], running_out_of_memory_is_an_event),
    ("pause", &[Pause], pause_and_resume),
    ("ps and metrics", &[Stats], processes_and_metrics_are_told),
    ("restart", &[Restart], a_label_restarts_it),
    ("events", &[], events_are_in_order),
];

fn run_gives_the_exit_code_and_both_streams(scene: &Scene<'_>) {
    let script = "echo out; echo err >&2; exit 9";
    let output = scene.run(&[], &["sh", "-c", script]).code(9).stdout_is("out\n");
    assert_eq!(output.stderr(), "err\n");
    assert!(scene.listed().is_none(), "the task is still there");
}

fn programs_that_cannot_be_run_say_why(scene: &Scene<'_>) {
    // The words that callers turn into 126 and 127.
    let files = [
        ("/bin/nope", "no such file or directory"),
        ("nope", "executable file not found in"),
        ("/etc/passwd", "permission denied"),
        ("/etc", "s a directory"),
    ];
    for (program, words) in files {
        let output = scene.run(&[], &[program]).code(1);
        let said = output.stderr().to_lowercase();
        assert!(
            said.contains(words) || program == "/etc" && said.contains("permission denied"),
            "{program}: {words:?} is not in {said:?}"
        );
    }
}

fn a_killed_container_has_137(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "sleep"]);
    scene.expect_status("RUNNING");
    scene.end(137);
}

fn exec_gives_the_exit_code_and_both_streams(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "sleep"]);
    let script = "echo out; echo err >&2; exit 8";
    let output = scene.exec(&["--cwd", "/tmp"], &["sh", "-c", script]).code(8).stdout_is("out\n");
    assert_eq!(output.stderr(), "err\n");
    scene.exec(&[], &["/bin/nope"]).code(1).stderr_has("no such file or directory");
    // The same id again: the first is forgotten.
    scene.exec(&[], &["pwd"]).success().stdout_is("/\n");
    scene.end(137);
}

fn on_a_terminal(command: &std::process::Command) {
    let mut terminal = Terminal::open(24, 80);
    let running = terminal.start(command);
    terminal.expect("ready");
    // `ctr` says nothing when it has begun to listen for sizes, and the size comes through the shim: ask again.
    let arrived = (25..200).any(|rows| {
        terminal.resize(rows, 101);
        terminal.type_in(&format!("stty size; echo $(({rows}))x\n"));
        terminal.expect(&format!("{rows}x")).contains(" 101\r")
    });
    assert!(arrived, "no new size arrived: {:?}", terminal.shown());
    terminal.type_in("tty; exit 6\n");
    terminal.expect("/dev/pts/");
    running.wait().code(6);
}

fn exec_on_a_terminal(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "sleep"]);
    let mut command = scene.containerd.ctr();
    command.args(["tasks", "exec", "--tty", "--exec-id", "t", &scene.id]);
    command.args(["sh", "-c", "echo ready; exec sh"]);
    on_a_terminal(&command);
    scene.end(137);
}

fn run_on_a_terminal(scene: &Scene<'_>) {
    let argv = ["sh", "-c", "echo ready; exec sh"];
    on_a_terminal(&scene.run_command(&["--rm", "--tty"], &argv));
}

fn stdin_reaches_the_container_and_ends(scene: &Scene<'_>) {
    // `ctr` passes an end on only when it has a task already: the writer stays until its words are back.
    let out = scene.room().path().join(format!("{}.out", scene.id));
    let ctr = scene.run_command(&["--rm"], &["cat"]);
    let words: Vec<_> = ctr.get_args().map(|word| word.to_string_lossy()).collect();
    let line = format!(
        "{{ echo given; until grep -q given {out}; do sleep .05; done; }} | nsenter {ctr} > {out}",
        out = out.display(),
        ctr = words.join(" "),
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]).envs(ctr.get_envs().filter_map(|(name, value)| Some((name, value?))));
    scene.room().finish(shell).success();
    assert_eq!(fs::read_to_string(&out).must("read its output"), "given\n");
}

fn logs_go_to_a_file(scene: &Scene<'_>) {
    let path = scene.room().path().join(format!("{}.log", scene.id));
    let uri = format!("file://{}", path.display());
    let text = || fs::read_to_string(&path).unwrap_or_default();
    let is_whole = || text().contains("out\n") && text().contains("err\n");
    match scene.way {
        // runc's shim copies into the file, and lets go of what it has not copied yet when the container ends or is
        // deleted: it is asked only while the container lives.
        Way::RuncsShim => {
            scene.detach(
                &["--log-uri", &uri],
                &["sh", "-c", "echo out; echo err >&2; exec probe sleep"],
            );
            assert!(eventually(is_whole), "the log is {:?}", text());
            scene.end(137);
        }
        // By our shim the container itself writes the file, so that it is whole as soon as the container has ended.
        Way::OurShim => {
            scene.detach(&["--log-uri", &uri], &["sh", "-c", "echo out; echo err >&2; exit 3"]);
            scene.expect_status("STOPPED");
            scene.delete(3);
            assert!(is_whole(), "the log is {:?}", text());
        }
    }
}

fn logs_go_to_a_program(scene: &Scene<'_>) {
    let at = scene.room().path().join(format!("{}.sh", scene.id));
    let log = at.with_extension("log");
    // Descriptors 3 and 4 are the container's streams; closing 5 says that the program listens. runc's shim tells it to
    // end before it has read all; ours gives it time for that.
    let (before, after) = match scene.way {
        Way::RuncsShim => ("trap '' TERM", "true"),
        Way::OurShim => ("true", "sleep 0.3"),
    };
    let script = format!(
        "#!/bin/sh\n{before}\nexec 5>&-\n{after}\n{{ echo \"$CONTAINER_ID\"; cat <&3; cat <&4; echo end; }} > {}\n",
        log.display()
    );
    fs::write(&at, script).must("write the program");
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).must("make it executable");
    let uri = format!("binary://{}", at.display());
    scene.detach(&["--log-uri", &uri], &["sh", "-c", "echo out; echo err >&2; exit 3"]);
    scene.expect_status("STOPPED");
    scene.delete(3);
    let text = || fs::read_to_string(&log).unwrap_or_default();
    let expected = format!("{}\nout\nerr\nend\n", scene.id);
    assert!(eventually(|| text() == expected), "the program wrote {:?}", text());
}

fn limits_are_seen_inside_and_outside(scene: &Scene<'_>) {
    scene.detach(&["--memory-limit", "67108864", "--cpus", "0.5"], &["probe", "sleep"]);
    let limit = scene.cgroup_file("memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(limit, "67108864");
    let quota = scene.cgroup_file("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(quota == "50000" || quota == "50000 100000", "the quota is {quota}");
    scene.end(137);
}

fn running_out_of_memory_is_an_event(scene: &Scene<'_>) {
    let other = Scene::new(scene.containerd, scene.way, scene.image);
    other.detach(&[], &["probe", "sleep"]);
    let events = other.events();
    scene.run(&["--memory-limit", "33554432"], &["probe", "alloc", "268435456"]).code(137);
    let heard = || {
        let said = events.stdout();
        said.lines().any(|line| line.contains("/tasks/oom") && line.contains(&*scene.id))
    };
    assert!(eventually(heard), "no /tasks/oom among\n{}", events.stdout());
    other.end(137);
}

fn pause_and_resume(scene: &Scene<'_>) {
    scene.detach(&[], &["probe", "sleep"]);
    scene.task(&["pause"], &[]).success();
    scene.expect_status("PAUSED");
    scene.task(&["resume"], &[]).success();
    scene.expect_status("RUNNING");
    scene.exec(&[], &["probe", "exit", "0"]).success();
    scene.end(137);
}

fn processes_and_metrics_are_told(scene: &Scene<'_>) {
    scene.detach(&["--memory-limit", "67108864"], &["sh", "-c", "sleep 1000 & wait"]);
    let pid = scene.listed().must("find the task").0.to_string();
    let mut said = String::new();
    let both = eventually(|| {
        said = scene.task(&["ps"], &[]).success().stdout();
        said.lines().count() == 3
    });
    assert!(both && said.contains(&pid), "pids of {pid} and its child: {said}");
    let metrics = scene.task(&["metrics"], &[]).success().stdout();
    assert!(metrics.contains("67108864"), "no limit of memory in\n{metrics}");
    assert!(metrics.contains("pids.current"), "no processes in\n{metrics}");
    scene.end(137);
}

fn a_label_restarts_it(scene: &Scene<'_>) {
    let label = |status: &str| format!("containerd.io/restart.status={status}");
    scene.detach(&["--label", &label("running")], &["probe", "sleep"]);
    let first = scene.listed().must("find the task").0;
    scene.task(&["kill", "--signal", "SIGKILL"], &[]).success();
    let again = || scene.listed().is_some_and(|(pid, is)| pid != first && is == "RUNNING");
    assert!(eventually(again), "it is not restarted: {:?}", scene.listed());
    // The one who restarts it is the one who stops it; to kill it here would be a race with him.
    let label = ["containers", "label", &scene.id, &label("stopped")];
    scene.containerd.call(&label).success();
    assert!(eventually(|| scene.listed().is_none()), "it is not stopped: {:?}", scene.listed());
    scene.containerd.call(&["containers", "delete", &scene.id]).success();
}

fn events_are_in_order(scene: &Scene<'_>) {
    let other = Scene::new(scene.containerd, scene.way, scene.image);
    other.detach(&[], &["probe", "sleep"]);
    let events = other.events();
    scene.detach(&[], &["probe", "sleep"]);
    scene.exec(&[], &["probe", "exit", "5"]).code(5);
    scene.task(&["pause"], &[]).success();
    scene.task(&["resume"], &[]).success();
    scene.end(137);
    let expected = [
        "create",
        "start",
        "exec-added",
        "exec-started",
        "exit",
        "paused",
        "resumed",
        "exit",
        "delete",
    ];
    // runc's shim may shut down with its last event unsent.
    let sure = expected.len() - usize::from(scene.way == Way::RuncsShim);
    let mut topics: Vec<String> = Vec::new();
    let id = format!("\"{}\"", scene.id);
    let complete = eventually(|| {
        let said = events.stdout();
        let ours = said.lines().filter(|line| line.contains(&id));
        let words = ours.flat_map(|line| line.split_whitespace().map(str::to_owned));
        topics = words.filter_map(|word| word.strip_prefix("/tasks/").map(str::to_owned)).collect();
        topics.len() >= sure
    });
    let in_order = topics.iter().eq(expected.iter().take(topics.len()));
    assert!(complete && in_order, "{topics:?}\n{}", events.stdout());
    other.end(137);
}
