//! What is asked of a container that is there: signals, questions, limits, and its end.
//!
//! Each is one call of the library. What a newcomer would get wrong: containerd deletes a process to learn its exit
//! status, so an exec's Delete ends nothing, and the container's removes everything.

use super::{Task, unknown};
use crate::answer;
use crate::io::Streams;
use crate::log;
use crate::mounts;
use crate::process::{Phase, Process, Waiter};
use crate::watch::End;
use containerd_shim_protos::api::{DeleteResponse, ProcessInfo, StateResponse};
use containerd_shim_protos::events::task as events;
use containerd_shim_protos::shim::oci::ProcessDetails;
use rrun::container::Status;
use rrun::container::process::Delivery;
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::launch::cgroup::Stats;
use rrun::spec::{Resources, Terminal};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long a killed process may take to end, and the last of its output to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

impl Task {
    /// What is known of the container, or of one of its processes.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without that process; [`Kind::Kernel`] when it cannot be observed.
    pub fn state(&self, exec_id: &str) -> Result<StateResponse> {
        let mut all = self.lock();
        let process = all.find(exec_id).ok_or_else(|| unknown(exec_id))?;
        let (mut state, phase, ended) = (process.state(), process.phase, process.told);
        drop(all);
        let status = match (ended, exec_id) {
            (true, _) => Status::Stopped,
            (false, "") if self.is_pending() => Status::Created,
            (false, "") => match self.open()?.status()? {
                // It has ended, and its exit is about to be told.
                Status::Stopped => Status::Running,
                status => status,
            },
            (false, _) if phase == Phase::Running => Status::Running,
            (false, _) => Status::Created,
        };
        state.id = self.id.to_string();
        state.exec_id = exec_id.to_owned();
        state.bundle = self.bundle.to_string_lossy().into_owned();
        state.status = answer::status(status);
        Ok(state)
    }

    /// The pid of the first process.
    pub fn pid(&self) -> u32 {
        self.lock().init.pid.unsigned_abs()
    }

    /// Calls `waiter` with the end of a process: at once, or when it is told.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without that process.
    pub fn wait(&self, exec_id: &str, waiter: Waiter) -> Result<()> {
        let mut all = self.lock();
        let known = all.find(exec_id).ok_or_else(|| unknown(exec_id))?.wait(waiter);
        drop(all);
        if let Some((waiter, end)) = known {
            (waiter.answer)(end);
        }
        Ok(())
    }

    /// Sends a signal to the first process, to every process, or to one of Exec.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when nobody is there to get it; [`Kind::State`] for a process that was not started yet.
    pub fn kill(&self, exec_id: &str, signal: u32, everyone: bool) -> Result<()> {
        let signal = i32::try_from(signal)
            .map_err(|_| Error::new(Kind::Usage, format!("{signal} is no signal")))?;
        if exec_id.is_empty() {
            if self.lock().init.told {
                let problem = format!("container {:?}: process already finished", self.id.as_str());
                return Err(Error::new(Kind::NotFound, problem));
            }
            let killed = self.open().and_then(|container| container.kill(signal, everyone));
            // Its status has no other reason to refuse a signal than that nobody is left.
            return killed.map_err(|error| match error.kind() {
                Kind::State => error.with_kind(Kind::NotFound),
                _ => error,
            });
        }
        let mut all = self.lock();
        let process = all.find(exec_id).ok_or_else(|| unknown(exec_id))?;
        let Some(pidfd) = &process.pidfd else {
            let problem = format!("process {exec_id:?} was not started yet");
            return Err(Error::new(Kind::State, problem));
        };
        match rrun::container::process::signal(pidfd.as_fd(), signal)? {
            Delivery::Sent => Ok(()),
            Delivery::Gone => {
                let problem = format!("process {exec_id:?} has already finished");
                Err(Error::new(Kind::NotFound, problem))
            }
        }
    }

    /// Every process, those of Exec by their names; of a container that has ended its first one. A containerd that was
    /// restarted takes a shim without processes for a leftover, and ends it together with the exit status it keeps.
    ///
    /// # Errors
    /// As [`rrun::container::Container::pids`].
    pub fn pids(&self) -> Result<Vec<ProcessInfo>> {
        let pids = match self.open()?.pids() {
            Err(error) if error.kind() == Kind::State => vec![self.lock().init.pid],
            pids => pids?,
        };
        let all = self.lock();
        let named: BTreeMap<i32, &String> =
            all.execs.iter().map(|(id, exec)| (exec.process.pid, id)).collect();
        let info = |pid: i32| {
            let details = named.get(&pid).map(|&exec_id| ProcessDetails {
                exec_id: exec_id.clone(),
                ..ProcessDetails::default()
            });
            let details = details.and_then(|it| answer::any("containerd.runc.v1", &it).ok());
            let pid = pid.unsigned_abs();
            ProcessInfo { pid, info: details.into(), ..ProcessInfo::default() }
        };
        Ok(pids.into_iter().map(info).collect())
    }

    /// Stops every process where it is.
    ///
    /// # Errors
    /// As [`rrun::container::Container::pause`].
    pub fn pause(&self) -> Result<()> {
        self.open()?.pause()?;
        let event = events::TaskPaused { container_id: self.id.to_string(), ..Default::default() };
        self.publish("/tasks/paused", &event);
        Ok(())
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// As [`rrun::container::Container::resume`].
    pub fn resume(&self) -> Result<()> {
        self.open()?.resume()?;
        let event = events::TaskResumed { container_id: self.id.to_string(), ..Default::default() };
        self.publish("/tasks/resumed", &event);
        Ok(())
    }

    /// Changes the limits that `json`, a `linux.resources`, names.
    ///
    /// # Errors
    /// As [`rrun::container::Container::update`].
    pub fn update(&self, json: &[u8]) -> Result<()> {
        let (resources, warnings) = Resources::parse(json).context(|| "the resources")?;
        warnings.iter().for_each(|warning| crate::log::warn(warning));
        self.open()?.update(&resources)
    }

    /// What it uses now.
    ///
    /// # Errors
    /// As [`rrun::container::Container::stats`].
    pub fn stats(&self) -> Result<Stats> {
        self.open()?.stats()
    }

    /// Gives a terminal another size.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without that process; [`Kind::State`] without a terminal.
    pub fn resize(&self, exec_id: &str, width: u32, height: u32) -> Result<()> {
        let side = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
        let (width, height) = (side(width), side(height));
        let mut all = self.lock();
        if let Some(exec) = all.execs.get_mut(exec_id)
            && exec.process.phase == Phase::Added
            && exec.spec.terminal != Terminal::None
        {
            // Clients tell the size as soon as the process is announced; it is born with it.
            exec.spec.terminal = Terminal::Pty { size: Some((height, width)) };
            return Ok(());
        }
        let streams = all.find(exec_id).ok_or_else(|| unknown(exec_id))?.streams.clone();
        drop(all);
        match streams {
            Some(streams) => streams.resize(width, height),
            None => Err(Error::new(Kind::State, "the process is not running")),
        }
    }

    /// Ends a process's standard input.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without that process.
    pub fn close_stdin(&self, exec_id: &str) -> Result<()> {
        let mut all = self.lock();
        let process = all.find(exec_id).ok_or_else(|| unknown(exec_id))?;
        if let Some(streams) = &process.streams {
            streams.close_stdin();
        }
        Ok(())
    }

    /// Forgets a process that does not run; the container with all that is left of it.
    ///
    /// # Errors
    /// [`Kind::State`] while it runs; what cannot be removed.
    pub fn delete(&self, exec_id: &str) -> Result<DeleteResponse> {
        if exec_id.is_empty() {
            return self.delete_container();
        }
        let mut all = self.lock();
        let exec = all.execs.get(exec_id).ok_or_else(|| unknown(exec_id))?;
        if exec.process.is_outstanding() {
            return Err(still_running(exec_id));
        }
        let Some(exec) = all.execs.remove(exec_id) else { return Err(unknown(exec_id)) };
        drop(all);
        drain(exec.process.streams.as_deref());
        Ok(farewell(&exec.process))
    }

    fn delete_container(&self) -> Result<DeleteResponse> {
        // Two may ask at once. It is done and told of once.
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if *deleted {
            let problem = format!("container {:?} does not exist", self.id.as_str());
            return Err(Error::new(Kind::NotFound, problem));
        }
        match self.open() {
            Ok(container) if self.lock().init.end.is_some() => container.delete_reaped()?,
            Ok(container) => container.delete(false)?,
            // Somebody else has deleted it, and its first process with it.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
        if self.forget_pending().is_none() {
            // One that was never started has been ended just now.
            let (done, ended) = channel::<End>();
            let answer = Box::new(move |end| done.send(end).unwrap_or_default());
            self.wait("", Waiter { answer, has_left: Box::new(|| false) })?;
            ended.recv_timeout(PATIENCE).map_err(|_| still_running(self.id.as_str()))?;
        }
        mounts::unmount_all(&self.bundle.join("rootfs"))?;
        let streams = self.lock().init.streams.clone();
        drain(streams.as_deref());
        let answer = farewell(&self.lock().init);
        *deleted = true;
        self.publish(
            "/tasks/delete",
            &events::TaskDelete {
                container_id: self.id.to_string(),
                pid: answer.pid,
                exit_status: answer.exit_status,
                exited_at: answer.exited_at.clone(),
                ..Default::default()
            },
        );
        Ok(answer)
    }
}

/// What a process has left in its terminal belongs to its output.
fn drain(streams: Option<&Streams>) {
    if let Some(streams) = streams
        && !streams.wait_drained(PATIENCE)
    {
        log::warn("output that nobody reads is dropped");
    }
}

fn farewell(process: &Process) -> DeleteResponse {
    DeleteResponse {
        pid: process.pid.unsigned_abs(),
        exit_status: process.end.map_or(0, |end| end.code()),
        exited_at: answer::exited_at(process.end),
        ..DeleteResponse::default()
    }
}

fn still_running(id: &str) -> Error {
    Error::new(Kind::State, format!("cannot delete {id:?}: it is still running"))
        .hint("kill it first")
}
