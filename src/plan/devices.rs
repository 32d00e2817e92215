//! Device nodes and the links of `/dev`.
//!
//! What a newcomer would get wrong: `/dev` may be the image's symbolic link. It is resolved once, in-root, to a
//! descriptor, and every node and link is made there (CVE-2026-41579). In a user namespace mknod(2) is refused, and the
//! host's node is bound instead.

use crate::error::{Error, Result};
use crate::host::Host;
use crate::id::InnerPath;
use crate::plan::step::{Act, At, DEVICES, Phase, ROOT, Steps};
use crate::plan::text;
use crate::spec::{DeviceKind, DeviceNode, FsType, Namespace, Spec};
use rrun_sys::script::{SLOTS, Slot};

/// The nodes every container has (runtime-spec, config-linux, Default Devices); `/dev/console` and `/dev/ptmx` are made
/// elsewhere.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// The links of `/dev` (runtime-spec, config-linux, Default Filesystems and `/dev` symbolic links).
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// The paths of the nodes that every container has.
pub fn defaults<'a>() -> impl Iterator<Item = &'a str> {
    DEFAULT.iter().map(|(path, ..)| *path)
}

/// Makes the default nodes, the configuration's, and the links. A `/dev` bound from outside is complete already.
pub fn nodes(spec: &Spec, host: &Host, steps: &mut Steps) -> Result<()> {
    let mut directories: Vec<InnerPath> = Vec::new();
    open(&InnerPath::new("/dev"), "", &mut directories, steps)?;
    let foreign_dev = spec.mounts.iter().any(|mount| {
        mount.destination.as_str() == "/dev" && matches!(mount.kind, FsType::Bind { .. })
    });
    // In a namespace that was made before us, as an engine without privileges makes one, CAP_MKNOD is of no use.
    let bind = spec.namespaces.user != Namespace::Inherit
        || !host.initial_user_namespace
        || host.permitted_caps & (1 << 27) == 0;
    if !foreign_dev {
        let given = |path: &str| spec.devices.iter().any(|node| node.path.as_str() == path);
        for (path, major, minor) in DEFAULT {
            if !given(path) {
                let device = Some((DeviceKind::Char, major, minor));
                let path = InnerPath::new(path);
                let node = DeviceNode { path, device, mode: 0o666, uid: 0, gid: 0 };
                push(&node, "", bind, &mut directories, steps)?;
            }
        }
    }
    for (index, node) in spec.devices.iter().enumerate() {
        push(node, &format!("/linux/devices/{index}"), bind, &mut directories, steps)?;
    }
    if !foreign_dev {
        for (name, target) in LINKS {
            link(name, target, false, steps)?;
        }
        link("ptmx", "pts/ptmx", true, steps)?;
    }
    Ok(())
}

fn link(name: &str, target: &str, replace: bool, steps: &mut Steps) -> Result<()> {
    let (name, target) = (text("", name)?, text("", target)?);
    steps.push(Phase::Rootfs, Act::Symlink { target, dir: Slot(DEVICES), name, replace });
    Ok(())
}

/// The slot of a directory, opened once.
fn open(
    directory: &InnerPath,
    pointer: &str,
    known: &mut Vec<InnerPath>,
    steps: &mut Steps,
) -> Result<Slot> {
    let index = match known.iter().position(|other| other == directory) {
        Some(index) => index,
        None => {
            let index = known.len();
            if usize::from(DEVICES) + index >= SLOTS {
                return Err(Error::unsupported(pointer, "devices lie in too many directories")
                    .hint("use at most 29 directories for device nodes"));
            }
            let at = At { root: ROOT, path: text(pointer, directory.relative())? };
            let out = Slot(DEVICES + index as u8);
            steps.push_at(Phase::Rootfs, Act::Open { at, out }, pointer.to_owned());
            known.push(directory.clone());
            index
        }
    };
    Ok(Slot(DEVICES + index as u8))
}

fn push(
    node: &DeviceNode,
    pointer: &str,
    bind: bool,
    known: &mut Vec<InnerPath>,
    steps: &mut Steps,
) -> Result<()> {
    let Some((directory, name)) = node.path.split() else {
        return Err(
            Error::spec(format!("{pointer}/path"), "/ is no device").hint("name a path below /dev")
        );
    };
    let name = text(pointer, name)?;
    let dir = open(&directory, pointer, known, steps)?;
    let (kind, device) = match node.device {
        None => (libc::S_IFIFO, 0),
        Some((DeviceKind::Char, major, minor)) => (libc::S_IFCHR, libc::makedev(major, minor)),
        Some((DeviceKind::Block, major, minor)) => (libc::S_IFBLK, libc::makedev(major, minor)),
    };
    let mode = kind | node.mode;
    let act = if bind && node.device.is_some() {
        let source = text(pointer, node.path.as_str())?;
        Act::BindDevice { dir, name, source, device, mode }
    } else {
        Act::Device { dir, name, mode, device, uid: node.uid, gid: node.gid }
    };
    steps.push_at(Phase::Rootfs, act, pointer.to_owned());
    Ok(())
}
