//! The checks of the host, each a question to the kernel.
//!
//! It knows which answer means what to whom. What a newcomer would get wrong: a version proves nothing. Distributions
//! backport and leave out, and an outer container's filter refuses what its kernel has.

use super::Check;
use crate::host::kernel;
use crate::host::{CgroupHost, Host, OwnCgroup, Security};
use crate::launch::idmap;
use crate::plan::{DetachedTree, device_filter};
use crate::spec::IdMap;
use rrun_sys::{bpf, clone, facts, mount, pidfd, reap};
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

/// All of them.
pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![kernel(), calls()];
    let host = match Host::probe(OwnCgroup::Wanted) {
        Ok(host) => host,
        Err(error) => {
            checks.push(Check::fails("facts", error.to_string(), "mount proc on /proc"));
            return checks;
        }
    };
    checks.extend(cgroups(&host));
    checks.push(devices(&host));
    checks.extend(users(&host));
    checks.extend([capabilities(&host), modules(), seccomp(), files(), idmapped(&host)]);
    checks.extend([memlock(), systemd(&host), criu()]);
    checks
}

fn kernel() -> Check {
    match kernel::probe() {
        Ok((major, minor)) => Check::good("kernel", format!("Linux {major}.{minor}")),
        Err(error) => Check::fails("kernel", error.to_string(), "install a newer kernel"),
    }
}

/// What every start calls.
fn calls() -> Check {
    let missing = facts::missing_calls();
    let missing: Vec<_> = missing.iter().flatten().copied().collect();
    if missing.is_empty() {
        return Check::good("system calls", "all that are needed");
    }
    let found = format!("{} answer ENOSYS", missing.join(", "));
    Check::fails(
        "system calls",
        found,
        "install a newer kernel, or let the filter of the container that this is pass them",
    )
}

fn cgroups(host: &Host) -> Vec<Check> {
    let Some(unified) = &host.cgroup.unified else {
        let fix = "mount it: mount -t cgroup2 none /sys/fs/cgroup";
        return vec![Check::fails("cgroups", "no cgroup v2 hierarchy is mounted", fix)];
    };
    let kind = if host.cgroup.v1.is_empty() { "v2" } else { "hybrid: v2, and v1 beside it" };
    let place = unified.mount.join(unified.parent().trim_start_matches('/'));
    let mut checks = vec![match (try_cgroup(&place), host.is_machine_root()) {
        (Ok(()), _) => Check::good("cgroups", format!("{kind}, at {}", unified.mount.display())),
        (Err(why), true) => Check::fails(
            "cgroups",
            format!("{kind}, but {} can't be used: {why}", place.display()),
            "mount it writable, or give this container a cgroup namespace and its own tree",
        ),
        (Err(why), false) => Check::note(
            "cgroups",
            format!("{kind}; none is delegated to this user ({why}): no limits"),
            "systemd-run --user --scope -p Delegate=yes",
        ),
    }];
    checks.push(controllers(&host.cgroup));
    checks
}

/// Makes a cgroup, looks for `cgroup.kill`, and removes it.
fn try_cgroup(parent: &Path) -> std::io::Result<()> {
    let path = parent.join(format!("rrun-doctor-{}", std::process::id()));
    fs::create_dir(&path)?;
    let kill = fs::metadata(path.join("cgroup.kill"));
    fs::remove_dir(&path)?;
    kill.map(drop)
}

fn controllers(cgroup: &CgroupHost) -> Check {
    let wanted = [
        ("cpu", "cpu"),
        ("cpuset", "cpuset"),
        ("io", "blkio"),
        ("memory", "memory"),
        ("pids", "pids"),
    ];
    let has = |(v2, v1): &(&str, &str)| {
        cgroup.unified.as_ref().is_some_and(|unified| unified.has(v2))
            || cgroup.v1_with(v1).is_some()
    };
    let names = |list: Vec<&(&'static str, &str)>| {
        list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    };
    let (here, missing): (Vec<_>, Vec<_>) = wanted.iter().partition(|one| has(one));
    if missing.is_empty() {
        return Check::good("controllers", names(here));
    }
    let found = format!("{}; not {}: their limits are refused", names(here), names(missing));
    Check::note(
        "controllers",
        found,
        "as root: no cgroup_disable= on the kernel's command line. As a user: \"[Service]\" and \"Delegate=cpu cpuset io \
         memory pids\" in /etc/systemd/system/user@.service.d/delegate.conf, systemctl daemon-reload, log in again",
    )
}

/// Loads the program that allows nothing, and drops it.
fn devices(host: &Host) -> Check {
    let name = "device guard";
    if !host.is_machine_root() {
        return Check::good(name, "not needed: this user can neither make nor open devices");
    }
    let Ok(Some(program)) = device_filter::compile(&[]) else {
        return Check::good(name, "nothing to load");
    };
    match bpf::load_device_program(&program.instructions, c"rrun_doctor") {
        Ok(loaded) => {
            drop(OwnedFd::from(loaded));
            Check::good(name, "a program for devices loads")
        }
        Err(errno) => Check::fails(
            name,
            said("bpf(BPF_PROG_LOAD)", errno),
            "needs CAP_BPF or CAP_SYS_ADMIN, CONFIG_CGROUP_BPF, and a filter that lets bpf(2) pass",
        ),
    }
}

fn users(host: &Host) -> Vec<Check> {
    let name = "user namespaces";
    let made = clone::spawn_idle_in_user_namespace().and_then(|child| {
        let handle = OwnedFd::from(child.pidfd);
        pidfd::pidfd_send_signal(handle.as_raw_fd(), libc::SIGKILL)?;
        reap::wait(handle.as_raw_fd()).map(drop)
    });
    let first = match made {
        Ok(()) => Check::good(name, "can be made"),
        Err(errno) => {
            let fix = "see kernel.unprivileged_userns_clone, user.max_user_namespaces and \
                       kernel.apparmor_restrict_unprivileged_userns";
            let found = said("clone3(CLONE_NEWUSER)", errno);
            match host.is_machine_root() {
                true => Check::note(name, found, fix),
                false => Check::fails(name, found, fix),
            }
        }
    };
    if host.may_map_any_id() {
        return vec![first];
    }
    let helpers = ["newuidmap", "newgidmap"].into_iter().filter(|name| on_path(name).is_none());
    let helpers: Vec<_> = helpers.collect();
    let second = match helpers.is_empty() {
        true => Check::good("id maps", "newuidmap and newgidmap are there"),
        false => Check::note(
            "id maps",
            format!("{} missing: only your own id can be mapped", helpers.join(" and ")),
            "install them (Debian: uidmap), and give your user ids in /etc/subuid and /etc/subgid",
        ),
    };
    vec![first, second]
}

/// What containers are made with, and what fails without.
const CAPABILITIES: [(u8, &str); 12] = [
    (0, "CHOWN"),
    (1, "DAC_OVERRIDE"),
    (5, "KILL"),
    (6, "SETGID"),
    (7, "SETUID"),
    (8, "SETPCAP"),
    (12, "NET_ADMIN"),
    (18, "SYS_CHROOT"),
    (19, "SYS_PTRACE"),
    (21, "SYS_ADMIN"),
    (24, "SYS_RESOURCE"),
    (27, "MKNOD"),
];

fn capabilities(host: &Host) -> Check {
    let name = "capabilities";
    if host.euid != 0 {
        return Check::good(name, "none are needed: containers get a user namespace");
    }
    let missing = CAPABILITIES.iter().filter(|(number, _)| host.permitted_caps >> number & 1 == 0);
    let missing: Vec<_> = missing.map(|(_, name)| format!("CAP_{name}")).collect();
    match missing.as_slice() {
        [] => Check::good(name, "all that containers are made with"),
        some if some.iter().any(|name| name == "CAP_SYS_ADMIN") => Check::fails(
            name,
            format!("root without {}", some.join(", ")),
            "run as root of the machine, or of a user namespace",
        ),
        some => Check::note(
            name,
            format!("root without {}", some.join(", ")),
            "what needs them is refused: without CAP_SYS_RESOURCE no limit above our own, no lower oomScoreAdj",
        ),
    }
}

fn modules() -> Check {
    let list = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let Security { apparmor, selinux } = Security::probe();
    match (apparmor, selinux) {
        (false, false) => Check::note(
            "security modules",
            format!(
                "neither AppArmor nor SELinux ({})",
                if list.is_empty() { "none" } else { list.trim() }
            ),
            "bundles with a profile or a label are refused; boot with one of them, or leave them out",
        ),
        _ => Check::good(
            "security modules",
            [("AppArmor", apparmor), ("SELinux", selinux)]
                .iter()
                .filter(|(_, on)| *on)
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(" "),
        ),
    }
}

fn seccomp() -> Check {
    let flags = [
        ("LOG", 1 << 1),
        ("SPEC_ALLOW", 1 << 2),
        ("NEW_LISTENER", 1 << 3),
        ("WAIT_KILLABLE_RECV", 1 << 5 | 1 << 3),
    ];
    if !facts::has_seccomp_flag(0) {
        let fix = "a kernel with CONFIG_SECCOMP_FILTER";
        return Check::fails("seccomp", "filters can't be loaded", fix);
    }
    let missing = flags.iter().filter(|(_, flag)| !facts::has_seccomp_flag(*flag));
    let missing: Vec<_> = missing.map(|(name, _)| *name).collect();
    match missing.is_empty() {
        true => Check::good("seccomp", "filters, notification and every flag"),
        false => Check::note("seccomp", format!("no {}", missing.join(", ")), "a newer kernel"),
    }
}

fn files() -> Check {
    let name = "file systems";
    let kinds = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has = |kind: &str| {
        CString::new(kind).is_ok_and(|kind| mount::fs_open(&kind).map(OwnedFd::from).is_ok())
            || kinds.lines().any(|line| line.split_whitespace().last() == Some(kind))
    };
    let wanted = ["proc", "tmpfs", "sysfs", "devpts", "mqueue", "overlay"];
    let missing: Vec<_> = wanted.into_iter().filter(|kind| !has(kind)).collect();
    match missing.as_slice() {
        [] => Check::good(name, wanted.join(" ")),
        some => Check::note(name, format!("no {}", some.join(", ")), "load their modules"),
    }
}

/// Maps a directory that is certainly there.
fn idmapped(host: &Host) -> Check {
    let name = "idmapped mounts";
    if !host.may_map_any_id() {
        return Check::note(name, "not for this user", "ask root, or leave idmap out");
    }
    let map = IdMap { container_id: 0, host_id: 100_000, size: 65536 };
    let tree = DetachedTree {
        source: c"/usr".into(),
        recursive: false,
        idmap: Some((vec![map], vec![map], false)),
        propagation: 0,
        keeps_link: false,
        pointer: String::new(),
    };
    match idmap::detach(&tree) {
        Ok(_) => Check::good(name, "of /usr's file system, at least"),
        Err(error) => Check::note(
            name,
            format!("not of /usr's file system ({})", error.call().unwrap_or("unknown")),
            "use a file system that supports them, such as ext4, xfs or tmpfs",
        ),
    }
}

fn memlock() -> Check {
    match rrun_sys::limits::rlimit(libc::RLIMIT_MEMLOCK) {
        Ok((soft, _)) if soft < 64 << 10 => Check::note(
            "locked memory",
            format!("{soft} bytes"),
            "before Linux 5.11 device programs counted against it: ulimit -l unlimited",
        ),
        Ok((libc::RLIM_INFINITY, _)) => Check::good("locked memory", "unlimited"),
        Ok((soft, _)) => Check::good("locked memory", format!("{soft} bytes")),
        Err(errno) => {
            Check::note("locked memory", said("prlimit64", errno), "let prlimit64(2) pass")
        }
    }
}

fn systemd(host: &Host) -> Check {
    let user = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("bus"));
    let bus = match host.euid {
        0 => Some(PathBuf::from("/run/dbus/system_bus_socket")),
        _ => user,
    };
    let runs = Path::new("/run/systemd/system").is_dir();
    let answers = bus.as_ref().is_some_and(|bus| UnixStream::connect(bus).is_ok());
    match (runs, answers) {
        (true, true) => Check::good("systemd", "runs, and its bus answers"),
        (true, false) => Check::note("systemd", "runs, but its bus does not answer", "start dbus"),
        (false, _) => {
            let journal = UnixDatagram::unbound()
                .and_then(|socket| socket.connect("/run/systemd/journal/socket"));
            let found = if journal.is_ok() { "only its journal" } else { "does not run" };
            Check::note("systemd", found, "use --cgroup-manager cgroupfs")
        }
    }
}

fn criu() -> Check {
    match on_path("criu") {
        Some(path) => Check::good("criu", path.display().to_string()),
        None => {
            Check::note("criu", "is not installed: no checkpoint and no restore", "install criu")
        }
    }
}

/// Where `program` is.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// A refused call, in words.
fn said(call: &str, errno: rrun_sys::Errno) -> String {
    format!("{call}: {}", crate::error::describe_errno(errno.0))
}
