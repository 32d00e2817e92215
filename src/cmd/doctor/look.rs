//! What a start would stumble over after the plan: files, limits and names that are or are not there.
//!
//! It looks; it makes nothing. What a newcomer would get wrong: the privilege for a higher limit is one of the first user
//! namespace, and a container with users of its own has left that.

use super::Refusal;
use super::host::on_path;
use crate::plan::{Act, Plan};
use crate::runtime::Bundle;
use crate::spec::{FsType, IdMap, Namespace};
use rrun_sys::mount;
use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

const CAP_SYS_RESOURCE: u64 = 1 << 24;

/// All of them.
pub(super) fn refusals(bundle: &Bundle, plan: &Plan) -> Vec<Refusal> {
    let mut found = Vec::new();
    root(bundle, &mut found);
    mounts(bundle, &mut found);
    namespaces(plan, &mut found);
    id_maps(bundle, &mut found);
    process(bundle, &mut found);
    program(bundle, plan, &mut found);
    hooks(bundle, &mut found);
    settings(bundle, plan, &mut found);
    found
}

fn refuse(found: &mut Vec<Refusal>, pointer: impl Into<String>, why: String, fix: &str) {
    found.push(Refusal { pointer: pointer.into(), why, fix: Some(fix.to_owned()) });
}

fn root(bundle: &Bundle, found: &mut Vec<Refusal>) {
    let path = bundle.spec.rootfs.as_path();
    if !path.is_dir() {
        let why = format!("{} is no directory", path.display());
        refuse(found, "/root/path", why, "unpack the image there, or name another directory");
    }
}

fn mounts(bundle: &Bundle, found: &mut Vec<Refusal>) {
    for entry in &bundle.spec.mounts {
        let pointer = format!("/mounts/{}", entry.index);
        match &entry.kind {
            FsType::Bind { source, .. } => {
                let keeps_link = entry.links.copy || entry.links.source;
                let look = if keeps_link { fs::symlink_metadata } else { fs::metadata };
                if let Err(error) = look(source.as_path()) {
                    let why = format!("{source}: {error}");
                    refuse(found, pointer + "/source", why, "make it, or remove the mount");
                }
            }
            FsType::New { fs_type, .. } => {
                let opened = CString::new(fs_type.as_str()).map(|kind| mount::fs_open(&kind));
                if let Ok(Err(rrun_sys::Errno(libc::ENODEV))) =
                    opened.map(|new| new.map(OwnedFd::from))
                {
                    let why = format!("this kernel has no file system {fs_type:?}");
                    refuse(found, pointer, why, "load its module, or remove the mount");
                }
            }
            FsType::Cgroup | FsType::Remount => {}
        }
    }
}

fn namespaces(plan: &Plan, found: &mut Vec<Refusal>) {
    for join in &plan.joins {
        if let Err(error) = fs::File::open(join.path.as_path()) {
            let why = format!("{}: {error}", join.path);
            refuse(
                found,
                join.pointer.clone(),
                why,
                "start what it belongs to, or leave the path out",
            );
        }
    }
}

/// Who may not map every id asks newuidmap(1), which asks /etc/subuid.
fn id_maps(bundle: &Bundle, found: &mut Vec<Refusal>) {
    let (spec, host) = (&bundle.spec, &bundle.host);
    if spec.namespaces.user != Namespace::New || host.may_map_any_id() {
        return;
    }
    for (maps, own, program, file, pointer) in [
        (&spec.id_maps.uid, host.euid, "newuidmap", "/etc/subuid", "/linux/uidMappings"),
        (&spec.id_maps.gid, host.egid, "newgidmap", "/etc/subgid", "/linux/gidMappings"),
    ] {
        if IdMap::is_only(maps, own) {
            continue;
        }
        if on_path(program).is_none() {
            let why =
                format!("{program} is not installed, and only your own id can be mapped without");
            refuse(found, pointer, why, "install it (Debian: uidmap), or map only your own id");
            continue;
        }
        let granted = granted(file, host.euid);
        let fits = |map: &IdMap| {
            let (first, end) =
                (u64::from(map.host_id), u64::from(map.host_id) + u64::from(map.size));
            let own = map.host_id == own && map.size == 1;
            own || granted.iter().any(|(from, to)| *from <= first && end <= *to)
        };
        for (index, map) in maps.iter().enumerate().filter(|(_, map)| !fits(map)) {
            let why = format!("{file} does not give you {} ids from {}", map.size, map.host_id);
            refuse(found, format!("{pointer}/{index}"), why, "give your user these ids there");
        }
    }
}

/// The ranges of subordinate ids of a user, by number or name.
fn granted(file: &str, uid: u32) -> Vec<(u64, u64)> {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    let text = fs::read_to_string(file).unwrap_or_default();
    let range = |line: &str| {
        let mut parts = line.split(':');
        let who = parts.next()?;
        if who != uid.to_string() && Some(who) != user.as_deref() {
            return None;
        }
        let (first, count): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((first, first + count))
    };
    text.lines().filter_map(range).collect()
}

fn process(bundle: &Bundle, found: &mut Vec<Refusal>) {
    let (spec, host) = (&bundle.spec, &bundle.host);
    let Some(process) = &spec.process else { return };
    let may_raise = host.is_machine_root()
        && host.permitted_caps & CAP_SYS_RESOURCE != 0
        && spec.namespaces.user == Namespace::Inherit;
    let most_files =
        fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|n| n.trim().parse().ok());
    for (index, limit) in process.rlimits.iter().enumerate() {
        let own = rrun_sys::limits::rlimit(limit.resource).map_or(u64::MAX, |(_, hard)| hard);
        let pointer = format!("/process/rlimits/{index}");
        if limit.hard > own && !may_raise {
            let why = format!("{}: {} is above our own hard limit, {own}", limit.name, limit.hard);
            refuse(found, pointer, why, "lower it, raise our own, or run with CAP_SYS_RESOURCE");
        } else if limit.resource == libc::RLIMIT_NOFILE
            && most_files.is_some_and(|most| limit.hard > most)
        {
            let why = format!("{}: {} is above fs.nr_open", limit.name, limit.hard);
            refuse(found, pointer, why, "lower it, or raise the sysctl fs.nr_open");
        }
    }
    if let Some(wanted) = process.oom_score_adj
        && !may_set_oom_score_adj(wanted)
    {
        let why = format!("{wanted} is below what this process may set");
        refuse(found, "/process/oomScoreAdj", why, "raise it, or run with CAP_SYS_RESOURCE");
    }
}

/// Tried on ourselves; to go back up is always allowed.
fn may_set_oom_score_adj(wanted: i32) -> bool {
    const FILE: &str = "/proc/self/oom_score_adj";
    let Ok(before) = fs::read_to_string(FILE) else { return true };
    let set = fs::write(FILE, wanted.to_string());
    let restored = fs::write(FILE, before.trim());
    set.is_ok() && restored.is_ok()
}

/// Only where no mount can bring it.
fn program(bundle: &Bundle, plan: &Plan, found: &mut Vec<Refusal>) {
    let rootfs = bundle.spec.rootfs.as_path();
    let Ok(root) = fs::File::open(rootfs) else { return };
    let inside = |path: &CString| {
        use std::os::fd::AsRawFd;
        let relative = path.to_string_lossy().trim_start_matches('/').to_owned();
        let relative = CString::new(relative).unwrap_or_default();
        let opened = rrun_sys::path::open_in_root(root.as_raw_fd(), &relative, libc::O_PATH);
        let opened = opened.map(OwnedFd::from).map(fs::File::from);
        opened.and_then(|file| file.metadata().map_err(|_| rrun_sys::Errno(libc::EIO)))
    };
    let is_program = |path: &CString| match inside(path) {
        Ok(facts) => facts.is_file() && facts.permissions().mode() & 0o111 != 0,
        // A link of a chain that ends in a mount, or a loop: the start will tell.
        Err(rrun_sys::Errno(errno)) => !matches!(errno, libc::ENOENT | libc::ENOTDIR),
    };
    let covered = |path: &CString| {
        let path = path.to_string_lossy();
        bundle
            .spec
            .mounts
            .iter()
            .any(|mount| Path::new(&*path).starts_with(mount.destination.as_str()))
    };
    let is_lost = |path: &CString| !is_program(path) && !covered(path);
    if !plan.candidates.is_empty() && plan.candidates.iter().all(is_lost) {
        let name = plan.argv.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        let why = format!("{name:?} is no program of the root file system");
        refuse(found, "/process/args/0", why, "name one that is, or correct PATH in process.env");
    }
}

fn hooks(bundle: &Bundle, found: &mut Vec<Refusal>) {
    let hooks = &bundle.spec.hooks;
    for (name, list) in [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
    ] {
        for (index, hook) in list.iter().enumerate() {
            let runs = fs::metadata(&hook.path)
                .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
            if !runs {
                let why = format!("{} can't be executed", hook.path.display());
                let pointer = format!("/hooks/{name}/{index}/path");
                refuse(found, pointer, why, "install it, or remove the hook");
            }
        }
    }
}

fn settings(bundle: &Bundle, plan: &Plan, found: &mut Vec<Refusal>) {
    for step in &plan.steps {
        let Act::Sysctl { path, .. } = &step.act else { continue };
        let path = path.to_string_lossy();
        if !Path::new("/proc").join(&*path).exists() {
            let why = format!("this kernel has no /proc/{path}");
            let fix = "remove it, or load the module that brings it";
            refuse(found, step.pointer.clone(), why, fix);
        }
    }
    for device in &bundle.spec.net_devices {
        if !Path::new("/sys/class/net").join(&device.host).exists() {
            let pointer = format!("/linux/netDevices/{}", device.host.replace('~', "~0"));
            let why = format!("there is no network device {:?}", device.host);
            refuse(found, pointer, why, "make it first, or remove the entry");
        }
    }
    if let Some(path) =
        bundle.spec.seccomp.as_ref().and_then(|profile| profile.listener_path.as_ref())
    {
        let is_socket = fs::metadata(path).is_ok_and(|facts| facts.file_type().is_socket());
        if !is_socket {
            let why = format!("nobody listens at {path}");
            refuse(found, "/linux/seccomp/listenerPath", why, "start the seccomp agent first");
        }
    }
}
