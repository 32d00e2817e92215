//! A guest's two ports: its voice and its power.
//!
//! What a newcomer would get wrong: /dev/port would need no unsafe code, but a distribution's kernel for clouds is built
//! without it. Threads and children inherit the leave that is asked for once.

use std::io;

/// isa-debugcon.
const VOICE: u16 = 0xe9;

/// isa-debug-exit, and the byte of which QEMU makes status 33.
const POWER: (u16, u8) = (0xf4, 0x10);

/// Leave to use the ports.
#[derive(Debug, Clone, Copy)]
pub struct Ports(());

impl Ports {
    /// Asks for it.
    #[cfg(target_arch = "x86_64")]
    pub fn open() -> io::Result<Self> {
        // SAFETY: a number; from now on this process may reach every device, and it reaches two.
        match unsafe { libc::iopl(3) } {
            0 => Ok(Self(())),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// There are none.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn open() -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Says this.
    pub fn say(self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write(VOICE, *byte));
    }

    /// Returns only where nobody listens.
    pub fn power_off(self) {
        self.write(POWER.0, POWER.1);
    }

    #[cfg(target_arch = "x86_64")]
    fn write(self, port: u16, byte: u8) {
        // SAFETY: we have leave, and a write to these devices changes no memory of ours.
        unsafe { std::arch::asm!("out dx, al", in("dx") port, in("al") byte, options(nostack)) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn write(self, _: u16, _: u8) {}
}
