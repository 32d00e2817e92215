//! Layer 4, effects: a [`Plan`] is performed.
//!
//! ```text
//!  PARENT                                       CHILD
//!  cgroup made, descriptors opened, script lowered
//!  clone3 ────────────────────────────────────► performs the script
//!                                               joins v1 cgroups     only on hybrid hosts
//!  systemd's scope; id maps written    ◄─────── Reached(Cloned)      only when there is something to do
//!  network devices, createRuntime hooks ◄────── Reached(Rootfs)      only when there are any
//!  keeps the terminal's master         ◄─────── Console              only with a terminal
//!  answers the caller                  ◄─────── Reached(Ready)
//!  ── Proceed, or a start gate ────────────────►
//!                                      ◄─────── Starting, then end of file: it is the program now
//!                                      ◄─────── or end of file alone: it stands at the gate
//! ```
//! It knows order and undoing; it refuses to know records, verbs and command lines: its [`Owner`] has those.
//! What a newcomer would get wrong: leave for the last checkpoint may be given *ahead*, right after the clone, so that
//! `run` costs no round trip.

mod attend;
pub mod cgroup;
pub mod console;
pub mod criu;
pub mod fault;
mod gate;
pub mod home;
pub mod hooks;
pub mod hot;
pub mod idmap;
mod locked;
mod lower;
mod net;
pub mod notify;
mod open;
mod opened;
pub mod rdt;
mod relay;
mod scheduling;
pub mod sealed;
mod socket;
pub mod supervise;
pub mod systemd;
pub mod trace;

pub use gate::{release, socket_path};
pub use lower::with_script;
pub use net::Moved;
pub use opened::Opened;

use crate::error::{Error, Result, ResultExt};
use crate::host::Host;
use crate::plan::{Plan, cgroup::CgroupPlan};
use crate::spec::Hooks;
use attend::Parent;
use cgroup::Cgroup;
use fault::point;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rdt::Rdt;
use rrun_sys::reap::{self};
use rrun_sys::trace::SharedClock;
use rrun_sys::{clone, ns, pidfd};
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
    fn state(&self) -> Result<String>;

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
    /// Its share of caches and memory bandwidth, made before.
    pub rdt: Option<&'a Rdt>,
    /// The child's standard streams; our own without.
    pub streams: Option<[BorrowedFd<'a>; 3]>,
    /// Where, and as whom.
    pub host: &'a Host,
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
    /// The network devices that were moved into it, to be moved back if it comes to nothing.
    pub devices: Option<Moved>,
}

/// A child that was attended to its end as ours.
struct Child {
    pid: i32,
    pidfd: OwnedFd,
    devices: Option<Moved>,
}

impl Launched {
    /// Ends it after all, for what failed since.
    #[must_use]
    pub fn end(self, error: Error) -> Error {
        put_back(self.devices, end(&self.pidfd, error))
    }
}

impl Launch<'_> {
    /// Performs the plan. With a gate it returns when the child waits there, without when the program runs. On failure
    /// nothing is left: no process, no cgroup.
    ///
    /// # Errors
    /// What the kernel refused, on either side, as a sentence.
    pub fn perform(&self, owner: &mut dyn Owner) -> Result<Launched> {
        let (mut made, directory) = match self.place {
            // systemd makes it, for a process that is there.
            Place::New(CgroupPlan { scope: Some(_), .. }) => (Cgroup::default(), None),
            Place::New(plan) => {
                let _span = self.trace.span("make cgroup");
                Cgroup::make(plan)?
            }
            Place::Existing(cgroup) => (cgroup.clone(), cgroup.directory()?),
        };
        match (self.in_cgroup(&mut made, directory, owner), &self.place) {
            (Ok(Child { pid, pidfd, devices }), _) => {
                Ok(Launched { pid, pidfd, devices, cgroup: made })
            }
            (Err(error), Place::Existing(_)) => Err(error),
            (Err(error), Place::New(_)) => Err(match made.remove() {
                Ok(()) => error,
                Err(left) => error.while_undoing(left),
            }),
        }
    }

    fn in_cgroup(
        &self,
        cgroup: &mut Cgroup,
        directory: Option<OwnedFd>,
        owner: &mut dyn Owner,
    ) -> Result<Child> {
        point("cgroup")?;
        let (opened, state) = self.open(cgroup)?;
        point("open")?;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        point("control")?;
        let clock = self.clock()?;
        let mut is_outside = false;
        let child =
            lower::with_script(self.plan, &opened, theirs.as_raw_fd(), clock.as_ref(), |script| {
                let spawn_in = |directory: Option<&OwnedFd>| {
                    let cgroup = directory.map(AsRawFd::as_raw_fd);
                    let _span = self.trace.span("clone3");
                    let spawn = || {
                        self.in_joined_pid_namespace(&opened, || {
                            Ok(clone::spawn(script, self.plan.clone, cgroup)?)
                        })
                    };
                    scheduling::on_processors(&self.plan.initial_cpus, spawn)
                };
                match (spawn_in(directory.as_ref()), self.init) {
                    // The container has moved its processes into cgroups below, to enable controllers for those: no
                    // process may be beside them any more. Where its first process went, another may follow.
                    (Err(error), Some(init)) if error.errno() == Some(libc::EBUSY) => {
                        match cgroup.directory_of(gate::pid_of(init)?)? {
                            Some(moved) => spawn_in(Some(&moved)),
                            None => Err(error),
                        }
                    }
                    // Into what belongs to a user's systemd only that may move what is elsewhere.
                    (Err(error), Some(_)) if cgroup.needs_attaching(&error) => {
                        is_outside = true;
                        spawn_in(None)
                    }
                    (other, _) => other,
                }
            })
            .map_err(|error| cgroup.explain_clone(error))
            .context(|| "clone3")?;
        drop(theirs);
        let mut parent = Parent {
            launch: self,
            cgroup,
            control: ours,
            pid: child.pid,
            pidfd: child.pidfd.into(),
            state,
            devices: None,
        };
        let attended = point("clone")
            .and_then(|()| self.settle(&parent, directory.as_ref(), is_outside))
            .and_then(|()| parent.attend(&opened, owner));
        if let Some(clock) = &clock {
            let steps = self.plan.steps.iter().map(ToString::to_string);
            self.trace.child(parent.pid, clock, steps);
        }
        match attended {
            Ok(()) => {
                let Parent { pid, pidfd, devices, .. } = parent;
                Ok(Child { pid, pidfd, devices })
            }
            Err(error) => Err(put_back(parent.devices, end(&parent.pidfd, error))),
        }
    }

    /// What the child's cgroup lacks: the guard of its devices, or the child.
    fn settle(
        &self,
        parent: &Parent<'_>,
        directory: Option<&OwnedFd>,
        is_outside: bool,
    ) -> Result<()> {
        match is_outside {
            true => parent.cgroup.attach(parent.pid),
            false => self.guard_devices(parent.cgroup, directory),
        }
    }

    fn guard_devices(&self, cgroup: &Cgroup, directory: Option<&OwnedFd>) -> Result<()> {
        let Place::New(plan) = self.place else { return Ok(()) };
        let _span = self.trace.span("guard devices");
        cgroup.guard(plan, directory.map(AsFd::as_fd))
    }

    /// Where the child stamps its steps, when traced.
    fn clock(&self) -> Result<Option<SharedClock>> {
        let stamps = self.plan.steps.len() + 1;
        Ok(if self.trace.is_on() { Some(SharedClock::new(stamps)?) } else { None })
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

fn put_back(devices: Option<Moved>, error: Error) -> Error {
    match devices {
        Some(devices) => devices.put_back(error),
        None => error,
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
