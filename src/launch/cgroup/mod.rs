//! A container's cgroup: made by a plan, joined, frozen, killed, and removed without trace.
//!
//! It knows directories and files of cgroupfs; it refuses to know limits, which come decided, and processes, which it
//! meets as numbers only.
//! What a newcomer would get wrong: rmdir of a cgroup says EBUSY for a moment after its last process was killed. Waiting
//! means asking the kernel to tell (`cgroup.events`), never sleeping and hoping.

mod children;
mod directory;
mod events;
mod guard;
mod late;
mod make;
mod oom;
mod pids;
mod pressure;
mod remove;
mod scope;
pub mod stats;
mod told;
mod update;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::host::cgroup::{CgroupHost, OwnCgroup, below, clean};
use crate::launch::fault::point;
use crate::launch::systemd::Unit;
use crate::plan::cgroup::{CgroupPlan, Devices, Place};
use directory::Directory;
use events::Events;
use guard::Others;
use nix::fcntl::OFlag;
pub use oom::OomWatch;
pub use pressure::{LONGEST_WINDOW, PressureWatch, Scarce, Trigger, Waiting};
use rrun_sys::Errno;
use serde::{Deserialize, Serialize};
pub use stats::Stats;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to freeze, thaw or empty a cgroup before that is an error.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cgroup of a container, by its directories: facts that stay true when the runtime ends, and are stored in its
/// record. The default is a container without any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cgroup {
    /// In cgroup2.
    unified: Option<PathBuf>,
    /// In v1 hierarchies, on hybrid hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    v1: Vec<PathBuf>,
    /// Directories above that did not exist before, outermost first: they go with this container, unless another one is
    /// below them by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ancestors: Vec<PathBuf>,
    /// systemd's, if that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<Unit>,
    /// It was there before, so a device program may be, too.
    #[serde(skip)]
    had_leftovers: bool,
}

impl Cgroup {
    /// Makes what `plan` says, and hands out its directory in cgroup2, which is open by then. On failure what was made is
    /// removed again.
    ///
    /// # Errors
    /// [`Kind::Exists`] or [`Kind::State`] for a cgroup that holds processes or is frozen; [`Kind::Host`] and
    /// [`Kind::Kernel`] for what this host or the kernel refuses, with the field that asked for it.
    pub fn make(plan: &CgroupPlan) -> Result<(Self, Option<OwnedFd>)> {
        make::make(plan)
    }

    /// Whether nobody is in the places of `plan`, as [`Cgroup::make`] will ask.
    ///
    /// # Errors
    /// [`Kind::Exists`] or [`Kind::State`] when somebody is, or one is frozen.
    pub fn check_free(plan: &CgroupPlan) -> Result<()> {
        make::check_free(plan)
    }

    /// Guards the devices as `plan` says. Apart from [`Cgroup::make`] because nothing of a container opens a device until
    /// its set-up is done: the kernel's work on the program goes on beside the child's on its mounts. `directory` is
    /// [`Cgroup::directory`].
    ///
    /// # Errors
    /// [`Kind::Denied`], [`Kind::Host`] and [`Kind::Kernel`] for what bpf(2) refuses.
    pub fn guard(&self, plan: &CgroupPlan, directory: Option<BorrowedFd<'_>>) -> Result<()> {
        match (&plan.devices, directory) {
            (Devices::Program(program), Some(directory)) => {
                point("attach the device program")?;
                let others = if self.had_leftovers { Others::MakeWay } else { Others::Stay };
                guard::attach(directory, program, others)
            }
            _ => Ok(()),
        }
    }

    /// What [`Cgroup::make`] will make, but for what is missing above it: enough to clean up after a runtime that was
    /// killed meanwhile. Of a scope nothing: it is systemd's to clean up once its process has ended.
    #[must_use]
    pub fn planned(plan: &CgroupPlan) -> Self {
        if plan.scope.is_some() {
            return Self::default();
        }
        let path = |place: &Place| below(&place.mount, &place.path);
        Self {
            unified: plan.unified.as_ref().map(path),
            v1: plan.v1.iter().map(|v1| path(&v1.place)).collect(),
            ..Self::default()
        }
    }

    /// Its directory in cgroup2, for `CLONE_INTO_CGROUP`.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when it cannot be opened.
    pub fn directory(&self) -> Result<Option<OwnedFd>> {
        self.unified.as_deref().map(|path| Ok(Directory::open(path)?.into())).transpose()
    }

    /// The directory in cgroup2 where `pid` is, if that is below this cgroup.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when /proc does not tell, or the directory cannot be opened.
    pub fn directory_of(&self, pid: i32) -> Result<Option<OwnedFd>> {
        let (Some(own), Some(host)) =
            (&self.unified, CgroupHost::probe(false, OwnCgroup::Unwanted)?.unified)
        else {
            return Ok(None);
        };
        let file = format!("/proc/{pid}/cgroup");
        let lines = std::fs::read_to_string(&file).context(|| format!("read {file}"))?;
        let path = lines.lines().find_map(|line| line.strip_prefix("0::"));
        let path = path.map(|path| below(&host.mount, &clean(path)));
        let path = path.filter(|path| path != own && path.starts_with(own));
        path.map(|path| Ok(Directory::open(&path)?.into())).transpose()
    }

    /// Its path in cgroup2, on the host.
    #[must_use]
    pub fn unified_path(&self) -> Option<&Path> {
        self.unified.as_deref()
    }

    /// Its directories in v1 hierarchies; empty on a cgroup2 host.
    #[must_use]
    pub fn v1_paths(&self) -> &[PathBuf] {
        &self.v1
    }

    /// Whether clone3 alone does not place a process: it joins the v1 cgroups itself then.
    #[must_use]
    pub fn needs_join(&self) -> bool {
        !self.v1.is_empty()
    }

    /// The files by which a process joins the v1 cgroups. It must not have forked yet: children stay where they were born.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when one is gone.
    pub fn open_tasks(&self) -> Result<Vec<OwnedFd>> {
        let open = |path: &PathBuf| {
            let file = Directory::open(path)?.open_file("tasks", OFlag::O_WRONLY);
            file.map_err(|errno| Error::kernel(format!("open({}/tasks)", path.display()), errno.0))
        };
        self.v1.iter().map(open).collect()
    }

    /// Refuses who has just joined the v1 cgroups, if it is one process too many.
    ///
    /// # Errors
    /// [`Kind::State`] with the limit.
    pub fn refuse_if_over(&self) -> Result<()> {
        // The controller is in one of them.
        let pids = self.v1.iter().find(|path| path.join("pids.max").exists());
        pids.map_or(Ok(()), |path| pids::refuse_if_over(&Directory::open(path)?))
    }

    /// Every process in it and in the cgroups below, in the numbers of our pid namespace. Without a cgroup, or when it is
    /// gone: none.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when it cannot be read.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let mut pids = Vec::new();
        if let Some(path) = &self.unified {
            collect_pids(path, &mut pids)?;
        }
        Ok(pids)
    }

    /// Kills every process in it and below, in one call the kernel makes whole: nothing can fork its way out. Frozen
    /// ones, too. Without a cgroup, or when it is gone: nothing.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the kernel refuses.
    pub fn kill_all(&self) -> Result<()> {
        self.write_if_there("cgroup.kill", "1").map(drop)
    }

    /// Stops every process in it and below, and waits until all are stopped; at most two seconds, after which they run on
    /// and it is an error.
    ///
    /// # Errors
    /// [`Kind::State`] without a cgroup or when it would not freeze; [`Kind::Kernel`] otherwise.
    pub fn freeze(&self) -> Result<()> {
        let path = self.require("frozen")?;
        let mut events = Events::open(path)?;
        self.set_frozen(path, "1")?;
        if events.wait(|now| now.frozen, Instant::now() + PATIENCE)? {
            return Ok(());
        }
        let error = Error::new(Kind::State, format!("{} did not freeze in 2 s", path.display()))
            .hint("one of its processes hangs in the kernel; try again");
        Err(match self.set_frozen(path, "0") {
            Ok(()) => error,
            Err(failure) => error.while_undoing(failure),
        })
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// [`Kind::State`] without a cgroup or when it would not thaw; [`Kind::Kernel`] otherwise.
    pub fn thaw(&self) -> Result<()> {
        let path = self.require("thawed")?;
        let mut events = Events::open(path)?;
        self.set_frozen(path, "0")?;
        if events.wait(|now| !now.frozen, Instant::now() + PATIENCE)? {
            return Ok(());
        }
        Err(Error::new(Kind::State, format!("{} stays frozen", path.display()))
            .hint("a cgroup above it is frozen; thaw that one"))
    }

    /// Whether it is frozen, by us or by a cgroup above. Without a cgroup, or when it is gone: not.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when it cannot be read.
    pub fn is_frozen(&self) -> Result<bool> {
        let Some(path) = &self.unified else { return Ok(false) };
        match Events::open(path) {
            Ok(mut events) => Ok(events.read()?.frozen),
            Err(error) if is_gone(error.errno()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes it with all cgroups below, waiting up to two seconds in all for dying processes. It kills nobody. What is
    /// gone already is fine; what fails does not keep the rest from being removed.
    ///
    /// # Errors
    /// [`Kind::State`] when processes still live in it; [`Kind::Kernel`] otherwise; further failures are appended.
    pub fn remove(&self) -> Result<()> {
        self.end_unit()?;
        remove::remove(self.unified.as_deref(), &self.v1, &self.ancestors)
    }

    fn require(&self, what: &str) -> Result<&Path> {
        self.unified.as_deref().ok_or_else(|| {
            Error::new(Kind::State, format!("a container without a cgroup can't be {what}"))
                .hint("delegate a cgroup to this user, or run as root")
        })
    }

    fn set_frozen(&self, path: &Path, value: &str) -> Result<()> {
        if self.write_if_there("cgroup.freeze", value)? {
            return Ok(());
        }
        Err(Error::new(Kind::State, format!("{} is gone", path.display())))
    }

    /// Writes a file of the unified cgroup; false without one.
    fn write_if_there(&self, file: &str, value: &str) -> Result<bool> {
        let Some(path) = &self.unified else { return Ok(false) };
        let written = Directory::open_raw(path).and_then(|directory| directory.write(file, value));
        match written {
            Ok(()) => Ok(true),
            Err(errno) if is_gone(Some(errno.0)) => Ok(false),
            Err(errno) => {
                let call = format!("write({}/{file}, {value:?})", path.display());
                Err(Error::kernel(call, errno.0))
            }
        }
    }
}

/// A cgroup that was removed: by path it is not found, through a descriptor opened before it has no device.
fn is_gone(errno: Option<i32>) -> bool {
    matches!(errno, Some(libc::ENOENT | libc::ENODEV))
}

fn collect_pids(path: &Path, pids: &mut Vec<i32>) -> Result<()> {
    let read = Directory::open_raw(path).and_then(|directory| directory.read("cgroup.procs"));
    match read {
        // 0 is a process of a pid namespace that is not below ours.
        Ok(text) => {
            let numbers = text.lines().filter_map(|line| line.parse::<i32>().ok());
            pids.extend(numbers.filter(|pid| *pid > 0));
        }
        // A threaded cgroup lists its processes in the domain above it.
        Err(Errno(libc::EOPNOTSUPP)) => {}
        Err(errno) if is_gone(Some(errno.0)) => return Ok(()),
        Err(errno) => {
            return Err(Error::kernel(format!("read({}/cgroup.procs)", path.display()), errno.0));
        }
    }
    remove::children(path).iter().try_for_each(|child| collect_pids(child, pids))
}
