//! What a guest finds as its root: an archive in memory, which needs no driver.
//!
//! What a newcomer would get wrong: /init is started by the kernel with what follows `--` on the command line, and has
//! neither a console nor /dev unless the archive has them.

use super::Kernel;
use rrun_harness::cpio::Cpio;
use rrun_harness::guest::load_order;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where an archive's modules are; `/modules/order` lists them, one a line, in the order in which they load.
pub const MODULES: &str = "modules";

/// An initramfs under construction.
#[derive(Debug)]
pub struct Initramfs {
    archive: Cpio,
    directories: BTreeSet<String>,
}

impl Initramfs {
    /// With `init` as /init and /dev/console.
    ///
    /// # Errors
    /// `init` can't be read.
    pub fn new(init: &Path) -> Result<Self, String> {
        let mut made = Self { archive: Cpio::new(), directories: BTreeSet::new() };
        made.directory("dev");
        made.archive.character("dev/console", 5, 1);
        made.copy(init, "init")?;
        Ok(made)
    }

    /// Adds a directory and those above it, once.
    pub fn directory(&mut self, name: &str) -> &mut Self {
        let name = name.trim_matches('/');
        for (end, _) in name.match_indices('/').chain([(name.len(), "")]) {
            let part = &name[..end];
            if !part.is_empty() && self.directories.insert(part.to_owned()) {
                self.archive.directory(part);
            }
        }
        self
    }

    /// Adds a file, and the directories above it.
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> &mut Self {
        let name = name.trim_matches('/');
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent);
        }
        self.archive.file(name, mode, content);
        self
    }

    /// Adds a copy of a file that can be executed.
    ///
    /// # Errors
    /// It can't be read.
    pub fn copy(&mut self, from: &Path, name: &str) -> Result<&mut Self, String> {
        let content = fs::read(from).map_err(|why| format!("read {}: {why}", from.display()))?;
        Ok(self.file(name, 0o755, &content))
    }

    /// Adds these modules of the kernel, and what they need, under [`MODULES`]; what is built in is not added.
    ///
    /// # Errors
    /// The kernel has no modules, or not a wanted one.
    pub fn modules(
        &mut self,
        kernel: &Kernel,
        wanted: &[&str],
        welcome: &[&str],
    ) -> Result<&mut Self, String> {
        let directory = kernel.modules.as_ref();
        let directory = directory
            .ok_or_else(|| format!("the modules of kernel {} are missing", kernel.release))?;
        let mut order = String::new();
        for module in load_order(directory, wanted, welcome)? {
            let name = format!("{MODULES}/{}.ko", module.name);
            self.file(&name, 0o644, &module.content);
            order.push_str(&format!("/{name}\n"));
        }
        Ok(self.file(&format!("{MODULES}/order"), 0o644, order.as_bytes()))
    }

    /// The archive.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.archive.finish()
    }

    /// Writes the archive to `place`.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(self, place: &Path) -> Result<(), String> {
        fs::write(place, self.finish()).map_err(|why| format!("write {}: {why}", place.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(archive: &[u8], name: &[u8]) -> usize {
        let name = [name, b"\0"].concat();
        // A name follows the last eight digits of its header.
        archive.windows(name.len()).filter(|window| *window == name).count()
    }

    #[test]
    fn directories_above_a_file_come_once_and_before_it() {
        let mut initramfs = Initramfs::new(Path::new("/dev/null")).unwrap();
        initramfs.file("/usr/lib/a", 0o644, b"1").file("usr/lib/b", 0o644, b"2").directory("usr/");
        let archive = initramfs.finish();
        let at = |name: &[u8]| archive.windows(name.len()).position(|window| window == name);
        assert_eq!(count(&archive, b"usr/lib"), 1);
        assert_eq!(count(&archive, b"usr"), 1);
        assert!(at(b"usr\0") < at(b"usr/lib\0") && at(b"usr/lib\0") < at(b"usr/lib/a\0"));
        assert!(at(b"dev\0") < at(b"dev/console\0"));
    }

    #[test]
    fn a_kernel_without_modules_is_named() {
        let kernel = Kernel {
            release: "6.1-mine".to_owned(),
            bzimage: "/k".into(),
            vmlinux: None,
            packed_because: None,
            modules: None,
            hash: String::new(),
            source: String::new(),
        };
        let mut initramfs = Initramfs::new(Path::new("/dev/null")).unwrap();
        let why = initramfs.modules(&kernel, &["virtio_mmio"], &[]).unwrap_err();
        assert_eq!(why, "the modules of kernel 6.1-mine are missing");
    }
}
