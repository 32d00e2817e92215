//! `mounts`: options strings become typed flags.
//!
//! It knows the runtime-spec's table of options and runc's extensions. It refuses to know the rootfs or the source.
//! What a newcomer would get wrong: a clearing option (`rw`, `dev`, `exec`, `suid`, `atime`…) is not the absence of its
//! opposite: on a bind mount it *clears* what the source's mount had.

use super::namespaces::IdMap;
use crate::id::{HostPath, InnerPath};

/// One of `mounts`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// Its index in `mounts`, for JSON pointers.
    pub index: usize,
    /// Where, inside.
    pub destination: InnerPath,
    /// What.
    pub kind: FsType,
    /// Attributes of this mount (`MOUNT_ATTR_*`): set and cleared.
    pub attrs: MountAttrs,
    /// The same, for the whole tree (`rro`, `rnosuid`, …).
    pub recursive_attrs: MountAttrs,
    /// Propagation to set afterwards, and whether on the whole tree.
    pub propagation: Option<Propagation>,
    /// An idmapped mount: the maps (empty: those of the container's user namespace), and whether on the whole tree.
    pub idmap: Option<IdMapped>,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq)]
pub enum FsType {
    /// A bind of a host file or directory.
    Bind {
        /// The source, absolute (a relative one was taken below the bundle).
        source: HostPath,
        /// `rbind`: with what is mounted below it.
        recursive: bool,
    },
    /// The cgroup file system, whichever version this host has (`type: cgroup` or `cgroup2`).
    Cgroup,
    /// Any other type, through fsopen(2).
    New {
        /// Kernel name: `proc`, `tmpfs`, `sysfs`, `devpts`, `mqueue`, `overlay`…
        fs_type: String,
        /// `source`, passed as the file system's `source` parameter.
        source: Option<String>,
        /// Superblock options: `size=65536k`, `mode=755`, or a bare flag without `=`.
        data: Vec<String>,
        /// Superblock flags by their fsconfig names: `ro` (only when the superblock itself shall be), `sync`, `dirsync`,
        /// `lazytime`, `mand`; and `silent`. Clearing ones (`async`, …) are the default of a new superblock.
        flags: Vec<&'static str>,
        /// `tmpcopyup`: a tmpfs that starts as a copy of what it covers.
        copy_up: bool,
    },
}

/// `MOUNT_ATTR_*` bits to set and to clear, as mount_setattr(2) takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountAttrs {
    /// Bits to set. Access-time modes are values of the field `MOUNT_ATTR__ATIME`, and then `clear` holds that mask.
    pub set: u64,
    /// Bits to clear.
    pub clear: u64,
}

/// Mount propagation, `MS_SHARED` and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`.
    pub mode: PropagationMode,
    /// The `r` of `rshared`: the whole tree.
    pub recursive: bool,
}

/// The four modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropagationMode {
    /// Events go both ways.
    Shared,
    /// Events come in only.
    Slave,
    /// None.
    Private,
    /// None, and it can't be bind mounted.
    Unbindable,
}

/// The maps of an idmapped mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMapped {
    /// `uidMappings`; empty: the container's.
    pub uid: Vec<IdMap>,
    /// `gidMappings`.
    pub gid: Vec<IdMap>,
    /// `ridmap` instead of `idmap`.
    pub recursive: bool,
}
