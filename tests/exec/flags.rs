//! What the command line and a process.json say of the process.

use super::{pid_in, process_file, running, sleeper, with_redirections};
use rrun_harness::{
    ConsoleSocket, Must, Running, Stdio, Terminal, eventually, requires, workspace,
};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::AsRawFd;

fn golden(name: &str) -> String {
    let path = workspace().join("rootfs-fixtures/specs/engines").join(name);
    assert!(path.is_file(), "{} is not there", path.display());
    path.to_string_lossy().into_owned()
}

#[test]
fn a_process_file_as_containerd_writes_it_runs() {
    requires!(root, busybox);
    let bundle = running();
    let file = golden("exec-process-ctr.json");
    bundle.exec(&["--process", &file], &[]).success().stdout_is("exec-ok\n");
    let pid_file = bundle.path().join("exec.pid");
    let flags = ["--process", &file, "--detach", "--pid-file", &pid_file.to_string_lossy()];
    let output = bundle.exec(&flags, &[]).success();
    assert!(pid_in(&pid_file) > 1);
    assert!(eventually(|| output.stdout() == "exec-ok\n"), "{}", output.account());
}

#[test]
fn a_process_file_as_podman_writes_it_runs_on_the_terminal() {
    requires!(root, busybox);
    let bundle = running();
    let mut terminal = Terminal::open(24, 80);
    let words = ["exec", "--process", &golden("exec-process-podman-tty.json"), bundle.id()];
    let running = terminal.start(&bundle.runtime().command(words));
    let shown = terminal.drain();
    assert_eq!(shown, "/dev/pts/0\r\n");
    running.wait().code(3);
}

#[test]
fn a_process_file_says_everything_and_the_containers_own_process_nothing() {
    requires!(root);
    let bundle = sleeper().env("OWN=1").set("/process/cwd", json!("/tmp"));
    bundle.up();
    let file = process_file(&bundle, |process| {
        *process = json!({
            "args": ["/bin/probe", "facts", "user", "cwd", "env", "caps", "status", "rlimits"],
            "cwd": "/var", "env": ["A=1"],
            "user": { "uid": 7, "gid": 8, "umask": 0o27, "additionalGids": [9] },
            "capabilities": { "bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"] },
            "rlimits": [{ "type": "RLIMIT_CORE", "soft": 1, "hard": 2 }],
            "noNewPrivileges": false,
        });
    });
    let facts = bundle.exec(&["--process", &file], &[]).success().json();
    assert_eq!((&facts["user"]["uid"], &facts["user"]["gid"]), (&json!(7), &json!(8)));
    assert!(groups(&facts).contains(&9), "{}", facts["user"]);
    assert_eq!(facts["cwd"], "/var");
    assert_eq!((&facts["env"]["A"], &facts["env"]["OWN"]), (&json!("1"), &Value::Null));
    assert_eq!(facts["caps"]["bounding"], 1 << 5);
    assert_eq!(facts["status"]["no_new_privs"], 0);
    assert_eq!(facts["rlimits"]["RLIMIT_CORE"], json!({ "soft": 1, "hard": 2 }));
    // Runc before 1.2 leaves the runtime's own umask.
    if bundle.runtime().is_rrun() {
        assert_eq!(facts["status"]["umask"], "0027");
    }
}

fn groups(facts: &Value) -> Vec<u64> {
    let list = facts["user"]["groups"].as_array().must("read the groups");
    list.iter().filter_map(Value::as_u64).collect()
}

#[test]
fn without_flags_the_process_is_as_the_containers_own() {
    requires!(root);
    let user = json!({ "uid": 1000, "gid": 1001, "additionalGids": [5] });
    let bundle =
        sleeper().env("OWN=1").set("/process/cwd", json!("/tmp")).set("/process/user", user);
    bundle.up();
    let facts = bundle.exec(&[], &["probe", "facts", "user", "cwd", "env", "status"]).json();
    assert_eq!((&facts["user"]["uid"], &facts["user"]["gid"]), (&json!(1000), &json!(1001)));
    assert!(groups(&facts).contains(&5), "{}", facts["user"]);
    assert_eq!((&facts["cwd"], &facts["env"]["OWN"]), (&json!("/tmp"), &json!("1")));
    assert_eq!(facts["status"]["no_new_privs"], 1);
}

#[test]
fn user_and_groups_are_those_of_the_flags() {
    requires!(root);
    let bundle = running();
    let facts = |flags: &[&str]| bundle.exec(flags, &["probe", "facts", "user"]).success().json();
    let only_user = facts(&["--user", "12"]);
    assert_eq!((&only_user["user"]["uid"], &only_user["user"]["gid"]), (&json!(12), &json!(0)));
    let all = facts(&["-u", "12:34", "-g", "56", "-g", "78"]);
    assert_eq!((&all["user"]["euid"], &all["user"]["sgid"]), (&json!(12), &json!(34)));
    let groups = groups(&all);
    assert!(groups.contains(&56) && groups.contains(&78), "{groups:?}");
}

#[test]
fn a_variable_of_the_command_line_replaces_the_containers() {
    requires!(root);
    let bundle = sleeper().env("KEPT=1").env("SWORN=old");
    bundle.up();
    let flags = ["-e", "SWORN=older", "-e", "SWORN=new", "-e", "EMPTY="];
    let read = bundle.exec(&flags, &["probe", "read", "/proc/self/environ"]).success().stdout();
    let all: Vec<&str> = read.split_terminator('\0').collect();
    let of = |name: &str| all.iter().filter(|pair| pair.starts_with(name)).collect::<Vec<_>>();
    assert_eq!(
        of("SWORN="),
        [&"SWORN=new"],
        "a program may read the first of several, or the last"
    );
    assert_eq!((of("KEPT="), of("EMPTY=")), (vec![&"KEPT=1"], vec![&"EMPTY="]));
    bundle.exec(&["--env", "PATH=/nowhere"], &["probe", "exit", "0"]).code(255);
}

#[test]
fn no_new_privileges_can_be_taken_but_not_given_back() {
    requires!(root);
    let bundle = sleeper().set("/process/noNewPrivileges", json!(false));
    bundle.up();
    for (flags, expected) in [(&[][..], 0), (&["--no-new-privs"][..], 1)] {
        let facts = bundle.exec(flags, &["probe", "facts", "status"]).success().json();
        assert_eq!(facts["status"]["no_new_privs"], expected, "{flags:?}");
    }
}

#[test]
fn a_capability_of_the_command_line_is_never_inheritable() {
    requires!(root);
    let bundle = running();
    let own: u64 = 1 << 5 | 1 << 10 | 1 << 29;
    // CAP_NET_RAW is 13. CVE-2022-29162: inheritable, it would survive an execve of an unprivileged user.
    let flags = ["--cap", "CAP_NET_RAW"];
    let facts = bundle.exec(&flags, &["probe", "facts", "caps"]).success().json();
    for set in ["bounding", "permitted", "effective"] {
        assert_eq!(facts["caps"][set], own | 1 << 13, "{set}");
    }
    for set in ["inheritable", "ambient"] {
        assert_eq!(facts["caps"][set], 0, "{set}");
    }
    // Runc warns, and goes on without.
    if bundle.runtime().is_rrun() {
        bundle.exec(&["--cap", "CAP_NONSENSE"], &["probe", "exit", "0"]).code(255);
    }
}

#[test]
fn the_working_directory_must_be_inside_and_there() {
    requires!(root);
    let bundle = running();
    let pwd = bundle.exec(&["--cwd", "/var"], &["probe", "facts", "cwd"]).success().json();
    assert_eq!(pwd["cwd"], "/var");
    bundle.exec(&["--cwd", "/not-there"], &["probe", "exit", "0"]).code(255);
    // CVE-2024-21626: from a directory outside, the way up leads to the host's root.
    let host = bundle.path().join("host");
    fs::write(&host, "host").must("write a file beside the rootfs");
    let climb = format!("{}{}", "../".repeat(20), host.display());
    for fd in 3..16 {
        let leaked = format!("/proc/self/fd/{fd}");
        bundle.exec(&["--cwd", &leaked], &["probe", "read", &climb]).failure();
    }
}

#[test]
fn a_detached_process_runs_on_and_the_pid_file_names_it() {
    requires!(root);
    let bundle = running();
    let file = bundle.path().join("pid");
    let flags = ["-d", "--pid-file", &file.to_string_lossy()];
    let output = bundle.exec(&flags, &["probe", "trap", "15", "0"]).success();
    let pid = pid_in(&file);
    assert!(eventually(|| output.stdout() == "ready\n"), "{}", output.account());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).must("read its status");
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).must("find NSpid");
    assert_eq!(ids.split_whitespace().next(), Some(pid.to_string().as_str()));
    let inner: i64 = ids.split_whitespace().last().and_then(|id| id.parse().ok()).must("a pid");
    assert!(inner > 1, "{ids}");
    bundle.exec(&[], &["probe", "syscall", "62", &inner.to_string(), "15"]).success();
    assert!(eventually(|| !super::lives(pid)), "it ignored the signal");
}

#[test]
fn preserved_descriptors_reach_the_process_and_no_other_does() {
    requires!(root);
    let bundle = running();
    let open = "3</dev/null 4</dev/zero 5</dev/full";
    for (count, expected) in [("0", &["0", "1", "2"][..]), ("2", &["0", "1", "2", "3", "4"][..])] {
        let words = ["exec", "--preserve-fds", count, bundle.id(), "probe", "facts", "fds"];
        let command = with_redirections(open, &bundle.runtime().command(words));
        let output = Running::start(command, &Stdio::Kept, bundle.path()).wait().success();
        let fds = output.json()["fds"].clone();
        let names: Vec<&String> = fds.as_object().must("read the descriptors").keys().collect();
        assert_eq!(names, expected, "--preserve-fds {count}: {fds}");
    }
}

#[test]
fn a_descriptor_that_is_not_open_is_not_replaced_by_one_of_ours() {
    // Runc 1.1.5 hands its log to the container.
    requires!(root, rrun);
    let bundle = running();
    let log = bundle.path().join("log").to_string_lossy().into_owned();
    let runtime = bundle.runtime().clone().with_globals(["--log", &log]);
    let words = ["exec", "--preserve-fds", "1", bundle.id(), "probe", "facts", "fds"];
    let command = with_redirections("3<&-", &runtime.command(words));
    let output = Running::start(command, &Stdio::Kept, bundle.path()).wait();
    output.code(255).stderr_has("3");
}

#[test]
fn an_apparmor_profile_that_is_not_there_is_an_error() {
    requires!(root);
    let bundle = running();
    let output = bundle.exec(&["--apparmor", "no-such-profile"], &["probe", "exit", "0"]).code(255);
    assert!(output.stderr().to_lowercase().contains("apparmor"), "{}", output.account());
}

#[test]
fn a_label_without_selinux_is_an_error() {
    requires!(root);
    let bundle = running();
    let flags = ["--process-label", "system_u:system_r:container_t:s0"];
    let output = bundle.exec(&flags, &["probe", "exit", "0"]).code(255);
    assert!(output.stderr().to_lowercase().contains("selinux"), "{}", output.account());
}

#[test]
fn the_pidfd_socket_gets_a_pidfd_of_the_process() {
    // Runc has it since 1.2.
    requires!(root, rrun);
    let bundle = running();
    let socket = ConsoleSocket::listen(bundle.path());
    let file = bundle.path().join("pid");
    let flags =
        ["--detach", "--pidfd-socket", &socket.path(), "--pid-file", &file.to_string_lossy()];
    bundle.exec(&flags, &["probe", "sleep"]).success();
    let (pidfd, text) = socket.receive_descriptor();
    assert_eq!(text, "setns");
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()));
    let about = about.must("read the descriptor's properties");
    assert!(about.lines().any(|line| line == format!("Pid:\t{}", pid_in(&file))), "{about}");
}

#[test]
fn a_trace_is_a_time_line_of_parent_and_child() {
    requires!(root, rrun);
    let bundle = running();
    let file = bundle.path().join("trace.json");
    let flags = ["--trace", &file.to_string_lossy()];
    for (program, code) in [("probe", 0), ("no-such-program", 255)] {
        bundle.exec(&flags, &[program, "exit", "0"]).code(code);
        let text = fs::read(&file).must("read the trace");
        let events: Value = serde_json::from_slice(&text).must("read the trace as JSON");
        let events = events.as_array().must("find a list of events");
        let pids: std::collections::BTreeSet<_> =
            events.iter().filter_map(|event| event["pid"].as_i64()).collect();
        assert_eq!(pids.len(), 2, "{program}: the steps of {pids:?}");
        assert!(events.iter().any(|event| event["name"] == "clone3"), "{program}: {events:?}");
    }
}
