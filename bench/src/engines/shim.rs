//! A shim as containerd starts and calls it, without containerd.
//!
//! It refuses to leave one behind: whoever is dropped alive is killed with its containers. What a newcomer would get
//! wrong: a shim opens the fifo `log` in its bundle and does not start without one; and the program that `start` runs is
//! gone when the shim answers: that is another process, which `Connect` names.

use super::kind::Kind;
use super::place::{Ears, Place};
use super::wire::Wire;
use crate::process::{self, PATIENCE, Voice, Wrong, now};
use crate::room;
use containerd_shim_protos::api;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// containerd's namespace of everything here.
const NAMESPACE: &str = "rrun-bench";

/// A shim that answers.
#[derive(Debug)]
pub struct Shim {
    kind: Kind,
    wire: Wire,
    address: (PathBuf, String),
    pid: i32,
    /// First processes of the containers that it has.
    containers: Vec<(String, i32)>,
    over: bool,
}

/// The times of a container's life, by the clock that the payload reads, too.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Create was sent.
    pub asked: Duration,
    /// Create was answered.
    pub created: Duration,
    /// Start was sent.
    pub begun: Duration,
    /// Start was answered.
    pub started: Duration,
    /// The payload's first instruction.
    pub first_instruction: Duration,
    /// Wait was answered.
    pub ended: Duration,
    /// Delete was answered.
    pub deleted: Duration,
}

impl Shim {
    /// Runs `start` in a bundle and connects.
    ///
    /// # Errors
    /// [`Wrong`]: with what it said.
    pub fn start(kind: &Kind, bundle: &Path, id: &str) -> Result<Self, Wrong> {
        Self::start_in(kind, bundle, id, None)
    }

    /// The same in a cgroup of its own.
    ///
    /// # Errors
    /// As [`Shim::start`].
    pub fn start_in(
        kind: &Kind,
        bundle: &Path,
        id: &str,
        cgroup: Option<&Path>,
    ) -> Result<Self, Wrong> {
        let mut voice = Voice::new();
        let mut command = command(kind, bundle, id);
        if let Some(cgroup) = cgroup {
            command = inside(&command, cgroup);
        }
        voice.run(&mut command, PATIENCE)?;
        let said = String::from_utf8_lossy(&voice.words()).into_owned();
        let (socket, service) = address(&said)
            .ok_or_else(|| Wrong::Failed(format!("{}: no address: {said:?}", kind.label)))?;
        let wire = Wire::connect(&socket, &service)?;
        let (kind, address, containers) = (kind.clone(), (socket, service), Vec::new());
        let mut this = Self { kind, wire, address, pid: 0, containers, over: false };
        // A shim that had to be asked for its pid would have answered something else first.
        let file = fs::read_to_string(bundle.join("shim.pid")).unwrap_or_default();
        this.pid = match file.trim().parse() {
            Ok(pid) => pid,
            Err(_) => this.connected()?,
        };
        Ok(this)
    }

    /// Its process, as `Connect` says.
    fn connected(&mut self) -> Result<i32, Wrong> {
        let answer: api::ConnectResponse =
            self.wire.call("Connect", &api::ConnectRequest::new())?;
        Ok(answer.shim_pid.cast_signed())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Makes a container of a bundle.
    ///
    /// # Errors
    /// What the shim says.
    pub fn create(&mut self, place: &Place, id: &str) -> Result<i32, Wrong> {
        let request = api::CreateTaskRequest {
            id: id.to_owned(),
            bundle: place.bundle.to_string_lossy().into_owned(),
            stdout: place.stdout.to_string_lossy().into_owned(),
            stderr: place.stderr.to_string_lossy().into_owned(),
            options: self.kind.options().into(),
            ..Default::default()
        };
        let answer: api::CreateTaskResponse = self.wire.call("Create", &request)?;
        let pid = answer.pid.cast_signed();
        self.containers.push((id.to_owned(), pid));
        Ok(pid)
    }

    /// Starts it.
    ///
    /// # Errors
    /// What the shim says.
    pub fn begin(&mut self, id: &str) -> Result<(), Wrong> {
        let request = api::StartRequest { id: id.to_owned(), ..Default::default() };
        self.wire.call::<api::StartResponse>("Start", &request).map(drop)
    }

    /// Forgets it, whose process has ended.
    ///
    /// # Errors
    /// What the shim says.
    pub fn delete(&mut self, id: &str) -> Result<(), Wrong> {
        let request = api::DeleteRequest { id: id.to_owned(), ..Default::default() };
        self.wire.call::<api::DeleteResponse>("Delete", &request)?;
        self.containers.retain(|(other, _)| other != id);
        Ok(())
    }

    /// A whole life of a container whose program ends at once.
    ///
    /// # Errors
    /// What the shim or the payload says.
    pub fn live(&mut self, place: &mut Place, id: &str) -> Result<Times, Wrong> {
        let asked = now();
        self.create(place, id)?;
        let created = now();
        let wait = api::WaitRequest { id: id.to_owned(), ..Default::default() };
        let wait = self.wire.ask("Wait", &wait)?;
        let begun = now();
        self.begin(id)?;
        let started = now();
        let first_instruction = place.first_instruction(asked)?;
        let answer: api::WaitResponse = self.wire.answer(wait)?;
        let ended = now();
        if answer.exit_status != 0 {
            return Err(Wrong::Failed(format!("the payload ended with {}", answer.exit_status)));
        }
        self.delete(id)?;
        Ok(Times { asked, created, begun, started, first_instruction, ended, deleted: now() })
    }

    /// Kills and deletes all containers that it has.
    ///
    /// # Errors
    /// What the shim says.
    pub fn clear(&mut self) -> Result<(), Wrong> {
        for (id, _) in self.containers.clone() {
            let wait = api::WaitRequest { id: id.clone(), ..Default::default() };
            let wait = self.wire.ask("Wait", &wait)?;
            let kill =
                api::KillRequest { id: id.clone(), signal: 9, all: true, ..Default::default() };
            self.wire.call::<api::Empty>("Kill", &kill)?;
            self.wire.answer::<api::WaitResponse>(wait)?;
            self.delete(&id)?;
        }
        Ok(())
    }

    /// Asks it to end; when it had answered. That it does end is awaited after that.
    ///
    /// # Errors
    /// It does not.
    pub fn shutdown(mut self) -> Result<Duration, Wrong> {
        // It may be gone before it has answered.
        self.wire.call::<api::Empty>("Shutdown", &api::ShutdownRequest::new()).ok();
        let answered = now();
        self.over = process::await_end(self.pid, PATIENCE);
        if !self.over {
            return Err(Wrong::Hung(format!(
                "given up: still there {} s after Shutdown",
                PATIENCE.as_secs()
            )));
        }
        Ok(answered)
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // What has ended already needs no signal.
        for pid in self.containers.iter().map(|(_, pid)| *pid).chain([self.pid]) {
            if pid > 1 {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
                if !process::await_end(pid, PATIENCE) {
                    eprintln!("    process {pid} of {} does not end", self.kind.label);
                }
            }
        }
    }
}

/// Its socket and its service's name, for more connections.
#[must_use]
pub fn socket_of(shim: &Shim) -> (PathBuf, String) {
    shim.address.clone()
}

/// `start`, with containerd's environment.
fn command(kind: &Kind, bundle: &Path, id: &str) -> Command {
    let mut command = Command::new(&kind.program);
    command.args(["-namespace", NAMESPACE, "-id", id, "-publish-binary", "/nowhere/containerd"]);
    command.arg("-address").arg(room::directory().join("containerd.sock")).arg("start");
    // As containerd says it, so that a Go shim has as many threads as it would have.
    command.env("GOMAXPROCS", "2").env("TTRPC_ADDRESS", Ears::socket()).current_dir(bundle);
    command
}

/// The same command by a process that has gone into a cgroup first.
fn inside(command: &Command, cgroup: &Path) -> Command {
    let mut inside = Command::new("/bin/sh");
    let enter = format!("echo 0 > {}/cgroup.procs && exec \"$0\" \"$@\"", cgroup.display());
    inside.arg("-c").arg(enter).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        inside.env(name, value.unwrap_or_default());
    }
    inside.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
    inside
}

/// The socket, and the service's name: `start` of containerd 1.6 prints an address, of 2 a document.
fn address(said: &str) -> Option<(PathBuf, String)> {
    let said = said.trim();
    let (address, version) = match serde_json::from_str::<Value>(said) {
        Ok(told) => (told["address"].as_str()?.to_owned(), told["version"].as_u64()?),
        Err(_) => (said.to_owned(), 2),
    };
    let socket = PathBuf::from(address.strip_prefix("unix://")?);
    Some((socket, format!("containerd.task.v{version}.Task")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_both_forms() {
        let v2 = Some((PathBuf::from("/run/s"), "containerd.task.v2.Task".to_owned()));
        assert_eq!(address("unix:///run/s"), v2);
        let told = r#"{"version":3,"address":"unix:///run/s","protocol":"ttrpc"}"#;
        let v3 = Some((PathBuf::from("/run/s"), "containerd.task.v3.Task".to_owned()));
        assert_eq!(address(told), v3);
        assert_eq!(address("no such runtime"), None);
    }
}
