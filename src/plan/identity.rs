//! From root to the user: limits, groups, ids, capabilities, filter, program.
//!
//! What a newcomer would get wrong: a filter without no_new_privs needs CAP_SYS_ADMIN, so it is installed between the
//! change of user and the last drop of capabilities; with no_new_privs it comes last of all, where it can forbid most.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::plan::step::{Act, Phase, Steps};
use crate::plan::{Request, labels, seccomp, text};
use crate::spec::{
    CapSet, Capabilities, IdMap, MemoryPolicy, Namespace, Privileges as Gain, Process, Profile,
    RawFilter, Spec,
};

const CAP_SETPCAP: u64 = 1 << 8;
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// What can be granted at all.
pub struct Privileges {
    /// Bit *n* is capability *n*.
    pub available: u64,
    /// The kernel's last capability.
    pub last: u8,
    /// Whether setgroups(2) is allowed, and wanted.
    pub set_groups: bool,
    /// Whether it is not wanted.
    pub keep_groups: bool,
    /// Whether the container has a user namespace that is not ours.
    pub user_namespace: bool,
}

impl Privileges {
    /// In a user namespace of its own a container's root has every capability; else only what we have.
    pub fn of(spec: &Spec, host: &Host) -> Self {
        let user_namespace = spec.namespaces.user != Namespace::Inherit;
        Self::with(host, user_namespace, &spec.id_maps.gid, spec.crun.keep_groups)
    }

    /// The same, for an exec.
    pub fn with(host: &Host, user_namespace: bool, gid_map: &[IdMap], keep_groups: bool) -> Self {
        let all = u64::MAX >> (63 - u32::from(host.last_cap.min(63)));
        let available = if user_namespace { all } else { host.permitted_caps };
        // A user who maps their own group alone gives setgroups(2) up for it (user_namespaces(7)). Without a map, in a
        // namespace that is joined, they probably did.
        let mapped = !gid_map.is_empty() && !IdMap::is_only(gid_map, host.egid);
        let set_groups = host.set_groups && (host.may_map_any_id() || user_namespace && mapped);
        let set_groups = set_groups && !keep_groups;
        Self { available, last: host.last_cap, set_groups, keep_groups, user_namespace }
    }
}

/// What a container's configuration has for each of its processes, whoever starts it.
pub struct Setting<'a> {
    pub profile: Option<&'a Profile>,
    /// In its place.
    pub filter: Option<&'a RawFilter>,
    pub personality: Option<u32>,
    pub memory_policy: Option<&'a MemoryPolicy>,
    /// Filters made before.
    pub filters: Option<&'a seccomp::Filters>,
}

impl<'a> Setting<'a> {
    pub fn of(spec: &'a Spec, request: &'a Request) -> Self {
        let Spec { seccomp, hardening, personality, memory_policy, .. } = spec;
        Self {
            profile: seccomp.as_ref(),
            filter: hardening.filter.as_ref(),
            personality: *personality,
            memory_policy: memory_policy.as_ref(),
            filters: request.filters.as_ref(),
        }
    }
}

fn memory_policy(policy: &MemoryPolicy, host: &Host) -> Result<Act> {
    let (major, minor) = policy.since();
    if host.kernel < (major, minor) {
        let message = format!("{} needs Linux {major}.{minor} or newer", policy.name);
        let error = Error::new(Kind::Host, message).at("/linux/memoryPolicy/mode");
        return Err(error.hint("use another mode, or leave linux.memoryPolicy out"));
    }
    Ok(Act::MemoryPolicy(policy.clone()))
}

/// Everything between `start` and execve that depends on who runs. Answers with the notify listener, if any.
pub fn become_user(
    process: &Process,
    setting: &Setting<'_>,
    host: &Host,
    privileges: &Privileges,
    steps: &mut Steps,
    warnings: &mut Vec<String>,
) -> Result<Option<(String, Option<String>)>> {
    let push = |steps: &mut Steps, act, pointer: &'static str| {
        steps.push_at(Phase::Identity, act, pointer);
    };
    let profile = setting.profile;
    if let Some(persona) = setting.personality {
        push(steps, Act::Personality(persona), "/linux/personality");
    }
    if let Some(policy) = setting.memory_policy {
        push(steps, memory_policy(policy, host)?, "/linux/memoryPolicy");
    }
    labels::program(process, host, steps)?;
    let sets = grant(process, privileges, warnings);
    let keep = process.capabilities.bounding.0;
    push(
        steps,
        Act::LimitBounding { keep, last: privileges.last },
        "/process/capabilities/bounding",
    );
    ids(process, privileges, steps, warnings);
    push(steps, Act::Umask(process.user.umask.unwrap_or(0o022)), "/process/user/umask");
    confine(process, setting, &sets, privileges, steps)?;
    Ok(profile.and_then(|profile| {
        Some((profile.listener_path.clone()?, profile.listener_metadata.clone()))
    }))
}

/// The last of the privileges go, and the filter comes; which of them first depends on no_new_privs.
fn confine(
    process: &Process,
    setting: &Setting<'_>,
    sets: &Capabilities,
    privileges: &Privileges,
    steps: &mut Steps,
) -> Result<()> {
    let push = |steps: &mut Steps, act, pointer: &'static str| {
        steps.push_at(Phase::Identity, act, pointer);
    };
    let no_new = process.privileges == Gain::NoNew;
    let filter = filter(setting, no_new)?;
    let cwd =
        Act::WorkingDirectory { path: text("/process/cwd", process.cwd.as_str())?, lenient: false };
    let final_sets = Act::Capabilities {
        effective: sets.effective.0,
        permitted: sets.permitted.0,
        inheritable: sets.inheritable.0,
    };
    let ambient = Act::Ambient { set: sets.ambient.0, last: privileges.last };
    match filter {
        Some((filter, pointer)) if !no_new => {
            push(steps, cwd, "/process/cwd");
            if process.user.uid != 0 {
                // The change of user left the capabilities permitted but not in force.
                let keep = (sets.permitted.0 | CAP_SYS_ADMIN | CAP_SETPCAP) & privileges.available;
                let raise = Act::Capabilities { effective: keep, permitted: keep, inheritable: 0 };
                push(steps, raise, "");
            }
            steps.push(Phase::Program, Act::Announce);
            steps.push_at(Phase::Program, filter, pointer);
            steps.push_at(Phase::Program, final_sets, "/process/capabilities");
            steps.push_at(Phase::Program, ambient, "/process/capabilities/ambient");
        }
        filter => {
            push(steps, final_sets, "/process/capabilities");
            push(steps, ambient, "/process/capabilities/ambient");
            push(steps, cwd, "/process/cwd");
            if no_new {
                push(steps, Act::NoNewPrivileges, "/process/noNewPrivileges");
            }
            steps.push(Phase::Program, Act::Announce);
            if let Some((filter, pointer)) = filter {
                steps.push_at(Phase::Program, filter, pointer);
            }
        }
    }
    Ok(())
}

/// The filter, and who asks for it. A profile beside a ready-made one was refused.
fn filter(setting: &Setting<'_>, no_new_privs: bool) -> Result<Option<(Act, &'static str)>> {
    let compile = |profile| match setting.filters {
        Some(made) => made.compile(profile, no_new_privs),
        None => seccomp::compile(profile, no_new_privs),
    };
    let (program, pointer) = match (setting.profile, setting.filter) {
        (Some(profile), _) => (compile(profile)?, "/linux/seccomp"),
        (None, Some(filter)) => (seccomp::adopt(filter, no_new_privs)?, filter.pointer),
        (None, None) => return Ok(None),
    };
    let seccomp::Program { instructions, flags, notifies, description } = program;
    Ok(Some((Act::Seccomp { instructions, flags, notifies, description }, pointer)))
}

/// The last step. Descriptors were marked close-on-exec at the start; what hooks or steps opened since is marked too.
pub fn finish(preserve_fds: u32, steps: &mut Steps) {
    let at = steps.list.iter().position(|step| step.act == Act::Announce);
    let close = super::Step {
        phase: Phase::Identity,
        act: Act::CloseFrom(3 + preserve_fds),
        pointer: "".into(),
    };
    steps.list.insert(at.unwrap_or(steps.list.len()), close);
    steps.push_at(Phase::Program, Act::Exec, "/process/args");
}

/// What was asked for and can be granted; the rest is warned about (the runtime-spec: SHOULD warn, MUST NOT fail).
fn grant(process: &Process, privileges: &Privileges, warnings: &mut Vec<String>) -> Capabilities {
    let mut sets = process.capabilities;
    let mut missing = 0;
    let all = [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable, &mut sets.ambient];
    for CapSet(set) in all {
        missing |= *set & !privileges.available;
        *set &= privileges.available;
    }
    missing |= sets.bounding.0 & !privileges.available;
    if missing != 0 {
        warnings.push(format!(
            "these capabilities can't be granted, because rrun does not hold them: {}",
            names(missing).join(" ")
        ));
    }
    let raisable = sets.permitted.0 & sets.inheritable.0;
    if sets.ambient.0 & !raisable != 0 {
        warnings.push(format!(
            "ambient capabilities must be permitted and inheritable too; left out: {}",
            names(sets.ambient.0 & !raisable).join(" ")
        ));
        sets.ambient.0 &= raisable;
    }
    sets
}

/// `CAP_*` names of a set.
pub fn names(set: u64) -> Vec<String> {
    let known = caps::all();
    (0..64_u8)
        .filter(|number| set >> number & 1 == 1)
        .map(|number| {
            known
                .iter()
                .find(|capability| capability.index() == number)
                .map_or_else(|| format!("{number}"), ToString::to_string)
        })
        .collect()
}

fn ids(process: &Process, privileges: &Privileges, steps: &mut Steps, warnings: &mut Vec<String>) {
    let user = &process.user;
    let uid = user.uid;
    let push = |steps: &mut Steps, act, pointer: &'static str| {
        steps.push_at(Phase::Identity, act, pointer);
    };
    if uid != 0 || privileges.user_namespace {
        push(steps, Act::OwnStreams { uid }, "/process/user/uid");
    }
    if uid != 0 {
        push(steps, Act::KeepCapabilities(true), "");
    }
    if privileges.set_groups {
        push(steps, Act::Groups(user.additional_gids.clone()), "/process/user/additionalGids");
    } else if !user.additional_gids.is_empty() {
        let why = match privileges.keep_groups {
            true => "run.oci.keep_original_groups keeps the caller's",
            false => "a user namespace that maps your own group alone allows none",
        };
        warnings.push(format!("additionalGids are left out: {why}"));
    }
    push(steps, Act::Ids { uid, gid: user.gid }, "/process/user");
    if uid != 0 {
        push(steps, Act::KeepCapabilities(false), "");
    }
}
