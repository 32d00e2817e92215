//! A cgroup plan is performed.
//!
//! It knows the order: directories, controllers, limits; and what the kernel's refusals mean.
//! What a newcomer would get wrong: the usual start finds everything prepared. One mkdir makes the cgroup, one read of
//! its `cgroup.controllers` shows that they all arrive; the walk over the ancestors is for the first container only.

use super::Cgroup;
use super::directory::Directory;
use super::events::Events;
use super::remove::rmdir;
use crate::error::{Error, Kind, Result, describe_errno};
use crate::host::cgroup::below;
use crate::launch::fault::point;
use crate::plan::cgroup::{Absent, CgroupPlan, Enable, Place, Setting, V1Place, Write};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, mkdirat};
use rrun_sys::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Makes the cgroup; on failure removes what was made, innermost first, and nothing else.
pub fn make(plan: &CgroupPlan) -> Result<(Cgroup, Option<OwnedFd>)> {
    let mut made = Vec::new();
    perform(plan, &mut made).map_err(|error| undo(&made, error))
}

fn perform(plan: &CgroupPlan, made: &mut Vec<PathBuf>) -> Result<(Cgroup, Option<OwnedFd>)> {
    let mut cgroup = Cgroup::default();
    let mut opened = None;
    if let Some(place) = &plan.unified {
        let path = below(&place.mount, &place.path);
        let fresh = Fresh::make(&path, &place.mount, made)?;
        if fresh == Fresh::No {
            refuse_if_used(&path)?;
        }
        let directory = Directory::open(&path)?;
        furnish(place, &path, &directory)?;
        cgroup.unified = Some(path);
        opened = Some(directory.into());
        cgroup.had_leftovers = fresh == Fresh::No;
    }
    for v1 in &plan.v1 {
        cgroup.v1.push(perform_v1(v1, made)?);
    }
    let is_leaf =
        |path: &PathBuf| cgroup.unified.as_ref() == Some(path) || cgroup.v1.contains(path);
    cgroup.ancestors = made.iter().filter(|path| !is_leaf(path)).cloned().collect();
    Ok((cgroup, opened))
}

/// Controllers, limits and owner of one that is there.
pub fn furnish(place: &Place, path: &Path, directory: &Directory) -> Result<()> {
    point("enable controllers")?;
    enable(place, directory)?;
    apply(place, path, directory)?;
    if let Some(uid) = place.owner {
        point("hand the cgroup over")?;
        hand_over(path, directory, uid)?;
    }
    Ok(())
}

fn perform_v1(v1: &V1Place, made: &mut Vec<PathBuf>) -> Result<PathBuf> {
    let place = &v1.place;
    let path = below(&place.mount, &place.path);
    if Fresh::make(&path, &place.mount, made)? == Fresh::No {
        refuse_if_used_v1(&path)?;
    }
    if v1.inherits_cpuset {
        point("fill cpusets")?;
        fill_cpusets(place)?;
    }
    apply(place, &path, &Directory::open(&path)?)?;
    Ok(path)
}

/// Makes one in one v1 hierarchy, for a container that is there already; the answer is what was made, outermost first.
pub fn make_v1(v1: &V1Place) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    match perform_v1(v1, &mut made) {
        Ok(_) => Ok(made),
        Err(error) => Err(undo(&made, error)),
    }
}

fn undo(made: &[PathBuf], mut error: Error) -> Error {
    for path in made.iter().rev() {
        // Gone, or another container is below it by now: then it is no longer ours to remove.
        match rmdir(path) {
            Ok(()) | Err(libc::ENOENT | libc::EBUSY | libc::ENOTEMPTY) => {}
            Err(errno) => {
                error = error.while_undoing(Error::kernel(format!("rmdir({path:?})"), errno));
            }
        }
    }
    error
}

/// Whether a directory is ours from birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Yes,
    No,
}

impl Fresh {
    /// Makes `path` and what is missing above it, below `mount`; appends what it made to `made`.
    fn make(path: &Path, mount: &Path, made: &mut Vec<PathBuf>) -> Result<Self> {
        point("make a cgroup")?;
        // A container that ends may take an emptied ancestor with it between two of our calls: start over, a few times.
        for _ in 0..8 {
            match mkdir(path) {
                Ok(()) => {
                    made.push(path.to_owned());
                    return Ok(Self::Yes);
                }
                Err(Errno(libc::EEXIST)) => return Ok(Self::No),
                Err(Errno(libc::ENOENT)) => make_ancestors(path, mount, made)?,
                Err(errno) => return Err(not_made(path, errno)),
            }
        }
        Err(not_made(path, Errno(libc::ENOENT)))
    }
}

fn make_ancestors(path: &Path, mount: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    for ancestor in ancestors(path, mount).skip(1) {
        match mkdir(ancestor) {
            Ok(()) => made.push(ancestor.to_owned()),
            Err(Errno(libc::EEXIST)) => {}
            // Removed under us; the caller starts over.
            Err(Errno(libc::ENOENT)) if ancestor.parent() != Some(mount) => return Ok(()),
            Err(errno) => return Err(not_made(ancestor, errno)),
        }
    }
    Ok(())
}

/// `mount` and every directory between it and `path`, outermost first, without `path` itself.
fn ancestors<'a>(path: &'a Path, mount: &'a Path) -> impl Iterator<Item = &'a Path> {
    let inner: Vec<_> = path.ancestors().skip(1).take_while(|one| one.starts_with(mount)).collect();
    inner.into_iter().rev()
}

fn mkdir(path: &Path) -> std::result::Result<(), Errno> {
    mkdirat(AT_FDCWD, path, Mode::from_bits_truncate(0o755)).map_err(|errno| Errno(errno as i32))
}

fn not_made(path: &Path, errno: Errno) -> Error {
    let error = Error::kernel(format!("mkdir({path:?})"), errno.0);
    match errno.0 {
        libc::EACCES | libc::EPERM | libc::EROFS => error
            .with_kind(Kind::Denied)
            .hint("name a linux.cgroupsPath that this user may create, or run as root"),
        libc::EAGAIN => error.hint("raise cgroup.max.descendants or cgroup.max.depth above it"),
        _ => error,
    }
}

/// A cgroup that is there already is taken over only when nobody is in it: two containers in one would kill each other,
/// and a frozen one would never start.
fn refuse_if_used(path: &Path) -> Result<()> {
    let state = Events::open(path)?.read()?;
    if state.populated {
        return Err(in_use(path));
    }
    if state.frozen {
        return Err(Error::new(Kind::State, format!("cgroup {} is frozen", path.display()))
            .at("/linux/cgroupsPath")
            .hint("thaw it, or name another one"));
    }
    Ok(())
}

/// The same questions for places that are not made.
pub fn check_free(plan: &CgroupPlan) -> Result<()> {
    let there = |place: &Place| Some(below(&place.mount, &place.path)).filter(|path| path.is_dir());
    if let Some(path) = plan.unified.as_ref().and_then(there) {
        refuse_if_used(&path)?;
    }
    plan.v1.iter().filter_map(|v1| there(&v1.place)).try_for_each(|path| refuse_if_used_v1(&path))
}

fn refuse_if_used_v1(path: &Path) -> Result<()> {
    let call = || format!("read({}/cgroup.procs)", path.display());
    let procs = Directory::open(path)?.read("cgroup.procs");
    match procs.map_err(|errno| Error::kernel(call(), errno.0))?.is_empty() {
        true => Ok(()),
        false => Err(in_use(path)),
    }
}

fn in_use(path: &Path) -> Error {
    Error::new(Kind::Exists, format!("cgroup {} already has processes", path.display()))
        .at("/linux/cgroupsPath")
        .hint("name another one, or end those processes")
}

/// Lets the controllers of the plan reach the cgroup. One that nothing needs is no error when it can't.
pub fn enable(place: &Place, leaf: &Directory) -> Result<()> {
    let leaf_path = below(&place.mount, &place.path);
    let missing = lacking(&place.enable, leaf, "cgroup.controllers", &leaf_path)?;
    if missing.is_empty() {
        return Ok(());
    }
    for path in ancestors(&leaf_path, &place.mount) {
        let ancestor = Directory::open(path)?;
        let mut here = lacking(&place.enable, &ancestor, "cgroup.subtree_control", path)?;
        here.retain(|one| missing.iter().any(|other| other.controller == one.controller));
        let all: Vec<_> = here.iter().map(|one| format!("+{}", one.controller)).collect();
        if all.is_empty() || ancestor.write("cgroup.subtree_control", &all.join(" ")).is_ok() {
            continue;
        }
        // Together they stand or fall; one by one, what can be enabled is.
        for one in here {
            let written = ancestor.write("cgroup.subtree_control", &format!("+{}", one.controller));
            if let (Err(errno), Some(pointer)) = (written, &one.pointer) {
                return Err(not_enabled(path, one, errno).at(pointer.clone()));
            }
        }
    }
    Ok(())
}

/// Those of `wanted` that `file` does not list.
fn lacking<'a>(
    wanted: &'a [Enable],
    directory: &Directory,
    file: &str,
    path: &Path,
) -> Result<Vec<&'a Enable>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let listed = directory
        .read(file)
        .map_err(|errno| Error::kernel(format!("read({}/{file})", path.display()), errno.0))?;
    let has = |one: &Enable| listed.split_whitespace().any(|name| name == one.controller);
    Ok(wanted.iter().filter(|one| !has(one)).collect())
}

fn not_enabled(path: &Path, one: &Enable, errno: Errno) -> Error {
    let call = format!("write({}/cgroup.subtree_control, \"+{}\")", path.display(), one.controller);
    let error = Error::kernel(call, errno.0).with_kind(Kind::Host);
    match errno.0 {
        libc::EBUSY => error.hint(
            "that cgroup has processes of its own, and the kernel lets only one without any hand controllers down; \
             name a linux.cgroupsPath elsewhere",
        ),
        libc::ENOENT => error.hint("the controller does not reach that cgroup; enable it above"),
        libc::EOPNOTSUPP => error.hint("that cgroup is threaded; name a linux.cgroupsPath elsewhere"),
        libc::EACCES | libc::EPERM | libc::EROFS => {
            error.hint("that cgroup is not delegated to this user; name one that is, or run as root")
        }
        _ => error,
    }
}

/// Gives `uid` the directory and the files that the kernel lists in /sys/kernel/cgroup/delegate: enough to make cgroups
/// below and move processes among them, and nothing that would lift a limit.
fn hand_over(path: &Path, directory: &Directory, uid: u32) -> Result<()> {
    let listed = std::fs::read_to_string("/sys/kernel/cgroup/delegate");
    let listed =
        listed.unwrap_or_else(|_| "cgroup.procs cgroup.subtree_control cgroup.threads".into());
    for file in std::iter::once(".").chain(listed.split_whitespace()) {
        let owner = Some(nix::unistd::Uid::from_raw(uid));
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        match nix::unistd::fchownat(directory, file, owner, None, flags) {
            // Files of controllers that are not enabled are listed too.
            Ok(()) | Err(nix::errno::Errno::ENOENT) => {}
            Err(errno) => {
                let call = format!("fchownat({}/{file}, {uid})", path.display());
                return Err(Error::kernel(call, errno as i32));
            }
        }
    }
    Ok(())
}

/// Copies cpus and mems down to every cpuset on the way that is still empty.
fn fill_cpusets(place: &Place) -> Result<()> {
    let leaf = below(&place.mount, &place.path);
    let chain: Vec<_> = ancestors(&leaf, &place.mount).chain([&*leaf]).collect();
    for pair in chain.windows(2) {
        let (parent, child) = (Directory::open(pair[0])?, Directory::open(pair[1])?);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let copy = || match child.read(file)?.trim().is_empty() {
                true => child.write(file, parent.read(file)?.trim()),
                false => Ok(()),
            };
            copy().map_err(|errno: Errno| {
                Error::kernel(format!("copy {file} from {:?} to {:?}", pair[0], pair[1]), errno.0)
            })?;
        }
    }
    Ok(())
}

fn apply(place: &Place, path: &Path, directory: &Directory) -> Result<()> {
    place.settings.iter().try_for_each(|setting| {
        point("write a limit")?;
        apply_one(setting, path, directory)
    })
}

pub fn apply_one(setting: &Setting, path: &Path, directory: &Directory) -> Result<()> {
    let (file, limit, pointer) = match setting {
        Setting::Write(write) => return apply_write(write, path, directory),
        Setting::RefuseIfUsed { file, limit, pointer } => (file, limit, pointer),
    };
    let used = directory
        .read(file)
        .map_err(|errno| Error::kernel(format!("read({}/{file})", path.display()), errno.0))?;
    match used.trim().parse::<u64>() {
        Ok(used) if used >= *limit => {
            let message = format!("memory limit {limit} is below the {used} in use");
            Err(Error::new(Kind::State, message)
                .at(pointer.clone())
                .hint("set a higher limit, or leave checkBeforeUpdate out"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn apply_write(write: &Write, path: &Path, directory: &Directory) -> Result<()> {
    let refused =
        |file: &str, value: &str, errno| limit_refused(path, file, value, errno, &write.pointer);
    match write_lines(directory, &write.file, &write.value) {
        Ok(()) => Ok(()),
        Err(Errno(libc::ENOENT)) => match &write.absent {
            Absent::Ignored => Ok(()),
            Absent::Fails => Err(refused(&write.file, &write.value, Errno(libc::ENOENT))),
            Absent::Instead(file, value) => {
                write_lines(directory, file, value).map_err(|errno| refused(file, value, errno))
            }
        },
        Err(errno) => Err(refused(&write.file, &write.value, errno)),
    }
}

fn write_lines(directory: &Directory, file: &str, value: &str) -> std::result::Result<(), Errno> {
    match value.contains('\n') {
        false => directory.write(file, value),
        true => value.lines().try_for_each(|line| directory.write(file, line)),
    }
}

fn limit_refused(path: &Path, file: &str, value: &str, errno: Errno, pointer: &str) -> Error {
    let call = format!("write({}/{file}, {value:?})", path.display());
    let (kind, hint) = match errno.0 {
        libc::ENOENT => (Kind::Host, "this kernel has no such file; remove the field"),
        libc::EINVAL | libc::ERANGE => (Kind::Spec, "the kernel takes no such value; correct it"),
        libc::EBUSY => (Kind::State, "more than that is in use already; set a higher limit"),
        libc::ENODEV => (Kind::Spec, "name a device that exists and is no partition"),
        libc::EOPNOTSUPP => {
            (Kind::Host, "this device or kernel does not support it; remove the field")
        }
        libc::EACCES | libc::EPERM => {
            (Kind::Denied, "the cgroup is not delegated, or a cgroup above forbids it")
        }
        _ => return Error::kernel(call, errno.0).at(pointer.to_owned()),
    };
    Error::new(kind, format!("{call}: {}", describe_errno(errno.0)))
        .with_call(call, errno.0)
        .at(pointer.to_owned())
        .hint(hint)
}
