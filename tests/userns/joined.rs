//! A user namespace joined by path, with new namespaces beside it: pods of the CRI. Here the child clones twice.

use super::{MAP, ROOT, namespace, owners};
use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::{Value, json};
use std::fs;

/// The pod: a container that only holds its user and network namespaces.
fn pod() -> Bundle {
    let bundle = Bundle::new().mapped(&MAP).owned_by(ROOT, ROOT).args(["probe", "sleep"]);
    bundle.up();
    bundle
}

fn pid_of(bundle: &Bundle) -> Value {
    bundle.state()["pid"].clone()
}

/// A container in the user and network namespaces of `pod`; everything else is new. The maps are repeated, as engines do.
fn member(pod: &Bundle) -> Bundle {
    let pid = pid_of(pod);
    let join =
        |kind: &str, file: &str| json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") });
    Bundle::new()
        .mapped(&MAP)
        .owned_by(ROOT, ROOT)
        .without_namespace("user")
        .without_namespace("network")
        .push("/linux/namespaces", join("user", "user"))
        .push("/linux/namespaces", join("network", "net"))
}

#[test]
fn new_namespaces_belong_to_the_joined_user_namespace() {
    requires!(root, program("lsns"));
    let pod = pod();
    let bundle = member(&pod).args(["probe", "sleep"]);
    bundle.up();
    let (pid, shared) = (pid_of(&bundle), pid_of(&pod));
    let user = namespace(&shared, "user");
    assert_eq!(namespace(&pid, "user"), user);
    assert_eq!(namespace(&pid, "net"), namespace(&shared, "net"));
    for (kind, owner) in owners(&pid) {
        let shared = ["user", "time", "cgroup"].contains(&kind.as_str());
        assert!(shared || owner == user, "{kind} belongs to {owner}, not to {user}");
    }
    assert_ne!(namespace(&pid, "pid"), namespace(&shared, "pid"));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn run_waits_for_the_second_process_and_passes_its_end_on() {
    requires!(root);
    let pod = pod();
    let bundle = member(&pod).args(["probe", "exit", "7"]);
    bundle.run().code(7);
    Leftovers::assert_none(&bundle);
    let facts = member(&pod).facts();
    assert_eq!(facts["ids"]["pid"], 1);
    assert_eq!(facts["user"]["uid"], 0);
    assert_eq!(facts["user"]["groups"], json!([]));
}

#[test]
fn maps_need_not_be_repeated_for_a_namespace_that_has_them() {
    // runc wants them.
    requires!(root, rrun);
    let pod = pod();
    let bundle = member(&pod).edit(|config| {
        let linux = config["linux"].as_object_mut().must("linux");
        linux.remove("uidMappings");
        linux.remove("gidMappings");
    });
    bundle.args(["probe", "say", "joined"]).run().success().stdout_is("joined\n");
}

#[test]
fn create_start_exec_kill_and_delete_know_the_second_process() {
    requires!(root);
    let pod = pod();
    let bundle =
        member(&pod).set("/process/oomScoreAdj", json!(432)).args(["probe", "trap", "15", "0"]);
    let file = bundle.path().join("pid");
    let created = bundle.create_with(&["--pid-file", &file.to_string_lossy()]).success();
    let pid = pid_of(&bundle);
    assert_eq!(fs::read_to_string(&file).must("read the pid file"), pid.to_string());
    let adjust = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).must("read it");
    assert_eq!(adjust.trim(), "432");
    bundle.start().success();
    assert!(eventually(|| created.stdout().contains("ready")), "{}", created.account());
    assert_eq!(bundle.status(), "running");
    let facts = bundle.exec(&[], &["probe", "facts", "namespaces"]).success().json();
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts"] {
        assert_eq!(facts["namespaces"][kind].to_string(), namespace(&pid, kind), "{kind}");
    }
    bundle.exec(&[], &["probe", "exit", "9"]).code(9);
    bundle.kill("TERM").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_pid_namespace_can_be_joined_along() {
    requires!(root);
    let pod = pod();
    let path = format!("/proc/{}/ns/pid", pid_of(&pod));
    let bundle = member(&pod)
        .without_namespace("pid")
        .push("/linux/namespaces", json!({ "type": "pid", "path": path }));
    let facts = bundle.args(["probe", "facts", "ids", "processes"]).run().success().json();
    assert!(facts["ids"]["pid"].as_i64().is_some_and(|pid| pid > 1), "{facts}");
    assert!(facts["processes"].as_array().is_some_and(|all| all.contains(&json!(1))), "{facts}");
}

#[test]
fn a_failure_after_the_second_clone_leaves_nothing() {
    requires!(root);
    let pod = pod();
    let bundle = member(&pod).args(["no-such-program"]);
    bundle.run().failure().stderr_has("no-such-program");
    Leftovers::assert_none(&bundle);
    bundle.create().failure().stderr_has("no-such-program");
    Leftovers::assert_none(&bundle);
}
