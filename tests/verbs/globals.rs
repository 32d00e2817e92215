//! The flags before the verb, and those by which a verb finds its containers and its configuration.
//!
//! Knows crun's spellings. A newcomer would ask the host's own journal; the sockets here are the test's, in a mount
//! namespace of its own.
use rrun_harness::{Bundle, Leftovers, Must, Runtime, requires};
use serde_json::json;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

/// What rrun with `--log place` sends to a socket that stands at `path` for it alone.
fn sent_to(path: &str, place: &str, format: &[&str]) -> Vec<u8> {
    let bundle = Bundle::new();
    // Not beside the bundle: a guest has those below /run, which is covered here.
    let socket = PathBuf::from(format!("/tmp/{}.log", bundle.id()));
    let listener = UnixDatagram::bind(&socket).must("listen");
    let directory = path.rsplit_once('/').must("a path").0;
    let top = &path[..path[1..].find('/').must("a path") + 1];
    let script = format!(
        "mount -t tmpfs none {top} && mkdir -p {directory} && ln -s {} {path} && exec \"$@\"",
        socket.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    let rrun = bundle.runtime().command(["state", "nobody"]);
    command.arg(rrun.get_program()).arg("--log").arg(place).args(format).args(rrun.get_args());
    let output = bundle.runtime().finish(command);
    fs::remove_file(&socket).must("remove the socket");
    output.code(1).stderr_has("container does not exist");
    listener.set_nonblocking(true).must("do not wait");
    let mut buffer = vec![0; 4096];
    let length = listener.recv(&mut buffer).must("a message");
    buffer.truncate(length);
    buffer
}

#[test]
fn the_journal_gets_fields_and_syslog_a_line() {
    requires!(root, rrun, program("unshare"));
    let journal = sent_to("/run/systemd/journal/socket", "journald:web", &[]);
    let journal = String::from_utf8(journal).must("text");
    assert!(journal.starts_with("MESSAGE=container does not exist"), "{journal}");
    for field in ["\nPRIORITY=3\n", "\nSYSLOG_IDENTIFIER=web\n", "\nRRUN_KIND=not-found\n"] {
        assert!(journal.contains(field), "{field} is not in {journal}");
    }
    let line = String::from_utf8(sent_to("/dev/log", "syslog:web", &[])).must("text");
    assert!(line.starts_with("<27>web["), "{line}");
    assert!(line.contains("]: container does not exist"), "{line}");
    let json = String::from_utf8(sent_to("/dev/log", "syslog:web", &["--log-format", "json"]));
    assert!(json.must("text").contains(r#""kind":"not-found""#));
}

#[test]
fn a_log_that_nobody_reads_is_refused_before_anything_is_done() {
    requires!(root, rrun);
    let bundle = Bundle::new();
    let mut command = Command::new(bundle.runtime().program());
    command.args(["--log", "file:/nowhere/log", "state", "nobody"]);
    bundle.runtime().finish(command).code(1).stderr_has("open --log /nowhere/log");
}

#[test]
fn the_level_decides_whether_warnings_are_told() {
    requires!(root, rrun);
    let bundle =
        Bundle::new().args(["probe", "exit", "0"]).mount("relative", "tmpfs", "tmpfs", &["rw"]);
    let run = |level: &str| {
        bundle.write_config();
        let path = bundle.path().to_string_lossy().into_owned();
        let level = format!("--log-level={level}");
        bundle.runtime().call([&level, "run", "--bundle", &path, bundle.id()]).success()
    };
    run("warning").stderr_has("warning");
    assert_eq!(run("error").stderr(), "");
}

#[test]
fn a_configuration_may_have_another_name_for_as_long_as_the_container_lives() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "sleep"]).env("OWN=1");
    let other = bundle.path().join("other.json");
    fs::write(&other, bundle.config().to_string()).must("write a configuration");
    fs::remove_file(bundle.path().join("config.json")).ok();
    let path = bundle.path().to_string_lossy().into_owned();
    let name = other.to_string_lossy().into_owned();
    let explain = bundle.runtime().call(["explain", "-b", &path, "--config", &name]);
    explain.success();
    let words = ["create", "--bundle", &path, "--config", &name, bundle.id()];
    bundle.runtime().call(words).success();
    bundle.start().success();
    // A later exec reads it again.
    let facts = bundle.exec(&[], &["probe", "facts", "env"]).success().json();
    assert_eq!(facts["env"]["OWN"], "1");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
    bundle.runtime().call(["create", "-b", &path, bundle.id()]).code(1).stderr_has("config.json");
}

#[test]
fn a_pattern_means_every_container_that_it_matches_and_no_other() {
    requires!(root, rrun);
    let runtime = Runtime::under_test();
    let bundles: Vec<Bundle> =
        (0..3).map(|_| Bundle::in_runtime(&runtime).args(["probe", "sleep"])).collect();
    bundles.iter().for_each(|bundle| drop(bundle.up()));
    let all = format!("^({}|{})$", bundles[0].id(), bundles[1].id());
    runtime.call(["kill", "--regex", &all, "KILL"]).success();
    bundles[0].expect_status("stopped");
    bundles[1].expect_status("stopped");
    assert_eq!(bundles[2].status(), "running");
    // Those that have ended are passed over.
    runtime.call(["kill", "--regex", &all, "KILL"]).success();
    let running = runtime.call(["delete", "--regex", "^rrun-test"]).code(1);
    running.stderr_has("not stopped: running").stderr_has(bundles[2].id());
    runtime.call(["delete", "--force", "-r", "^rrun-test"]).success();
    runtime.call(["list", "-q"]).success().stdout_is("");
    runtime.call(["delete", "-r", "^rrun-test"]).code(1).stderr_has("no container's id matches");
    runtime.call(["kill", "-r", "("]).code(1).stderr_has("is no regular expression");
    bundles.iter().for_each(Leftovers::assert_none);
}

#[test]
fn without_a_cgroup_manager_the_container_stays_in_its_callers_and_a_limit_is_an_error() {
    requires!(root, rrun);
    let bundle = Bundle::new()
        .args(["probe", "read", "/proc/self/cgroup"])
        .without_namespace("cgroup")
        .set("/linux/resources", json!({}));
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let run = || {
        let words = ["--cgroup-manager", "disabled", "run", "--bundle", &path, bundle.id()];
        bundle.runtime().call(words)
    };
    let own = fs::read_to_string("/proc/self/cgroup").must("read our cgroups");
    run().success().stdout_is(&own);
    let bundle = bundle.set("/linux/resources", json!({ "pids": { "limit": 5 } }));
    bundle.write_config();
    let words = ["--cgroup-manager", "disabled", "run", "--bundle", &path, bundle.id()];
    let refused = bundle.runtime().call(words).code(1);
    refused.stderr_has("/linux/resources/pids/limit").stderr_has("cgroups are disabled");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_spec_may_have_another_name() {
    requires!(rrun);
    let bundle = Bundle::new();
    let path = bundle.path().to_string_lossy().into_owned();
    bundle.runtime().call(["spec", "-b", &path, "--file", "other.json"]).success();
    let text = fs::read_to_string(bundle.path().join("other.json")).must("read it");
    assert!(text.contains("ociVersion"), "{text}");
    bundle.runtime().call(["spec", "-b", &path, "-f", "other.json"]).code(1).stderr_has("exists");
}
