//! The rootfs: mounts, devices, what is hidden, the new root.
//!
//! What a newcomer would get wrong: everything here happens *before* pivot_root(2), on descriptors below the rootfs,
//! while the host's /dev/null and the sources of bind mounts can still be reached and the container's own files are
//! never trusted.

use crate::error::{Error, Result};
use crate::host::Host;
use crate::id::InnerPath;
use crate::plan::cgroup::CgroupPlan;
use crate::plan::step::{
    Act, At, BindSource, DEVICES, LinkBind, NewFs, ParentFd, Phase, ROOT, Steps,
};
use crate::plan::{Request, devices, labels, namespaces, text};
use crate::spec::{
    FsType, IdMap, Links, Mount, MountAttrs, Namespace, Propagation, PropagationMode, Spec,
    Terminal,
};
use rrun_sys::links::Links as Kept;
use rrun_sys::mount::{ATTR_NODEV, ATTR_NOEXEC, ATTR_NOSUID, ATTR_RDONLY, Attr};
use rrun_sys::script::{Changes, Slot};
use std::ffi::CString;
use std::path::Path;

/// A tree that the parent clones before it clones the child.
#[derive(Debug, Clone, PartialEq)]
pub struct DetachedTree {
    /// The host path.
    pub source: CString,
    /// With the mounts below it.
    pub recursive: bool,
    /// An idmap to apply, and whether to all of the tree. `None`: the path is only hidden from the child.
    pub idmap: Option<(Vec<IdMap>, Vec<IdMap>, bool)>,
    /// What cuts it off from the mounts that it is a copy of, as the child cuts off what it copies itself: `MS_SLAVE`,
    /// `MS_PRIVATE`, or 0 for a root that stays shared with the host.
    pub propagation: u64,
    /// A symbolic link is cloned itself, not what it leads to.
    pub keeps_link: bool,
    /// The mount that asked for it.
    pub pointer: String,
}

/// Mounts, devices and links, up to the point where hooks may look at a complete rootfs.
pub fn assemble(
    spec: &Spec,
    host: &Host,
    request: &Request,
    cgroup: &CgroupPlan,
    steps: &mut Steps,
) -> Result<Vec<DetachedTree>> {
    let label = labels::mount(spec, host)?;
    let mut trees = Vec::new();
    if namespaces::only_chroots(spec) {
        return Ok(trees);
    }
    for mount in &spec.mounts {
        let pointer = format!("/mounts/{}", mount.index);
        match &mount.kind {
            FsType::Cgroup => cgroup_mount(spec, host, cgroup, mount, &pointer, steps)?,
            FsType::Remount => {
                let act = Act::SetAttr { at: at(mount)?, changes: changes(mount, true) };
                steps.push_at(Phase::Rootfs, act, pointer);
            }
            FsType::Bind { source, recursive } => {
                let path = text(&format!("{pointer}/source"), &source.to_string())?;
                let tree = detached(spec, host, mount, &path, *recursive, &pointer);
                let source = match tree {
                    Some(tree) => {
                        trees.push(tree);
                        BindSource::Detached(ParentFd::Detached(trees.len() - 1), path)
                    }
                    None => BindSource::Path(path, *recursive),
                };
                steps.push_at(Phase::Rootfs, bind(mount, source)?, pointer);
            }
            FsType::New { fs_type, source, data, flags, copy_up } => {
                let mut fs = NewFs {
                    label: None,
                    inherit_mode: fs_type == "tmpfs"
                        && !data.iter().any(|o| o.starts_with("mode=")),
                    fs_type: text(&format!("{pointer}/type"), fs_type)?,
                    parameters: parameters(source.as_deref(), flags, data, &pointer)?,
                    attrs: mount.attrs.set,
                    copy_up: *copy_up,
                };
                fs.set_label(label.as_deref());
                let act = Act::Mount { fs, changes: changes(mount, false), at: at(mount)? };
                steps.push_at(Phase::Rootfs, act, pointer);
            }
        }
    }
    if let Some(directory) = &request.notify_directory {
        steps.push(Phase::Rootfs, notify_mount(directory)?);
    }
    devices::nodes(spec, host, steps)?;
    if let Some(process) = &spec.process
        && process.cwd.as_str() != "/"
    {
        let at = place("/process/cwd", &process.cwd)?;
        steps.push_at(Phase::Rootfs, Act::Directory { at, mode: 0o755 }, "/process/cwd");
    }
    Ok(trees)
}

/// The directory of the sd_notify proxy's socket. Connecting to the socket needs no write.
fn notify_mount(directory: &Path) -> Result<Act> {
    let path = text("/process/env", &directory.to_string_lossy())?;
    let at = At { root: ROOT, path: c"run/notify".into() };
    let set = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
    let own = Attr { set, ..Attr::default() };
    let changes = Changes { own, ..Changes::default() };
    Ok(Act::Bind { source: BindSource::Path(path, false), changes, at })
}

/// What fsconfig(2) is told, in the order of the entry: the source, superblock flags, then `NAME=VALUE` or bare names.
fn parameters(
    source: Option<&str>,
    flags: &[&str],
    data: &[String],
    pointer: &str,
) -> Result<Vec<(CString, Option<CString>)>> {
    let options = format!("{pointer}/options");
    let mut list = Vec::new();
    if let Some(source) = source {
        let value = text(&format!("{pointer}/source"), source)?;
        list.push((c"source".into(), Some(value)));
    }
    for flag in flags {
        list.push((text(&options, flag)?, None));
    }
    for option in data {
        list.push(parameter(&options, option)?);
    }
    Ok(list)
}

/// The longest name or value that fsconfig(2) takes.
const LONGEST: usize = 255;

/// `NAME=VALUE`, or a flag.
fn parameter(pointer: &str, option: &str) -> Result<(CString, Option<CString>)> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    if name.len().max(value.len()) > LONGEST {
        let name: String = name.chars().take(32).collect();
        let message = format!(
            "{name:?} has {} bytes, and the kernel takes at most {LONGEST} in one option",
            value.len().max(option.len() - value.len())
        );
        return Err(Error::unsupported(pointer, message)
            .hint("use shorter paths, or an overlay's \"lowerdir+\" once for each layer"));
    }
    match option.split_once('=') {
        Some((name, value)) => Ok((text(pointer, name)?, Some(text(pointer, value)?))),
        None => Ok((text(pointer, option)?, None)),
    }
}

/// A source that only the parent can prepare: an idmapped one, or one that a user namespace may hide.
fn detached(
    spec: &Spec,
    host: &Host,
    mount: &Mount,
    source: &CString,
    recursive: bool,
    pointer: &str,
) -> Option<DetachedTree> {
    let own_users = spec.namespaces.user != Namespace::Inherit;
    let hidden = own_users && host.permitted_caps & (1 << 21) != 0;
    let idmap = mount.idmap.as_ref().map(|idmap| {
        let own = |given: &Vec<IdMap>, container: &Vec<IdMap>| {
            if given.is_empty() { container.clone() } else { given.clone() }
        };
        let maps = &spec.id_maps;
        (own(&idmap.uid, &maps.uid), own(&idmap.gid, &maps.gid), idmap.recursive)
    });
    // A mount namespace of other users is never a peer of the host's (mount_namespaces(7)).
    let at_least = own_users.then_some(libc::MS_SLAVE);
    let propagation = namespaces::propagation_from_host(spec).or(at_least).unwrap_or_default();
    (hidden || idmap.is_some()).then(|| DetachedTree {
        source: source.clone(),
        recursive,
        idmap,
        propagation,
        keeps_link: mount.links.copy || mount.links.source,
        pointer: pointer.to_owned(),
    })
}

/// A bind; for one that does not follow every link the place is a directory and a name in it, too.
fn bind(mount: &Mount, source: BindSource) -> Result<Act> {
    let changes = changes(mount, true);
    if mount.links == Links::default() {
        return Ok(Act::Bind { source, changes, at: at(mount)? });
    }
    let pointer = format!("/mounts/{}/destination", mount.index);
    let Some((directory, name)) = mount.destination.split() else {
        return Err(Error::spec(pointer, "the root directory is no symbolic link")
            .hint("name a path below it, or follow links"));
    };
    let Links { copy, source: of_source, target } = mount.links;
    let links = Kept { copy, source: of_source, target };
    let (directory, name) = (text(&pointer, directory.relative())?, text(&pointer, name)?);
    let bind = LinkBind { source, links, directory, name };
    Ok(Act::BindLink { bind, changes, at: at(mount)? })
}

fn at(mount: &Mount) -> Result<At> {
    place(&format!("/mounts/{}/destination", mount.index), &mount.destination)
}

fn place(pointer: &str, path: &InnerPath) -> Result<At> {
    Ok(At { root: ROOT, path: text(pointer, path.relative())? })
}

/// What is changed on a made mount. A new one has its own attributes from fsmount(2) already.
fn changes(mount: &Mount, bind: bool) -> Changes {
    let attr = |attrs: MountAttrs| Attr { set: attrs.set, clear: attrs.clear, ..Attr::default() };
    let mut changes = Changes {
        own: if bind { attr(mount.attrs) } else { Attr::default() },
        tree: attr(mount.recursive_attrs),
    };
    if let Some(propagation) = mount.propagation {
        propagate(&mut changes, propagation);
    }
    changes
}

fn propagate(changes: &mut Changes, propagation: Propagation) {
    let mode = match propagation.mode {
        PropagationMode::Shared => libc::MS_SHARED,
        PropagationMode::Slave => libc::MS_SLAVE,
        PropagationMode::Private => libc::MS_PRIVATE,
        PropagationMode::Unbindable => libc::MS_UNBINDABLE,
    };
    let reach = if propagation.recursive { &mut changes.tree } else { &mut changes.own };
    reach.propagation = mode;
}

/// The cgroup file system. With a cgroup namespace of its own the container sees its cgroup as the root; without, the
/// host's tree, and in a user namespace read-only whatever was asked (CVE-2023-25809).
fn cgroup_mount(
    spec: &Spec,
    host: &Host,
    cgroup: &CgroupPlan,
    mount: &Mount,
    pointer: &str,
    steps: &mut Steps,
) -> Result<()> {
    let own_namespace = spec.namespaces.cgroup != Namespace::Inherit;
    if !host.cgroup.v1.is_empty() {
        return cgroup_v1_mount(cgroup, mount, pointer, steps);
    }
    if own_namespace || spec.namespaces.user == Namespace::Inherit && host.is_machine_root() {
        let fs = NewFs {
            fs_type: c"cgroup2".into(),
            parameters: vec![(c"source".into(), Some(c"cgroup".into()))],
            attrs: mount.attrs.set,
            inherit_mode: false,
            label: None,
            copy_up: false,
        };
        let act = Act::Mount { fs, changes: changes(mount, false), at: at(mount)? };
        steps.push_at(Phase::Rootfs, act, pointer.to_owned());
        return Ok(());
    }
    let root = host.cgroup.unified.as_ref().map_or_else(
        || "/sys/fs/cgroup".into(),
        |unified| unified.mount.to_string_lossy().into_owned(),
    );
    let mut changes = changes(mount, true);
    changes.tree.set |= ATTR_RDONLY;
    let source = BindSource::Path(text(pointer, &root)?, true);
    steps.push_at(Phase::Rootfs, Act::Bind { source, changes, at: at(mount)? }, pointer.to_owned());
    Ok(())
}

/// A hybrid host: a tmpfs with the container's own cgroup of each hierarchy below it, always read-only, as the
/// runtime-spec asks.
fn cgroup_v1_mount(
    cgroup: &CgroupPlan,
    mount: &Mount,
    pointer: &str,
    steps: &mut Steps,
) -> Result<()> {
    let base = at(mount)?;
    let fs = NewFs {
        fs_type: c"tmpfs".into(),
        parameters: vec![
            (c"source".into(), Some(c"tmpfs".into())),
            (c"mode".into(), Some(c"755".into())),
        ],
        attrs: mount.attrs.set & !ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC,
        inherit_mode: false,
        label: None,
        copy_up: false,
    };
    let act = Act::Mount { fs, changes: Changes::default(), at: base.clone() };
    steps.push_at(Phase::Rootfs, act, pointer.to_owned());
    let unified = cgroup.unified.iter();
    for place in cgroup.v1.iter().map(|v1| &v1.place).chain(unified) {
        let Some(name) = place.mount.file_name() else { continue };
        let below = mount.destination.relative();
        let path = text(pointer, &format!("{below}/{}", name.to_string_lossy()))?;
        let source = format!("{}{}", place.mount.display(), place.path);
        let source = BindSource::Path(text(pointer, &source)?, false);
        let attr = mount.attrs.set | ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
        let own = Attr { set: attr, ..Attr::default() };
        let changes = Changes { own, ..Changes::default() };
        let at = At { root: ROOT, path };
        steps.push_at(Phase::Rootfs, Act::Bind { source, changes, at }, pointer.to_owned());
    }
    if mount.attrs.set & ATTR_RDONLY != 0 {
        let own = Attr { set: ATTR_RDONLY, ..Attr::default() };
        let changes = Changes { own, ..Changes::default() };
        steps.push_at(Phase::Rootfs, Act::SetAttr { at: base, changes }, pointer.to_owned());
    }
    Ok(())
}

/// The terminal, masks, read-only paths, the read-only root.
pub fn hide(spec: &Spec, host: &Host, steps: &mut Steps) -> Result<()> {
    let label = labels::mount(spec, host)?;
    if let Some(process) = &spec.process
        && let Terminal::Pty { size } = process.terminal
    {
        let dev = (!namespaces::only_chroots(spec)).then_some(Slot(DEVICES));
        let act = Act::Console { dev, size: size.unwrap_or_default(), uid: process.user.uid };
        steps.push_at(Phase::Hide, act, "/process/terminal");
    }
    if !spec.masked_paths.is_empty() {
        steps.push(Phase::Hide, Act::OpenNull);
    }
    for (index, path) in spec.masked_paths.iter().enumerate() {
        let pointer = format!("/linux/maskedPaths/{index}");
        let at = place(&pointer, path)?;
        steps.push_at(Phase::Hide, Act::Mask { at, label: label.clone() }, pointer);
    }
    for (index, path) in spec.readonly_paths.iter().enumerate() {
        let pointer = format!("/linux/readonlyPaths/{index}");
        let at = place(&pointer, path)?;
        steps.push_at(Phase::Hide, Act::ReadOnly { at }, pointer);
    }
    if spec.rootfs_readonly {
        let own = Attr { set: ATTR_RDONLY, ..Attr::default() };
        let changes = Changes { own, ..Changes::default() };
        let at = At { root: ROOT, path: c".".into() };
        steps.push_at(Phase::Hide, Act::SetAttr { at, changes }, "/root/readonly");
    }
    Ok(())
}

/// The rootfs becomes the root.
pub fn enter(spec: &Spec, request: &Request, steps: &mut Steps) {
    let act = match (&spec.namespaces.mount, request.no_pivot) {
        (Namespace::Inherit, _) if namespaces::only_chroots(spec) => Act::Chroot,
        (Namespace::Inherit, _) => namespaces::withdraw(spec),
        (_, true) => Act::MoveRoot,
        (_, false) => Act::Pivot,
    };
    steps.push(Phase::Root, act);
    if let Some(mode) = namespaces::root_propagation_after_pivot(spec) {
        let attr = Attr { propagation: mode, ..Attr::default() };
        let recursive = spec.rootfs_propagation.is_some_and(|p| p.recursive);
        let changes = if recursive {
            Changes { tree: attr, ..Changes::default() }
        } else {
            Changes { own: attr, ..Changes::default() }
        };
        let at = At { root: ROOT, path: c".".into() };
        steps.push_at(Phase::Root, Act::SetAttr { at, changes }, "/linux/rootfsPropagation");
    }
}
