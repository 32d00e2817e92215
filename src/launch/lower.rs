//! The plan's steps become the child's ops: names become descriptors, strings are borrowed, nothing is decided.
//!
//! What a newcomer would get wrong: op *n* is step *n*. A failure comes back as a number, and the plan has the words.

use super::attend::leave_is_ahead;
use super::opened::Opened;
use crate::error::{Error, Kind, Result};
use crate::plan::Plan;
use crate::plan::step::{
    Act, At, BindSource, EMPTY, InnerHook, LinkBind, NULL, NewFs, ParentFd, ROOT, Step,
};
use crate::spec::NumberSet;
use rrun_sys::Fd;
use rrun_sys::landlock::{PathRule, Ruleset};
use rrun_sys::links::Entry;
use rrun_sys::mount::Reach;
use rrun_sys::script::{
    FileSystem, Handle, HookCall, NotifyTo, Op, Parameter, Place, Script, Slot, Source, Strings,
};
use rrun_sys::trace::SharedClock;
use std::ffi::{CStr, CString, c_char};
use std::os::fd::AsRawFd;

/// What of a script is not borrowed from the plan as it stands.
struct Storage<'a> {
    tasks: Vec<Fd>,
    parameters: Vec<Vec<Parameter<'a>>>,
    candidates: Vec<&'a CStr>,
    /// argv and envp of each hook in turn, then of the program.
    pointers: Vec<Vec<*const c_char>>,
}

impl<'a> Storage<'a> {
    fn of(plan: &'a Plan, opened: &Opened) -> Self {
        let mut this = Self {
            tasks: opened.tasks.iter().map(AsRawFd::as_raw_fd).collect(),
            parameters: Vec::new(),
            candidates: plan.candidates.iter().map(CString::as_c_str).collect(),
            pointers: Vec::new(),
        };
        let places = |list: &[CString]| vec![std::ptr::null(); list.len() + 1];
        for step in &plan.steps {
            match &step.act {
                Act::Mount { fs, .. } => {
                    let all = fs.parameters.iter();
                    this.parameters.push(
                        all.map(|(name, value)| (name.as_c_str(), value.as_deref())).collect(),
                    );
                }
                Act::Hook(hook) => {
                    this.pointers.extend([places(&hook.argv), places(&hook.envp)]);
                }
                _ => {}
            }
        }
        this.pointers.extend([places(&plan.argv), places(&plan.envp)]);
        this
    }
}

/// Calls `then` with the script of `plan`; `control` is the child's end of the socket.
///
/// # Errors
/// [`Kind::Internal`] when the plan names what was not opened; whatever `then` says.
pub fn with_script<R>(
    plan: &Plan,
    opened: &Opened,
    control: Fd,
    clock: Option<&SharedClock>,
    then: impl FnOnce(&Script<'_>) -> Result<R>,
) -> Result<R> {
    let Storage { tasks, parameters, candidates, mut pointers } = Storage::of(plan, opened);
    let landlock = plan.steps.iter().find_map(|step| match &step.act {
        Act::Landlock(rules) => Some(rules),
        _ => None,
    });
    let paths: Vec<PathRule<'_>> = landlock
        .into_iter()
        .flat_map(|rules| &rules.paths)
        .map(|(path, access)| PathRule { path, access: *access })
        .collect();
    let ruleset = landlock.map(|rules| Ruleset {
        handled: rules.handled,
        paths: &paths,
        ports: &rules.ports,
        lenient: rules.lenient,
    });
    let mut lowering = Lowering {
        ruleset: ruleset.as_ref(),
        tasks: &tasks,
        plan,
        opened,
        candidates: &candidates,
        parameters: parameters.iter(),
        pointers: pointers.iter_mut(),
    };
    let mut ops = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        ops.push(lowering.step(step)?);
    }
    super::fault::inject(&mut ops);
    let first_foreign = plan.steps.first().map_or(3, |step| match step.act {
        Act::CloseFrom(first) => first,
        _ => 3,
    });
    let mut kept = opened.all();
    kept.push(control);
    kept.sort_unstable();
    let streams = opened.streams.as_ref();
    let streams = streams.map(|streams| streams.each_ref().map(AsRawFd::as_raw_fd));
    then(&Script { ops: &ops, control, first_foreign, kept: &kept, streams, clock })
}

struct Lowering<'a> {
    ruleset: Option<&'a Ruleset<'a>>,
    tasks: &'a [Fd],
    plan: &'a Plan,
    opened: &'a Opened,
    candidates: &'a [&'a CStr],
    parameters: std::slice::Iter<'a, Vec<Parameter<'a>>>,
    pointers: std::slice::IterMut<'a, Vec<*const c_char>>,
}

const fn slot(slot: Slot) -> Handle {
    Handle::Slot(slot)
}

fn place(at: &At) -> Place<'_> {
    Place { root: slot(at.root), path: &at.path }
}

impl<'a> Lowering<'a> {
    #[allow(clippy::too_many_lines, reason = "one dull line for each act: a table")]
    fn step(&mut self, step: &'a Step) -> Result<Op<'a>> {
        Ok(match &step.act {
            Act::CloseFrom(first) => Op::CloseFrom(*first),
            Act::Reach(_) if leave_is_ahead(self.plan, self.opened) => Op::Await,
            Act::Reach(checkpoint) => Op::Reach(*checkpoint),
            Act::JoinCgroups => Op::JoinCgroups { tasks: self.tasks },
            Act::Join { fd, kinds } => Op::Join { fd: self.opened.fd(*fd)?, kinds: *kinds },
            Act::Unshare { kinds } => Op::Unshare { kinds: *kinds },
            Act::TimeNamespace { offsets } => {
                Op::TimeNamespace { proc: self.opened.fd(ParentFd::Proc)?, offsets }
            }
            Act::Hop { kinds } => Op::Hop { kinds: *kinds },
            Act::BecomeRoot { set_groups } => Op::BecomeRoot { set_groups: *set_groups },
            Act::NewSession => Op::NewSession,
            Act::Keyring(name) => Op::Keyring(name),
            Act::Umask(mask) => Op::Umask(*mask),
            Act::LoopbackUp => Op::LoopbackUp,
            Act::Hostname(name) => Op::Hostname(name.as_bytes()),
            Act::Domainname(name) => Op::Domainname(name.as_bytes()),
            Act::Sysctl { path, value } => {
                let proc = self.opened.fd(ParentFd::Proc)?;
                Op::WriteProc { proc, path, value: value.as_bytes() }
            }
            Act::Label { who, value } => {
                let proc = self.opened.fd(ParentFd::Proc)?;
                Op::WriteOwnProc { proc, path: who.file(), value: value.as_bytes() }
            }
            Act::Affinity(cpus) => Op::Affinity(cpus.as_ref().map(NumberSet::words)),
            Act::MemoryPolicy(policy) => {
                Op::MemoryPolicy { mode: policy.mode | policy.flags, nodes: policy.nodes.words() }
            }
            Act::RootPropagation { mode, recursive } => {
                Op::RootPropagation(*mode, reach(*recursive))
            }
            Act::OpenRootfs { path, isolate_parent } => {
                Op::OpenRootfs { path, isolate_parent: *isolate_parent, out: ROOT }
            }
            Act::OpenDirectory { path } => Op::OpenDirectory { path, out: ROOT },
            Act::Mount { fs, changes, at } => {
                let (changes, place) = (*changes, place(at));
                let copy_up = fs.copy_up;
                let fs = self.file_system(fs)?;
                if copy_up {
                    Op::MountCopyUp { fs, changes, place }
                } else {
                    Op::Mount { fs, changes, place }
                }
            }
            Act::Bind { source, changes, at } => {
                Op::Bind { source: self.source(source)?, changes: *changes, place: place(at) }
            }
            Act::BindLink { bind: LinkBind { source, links, directory, name }, changes, at } => {
                let entry = Entry { root: slot(at.root), path: &at.path, directory, name };
                let source = self.source(source)?;
                Op::BindLink { source, links: *links, changes: *changes, entry }
            }
            Act::SetAttr { at, changes } => Op::SetAttr { place: place(at), changes: *changes },
            Act::Directory { at, mode } => Op::Directory { place: place(at), mode: *mode },
            Act::Open { at, out } => Op::Open { place: place(at), out: *out },
            Act::Device { dir, name, mode, device, uid, gid } => Op::Device {
                dir: slot(*dir),
                name,
                mode: *mode,
                device: *device,
                uid: *uid,
                gid: *gid,
            },
            Act::BindDevice { dir, name, source, device, mode } => {
                Op::BindDevice { dir: slot(*dir), name, source, device: *device, mode: *mode }
            }
            Act::Symlink { target, dir, name, replace } => {
                Op::Symlink { target, dir: slot(*dir), name, replace: *replace }
            }
            Act::OpenNull => {
                Op::OpenNull { path: c"/dev/null", device: libc::makedev(1, 3), out: NULL }
            }
            Act::Mask { at, label } => {
                let label = label.as_deref();
                Op::Mask { place: place(at), null: slot(NULL), empty: EMPTY, label }
            }
            Act::ReadOnly { at } => Op::ReadOnly { place: place(at) },
            Act::Pivot => Op::Pivot { root: slot(ROOT) },
            Act::MoveRoot => Op::MoveRoot { root: slot(ROOT) },
            Act::Chroot => Op::Chroot { root: slot(ROOT) },
            Act::Withdraw { namespace } => {
                Op::Withdraw { root: slot(ROOT), namespace: self.opened.fd(*namespace)? }
            }
            Act::EnterRoot => Op::Chroot { root: Handle::Parent(self.opened.fd(ParentFd::Root)?) },
            Act::Console { dev, size: (rows, columns), uid } => Op::Console {
                root: slot(ROOT),
                dev: dev.map(slot),
                rows: *rows,
                columns: *columns,
                uid: *uid,
            },
            Act::OwnStreams { uid } => Op::OwnStreams { uid: *uid },
            Act::Hook(hook) => Op::Hook(self.hook(hook)?),
            Act::FindProgram => Op::FindProgram { candidates: self.candidates },
            Act::Gate => Op::Gate { listener: self.opened.fd(ParentFd::Gate)? },
            Act::Rlimit { resource, soft, hard, .. } => {
                Op::Rlimit { resource: *resource, soft: *soft, hard: *hard }
            }
            Act::Personality(persona) => Op::Personality(*persona),
            Act::LimitBounding { keep, last } => Op::LimitBounding { keep: *keep, last: *last },
            Act::KeepCapabilities(keep) => Op::KeepCapabilities(*keep),
            Act::Groups(groups) => Op::Groups(groups),
            Act::Ids { uid, gid } => Op::Ids { uid: *uid, gid: *gid },
            Act::Capabilities { effective, permitted, inheritable } => Op::Capabilities {
                effective: *effective,
                permitted: *permitted,
                inheritable: *inheritable,
            },
            Act::Ambient { set, last } => Op::Ambient { set: *set, last: *last },
            Act::NoNewPrivileges => Op::NoNewPrivileges,
            Act::DenyWriteExecute => Op::DenyWriteExecute,
            Act::Landlock(_) => Op::Landlock(self.ruleset.ok_or_else(out_of_step)?),
            Act::WorkingDirectory { path, lenient } => {
                Op::WorkingDirectory { path, lenient: *lenient }
            }
            Act::Announce => Op::Announce,
            Act::Seccomp { instructions, flags, .. } => {
                let notify = self.opened.notify.as_ref().map(|(socket, message)| NotifyTo {
                    socket: socket.as_raw_fd(),
                    state: message.as_raw_fd(),
                });
                Op::Seccomp { program: instructions, flags: *flags, notify }
            }
            Act::Exec => {
                let argv = self.strings(&self.plan.argv)?;
                let envp = self.strings(&self.plan.envp)?;
                Op::Exec { candidates: self.candidates, argv, envp }
            }
        })
    }

    fn source(&self, source: &'a BindSource) -> Result<Source<'a>> {
        Ok(match source {
            BindSource::Path(path, recursive) => Source::Path(path, reach(*recursive)),
            BindSource::Detached(fd, _) => Source::Detached(self.opened.fd(*fd)?),
        })
    }

    fn file_system(&mut self, fs: &'a NewFs) -> Result<FileSystem<'a>> {
        Ok(FileSystem {
            fs_type: &fs.fs_type,
            parameters: self.parameters.next().ok_or_else(out_of_step)?,
            attrs: fs.attrs,
            inherit_mode: fs.inherit_mode,
            label: fs.label.as_deref(),
            // A hook starts in the directory that rrun was started in.
            may_enter: !self.plan.steps.iter().any(|step| matches!(step.act, Act::Hook(_))),
        })
    }

    fn hook(&mut self, hook: &'a InnerHook) -> Result<HookCall<'a>> {
        Ok(HookCall {
            path: &hook.path,
            argv: self.strings(&hook.argv)?,
            envp: self.strings(&hook.envp)?,
            timeout: hook.timeout,
            input: self.opened.fd(ParentFd::HookInput)?,
            output: self.opened.fd(ParentFd::HookOutput)?,
            errors: self.opened.fd(ParentFd::HookErrors)?,
        })
    }

    fn strings(&mut self, list: &'a [CString]) -> Result<Strings<'a>> {
        let places = self.pointers.next().ok_or_else(out_of_step)?;
        Strings::new(places, list.iter().map(CString::as_c_str)).ok_or_else(out_of_step)
    }
}

const fn reach(recursive: bool) -> Reach {
    if recursive { Reach::Tree } else { Reach::One }
}

fn out_of_step() -> Error {
    Error::new(Kind::Internal, "the script's storage does not fit its plan")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::id::ContainerId;
    use crate::launch::opened::HookFiles;
    use crate::plan::Request;
    use crate::spec::Spec;
    use std::fs::{File, read, read_dir};
    use std::os::fd::OwnedFd;
    use std::path::Path;

    fn some() -> OwnedFd {
        File::open("/dev/null").expect("/dev/null").into()
    }

    /// The plans of every configuration of the fixtures, on every machine that takes it.
    fn plans() -> Vec<Plan> {
        let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs-fixtures/specs");
        let id = ContainerId::new("lowered").expect("an id");
        let request = Request { gate: true, ..Request::default() };
        let hosts = [Host::fixture(), Host::hybrid_fixture(), Host::rootless_fixture(&["memory"])];
        let mut plans = Vec::new();
        for directory in [specs.clone(), specs.join("engines")] {
            for entry in read_dir(directory).expect("fixtures") {
                let path = entry.expect("an entry").path();
                let text = if path.is_file() { read(&path).expect("a fixture") } else { continue };
                let Ok(spec) = Spec::parse(&text, Path::new("/bundle")) else { continue };
                plans.extend(hosts.iter().flat_map(|h| Plan::create(&id, &spec, h, &request)));
            }
        }
        plans
    }

    #[test]
    fn each_step_is_one_op_and_every_name_becomes_a_descriptor() {
        let plans = plans();
        assert!(plans.len() > 30, "only {} plans", plans.len());
        for plan in plans {
            let mut opened = Opened {
                proc: Some(some()),
                gate: Some(some()),
                hooks: HookFiles::of(&File::from(some()), [None, None]).ok(),
                joins: plan.joins.iter().map(|_| some()).collect(),
                detached: plan.detached.iter().map(|_| some()).collect(),
                ..Opened::default()
            };
            let count = |opened: &Opened| {
                with_script(&plan, opened, 3, None, |script| Ok(script.ops.len()))
            };
            assert_eq!(count(&opened).expect("a script"), plan.steps.len());
            opened.gate = None;
            let kind = count(&opened).expect_err("no gate was opened").kind();
            assert_eq!(kind, Kind::Internal);
        }
    }
}
