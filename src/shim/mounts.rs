//! The mounts that containerd's snapshotter asks for, below a bundle.
//!
//! It knows mount(8)'s words for the flags of mount(2); what it does not know is data for the file system. What a
//! newcomer would get wrong: an overlay of many layers has more data than the page that mount(2) takes. The layers lie
//! side by side, so they are named from the directory they share, which a thread of its own enters: the working
//! directory is otherwise the whole process's. Where that is still too much, each layer is told on its own, as kernels
//! since 6.7 take it.

mod idmapped;

use containerd_shim_protos::api::Mount;
use idmapped::Ids;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun_sys::mount as kernel;
use std::ffi::{CString, OsString};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What mount(2) reads of its data: a page, whose last byte ends it.
const MOST_DATA: usize = 4095;

/// What is propagated to mounts elsewhere, set by a call of its own.
const PROPAGATION: MsFlags = MsFlags::MS_PRIVATE
    .union(MsFlags::MS_SHARED)
    .union(MsFlags::MS_SLAVE)
    .union(MsFlags::MS_UNBINDABLE);

/// Options, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    flags: MsFlags,
    propagation: MsFlags,
    data: Vec<String>,
}

impl Options {
    fn of(words: &[String]) -> Self {
        let mut this =
            Self { flags: MsFlags::empty(), propagation: MsFlags::empty(), data: Vec::new() };
        for word in words {
            match flag(word) {
                Some((flags, _)) if flags.intersects(PROPAGATION) => this.propagation = flags,
                Some((flags, true)) => this.flags |= flags,
                Some((flags, false)) => this.flags &= !flags,
                None => this.data.push(word.clone()),
            }
        }
        this
    }
}

/// A word of mount(8): its flags, and whether it sets them.
fn flag(word: &str) -> Option<(MsFlags, bool)> {
    let recursive = MsFlags::MS_REC;
    Some(match word {
        "defaults" => (MsFlags::empty(), true),
        "ro" => (MsFlags::MS_RDONLY, true),
        "rw" => (MsFlags::MS_RDONLY, false),
        "nosuid" => (MsFlags::MS_NOSUID, true),
        "suid" => (MsFlags::MS_NOSUID, false),
        "nodev" => (MsFlags::MS_NODEV, true),
        "dev" => (MsFlags::MS_NODEV, false),
        "noexec" => (MsFlags::MS_NOEXEC, true),
        "exec" => (MsFlags::MS_NOEXEC, false),
        "sync" => (MsFlags::MS_SYNCHRONOUS, true),
        "async" => (MsFlags::MS_SYNCHRONOUS, false),
        "dirsync" => (MsFlags::MS_DIRSYNC, true),
        "remount" => (MsFlags::MS_REMOUNT, true),
        "noatime" => (MsFlags::MS_NOATIME, true),
        "atime" => (MsFlags::MS_NOATIME, false),
        "nodiratime" => (MsFlags::MS_NODIRATIME, true),
        "diratime" => (MsFlags::MS_NODIRATIME, false),
        "relatime" => (MsFlags::MS_RELATIME, true),
        "norelatime" => (MsFlags::MS_RELATIME, false),
        "strictatime" => (MsFlags::MS_STRICTATIME, true),
        "nostrictatime" => (MsFlags::MS_STRICTATIME, false),
        "bind" => (MsFlags::MS_BIND, true),
        "rbind" => (MsFlags::MS_BIND | recursive, true),
        "private" => (MsFlags::MS_PRIVATE, true),
        "rprivate" => (MsFlags::MS_PRIVATE | recursive, true),
        "shared" => (MsFlags::MS_SHARED, true),
        "rshared" => (MsFlags::MS_SHARED | recursive, true),
        "slave" => (MsFlags::MS_SLAVE, true),
        "rslave" => (MsFlags::MS_SLAVE | recursive, true),
        "unbindable" => (MsFlags::MS_UNBINDABLE, true),
        "runbindable" => (MsFlags::MS_UNBINDABLE | recursive, true),
        _ => return None,
    })
}

/// Mounts all of `mounts` on `rootfs`, each over the one before; on failure none stays.
///
/// # Errors
/// [`Kind::Kernel`] as mount(2); [`Kind::Unsupported`] for a mount that takes more than the kernel's own call.
pub fn mount_all(mounts: &[Mount], rootfs: &Path) -> Result<()> {
    for (number, mount) in mounts.iter().enumerate() {
        let doing = || format!("mount the rootfs (mount {number}, {:?})", mount.type_);
        let mounted = target(rootfs, &mount.target).and_then(|at| one(mount, &at));
        if let Err(error) = mounted.context(doing) {
            return Err(match unmount_all(rootfs) {
                Ok(()) => error,
                Err(left) => error.while_undoing(left),
            });
        }
    }
    Ok(())
}

/// A place in the rootfs; containerd names none but the rootfs itself.
fn target(rootfs: &Path, within: &str) -> Result<PathBuf> {
    match within {
        "" | "/" => Ok(rootfs.to_owned()),
        _ => Err(Error::new(Kind::Unsupported, format!("a mount on {within:?} in the rootfs"))
            .hint("let the snapshotter mount on the rootfs itself")),
    }
}

fn one(wanted: &Mount, at: &Path) -> Result<()> {
    let mut options = Options::of(&wanted.options);
    let ids = Ids::taken_from(&mut options.data)?;
    let Options { flags, propagation, data } = &options;
    let (flags, propagation) = (*flags, *propagation);
    if let Some(word) = data.iter().find(|word| *word == "loop" || word.starts_with("X-containerd"))
    {
        return Err(Error::new(Kind::Unsupported, format!("the mount option {word:?}")).hint(
            "let containerd's mount manager prepare this mount, or use another snapshotter",
        ));
    }
    let kind = Some(wanted.type_.as_str()).filter(|kind| !kind.is_empty());
    let is_bind = flags.contains(MsFlags::MS_BIND) && !flags.contains(MsFlags::MS_REMOUNT);
    let text = data.join(",");
    if let Some(ids) = ids {
        match kind {
            _ if is_bind => {
                let recursive = flags.contains(MsFlags::MS_REC);
                idmapped::bind(&ids, Path::new(&wanted.source), recursive, at)?;
            }
            Some("overlay") => idmapped::overlay(&ids, &wanted.source, &options, at)?,
            _ => {
                return Err(Error::new(Kind::Unsupported, "uidmap= of neither overlay nor bind"));
            }
        }
    } else if text.len() > MOST_DATA {
        in_shared_directory(wanted, flags, data, at)?;
    } else {
        let data = Some(text.as_str()).filter(|text| !text.is_empty());
        // A bind mount takes no other flag at first.
        let first = if is_bind { flags & (MsFlags::MS_BIND | MsFlags::MS_REC) } else { flags };
        let source = Some(wanted.source.as_str());
        mount(source, at, kind, first, data).context(|| format!("mount {:?}", wanted.source))?;
    }
    if is_bind && !(flags - MsFlags::MS_BIND - MsFlags::MS_REC).is_empty() {
        let again = flags | MsFlags::MS_REMOUNT;
        mount(None::<&str>, at, None::<&str>, again, None::<&str>).context(|| "remount")?;
    }
    if !propagation.is_empty() {
        mount(None::<&str>, at, None::<&str>, propagation, None::<&str>)
            .context(|| "set the propagation")?;
    }
    Ok(())
}

/// mount(2) with paths that begin at the directory all layers share.
fn in_shared_directory(wanted: &Mount, flags: MsFlags, data: &[String], at: &Path) -> Result<()> {
    let (shared, short) = match shortened(data) {
        Some(shortened) if shortened.1.len() <= MOST_DATA => shortened,
        _ => return layer_by_layer(wanted, flags, data, at),
    };
    let there = || -> Result<()> {
        unshare(CloneFlags::CLONE_FS).context(|| "unshare the working directory")?;
        nix::unistd::chdir(&shared).context(|| format!("chdir {}", shared.display()))?;
        let kind = Some(wanted.type_.as_str());
        mount(Some(wanted.source.as_str()), at, kind, flags, Some(short.as_str()))
            .context(|| format!("mount {:?}", wanted.source))
    };
    on_a_thread(there)
}

/// Does what changes the calling thread for good on one that ends with it.
fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work);
        match thread.context(|| "start a thread for a mount")?.join() {
            Ok(done) => done,
            Err(_) => Err(Error::new(Kind::Internal, "the thread for a mount ended")),
        }
    })
}

/// Attaches a detached mount to a directory.
fn attach(detached: &OwnedFd, at: &Path) -> Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let place = nix::fcntl::open(at, flags, Mode::empty());
    let place = place.context(|| format!("open {}", at.display()))?;
    kernel::attach(detached.as_raw_fd(), place.as_raw_fd())
        .context(|| format!("attach it to {}", at.display()))
}

/// What a mount takes that is made from a superblock's parameters.
const ATTRIBUTES: [(MsFlags, u64); 4] = [
    (MsFlags::MS_RDONLY, kernel::ATTR_RDONLY),
    (MsFlags::MS_NOSUID, kernel::ATTR_NOSUID),
    (MsFlags::MS_NODEV, kernel::ATTR_NODEV),
    (MsFlags::MS_NOEXEC, kernel::ATTR_NOEXEC),
];

/// fsconfig(2), which takes each layer as a parameter of its own.
fn layer_by_layer(wanted: &Mount, flags: MsFlags, data: &[String], at: &Path) -> Result<()> {
    let too_long = |parameter: &str, why: Errno| {
        let text = format!("the mount's options are longer than a page, and {parameter:?}: {why}");
        Error::new(Kind::Unsupported, text)
            .hint("build the image with fewer layers, or use Linux 6.7 or later")
    };
    let known: MsFlags = ATTRIBUTES.iter().map(|(flag, _)| *flag).collect();
    if !(flags - known).is_empty() {
        return Err(too_long(&format!("{:?}", flags - known), Errno::EOPNOTSUPP));
    }
    let text = |text: &str| CString::new(text).map_err(|_| too_long(text, Errno::EINVAL));
    let errno = |errno: rrun_sys::Errno| Errno::from_raw(errno.0);
    let context = kernel::fs_open(&text(&wanted.type_)?)
        .map_err(|error| too_long(&wanted.type_, errno(error)))?;
    let context = OwnedFd::from(context);
    let set = |key: &str, value: Option<&str>| -> Result<()> {
        let given = value.map(text).transpose()?;
        kernel::fs_set(context.as_raw_fd(), &text(key)?, given.as_deref())
            .map_err(|error| too_long(value.unwrap_or(key), errno(error)))
    };
    if flags.contains(MsFlags::MS_RDONLY) {
        set("ro", None)?;
    }
    for word in data {
        match word.split_once('=') {
            Some(("lowerdir", layers)) => {
                layers.split(':').try_for_each(|layer| set("lowerdir+", Some(layer)))?;
            }
            Some((key, value)) => set(key, Some(value))?,
            None => set(word, None)?,
        }
    }
    let attributes = ATTRIBUTES.iter().filter(|(flag, _)| flags.contains(*flag));
    let attributes = attributes.fold(0, |all, (_, one)| all | one);
    kernel::fs_create(context.as_raw_fd())
        .and_then(|()| kernel::fs_mount(context.as_raw_fd(), attributes))
        .map_err(Error::from)
        .and_then(|mount| attach(&OwnedFd::from(mount), at))
        .context(|| format!("mount {:?} layer by layer", wanted.source))
}

/// The directory that all layers of `lowerdir=` lie below, and the options with names relative to it. Only `lowerdir`
/// grows with an image; where it is not absolute, or nothing is shared, there is nothing to gain.
fn shortened(data: &[String]) -> Option<(PathBuf, String)> {
    let lower = data.iter().find_map(|word| word.strip_prefix("lowerdir="))?;
    let layers: Vec<&Path> = lower.split(':').map(Path::new).collect();
    let mut shared = layers.first()?.parent()?.to_owned();
    while !layers.iter().all(|layer| layer.starts_with(&shared)) {
        shared = shared.parent()?.to_owned();
    }
    if shared == Path::new("/") || !shared.is_absolute() {
        return None;
    }
    let relative: Option<Vec<_>> =
        layers.iter().map(|layer| layer.strip_prefix(&shared).ok()?.to_str()).collect();
    let lower = format!("lowerdir={}", relative?.join(":"));
    let words = data.iter().map(|word| match word.starts_with("lowerdir=") {
        true => lower.as_str(),
        false => word.as_str(),
    });
    Some((shared.clone(), words.collect::<Vec<_>>().join(",")))
}

/// Unmounts everything at and below `directory`, the latest first; what is busy goes when its last user does. Nothing there
/// is success.
///
/// # Errors
/// [`Kind::Kernel`] as umount2(2).
pub fn unmount_all(directory: &Path) -> Result<()> {
    let Some((parent, name)) = directory.parent().zip(directory.file_name()) else { return Ok(()) };
    // The last name is not followed: a container may have made a link of what it was given to write to.
    let Ok(parent) = parent.canonicalize() else { return Ok(()) };
    let mountinfo = fs::read("/proc/self/mountinfo").context(|| "read /proc/self/mountinfo")?;
    for point in mounts_at_or_below(&mountinfo, &parent.join(name)).into_iter().rev() {
        let lazily = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
        let done = match umount2(&point, MntFlags::UMOUNT_NOFOLLOW) {
            Err(Errno::EBUSY) => umount2(&point, lazily),
            other => other,
        };
        match done {
            // Gone with one that it was a copy of, or with its mount above.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(errno).context(|| format!("unmount {}", point.display())),
        }
    }
    Ok(())
}

/// The mount points of /proc/self/mountinfo at or below a directory, in the order of mounting.
fn mounts_at_or_below(mountinfo: &[u8], directory: &Path) -> Vec<PathBuf> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
        .filter(|point| point.starts_with(directory))
        .collect()
}

/// A path as mountinfo writes it: `\040` for a space.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn later_words_undo_earlier_ones_and_the_rest_is_data() {
        let options = Options::of(&words("ro,nosuid,rw,index=off,lowerdir=/a:/b,rslave"));
        assert_eq!(options.flags, MsFlags::MS_NOSUID);
        assert_eq!(options.propagation, MsFlags::MS_SLAVE | MsFlags::MS_REC);
        assert_eq!(options.data, ["index=off", "lowerdir=/a:/b"]);
    }

    #[test]
    fn layers_are_named_from_what_they_share() {
        let data = words("workdir=/s/3/work,upperdir=/s/3/fs,lowerdir=/s/2/fs:/s/1/fs");
        let (shared, short) = shortened(&data).expect("a shared directory");
        assert_eq!(shared, Path::new("/s"));
        assert_eq!(short, "workdir=/s/3/work,upperdir=/s/3/fs,lowerdir=2/fs:1/fs");
        assert_eq!(shortened(&words("lowerdir=/a/fs:/b/fs")), None);
        assert_eq!(shortened(&words("lowerdir=a/fs:a/b")), None);
        assert_eq!(shortened(&words("upperdir=/a")), None);
    }

    #[test]
    fn mounts_are_found_by_whole_names_in_the_order_of_mounting() {
        let mountinfo = b"1 0 0:1 / /b/rootfs rw - overlay overlay rw\n\
            2 1 0:2 / /b/rootfs/proc rw shared:1 - proc proc rw\n\
            3 0 0:3 / /b/rootfs2 rw - tmpfs t rw\n\
            4 1 0:4 / /b/rootfs/a\\040b\\134c rw - tmpfs t rw\n\
            5 0 0:5 / / rw - ext4 /dev/vda rw\n";
        let found = mounts_at_or_below(mountinfo, Path::new("/b/rootfs"));
        let want = ["/b/rootfs", "/b/rootfs/proc", "/b/rootfs/a b\\c"];
        assert_eq!(found, want.map(PathBuf::from));
        assert_eq!(unescape(b"x\\04"), "x\\04");
    }
}
