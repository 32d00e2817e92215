//! The device program is loaded and attached to a cgroup2.
//!
//! What a newcomer would get wrong: programs of a cgroup and of those above it must *all* allow, so a second one beside a
//! leftover can only take away. One that is there already is replaced.

use crate::error::{Error, Kind, Result};
use crate::plan::device_filter::DeviceProgram;
use rrun_sys::{Errno, bpf};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Loads and attaches `program`. `leftovers`: the cgroup is older than this start and may have a program.
pub fn attach(cgroup: BorrowedFd<'_>, program: &DeviceProgram, leftovers: bool) -> Result<()> {
    let loaded = bpf::load_device_program(&program.instructions, c"rrun_devices")
        .map_err(|errno| refused("BPF_PROG_LOAD", errno))?;
    let (loaded, fd) = (OwnedFd::from(loaded), cgroup.as_raw_fd());
    let old = if leftovers { only_program(fd)? } else { None };
    bpf::attach_device_program(fd, loaded.as_raw_fd(), old.as_ref().map(AsRawFd::as_raw_fd))
        .map_err(|errno| refused("BPF_PROG_ATTACH", errno))
}

/// The program that is attached already, if it is the only one. Several were put there by somebody else.
fn only_program(cgroup: rrun_sys::Fd) -> Result<Option<OwnedFd>> {
    let mut ids = [0; 64];
    let count = bpf::attached_device_programs(cgroup, &mut ids)
        .map_err(|errno| refused("BPF_PROG_QUERY", errno))?;
    if count != 1 {
        return Ok(None);
    }
    let found = bpf::program_by_id(ids[0]);
    found.map(|fd| Some(fd.into())).map_err(|errno| refused("BPF_PROG_GET_FD_BY_ID", errno))
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
