//! What a container is doing, observed; and which verb fits which status.
//!
//! It knows the lifecycle. It refuses to know how facts are gathered and to store its answer: a stored status lies from
//! the moment the process dies. What a newcomer would get wrong: a zombie is stopped, though its pid still exists.

use super::process::ProcStat;
use super::record::Record;
use crate::error::{Error, Kind, Result};
use crate::id::ContainerId;

/// The statuses of the OCI state, and runc's `paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Reserved; its creator is at work and has not written the record yet.
    Creating,
    /// Set up; its process waits at the gate.
    Created,
    /// The gate has been passed.
    Running,
    /// Its cgroup is frozen.
    Paused,
    /// Its process has ended, or is nobody's any more.
    Stopped,
}

impl Status {
    /// As the OCI state spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// What a caller wants of an existing container. `state`, `list` and a forced delete fit every status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Let the waiting process go.
    Start,
    /// Run another process beside the first.
    Exec,
    /// The same, `--ignore-paused`: it will hang until the container is resumed.
    ExecIgnoringPause,
    /// Signal the first process.
    Kill,
    /// Signal every process.
    KillAll,
    /// Remove what is left.
    Delete,
    /// Stop every process where it is.
    Pause,
    /// Let them go on.
    Resume,
    /// Change its limits.
    Update,
    /// Name its processes.
    Ps,
    /// Watch what it uses.
    Events,
    /// Write it to files, and maybe end it.
    Checkpoint,
    /// Mount more, or unmount that.
    Mounts,
}

/// What the kernel and the container's directory say, gathered by [`super::Container::status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcFacts {
    /// /proc/PID/stat of the recorded pid; `None` when there is no such process.
    pub stat: Option<ProcStat>,
    /// Whether the gate's socket is there.
    pub gate: bool,
    /// Whether the cgroup is frozen.
    pub frozen: bool,
}

/// The status that `facts` amount to for the container of `record`. Never [`Status::Creating`]: that one has no record.
#[must_use]
pub fn observe(record: &Record, facts: &ProcFacts) -> Status {
    match facts.stat {
        Some(stat) if stat.is_alive() && stat.start_time == record.start_time => {
            if facts.frozen {
                Status::Paused
            } else if facts.gate {
                Status::Created
            } else {
                Status::Running
            }
        }
        Some(_) | None => Status::Stopped,
    }
}

enum Answer {
    Yes,
    /// The refusal, in runc's words: docker, podman and containerd look for some of them.
    No(&'static str),
}

/// The whole table. No wildcard: a new verb or status must be answered here.
const fn answer(verb: Verb, status: Status) -> Answer {
    use Answer::{No, Yes};
    use Status::{Created, Creating, Paused, Running, Stopped};
    use Verb::{Checkpoint, Delete, Events, Exec, ExecIgnoringPause, Kill, KillAll};
    use Verb::{Mounts, Pause, Ps, Resume, Start, Update};
    match (verb, status) {
        (Start, Created) => Yes,
        (Start, Creating) => No("cannot start a container in the creating state"),
        (Start, Running) => No("cannot start an already running container"),
        (Start, Paused) => No("cannot start a container in the paused state"),
        (Start, Stopped) => No("cannot start a container that has stopped"),

        (Exec, Created | Running) => Yes,
        (ExecIgnoringPause, Created | Running | Paused) => Yes,
        (Exec, Paused) => No("cannot exec in a paused container (use --ignore-paused to override)"),
        (Exec | ExecIgnoringPause, Creating) => {
            No("cannot exec in a container in the creating state")
        }
        (Exec | ExecIgnoringPause, Stopped) => No("cannot exec in a stopped container"),

        (Kill, Created | Running | Paused) => Yes,
        (Kill, Creating | Stopped) => No("container not running"),
        (KillAll, Created | Running | Paused | Stopped) => Yes,
        (KillAll, Creating) => No("container not running"),

        (Delete, Created | Stopped) => Yes,
        (Delete, Creating) => No("cannot delete a container that is not stopped: creating"),
        (Delete, Running) => No("cannot delete a container that is not stopped: running"),
        (Delete, Paused) => No("cannot delete a container that is not stopped: paused"),

        (Pause, Running) => Yes,
        (Pause, Creating) => No("cannot pause a container that is not running: creating"),
        (Pause, Created) => No("cannot pause a container that is not running: created"),
        (Pause, Paused) => No("cannot pause a container that is not running: paused"),
        (Pause, Stopped) => No("container not running"),

        (Resume, Paused) => Yes,
        (Resume, Creating) => No("cannot resume a container that is not paused: creating"),
        (Resume, Created) => No("cannot resume a container that is not paused: created"),
        (Resume, Running) => No("cannot resume a container that is not paused: running"),
        (Resume, Stopped) => No("container not running"),

        (Checkpoint, Running | Paused) => Yes,
        (Checkpoint, Creating) => No("cannot checkpoint a container in the creating state"),
        (Checkpoint, Created) => No("cannot checkpoint a container in the created state"),
        (Checkpoint, Stopped) => No("cannot checkpoint a container that has stopped"),

        (Update | Ps | Events | Mounts, Created | Running | Paused) => Yes,
        (Update | Ps | Events | Mounts, Creating | Stopped) => No("container not running"),
    }
}

/// Whether `verb` fits `status`.
#[must_use]
pub const fn allows(verb: Verb, status: Status) -> bool {
    matches!(answer(verb, status), Answer::Yes)
}

/// The same as a demand, for the container `id`.
///
/// # Errors
/// [`Kind::State`], in the words that callers match, where it does not fit.
pub fn demand(verb: Verb, status: Status, id: &ContainerId) -> Result<()> {
    match answer(verb, status) {
        Answer::Yes => Ok(()),
        Answer::No(words) => {
            let named = format!("container {:?}", id.as_str());
            let refusal = match words.split_once("a container") {
                Some((before, after)) => format!("{before}{named}{after}"),
                None => format!("{words}: {:?}", id.as_str()),
            };
            Err(Error::new(Kind::State, refusal))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::record::tests::record;

    fn facts(state: u8, start_time: u64, gate: bool, frozen: bool) -> ProcFacts {
        ProcFacts { stat: Some(ProcStat { state, start_time }), gate, frozen }
    }

    #[test]
    fn status_follows_from_the_facts_alone() {
        let record = record("web"); // start_time 4242
        for (given, status) in [
            (facts(b'S', 4242, true, false), Status::Created),
            (facts(b'S', 4242, false, false), Status::Running),
            (facts(b'R', 4242, false, false), Status::Running),
            (facts(b'D', 4242, false, true), Status::Paused),
            (facts(b'S', 4242, true, true), Status::Paused),
            (facts(b'Z', 4242, false, false), Status::Stopped),
            (facts(b'X', 4242, true, false), Status::Stopped),
            (facts(b'Z', 4242, false, true), Status::Stopped),
            (facts(b'S', 4243, true, false), Status::Stopped), // the pid is another process's now
            (ProcFacts { stat: None, gate: true, frozen: true }, Status::Stopped),
        ] {
            assert_eq!(observe(&record, &given), status, "{given:?}");
        }
    }

    #[test]
    fn each_verb_fits_exactly_these_statuses() {
        use Status::{Created, Creating, Paused, Running, Stopped};
        for (verb, fitting) in [
            (Verb::Start, &[Created][..]),
            (Verb::Exec, &[Created, Running]),
            (Verb::ExecIgnoringPause, &[Created, Running, Paused]),
            (Verb::Kill, &[Created, Running, Paused]),
            (Verb::KillAll, &[Created, Running, Paused, Stopped]),
            (Verb::Delete, &[Created, Stopped]),
            (Verb::Pause, &[Running]),
            (Verb::Resume, &[Paused]),
            (Verb::Update, &[Created, Running, Paused]),
            (Verb::Ps, &[Created, Running, Paused]),
            (Verb::Events, &[Created, Running, Paused]),
            (Verb::Checkpoint, &[Running, Paused]),
            (Verb::Mounts, &[Created, Running, Paused]),
        ] {
            for status in [Creating, Created, Running, Paused, Stopped] {
                assert_eq!(allows(verb, status), fitting.contains(&status), "{verb:?} {status:?}");
            }
        }
    }

    #[test]
    fn refusals_name_the_container_and_keep_the_words_callers_look_for() {
        let id = ContainerId::new("web").unwrap();
        let text = |verb, status| demand(verb, status, &id).unwrap_err().to_string();
        assert_eq!(text(Verb::Kill, Status::Stopped), "container not running: \"web\"");
        assert_eq!(
            text(Verb::Delete, Status::Running),
            "cannot delete container \"web\" that is not stopped: running"
        );
        assert_eq!(
            text(Verb::Start, Status::Stopped),
            "cannot start container \"web\" that has stopped"
        );
        assert_eq!(
            text(Verb::Start, Status::Running),
            "cannot start an already running container: \"web\""
        );
    }
}
