//! What the parent opens for the child before there is one: everything that is a name in the plan and a descriptor in the
//! script.
//!
//! It refuses to know what the child does with it. What a newcomer would get wrong: the child could open most of this
//! itself, and some of it would then be the container's file of that name.

use super::cgroup::Cgroup;
use super::fault::point;
use super::opened::{HookFiles, Opened};
use super::socket::Address;
use super::{Launch, gate, hooks, idmap};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::plan::step::Act;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use rrun_sys::mount;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

impl Launch<'_> {
    /// What the child will need by descriptor; and of it, the memory files that are written once there is a container to
    /// write about.
    pub(super) fn open(&self, cgroup: &Cgroup) -> Result<(Opened, Vec<File>)> {
        let mut opened = Opened::default();
        let mut files = Vec::new();
        let plan = self.plan;
        let has = |wanted: fn(&Act) -> bool| plan.steps.iter().any(|step| wanted(&step.act));
        if has(|act| {
            matches!(act, Act::Sysctl { .. } | Act::Label { .. } | Act::TimeNamespace { .. })
        }) {
            opened.proc = Some(private_proc()?);
        }
        if has(|act| *act == Act::JoinCgroups) {
            opened.tasks = cgroup.open_tasks()?;
            point("open cgroups")?;
        }
        let hook = plan.steps.iter().find_map(|step| match &step.act {
            Act::Hook(hook) => Some(hook),
            _ => None,
        });
        if let Some(hook) = hook {
            let state = hooks::memory_file("")?;
            opened.hooks =
                Some(HookFiles::of(&state, [hook.stdout.as_deref(), hook.stderr.as_deref()])?);
            files.push(state);
        }
        if let Some((path, _)) = &plan.notify {
            let file = hooks::memory_file("")?;
            opened.notify = Some((connect_listener(path)?, file.try_clone()?.into()));
            files.push(file);
        }
        for join in &plan.joins {
            point("open a namespace")?;
            opened.joins.push(match self.init {
                Some(init) => init.try_clone_to_owned()?,
                None => File::open(join.path.as_path())
                    .map_err(|error| Error::from(error).with_kind(Kind::Spec))
                    .map_err(|error| error.at(join.pointer.clone()))
                    .context(|| format!("open namespace {}", join.path))?
                    .into(),
            });
        }
        if let Some(init) = self.init.filter(|_| has(|act| *act == Act::EnterRoot)) {
            opened.root = Some(root_of(init)?);
        }
        for tree in &plan.detached {
            point("clone a mount")?;
            opened.detached.push(idmap::detach(tree)?);
        }
        if let Some([input, output, errors]) = self.streams {
            opened.streams =
                Some([above_streams(input)?, above_streams(output)?, above_streams(errors)?]);
        }
        if has(|act| *act == Act::Gate) {
            opened.gate = Some(gate::listen(self.directory)?);
            point("gate")?;
        }
        Ok((opened, files))
    }
}

/// The same file by a number that is no standard stream's (the standard library's duplicates begin above those): they are
/// put there one after the other.
fn above_streams(stream: BorrowedFd<'_>) -> Result<OwnedFd> {
    stream.try_clone_to_owned().context(|| "duplicate a stream")
}

/// The root directory of a container's first process.
fn root_of(init: BorrowedFd<'_>) -> Result<OwnedFd> {
    let pid = gate::pid_of(init)?;
    let path = format!("/proc/{pid}/root");
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
    let root = options.open(&path).context(|| format!("open {path}"))?;
    // It lives: the number was its own all the time.
    gate::pid_of(init)?;
    Ok(root.into())
}

/// A procfs that nothing is mounted over. Without the privilege for one: the host's, proved to be procfs; every open in
/// it refuses to cross a mount.
fn private_proc() -> Result<OwnedFd> {
    let fresh = mount::fs_open(c"proc").and_then(|context| {
        let context = OwnedFd::from(context);
        mount::fs_create(context.as_raw_fd())?;
        mount::fs_mount(context.as_raw_fd(), mount::ATTR_NOSUID | mount::ATTR_NODEV)
    });
    if let Ok(fresh) = fresh {
        return Ok(fresh.into());
    }
    let host = File::open("/proc").context(|| "open /proc")?;
    let kind = nix::sys::statfs::fstatfs(&host)?.filesystem_type();
    if kind != nix::sys::statfs::PROC_SUPER_MAGIC {
        return Err(Error::new(Kind::Host, "/proc is no procfs").hint("mount proc on /proc"));
    }
    Ok(host.into())
}

/// The seccomp agent's socket.
fn connect_listener(path: &str) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let short = Address::of(Path::new(path))?;
    let connected =
        UnixAddr::new(short.path()).and_then(|address| connect(socket.as_raw_fd(), &address));
    connected.map_err(|errno| {
        Error::kernel(format!("connect({path:?})"), errno as i32)
            .at("/linux/seccomp/listenerPath")
            .hint("start the seccomp agent that listens there")
    })?;
    Ok(socket)
}
