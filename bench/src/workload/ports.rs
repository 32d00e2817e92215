//! A guest's two ports: the one that it speaks through, and the one that switches it off.
//!
//! It refuses /dev/port, which Debian's kernel for clouds does not have. What a newcomer would get wrong: leave to use
//! ports is a bitmap that the kernel copies at each switch of tasks, so it is given back after each line.

use std::io;

/// isa-debugcon.
const DEBUG: u16 = 0xe9;

/// isa-debug-exit, and what QEMU makes status 33 of.
const POWER: (u16, u8) = (0xf4, 0x10);

/// Says these bytes.
pub fn say(bytes: &[u8]) -> io::Result<()> {
    leave(3)?;
    bytes.iter().for_each(|byte| out(DEBUG, *byte));
    leave(0)
}

/// Switches the machine off; returns where nobody listens to the port.
pub fn power_off() -> io::Result<()> {
    leave(3)?;
    out(POWER.0, POWER.1);
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
    // SAFETY: between `leave(3)` and `leave(0)`; the instruction touches no memory, and both devices only listen.
    unsafe {
        std::arch::asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack));
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn leave(_: libc::c_long) -> io::Result<()> {
    Err(io::Error::other("this machine has no ports: guests are of x86-64"))
}

#[cfg(not(target_arch = "x86_64"))]
fn out(_: u16, _: u8) {}
