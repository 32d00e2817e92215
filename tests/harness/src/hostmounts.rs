//! What a test mounts on the host's side, where no other test and no host sees it.
//!
//! Knows a mount namespace of the test's own thread, private at first. Refuses to be sent to another thread: a mount
//! namespace belongs to the thread that made it, and the programs it starts inherit it.
//! A newcomer would declare it before the bundle and see the bundle's removal fail: it is dropped, and its mounts with
//! it, only when declared after.

use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::Must;

/// The mounts of this test's thread, on directories that it made; dropping it detaches them again.
#[derive(Debug)]
pub struct HostMounts {
    made: Vec<PathBuf>,
    here: PhantomData<*const ()>,
}

impl HostMounts {
    /// Gives this thread a mount namespace of its own, cut off from the host's.
    #[must_use]
    #[track_caller]
    pub fn private() -> HostMounts {
        unshare(CloneFlags::CLONE_NEWNS).must("make a mount namespace for the test");
        let all = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, all, None::<&str>).must("make all mounts private");
        HostMounts { made: Vec::new(), here: PhantomData }
    }

    /// As [`Self::private`], and everything shared, as systemd leaves a host; the shares end at this namespace.
    #[must_use]
    #[track_caller]
    pub fn all_shared() -> HostMounts {
        let this = Self::private();
        this.change(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_SHARED);
        this
    }

    /// A new file system on `path`, which is made if it is missing.
    #[track_caller]
    pub fn mount(&mut self, fs_type: &str, path: &Path, flags: MsFlags, options: &str) {
        fs::create_dir_all(path).must("make a mount point");
        mount(Some(fs_type), path, Some(fs_type), flags, Some(options))
            .must(&format!("mount {fs_type} on {}", path.display()));
        self.made.push(path.to_path_buf());
    }

    /// An empty tmpfs on `path`, which is made if it is missing.
    #[track_caller]
    pub fn tmpfs(&mut self, path: &Path, flags: MsFlags) {
        self.mount("tmpfs", path, flags, "mode=755");
    }

    /// mount(2) of an existing mount: its propagation, or with `MS_BIND | MS_REMOUNT` its flags.
    #[track_caller]
    pub fn change(&self, path: &Path, flags: MsFlags) {
        mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
            .must(&format!("change the mount at {}", path.display()));
    }

    /// The mount points this thread sees, in the kernel's order.
    #[must_use]
    pub fn points(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        table.lines().filter_map(|line| Some(line.split(' ').nth(4)?.to_owned())).collect()
    }
}

impl Drop for HostMounts {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // What is gone already is gone with the container that took it along.
            umount2(path, MntFlags::MNT_DETACH).ok();
        }
    }
}
