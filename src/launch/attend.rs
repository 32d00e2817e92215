//! The parent beside its child, from the clone to the gate or the program: it answers each checkpoint.
//!
//! What a newcomer would get wrong: the child is never waited for without a reason. Where no checkpoint has anything for
//! the parent to do, leave to proceed is sent before the child asks.

use super::fault::{self, point};
use super::opened::{HookFiles, Opened};
use super::{Launch, Moved, Owner, Place, gate, hooks, idmap, net, scheduling};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::cgroup::Cgroup;
use crate::plan::Plan;
use crate::plan::cgroup::CgroupPlan;
use crate::plan::step::Act;
use crate::spec::HookPhase;
use rrun_sys::reap::{self, Ended};
use rrun_sys::rights;
use rrun_sys::script::Checkpoint;
use rrun_sys::wire::{self, Frame, Tag};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// No checkpoint has anything for the parent to do: leave to proceed is sent before the child asks, so it need not ask.
pub(super) fn leave_is_ahead(plan: &Plan, opened: &Opened) -> bool {
    let business = |act: &Act| match act {
        Act::Reach(checkpoint) => *checkpoint != Checkpoint::Ready,
        Act::Hop { .. } => true,
        _ => false,
    };
    let has_business =
        scheduling::is_asked(plan) || plan.steps.iter().any(|step| business(&step.act));
    !(has_business || opened.gate.is_some() || plan.terminal)
}

/// Whether the second clone is the container.
fn hops(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| matches!(step.act, Act::Hop { .. }))
}

/// The parent's half of a launch.
pub(super) struct Parent<'a> {
    pub launch: &'a Launch<'a>,
    pub cgroup: &'a mut Cgroup,
    pub control: OwnedFd,
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Memory files that hooks inside and a seccomp listener read.
    pub state: Vec<File>,
    /// Network devices that are no longer ours.
    pub devices: Option<Moved>,
}

impl Parent<'_> {
    /// From the clone to the gate, or to the program.
    pub fn attend(&mut self, opened: &Opened, owner: &mut dyn Owner) -> Result<()> {
        let plan = self.launch.plan;
        if !hops(plan) && !self.enters_scope() {
            self.introduce(owner)?;
        }
        let waits_at_gate = opened.gate.is_some();
        if leave_is_ahead(plan, opened) {
            point("ready")?;
            self.proceed()?;
        }
        let (mut starting, mut at_gate) = (false, false);
        loop {
            let Some((frame, descriptor)) = wire::receive(self.control.as_raw_fd())? else {
                // At the gate it hangs up, too: from then on it listens to `start`.
                return if starting || at_gate { Ok(()) } else { Err(self.killed()) };
            };
            match (frame.tag, descriptor) {
                (Tag::Failed, _) => {
                    let said = opened.hooks.as_ref().map(HookFiles::said).unwrap_or_default();
                    return Err(fault::describe(plan, &frame, &said));
                }
                (Tag::Starting, _) => starting = true,
                (Tag::Console, Some(master)) => {
                    point("console")?;
                    owner.console(master.into(), frame.detail)?;
                }
                (Tag::Hopped, Some(sibling)) => self.hopped(sibling.into(), owner)?,
                (Tag::Reached, _) if frame.call == Checkpoint::Cloned as u16 => {
                    self.cloned(owner)?;
                }
                (Tag::Reached, _) if frame.call == Checkpoint::Rootfs as u16 => {
                    self.rootfs(owner)?;
                }
                (Tag::Reached, _) => {
                    point("ready")?;
                    scheduling::apply(plan, self.pid)?;
                    self.proceed()?;
                    at_gate = waits_at_gate;
                }
                (Tag::Proceed | Tag::Console | Tag::Hopped, _) => {
                    return Err(Error::new(Kind::Internal, format!("the child sent {frame:?}")));
                }
            }
        }
    }

    fn introduce(&mut self, owner: &mut dyn Owner) -> Result<()> {
        if let Some(adjust) = self.launch.plan.oom_score_adj {
            point("oom_score_adj")?;
            self.write_oom_score_adj(adjust)?;
        }
        if let Some(rdt) = self.launch.rdt {
            rdt.join(self.pid)?;
        }
        let _span = self.launch.trace.span("record");
        owner.born(self.pid, self.pidfd.as_fd(), self.cgroup)?;
        self.write_state(owner)
    }

    fn proceed(&self) -> Result<()> {
        let frame = Frame::new(Tag::Proceed).to_bytes();
        match rights::send(self.control.as_raw_fd(), &frame, None) {
            // The child is gone; what it said last is still to be read and says more.
            Err(rrun_sys::Errno(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Whether its place is made for it when it is there. A record that named the place before could have somebody else's
    /// of that name emptied, by whoever cleans up after us.
    fn enters_scope(&self) -> bool {
        matches!(self.launch.place, Place::New(CgroupPlan { scope: Some(_), .. }))
    }

    fn cloned(&mut self, owner: &mut dyn Owner) -> Result<()> {
        if let Place::New(cgroup @ CgroupPlan { scope: Some(_), .. }) = self.launch.place {
            let span = self.launch.trace.span("start a scope");
            self.cgroup.enter_scope(cgroup, self.pid)?;
            drop(span);
            if !hops(self.launch.plan) {
                self.introduce(owner)?;
            }
        }
        self.cgroup.refuse_if_over()?;
        point("join cgroups")?;
        if let Some(maps) = &self.launch.plan.id_maps {
            point("id maps")?;
            idmap::write(self.pid, maps, self.launch.host)?;
        }
        self.proceed()
    }

    /// The second clone is the container; the first has ended.
    fn hopped(&mut self, sibling: OwnedFd, owner: &mut dyn Owner) -> Result<()> {
        point("second clone")?;
        reap::wait(self.pidfd.as_raw_fd())?;
        self.pid = gate::pid_of(sibling.as_fd())?;
        self.pidfd = sibling;
        self.introduce(owner)?;
        self.proceed()
    }

    fn rootfs(&mut self, owner: &mut dyn Owner) -> Result<()> {
        let devices = &self.launch.plan.net_devices;
        if !devices.is_empty() {
            let _span = self.launch.trace.span("move network devices");
            self.devices = Some(net::into_namespace_of(self.pid, devices)?);
            point("devices moved")?;
        }
        if let Some(hooks) = self.launch.hooks {
            let state = owner.state()?;
            hooks::run_all(&hooks.prestart, &state, HookPhase::Prestart)?;
            hooks::run_all(&hooks.create_runtime, &state, HookPhase::CreateRuntime)?;
        }
        self.proceed()
    }

    /// What hooks inside and the seccomp listener will read.
    fn write_state(&mut self, owner: &dyn Owner) -> Result<()> {
        if self.state.is_empty() {
            return Ok(());
        }
        let state = owner.state()?;
        let notify = self
            .launch
            .plan
            .notify
            .as_ref()
            .map(|(_, metadata)| gate::listener_message(self.pid, metadata.as_deref(), &state));
        let hooks_file = usize::from(notify.is_some());
        if let (Some(notify), Some(file)) = (notify, self.state.last_mut()) {
            hooks::rewrite(file, &notify)?;
        }
        if self.state.len() > hooks_file
            && let Some(file) = self.state.first_mut()
        {
            hooks::rewrite(file, &state)?;
        }
        Ok(())
    }

    /// Refused, it is an error for users, too: engines know their own score and ask for no lower one.
    fn write_oom_score_adj(&self, adjust: i32) -> Result<()> {
        let path = format!("/proc/{}/oom_score_adj", self.pid);
        std::fs::write(&path, adjust.to_string())
            .map_err(|error| {
                Error::from(error)
                    .at("/process/oomScoreAdj")
                    .hint("lowering it below rrun's own takes CAP_SYS_RESOURCE")
            })
            .context(|| format!("write {adjust} to {path}"))
    }

    /// The child ended without a word.
    fn killed(&self) -> Error {
        let ended = reap::wait(self.pidfd.as_raw_fd());
        let is_new = matches!(self.launch.place, Place::New(_));
        if matches!(ended, Ok(Ended::Signal(libc::SIGKILL)))
            && is_new
            && self.cgroup.has_run_out_of_memory()
        {
            let message = "the kernel killed the container's set-up for want of memory";
            return Error::new(Kind::Child, message)
                .at("/linux/resources/memory/limit")
                .hint("raise the limit: the set-up itself needs some of it");
        }
        let how = match ended {
            Ok(Ended::Signal(signal)) => format!("was killed by signal {signal}"),
            Ok(Ended::Code(code)) => format!("ended with exit status {code}"),
            Err(_) => "ended".to_owned(),
        };
        Error::new(Kind::Child, format!("the container's set-up {how} before its program started"))
            .hint("if its memory limit is very low, raise linux.resources.memory.limit")
    }
}
