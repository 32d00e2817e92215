//! Landlock: what this process and all that come of it may do to files, ports and other processes, beside what its
//! credentials allow.
//!
//! It knows the three calls and their structs. It refuses to know names of rights, and which of them this kernel has: the
//! plan asks only for those. What a newcomer would get wrong: a ruleset forbids every right that it *handles* and no rule
//! allows, and nothing else; and a right of directories is refused in a rule about a file.

use crate::interpret::{At, Done, Fault};
use crate::script::Call;
use crate::{Errno, Fd, NewFd, Result, path};
use core::ffi::CStr;

/// As `struct landlock_ruleset_attr`, of ABI 6.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handled {
    /// `LANDLOCK_ACCESS_FS_*`
    pub files: u64,
    /// `LANDLOCK_ACCESS_NET_*`
    pub network: u64,
    /// `LANDLOCK_SCOPE_*`
    pub scopes: u64,
}

/// What is allowed at and below a path.
#[derive(Debug, Clone, Copy)]
pub struct PathRule<'a> {
    /// As the container sees it, relative to its root.
    pub path: &'a CStr,
    /// `LANDLOCK_ACCESS_FS_*`
    pub access: u64,
}

/// As `struct landlock_net_port_attr`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRule {
    /// `LANDLOCK_ACCESS_NET_*`
    pub access: u64,
    /// Of TCP.
    pub port: u64,
}

/// A whole ruleset.
#[derive(Debug, Clone, Copy)]
pub struct Ruleset<'a> {
    /// What it forbids unless a rule allows it.
    pub handled: Handled,
    /// For files.
    pub paths: &'a [PathRule<'a>],
    /// For TCP.
    pub ports: &'a [PortRule],
    /// A path that is not there is passed over.
    pub lenient: bool,
}

/// As `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    access: u64,
    parent: i32,
}

const RULE_PATH_BENEATH: u32 = 1;
const RULE_NET_PORT: u32 = 2;
const CREATE_RULESET_VERSION: u32 = 1;

/// Rights that a file can have which is no directory: execute, write_file, read_file, truncate, ioctl_dev.
const OF_FILES: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;

/// The kernel's version of Landlock; 0 where there is none, or it is off.
#[must_use]
pub fn version() -> u32 {
    let null = core::ptr::null::<Handled>();
    // SAFETY: with this flag the call wants a null pointer and a zero size, and only answers.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, null, 0_usize, CREATE_RULESET_VERSION)
    };
    Errno::check(answer).ok().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}

/// Puts the calling thread under the ruleset, for good. It needs no_new_privs or CAP_SYS_ADMIN.
pub(crate) fn restrict(ruleset: &Ruleset<'_>) -> Done {
    let handled = create(&ruleset.handled).at(Call::LandlockCreate)?.into_raw();
    let root = path::open_path(c"/").at(Call::Openat2Target)?.into_raw();
    for (index, rule) in ruleset.paths.iter().enumerate() {
        let at = |call, Errno(errno)| Fault { call, errno, detail: index as u32 };
        let place = match path::open_in_root(root, rule.path, libc::O_PATH) {
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) if ruleset.lenient => continue,
            other => other.map_err(|errno| at(Call::Openat2Target, errno))?.into_raw(),
        };
        let added = allow_below(handled, place, rule.access);
        added.map_err(|errno| at(Call::LandlockAddRule, errno))?;
        path::close(place);
    }
    path::close(root);
    for rule in ruleset.ports {
        add(handled, RULE_NET_PORT, rule).at(Call::LandlockAddRule)?;
    }
    // SAFETY: no pointers.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, handled, 0_u32) };
    Errno::check(answer).at(Call::LandlockRestrictSelf)?;
    path::close(handled);
    Ok(())
}

fn create(handled: &Handled) -> Result<NewFd> {
    let size = match *handled {
        // An older kernel takes the larger struct, too, as long as what it doesn't know is zero.
        Handled { network: 0, scopes: 0, .. } => size_of::<u64>(),
        _ => size_of::<Handled>(),
    };
    // SAFETY: a live struct landlock_ruleset_attr, of which at most its size is read.
    let answer = unsafe {
        let attr = core::ptr::from_ref(handled);
        libc::syscall(libc::SYS_landlock_create_ruleset, attr, size, 0_u32)
    };
    Errno::check(answer).map(|fd| NewFd(fd as Fd))
}

fn allow_below(ruleset: Fd, place: Fd, access: u64) -> Result<()> {
    let is_directory = path::stat(place)?.is_directory();
    let access = if is_directory { access } else { access & OF_FILES };
    if access == 0 {
        return Ok(());
    }
    add(ruleset, RULE_PATH_BENEATH, &PathBeneath { access, parent: place })
}

fn add<T>(ruleset: Fd, kind: u32, rule: &T) -> Result<()> {
    let rule = core::ptr::from_ref(rule);
    // SAFETY: the two kinds of rules used here are passed with the structs that they name, live, and only read.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, kind, rule, 0_u32) };
    Errno::check(answer).map(drop)
}
