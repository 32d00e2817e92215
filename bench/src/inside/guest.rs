//! `workload` as /init of a guest: an initramfs with it and with modules.
//!
//! What a newcomer would get wrong: the op and its arguments come through the kernel's command line, so one initramfs
//! serves all ops; 128 MiB hold the kernel, the initramfs and little more.

use super::{Running, Task};
use crate::room;
use crate::vm::{Recipe, Session, TUNED};
use rrun_harness::cpio::Cpio;
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel module: its name and what is in its file, unpacked.
pub type Module = (String, Vec<u8>);

/// A machine and what its guests are made of.
#[derive(Debug, Clone)]
pub struct Guest {
    /// As rows call it: `vm`.
    pub name: String,
    /// The machine; its initramfs and its command line are ours.
    pub recipe: Recipe,
}

impl Guest {
    /// `vm`: this machine, whose initramfs, in the room, has the program and these modules, each after those that it
    /// needs.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(mut recipe: Recipe, program: &Path, modules: &[Module]) -> Result<Self, String> {
        recipe.initramfs = initramfs("workload.cpio", program, modules)?;
        Ok(Self { name: "vm".to_owned(), recipe })
    }

    pub(super) fn start(&self, who: &str, task: &Task) -> Result<Running, String> {
        let mut recipe = self.recipe.clone();
        let odd = |word: &&String| word.contains([' ', '"', '\\']);
        if let Some(word) = task.words.iter().find(odd) {
            return Err(format!("{word:?} would not survive the kernel's command line"));
        }
        recipe.append = format!("{TUNED} -- vm {} {}", task.op, task.words.join(" "));
        Ok(Running::guest(who, Session::start(&recipe)?))
    }
}

/// Writes an initramfs into the room.
///
/// # Errors
/// A sentence.
pub fn initramfs(name: &str, program: &Path, modules: &[Module]) -> Result<PathBuf, String> {
    let told = |path: &Path, why: std::io::Error| format!("{}: {why}", path.display());
    let content = fs::read(program).map_err(|why| told(program, why))?;
    let mut archive = Cpio::new();
    for directory in ["dev", "proc", "sys", "tmp", "data", "modules"] {
        archive.directory(directory);
    }
    archive.character("dev/console", 5, 1);
    archive.file("init", 0o755, &content);
    for (number, (module, content)) in modules.iter().enumerate() {
        archive.file(&format!("modules/{number:02}-{module}.ko"), 0o644, content);
    }
    let file = room::directory().join(name);
    fs::create_dir_all(room::directory()).map_err(|why| told(&file, why))?;
    fs::write(&file, archive.finish()).map_err(|why| told(&file, why))?;
    Ok(file)
}
