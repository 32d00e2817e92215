//! Processes begin: the first one goes through its gate, another is announced by Exec and launched by Start.
//!
//! What a newcomer would get wrong: a process may end before its start is told of. So its phase is *starting* meanwhile,
//! and [`Task::settle`] keeps its end back until the start was told.

use super::{Exec as Announced, Task, unknown};
use crate::io::Streams;
use crate::log;
use crate::process::{Paths, Phase, Process};
use containerd_shim_protos::api::ExecProcessRequest;
use containerd_shim_protos::events::task as events;
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::launch::trace::Trace;
use rrun::runtime::{self, Bundle, Exec, Handover, Running};
use rrun::spec;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

impl Task {
    /// Adds a process, which [`Task::start`] will run.
    ///
    /// # Errors
    /// [`Kind::Exists`] for a second one of that id; [`Kind::State`] when the container has ended; [`Kind::Spec`] for
    /// what is wrong in its description.
    pub fn exec(&self, request: &ExecProcessRequest) -> Result<()> {
        let json = request.spec.as_ref().map(|any| any.value.as_slice()).unwrap_or_default();
        let (mut spec, warnings) = spec::Process::parse(json).context(|| "the process to exec")?;
        warnings.iter().for_each(|warning| log::warn(warning));
        spec.terminal = match (request.terminal, spec.terminal) {
            (false, _) => spec::Terminal::None,
            (true, spec::Terminal::None) => spec::Terminal::Pty { size: None },
            (true, given) => given,
        };
        let process = Process::new(Paths {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
        });
        let mut all = self.lock();
        if all.init.end.is_some() {
            let problem = format!("cannot exec in a stopped container: {:?}", self.id.as_str());
            return Err(Error::new(Kind::State, problem));
        }
        if all.execs.contains_key(&request.exec_id) {
            let problem = format!("process {:?} already exists", request.exec_id);
            return Err(Error::new(Kind::Exists, problem));
        }
        all.execs.insert(request.exec_id.clone(), Announced { process, spec });
        drop(all);
        self.publish(
            "/tasks/exec-added",
            &events::TaskExecAdded {
                container_id: self.id.to_string(),
                exec_id: request.exec_id.clone(),
                ..Default::default()
            },
        );
        Ok(())
    }

    /// Starts the first process, or one that was added; the answer is its pid.
    ///
    /// # Errors
    /// [`Kind::State`] for a second start, and whatever the launch says.
    pub fn start(self: &Arc<Self>, exec_id: &str) -> Result<u32> {
        let _launching = self.pod.events.launching();
        if exec_id.is_empty() { self.start_init() } else { self.start_exec(exec_id) }
    }

    fn start_init(self: &Arc<Self>) -> Result<u32> {
        // A second caller would else let the end be told while the first is not done.
        if std::mem::replace(&mut self.lock().init.phase, Phase::Starting) == Phase::Starting {
            let problem = format!("container {:?} is being started already", self.id.as_str());
            return Err(Error::new(Kind::State, problem));
        }
        let pending = self.forget_pending();
        let started = match &pending {
            None => self.open().and_then(|container| runtime::start(container, None)),
            Some(pending) => self.restore(pending).map(|(pid, pidfd)| {
                self.lock().init.pid = pid;
                self.watch("", pid, pidfd);
            }),
        };
        if let (Err(_), Some(pending)) = (&started, pending) {
            // It may be asked for again; until then there is no process.
            self.wait_for(pending);
            self.lock().init.phase = Phase::Added;
            return started.map(|()| 0);
        }
        let pid = self.lock().init.pid.unsigned_abs();
        if started.is_ok() {
            self.publish(
                "/tasks/start",
                &events::TaskStart { container_id: self.id.to_string(), pid, ..Default::default() },
            );
        }
        // Only now: an end that comes from here on may be told at once.
        self.lock().init.phase = Phase::Running;
        self.settle();
        started.map(|()| pid)
    }

    fn start_exec(self: &Arc<Self>, exec_id: &str) -> Result<u32> {
        let (paths, spec) = {
            let mut all = self.lock();
            let exec = all.execs.get_mut(exec_id).ok_or_else(|| unknown(exec_id))?;
            if exec.process.phase != Phase::Added {
                let problem = format!("process {exec_id:?} was started already");
                return Err(Error::new(Kind::State, problem));
            }
            exec.process.phase = Phase::Starting;
            (exec.process.paths.clone(), exec.spec.clone())
        };
        let launched = self.launch(&paths, &spec);
        let mut all = self.lock();
        let started = match (all.execs.get_mut(exec_id), launched) {
            (Some(exec), Ok((pid, pidfd, streams))) => {
                exec.process.pid = pid;
                exec.process.pidfd = pidfd.try_clone().ok();
                exec.process.streams = Some(streams);
                Ok((pid, pidfd))
            }
            (Some(exec), Err(error)) => {
                exec.process.phase = Phase::Added;
                Err(error)
            }
            // Nothing is deleted while it is being started.
            (None, _) => Err(unknown(exec_id)),
        };
        // Whoever ended the container's other processes may not have seen this one yet.
        let is_late = all.init.end.is_some() && !self.ends_with_init;
        drop(all);
        let (pid, pidfd) = match started {
            Ok(started) => started,
            Err(error) => {
                // Its failure may be what the first process's end has waited for.
                self.settle();
                return Err(error);
            }
        };
        self.publish(
            "/tasks/exec-started",
            &events::TaskExecStarted {
                container_id: self.id.to_string(),
                exec_id: exec_id.to_owned(),
                pid: pid.unsigned_abs(),
                ..Default::default()
            },
        );
        if let Some(process) = self.lock().find(exec_id) {
            process.phase = Phase::Running;
        }
        self.watch(exec_id, pid, pidfd);
        if is_late {
            self.end_others();
        }
        Ok(pid.unsigned_abs())
    }

    fn launch(
        &self,
        paths: &Paths,
        process: &spec::Process,
    ) -> Result<(i32, OwnedFd, Arc<Streams>)> {
        let container = self.open()?;
        let bundle = Bundle::load(Some(&self.bundle))?;
        let streams = Streams::open(&paths.stdio(), self.owner, self.pod.streams_of(&self.id))?;
        let ends = streams.take_child_ends();
        let running = Exec {
            container: &container,
            bundle: &bundle,
            process,
            cgroup: &[],
            ignore_paused: false,
            filters: Some(self.pod.filters.clone()),
            handover: Handover {
                streams: ends.as_ref().map(|ends| ends.each_ref().map(AsFd::as_fd)),
                ..Handover::default()
            },
            trace: &Trace::off(),
        }
        .perform()?;
        let Running { launched, master } = running;
        match master.map_or(Ok(()), |master| streams.attach_master(master)) {
            Ok(()) => Ok((launched.pid, launched.pidfd, Arc::new(streams))),
            Err(error) => Err(launched.end(error)),
        }
    }
}
