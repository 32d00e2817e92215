//! `workload` as /init of a guest: an initramfs with it and with modules.
//!
//! What a newcomer would get wrong: the op and its arguments come through the kernel's command line, so one initramfs
//! serves all ops; 128 MiB hold the kernel, the initramfs and little more. And an emulated guest can't find out how fast
//! its counter runs on a busy machine; it then has a clock of jiffies, so it is told.

use super::{Running, Task};
use crate::room;
use crate::vm::{Accelerator, Initramfs, Kernel, Recipe, Session, TUNED};
use std::fs;
use std::path::{Path, PathBuf};

/// A machine and what its guests are made of.
#[derive(Debug, Clone)]
pub struct Guest {
    /// As rows call it: `vm`.
    pub name: String,
    /// The machine; its initramfs and its command line are ours.
    pub recipe: Recipe,
}

impl Guest {
    /// `vm`: this machine, whose initramfs, in the room, has the program and these modules of its kernel.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(
        mut recipe: Recipe,
        program: &Path,
        kernel: &Kernel,
        modules: &[&str],
    ) -> Result<Self, String> {
        recipe.initramfs = initramfs(program, kernel, modules)?;
        Ok(Self { name: "vm".to_owned(), recipe })
    }

    pub(super) fn start(&self, who: &str, task: &Task) -> Result<Running, String> {
        let mut recipe = self.recipe.clone();
        let odd = |word: &&String| word.contains([' ', '"', '\\']);
        if let Some(word) = task.words.iter().find(odd) {
            return Err(format!("{word:?} would not survive the kernel's command line"));
        }
        let clock = match recipe.accelerator {
            Accelerator::Tcg => {
                fs::read_to_string("/proc/cpuinfo").map_or(None, |text| clock(&text))
            }
            Accelerator::Kvm | Accelerator::Icount => None,
        };
        let (clock, words) = (clock.unwrap_or_default(), task.words.join(" "));
        recipe.append = format!("{TUNED}{clock} -- vm {} {words}", task.op);
        Ok(Running::guest(who, Session::start(&recipe)?))
    }
}

/// Writes an initramfs into the room.
fn initramfs(program: &Path, kernel: &Kernel, modules: &[&str]) -> Result<PathBuf, String> {
    let mut archive = Initramfs::new(program)?;
    for directory in ["proc", "sys", "tmp", "data"] {
        archive.directory(directory);
    }
    if !modules.is_empty() {
        archive.modules(kernel, modules, &[])?;
    }
    let file = room::directory().join(format!("workload-{}.cpio", modules.join("-")));
    fs::create_dir_all(room::directory()).map_err(|why| format!("{}: {why}", file.display()))?;
    archive.write(&file)?;
    Ok(file)
}

/// The rate of the counter that QEMU passes on to an emulated guest is the host's: 500 kHz for each of its "bogomips".
fn clock(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("bogomips"))?;
    let bogomips: f64 = line.split_once(':')?.1.trim().parse().ok()?;
    Some(format!(" tsc_early_khz={:.0} tsc=reliable", bogomips * 500.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulated_guest_is_told_the_rate_of_its_counter() {
        let told = clock("flags\t\t: fpu\nbogomips\t: 5192.24\n");
        assert_eq!(told.as_deref(), Some(" tsc_early_khz=2596120 tsc=reliable"));
        assert_eq!(clock("BogoMIPS of another architecture"), None);
    }
}
