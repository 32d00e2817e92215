//! Virtual machines: a QEMU without a driver, a disk or a network, whose /init is the payload itself.
//!
//! ```text
//! host: Session                                  guest: /init, pid 1
//!   QEMU's stdout  ◄── isa-debugcon ───────────    bytes written to port 0xe9
//!   exit status 33 ◄── isa-debug-exit ─────────    0x10 written to port 0xf4
//! ```
//!
//! | module | what it knows |
//! | --- | --- |
//! | `machines` | the entry: what is needed, found or made; four ways in which a machine starts |
//! | `kernel`, [`bzimage`] | the distribution's kernel, unpacked to what QEMU enters directly |
//! | `initramfs` | what a guest finds as its root |
//! | `recipe`, `session` | a command line; a running QEMU, its words and its end |
//! | `boot` | one start, from which nothing is believed that was not seen |
//! | `template`, [`qmp`] | a machine that is stopped, and gone on with in another QEMU |
//! | `proof` | whether KVM runs guests here |
//!
//! It refuses `accel=kvm:tcg`, which falls back silently, and to trust /dev/kvm: only a guest that has answered proves
//! it. What a newcomer would get wrong: distributions build every virtio driver as a module, so a handshake through
//! virtio would measure the loading of modules; the two ports need none.

mod boot;
pub mod bzimage;
mod initramfs;
mod kernel;
mod machines;
mod proof;
pub mod qmp;
mod recipe;
mod session;
mod template;

pub use boot::{Took, boot, ready_at};
pub use initramfs::{Initramfs, MODULES};
pub use kernel::{Kernel, cache, hash};
pub use machines::{Flavour, Machines};
pub use proof::{DEVICE, KVM_ANSWERS, Proof, TCG_ANSWERS, prove};
pub use recipe::{Accelerator, Model, QEMU, Recipe, TUNED};
pub(crate) use session::listen;
pub use session::{Ended, Line, POWERED_OFF, Session};
pub use template::Template;
