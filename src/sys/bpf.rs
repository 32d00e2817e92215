//! bpf(2) for one purpose: a program that decides which devices a cgroup may open or make.
//!
//! It knows loading, attaching and finding such programs; it refuses to know device rules.
//! What a newcomer would get wrong: RLIMIT_MEMLOCK. Since Linux 5.11 the memory of a program is charged to the cgroup of
//! its loader, so nothing here raises that limit; raising it fails without CAP_SYS_RESOURCE and kills a start for nothing.

use crate::{Errno, Fd, NewFd, Result};
use core::ffi::CStr;
use core::mem::size_of;

/// One eBPF instruction, laid out as the kernel's `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Class, operation and operand kind.
    pub code: u8,
    /// Destination register in the low four bits, source register in the high four (little endian; see [`Self::new`]).
    registers: u8,
    /// Offset of a jump or a memory access.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

impl Instruction {
    /// An instruction; the registers are 0 to 10.
    #[must_use]
    pub const fn new(
        code: u8,
        destination: u8,
        source: u8,
        offset: i16,
        immediate: i32,
    ) -> Instruction {
        // The two are bit fields in C, and bit fields start at the other end on big-endian machines.
        let (low, high) = if cfg!(target_endian = "little") {
            (destination, source)
        } else {
            (source, destination)
        };
        Self { code, registers: (low & 15) | ((high & 15) << 4), offset, immediate }
    }

    /// The destination register.
    #[must_use]
    pub const fn destination(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers & 15 } else { self.registers >> 4 }
    }

    /// The source register.
    #[must_use]
    pub const fn source(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers >> 4 } else { self.registers & 15 }
    }
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 2;
const F_REPLACE: u32 = 4;

// Each is a prefix of `union bpf_attr` without padding of its own; the kernel takes what the size leaves out as zero.

#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_count: u32,
    padding: u32,
}

#[repr(C)]
struct ByIdAttr {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// Loads a device program; `name` (at most 15 bytes of it) is what `bpftool` shows.
///
/// # Errors
/// EPERM without CAP_BPF (or CAP_SYS_ADMIN) in the initial user namespace; EINVAL or EACCES for a program the verifier
/// refuses; E2BIG for one that is too long.
pub fn load_device_program(program: &[Instruction], name: &CStr) -> Result<NewFd> {
    const LICENSE: &CStr = c"Apache-2.0";
    let mut prog_name = [0; 16];
    for (to, from) in prog_name.iter_mut().take(15).zip(name.to_bytes()) {
        *to = *from;
    }
    let mut attr = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?,
        insns: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name,
        prog_ifindex: 0,
        expected_attach_type: CGROUP_DEVICE,
    };
    // SAFETY: `attr` is the prefix of union bpf_attr that PROG_LOAD reads; the instructions (whose layout is struct
    // bpf_insn) and the NUL-terminated licence it points to outlive the call, which only reads them.
    let answer = unsafe { bpf(PROG_LOAD, &raw mut attr) }?;
    Ok(NewFd(answer as Fd))
}

/// Attaches a loaded program to a cgroup beside those of its ancestors (all of them must allow), or, when `replace` is a
/// program attached to it, in that one's place.
///
/// # Errors
/// EPERM as for loading, or when an ancestor forbids programs below; EINVAL without CONFIG_CGROUP_BPF; ENOENT when
/// `replace` is not attached; E2BIG when 64 are.
pub fn attach_device_program(cgroup: Fd, program: Fd, replace: Option<Fd>) -> Result<()> {
    let mut attr = AttachAttr {
        target_fd: cgroup as u32,
        attach_bpf_fd: program as u32,
        attach_type: CGROUP_DEVICE,
        attach_flags: F_ALLOW_MULTI | if replace.is_some() { F_REPLACE } else { 0 },
        replace_bpf_fd: replace.unwrap_or(0) as u32,
    };
    // SAFETY: `attr` is the prefix of union bpf_attr that PROG_ATTACH reads, and holds no pointer.
    unsafe { bpf(PROG_ATTACH, &raw mut attr) }.map(drop)
}

/// Writes the ids of the device programs attached to this very cgroup to `ids`; returns how many are attached.
///
/// # Errors
/// ENOSPC when `ids` is too short; EPERM as for loading.
pub fn attached_device_programs(cgroup: Fd, ids: &mut [u32]) -> Result<usize> {
    let mut attr = QueryAttr {
        target_fd: cgroup as u32,
        attach_type: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        padding: 0,
    };
    // SAFETY: `attr` is the prefix of union bpf_attr that PROG_QUERY reads and writes; `prog_ids` points to at least
    // `prog_count` writable u32s, borrowed mutably for the whole call.
    unsafe { bpf(PROG_QUERY, &raw mut attr) }?;
    Ok(attr.prog_count as usize)
}

/// A descriptor for a program found by its id.
///
/// # Errors
/// ENOENT when it is gone; EPERM without CAP_SYS_ADMIN.
pub fn program_by_id(id: u32) -> Result<NewFd> {
    let mut attr = ByIdAttr { prog_id: id, next_id: 0, open_flags: 0 };
    // SAFETY: `attr` is the prefix of union bpf_attr that PROG_GET_FD_BY_ID reads, and holds no pointer.
    let answer = unsafe { bpf(PROG_GET_FD_BY_ID, &raw mut attr) }?;
    Ok(NewFd(answer as Fd))
}

/// A program's name, filled up with NULs.
///
/// # Errors
/// EPERM as for loading.
pub fn program_name(program: Fd) -> Result<[u8; 16]> {
    // The beginning of struct bpf_prog_info; the name follows these 64 bytes.
    #[repr(C)]
    struct Info {
        before: [u64; 8],
        name: [u8; 16],
    }
    #[repr(C)]
    struct InfoAttr {
        bpf_fd: u32,
        info_len: u32,
        info: u64,
    }
    let mut info = Info { before: [0; 8], name: [0; 16] };
    let mut attr = InfoAttr {
        bpf_fd: program as u32,
        info_len: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: `attr` is the prefix of union bpf_attr that OBJ_GET_INFO_BY_FD reads; `info` is `info_len` writable bytes that
    // outlive the call, and any bytes are a valid Info. Zero in it asks for none of the lists that it could point to.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &raw mut attr) }?;
    Ok(info.name)
}

/// The call itself, with the size of `attr`'s type.
///
/// # Safety
/// `T` must be a prefix of `union bpf_attr` as `command` reads it, and the pointers in it valid for what `command` does.
unsafe fn bpf<T>(command: libc::c_int, attr: *mut T) -> Result<libc::c_long> {
    // SAFETY: the caller vouches for what `attr` points to; the size is that of its type, so the kernel stays within it.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<T>()) };
    Errno::check(answer)
}
