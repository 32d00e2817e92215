//! Virtual machines booted under the counter: the payload as /init tells how many instructions came before its first.
//!
//! What a newcomer would get wrong: QEMU's own start is work of the host, and in no guest's count.

use crate::vm::{Accelerator, Kernel, Model, Recipe, Session};
use std::path::Path;
use std::time::{Duration, Instant};

/// From when to when.
pub const INTERVAL: &str = "t0→t1: the machine's reset → the payload's first instruction as /init, without QEMU's own \
                            start";

/// How long a boot may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// QEMU's smallest, tuned.
    Microvm,
    /// A PC, tuned.
    Q35,
    /// A PC, a packed kernel, and the distribution's defaults.
    Stock,
}

impl Machine {
    /// The subject.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Microvm => "vm microvm",
            Self::Q35 => "vm q35",
            Self::Stock => "vm stock",
        }
    }

    fn recipe(self, kernel: &Kernel, initramfs: &Path) -> Recipe {
        let (best, initramfs) = (kernel.best().to_owned(), initramfs.to_owned());
        let tuned = Recipe::microvm(Accelerator::Icount, best, initramfs, "vm");
        match self {
            Self::Microvm => tuned,
            Self::Q35 => Recipe { model: Model::Q35, ..tuned },
            Self::Stock => Recipe {
                model: Model::Q35,
                kernel: kernel.bzimage.clone(),
                append: "panic=-1 quiet -- vm".to_owned(),
                ..tuned
            },
        }
    }

    /// Boots it; the instructions.
    ///
    /// # Errors
    /// A sentence that names it: it never became ready, said something else, or did not power off.
    #[allow(clippy::cast_precision_loss, reason = "a boot has fewer than 2^53")]
    pub fn boot(self, kernel: &Kernel, initramfs: &Path) -> Result<f64, String> {
        let named = |why| format!("{} under icount: {why}", self.subject());
        let mut session = Session::start(&self.recipe(kernel, initramfs)).map_err(named)?;
        let deadline = Instant::now() + PATIENCE;
        let line = session.line(deadline).map_err(named)?;
        let stamp = stamp(&line.text).ok_or_else(|| named(format!("it said {:?}", line.text)))?;
        session.end(deadline).map_err(named)?;
        Ok(stamp as f64)
    }
}

/// "READY tsc=00000000deadbeef".
fn stamp(said: &str) -> Option<u64> {
    u64::from_str_radix(said.strip_prefix("READY tsc=")?, 16).ok().filter(|stamp| *stamp > 0)
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn a_payload_that_is_ready_says_its_counter() {
        assert_eq!(stamp("READY tsc=00000000000000ff"), Some(255));
        assert_eq!(stamp("READY tsc=0000000000000000"), None, "a counter that does not count");
        assert_eq!(stamp("READY"), None);
        assert_eq!(stamp("Kernel panic - not syncing"), None);
    }
}
