//! seccomp(2): a finished program is installed; the notify descriptor, if asked for, is handed back.
//!
//! It refuses to know profiles: compiling one is the plan's business.

use crate::{Errno, Fd, Result};

/// One classic-BPF instruction, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the condition holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

#[repr(C)]
struct FilterProgram {
    len: u16,
    filter: *const Instruction,
}

/// Installs `program` on the calling thread. Returns the notify descriptor when `flags` has
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`, else 0.
///
/// # Errors
/// EINVAL for a program the kernel's checker refuses or one longer than 65,535; EACCES without `no_new_privs` and
/// without CAP_SYS_ADMIN.
pub fn install(program: &[Instruction], flags: u32) -> Result<Fd> {
    let len = u16::try_from(program.len()).map_err(|_| Errno(libc::EINVAL))?;
    let prog = FilterProgram { len, filter: program.as_ptr() };
    // SAFETY: `prog` and the instructions it points to outlive the call, which only reads them, and
    // `Instruction` has the layout of struct sock_filter.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const prog)
    };
    Errno::check(answer).map(|fd| fd as Fd)
}
