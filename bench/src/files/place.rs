//! The places that files are measured in: a directory on the host's disk, an overlay above another, a tmpfs, and the
//! image of a guest's disk that has the same in it.
//!
//! ```text
//! target/…/files-PID/ data               bare: as it is; containers: by a bind mount
//!                     layers/{lower,upper,work}  ──► overlay, mounted by us for everyone
//!                     disk.ext4          a guest's disk, made of the two above
//! ```
//!
//! It refuses the room's tmpfs for the first, because a flush there flushes nothing. What a newcomer would get wrong: an
//! image with holes in it makes the host look for space while the guest writes, so all of it is written first.

use crate::room;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use rrun_harness::on_path;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// MiB of the file that is read on the disk.
const DATA: usize = 32;

/// MiB of the file below the overlay and in the tmpfs.
const LESS: usize = 1;

/// MiB of a guest's disk.
const IMAGE: usize = 112;

const PIECE: usize = 1 << 20;

/// Nothing is left for the guest's kernel to do later, and no hole is made in what was written.
const EXTENDED: &str = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";

/// What the directories of all runs are called.
const PREFIX: &str = "files-";

/// The places; dropped, nothing of them is left.
#[derive(Debug)]
pub struct Places {
    /// The directory on the disk.
    pub disk: PathBuf,
    /// The mounted overlay.
    pub overlay: PathBuf,
    /// The tmpfs.
    pub tmpfs: PathBuf,
}

impl Places {
    /// Makes them, the first of them in `parent`.
    ///
    /// # Errors
    /// A sentence: there is no disk below `parent`, or one of them can't be made.
    pub fn new(parent: &Path) -> Result<Self, String> {
        let kind = statfs(parent).map_err(|why| format!("{}: {why}", parent.display()))?;
        if kind.filesystem_type() == TMPFS_MAGIC {
            return Err(format!("{} is a tmpfs: a flush there flushes nothing", parent.display()));
        }
        remove_forgotten(parent);
        let made = Self {
            disk: parent.join(format!("{PREFIX}{}", std::process::id())),
            overlay: room::directory().join("overlay"),
            tmpfs: room::directory().join("tmpfs"),
        };
        made.fill().map_err(|why| format!("{}: {why}", made.disk.display()))?;
        made.attach()?;
        Ok(made)
    }

    /// A disk for guests with the same in it.
    ///
    /// # Errors
    /// A sentence: what is missing.
    pub fn image(&self) -> Result<PathBuf, String> {
        let mke2fs = on_path("mke2fs").ok_or("there is no mke2fs: install e2fsprogs")?;
        let (image, tree) = (self.disk.join("disk.ext4"), self.disk.join("tree"));
        let told = |why: io::Error| format!("{}: {why}", image.display());
        fs::create_dir_all(&tree).and_then(|()| directories(&tree)).map_err(told)?;
        fs::hard_link(self.disk.join("data"), tree.join("data")).map_err(told)?;
        fs::copy(self.disk.join("layers/lower/data"), tree.join("layers/lower/data"))
            .map_err(told)?;
        write(&image, IMAGE, &vec![0; PIECE]).map_err(told)?;
        let mut make = Command::new(mke2fs);
        make.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-E", EXTENDED, "-d"]);
        make.arg(&tree).arg(&image).stdin(Stdio::null());
        let output = make.output().map_err(told)?;
        fs::remove_dir_all(&tree).map_err(told)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("mke2fs: {}: {}", output.status, said.trim()));
        }
        File::open(&image).and_then(|image| image.sync_all()).map_err(told)?;
        Ok(image)
    }

    fn fill(&self) -> io::Result<()> {
        directories(&self.disk)?;
        // What no disk can compress.
        let mut piece = vec![0; PIECE];
        File::open("/dev/urandom")?.read_exact(&mut piece)?;
        write(&self.disk.join("data"), DATA, &piece)?;
        write(&self.disk.join("layers/lower/data"), LESS, &piece)
    }

    fn attach(&self) -> Result<(), String> {
        let layer = |name: &str| self.disk.join("layers").join(name).display().to_string();
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            layer("lower"),
            layer("upper"),
            layer("work")
        );
        let place = |kind: &str, target: &Path, options: Option<&str>| {
            let made = fs::create_dir_all(target).map_err(|why| why.to_string());
            let flags = MsFlags::empty();
            made.and_then(|()| {
                mount(Some(kind), target, Some(kind), flags, options).map_err(|why| why.to_string())
            })
            .map_err(|why| format!("{kind} on {}: {why}", target.display()))
        };
        place("overlay", &self.overlay, Some(&layers))?;
        place("tmpfs", &self.tmpfs, None)?;
        let copied = fs::copy(self.disk.join("layers/lower/data"), self.tmpfs.join("data"));
        copied.map(drop).map_err(|why| format!("fill the tmpfs: {why}"))
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // What was not mounted can't be unmounted; the room's end takes the rest.
        umount(&self.overlay).ok();
        umount(&self.tmpfs).ok();
        drop(fs::remove_dir_all(&self.disk));
    }
}

fn directories(at: &Path) -> io::Result<()> {
    let mut layers = ["lower", "upper", "work"].iter();
    layers.try_for_each(|layer| fs::create_dir_all(at.join("layers").join(layer)))
}

fn write(file: &Path, mebibytes: usize, piece: &[u8]) -> io::Result<()> {
    let mut file = File::create(file)?;
    (0..mebibytes).try_for_each(|_| file.write_all(piece))?;
    file.sync_all()
}

/// What a killed run has left: directories of processes that are no more.
fn remove_forgotten(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(owner).is_some_and(is_gone) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn is_gone(process: u32) -> bool {
    !Path::new("/proc").join(process.to_string()).exists()
}

/// Whose directory this is.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_runs_have_an_owner() {
        assert_eq!(owner("files-17"), Some(17));
        assert_eq!(owner("files-"), None);
        assert_eq!(owner("files-old"), None);
        assert_eq!(owner("kernel"), None);
    }

    #[test]
    fn what_living_processes_use_stays() {
        let parent = std::env::temp_dir().join(format!("rrun-bench-{}-left", std::process::id()));
        let ours = parent.join(format!("{PREFIX}{}", std::process::id()));
        // Above the greatest number that Linux gives to a process.
        let left = parent.join(format!("{PREFIX}4194305"));
        let other = parent.join("kernel");
        for directory in [&ours, &left, &other] {
            fs::create_dir_all(directory).unwrap();
        }
        remove_forgotten(&parent);
        let found = [&ours, &left, &other].map(|directory| directory.exists());
        fs::remove_dir_all(&parent).unwrap();
        assert_eq!(found, [true, false, true]);
    }

    #[test]
    fn a_tmpfs_is_no_disk() {
        let why = Places::new(Path::new("/dev/shm")).unwrap_err();
        assert_eq!(why, "/dev/shm is a tmpfs: a flush there flushes nothing");
    }
}
