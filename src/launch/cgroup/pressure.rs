//! Whether processes wait too long for a resource: the kernel's pressure stall information (PSI) of one cgroup2, told by it.
//!
//! It knows the line that arms a trigger and what its refusals mean; it refuses to know who waits.
//! What a newcomer would get wrong: the trigger lives as long as the descriptor, one for each, and tells with POLLPRI, at
//! most once in a window. poll(2) itself takes the news away, so it is asked for in one place. POLLERR is the cgroup's end.

use super::directory::{Directory, read_all};
use super::stats::{Pressure, pressure};
use super::{Cgroup, is_gone};
use crate::error::{Error, Kind, Result};
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use rrun_sys::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scarce {
    /// A processor.
    Cpu,
    /// A page of memory.
    Memory,
    /// A block device.
    Io,
}

/// How many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// One at least.
    Some,
    /// All that are not idle: nobody gets anything done.
    Full,
}

/// When to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Of what.
    pub of: Scarce,
    /// By how many.
    pub waiting: Waiting,
    /// After so long a wait,
    pub stall: Duration,
    /// within so long a time.
    pub window: Duration,
}

/// The longest window that the kernel keeps.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(10);

impl Scarce {
    /// The kernel's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
        }
    }
}

impl Waiting {
    /// The kernel's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Some => "some",
            Self::Full => "full",
        }
    }
}

impl Trigger {
    /// The line that arms it; times are microseconds.
    fn line(&self) -> String {
        let Self { waiting, stall, window, .. } = self;
        format!("{} {} {}", waiting.name(), stall.as_micros(), window.as_micros())
    }
}

/// An armed trigger. It polls with [`PressureWatch::EVENTS`].
#[derive(Debug)]
pub struct PressureWatch {
    trigger: Trigger,
    file: OwnedFd,
    path: PathBuf,
}

impl PressureWatch {
    /// What to poll for.
    pub const EVENTS: PollFlags = PollFlags::POLLPRI;

    /// Arms `trigger` on `cgroup`.
    ///
    /// # Errors
    /// [`Kind::Host`] where nobody counts, [`Kind::State`] without a cgroup, [`Kind::Denied`] and [`Kind::Kernel`] for
    /// what the kernel refuses.
    pub fn open(cgroup: &Cgroup, trigger: Trigger) -> Result<Self> {
        if cgroup.unified_path().is_none() && !cgroup.v1_paths().is_empty() {
            let problem = "the container has no cgroup in cgroup2, and cgroup v1 knows no pressure";
            return Err(Error::new(Kind::Host, problem).hint("mount cgroup2, as systemd does"));
        }
        Self::arm(cgroup.require("watched")?, trigger)
    }

    fn arm(directory: &Path, trigger: Trigger) -> Result<Self> {
        let name = format!("{}.pressure", trigger.of.name());
        let path = directory.join(&name);
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK;
        let file = Directory::open_raw(directory)
            .and_then(|directory| directory.open_file(&name, flags))
            .map_err(|errno| refused(&path, "open", &trigger, errno))?;
        let line = trigger.line();
        match nix::unistd::write(&file, line.as_bytes()) {
            Ok(_) => Ok(Self { trigger, file, path }),
            Err(errno) => Err(refused(&path, "write", &trigger, Errno(errno as i32))),
        }
    }

    /// What was armed.
    #[must_use]
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// How it is now; `None` when the cgroup is gone, and nothing will come any more.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the kernel refuses.
    pub fn read(&self) -> Result<Option<Pressure>> {
        match read_all(&self.file) {
            Ok(text) => Ok(Some(pressure(&text))),
            Err(errno) if is_gone(Some(errno.0)) => Ok(None),
            Err(errno) => Err(Error::kernel(format!("read({:?})", self.path), errno.0)),
        }
    }
}

impl AsFd for PressureWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn refused(path: &Path, call: &str, trigger: &Trigger, errno: Errno) -> Error {
    let absent = || {
        let problem = format!("this kernel counts no pressure: there is no {}", path.display());
        let fix = "boot with psi=1 a kernel that has CONFIG_PSI, and let the cgroup's cgroup.pressure be 1";
        Error::new(Kind::Host, problem).hint(fix)
    };
    let with_line = || Error::kernel(format!("{call}({path:?}, {:?})", trigger.line()), errno.0);
    match errno.0 {
        libc::ENOENT if path.parent().is_some_and(Path::exists) => absent(),
        libc::EOPNOTSUPP => absent(),
        libc::ENOENT | libc::ENODEV => {
            Error::new(Kind::State, format!("container not running: {} is gone", path.display()))
        }
        libc::EINVAL => with_line().hint(
            "without CAP_SYS_RESOURCE a window is 2s, 4s, 6s, 8s or 10s; before Linux 6.4 none is under 500ms",
        ),
        libc::EACCES | libc::EPERM => with_line()
            .hint("before Linux 6.5 this takes CAP_SYS_RESOURCE, and always a cgroup of one's own"),
        _ => with_line(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger() -> Trigger {
        let (stall, window) = (Duration::from_millis(150), Duration::from_secs(2));
        Trigger { of: Scarce::Memory, waiting: Waiting::Full, stall, window }
    }

    #[test]
    fn a_trigger_is_armed_by_one_line_of_microseconds() {
        assert_eq!(trigger().line(), "full 150000 2000000");
    }

    #[test]
    fn where_nobody_counts_the_error_says_how_to_begin() {
        let directory = std::env::temp_dir();
        let error = PressureWatch::arm(&directory, trigger()).expect_err("no file there");
        assert_eq!(error.kind(), Kind::Host);
        assert!(error.to_string().contains("memory.pressure"), "{error}");
        let off =
            refused(&directory.join("io.pressure"), "open", &trigger(), Errno(libc::EOPNOTSUPP));
        assert_eq!(off.kind(), Kind::Host);
        let gone = PressureWatch::arm(&directory.join("rrun-none"), trigger()).expect_err("none");
        assert_eq!(gone.kind(), Kind::State);
    }

    #[test]
    fn a_refused_line_is_told_with_what_the_kernel_takes() {
        let error = refused(Path::new("/c/cpu.pressure"), "write", &trigger(), Errno(libc::EINVAL));
        let text = format!("{error:?} {error}");
        assert!(
            text.contains("full 150000 2000000") && text.contains("CAP_SYS_RESOURCE"),
            "{text}"
        );
    }
}
