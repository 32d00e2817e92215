//! What a container uses: one reading for `events --stats` and for an engine's metrics.
//!
//! It knows the files of both versions and gives them the same names. It refuses to know JSON and protobuf.
//! What a newcomer would get wrong: on a hybrid host the figures come from up to six directories, and which of them has a
//! file is asked by opening it. A file that is not there is a controller that is not there: zero, no error.

mod text;
mod v1;
mod v2;

pub(super) use text::pressure;
pub use text::{IoEntry, Pressure, Share};

use super::Cgroup;
use super::directory::Directory;
use crate::error::{Error, Kind, Result};
use rrun_sys::Errno;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The figures of one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// Which version's names an engine expects them under.
    pub layout: Layout,
    /// Time of processors.
    pub cpu: Cpu,
    /// Bytes.
    pub memory: Memory,
    /// Processes.
    pub pids: Pids,
    /// Block devices.
    pub io: Io,
    /// By size of page, as the kernel writes it: `2MB`.
    pub huge_pages: BTreeMap<String, Count>,
    /// RDMA devices in use, and their limits.
    pub rdma: Rdma,
    /// Other resources that are few, such as keys of encrypted memory: by name, of cgroup2.
    pub misc: BTreeMap<String, Count>,
}

/// How cgroups are arranged on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// cgroup2 alone.
    #[default]
    Unified,
    /// cgroup2 beside v1 hierarchies, in which most controllers are.
    Hybrid,
}

/// Time of processors, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cpu {
    /// In all.
    pub usage: u64,
    /// In programs.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// `usage` by processor; v1 only.
    pub per_cpu: Vec<u64>,
    /// `user` by processor; v1 only.
    pub per_cpu_user: Vec<u64>,
    /// `system` by processor; v1 only.
    pub per_cpu_system: Vec<u64>,
    /// Periods of its quota that have passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// How long it was held back.
    pub throttled: u64,
    /// Periods in which it burst above its quota.
    pub bursts: u64,
    /// How long it did.
    pub burst: u64,
    /// Who waited for a processor.
    pub pressure: Option<Pressure>,
}

/// Something counted, and limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Now.
    pub usage: u64,
    /// `None`: no limit.
    pub limit: Option<u64>,
    /// The highest so far; 0 where the kernel does not keep it.
    pub peak: u64,
    /// How often the limit was met.
    pub failures: u64,
}

/// Bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// Memory.
    pub usage: Count,
    /// Swap alone; in a [`Layout::Hybrid`] memory and swap together.
    pub swap: Count,
    /// Of it the kernel's; v1 only.
    pub kernel: Count,
    /// Of that the buffers of TCP; v1 only.
    pub kernel_tcp: Count,
    /// `memory.stat`, whose names differ between the versions.
    pub stat: BTreeMap<String, u64>,
    /// What the limit led to.
    pub events: MemoryEvents,
    /// Who waited for memory.
    pub pressure: Option<Pressure>,
}

/// How often which thing happened. v1 counts `oom_kill` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryEvents {
    /// Reclaimed though below `memory.low`.
    pub low: u64,
    /// Throttled above `memory.high`.
    pub high: u64,
    /// About to pass the limit.
    pub max: u64,
    /// Out of memory.
    pub oom: u64,
    /// A process was killed for it.
    pub oom_kill: u64,
    /// Out of memory at this moment; v1 only.
    pub under_oom: u64,
    /// Nobody is killed for it; v1 only.
    pub oom_kill_disable: u64,
}

/// Processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pids {
    /// Now.
    pub current: u64,
    /// `None`: no limit.
    pub limit: Option<u64>,
}

/// Block devices. cgroup2 has the first two alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Io {
    /// Bytes.
    pub service_bytes: Vec<IoEntry>,
    /// Operations.
    pub serviced: Vec<IoEntry>,
    /// Operations that wait.
    pub queued: Vec<IoEntry>,
    /// Nanoseconds in the device.
    pub service_time: Vec<IoEntry>,
    /// Nanoseconds of waiting for it.
    pub wait_time: Vec<IoEntry>,
    /// Operations that became one with others.
    pub merged: Vec<IoEntry>,
    /// Milliseconds of the device.
    pub time: Vec<IoEntry>,
    /// Sectors.
    pub sectors: Vec<IoEntry>,
    /// What iocost counts, in microseconds of the device (`usage`) or of waiting (`wait`, `indebt`, `indelay`); of cgroup2,
    /// where the host has given a device a model.
    pub cost: Vec<IoEntry>,
    /// Who waited for a device; of all together.
    pub pressure: Option<Pressure>,
}

/// RDMA devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rdma {
    /// In use.
    pub current: Vec<RdmaEntry>,
    /// At most.
    pub limit: Vec<RdmaEntry>,
}

/// One RDMA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdmaEntry {
    /// Its name.
    pub device: String,
    /// `None`: no limit.
    pub handles: Option<u32>,
    /// `None`: no limit.
    pub objects: Option<u32>,
}

impl Cgroup {
    /// Reads the figures.
    ///
    /// # Errors
    /// [`Kind::State`] without a cgroup, and when it is gone (`container not running`); [`Kind::Kernel`] otherwise.
    pub fn stats(&self) -> Result<Stats> {
        let files = Files::open(self)?;
        let mut stats = Stats::default();
        if !self.v1.is_empty() {
            stats.layout = Layout::Hybrid;
        }
        // A controller is in one place or the other, and whose files are not there adds nothing.
        v2::read(&files, &mut stats)?;
        if stats.layout == Layout::Hybrid {
            v1::read(&files, &mut stats)?;
        }
        Ok(stats)
    }

    /// Whether the kernel has killed in it for want of memory. Of one that was there before nobody knows whom.
    #[must_use]
    pub fn has_run_out_of_memory(&self) -> bool {
        !self.had_leftovers && self.stats().is_ok_and(|stats| stats.memory.events.oom_kill > 0)
    }
}

/// The directories, open.
struct Files {
    unified: Directory,
    v1: Vec<Directory>,
    path: PathBuf,
}

impl Files {
    fn open(cgroup: &Cgroup) -> Result<Self> {
        let path = cgroup.require("measured")?.to_owned();
        let open = |path: &PathBuf| Directory::open_raw(path).map_err(|errno| failed(path, errno));
        let v1 = cgroup.v1.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { unified: open(&path)?, v1, path })
    }

    /// A file in cgroup2.
    fn v2(&self, file: &str) -> Result<Option<String>> {
        self.read(&self.unified, file)
    }

    /// The directory of v1 that has `file`, and what the file holds.
    fn v1(&self, file: &str) -> Result<Option<(V1<'_>, String)>> {
        for directory in &self.v1 {
            if let Some(text) = self.read(directory, file)? {
                return Ok(Some((V1 { files: self, directory }, text)));
            }
        }
        Ok(None)
    }

    fn read(&self, directory: &Directory, file: &str) -> Result<Option<String>> {
        match directory.read(file) {
            Ok(text) => Ok(Some(text)),
            // Not there; there and switched off (PSI, swap).
            Err(Errno(libc::ENOENT | libc::EOPNOTSUPP)) => Ok(None),
            Err(errno) => Err(failed(&self.path.join(file), errno)),
        }
    }
}

/// One directory of v1.
struct V1<'a> {
    files: &'a Files,
    directory: &'a Directory,
}

impl V1<'_> {
    fn read(&self, file: &str) -> Result<Option<String>> {
        self.files.read(self.directory, file)
    }
}

fn failed(path: &std::path::Path, errno: Errno) -> Error {
    match errno.0 {
        libc::ENOENT | libc::ENODEV => {
            let message = format!("container not running: {} is gone", path.display());
            Error::new(Kind::State, message)
        }
        _ => Error::kernel(format!("read({path:?})"), errno.0),
    }
}
