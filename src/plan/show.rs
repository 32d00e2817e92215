//! The plan as words: one line for each step, the whole as text and as JSON.
//!
//! It prints the object that `launch` performs, so that `explain` can't drift from what happens.

use crate::host::Host;
use crate::plan::step::{Act, At, BindSource, LinkBind, NewFs};
use crate::plan::{Label, Phase, Plan, identity, processors};
use crate::spec::{Clos, Spec};
use rrun_sys::landlock::Handled;
use rrun_sys::mount::{ATTR_NODEV, ATTR_NOEXEC, ATTR_NOSUID, ATTR_RDONLY, Attr};
use rrun_sys::script::{Changes, Checkpoint};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};

/// One line about one act: imperative, lower case.
#[allow(clippy::too_many_lines, reason = "one dull line for each act: a table")]
pub fn act(act: &Act, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match act {
        Act::CloseFrom(first) => write!(f, "close at exec every descriptor from {first} on"),
        Act::JoinCgroups => f.write_str("join the v1 cgroups"),
        Act::Reach(Checkpoint::Cloned) => f.write_str("reached Cloned; wait"),
        Act::Reach(Checkpoint::Rootfs) => f.write_str("reached Rootfs; wait for the host's hooks"),
        Act::Reach(Checkpoint::Ready) => f.write_str("reached Ready; wait"),
        Act::Gate => f.write_str("wait for start"),
        Act::Join { kinds, .. } => write!(f, "join namespace {}", kinds_text(u64::from(*kinds))),
        Act::Unshare { kinds } => write!(f, "new namespace {}", kinds_text(u64::from(*kinds))),
        Act::TimeNamespace { offsets } => {
            let offsets = String::from_utf8_lossy(offsets);
            write!(f, "new namespace time, {}", offsets.trim_end().replace('\n', ", "))
        }
        Act::Hop { kinds: 0 } => f.write_str("clone again, into the joined namespaces"),
        Act::Hop { kinds } => write!(f, "clone again: new {}", kinds_text(u64::from(*kinds))),
        Act::BecomeRoot { .. } => f.write_str("become root of the user namespace"),
        Act::NewSession => f.write_str("new session"),
        Act::Keyring(name) => write!(f, "session keyring {}", name.to_string_lossy()),
        Act::Umask(mask) => write!(f, "umask {mask:04o}"),
        Act::LoopbackUp => f.write_str("bring lo up"),
        Act::Hostname(name) => write!(f, "hostname {}", name.to_string_lossy()),
        Act::Domainname(name) => write!(f, "domainname {}", name.to_string_lossy()),
        Act::Sysctl { path, value } => {
            write!(f, "write /proc/{} {}", path.to_string_lossy(), value.to_string_lossy())
        }
        Act::Label { who, value } => {
            let who = match who {
                Label::Apparmor => "AppArmor",
                Label::Selinux => "SELinux: exec",
                Label::SelinuxKeys => "SELinux: keys",
            };
            write!(f, "{who} {}", value.to_string_lossy())
        }
        Act::Affinity(None) => f.write_str("run on every processor of the cgroup"),
        Act::Affinity(Some(cpus)) => write!(f, "run on processors {cpus}"),
        Act::MemoryPolicy(policy) => processors::memory(f, policy),
        Act::RootPropagation { mode, recursive } => {
            write!(
                f,
                "make / {}{}",
                propagation(*mode),
                if *recursive { ", recursively" } else { "" }
            )
        }
        Act::OpenRootfs { path, .. } => write!(f, "bind {} onto itself", path.to_string_lossy()),
        Act::OpenDirectory { path } => write!(f, "open {}", path.to_string_lossy()),
        Act::Mount { fs, changes, at } => {
            mount(f, fs, at)?;
            changed(f, changes)
        }
        Act::Bind { source, changes, at } => {
            bind(f, source, at)?;
            changed(f, changes)
        }
        Act::BindLink { bind: LinkBind { source, links, .. }, changes, at } => {
            bind(f, source, at)?;
            let words = [
                (links.copy, " copy-symlink"),
                (links.source, " src-nofollow"),
                (links.target, " dest-nofollow"),
            ];
            words.iter().filter(|(on, _)| *on).try_for_each(|(_, word)| f.write_str(word))?;
            changed(f, changes)
        }
        Act::SetAttr { at, changes } => {
            write!(f, "remount {}", inner(at))?;
            changed(f, changes)
        }
        Act::Directory { at, mode } => write!(f, "make directory {} {mode:04o}", inner(at)),
        Act::Open { at, .. } => write!(f, "open {} for devices", inner(at)),
        Act::Device { name, mode, device, .. } => {
            write!(f, "device {} {}", name.to_string_lossy(), node(*mode, *device))
        }
        Act::BindDevice { name, source, device, mode, .. } => {
            let (name, source) = (name.to_string_lossy(), source.to_string_lossy());
            write!(f, "device {name} {} bound from {source}", node(*mode, *device))
        }
        Act::Symlink { target, name, .. } => {
            write!(f, "link /dev/{} to {}", name.to_string_lossy(), target.to_string_lossy())
        }
        Act::OpenNull => f.write_str("open the host's /dev/null"),
        Act::Mask { at, label: None } => write!(f, "mask {}", inner(at)),
        Act::Mask { at, label: Some(label) } => {
            write!(f, "mask {} context={}", inner(at), label.to_string_lossy())
        }
        Act::ReadOnly { at } => write!(f, "make {} read-only", inner(at)),
        Act::Pivot => f.write_str("pivot into the rootfs; detach the old root"),
        Act::MoveRoot => f.write_str("move the rootfs to /; chroot"),
        Act::Chroot => f.write_str("chroot into the rootfs"),
        Act::Withdraw { .. } => f.write_str("return with a copy of the rootfs; chroot into it"),
        Act::EnterRoot => f.write_str("chroot into the container's root"),
        Act::Console { size: (0, 0), .. } => f.write_str("new terminal"),
        Act::Console { size: (rows, columns), .. } => write!(f, "new terminal {columns}x{rows}"),
        Act::OwnStreams { uid } => write!(f, "give standard streams to uid {uid}"),
        Act::Hook(hook) => write!(f, "{} hook {}", hook.phase, hook.path.to_string_lossy()),
        Act::FindProgram => f.write_str("look for the program"),
        Act::Rlimit { name, soft, hard, .. } => {
            write!(f, "{name} {} {}", limit(*soft), limit(*hard))
        }
        Act::Personality(persona) => write!(f, "personality {persona:#x}"),
        Act::LimitBounding { keep, .. } => {
            write!(f, "bounding set: {} capabilities", keep.count_ones())
        }
        Act::KeepCapabilities(true) => f.write_str("keep capabilities over the change of user"),
        Act::KeepCapabilities(false) => f.write_str("no longer keep capabilities"),
        Act::Groups(groups) if groups.is_empty() => f.write_str("no supplementary groups"),
        Act::Groups(groups) => {
            let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
            write!(f, "groups {}", groups.join(" "))
        }
        Act::Ids { uid, gid } => write!(f, "gid {gid}; uid {uid}"),
        Act::Capabilities { effective, permitted, inheritable } => write!(
            f,
            "capabilities: {} effective, {} permitted, {} inheritable",
            effective.count_ones(),
            permitted.count_ones(),
            inheritable.count_ones()
        ),
        Act::Ambient { set: 0, .. } => f.write_str("no ambient capabilities"),
        Act::Ambient { set, .. } => write!(f, "ambient {}", identity::names(*set).join(" ")),
        Act::NoNewPrivileges => f.write_str("no new privileges"),
        Act::DenyWriteExecute => f.write_str("no memory becomes executable later"),
        Act::Landlock(rules) => {
            let (paths, ports) = (rules.paths.len(), rules.ports.len());
            let Handled { files, network, scopes } = rules.handled;
            write!(f, "landlock: files {files:#x}, ports {network:#x}, scopes {scopes:#x}; ")?;
            write!(f, "{paths} rules of paths, {ports} of ports")
        }
        Act::WorkingDirectory { path, lenient: true } => {
            write!(f, "enter {} if root may", path.to_string_lossy())
        }
        Act::WorkingDirectory { path, .. } => write!(f, "enter {}", path.to_string_lossy()),
        Act::Announce => f.write_str("tell the host that the program is next"),
        Act::Seccomp { description, .. } => write!(f, "seccomp: {description}"),
        Act::Exec => f.write_str("exec the program"),
    }
}

fn mount(f: &mut fmt::Formatter<'_>, fs: &NewFs, at: &At) -> fmt::Result {
    write!(f, "mount {} on {}", fs.fs_type.to_string_lossy(), inner(at))?;
    flags(f, fs.attrs)?;
    for (name, value) in &fs.parameters {
        match value {
            Some(_) if name.as_c_str() == c"source" => {}
            Some(value) => write!(f, " {}={}", name.to_string_lossy(), value.to_string_lossy())?,
            None => write!(f, " {}", name.to_string_lossy())?,
        }
    }
    if let Some(label) = &fs.label {
        write!(f, " label={}", label.to_string_lossy())?;
    }
    if fs.copy_up { f.write_str(" tmpcopyup") } else { Ok(()) }
}

fn bind(f: &mut fmt::Formatter<'_>, source: &BindSource, at: &At) -> fmt::Result {
    let (path, tree) = match source {
        BindSource::Path(path, recursive) => (path, *recursive),
        BindSource::Detached(_, path) => (path, true),
    };
    let verb = if tree { "bind tree" } else { "bind" };
    write!(f, "{verb} {} on {}", path.to_string_lossy(), inner(at))
}

fn inner(at: &At) -> String {
    match at.path.to_string_lossy().as_ref() {
        "." => "/".to_owned(),
        path => format!("/{path}"),
    }
}

fn propagation(mode: u64) -> &'static str {
    match mode {
        libc::MS_SHARED => "shared",
        libc::MS_SLAVE => "slave",
        libc::MS_UNBINDABLE => "unbindable",
        _ => "private",
    }
}

fn flags(f: &mut fmt::Formatter<'_>, attrs: u64) -> fmt::Result {
    let known = [
        (ATTR_RDONLY, " ro"),
        (ATTR_NOSUID, " nosuid"),
        (ATTR_NODEV, " nodev"),
        (ATTR_NOEXEC, " noexec"),
        (0x10, " noatime"),
        (0x20, " strictatime"),
        (0x80, " nodiratime"),
        (0x20_0000, " nosymfollow"),
    ];
    known
        .into_iter()
        .filter(|(bit, _)| attrs & bit != 0)
        .try_for_each(|(_, name)| f.write_str(name))
}

fn changed(f: &mut fmt::Formatter<'_>, changes: &Changes) -> fmt::Result {
    let each = |f: &mut fmt::Formatter<'_>, attr: &Attr| {
        flags(f, attr.set)?;
        if attr.clear & !0x70 != 0 {
            f.write_str(" without")?;
            flags(f, attr.clear & !0x70)?;
        }
        if attr.propagation != 0 {
            write!(f, " {}", propagation(attr.propagation))?;
        }
        Ok(())
    };
    each(f, &changes.own)?;
    if !changes.tree.is_empty() {
        f.write_str(", recursively")?;
        each(f, &changes.tree)?;
    }
    Ok(())
}

fn node(mode: u32, device: u64) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        _ => 'p',
    };
    format!("{kind} {}:{} {:04o}", libc::major(device), libc::minor(device), mode & 0o7777)
}

fn limit(value: u64) -> String {
    if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() }
}

/// `pid mnt uts`: the names that /proc/PID/ns has.
pub fn kinds_text(kinds: u64) -> String {
    let names = [
        (libc::CLONE_NEWUSER, "user"),
        (libc::CLONE_NEWNS, "mnt"),
        (libc::CLONE_NEWPID, "pid"),
        (libc::CLONE_NEWNET, "net"),
        (libc::CLONE_NEWIPC, "ipc"),
        (libc::CLONE_NEWUTS, "uts"),
        (libc::CLONE_NEWCGROUP, "cgroup"),
        (libc::CLONE_NEWTIME, "time"),
    ];
    let has = |flag: i32| kinds & u64::from(flag.unsigned_abs()) != 0;
    let named: Vec<&str> =
        names.into_iter().filter(|(flag, _)| has(*flag)).map(|(_, n)| n).collect();
    named.join(" ")
}

/// What the host side does, in order, as (kind, line).
#[must_use]
pub fn host_lines(plan: &Plan, spec: &Spec) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(cgroup) = &plan.cgroup {
        lines.extend(cgroup.lines().into_iter().map(|line| ("cgroup", line)));
    }
    if let Some(rdt) = spec.intel_rdt.as_ref().filter(|_| plan.cgroup.is_some()) {
        let class = match &rdt.clos {
            Clos::Own => plan.id.as_str(),
            Clos::Default => "/",
            Clos::Named(name) => name,
        };
        lines.push(("resctrl", format!("class {class}")));
        lines.extend(
            rdt.lines.iter().map(|(line, _)| ("resctrl", format!("{class}/schemata {line}"))),
        );
        if rdt.monitoring {
            lines.push(("resctrl", format!("{class}/mon_groups/{}", plan.id)));
        }
    }
    for tree in &plan.detached {
        let mapped = if tree.idmap.is_some() { ", idmapped" } else { "" };
        lines.push(("mount", format!("clone {}{mapped}", tree.source.to_string_lossy())));
    }
    for join in &plan.joins {
        let kinds = kinds_text(join.kinds.into());
        // An exec's have no path: they are entered through the init's pidfd.
        let of = if join.pointer.is_empty() { "of the init".into() } else { join.path.to_string() };
        lines.push(("open", format!("namespace {kinds} {of}")));
    }
    let new = kinds_text(plan.clone);
    lines.push((
        "clone",
        if new.is_empty() { "no new namespace".into() } else { format!("new {new}") },
    ));
    if let Some(maps) = &plan.id_maps {
        let line = |maps: &[crate::spec::IdMap]| {
            let each =
                |m: &crate::spec::IdMap| format!("{} {} {}", m.container_id, m.host_id, m.size);
            maps.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        lines.push(("idmap", format!("uid {}; gid {}", line(&maps.uid), line(&maps.gid))));
    }
    if let Some(adjust) = plan.oom_score_adj {
        lines.push(("proc", format!("oom_score_adj {adjust}")));
    }
    lines.extend(processors::lines(plan).map(|line| ("schedule", line)));
    for device in &plan.net_devices {
        lines.push(("netdev", format!("move {} in as {}", device.host, device.name)));
    }
    for (name, list) in [
        ("prestart", &spec.hooks.prestart),
        ("createRuntime", &spec.hooks.create_runtime),
        ("poststart", &spec.hooks.poststart),
        ("poststop", &spec.hooks.poststop),
    ] {
        lines.extend(list.iter().map(|hook| ("hook", format!("{name} {}", hook.path.display()))));
    }
    lines
}

/// The plan as text: what the host does, then the child's numbered steps.
#[must_use]
pub fn explain(plan: &Plan, spec: &Spec, host: &Host, bundle: &str) -> String {
    let mut out = String::new();
    let (major, minor) = host.kernel;
    let mut line = |text: fmt::Arguments<'_>| {
        out.write_fmt(text).ok();
        out.push('\n');
    };
    line(format_args!("container {}   bundle {bundle}   host Linux {major}.{minor}", plan.id));
    for (kind, text) in host_lines(plan, spec) {
        line(format_args!("host   {kind:<8} {text}"));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        line(format_args!("child  {number:02}  {step}"));
    }
    let argv: Vec<_> = plan.argv.iter().map(|arg| arg.to_string_lossy()).collect();
    line(format_args!("program   {}", argv.join(" ")));
    for warning in &plan.warnings {
        line(format_args!("warning   {warning}"));
    }
    out
}

/// The same as JSON.
#[must_use]
pub fn explain_json(plan: &Plan, spec: &Spec, host: &Host, bundle: &str) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(number, step)| {
            json!({"step": number, "phase": phase(step.phase), "text": step.to_string(), "pointer": step.pointer})
        })
        .collect();
    let host_steps: Vec<Value> = host_lines(plan, spec)
        .into_iter()
        .map(|(kind, text)| json!({"kind": kind, "text": text}))
        .collect();
    let argv: Vec<_> = plan.argv.iter().map(|arg| arg.to_string_lossy()).collect();
    let envp: Vec<_> = plan.envp.iter().map(|pair| pair.to_string_lossy()).collect();
    json!({
        "id": plan.id.as_str(),
        "bundle": bundle,
        "kernel": format!("{}.{}", host.kernel.0, host.kernel.1),
        "namespaces": kinds_text(plan.clone),
        "cgroup": plan.cgroup,
        "host": host_steps,
        "child": steps,
        "argv": argv,
        "env": envp,
        "warnings": plan.warnings,
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Enter => "enter",
        Phase::Rootfs => "rootfs",
        Phase::RootfsHooks => "rootfs-hooks",
        Phase::Hide => "hide",
        Phase::Root => "root",
        Phase::Prepare => "prepare",
        Phase::Ready => "ready",
        Phase::StartHooks => "start-hooks",
        Phase::Identity => "identity",
        Phase::Program => "program",
    }
}
