//! Which verb fits which status: every cell.

use crate::sleeper;
use rrun_harness::{Bundle, Leftovers, Must, Output, Running, eventually, requires};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// A container in one status; what keeps it there goes with it.
struct Subject {
    bundle: Bundle,
    /// `create`, held up by a hook, and the file that lets it go.
    creating: Option<(Running, PathBuf)>,
}

impl Subject {
    #[track_caller]
    fn that_is(status: &str) -> Subject {
        let bundle = match status {
            "creating" => return Self::creating(),
            "stopped" => Bundle::new(),
            _ => sleeper(),
        };
        bundle.create().success();
        if status != "created" {
            bundle.start().success();
        }
        if status == "paused" {
            freeze(&bundle, "1");
        }
        bundle.expect_status(status);
        Subject { bundle, creating: None }
    }

    /// A `create` that waits in a hook for a file to be made.
    #[track_caller]
    fn creating() -> Subject {
        let bundle = sleeper();
        let at = |name: &str| bundle.path().join(name);
        let (here, go) = (at("here"), at("go"));
        let wait = format!(
            "touch {}; while ! test -e {}; do sleep 0.01; done",
            here.display(),
            go.display()
        );
        let hook = json!([{ "path": "/bin/sh", "args": ["sh", "-c", wait], "env": ["PATH=/bin:/usr/bin"] }]);
        let bundle = bundle.set("/hooks/createRuntime", hook);
        bundle.write_config();
        let path = bundle.path().to_string_lossy().into_owned();
        let create =
            bundle.runtime().start_command(["create", "--bundle", path.as_str(), bundle.id()]);
        assert!(eventually(|| here.exists()), "the hook never ran");
        assert_eq!(bundle.status(), "creating");
        Subject { bundle, creating: Some((create, go)) }
    }

    /// The verb with its flags, the id, and what follows it.
    fn ask(&self, words: &str) -> Output {
        let words: Vec<&str> = words
            .split(' ')
            .map(|word| if word == "ID" { self.bundle.id() } else { word })
            .collect();
        self.bundle.runtime().call(words)
    }

    #[track_caller]
    fn end(self) {
        if let Some((create, go)) = self.creating {
            fs::write(go, "").must("let create go on");
            create.wait().success();
        }
        self.bundle.delete_force().success();
        Leftovers::assert_none(&self.bundle);
    }
}

/// Writes the freezer's file of the container's cgroup, as its own v2 cgroup or an administrator would.
#[track_caller]
fn freeze(bundle: &Bundle, value: &str) {
    let pid = bundle.state()["pid"].to_string();
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).must("read its cgroups");
    let path = table.lines().find_map(|line| line.strip_prefix("0::")).must("find its v2 cgroup");
    let mounts = fs::read_to_string("/proc/self/mounts").must("read the mounts");
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let mount = mount.and_then(|line| line.split(' ').nth(1)).must("find cgroup2");
    fs::write(format!("{mount}{path}/cgroup.freeze"), value).must("freeze it");
}

const STATUSES: [&str; 5] = ["creating", "created", "running", "paused", "stopped"];

/// A row of the table: for each status nothing where the verb fits, or what the refusal says.
#[track_caller]
fn each_cell(words: &str, row: [Option<&str>; 5]) {
    for (status, refusal) in STATUSES.into_iter().zip(row) {
        let subject = Subject::that_is(status);
        let output = subject.ask(words);
        match refusal {
            None => drop(output.success()),
            Some(refusal) => {
                let output = output.failure().stderr_has(refusal);
                assert_eq!(output.stderr().lines().count(), 1, "{}", output.account());
                // A refusal changes nothing.
                assert_eq!(subject.bundle.status(), status, "after {words}");
            }
        }
        subject.end();
    }
}

const BEING_CREATED: Option<&str> = Some("is being created");

// A reference runtime of v1 cgroups does not know the v2 freezer, and none has `creating`: the table is rrun's.

#[test]
fn start_fits_created_alone() {
    requires!(root, rrun);
    let row = [
        BEING_CREATED,
        None,
        Some("cannot start an already running container"),
        Some("in the paused state"),
        Some("that has stopped"),
    ];
    each_cell("start ID", row);
}

#[test]
fn state_fits_every_status() {
    requires!(root, rrun);
    each_cell("state ID", [None; 5]);
}

#[test]
fn exec_fits_what_has_a_process_that_is_not_paused() {
    requires!(root, rrun);
    let row = [
        BEING_CREATED,
        None,
        None,
        Some("cannot exec in a paused container"),
        Some("cannot exec in a stopped container"),
    ];
    each_cell("exec ID probe exit 0", row);
}

#[test]
fn kill_fits_what_has_a_process() {
    requires!(root, rrun);
    each_cell("kill ID URG", [BEING_CREATED, None, None, None, Some("container not running")]);
}

#[test]
fn kill_of_all_fits_what_is_stopped_too() {
    requires!(root, rrun);
    each_cell("kill --all ID URG", [BEING_CREATED, None, None, None, None]);
}

#[test]
fn delete_fits_what_does_not_run() {
    requires!(root, rrun);
    let row = [
        BEING_CREATED,
        None,
        Some("that is not stopped: running"),
        Some("that is not stopped: paused"),
        None,
    ];
    each_cell("delete ID", row);
}

#[test]
fn pause_fits_what_runs() {
    requires!(root, rrun);
    let row = [
        BEING_CREATED,
        Some("that is not running: created"),
        None,
        Some("that is not running: paused"),
        Some("container not running"),
    ];
    each_cell("pause ID", row);
}

#[test]
fn resume_fits_what_is_paused() {
    requires!(root, rrun);
    let row = [
        BEING_CREATED,
        Some("that is not paused: created"),
        Some("that is not paused: running"),
        None,
        Some("container not running"),
    ];
    each_cell("resume ID", row);
}

#[test]
fn update_ps_and_events_fit_what_has_a_process() {
    requires!(root, rrun);
    let row = [BEING_CREATED, None, None, None, Some("container not running")];
    for words in ["update --pids-limit 99 ID", "ps --format json ID", "events --stats ID"] {
        each_cell(words, row);
    }
}

#[test]
fn a_forced_delete_fits_every_status() {
    requires!(root, rrun);
    for status in &STATUSES[1..] {
        let subject = Subject::that_is(status);
        subject.ask("delete --force ID").success();
        subject.ask("state ID").failure().stderr_has("does not exist");
        subject.end();
    }
}

#[test]
fn a_forced_delete_waits_for_the_create_and_takes_its_container() {
    requires!(root, rrun);
    let mut subject = Subject::creating();
    let (create, go) = subject.creating.take().must("hold a create");
    let delete = subject.bundle.runtime().start_command(["delete", "--force", subject.bundle.id()]);
    assert_eq!(subject.bundle.status(), "creating");
    fs::write(go, "").must("let create go on");
    create.wait().success();
    delete.wait().success();
    subject.ask("state ID").failure().stderr_has("does not exist");
    Leftovers::assert_none(&subject.bundle);
}

#[test]
fn exec_that_ignores_the_pause_waits_for_its_end() {
    requires!(root, rrun);
    let subject = Subject::that_is("paused");
    let mut exec = subject.bundle.start_exec(&["--ignore-paused"], &["probe", "say", "thawed"]);
    let inside = || subject.ask("state ID").json()["status"] == "paused";
    assert!(inside() && exec.is_running() && exec.stdout().is_empty());
    freeze(&subject.bundle, "0");
    exec.wait().success().stdout_is("thawed\n");
    subject.end();
}

#[test]
fn a_frozen_container_dies_of_kill() {
    requires!(root, rrun);
    let subject = Subject::that_is("paused");
    subject.ask("kill ID KILL").success();
    subject.bundle.expect_status("stopped");
    subject.ask("delete ID").success();
    subject.end();
}

/// Some of runc 1.1's wait for ever for a reader of their FIFO.
#[test]
fn only_one_of_many_starts_succeeds() {
    requires!(root, rrun);
    let bundle = sleeper();
    bundle.create().success();
    let starts: Vec<Running> =
        (0..8).map(|_| bundle.runtime().start_command(["start", bundle.id()])).collect();
    let codes: Vec<i32> = starts.into_iter().map(|start| start.wait().exit_code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(bundle.status(), "running");
}

#[test]
fn a_list_shows_each_status() {
    requires!(root, rrun);
    for status in &STATUSES[1..] {
        let subject = Subject::that_is(status);
        let list = subject.ask("list --format json").success().json();
        assert_eq!(list[0]["id"], subject.bundle.id());
        assert_eq!(list[0]["status"], *status);
        subject.end();
    }
}
