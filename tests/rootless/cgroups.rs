//! Limits without a cgroup are refused; with a delegated one they hold.

use super::{GID, UID, alone, through_setpriv};
use rrun_harness::{Bundle, Leftovers, Must, Output, eventually, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn a_limit_without_delegation_names_controller_and_fix_and_makes_nothing() {
    requires!(root, userns, rrun);
    for (pointer, controller) in
        [("/linux/resources/pids/limit", "pids"), ("/linux/resources/memory/limit", "memory")]
    {
        let bundle = alone().set(pointer, json!(1 << 26));
        let output = bundle.run().failure();
        output
            .stderr_has(pointer)
            .stderr_has(&format!("the {controller} controller"))
            .stderr_has("Delegate=");
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn without_limits_a_container_needs_no_cgroup() {
    requires!(root, userns);
    let bundle = alone().args(["probe", "sleep"]);
    bundle.up();
    let own = fs::read_to_string("/proc/self/cgroup").must("read our cgroup");
    let pid = bundle.state()["pid"].to_string();
    let theirs = fs::read_to_string(format!("/proc/{pid}/cgroup")).must("read its cgroup");
    assert_eq!(own, theirs);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_cgroup_tree_of_the_host_is_read_only_whatever_was_asked() {
    // CVE-2023-25809. In the tree itself nothing is the user's, but what is delegated to them would be writable.
    requires!(root, userns, cgroup_v2("pids"));
    let session = Session::new();
    let bundle =
        alone().mount("/sys/fs/cgroup", "cgroup", "cgroup", &["rw", "nosuid", "noexec", "nodev"]);
    let bundle = bundle.args(["probe", "open", &session.inside("cgroup.procs"), "w"]);
    session.run(&bundle).failure().stdout_is("EROFS\n");
    Leftovers::assert_none(&bundle);
}

#[test]
fn limits_hold_in_a_delegated_cgroup() {
    requires!(root, userns, cgroup_v2("pids"), cgroup_v2("memory"));
    let session = Session::new();
    let bundle = alone()
        .set("/linux/resources/pids/limit", json!(20))
        .set("/linux/resources/memory/limit", json!(64 << 20))
        .set("/linux/cgroupsPath", json!("limited"))
        .args(["probe", "forkbomb", "40"]);
    session.run(&bundle).success().stdout_has("refused EAGAIN");
    Leftovers::assert_none(&bundle);

    let bundle = bundle.args(["probe", "sleep"]);
    session.verb(&bundle, &["run", "--detach"]).success();
    let place = session.path.join("limited");
    let read = |file: &str| fs::read_to_string(place.join(file)).must("read a limit");
    assert_eq!((read("pids.max").trim(), read("memory.max").trim()), ("20", "67108864"));
    assert_eq!(read("cgroup.procs").trim(), bundle.state()["pid"].to_string());
    session.call(&bundle, &["exec", bundle.id(), "probe", "exit", "7"]).code(7);
    session.call(&bundle, &["delete", "--force", bundle.id()]).success();
    assert!(eventually(|| !place.exists()), "the cgroup is still there");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_cgroup_namespace_shows_the_delegated_cgroup_alone() {
    requires!(root, userns, busybox, cgroup_v2("pids"));
    let session = Session::new();
    let bundle = alone()
        .namespace("cgroup")
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev"])
        .script("cat /proc/self/cgroup; mkdir /sys/fs/cgroup/below && rmdir /sys/fs/cgroup/below && echo made");
    session.run(&bundle).success().stdout_is("0::/\nmade\n");
    Leftovers::assert_none(&bundle);
}

/// A subtree given to the user, with a cgroup in it for the user's own processes: what systemd makes of a session.
struct Session {
    path: PathBuf,
}

impl Session {
    fn new() -> Session {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = PathBuf::from(format!("/sys/fs/cgroup/session-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("shell")).must("make a cgroup");
        for name in [
            "",
            "cgroup.procs",
            "cgroup.subtree_control",
            "cgroup.threads",
            "shell",
            "shell/cgroup.procs",
        ] {
            chown(path.join(name), Some(UID), Some(GID)).must("delegate a cgroup");
        }
        Session { path }
    }

    /// A file of the subtree, as a container without a cgroup namespace names it.
    fn inside(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }

    /// The runtime called by the user from inside the session.
    fn call(&self, bundle: &Bundle, words: &[&str]) -> Output {
        let call = through_setpriv(&bundle.runtime().command(words));
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\"", &self.inside("shell/cgroup.procs")]);
        shell.arg(call.get_program()).args(call.get_args());
        bundle.runtime().finish(shell)
    }

    fn verb(&self, bundle: &Bundle, words: &[&str]) -> Output {
        bundle.write_config();
        let path = bundle.path().to_string_lossy().into_owned();
        self.call(bundle, &[words, &["--bundle", &path, bundle.id()]].concat())
    }

    fn run(&self, bundle: &Bundle) -> Output {
        self.verb(bundle, &["run"])
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A cgroup that is not empty was left by the runtime, and the test has said so.
        drop(fs::remove_dir(self.path.join("shell")));
        drop(fs::remove_dir(&self.path));
    }
}
