//! Layer 4, effects: a [`Plan`] is performed.
//!
//! ```text
//!  PARENT                                       CHILD
//!  cgroup made, descriptors opened, script lowered
//!  clone3 ────────────────────────────────────► performs the script
//!  v1 cgroups joined, id maps written  ◄─────── Reached(Cloned)      only when there is something to do
//!  createRuntime hooks                 ◄─────── Reached(Rootfs)      only when there are hooks
//!  keeps the terminal's master         ◄─────── Console              only with a terminal
//!  answers the caller                  ◄─────── Reached(Ready)
//!  ── Proceed, or a start gate ────────────────►
//!                                      ◄─────── Starting, then end of file: it is the program now
//!                                      ◄─────── or end of file alone: it stands at the gate
//! ```
//! It knows order and undoing; it refuses to know records, verbs and command lines: its [`Owner`] has those.
//! What a newcomer would get wrong: leave for the last checkpoint may be given *ahead*, right after the clone, so that
//! `run` costs no round trip.

pub mod cgroup;
pub mod console;
pub mod fault;
mod gate;
pub mod home;
pub mod hooks;
pub mod idmap;
mod lower;
pub mod notify;
mod relay;
pub mod sealed;
mod socket;
pub mod supervise;
pub mod trace;

pub use gate::{release, socket_path};

use crate::error::{Error, Kind, Result, ResultExt};
use crate::plan::step::Act;
use crate::plan::{Plan, cgroup::CgroupPlan};
use crate::spec::{HookPhase, Hooks};
use cgroup::Cgroup;
use fault::point;
use lower::{HookFiles, Opened};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket, socketpair};
use rrun_sys::reap::{self, Ended};
use rrun_sys::script::Checkpoint;
use rrun_sys::trace::SharedClock;
use rrun_sys::wire::{self, Frame, Tag};
use rrun_sys::{clone, mount, ns, pidfd};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use trace::Trace;

/// Who the child belongs to: told what happens while it comes into being.
pub trait Owner {
    /// It has a pid. Called once, before the program can run.
    ///
    /// # Errors
    /// Ends the launch.
    fn born(&mut self, pid: i32, pidfd: BorrowedFd<'_>, cgroup: &Cgroup) -> Result<()>;

    /// The container's state as hooks and seccomp listeners read it.
    ///
    /// # Errors
    /// Ends the launch.
    fn state(&self, status: &str) -> Result<String>;

    /// The terminal's master has come, with the pty's number.
    ///
    /// # Errors
    /// Ends the launch.
    fn console(&mut self, master: OwnedFd, number: u32) -> Result<()>;
}

/// Where the child shall be.
#[derive(Debug)]
pub enum Place<'a> {
    /// In a cgroup of its own, made first.
    New(&'a CgroupPlan),
    /// In the container's.
    Existing(&'a Cgroup),
}

/// A launch to be.
#[derive(Debug)]
pub struct Launch<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Its cgroup.
    pub place: Place<'a>,
    /// The container's directory, where the gate is made if the plan has one.
    pub directory: &'a Path,
    /// The init process whose namespaces an exec joins.
    pub init: Option<BorrowedFd<'a>>,
    /// Hooks of the host's side.
    pub hooks: Option<&'a Hooks>,
    /// Whether we may map any id.
    pub privileged: bool,
    /// The time line, if one is wanted.
    pub trace: &'a Trace,
}

/// A child that stands before its program (with a gate), or has become it.
#[derive(Debug)]
pub struct Launched {
    /// As we number it.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
    /// The cgroup that was made for it.
    pub cgroup: Cgroup,
}

impl Launched {
    /// Ends it after all, for what failed since.
    #[must_use]
    pub fn end(self, error: Error) -> Error {
        end(&self.pidfd, error)
    }
}

impl Launch<'_> {
    /// Performs the plan. With a gate it returns when the child waits there, without when the program runs. On failure
    /// nothing is left: no process, no cgroup.
    ///
    /// # Errors
    /// What the kernel refused, on either side, as a sentence.
    pub fn perform(&self, owner: &mut dyn Owner) -> Result<Launched> {
        let made = match self.place {
            Place::New(plan) => {
                let _span = self.trace.span("make cgroup");
                Cgroup::make(plan)?
            }
            Place::Existing(cgroup) => cgroup.clone(),
        };
        let undo = |error: Error| match self.place {
            Place::Existing(_) => error,
            Place::New(_) => match made.remove() {
                Ok(()) => error,
                Err(left) => error.while_undoing(left),
            },
        };
        let (pid, pidfd) = self.in_cgroup(&made, owner).map_err(undo)?;
        Ok(Launched { pid, pidfd, cgroup: made })
    }

    fn in_cgroup(&self, cgroup: &Cgroup, owner: &mut dyn Owner) -> Result<(i32, OwnedFd)> {
        point("cgroup")?;
        let (opened, state) = self.open()?;
        point("open")?;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        point("control")?;
        let directory = cgroup.directory()?;
        let clock = self.clock()?;
        let child =
            lower::with_script(self.plan, &opened, theirs.as_raw_fd(), clock.as_ref(), |script| {
                let cgroup = directory.as_ref().map(AsRawFd::as_raw_fd);
                let _span = self.trace.span("clone3");
                self.in_joined_pid_namespace(&opened, || {
                    Ok(clone::spawn(script, self.plan.clone, cgroup)?)
                })
            })
            .context(|| "clone3")?;
        drop(theirs);
        let mut parent = Parent {
            launch: self,
            cgroup,
            control: ours,
            pid: child.pid,
            pidfd: child.pidfd.into(),
            state,
        };
        let attended = point("clone").and_then(|()| parent.attend(&opened, owner));
        if let Some(clock) = &clock {
            let steps = self.plan.steps.iter().map(ToString::to_string);
            self.trace.child(parent.pid, clock, steps);
        }
        match attended {
            Ok(()) => Ok((parent.pid, parent.pidfd)),
            Err(error) => Err(end(&parent.pidfd, error)),
        }
    }

    /// Where the child stamps its steps, when traced.
    fn clock(&self) -> Result<Option<SharedClock>> {
        let stamps = self.plan.steps.len() + 1;
        Ok(if self.trace.is_on() { Some(SharedClock::new(stamps)?) } else { None })
    }

    /// What the child will need by descriptor.
    fn open(&self) -> Result<(Opened, Vec<File>)> {
        let mut opened = Opened::default();
        let mut files = Vec::new();
        let plan = self.plan;
        let has = |wanted: fn(&Act) -> bool| plan.steps.iter().any(|step| wanted(&step.act));
        if has(|act| {
            matches!(act, Act::Sysctl { .. } | Act::ApparmorProfile(_) | Act::TimeNamespace { .. })
        }) {
            opened.proc = Some(private_proc()?);
        }
        if has(|act| matches!(act, Act::Hook(_))) {
            let state = hooks::memory_file("")?;
            opened.hooks = Some(HookFiles::of(&state)?);
            files.push(state);
        }
        if let Some((path, _)) = &plan.notify {
            let file = hooks::memory_file("")?;
            opened.notify = Some((connect_listener(path)?, file.try_clone()?.into()));
            files.push(file);
        }
        for join in &plan.joins {
            point("open a namespace")?;
            opened.joins.push(match self.init {
                Some(init) => init.try_clone_to_owned()?,
                None => File::open(join.path.as_path())
                    .map_err(|error| Error::from(error).with_kind(Kind::Spec))
                    .map_err(|error| error.at(join.pointer.clone()))
                    .context(|| format!("open namespace {}", join.path))?
                    .into(),
            });
        }
        for tree in &plan.detached {
            point("clone a mount")?;
            opened.detached.push(idmap::detach(tree)?);
        }
        if has(|act| *act == Act::Gate) {
            opened.gate = Some(gate::listen(self.directory)?);
            point("gate")?;
        }
        Ok((opened, files))
    }

    /// Joining a pid namespace acts on the children of the thread that does it: this one joins, clones, and returns.
    fn in_joined_pid_namespace<R>(
        &self,
        opened: &Opened,
        then: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let Some(namespace) = self.plan.parent_joins_pid.and_then(|index| opened.joins.get(index))
        else {
            return then();
        };
        let pid = libc::CLONE_NEWPID.unsigned_abs();
        let own = File::open("/proc/self/ns/pid").context(|| "open /proc/self/ns/pid")?;
        ns::join(namespace.as_raw_fd(), pid).context(|| "join the pid namespace")?;
        let result = then();
        ns::join(own.as_raw_fd(), pid).context(|| "return to our pid namespace")?;
        result
    }
}

/// The parent's half of a launch.
struct Parent<'a> {
    launch: &'a Launch<'a>,
    cgroup: &'a Cgroup,
    control: OwnedFd,
    pid: i32,
    pidfd: OwnedFd,
    /// Memory files that hooks inside and a seccomp listener read.
    state: Vec<File>,
}

impl Parent<'_> {
    /// From the clone to the gate, or to the program.
    fn attend(&mut self, opened: &Opened, owner: &mut dyn Owner) -> Result<()> {
        let plan = self.launch.plan;
        if let Some(adjust) = plan.oom_score_adj {
            point("oom_score_adj")?;
            self.write_oom_score_adj(adjust)?;
        }
        let hops = plan.steps.iter().any(|step| matches!(step.act, Act::Hop { .. }));
        if !hops {
            self.introduce(owner)?;
        }
        let meets = |wanted| plan.steps.iter().any(|step| step.act == Act::Reach(wanted));
        let waits_at_gate = opened.gate.is_some();
        let early = !meets(Checkpoint::Cloned) && !meets(Checkpoint::Rootfs) && !hops;
        if early && !waits_at_gate && !plan.terminal {
            point("ready")?;
            self.proceed()?;
        }
        let ahead = early && !waits_at_gate && !plan.terminal;
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
                (Tag::Reached, _) if frame.call == Checkpoint::Cloned as u16 => self.cloned()?,
                (Tag::Reached, _) if frame.call == Checkpoint::Rootfs as u16 => {
                    self.rootfs(owner)?;
                }
                (Tag::Reached, _) if ahead => {}
                (Tag::Reached, _) => {
                    point("ready")?;
                    self.refresh_state(owner, "created")?;
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
        let _span = self.launch.trace.span("record");
        owner.born(self.pid, self.pidfd.as_fd(), self.cgroup)?;
        self.refresh_state(owner, "creating")
    }

    fn proceed(&self) -> Result<()> {
        let frame = Frame::new(Tag::Proceed).to_bytes();
        match wire::send(self.control.as_raw_fd(), &frame, None) {
            // The child is gone; what it said last is still to be read and says more.
            Err(rrun_sys::Errno(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
            other => Ok(other?),
        }
    }

    fn cloned(&mut self) -> Result<()> {
        self.cgroup.join_v1(self.pid)?;
        point("join cgroups")?;
        if let Some(maps) = &self.launch.plan.id_maps {
            point("id maps")?;
            idmap::write(self.pid, maps, self.launch.privileged)?;
        }
        self.proceed()
    }

    /// The second clone is the container; the first has ended.
    fn hopped(&mut self, sibling: OwnedFd, owner: &mut dyn Owner) -> Result<()> {
        point("second clone")?;
        reap::wait(self.pidfd.as_raw_fd())?;
        self.pid = gate::pid_of(sibling.as_fd())?;
        self.pidfd = sibling;
        self.introduce(owner)
    }

    fn rootfs(&mut self, owner: &mut dyn Owner) -> Result<()> {
        if let Some(hooks) = self.launch.hooks {
            let state = owner.state("creating")?;
            hooks::run_all(&hooks.prestart, &state, HookPhase::Prestart)?;
            hooks::run_all(&hooks.create_runtime, &state, HookPhase::CreateRuntime)?;
        }
        self.proceed()
    }

    /// What hooks inside and the seccomp listener will read.
    fn refresh_state(&mut self, owner: &dyn Owner, status: &str) -> Result<()> {
        if self.state.is_empty() {
            return Ok(());
        }
        let state = owner.state(status)?;
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

    /// Lowering it takes CAP_SYS_RESOURCE.
    fn write_oom_score_adj(&self, adjust: i32) -> Result<()> {
        let path = format!("/proc/{}/oom_score_adj", self.pid);
        match std::fs::write(&path, adjust.to_string()) {
            // A user who can't lower it gets a container that is easier to kill, as with every other runtime.
            Err(error) if error.raw_os_error() == Some(libc::EACCES) && !self.launch.privileged => {
                Ok(())
            }
            other => other
                .map_err(|error| {
                    Error::from(error)
                        .at("/process/oomScoreAdj")
                        .hint("lowering it below rrun's own takes CAP_SYS_RESOURCE")
                })
                .context(|| format!("write {adjust} to {path}")),
        }
    }

    /// The child ended without a word.
    fn killed(&self) -> Error {
        let how = match reap::wait(self.pidfd.as_raw_fd()) {
            Ok(Ended::Signal(signal)) => format!("was killed by signal {signal}"),
            Ok(Ended::Code(code)) => format!("ended with exit status {code}"),
            Err(_) => "ended".to_owned(),
        };
        Error::new(Kind::Child, format!("the container's set-up {how} before its program started"))
            .hint("if its memory limit is very low, raise linux.resources.memory.limit")
    }
}

/// Ends a child, and waits until it is gone; what failed before stays the error.
fn end(child: &OwnedFd, error: Error) -> Error {
    let fd = child.as_raw_fd();
    let ended = pidfd::pidfd_send_signal(fd, libc::SIGKILL).and_then(|()| reap::wait(fd));
    match ended {
        Ok(_) | Err(rrun_sys::Errno(libc::ESRCH | libc::ECHILD)) => error,
        Err(errno) => error.while_undoing(Error::kernel("kill the child", errno.0)),
    }
}

/// A procfs that nothing is mounted over. Without the privilege for one: the host's, proved to be procfs; every open in
/// it refuses to cross a mount.
fn private_proc() -> Result<OwnedFd> {
    let fresh = mount::fs_open(c"proc").and_then(|context| {
        let context = OwnedFd::from(context);
        mount::fs_create(context.as_raw_fd())?;
        mount::fs_mount(context.as_raw_fd(), mount::ATTR_NOSUID | mount::ATTR_NODEV)
    });
    if let Ok(fresh) = fresh {
        return Ok(fresh.into());
    }
    let host = File::open("/proc").context(|| "open /proc")?;
    let kind = nix::sys::statfs::fstatfs(&host)?.filesystem_type();
    if kind != nix::sys::statfs::PROC_SUPER_MAGIC {
        return Err(Error::new(Kind::Host, "/proc is no procfs").hint("mount proc on /proc"));
    }
    Ok(host.into())
}

/// The seccomp agent's socket.
fn connect_listener(path: &str) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    UnixAddr::new(path).and_then(|address| connect(socket.as_raw_fd(), &address)).map_err(
        |errno| {
            Error::kernel(format!("connect({path:?})"), errno as i32)
                .at("/linux/seccomp/listenerPath")
                .hint("start the seccomp agent that listens there")
        },
    )?;
    Ok(socket)
}
