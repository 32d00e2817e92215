//! What docker, containerd, CRI and podman really write parses, and means what `oci-spec` reads in it.
//!
//! Both readings are flattened into lines (`mounts.0.destination=/proc`), so a difference is one line of a diff.

use super::{fixtures, json_files};
use oci_spec::runtime as theirs;
use rrun::spec::{
    Capabilities, DeviceNumber, DeviceRule, Limit, Namespace, NamespaceKind, Namespaces,
    Privileges, Process, Profile, Spec, Terminal,
};
use serde_json::Value;
use std::path::{Path, PathBuf};

type Lines = Vec<String>;

/// The word that serde writes for a value of oci-spec.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value).expect("serializable") {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn limit(limit: Option<Limit>) -> String {
    match limit {
        None => "null".into(),
        Some(Limit::Unlimited) => "-1".into(),
        Some(Limit::Max(most)) => most.to_string(),
    }
}

fn our_sets(sets: &Capabilities) -> [Lines; 5] {
    [sets.bounding, sets.effective, sets.inheritable, sets.permitted, sets.ambient].map(|set| {
        let mut names = set.names();
        names.sort();
        names
    })
}

fn their_sets(sets: &theirs::LinuxCapabilities) -> [Lines; 5] {
    [sets.bounding(), sets.effective(), sets.inheritable(), sets.permitted(), sets.ambient()].map(
        |set| {
            let mut names: Lines = set.iter().flatten().map(word).collect();
            names.sort();
            names
        },
    )
}

fn our_process(process: &Process) -> Lines {
    let mut lines = vec![
        format!("args={:?}", process.args),
        format!("env={:?}", process.env),
        format!("cwd={}", process.cwd),
        format!("terminal={}", process.terminal != Terminal::None),
        format!("user={} {}", process.user.uid, process.user.gid),
        format!("groups={:?}", process.user.additional_gids),
        format!("umask={:?}", process.user.umask),
        format!("nnp={}", process.privileges == Privileges::NoNew),
        format!("oom={:?}", process.oom_score_adj),
        format!("capabilities={:?}", our_sets(&process.capabilities)),
    ];
    lines.extend(process.rlimits.iter().map(|l| format!("{} {} {}", l.name, l.soft, l.hard)));
    lines
}

fn their_process(process: &theirs::Process) -> Lines {
    let user = process.user();
    let sets = process.capabilities().as_ref();
    let mut lines = vec![
        format!("args={:?}", process.args().clone().unwrap_or_default()),
        format!("env={:?}", process.env().clone().unwrap_or_default()),
        format!("cwd={}", process.cwd().display()),
        format!("terminal={}", process.terminal() == Some(true)),
        format!("user={} {}", user.uid(), user.gid()),
        format!("groups={:?}", user.additional_gids().clone().unwrap_or_default()),
        format!("umask={:?}", user.umask()),
        format!("nnp={}", process.no_new_privileges() == Some(true)),
        format!("oom={:?}", process.oom_score_adj()),
        format!("capabilities={:?}", sets.map(their_sets).unwrap_or_default()),
    ];
    lines.extend(
        process
            .rlimits()
            .iter()
            .flatten()
            .map(|l| format!("{} {} {}", word(l.typ()), l.soft(), l.hard())),
    );
    lines
}

fn our_namespaces(namespaces: &Namespaces) -> Lines {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Time, User, Uts};
    let kinds = [Cgroup, Ipc, Mount, Network, Pid, Time, User, Uts];
    let line = |kind: NamespaceKind| match namespaces.get(kind) {
        Namespace::Inherit => None,
        Namespace::New => Some(format!("namespace {}", kind.name())),
        Namespace::Join(path) => Some(format!("namespace {} {path}", kind.name())),
    };
    kinds.into_iter().filter_map(line).collect()
}

fn their_namespaces(linux: &theirs::Linux) -> Lines {
    let mut lines: Lines = linux
        .namespaces()
        .iter()
        .flatten()
        .map(|namespace| match namespace.path() {
            None => format!("namespace {}", word(namespace.typ())),
            Some(path) => format!("namespace {} {}", word(namespace.typ()), path.display()),
        })
        .collect();
    lines.sort();
    lines
}

fn our_rule(rule: &DeviceRule) -> String {
    let number = |number| match number {
        DeviceNumber::Any => "*".to_owned(),
        DeviceNumber::Is(number) => number.to_string(),
    };
    let access = rule.access;
    format!("rule {} {}:{} {access:?}", rule.allow, number(rule.major), number(rule.minor))
}

fn their_rule(rule: &theirs::LinuxDeviceCgroup) -> String {
    let number = |number: Option<i64>| number.map_or("*".to_owned(), |number| number.to_string());
    let letters = rule.access().clone().unwrap_or_default();
    let [read, write, mknod] = ['r', 'w', 'm'].map(|letter| letters.contains(letter));
    let access = rrun::spec::DeviceAccess { read, write, mknod };
    format!("rule {} {}:{} {access:?}", rule.allow(), number(rule.major()), number(rule.minor()))
}

fn our_seccomp(profile: &Profile) -> Lines {
    let mut lines = vec![format!("archs={}", profile.architectures.len())];
    lines.extend(profile.rules.iter().map(|rule| {
        let action = format!("{:?}", rule.action).to_lowercase();
        let indices: Vec<usize> = rule.args.iter().map(|arg| arg.index.into()).collect();
        format!("{} {indices:?} {:?}", action.split('(').next().unwrap_or(""), rule.names)
    }));
    lines
}

fn their_seccomp(profile: &theirs::LinuxSeccomp) -> Lines {
    let archs = profile.architectures().as_ref().map_or(0, Vec::len);
    let mut lines = vec![format!("archs={archs}")];
    lines.extend(profile.syscalls().iter().flatten().map(|rule| {
        let action = word(rule.action()).trim_start_matches("SCMP_ACT_").to_lowercase();
        let indices: Vec<usize> = rule.args().iter().flatten().map(|arg| arg.index()).collect();
        format!("{action} {indices:?} {:?}", rule.names())
    }));
    lines
}

fn ours(spec: &Spec) -> Lines {
    let mut lines = vec![
        format!("version={}", spec.version),
        format!("rootfs={}", spec.rootfs),
        format!("readonly={}", spec.rootfs_readonly),
        format!("hostname={:?}", spec.hostname),
        format!("masked={:?}", spec.masked_paths.iter().map(|p| p.as_str()).collect::<Vec<_>>()),
        format!("paths={:?}", spec.readonly_paths.iter().map(|p| p.as_str()).collect::<Vec<_>>()),
        format!(
            "memory={} {}",
            limit(spec.resources.memory.limit),
            limit(spec.resources.memory.swap)
        ),
        format!("pids={}", limit(spec.resources.pids)),
        format!("quota={} {:?}", limit(spec.resources.cpu.quota), spec.resources.cpu.period),
        format!("shares={:?}", spec.resources.cpu.shares),
        format!("prestart={}", spec.hooks.prestart.len()),
    ];
    lines.extend(spec.process.as_ref().map(our_process).unwrap_or_default());
    lines.extend(spec.mounts.iter().map(|m| format!("mount {}", m.destination)));
    lines.extend(our_namespaces(&spec.namespaces));
    lines.extend(spec.resources.devices.iter().map(our_rule));
    lines.extend(spec.sysctl.iter().map(|(k, v)| format!("sysctl {k}={}", v.value)));
    lines.extend(spec.annotations.iter().map(|(k, v)| format!("annotation {k}={v}")));
    lines.extend(spec.seccomp.as_ref().map(our_seccomp).unwrap_or_default());
    lines
}

fn sorted(prefix: &str, map: &Option<std::collections::HashMap<String, String>>) -> Lines {
    let mut lines: Lines = map.iter().flatten().map(|(k, v)| format!("{prefix} {k}={v}")).collect();
    lines.sort();
    lines
}

fn theirs_of(spec: &theirs::Spec) -> Lines {
    let linux = spec.linux().clone().unwrap_or_default();
    let root = spec.root().clone().unwrap_or_default();
    let resources = linux.resources().clone().unwrap_or_default();
    let memory = resources.memory().unwrap_or_default();
    let cpu = resources.cpu().clone().unwrap_or_default();
    let show = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    let hooks = spec.hooks().clone().unwrap_or_default();
    #[allow(deprecated)]
    let prestart = hooks.prestart().as_ref().map_or(0, Vec::len);
    let mut lines = vec![
        format!("version={}", spec.version()),
        format!("rootfs={}", Path::new("/bundle").join(root.path()).display()),
        format!("readonly={}", root.readonly() == Some(true)),
        format!("hostname={:?}", spec.hostname()),
        format!("masked={:?}", linux.masked_paths().clone().unwrap_or_default()),
        format!("paths={:?}", linux.readonly_paths().clone().unwrap_or_default()),
        format!("memory={} {}", show(memory.limit()), show(memory.swap())),
        format!("pids={}", show(resources.pids().map(|pids| pids.limit()))),
        format!("quota={} {:?}", show(cpu.quota()), cpu.period()),
        // docker 20.10 writes 0 for "not set".
        format!("shares={:?}", cpu.shares().filter(|shares| *shares != 0)),
        format!("prestart={prestart}"),
    ];
    lines.extend(spec.process().as_ref().map(their_process).unwrap_or_default());
    lines.extend(
        spec.mounts().iter().flatten().map(|m| format!("mount {}", m.destination().display())),
    );
    lines.extend(their_namespaces(&linux));
    lines.extend(resources.devices().iter().flatten().map(their_rule));
    // Ours are paths below /proc/sys.
    lines.extend(sorted("sysctl", linux.sysctl()).into_iter().map(|line| {
        let (name, value) = line.split_once('=').expect("a pair");
        format!("{}={value}", name.replace('.', "/"))
    }));
    lines.extend(sorted("annotation", spec.annotations()));
    lines.extend(linux.seccomp().as_ref().map(their_seccomp).unwrap_or_default());
    lines
}

/// The fixtures that are whole configurations, and those that are one process for `exec`.
fn engines() -> (Vec<PathBuf>, Vec<PathBuf>) {
    json_files(&fixtures("specs/engines")).into_iter().partition(|path| {
        !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("exec-"))
    })
}

#[test]
fn what_engines_write_parses_and_means_what_oci_spec_reads() {
    let (configs, _) = engines();
    assert_eq!(configs.len(), 8);
    for path in configs {
        let text = std::fs::read(&path).expect("a fixture");
        let spec = Spec::parse(&text, Path::new("/bundle"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(spec.warnings, Lines::new(), "{}", path.display());
        let reference: theirs::Spec = serde_json::from_slice(&text).expect("oci-spec");
        similar(&ours(&spec), &theirs_of(&reference), &path);
    }
}

#[test]
fn what_engines_write_for_exec_means_what_oci_spec_reads() {
    let (_, processes) = engines();
    assert_eq!(processes.len(), 2);
    for path in processes {
        let text = std::fs::read(&path).expect("a fixture");
        let (process, warnings) = Process::parse(&text).expect("a process");
        assert_eq!(warnings, Lines::new(), "{}", path.display());
        let reference: theirs::Process = serde_json::from_slice(&text).expect("oci-spec");
        similar(&our_process(&process), &their_process(&reference), &path);
    }
}

fn similar(ours: &[String], theirs: &[String], path: &Path) {
    let only = |these: &[String], those: &[String], mark: &str| -> Lines {
        these.iter().filter(|line| !those.contains(line)).map(|l| format!("{mark} {l}")).collect()
    };
    let mut difference = only(ours, theirs, "ours:  ");
    difference.extend(only(theirs, ours, "theirs:"));
    assert!(difference.is_empty(), "{}\n{}", path.display(), difference.join("\n"));
    assert_eq!(ours.len(), theirs.len(), "{}", path.display());
}
