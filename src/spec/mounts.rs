//! `mounts`: each becomes a bind, a file system of its own, the cgroup tree or a change of what is mounted already.
//!
//! It knows which of these an entry asks for; the words of `options` are [`super::options`]'s. It refuses to know the
//! rootfs or the source.
//! What a newcomer would get wrong: the options decide, not the type. With `bind` or `rbind` among them, `type` is a
//! dummy, whatever it says.

use super::at::At;
use super::idmapped::OwnMaps;
use super::namespaces::{IdMap, IdMaps, Namespace, read_id_map};
use super::options::Options;
use super::wire;
use super::wire::Object;
use crate::error::Result;
use crate::id::{HostPath, InnerPath};
use std::path::Path;

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
    /// What a bind does where its paths end in symbolic links.
    pub links: Links,
}

/// Symbolic links at the end of a bind's two paths; on the way to it they are followed. Without any of these the bind is of
/// what the source leads to, on what the destination leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Links {
    /// `copy-symlink`: a source that is a link is made anew at the destination, and nothing is mounted.
    pub copy: bool,
    /// `src-nofollow`: a source that is a link is bound itself.
    pub source: bool,
    /// `dest-nofollow`: a destination that is a link is mounted over.
    pub target: bool,
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
    /// `remount`: nothing new; the attributes of what an earlier entry mounted at the destination change.
    Remount,
    /// Any other type, through fsopen(2).
    New {
        /// Kernel name: `proc`, `tmpfs`, `sysfs`, `devpts`, `mqueue`, `overlay`…
        fs_type: String,
        /// `source`, passed as the file system's `source` parameter.
        source: Option<String>,
        /// Superblock options: `size=65536k`, `mode=755`, or a bare flag without `=`.
        data: Vec<String>,
        /// Superblock flags by their fsconfig names: `ro`, `sync`, `dirsync`, `lazytime`, `mand`. Clearing ones (`async`,
        /// …) are the default of a new superblock. `ro` is here only for types that may sit on a read-only device, which
        /// the kernel would not open for writing; a superblock such as sysfs's is shared with the host, and there the
        /// attribute of the mount is enough.
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

/// Types that live in memory: none needs a superblock that is read-only.
const IN_MEMORY: &[&str] = &[
    "bpf",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// What else of the configuration the meaning of a mount depends on.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Relative sources start here.
    pub bundle: &'a Path,
    /// Whose id maps a mount takes that names none.
    pub user: &'a Namespace,
    /// These, as far as they are known.
    pub maps: &'a IdMaps,
}

impl Mount {
    /// Reads mounts that are no part of a configuration: a list of them, or an object with one as `mounts`; also answers
    /// what is odd but no error. `user` is the user namespace of the container that they are for, `maps` are its maps.
    ///
    /// # Errors
    /// [`Kind::Spec`](crate::error::Kind::Spec), with the JSON pointer of the field as config.json would have it.
    pub fn parse_list(
        json: &[u8],
        bundle: &Path,
        user: &Namespace,
        maps: &IdMaps,
    ) -> Result<(Vec<Self>, Vec<String>)> {
        let is_list = json.trim_ascii_start().first() == Some(&b'[');
        let whole = if is_list { [b"{\"mounts\":", json, b"}"].concat() } else { json.to_owned() };
        let wire::MountList { mounts } = wire::parse(&whole)?;
        let mut warnings = Vec::new();
        let around = Surroundings { bundle, user, maps };
        let mounts = Self::read_all(At::DOCUMENT.key("mounts"), mounts, around, &mut warnings)?;
        if mounts.is_empty() {
            let at = At::DOCUMENT.key("mounts");
            return Err(at.wrong("there is no mount in the list").hint("add one"));
        }
        Ok((mounts, warnings))
    }

    pub(super) fn read_all(
        at: At<'_>,
        list: wire::Objects<wire::Mount<'_>>,
        around: Surroundings<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Self>> {
        let list = list.into_iter().flatten().enumerate();
        list.map(|(index, Object(mount))| {
            Self::read(&at.index(index), mount, around, warnings).map(|this| Self { index, ..this })
        })
        .collect()
    }

    fn read(
        at: &At<'_>,
        mount: wire::Mount<'_>,
        around: Surroundings<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let wire::Mount { destination, fs_type, source, options, uid_mappings, gid_mappings } =
            mount;
        let destination = at.required("destination", destination)?;
        if destination.is_empty() {
            let at = at.key("destination");
            return Err(at.wrong("the destination is empty").hint("name a path in the container"));
        }
        if !destination.starts_with('/') {
            let message = format!("{:?} taken as \"/{}\"", &*destination, &*destination);
            warnings.push(at.key("destination").warning(message));
        }
        let options = Options::read(at.key("options"), options)?;
        let source = source.as_deref().filter(|source| !source.is_empty());
        let kind = match fs_type.as_deref().filter(|fs_type| !fs_type.is_empty()) {
            _ if options.remount => FsType::Remount,
            fs_type if options.is_bind() || matches!(fs_type, Some("bind" | "none")) => {
                let source = at.required("source", source)?;
                let source = HostPath::below(around.bundle, source);
                FsType::Bind { source, recursive: options.binds_tree() }
            }
            Some("cgroup" | "cgroup2") => FsType::Cgroup,
            Some(fs_type) => new_file_system(fs_type, source, &options),
            None => {
                return Err(at
                    .key("type")
                    .wrong("a mount that is no bind mount needs a type")
                    .hint("name a file system, or add \"bind\" or \"rbind\" to the options"));
            }
        };
        options.check(at.key("options"), &kind, warnings)?;
        let own = OwnMaps {
            uid: read_id_map(at.key("uidMappings"), uid_mappings)?,
            gid: read_id_map(at.key("gidMappings"), gid_mappings)?,
        };
        Ok(Self {
            index: 0,
            destination: InnerPath::new(&destination),
            idmap: own.resolve(at, &kind, options.idmap.as_ref(), (around.user, around.maps))?,
            links: options.links,
            kind,
            attrs: options.attrs,
            recursive_attrs: options.recursive_attrs,
            propagation: options.propagation,
        })
    }
}

fn new_file_system(fs_type: &str, source: Option<&str>, options: &Options) -> FsType {
    let mut flags = options.superblock_flags();
    if options.attrs.set & libc::MOUNT_ATTR_RDONLY != 0 && !IN_MEMORY.contains(&fs_type) {
        flags.push("ro");
    }
    FsType::New {
        fs_type: fs_type.to_owned(),
        source: source.map(str::to_owned),
        data: options.data(),
        flags,
        copy_up: options.copies_up(),
    }
}
