//! Verbs, terminals and ends, without a cgroup to hold on to.

use super::{alone, through_setpriv};
use rrun_harness::{Bundle, Leftovers, Must, Terminal, eventually, requires};
use serde_json::json;
use std::fs;

fn sleeper() -> Bundle {
    alone().args(["probe", "sleep"])
}

#[test]
fn a_container_is_created_started_listed_killed_and_deleted() {
    requires!(root, userns);
    let bundle = alone().args(["probe", "trap", "15", "0"]);
    let file = bundle.path().join("pid");
    let created = bundle.create_with(&["--pid-file", &file.to_string_lossy()]).success();
    assert_eq!(bundle.status(), "created");
    let pid = fs::read_to_string(&file).must("read the pid file");
    assert_eq!(pid, bundle.state()["pid"].to_string());
    bundle.start().success();
    assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
    assert_eq!(bundle.status(), "running");
    let list = bundle.runtime().call(["list", "--format", "json"]).success().json();
    assert_eq!(list[0]["id"], bundle.id());
    assert_eq!(list[0]["status"], "running");
    bundle.kill("TERM").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn run_passes_the_exit_code_on() {
    requires!(root, userns);
    let bundle = alone().args(["probe", "exit", "42"]);
    bundle.run().code(42);
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_program_that_is_not_there_leaves_nothing() {
    requires!(root, userns);
    let bundle = alone().args(["no-such-program"]);
    bundle.run().failure().stderr_has("no-such-program");
    Leftovers::assert_none(&bundle);
}

#[test]
fn exec_joins_all_namespaces_and_passes_its_end_on() {
    requires!(root, userns);
    let bundle = sleeper();
    bundle.up();
    let pid = bundle.state()["pid"].to_string();
    let facts = bundle.exec(&[], &["probe", "facts", "namespaces", "ids", "user"]).success().json();
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts"] {
        let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).must("read a namespace");
        let inode = facts["namespaces"][kind].to_string();
        assert!(link.to_string_lossy().contains(&inode), "{kind}: {} and {inode}", link.display());
    }
    assert_eq!(facts["user"]["uid"], 0);
    bundle.exec(&[], &["probe", "exit", "7"]).code(7);
    bundle.exec(&[], &["probe", "kill-self", "15"]).code(143);
    bundle.exec(&[], &["no-such-program"]).failure().stderr_has("no-such-program");
    let file = bundle.path().join("exec.pid");
    let flags = ["--detach", "--pid-file", &file.to_string_lossy()];
    bundle.exec(&flags, &["probe", "sleep"]).success();
    let second = fs::read_to_string(&file).must("read the pid file");
    let line = fs::read_to_string(format!("/proc/{second}/cmdline")).must("find the process");
    assert!(line.starts_with("probe\0sleep"), "{line:?}");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_container_that_keeps_the_users_pid_namespace_can_be_entered() {
    requires!(root, userns);
    let bundle = sleeper().without_namespace("pid").edit(|config| {
        config["mounts"][0] = json!({ "destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"] });
    });
    bundle.up();
    bundle.exec(&[], &["probe", "exit", "7"]).code(7);
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn run_and_exec_have_terminals_of_the_container() {
    requires!(root, userns, busybox, program("setpriv"));
    let script = "tty; stty size; exit 5";
    let bundle = alone().set("/process/terminal", json!(true)).script(script);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let run = bundle.runtime().command(["run", "--bundle", &path, bundle.id()]);
    let mut terminal = Terminal::open(31, 77);
    let running = terminal.start(&through_setpriv(&run));
    let shown = terminal.drain();
    running.wait().code(5);
    assert!(shown.contains("/dev/pts/0") && shown.contains("31 77"), "{shown}");
    Leftovers::assert_none(&bundle);

    let bundle = sleeper();
    bundle.up();
    let exec = bundle.runtime().command(["exec", "--tty", bundle.id(), "sh", "-c", script]);
    let mut terminal = Terminal::open(31, 77);
    let running = terminal.start(&through_setpriv(&exec));
    let shown = terminal.drain();
    running.wait().code(5);
    assert!(shown.contains("/dev/pts/0") && shown.contains("31 77"), "{shown}");
}

#[test]
fn children_of_a_container_end_with_it_even_without_a_cgroup() {
    requires!(root, userns, busybox);
    for end in ["kill", "delete", "run"] {
        let bundle = alone().script("sleep 1000 & sleep 1000 & echo ready; wait");
        if end == "run" {
            let bundle = bundle.script("sleep 1000 & sleep 1000 & exit 3");
            bundle.run().code(3);
            Leftovers::assert_none(&bundle);
            continue;
        }
        let created = bundle.up();
        assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
        if end == "kill" {
            bundle.kill("KILL").success();
            bundle.expect_status("stopped");
            bundle.delete().success();
        } else {
            bundle.delete_force().success();
        }
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn kill_of_all_reaches_every_process_without_a_cgroup() {
    // runc 1.1 finds them by their cgroup alone.
    requires!(root, userns, busybox, rrun);
    let bundle = alone().script("sleep 1000 & echo ready; wait");
    let created = bundle.up();
    assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
    bundle.runtime().call(["kill", "--all", bundle.id(), "KILL"]).success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_users_containers_can_share_a_user_namespace() {
    requires!(root, userns);
    let pod = sleeper();
    pod.up();
    let join = |kind: &str, file: &str| json!({ "type": kind, "path": format!("/proc/{}/ns/{file}", pod.state()["pid"]) });
    let bundle = alone()
        .without_namespace("user")
        .without_namespace("network")
        .push("/linux/namespaces", join("user", "user"))
        .push("/linux/namespaces", join("network", "net"));
    let bundle = bundle.args(["probe", "exit", "7"]);
    bundle.run().code(7);
    Leftovers::assert_none(&bundle);
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let facts = bundle.exec(&[], &["probe", "facts", "namespaces", "user"]).success().json();
    assert_eq!(facts["user"]["uid"], 0);
    for kind in ["user", "net"] {
        let link = fs::read_link(format!("/proc/{}/ns/{kind}", pod.state()["pid"]));
        let link = link.must("read a namespace").to_string_lossy().into_owned();
        assert!(link.contains(&facts["namespaces"][kind].to_string()), "{kind}: {link}");
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
