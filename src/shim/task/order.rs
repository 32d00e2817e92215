//! Ends, and the order in which they are told.
//!
//! What a newcomer would get wrong: containerd takes the first process's exit for the container's, so it is told last; and
//! [`Task::ended`] runs on the loop's thread, where nothing may wait.

use super::Task;
use crate::answer;
use crate::log;
use crate::process::{Process, Waiter};
use crate::watch::End;
use containerd_shim_protos::events::task as events;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The end of a process, and who waited for it.
struct Told {
    exec_id: String,
    pid: u32,
    end: End,
    waiters: Vec<Waiter>,
}

impl Task {
    /// Learns of its end.
    pub(super) fn watch(self: &Arc<Self>, exec_id: &str, pid: i32, pidfd: OwnedFd) {
        let (task, exec_id) = (Arc::clone(self), exec_id.to_owned());
        self.pod.events.watch_process(pid, pidfd, move |end| task.ended(&exec_id, end));
    }

    /// On the loop's thread: a process has ended.
    fn ended(self: &Arc<Self>, exec_id: &str, end: End) {
        let mut all = self.lock();
        if let Some(process) = all.find(exec_id) {
            process.end = Some(end);
            if let Some(streams) = &process.streams {
                process.unread = true;
                let (task, exec_id) = (Arc::clone(self), exec_id.to_owned());
                streams.ended(move || task.output_was_read(&exec_id));
            }
        }
        drop(all);
        if exec_id.is_empty() && !self.ends_with_init {
            self.end_others();
        }
        self.settle();
    }

    /// On the loop's thread: nothing of its output is lost by telling its end.
    fn output_was_read(&self, exec_id: &str) {
        if let Some(process) = self.lock().find(exec_id) {
            process.unread = false;
        }
        self.settle();
    }

    /// Without a pid namespace of its own a container's other processes outlive the first. That takes longer than the
    /// loop may be held up.
    pub(super) fn end_others(self: &Arc<Self>) {
        let task = Arc::clone(self);
        let ending = std::thread::Builder::new().spawn(move || {
            let killed = task.open().and_then(|container| container.kill(libc::SIGKILL, true));
            if let Err(error) = killed {
                log::warn(&format!("end what {} left running: {error}", task.id));
            }
        });
        if let Err(error) = ending {
            log::warn(&format!("end what {} left running: {error}", self.id));
        }
    }

    /// Tells every end that may be told: the first process's when no other is outstanding.
    pub(super) fn settle(&self) {
        let mut told = Vec::new();
        let mut all = self.lock();
        for (exec_id, exec) in &mut all.execs {
            tell(exec_id, &mut exec.process, &mut told);
        }
        if !all.execs.values().any(|exec| exec.process.is_outstanding()) {
            tell("", &mut all.init, &mut told);
        }
        // Published under the lock, or two that settle at once could put the first process's end before another's.
        for Told { exec_id, pid, end, .. } in &told {
            let id = if exec_id.is_empty() { self.id.as_str() } else { exec_id };
            self.publish(
                "/tasks/exit",
                &events::TaskExit {
                    container_id: self.id.to_string(),
                    id: id.to_owned(),
                    pid: *pid,
                    exit_status: end.code(),
                    exited_at: answer::timestamp(end.at),
                    ..Default::default()
                },
            );
        }
        drop(all);
        for Told { end, waiters, .. } in told {
            waiters.into_iter().for_each(|waiter| (waiter.answer)(end));
        }
    }
}

/// If the end of `process` may be told, notes that it is.
fn tell(exec_id: &str, process: &mut Process, told: &mut Vec<Told>) {
    if let Some(end) = process.untold() {
        let (exec_id, pid) = (exec_id.to_owned(), process.pid.unsigned_abs());
        told.push(Told { exec_id, pid, end, waiters: process.tell() });
    }
}
