//! The command line through the real binary: exit codes, messages, logs, and the verbs that need no container of ours to
//! run. Containers here are hand-made records of ordinary processes, so neither root nor cgroups are needed.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A root directory of one test's own.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique =
            format!("rrun-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `rrun --root … line`, the line split at blanks.
    fn rrun(&self, line: &str) -> Output {
        let root = ["--root".into(), self.path("state").display().to_string()];
        rrun(root.into_iter().chain(line.split_ascii_whitespace().map(str::to_owned)))
    }

    /// A record of the process `pid`, as `create` would leave it.
    fn record(&self, id: &str, pid: u32, start_time: u64) -> PathBuf {
        let directory = self.path("state").join(id);
        fs::create_dir_all(&directory).unwrap();
        let json = format!(
            r#"{{"version":1,"id":"{id}","oci_version":"1.3.0","bundle":"/b","rootfs":"/b/rootfs",
            "pid":{pid},"start_time":{start_time},"cgroup":{{"unified":null}},"created":"2026-11-22T07:59:21.5Z",
            "annotations":{{}},"hooks":{{"poststart":[],"poststop":[]}},
            "namespaces":{{"entered":0,"new":0}},"terminal":false}}"#
        );
        fs::write(directory.join("state.json"), json).unwrap();
        directory
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A process to stand for a container's, ended with the test.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn start_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        after_name.split_ascii_whitespace().nth(19).unwrap().parse().unwrap()
    }

    fn recorded(&self, root: &Root, id: &str) -> PathBuf {
        root.record(id, self.0.id(), self.start_time())
    }

    fn signal_that_ended_it(&mut self) -> Option<i32> {
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Does nothing to one that was waited for.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn rrun(words: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rrun")).args(words).stdin(Stdio::null()).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// It succeeded and said nothing.
fn assert_silent(output: &Output) {
    assert_eq!((output.status.code(), stdout(output), stderr(output)), (Some(0), "", ""));
}

/// It failed with `code`, one line on standard error that holds `part`, and nothing on standard output.
#[track_caller]
fn assert_fails(output: &Output, code: i32, part: &str) {
    let text = stderr(output);
    assert_eq!((output.status.code(), stdout(output)), (Some(code), ""), "{text}");
    assert!(text.starts_with("rrun: ") && text.contains(part), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    for (line, part) in [
        (&[][..], "Usage: rrun"),
        (&["--help"], "Usage: rrun"),
        (&["help", "exec"], "--ignore-paused"),
        (&["run", "--help"], "--no-subreaper"),
    ] {
        let output = rrun(line);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        assert!(stdout(&output).contains(part), "{}", stdout(&output));
    }
    let version = rrun(["--version"]);
    let lines: Vec<_> = stdout(&version).lines().collect();
    assert_eq!(lines[0], format!("rrun version {}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("commit: ") && lines[2] == "spec: 1.3.0", "{lines:?}");
}

#[test]
fn exit_codes_are_those_that_callers_know() {
    let root = Root::new();
    for (line, code, part) in [
        ("bogus", 3, "unknown command \"bogus\""),
        ("--nope list", 1, "unknown flag --nope"),
        ("list --nope", 1, "list: unknown flag --nope"),
        ("state", 1, "state: <ID> is missing"),
        ("state a/b", 1, "invalid container id"),
        ("state web", 1, "container does not exist: \"web\""),
        ("kill web", 1, "container does not exist: \"web\""),
        ("delete web", 1, "container does not exist: \"web\""),
        ("exec", 1, "exec: <ID> is missing"),
        ("exec --nope web ls", 1, "exec: unknown flag --nope"),
        ("--root= list", 1, "--root: \"\" is empty"),
        ("--root / list", 1, "--root /: the root of the file system"),
    ] {
        assert_fails(&root.rrun(line), code, part);
    }
    assert_silent(&root.rrun("delete --force web"));
    assert!(!root.path("state").exists(), "looking made the root directory");
}

#[test]
fn a_failure_is_one_json_object_in_the_log_and_a_sentence_on_standard_error() {
    let root = Root::new();
    let log = root.path("log.json");
    let globals = format!("--log {} --log-format json", log.display());
    assert_fails(&root.rrun(&format!("{globals} state web")), 1, "container does not exist");
    let entry: serde_json::Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    assert_eq!((&entry["level"], &entry["kind"]), (&"error".into(), &"not-found".into()));
    assert!(entry["msg"].as_str().unwrap().contains("container does not exist: \"web\""));

    fs::remove_file(&log).unwrap();
    assert_fails(&root.rrun(&format!("{globals} run --nope web")), 1, "unknown flag --nope");
    let entry: serde_json::Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    assert_eq!(entry["kind"], "usage");
}

#[test]
fn without_a_log_json_goes_to_standard_error_alone() {
    let output = Root::new().rrun("--log-format json state web");
    let entry: serde_json::Value = serde_json::from_str(stderr(&output)).unwrap();
    assert_eq!((output.status.code(), &entry["kind"]), (Some(1), &"not-found".into()));
}

#[test]
fn a_text_log_reads_as_logrus_writes_it_and_success_writes_nothing() {
    let root = Root::new();
    let log = root.path("log");
    let line = |verb: &str| root.rrun(&format!("--log {} {verb}", log.display()));
    assert_silent(&line("delete -f web"));
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    assert_eq!(line("state web").status.code(), Some(1));
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.starts_with("time=\"") && text.contains("\" level=error msg=\"container"),
        "{text}"
    );
}

#[test]
fn a_log_that_cannot_be_opened_is_the_failure() {
    assert_fails(
        &rrun(["--log", "/nowhere/log", "list"]),
        1,
        "open --log /nowhere/log: no such file",
    );
}

#[test]
fn warnings_do_not_spoil_a_json_log() {
    let root = Root::new();
    let damaged = root.path("state/damaged");
    fs::create_dir_all(&damaged).unwrap();
    fs::write(damaged.join("state.json"), "{").unwrap();
    let log = root.path("log.json");
    let output = root.rrun(&format!("--log {} --log-format json list -q", log.display()));
    assert_silent(&output);
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    let output = root.rrun("list -q");
    assert!(stderr(&output).starts_with("rrun: warning: container \"damaged\" left out"));
}

#[test]
fn state_shows_what_is_observed() {
    let (root, sleeper) = (Root::new(), Sleeper::new());
    let directory = sleeper.recorded(&root, "web");
    let state = || -> serde_json::Value {
        let output = root.rrun("state web");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let running = state();
    assert_eq!(running["status"], "running");
    assert_eq!(running["pid"], sleeper.0.id());
    assert_eq!(running["ociVersion"], "1.3.0");
    assert_eq!(running["bundle"], "/b");
    assert_eq!(running["rootfs"], "/b/rootfs");
    assert_eq!(running["created"], "2026-11-22T07:59:21.5Z");
    assert!(running["owner"].is_string());
    let gate = UnixListener::bind(directory.join("gate")).unwrap();
    assert_eq!(state()["status"], "created");
    drop(gate);
    drop(sleeper);
    let stopped = state();
    assert_eq!((&stopped["status"], &stopped["pid"]), (&"stopped".into(), &0.into()));
}

#[test]
fn a_pid_that_was_reused_is_neither_running_nor_killed() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    root.record("web", sleeper.0.id(), sleeper.start_time() + 1);
    assert!(stdout(&root.rrun("state web")).contains("\"stopped\""));
    assert_fails(&root.rrun("kill web KILL"), 1, "container not running: \"web\"");
    assert_silent(&root.rrun("kill --all web KILL"));
    assert_silent(&root.rrun("delete --force web"));
    assert_eq!(sleeper.0.try_wait().unwrap(), None, "a stranger was killed");
}

#[test]
fn kill_sends_the_signal_it_was_given_and_term_by_default() {
    for (line, signal) in [
        ("kill web", 15),
        ("kill web KILL", 9),
        ("kill web sigusr1", 10),
        ("kill web 2", 2),
        ("kill --all web 9", 9),
    ] {
        let (root, mut sleeper) = (Root::new(), Sleeper::new());
        sleeper.recorded(&root, "web");
        assert_silent(&root.rrun("kill web 0"));
        assert_silent(&root.rrun(line));
        assert_eq!(sleeper.signal_that_ended_it(), Some(signal), "{line}");
        assert_fails(&root.rrun("kill web"), 1, "container not running");
        assert_silent(&root.rrun("kill --all web 9"));
    }
}

#[test]
fn delete_refuses_what_runs_unless_forced() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    let directory = sleeper.recorded(&root, "web");
    let refusal = "cannot delete container \"web\" that is not stopped: running";
    assert_fails(&root.rrun("delete web"), 1, refusal);
    assert_silent(&root.rrun("delete --force web"));
    assert_eq!(sleeper.signal_that_ended_it(), Some(9));
    assert!(!directory.exists());
    assert_fails(&root.rrun("delete web"), 1, "container does not exist");
    assert_silent(&root.rrun("delete -f web"));
}

#[test]
fn delete_takes_stopped_and_created_containers_and_all_their_files() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    let stopped = root.record("stopped", 0, 0);
    fs::create_dir_all(stopped.join("notify/deep")).unwrap();
    fs::write(stopped.join("notify/deep/file"), "").unwrap();
    assert_silent(&root.rrun("delete stopped"));
    assert!(!stopped.exists());

    let created = sleeper.recorded(&root, "created");
    let _gate = UnixListener::bind(created.join("gate")).unwrap();
    assert_silent(&root.rrun("delete created"));
    assert_eq!(sleeper.signal_that_ended_it(), Some(9));
    assert!(!created.exists());
}

#[test]
fn what_an_interrupted_create_left_can_be_forced_away() {
    let root = Root::new();
    let debris = root.path("state/web");
    fs::create_dir_all(&debris).unwrap();
    fs::write(debris.join("gate"), "").unwrap();
    assert_fails(&root.rrun("delete web"), 1, "\"rrun delete --force web\" removes it");
    assert_fails(&root.rrun("state web"), 1, "container does not exist");
    assert_eq!(stdout(&root.rrun("list -q")), "");
    assert_silent(&root.rrun("delete web --force"));
    assert!(!debris.exists());
}

#[test]
fn another_versions_record_is_left_alone() {
    let root = Root::new();
    let directory = root.record("web", 0, 0);
    let file = directory.join("state.json");
    let newer = fs::read_to_string(&file).unwrap().replace("\"version\":1", "\"version\":2");
    fs::write(&file, newer).unwrap();
    for line in ["state web", "delete --force web"] {
        assert_fails(&root.rrun(line), 1, "has version 2, this rrun understands 1");
    }
    assert!(file.exists());
}

#[test]
fn lists_are_sorted_and_have_runcs_columns() {
    let (root, sleeper) = (Root::new(), Sleeper::new());
    let pid = sleeper.0.id();
    assert_eq!(stdout(&root.rrun("list")).split_whitespace().count(), 6, "only the heading");
    assert_eq!(stdout(&root.rrun("list -f json")), "[]\n");
    root.record("zzz", 0, 0);
    sleeper.recorded(&root, "a-rather-long-id");

    assert_eq!(stdout(&root.rrun("list --quiet")), "a-rather-long-id\nzzz\n");
    let table = root.rrun("list");
    let lines: Vec<_> = stdout(&table).lines().collect();
    let heading =
        "ID                 PID         STATUS      BUNDLE      CREATED                  OWNER";
    assert_eq!(lines[0], heading);
    let running =
        format!("a-rather-long-id   {pid:<12}running     /b          2026-11-22T07:59:21.5Z   ");
    assert!(lines[1].starts_with(&running), "{table:?}");
    assert!(lines[2].starts_with("zzz                0           stopped     /b "), "{table:?}");

    let json = root.rrun("list --format=json");
    let states: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(states[0]["id"], "a-rather-long-id");
    assert_eq!(states[1]["status"], "stopped");
}

#[test]
fn two_deletes_at_once_end_in_one_deletion() {
    let (root, mut sleeper) = (Root::new(), Sleeper::new());
    let directory = sleeper.recorded(&root, "web");
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| root.rrun("delete --force web"))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    outputs.iter().for_each(assert_silent);
    assert_eq!(sleeper.signal_that_ended_it(), Some(9));
    assert!(!directory.exists());
}

#[test]
fn an_ordinary_user_keeps_containers_in_the_runtime_directory() {
    let root = Root::new();
    let line = |xdg: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rrun"));
        command.args(["--rootless=true", "state", "web"]).env_remove("XDG_RUNTIME_DIR");
        if let Some(xdg) = xdg {
            command.env("XDG_RUNTIME_DIR", xdg);
        }
        command.output().unwrap()
    };
    let looked_in = format!("does not exist: \"web\" in {}", root.path("rrun").display());
    assert_fails(&line(Some(&root.0)), 1, &looked_in);
    assert_fails(&line(None), 1, "XDG_RUNTIME_DIR is not set; set it, or say where");
}
