//! The device program is loaded and attached to a cgroup2.
//!
//! What a newcomer would get wrong: programs of a cgroup and of those above it must *all* allow, so a second one beside a
//! leftover can only take away. One that is there already is replaced.

use crate::error::{Error, Kind, Result};
use crate::plan::device_filter::DeviceProgram;
use rrun_sys::{Errno, bpf};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// What becomes of the programs that are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// There are none, or they are systemd's.
    Stay,
    /// The cgroup is older than this start and may have one.
    MakeWay,
    /// Ours is replaced, and systemd's stays.
    StayButOurs,
}

const NAME: &CStr = c"rrun_devices";

/// Loads and attaches `program`.
pub fn attach(cgroup: BorrowedFd<'_>, program: &DeviceProgram, others: Others) -> Result<()> {
    let loaded = bpf::load_device_program(&program.instructions, NAME)
        .map_err(|errno| refused("BPF_PROG_LOAD", errno))?;
    let (loaded, fd) = (OwnedFd::from(loaded), cgroup.as_raw_fd());
    let old = match others {
        Others::Stay => None,
        Others::MakeWay => only_program(fd)?,
        Others::StayButOurs => our_program(fd)?,
    };
    bpf::attach_device_program(fd, loaded.as_raw_fd(), old.as_ref().map(AsRawFd::as_raw_fd))
        .map_err(|errno| refused("BPF_PROG_ATTACH", errno))
}

/// The program that is attached already, if it is the only one. Several were put there by somebody else.
fn only_program(cgroup: rrun_sys::Fd) -> Result<Option<OwnedFd>> {
    match programs(cgroup)?.as_slice() {
        [id] => program(*id).map(Some),
        _ => Ok(None),
    }
}

/// The one that bears our name.
fn our_program(cgroup: rrun_sys::Fd) -> Result<Option<OwnedFd>> {
    for id in programs(cgroup)? {
        let found = program(id)?;
        let name = bpf::program_name(found.as_raw_fd())
            .map_err(|errno| refused("BPF_OBJ_GET_INFO_BY_FD", errno))?;
        if name.starts_with(NAME.to_bytes_with_nul()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn programs(cgroup: rrun_sys::Fd) -> Result<Vec<u32>> {
    // The kernel attaches no more.
    let mut ids = [0; 64];
    let count = bpf::attached_device_programs(cgroup, &mut ids)
        .map_err(|errno| refused("BPF_PROG_QUERY", errno))?;
    Ok(ids.into_iter().take(count).collect())
}

fn program(id: u32) -> Result<OwnedFd> {
    let found = bpf::program_by_id(id);
    found.map(Into::into).map_err(|errno| refused("BPF_PROG_GET_FD_BY_ID", errno))
}

fn refused(command: &str, errno: Errno) -> Error {
    let error = Error::kernel(format!("bpf({command}, a device program)"), errno.0)
        .at("/linux/resources/devices");
    match errno.0 {
        libc::EPERM => error.with_kind(Kind::Denied).hint(
            "load it with CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN) in the first user namespace",
        ),
        libc::ENOSYS | libc::EINVAL => error
            .with_kind(Kind::Host)
            .hint("use a kernel with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF"),
        _ => error,
    }
}
