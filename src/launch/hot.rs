//! Hot mounts: into a container that exists, and out of it again.
//!
//! ```text
//! before we enter   clone what is bound, detached; open the container's root
//! we enter          its user, mount, network, ipc, uts and cgroup namespaces; its root becomes our user
//! inside            make the other file systems; resolve each target in its root; attach, all or none
//! ```
//!
//! It knows mounts as descriptors, as the start of a container does. It refuses to know what was mounted before: that is
//! [`crate::container`]'s record.
//! What a newcomer would get wrong: the calling process does not come back. It stays in the container's namespaces, so
//! whatever it needs of the host is opened before; and umount(2) has only paths, so a mount is named by our own
//! descriptor of it in a procfs of the host.

use super::{idmap, locked};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::plan::DetachedTree;
use crate::spec::{FsType, IdMaps, Links, Mount, MountAttrs, PropagationMode};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use rrun_sys::create::{Create, resolve};
use rrun_sys::mount::{self, Attr, Reach};
use rrun_sys::script::Changes;
use rrun_sys::{Errno, ns, path};
use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A container, to be entered.
#[derive(Debug)]
pub struct Inside<'a> {
    /// Its first process.
    pub pidfd: BorrowedFd<'a>,
    /// Its root directory, `O_PATH`.
    pub root: OwnedFd,
    /// `CLONE_NEW*` of the namespaces that it does not share with us.
    pub kinds: u32,
    /// The id maps of its user namespace.
    pub maps: &'a IdMaps,
}

/// A mount that is not attached yet.
#[derive(Debug)]
struct Ready<'a> {
    mount: &'a Mount,
    tree: OwnedFd,
}

/// A hot mount's place and its number in the kernel, unique until the next boot where statx(2) has such numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hot {
    /// Its destination, clean.
    pub destination: String,
    /// The mount's number.
    pub id: u64,
}

/// What is entered: a pid namespace acts on children only, and nobody looks at our clock.
const ENTERED: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

impl Inside<'_> {
    /// Mounts all of `mounts`, or none. `note` is told what they are before the first is attached.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for what only a new container can have; what the kernel refused, with the mount's pointer.
    pub fn add(&self, mounts: &[Mount], note: impl FnOnce(Vec<Hot>) -> Result<()>) -> Result<()> {
        mounts.iter().try_for_each(refuse)?;
        let own = own_descriptors()?;
        let mut ready = Vec::new();
        let early = self.clone_sources(mounts)?;
        self.enter(early.is_none().then_some(mounts), &mut ready)?;
        ready.extend(early.into_iter().flatten());
        for mount in mounts {
            if let FsType::New { .. } = mount.kind {
                ready.push(Ready { mount, tree: self.make(mount)? });
            }
        }
        // In the order of the list: a later one may lie below an earlier one.
        ready.sort_by_key(|ready| ready.mount.index);
        note(ready.iter().map(Ready::hot).collect::<Result<_>>()?)?;
        for (done, next) in ready.iter().enumerate() {
            let Err(error) = self.attach(next) else { continue };
            let attached = ready.get(..done).unwrap_or_default().iter().rev();
            let undone = attached.map(|one| unmount(&own, &one.tree)).find(Result::is_err);
            return Err(match undone {
                Some(Err(undo)) => error.while_undoing(undo),
                Some(Ok(())) | None => error,
            });
        }
        Ok(())
    }

    /// Unmounts `mounts`, the last first; nothing when one of them is not what its destination shows.
    ///
    /// # Errors
    /// [`Kind::State`] then.
    pub fn remove(&self, mounts: &[Hot]) -> Result<()> {
        let own = own_descriptors()?;
        self.enter(None, &mut Vec::new())?;
        let mut found = Vec::new();
        for hot in mounts.iter().rev() {
            let target = text(&hot.destination)?;
            let seen = path::open_in_root(self.root.as_raw_fd(), &target, libc::O_PATH)
                .and_then(|fd| {
                    let fd = OwnedFd::from(fd);
                    Ok((path::mount_id(fd.as_raw_fd())?, fd))
                })
                .map_err(|errno| Error::kernel(format!("openat2({target:?})"), errno.0))?;
            // Of two at one place the upper one hides the lower one until it is gone.
            let hidden = found.iter().any(|(place, _)| *place == &hot.destination);
            if seen.0 != hot.id && !hidden {
                let problem = format!("{:?} shows another mount", hot.destination);
                return Err(Error::new(Kind::State, problem)
                    .hint("what was mounted over it in the container must be unmounted first"));
            }
            found.push((&hot.destination, seen.1));
        }
        for (hot, (_, fd)) in mounts.iter().rev().zip(found) {
            if path::mount_id(fd.as_raw_fd()).is_ok_and(|id| id == hot.id) {
                unmount(&own, &fd)?;
                continue;
            }
            let target = text(&hot.destination)?;
            let now = path::open_in_root(self.root.as_raw_fd(), &target, libc::O_PATH)
                .map_err(|errno| Error::kernel(format!("openat2({target:?})"), errno.0))?;
            unmount(&own, &OwnedFd::from(now))?;
        }
        Ok(())
    }

    /// The copies of what is bound; `None` when only the root of the container's user namespace may make them.
    fn clone_sources<'m>(&self, mounts: &'m [Mount]) -> Result<Option<Vec<Ready<'m>>>> {
        match self.copies(mounts) {
            Err(error)
                if error.errno() == Some(libc::EPERM)
                    && self.kinds & libc::CLONE_NEWUSER as u32 != 0 =>
            {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn copies<'m>(&self, mounts: &'m [Mount]) -> Result<Vec<Ready<'m>>> {
        let mut ready = Vec::new();
        for mount in mounts {
            let FsType::Bind { source, recursive } = &mount.kind else { continue };
            let own = |given: &Vec<_>, container: &Vec<_>| {
                if given.is_empty() { container.clone() } else { given.clone() }
            };
            let idmap = mount.idmap.as_ref().map(|idmap| {
                let (uid, gid) = (own(&idmap.uid, &self.maps.uid), own(&idmap.gid, &self.maps.gid));
                (uid, gid, idmap.recursive)
            });
            let tree = idmap::detach(&DetachedTree {
                source: text(&source.to_string())?,
                recursive: *recursive,
                idmap,
                propagation: libc::MS_PRIVATE,
                keeps_link: false,
                pointer: pointer(mount),
            })?;
            change(&tree, mount, mount.attrs)?;
            ready.push(Ready { mount, tree });
        }
        Ok(ready)
    }

    /// Becomes the container's root, who first makes the copies that we could not.
    fn enter<'m>(&self, copies: Option<&'m [Mount]>, ready: &mut Vec<Ready<'m>>) -> Result<()> {
        // What looks at us from inside may not touch us.
        nix::sys::prctl::set_dumpable(false).context(|| "prctl(PR_SET_DUMPABLE)")?;
        let user = self.kinds & libc::CLONE_NEWUSER as u32;
        if user != 0 {
            self.join(user)?;
            if let Some(mounts) = copies {
                ns::unshare(libc::CLONE_NEWNS as u32).context(|| "unshare(CLONE_NEWNS)")?;
                ready.extend(self.copies(mounts)?);
            }
        }
        self.join(self.kinds & ENTERED)?;
        if user != 0 {
            // What is made for a mount to lie on belongs to the container. A namespace without a root has no owner for it.
            let zero = (nix::unistd::Gid::from_raw(0), nix::unistd::Uid::from_raw(0));
            let became = nix::unistd::setresgid(zero.0, zero.0, zero.0)
                .and_then(|()| nix::unistd::setresuid(zero.1, zero.1, zero.1));
            match became {
                Ok(()) | Err(nix::errno::Errno::EINVAL) => {}
                Err(errno) => return Err(Error::kernel("setresuid(0)", errno as i32)),
            }
        }
        Ok(())
    }

    fn join(&self, kinds: u32) -> Result<()> {
        ns::join(self.pidfd.as_raw_fd(), kinds).map_err(|errno| {
            Error::kernel(format!("setns(pidfd, {kinds:#x})"), errno.0)
                .hint("enter it as the user who created it, or as root")
        })
    }

    /// A file system of its own, as the container would make it.
    fn make(&self, mount: &Mount) -> Result<OwnedFd> {
        let FsType::New { fs_type, source, data, flags, copy_up } = &mount.kind else {
            return Err(Error::new(Kind::Internal, "only new file systems are made"));
        };
        let place = self.target(mount, Create::Directory(0o755))?;
        let kind = text(fs_type)?;
        let refused = |call: String| {
            move |errno: Errno| {
                Error::kernel(call, errno.0).at(pointer(mount)).with_kind(Kind::Spec)
            }
        };
        let context = mount::fs_open(&kind).map_err(refused(format!("fsopen({fs_type:?})")))?;
        let context = OwnedFd::from(context);
        let set = |name: &str, value: Option<&str>| -> Result<()> {
            let (key, text) = (text(name)?, value.map(text).transpose()?);
            mount::fs_set(context.as_raw_fd(), &key, text.as_deref())
                .map_err(refused(format!("fsconfig({name:?}, {value:?})")))
        };
        if let Some(source) = source {
            set("source", Some(source))?;
        }
        flags.iter().try_for_each(|flag| set(flag, None))?;
        if fs_type == "tmpfs" && !data.iter().any(|word| word.starts_with("mode=")) {
            let mode = path::stat(place.as_raw_fd()).context(|| "fstat")?.mode & 0o7777;
            set("mode", Some(&format!("{mode:o}")))?;
        }
        for word in data {
            match word.split_once('=') {
                Some((name, value)) => set(name, Some(value))?,
                None => set(word, None)?,
            }
        }
        mount::fs_create(context.as_raw_fd()).map_err(refused(format!("create {fs_type:?}")))?;
        let first = if *copy_up { 0 } else { mount.attrs.set };
        let tree = mount::fs_mount(context.as_raw_fd(), first)
            .map_err(refused(format!("fsmount({fs_type:?})")))?;
        let tree = OwnedFd::from(tree);
        if *copy_up {
            rrun_sys::copy::tree(place.as_raw_fd(), tree.as_raw_fd())
                .map_err(refused("copy what it covers".to_owned()))?;
        }
        let rest = if *copy_up { mount.attrs } else { MountAttrs::default() };
        change(&tree, mount, rest)?;
        Ok(tree)
    }

    /// Where it goes, made if it is missing.
    fn target(&self, mount: &Mount, create: Create) -> Result<OwnedFd> {
        let destination = text(mount.destination.relative())?;
        resolve(self.root.as_raw_fd(), &destination, create).map(OwnedFd::from).map_err(|errno| {
            Error::kernel(
                format!("openat2({:?} in the container)", mount.destination.as_str()),
                errno.0,
            )
            .at(format!("{}/destination", pointer(mount)))
        })
    }

    fn attach(&self, ready: &Ready<'_>) -> Result<()> {
        let is_directory = path::stat(ready.tree.as_raw_fd()).context(|| "fstat")?.is_directory();
        let create = if is_directory { Create::Directory(0o755) } else { Create::File };
        let place = self.target(ready.mount, create)?;
        mount::attach(ready.tree.as_raw_fd(), place.as_raw_fd()).map_err(|errno| {
            let target = ready.mount.destination.as_str();
            Error::kernel(format!("move_mount({target:?})"), errno.0)
                .at(format!("{}/destination", pointer(ready.mount)))
        })
    }
}

impl Ready<'_> {
    fn hot(&self) -> Result<Hot> {
        let id = path::mount_id(self.tree.as_raw_fd()).context(|| "statx(STATX_MNT_ID)")?;
        Ok(Hot { destination: self.mount.destination.relative().to_owned(), id })
    }
}

fn refuse(mount: &Mount) -> Result<()> {
    let (what, fix) = match &mount.kind {
        _ if mount.links != Links::default() => {
            ("a mount of or on a symbolic link", "name where the link leads")
        }
        FsType::Cgroup => ("a cgroup mount", "put it into config.json"),
        FsType::Remount => ("a remount", "remove the mount and add it with other options"),
        FsType::New { fs_type, .. } if fs_type == "proc" => (
            "a procfs",
            "put it into config.json: only a process of the container can make one of it",
        ),
        FsType::Bind { .. } | FsType::New { .. } => return Ok(()),
    };
    let message = format!("{what} can't be added to a container that exists");
    Err(Error::unsupported(pointer(mount), message).hint(fix))
}

/// What is changed on a made mount: its own attributes, those of its tree, its propagation.
fn change(tree: &OwnedFd, mount: &Mount, own: MountAttrs) -> Result<()> {
    let attr = |attrs: MountAttrs| Attr { set: attrs.set, clear: attrs.clear, ..Attr::default() };
    let (mut own, mut all) = (attr(own), attr(mount.recursive_attrs));
    if let Some(propagation) = mount.propagation {
        let mode = match propagation.mode {
            PropagationMode::Shared => libc::MS_SHARED,
            PropagationMode::Slave => libc::MS_SLAVE,
            PropagationMode::Private => libc::MS_PRIVATE,
            PropagationMode::Unbindable => libc::MS_UNBINDABLE,
        };
        if propagation.recursive { all.propagation = mode } else { own.propagation = mode }
    }
    let changes = Changes { own, tree: all };
    for (attr, reach) in [(all, Reach::Tree), (own, Reach::One)] {
        if attr.is_empty() {
            continue;
        }
        mount::set_attr(tree.as_raw_fd(), c"", reach, &attr).map_err(|errno| {
            let bits = match errno {
                Errno(libc::EPERM) => mount::refused(tree.as_raw_fd(), reach, &attr),
                _ => 0,
            };
            let place = pointer(mount);
            locked::refused(&place, "mount_setattr", bits, &changes).unwrap_or_else(|| {
                Error::kernel("mount_setattr", errno.0).at(format!("{place}/options"))
            })
        })?;
    }
    Ok(())
}

/// The directory of our descriptors, in the host's procfs.
fn own_descriptors() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open("/proc/self/fd", flags, Mode::empty()).context(|| "open /proc/self/fd")
}

/// Detaches the mount that `tree` is the root of, wherever it is.
fn unmount(own: &OwnedFd, tree: &OwnedFd) -> Result<()> {
    let name = text(&tree.as_raw_fd().to_string())?;
    mount::change_directory_to(own.as_raw_fd()).context(|| "fchdir(/proc/self/fd)")?;
    mount::detach_named(&name).map_err(|errno| Error::kernel("umount2(MNT_DETACH)", errno.0))
}

fn pointer(mount: &Mount) -> String {
    format!("/mounts/{}", mount.index)
}

fn text(text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::new(Kind::Spec, format!("{text:?} has a NUL byte")).hint("remove it"))
}
