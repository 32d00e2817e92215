//! The program: argv, environment, where to look for it; and an exec's whole plan.

use crate::error::{Error, Result};
use crate::host::Host;
use crate::id::{ContainerId, HostPath};
use crate::plan::harden::harden;
use crate::plan::identity::{self, Privileges};
use crate::plan::labels;
use crate::plan::step::{Act, Phase, Step, Steps};
use crate::plan::{Join, ParentFd, Plan, Request, text, texts};
use crate::spec::{Hardening, IdMap, MemoryPolicy, Process, Profile, Terminal};
use rrun_sys::script::Checkpoint;
use std::collections::BTreeSet;
use std::ffi::CString;

/// Where a program without a slash is looked for when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What execve(2) will take.
pub struct Program {
    pub candidates: Vec<CString>,
    pub argv: Vec<CString>,
    pub envp: Vec<CString>,
}

/// What is known of the container that an exec enters.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// `CLONE_NEW*` of the namespaces in which its init differs from us.
    pub kinds: u32,
    /// Whether the cgroup has v1 hierarchies to be joined.
    pub cgroup_join: bool,
    /// `linux.seccomp` of its configuration.
    pub profile: Option<Profile>,
    /// What its annotations take away.
    pub hardening: Hardening,
    /// `linux.personality`.
    pub personality: Option<u32>,
    /// `linux.memoryPolicy`.
    pub memory_policy: Option<MemoryPolicy>,
    /// The group map of its user namespace.
    pub gid_map: Vec<IdMap>,
    /// `run.oci.keep_original_groups` of its configuration.
    pub keep_groups: bool,
}

/// argv, environment and candidates.
pub fn program(process: &Process, request: &Request) -> Result<Program> {
    let mut env = process.env.clone();
    let has = |env: &[String], name: &str| {
        env.iter().any(|pair| pair.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
    };
    if !has(&env, "HOME") {
        env.push(format!("HOME={}", request.home.as_deref().unwrap_or("/")));
    }
    if let Some(count) = request.listen_fds {
        env.push(format!("LISTEN_FDS={count}"));
        env.push("LISTEN_PID=1".to_owned());
    }
    if request.notify_directory.is_some() {
        env.push("NOTIFY_SOCKET=/run/notify/notify.sock".to_owned());
    }
    let env = last_of_each(env);
    let name = process.args.first().map_or("", String::as_str);
    Ok(Program {
        candidates: candidates(name, &env)?,
        argv: texts("/process/args", &process.args)?,
        envp: texts("/process/env", &env)?,
    })
}

/// Of several values of a variable, the last: a shell would take that one, and getenv(3) the first.
fn last_of_each(mut env: Vec<String>) -> Vec<String> {
    fn name(pair: &str) -> &str {
        pair.split_once('=').map_or(pair, |(name, _)| name)
    }
    // Not by a HashSet: its keys are a system call, and more of the work than comparing a dozen names. A tree, since an
    // environment of thousands is no configuration's mistake.
    let mut seen = BTreeSet::new();
    let is_last: Vec<bool> = env.iter().rev().map(|pair| seen.insert(name(pair))).collect();
    let mut is_last = is_last.into_iter().rev();
    env.retain(|_| is_last.next() == Some(true));
    env
}

/// A name with a slash is a path; another is looked for along PATH, whose empty entries (the working directory) are
/// passed over.
fn candidates(name: &str, env: &[String]) -> Result<Vec<CString>> {
    let pointer = "/process/args/0";
    if name.contains('/') {
        return Ok(vec![text(pointer, name)?]);
    }
    let path = env.iter().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| text(pointer, &format!("{directory}/{name}")))
        .collect()
}

/// Limits, and the program looked for, so that its absence is an error of `create`.
pub fn prepare(process: &Process, steps: &mut Steps) -> Result<()> {
    for (index, limit) in process.rlimits.iter().enumerate() {
        let act = Act::Rlimit {
            resource: limit.resource,
            name: limit.name,
            soft: limit.soft,
            hard: limit.hard,
        };
        steps.push_at(Phase::Prepare, act, format!("/process/rlimits/{index}"));
    }
    let path = text("/process/cwd", process.cwd.as_str())?;
    let act = Act::WorkingDirectory { path, lenient: true };
    steps.push_at(Phase::Prepare, act, "/process/cwd");
    steps.push_at(Phase::Prepare, Act::FindProgram, "/process/args/0");
    Ok(())
}

/// Where an exec runs from the moment it is in the container's cgroup. Sent somewhere by `initial` alone, it stays where
/// the kernel then puts it.
fn affinity(process: &Process, steps: &mut Steps) {
    let affinity = &process.exec_affinity;
    if !affinity.last.is_empty() {
        let act = Act::Affinity(Some(affinity.last.clone()));
        steps.push_at(Phase::Enter, act, "/process/execCPUAffinity/final");
    } else if affinity.initial.is_empty() {
        steps.push(Phase::Enter, Act::Affinity(None));
    }
}

/// Under SCHED_DEADLINE a process may clone nothing, and what is still to do after the parent has set it takes a clone
/// for each hook and for handing a seccomp listener its descriptor.
pub fn check_scheduler(process: &Process, steps: &[Step]) -> Result<()> {
    let clones = |step: &Step| match &step.act {
        Act::Hook(_) => step.phase > Phase::Ready,
        Act::Seccomp { notifies, .. } => *notifies,
        _ => false,
    };
    match steps.iter().find(|step| clones(step)) {
        Some(step) if process.scheduler.is_some_and(|scheduler| scheduler.forbids_fork()) => {
            let message =
                format!("a process of SCHED_DEADLINE can't start another, and this must: {step}");
            Err(Error::spec("/process/scheduler", message)
                .hint("add SCHED_FLAG_RESET_ON_FORK, or do without hooks and listeners"))
        }
        _ => Ok(()),
    }
}

/// The way into the namespaces of a container, through its init's pidfd; and which of the joins is the parent's.
///
/// Joining a pid namespace acts on children. A privileged parent joins it before the clone; an unprivileged one has the
/// right only inside the user namespace, so there the child joins all and clones again.
fn join(kinds: u32, host: &Host, steps: &mut Steps) -> (Vec<Join>, Option<usize>) {
    let pid = kinds & libc::CLONE_NEWPID.unsigned_abs();
    let hop = pid != 0 && !host.is_machine_root();
    let own = if hop { kinds } else { kinds & !pid };
    let join = |kinds| Join {
        path: HostPath::from(std::path::PathBuf::new()),
        kinds,
        pointer: String::new(),
    };
    let mut joins = Vec::new();
    if own != 0 {
        steps.push(Phase::Enter, Act::Join { fd: ParentFd::Join(0), kinds: own });
        joins.push(join(own));
    }
    if hop {
        steps.push(Phase::Enter, Act::Hop { kinds: 0 });
        return (joins, None);
    }
    let by_parent = (pid != 0).then(|| {
        joins.push(join(pid));
        joins.len() - 1
    });
    (joins, by_parent)
}

/// Another process in a container: its namespaces are entered through its init's pidfd.
pub fn exec(
    id: &ContainerId,
    process: &Process,
    host: &Host,
    request: &Request,
    exec: &ExecRequest,
) -> Result<Plan> {
    let mut warnings = Vec::new();
    let mut steps = Steps::default();
    steps.push(Phase::Enter, Act::CloseFrom(3 + request.preserve_fds));
    if exec.cgroup_join {
        steps.push(Phase::Enter, Act::JoinCgroups);
        steps.push(Phase::Enter, Act::Reach(Checkpoint::Cloned));
    }
    affinity(process, &mut steps);
    let (joins, parent_joins_pid) = join(exec.kinds, host, &mut steps);
    let user_namespace = exec.kinds & libc::CLONE_NEWUSER.unsigned_abs() != 0;
    let privileges = Privileges::with(host, user_namespace, &exec.gid_map, exec.keep_groups);
    if user_namespace {
        steps.push(Phase::Enter, Act::BecomeRoot { set_groups: privileges.set_groups });
    }
    if exec.kinds & libc::CLONE_NEWNS.unsigned_abs() == 0 {
        steps.push(Phase::Enter, Act::EnterRoot);
    }
    labels::session(id, Some(process), request, &mut steps)?;
    if let Terminal::Pty { size } = process.terminal {
        steps.push_at(Phase::Enter, Act::OpenDirectory { path: c"/".into() }, "/terminal");
        let size = size.unwrap_or_default();
        let act = Act::Console { dev: None, size, uid: process.user.uid };
        steps.push_at(Phase::Hide, act, "/terminal");
    }
    let program = program(process, request)?;
    prepare(process, &mut steps)?;
    steps.push(Phase::Ready, Act::Reach(Checkpoint::Ready));
    let setting = identity::Setting {
        profile: exec.profile.as_ref(),
        filter: exec.hardening.filter.as_ref(),
        personality: exec.personality,
        memory_policy: exec.memory_policy.as_ref(),
        filters: request.filters.as_ref(),
    };
    let notify =
        identity::become_user(process, &setting, host, &privileges, &mut steps, &mut warnings)?;
    harden(&exec.hardening, host, &mut steps, &mut warnings)?;
    identity::finish(request.preserve_fds, &mut steps);
    check_scheduler(process, &steps.list)?;
    Ok(Plan {
        id: id.clone(),
        cgroup: None,
        clone: 0,
        joins,
        parent_joins_pid,
        detached: Vec::new(),
        id_maps: None,
        oom_score_adj: process.oom_score_adj,
        scheduler: process.scheduler,
        io_priority: process.io_priority,
        initial_cpus: process.exec_affinity.initial.clone(),
        net_devices: Vec::new(),
        steps: steps.list,
        candidates: program.candidates,
        argv: program.argv,
        envp: program.envp,
        terminal: process.terminal != Terminal::None,
        notify,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, env: &[&str]) -> Vec<String> {
        let env: Vec<String> = env.iter().map(ToString::to_string).collect();
        let all = candidates(name, &env).expect("no NUL");
        all.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_program_is_looked_for_along_its_own_path() {
        assert_eq!(found("sh", &["PATH=/a::/b"]), ["/a/sh", "/b/sh"]);
        assert_eq!(found("./sh", &["PATH=/a"]), ["./sh"]);
        assert_eq!(found("sh", &["XPATH=/a"]).len(), 6);
    }

    #[test]
    fn the_last_value_of_a_variable_is_the_only_one() {
        let env = ["A=1", "B=2", "A=3=4", "AB", "C=", "A"].map(String::from).to_vec();
        assert_eq!(last_of_each(env), ["B=2", "AB", "C=", "A"]);
    }
}
