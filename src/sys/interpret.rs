//! The child's whole life: perform the script, report where it stopped, or become the program.
//!
//! It knows the order it was given and nothing else. What a newcomer would get wrong: there is no cleanup here. A child
//! that fails says so and ends; the kernel takes its namespaces, mounts and descriptors with it.

use crate::script::{Call, Checkpoint, Handle, Op, SLOTS, Script, Slot};
use crate::wire::{FRAME_SIZE, Frame, Tag};
use crate::{
    Errno, Fd, NewFd, clone, console, cred, fd, landlock, limits, links, mount, ns, path, program,
    rights, rootfs, schedule, withdraw,
};

/// Why a step failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub call: Call,
    pub errno: i32,
    pub detail: u32,
}

/// What a step returns.
pub(crate) type Done = core::result::Result<(), Fault>;

/// Names the call that failed.
pub(crate) trait At<T> {
    fn at(self, call: Call) -> core::result::Result<T, Fault>;
}

impl<T> At<T> for crate::Result<T> {
    fn at(self, call: Call) -> core::result::Result<T, Fault> {
        self.map_err(|Errno(errno)| Fault { call, errno, detail: 0 })
    }
}

/// What the child remembers between steps.
pub(crate) struct State {
    slots: [Fd; SLOTS],
    /// Where frames go: the control socket, then the connection of `start`.
    pub control: Fd,
    /// Which candidate [`Op::FindProgram`] found.
    pub program: usize,
    /// The step being performed.
    pub step: u16,
}

impl State {
    /// A handle's descriptor; -1 (EBADF for every call) for an empty slot.
    pub fn fd(&self, handle: Handle) -> Fd {
        match handle {
            Handle::Parent(fd) => fd,
            Handle::Slot(Slot(number)) => {
                self.slots.get(usize::from(number)).copied().unwrap_or(-1)
            }
        }
    }

    /// Keeps a descriptor in a slot.
    pub fn keep(&mut self, Slot(number): Slot, fd: NewFd) {
        if let Some(slot) = self.slots.get_mut(usize::from(number)) {
            *slot = fd.into_raw();
        }
    }

    /// Sends a frame about the current step.
    pub fn say(&self, tag: Tag, call: u16, detail: u32, fd: Option<Fd>) -> Done {
        let frame = Frame { step: self.step, call, detail, ..Frame::new(tag) };
        rights::send(self.control, &frame.to_bytes(), fd).at(Call::Send)
    }

    /// Waits for leave to proceed. A parent that is gone ends the child.
    fn wait(&self) -> Done {
        let mut bytes = [0; FRAME_SIZE];
        match path::read(self.control, &mut bytes).at(Call::Receive)? {
            FRAME_SIZE => Ok(()),
            _ => leave(),
        }
    }
}

/// Performs the script. It returns to nobody: it ends in execve or in `_exit`.
pub(crate) fn run(script: &Script<'_>) -> ! {
    // A kernel without the call is reported by the first step, which needs it too.
    limits::close_all_but(script.first_foreign, script.kept).ok();
    if let Some(streams) = script.streams {
        // Three open descriptors to three numbers that are open already: there is nothing to refuse.
        for (number, file) in (0..).zip(streams) {
            fd::place(file, number).ok();
        }
    }
    crate::signal::reset();
    let mut state = State { slots: [-1; SLOTS], control: script.control, program: 0, step: 0 };
    if let Some(clock) = script.clock {
        clock.stamp(0);
    }
    for op in script.ops {
        if let Err(fault) = perform(op, &mut state) {
            let frame = Frame {
                tag: Tag::Failed,
                step: state.step,
                call: fault.call as u16,
                errno: fault.errno,
                detail: fault.detail,
            };
            // A parent that is gone has nobody to tell; either way the child ends here.
            rights::send(state.control, &frame.to_bytes(), None).ok();
            leave();
        }
        if let Some(clock) = script.clock {
            clock.stamp(usize::from(state.step).saturating_add(1));
        }
        state.step = state.step.saturating_add(1);
    }
    leave();
}

/// `_exit(2)`: no handler of the C library may run here.
pub(crate) fn leave() -> ! {
    loop {
        // SAFETY: no pointers; it does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, 255) };
    }
}

/// One step. Every arm is one call of the module that knows it.
#[allow(clippy::too_many_lines, reason = "one dull line for each op: a table")]
fn perform(op: &Op<'_>, state: &mut State) -> Done {
    match *op {
        Op::Reach(checkpoint) => reach(state, checkpoint),
        Op::Await => state.wait(),
        Op::Fail(errno) => Err(Fault { call: Call::Step, errno, detail: 0 }),

        Op::Affinity(Some(cpus)) => schedule::set_affinity(cpus).at(Call::Step),
        Op::Affinity(None) => {
            schedule::reset_affinity();
            Ok(())
        }
        Op::MemoryPolicy { mode, nodes } => schedule::set_memory_policy(mode, nodes).at(Call::Step),
        Op::JoinCgroups { tasks } => join_cgroups(tasks),
        Op::Join { fd, kinds } => ns::join(fd, kinds).at(Call::SetNs),
        Op::Unshare { kinds } => ns::unshare(kinds).at(Call::Unshare),
        Op::TimeNamespace { proc, offsets } => rootfs::time_namespace(proc, offsets),
        Op::Hop { kinds } => hop(state, kinds),
        Op::BecomeRoot { set_groups } => become_root(set_groups),
        Op::NewSession => limits::new_session().at(Call::Step),
        Op::Keyring(name) => cred::join_session_keyring(name).at(Call::Step),
        Op::Umask(mask) => {
            limits::set_umask(mask);
            Ok(())
        }
        Op::LoopbackUp => ns::loopback_up().at(Call::Step),
        Op::Hostname(name) => ns::set_hostname(name).at(Call::Step),
        Op::Domainname(name) => ns::set_domainname(name).at(Call::Step),
        Op::WriteOwnProc { proc, path, value } => rootfs::write_own_proc(proc, path, value),
        Op::WriteProc { proc, path, value } => rootfs::write_proc(proc, path, value),

        Op::RootPropagation(mode, reach) => rootfs::propagation(mode, reach),
        Op::OpenRootfs { path, isolate_parent, out } => {
            rootfs::open_rootfs(state, path, isolate_parent, out)
        }
        Op::OpenDirectory { path, out } => rootfs::open_directory(state, path, out),
        Op::Mount { fs, changes, place } => rootfs::mount(state, &fs, &changes, &place),
        Op::MountCopyUp { fs, changes, place } => {
            rootfs::mount_copy_up(state, &fs, &changes, &place)
        }
        Op::Bind { source, changes, place } => rootfs::bind(state, &source, &changes, &place),
        Op::BindLink { source, links, changes, entry } => {
            links::bind(state, &source, links, &changes, &entry)
        }
        Op::SetAttr { place, changes } => rootfs::set_attr(state, &place, &changes),
        Op::Directory { place, mode } => rootfs::directory(state, &place, mode),
        Op::Open { place, out } => rootfs::open(state, &place, out),
        Op::Device { dir, name, mode, device, uid, gid } => {
            rootfs::device(state.fd(dir), name, mode, device, (uid, gid))
        }
        Op::BindDevice { dir, name, source, device, mode } => {
            rootfs::bind_device(state.fd(dir), name, source, device, mode)
        }
        Op::Symlink { target, dir, name, replace } => {
            rootfs::symlink(target, state.fd(dir), name, replace)
        }
        Op::OpenNull { path, device, out } => rootfs::open_device(state, path, device, out),
        Op::Mask { place, null, empty, label } => rootfs::mask(state, &place, null, empty, label),
        Op::ReadOnly { place } => rootfs::read_only(state, &place),
        Op::Pivot { root } => enter(state.fd(root), mount::pivot_here, Call::Pivot),
        Op::MoveRoot { root } => enter(state.fd(root), mount::move_here_to_root, Call::Chroot),
        Op::Chroot { root } => enter(state.fd(root), mount::chroot_here, Call::Chroot),
        Op::Withdraw { root, namespace } => withdraw::to(namespace, state.fd(root)),
        Op::Console { root, dev, rows, columns, uid } => {
            console::open(state, root, dev, (rows, columns), uid)
        }
        Op::OwnStreams { uid } => console::own_streams(uid),

        Op::Hook(hook) => program::hook(&hook),
        Op::FindProgram { candidates } => program::find(state, candidates),
        Op::Gate { listener } => program::gate(state, listener),
        Op::Rlimit { resource, soft, hard } => {
            limits::set_rlimit(resource, soft, hard).at(Call::Step)
        }
        Op::Personality(persona) => limits::set_personality(persona).at(Call::Step),
        Op::LimitBounding { keep, last } => cred::limit_bounding(keep, last).at(Call::Step),
        Op::KeepCapabilities(keep) => cred::keep_capabilities(keep).at(Call::Step),
        Op::Groups(groups) => cred::set_groups(groups).at(Call::Step),
        Op::Ids { uid, gid } => cred::set_ids(uid, gid).at(Call::Step),
        Op::Capabilities { effective, permitted, inheritable } => {
            cred::set_capabilities(effective, permitted, inheritable).at(Call::Step)
        }
        Op::Ambient { set, last } => cred::set_ambient(set, last).at(Call::Step),
        Op::NoNewPrivileges => cred::set_no_new_privs().at(Call::Step),
        Op::DenyWriteExecute => cred::set_mdwe().at(Call::Step),
        Op::Landlock(ruleset) => landlock::restrict(ruleset),
        Op::WorkingDirectory { path, lenient } => working_directory(path, lenient),
        Op::CloseFrom(first) => limits::close_on_exec_from(first).at(Call::Step),
        Op::Announce => program::announce(state),
        Op::Seccomp { program, flags, notify } => program::seccomp(state, program, flags, notify),
        Op::Exec { candidates, argv, envp } => program::exec(state, candidates, argv, envp),
    }
}

/// "0" is the calling thread, the only one here: the kernel then need not hold up every fork and exit of the machine, as
/// it must to move another process by its number (`cgroup_threadgroup_rwsem`, an RCU grace period: milliseconds).
fn join_cgroups(tasks: &[Fd]) -> Done {
    for &file in tasks {
        path::write_once(file, b"0").at(Call::Write)?;
    }
    Ok(())
}

fn reach(state: &State, checkpoint: Checkpoint) -> Done {
    state.say(Tag::Reached, checkpoint as u16, 0, None)?;
    state.wait()
}

/// The first child hands its sibling's pidfd over and ends; the sibling goes on once the parent knows it.
fn hop(state: &State, kinds: u32) -> Done {
    match clone::hop(u64::from(kinds)).at(Call::Clone3)? {
        clone::Side::Child => state.wait(),
        clone::Side::Parent(child) => {
            state.say(Tag::Hopped, 0, 0, Some(child.pidfd.into_raw()))?;
            leave()
        }
    }
}

fn become_root(set_groups: bool) -> Done {
    if set_groups {
        cred::set_groups(&[]).at(Call::Step)?;
    }
    cred::set_ids(0, 0).at(Call::Step)
}

fn enter(root: Fd, how: fn() -> crate::Result<()>, call: Call) -> Done {
    mount::change_directory_to(root).at(Call::Chdir)?;
    how().at(call)
}

fn working_directory(path: &core::ffi::CStr, lenient: bool) -> Done {
    match mount::change_directory(path) {
        Err(Errno(libc::EACCES)) if lenient => return Ok(()),
        other => other.at(Call::Chdir)?,
    }
    mount::check_directory_is_inside().at(Call::OutsideRoot)
}
