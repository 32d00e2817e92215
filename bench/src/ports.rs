//! What no system call does: the time stamp counter is read, a byte goes to a port, by one instruction each.
//!
//! A guest speaks through the one port and switches itself off with the other. This is one of the few files with
//! `unsafe`: neither the standard library nor nix has these instructions, and the distribution's kernel has no /dev/port.
//! What a newcomer would get wrong: leave to use ports is a bitmap that the kernel copies at each switch of tasks, so it
//! is given back before anything is measured.

use std::io;

/// The debug console, whose bytes QEMU writes to its stdout.
const VOICE: u16 = 0xe9;

/// Ends the emulated machine.
const END: u16 = 0xf4;

/// isa-debug-exit makes the exit status 2 × 0x10 + 1 of it.
const POWER_OFF: u8 = 0x10;

/// The time stamp counter: where instructions are counted, how many there were.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn stamp() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and Linux lets user space execute it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// No counter here: lane I is of x86-64.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn stamp() -> u64 {
    0
}

/// Says these bytes on the debug console.
///
/// # Errors
/// Not root, or a kernel without leave to use ports.
pub fn say(bytes: &[u8]) -> io::Result<()> {
    leave(3)?;
    bytes.iter().for_each(|byte| out(VOICE, *byte));
    leave(0)
}

/// Ends the machine; returns only when there is no such port.
///
/// # Errors
/// As [`say`].
pub fn power_off() -> io::Result<()> {
    leave(3)?;
    out(END, POWER_OFF);
    leave(0)
}

#[cfg(target_arch = "x86_64")]
fn leave(level: libc::c_long) -> io::Result<()> {
    // SAFETY: a number; the call changes which instructions this thread may execute, and no memory.
    match unsafe { libc::syscall(libc::SYS_iopl, level) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(target_arch = "x86_64")]
fn out(port: u16, byte: u8) {
    // SAFETY: called between `leave(3)` and `leave(0)`; the instruction touches no memory.
    unsafe {
        core::arch::asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack));
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn leave(_: libc::c_long) -> io::Result<()> {
    Err(io::Error::other("this machine has no ports: guests are of x86-64"))
}

#[cfg(not(target_arch = "x86_64"))]
fn out(_: u16, _: u8) {}
