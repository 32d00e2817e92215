//! Layer 3, pure: Spec × Host × Request become a [`Plan`], the list of everything that will happen.
//!
//! It knows every decision; it performs none: no file, clock or environment variable is read here, so a plan made from
//! fixtures is the same on every machine. `explain` prints the very object that `launch` performs.
//! What a newcomer would get wrong: the plan of a container is complete before the first kernel object exists. A limit
//! that can't be enforced, a capability that can't be granted, a profile that can't be compiled is known here.

pub mod cgroup;
pub mod checkpoint;
pub mod device_filter;
mod devices;
mod harden;
mod identity;
mod labels;
mod namespaces;
mod net_devices;
pub mod order;
mod process;
mod processors;
mod rootfs;
pub mod seccomp;
pub mod show;
pub mod step;

pub use labels::Label;
pub use namespaces::Join;
pub use process::ExecRequest;
pub use rootfs::DetachedTree;
pub use step::{Act, ParentFd, Phase, Step};

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::id::ContainerId;
use crate::spec::{
    HookPhase, IdMaps, IoPriority, NetDevice, NumberSet, Process, Scheduler, Spec, Terminal,
};
use std::ffi::CString;
use std::path::PathBuf;

/// What the caller asked for, beside the bundle.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--no-pivot`
    pub no_pivot: bool,
    /// `--no-new-keyring`
    pub no_new_keyring: bool,
    /// `--preserve-fds`, and the descriptors of `LISTEN_FDS`: so many from 3 on.
    pub preserve_fds: u32,
    /// `LISTEN_FDS`, passed on with `LISTEN_PID=1`.
    pub listen_fds: Option<u32>,
    /// The host directory of a notify socket, to be bound on `/run/notify`.
    pub notify_directory: Option<PathBuf>,
    /// `HOME` of the user in the image's passwd file.
    pub home: Option<String>,
    /// Whether to stop before the program until `start`.
    pub gate: bool,
    /// `--rootless=true`
    pub rootless: bool,
    /// `--systemd-cgroup`
    pub systemd_cgroup: bool,
    /// `--cgroup-manager disabled`
    pub no_cgroup: bool,
    /// Filters made before, in a process that makes many.
    pub filters: Option<seccomp::Filters>,
}

/// A container, or an exec in one, before it exists.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The container's id.
    pub id: ContainerId,
    /// Its cgroup; `None` for an exec, which enters the container's.
    pub cgroup: Option<cgroup::CgroupPlan>,
    /// `CLONE_NEW*` of the one clone.
    pub clone: u64,
    /// Namespaces that the parent opens for the child to join.
    pub joins: Vec<Join>,
    /// The pid namespace among them that the parent itself must be in when it clones.
    pub parent_joins_pid: Option<usize>,
    /// Trees that the parent clones, and maps, before the clone.
    pub detached: Vec<DetachedTree>,
    /// The maps that the parent writes for a new user namespace.
    pub id_maps: Option<IdMaps>,
    /// `oomScoreAdj`, written by the parent.
    pub oom_score_adj: Option<i32>,
    /// `scheduler`, set by the parent when the child is ready: it takes rights over the machine, and the set-up is not
    /// to run under it.
    pub scheduler: Option<Scheduler>,
    /// `ioPriority`, the same.
    pub io_priority: Option<IoPriority>,
    /// Where the parent's thread runs while it clones an exec; empty for where it is.
    pub initial_cpus: NumberSet,
    /// Devices that the parent moves into the container's network namespace, before any hook.
    pub net_devices: Vec<NetDevice>,
    /// The child's steps.
    pub steps: Vec<Step>,
    /// Where the program may lie, in the order of looking.
    pub candidates: Vec<CString>,
    /// argv
    pub argv: Vec<CString>,
    /// environ
    pub envp: Vec<CString>,
    /// A pty is made, and its master comes to the parent.
    pub terminal: bool,
    /// seccomp notify: where the descriptor goes, and the metadata for the listener.
    pub notify: Option<(String, Option<String>)>,
    /// One lower-case line each.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Decides what creating this container takes.
    ///
    /// # Errors
    /// For what this host can't do, and for fields that only make sense together.
    pub fn create(id: &ContainerId, spec: &Spec, host: &Host, request: &Request) -> Result<Self> {
        let process = spec.process.as_ref().ok_or_else(|| {
            Error::spec("/process", "process is missing").hint("say what to run in process.args")
        })?;
        let mut steps = step::Steps::default();
        let mut warnings = spec.warnings.clone();
        let cgroup = match (request.no_cgroup, request.systemd_cgroup) {
            (true, _) => cgroup::none(&spec.resources)?,
            (false, true) => cgroup::scope::plan(spec, host, id, request.rootless)?,
            (false, false) => cgroup::plan(spec, host, id, request.rootless)?,
        };
        warnings.extend(cgroup.warnings.iter().cloned());

        let entry = namespaces::enter(spec, host, request, &cgroup, id)?;
        steps.list.extend(entry.steps);
        warnings.extend(labels::left_out(spec, host));
        let trees = rootfs::assemble(spec, host, request, &cgroup, &mut steps)?;
        hooks(spec, &mut steps, HookPhase::CreateContainer)?;
        rootfs::hide(spec, host, &mut steps)?;
        rootfs::enter(spec, request, &mut steps);
        namespaces::settings(spec, &mut steps)?;
        let program = process::program(process, request)?;
        process::prepare(process, &mut steps)?;
        gate(request, &mut steps);
        hooks(spec, &mut steps, HookPhase::StartContainer)?;
        let privileges = identity::Privileges::of(spec, host);
        let notify = identity::become_user(
            process,
            &identity::Setting::of(spec, request),
            host,
            &privileges,
            &mut steps,
            &mut warnings,
        )?;
        harden::harden(&spec.hardening, host, &mut steps, &mut warnings)?;
        identity::finish(request.preserve_fds, &mut steps);
        process::check_scheduler(process, &steps.list)?;
        Ok(Self {
            id: id.clone(),
            cgroup: Some(cgroup),
            clone: entry.clone,
            joins: entry.joins,
            parent_joins_pid: entry.parent_joins_pid,
            detached: trees,
            id_maps: entry.id_maps,
            oom_score_adj: process.oom_score_adj,
            scheduler: process.scheduler,
            io_priority: process.io_priority,
            initial_cpus: NumberSet::default(),
            net_devices: net_devices::decide(spec, host)?,
            steps: steps.list,
            candidates: program.candidates,
            argv: program.argv,
            envp: program.envp,
            terminal: process.terminal != Terminal::None,
            notify,
            warnings,
        })
    }

    /// Decides what running another process in a container takes.
    ///
    /// # Errors
    /// As [`Plan::create`].
    pub fn exec(
        id: &ContainerId,
        process: &Process,
        host: &Host,
        request: &Request,
        exec: &ExecRequest,
    ) -> Result<Self> {
        process::exec(id, process, host, request, exec)
    }
}

/// The checkpoint at which the container is created, and the gate if it stops there.
fn gate(request: &Request, steps: &mut step::Steps) {
    steps.push(Phase::Ready, Act::Reach(rrun_sys::script::Checkpoint::Ready));
    if request.gate {
        steps.push(Phase::Ready, Act::Gate);
    }
}

/// The hooks that run inside. The rootfs checkpoint comes before the createContainer ones.
fn hooks(spec: &Spec, steps: &mut step::Steps, which: HookPhase) -> Result<()> {
    let (list, phase) = match which {
        HookPhase::CreateContainer => {
            let hooks = !(spec.hooks.prestart.is_empty() && spec.hooks.create_runtime.is_empty());
            // Devices, too, move before any hook looks.
            if hooks || !spec.net_devices.is_empty() {
                let checkpoint = rrun_sys::script::Checkpoint::Rootfs;
                steps.push(Phase::RootfsHooks, Act::Reach(checkpoint));
            }
            (&spec.hooks.create_container, Phase::RootfsHooks)
        }
        _ => (&spec.hooks.start_container, Phase::StartHooks),
    };
    for (index, hook) in list.iter().enumerate() {
        let pointer = format!("/hooks/{}/{index}", which.name());
        let at = |key: &str| format!("{pointer}/{key}");
        let timeout = hook
            .timeout
            .map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        let hook = step::InnerHook {
            phase: which.name(),
            path: text(&at("path"), &hook.path.to_string_lossy())?,
            argv: texts(&at("args"), &hook.args)?,
            envp: texts(&at("env"), &hook.env)?,
            timeout,
            stdout: hook.stdout.clone(),
            stderr: hook.stderr.clone(),
        };
        steps.push_at(phase, Act::Hook(hook), pointer);
    }
    Ok(())
}

/// A string for the kernel.
fn text(pointer: &str, value: &str) -> Result<CString> {
    CString::new(value).map_err(|_| {
        Error::new(Kind::Spec, format!("{value:?} has a NUL byte")).at(pointer).hint("remove it")
    })
}

fn texts(pointer: &str, values: &[String]) -> Result<Vec<CString>> {
    values.iter().enumerate().map(|(i, value)| text(&format!("{pointer}/{i}"), value)).collect()
}
