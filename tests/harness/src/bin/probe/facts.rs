//! What this process sees, as JSON.
//!
//! Knows /proc, /dev and a few calls. Refuses to fail: what cannot be read is null. A newcomer would get wrong that
//! `fds` lists the descriptors at the start of the program, before /proc is opened to list them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{getgroups, getpgrp, getpid, getppid, getresgid, getresuid, getsid};
use serde_json::{Map, Value, json};

use crate::act::Trouble;
use crate::raw;

type Fact = fn() -> Value;

/// In an order in which gathering one does not change another.
const FACTS: &[(&str, Fact)] = &[
    ("fds", descriptors),
    ("user", user),
    ("caps", capabilities),
    ("status", status),
    ("ids", ids),
    ("args", || json!(std::env::args().collect::<Vec<_>>())),
    ("env", environment),
    ("cwd", || json!(std::env::current_dir().ok())),
    ("rlimits", rlimits),
    ("hostname", || line("/proc/sys/kernel/hostname")),
    ("domainname", || line("/proc/sys/kernel/domainname")),
    ("namespaces", namespaces),
    ("uid_map", || line("/proc/self/uid_map")),
    ("gid_map", || line("/proc/self/gid_map")),
    ("mounts", mounts),
    ("dev", devices),
    ("sysctl", sysctls),
    ("keyring", || json!(raw::keyring().ok())),
    ("oom_score_adj", || number("/proc/self/oom_score_adj")),
    ("cgroup", cgroup),
    ("timens_offsets", || line("/proc/self/timens_offsets")),
    ("personality", || line("/proc/self/personality")),
    ("schedule", schedule),
    ("memory_policy", memory_policy),
    ("labels", labels),
    ("winsize", || json!(raw::window(0).ok())),
    ("processes", processes),
];

/// Prints all facts, or those named.
pub(crate) fn print(names: &[&str]) -> Result<u8, Trouble> {
    if let Some(unknown) = names.iter().find(|name| FACTS.iter().all(|(fact, _)| fact != *name)) {
        return Err(Trouble::Other(format!("there is no fact {unknown:?}")));
    }
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let mut all = Map::new();
    for (name, fact) in FACTS.iter().filter(|(name, _)| wanted(name)) {
        all.insert((*name).to_owned(), fact());
    }
    println!("{}", Value::Object(all));
    Ok(0)
}

fn line(path: &str) -> Value {
    json!(fs::read_to_string(path).ok().map(|text| text.trim().to_owned()))
}

fn number(path: &str) -> Value {
    json!(fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i64>().ok()))
}

fn user() -> Value {
    let (Ok(uid), Ok(gid)) = (getresuid(), getresgid()) else { return Value::Null };
    let mut groups: Vec<u32> =
        getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()).collect();
    groups.sort_unstable();
    json!({
        "uid": uid.real.as_raw(), "euid": uid.effective.as_raw(), "suid": uid.saved.as_raw(),
        "gid": gid.real.as_raw(), "egid": gid.effective.as_raw(), "sgid": gid.saved.as_raw(),
        "groups": groups,
    })
}

fn ids() -> Value {
    json!({
        "pid": getpid().as_raw(), "ppid": getppid().as_raw(), "pgid": getpgrp().as_raw(),
        "sid": getsid(None).ok().map(|pid| pid.as_raw()),
    })
}

fn status_fields() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// The five sets, each as the 64-bit mask the kernel prints.
fn capabilities() -> Value {
    let fields = status_fields();
    let set = |name: &str| fields.get(name).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    json!({
        "inheritable": set("CapInh"), "permitted": set("CapPrm"), "effective": set("CapEff"),
        "bounding": set("CapBnd"), "ambient": set("CapAmb"),
    })
}

fn status() -> Value {
    let fields = status_fields();
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
    json!({
        "no_new_privs": number("NoNewPrivs"), "seccomp": number("Seccomp"),
        "seccomp_filters": number("Seccomp_filters"), "threads": number("Threads"),
        "umask": fields.get("Umask"), "cpus": fields.get("Cpus_allowed_list"),
        "memory_nodes": fields.get("Mems_allowed_list"),
        "ignored_signals": fields.get("SigIgn"), "blocked_signals": fields.get("SigBlk"),
    })
}

/// Fields 19, 40 and 41 of proc_pid_stat(5), and what sched(7) calls the deadline's.
fn schedule() -> Value {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, field 2, may have spaces; it ends with the last parenthesis.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let field = |n: usize| after.split(' ').nth(n - 3).and_then(|text| text.parse::<i64>().ok());
    let sched = fs::read_to_string("/proc/self/sched").unwrap_or_default();
    let pairs = sched.lines().filter_map(|line| line.split_once(':'));
    let more: Map<String, Value> = pairs
        .map(|(name, value)| (name.trim().to_owned(), json!(value.trim())))
        .filter(|(name, _)| name.starts_with("dl.") || name.starts_with("uclamp."))
        .collect();
    json!({ "nice": field(19), "priority": field(40), "policy": field(41), "more": more })
}

/// That of a mapping that has none of its own.
fn memory_policy() -> Value {
    let maps = fs::read_to_string("/proc/self/numa_maps").unwrap_or_default();
    json!(maps.lines().next().and_then(|line| line.split(' ').nth(1)))
}

fn labels() -> Value {
    let attr = |name: &str| {
        let text = fs::read_to_string(format!("/proc/self/attr/{name}")).ok();
        text.map(|text| text.trim_end_matches(['\0', '\n']).to_owned())
    };
    json!({ "current": attr("current"), "apparmor": attr("apparmor/current"), "exec": attr("exec") })
}

fn environment() -> Value {
    let pairs = std::env::vars_os();
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    Value::Object(pairs.map(|(name, value)| (text(name), json!(text(value)))).collect())
}

fn rlimits() -> Value {
    const NAMES: &[(&str, Resource)] = &[
        ("RLIMIT_AS", Resource::RLIMIT_AS),
        ("RLIMIT_CORE", Resource::RLIMIT_CORE),
        ("RLIMIT_CPU", Resource::RLIMIT_CPU),
        ("RLIMIT_DATA", Resource::RLIMIT_DATA),
        ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
        ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
        ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
        ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
        ("RLIMIT_NICE", Resource::RLIMIT_NICE),
        ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
        ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
        ("RLIMIT_RSS", Resource::RLIMIT_RSS),
        ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
        ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
        ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
        ("RLIMIT_STACK", Resource::RLIMIT_STACK),
    ];
    let limit = |(name, resource): &(&str, Resource)| {
        let (soft, hard) = getrlimit(*resource).ok()?;
        Some(((*name).to_owned(), json!({ "soft": soft, "hard": hard })))
    };
    Value::Object(NAMES.iter().filter_map(limit).collect())
}

/// Inode numbers: two processes share a namespace when theirs are equal.
fn namespaces() -> Value {
    let mut all = Map::new();
    for entry in fs::read_dir("/proc/self/ns").into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
        let inode = target.split(['[', ']']).nth(1).and_then(|text| text.parse::<u64>().ok());
        all.insert(entry.file_name().to_string_lossy().into_owned(), json!(inode));
    }
    Value::Object(all)
}

/// mountinfo, field by field (proc_pid_mountinfo(5)).
fn mounts() -> Value {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let parse = |line: &str| {
        let (mount, superblock) = line.split_once(" - ")?;
        let mount: Vec<&str> = mount.split(' ').collect();
        let superblock: Vec<&str> = superblock.split(' ').collect();
        Some(json!({
            "id": mount.first()?, "parent": mount.get(1)?, "device": mount.get(2)?, "root": mount.get(3)?,
            "at": mount.get(4)?, "options": words(mount.get(5)?), "propagation": mount.get(6..)?,
            "type": superblock.first()?, "source": superblock.get(1)?, "super": words(superblock.get(2)?),
        }))
    };
    text.lines().filter_map(parse).collect()
}

/// What a path is, without following links.
pub(crate) fn describe(path: &Path) -> Value {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let kind = found.file_type();
    let kind = match () {
        () if kind.is_symlink() => "link",
        () if kind.is_dir() => "dir",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "file",
    };
    let (major, minor) = (nix::sys::stat::major(found.rdev()), nix::sys::stat::minor(found.rdev()));
    json!({
        "type": kind, "mode": format!("{:o}", found.mode() & 0o7777), "uid": found.uid(), "gid": found.gid(),
        "rdev": [major, minor], "size": found.size(),
        "target": fs::read_link(path).ok(),
    })
}

fn devices() -> Value {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let described = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), describe(&entry.path())));
    Value::Object(described.collect())
}

/// The writable settings that belong to namespaces, which are what a container may set.
fn sysctls() -> Value {
    let mut all = Map::new();
    for root in
        ["/proc/sys/net/ipv4", "/proc/sys/net/core", "/proc/sys/kernel", "/proc/sys/fs/mqueue"]
    {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            if let Ok(text) = fs::read_to_string(entry.path()) {
                let path = entry.path();
                let name = path.strip_prefix("/proc/sys").unwrap_or(&path).display().to_string();
                all.insert(name.replace('/', "."), json!(text.trim()));
            }
        }
    }
    Value::Object(all)
}

/// The path in each hierarchy, and the limit files where the container has them mounted.
fn cgroup() -> Value {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut files = Map::new();
    for directory in ["", "memory", "cpu", "pids", "cpuset"] {
        let directory = Path::new("/sys/fs/cgroup").join(directory);
        for name in [
            "memory.max",
            "memory.low",
            "memory.swap.max",
            "cpu.max",
            "cpu.weight",
            "pids.max",
            "cpuset.cpus",
            "memory.limit_in_bytes",
            "cpu.cfs_quota_us",
            "cpu.cfs_period_us",
            "cpu.shares",
        ] {
            if let Ok(text) = fs::read_to_string(directory.join(name)) {
                files.insert(name.to_owned(), json!(text.trim()));
            }
        }
    }
    json!({ "paths": own.lines().collect::<Vec<_>>(), "files": files })
}

/// Open descriptors and where they lead.
fn descriptors() -> Value {
    let mut all = Map::new();
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
        // The directory being listed is our own doing.
        if !target.ends_with("/fd") {
            all.insert(entry.file_name().to_string_lossy().into_owned(), json!(target));
        }
    }
    Value::Object(all)
}

/// Every process this one can see.
fn processes() -> Value {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.collect()
}
