//! The vocabulary of the child: a container's whole set-up as data.
//!
//! A [`Script`] is lowered from a plan by the parent before clone3, borrowed by the child from the parent's memory
//! image, and performed by `interpret` one [`Op`] after the other. An op's index is its step number in the plan: a
//! child's failure is that number, the call that failed and its errno; the parent has the words.
//! What a newcomer would get wrong: there are no branches, loops or expressions here, and none may be added. A choice
//! is the plan's; an op that looks at the file system does so because only the container's side can see the answer.

pub use crate::call::Call;

use crate::Fd;
use crate::landlock::Ruleset;
use crate::links::{Entry, Links};
use crate::mount::{Attr, Reach};
use crate::seccomp::Instruction;
use crate::trace::SharedClock;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;

/// How many descriptors the child can name.
pub const SLOTS: usize = 32;

/// A place for a descriptor that the child itself opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub u8);

/// A descriptor, as an op names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handle {
    /// Opened by the parent before the clone.
    Parent(Fd),
    /// Opened by an earlier op.
    Slot(Slot),
}

/// Where parent and child meet. The child says which it reached and waits for leave to proceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Checkpoint {
    /// It is in its v1 cgroups; the parent counts it there and writes its id maps.
    Cloned = 1,
    /// The rootfs is mounted; the parent runs prestart and createRuntime hooks.
    Rootfs = 2,
    /// Ready for the program; the parent records the container.
    Ready = 3,
}

/// `NAME`, `VALUE` of a superblock parameter; no value is a flag.
pub type Parameter<'a> = (&'a CStr, Option<&'a CStr>);

/// A new superblock, fsopen(2).
#[derive(Debug, Clone, Copy)]
pub struct FileSystem<'a> {
    /// Kernel name of the type.
    pub fs_type: &'a CStr,
    /// Parameters, in order.
    pub parameters: &'a [Parameter<'a>],
    /// `MOUNT_ATTR_*` of the mount.
    pub attrs: u64,
    /// A tmpfs without `mode=` takes the permission bits of the directory it covers.
    pub inherit_mode: bool,
    /// What SELinux calls its root, where the file system can't be mounted with a context.
    pub label: Option<&'a CStr>,
    /// Nothing is started before the new root is entered: the child's working directory may be any.
    pub may_enter: bool,
}

/// What a bind mount copies.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A host path, seen by the child before it pivots.
    Path(&'a CStr, Reach),
    /// A detached tree that the parent has cloned already (a user namespace hides the path, or an idmap was applied).
    Detached(Fd),
}

/// What is changed on a mount once it is made, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// On the mount itself.
    pub own: Attr,
    /// On the whole tree.
    pub tree: Attr,
}

/// A place below a root descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The root.
    pub root: Handle,
    /// The path below it, relative; `.` is the root itself.
    pub path: &'a CStr,
}

/// A hook run inside the container's namespaces.
#[derive(Debug, Clone, Copy)]
pub struct HookCall<'a> {
    /// The program.
    pub path: &'a CStr,
    /// Its argv.
    pub argv: Strings<'a>,
    /// Its whole environment.
    pub envp: Strings<'a>,
    /// Milliseconds; -1 is no limit.
    pub timeout: i32,
    /// A memory file with the container's state, its standard input.
    pub input: Fd,
    /// Its standard output.
    pub output: Fd,
    /// Its standard error.
    pub errors: Fd,
}

/// Where a seccomp notify descriptor goes.
#[derive(Debug, Clone, Copy)]
pub struct NotifyTo {
    /// A connected stream socket.
    pub socket: Fd,
    /// A memory file with the `ContainerProcessState`, sent along.
    pub state: Fd,
}

/// One step of the child. A field is what the call of that name takes.
#[allow(
    missing_docs,
    reason = "the variant says what it does; its fields are that call's arguments"
)]
#[derive(Debug, Clone, Copy)]
pub enum Op<'a> {
    /// Tells the parent, and waits.
    Reach(Checkpoint),
    /// Waits for leave that the parent gives without being told.
    Await,
    /// Fails with this errno: fault injection.
    Fail(i32),

    /// sched_setaffinity(2); none is every processor that the cgroup has.
    Affinity(Option<&'a [u64]>),
    /// set_mempolicy(2), the mode with its flags.
    MemoryPolicy { mode: u32, nodes: &'a [u64] },
    /// Moves the caller into v1 cgroups, by their open `tasks` files.
    JoinCgroups { tasks: &'a [Fd] },
    /// setns(2).
    Join { fd: Fd, kinds: u32 },
    /// unshare(2).
    Unshare { kinds: u32 },
    /// New time namespace with offsets already written as `/proc/self/timens_offsets` wants them, then entered.
    TimeNamespace { proc: Fd, offsets: &'a [u8] },
    /// A second clone with these namespaces, sibling of the first, which ends: joining user and pid namespaces from
    /// outside takes two processes.
    Hop { kinds: u32 },
    /// uid 0, gid 0 and no other group, inside a user namespace.
    BecomeRoot { set_groups: bool },
    /// setsid(2).
    NewSession,
    /// keyctl(2): the container's session keyring.
    Keyring(&'a CStr),
    /// umask(2).
    Umask(u32),
    /// Brings `lo` up.
    LoopbackUp,
    /// sethostname(2).
    Hostname(&'a [u8]),
    /// setdomainname(2).
    Domainname(&'a [u8]),
    /// A value of a procfs file.
    WriteProc { proc: Fd, path: &'a CStr, value: &'a [u8] },
    /// A value of a file of `/proc/self`.
    WriteOwnProc { proc: Fd, path: &'a CStr, value: &'a [u8] },

    /// mount_setattr(2) of `/` as the child sees it.
    RootPropagation(u64, Reach),
    /// The rootfs becomes a mount of its own: cloned, attached onto itself, opened. `isolate_parent`: the mount that it
    /// lies on is shared and is made private first, or the new one would appear on the host.
    OpenRootfs { path: &'a CStr, isolate_parent: bool, out: Slot },
    /// Opens the rootfs where it is, without a mount namespace.
    OpenDirectory { path: &'a CStr, out: Slot },
    /// A new file system on a place.
    Mount { fs: FileSystem<'a>, changes: Changes, place: Place<'a> },
    /// As [`Op::Mount`], a tmpfs that starts with what it covers.
    MountCopyUp { fs: FileSystem<'a>, changes: Changes, place: Place<'a> },
    /// A copy of a tree on a place.
    Bind { source: Source<'a>, changes: Changes, place: Place<'a> },
    /// The same, of symbolic links that are not followed.
    BindLink { source: Source<'a>, links: Links, changes: Changes, entry: Entry<'a> },
    /// mount_setattr(2) on the mount of a place, or of the handle itself for `.`.
    SetAttr { place: Place<'a>, changes: Changes },
    /// Makes a directory and its parents.
    Directory { place: Place<'a>, mode: u32 },
    /// Resolves a directory, made if it is missing, for the ops that follow.
    Open { place: Place<'a>, out: Slot },
    /// mknodat(2), or the node that is already there if it is the same.
    Device { dir: Handle, name: &'a CStr, mode: u32, device: u64, uid: u32, gid: u32 },
    /// A bind mount of a host device, where mknod(2) is not allowed.
    BindDevice { dir: Handle, name: &'a CStr, source: &'a CStr, device: u64, mode: u32 },
    /// symlinkat(2); what is there already stays, unless `replace`.
    Symlink { target: &'a CStr, dir: Handle, name: &'a CStr, replace: bool },
    /// Hides a file behind /dev/null, a directory behind an empty read-only tmpfs kept in `empty`. Nothing there: nothing done.
    /// `label`: the context of the tmpfs.
    Mask { place: Place<'a>, null: Handle, empty: Slot, label: Option<&'a CStr> },
    /// A host device opened for later, proved to be the character device of this number.
    OpenNull { path: &'a CStr, device: u64, out: Slot },
    /// A read-only bind of what is there. Nothing there: nothing done.
    ReadOnly { place: Place<'a> },
    /// pivot_root(2), the old root detached.
    Pivot { root: Handle },
    /// `MS_MOVE` and chroot(2).
    MoveRoot { root: Handle },
    /// chroot(2) alone, without a mount namespace.
    Chroot { root: Handle },
    /// Back into a mount namespace, with a copy of the rootfs that belongs to none as the root.
    Withdraw { root: Handle, namespace: Fd },
    /// A pty of the container's devpts: standard streams, controlling terminal, and `/dev/console` where `dev` is given.
    Console { root: Handle, dev: Option<Handle>, rows: u16, columns: u16, uid: u32 },
    /// Gives the standard streams to the user, as far as they can be given.
    OwnStreams { uid: u32 },

    /// A hook.
    Hook(HookCall<'a>),
    /// Looks for the program, so that its absence is an error of `create`.
    FindProgram { candidates: &'a [&'a CStr] },
    /// Waits for `start` on the listening socket; the connection takes the parent's place.
    Gate { listener: Fd },
    /// prlimit(2).
    Rlimit { resource: u32, soft: u64, hard: u64 },
    /// personality(2).
    Personality(u32),
    /// The bounding set shrinks to `keep`.
    LimitBounding { keep: u64, last: u8 },
    /// `PR_SET_KEEPCAPS`.
    KeepCapabilities(bool),
    /// setgroups(2).
    Groups(&'a [u32]),
    /// setresgid(2), setresuid(2).
    Ids { uid: u32, gid: u32 },
    /// capset(2).
    Capabilities { effective: u64, permitted: u64, inheritable: u64 },
    /// The ambient set.
    Ambient { set: u64, last: u8 },
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivileges,
    /// `PR_SET_MDWE`.
    DenyWriteExecute,
    /// landlock_restrict_self(2).
    Landlock(&'a Ruleset<'a>),
    /// chdir(2) and the check that it led inside. `lenient`: as root, before the user is known to be allowed.
    WorkingDirectory { path: &'a CStr, lenient: bool },
    /// Everything from this number on closes at execve.
    CloseFrom(u32),
    /// Tells the parent that only the filter and execve follow.
    Announce,
    /// seccomp(2).
    Seccomp { program: &'a [Instruction], flags: u32, notify: Option<NotifyTo> },
    /// execve(2) of the program found.
    Exec { candidates: &'a [&'a CStr], argv: Strings<'a>, envp: Strings<'a> },
}

/// Everything the child needs.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// The steps.
    pub ops: &'a [Op<'a>],
    /// The child's end of the control socket.
    pub control: Fd,
    /// Descriptors from here on are the parent's own: all but `kept` are closed first. Among them are the parent's end
    /// of the socket, whose closing shows its death, and in a process with many threads those of other launches, which
    /// a child that waits for `start` would keep open for as long.
    pub first_foreign: u32,
    /// What the script needs, in rising order.
    pub kept: &'a [Fd],
    /// What becomes its standard input, output and error, each above 2; the parent's own without.
    pub streams: Option<[Fd; 3]>,
    /// Where each step's end is stamped, when traced.
    pub clock: Option<&'a SharedClock>,
}

/// A null-terminated array of strings, as execve(2) takes it.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    pointers: &'a [*const c_char],
    strings: PhantomData<&'a CStr>,
}

impl<'a> Strings<'a> {
    /// Fills `storage` with the addresses of `strings` and a null. `None` when it is not exactly one longer than they are many.
    pub fn new(
        storage: &'a mut [*const c_char],
        strings: impl ExactSizeIterator<Item = &'a CStr>,
    ) -> Option<Self> {
        let (last, places) = storage.split_last_mut()?;
        if places.len() != strings.len() {
            return None;
        }
        for (place, string) in places.iter_mut().zip(strings) {
            *place = string.as_ptr();
        }
        *last = core::ptr::null();
        Some(Self { pointers: storage, strings: PhantomData })
    }

    /// As execve(2) takes it.
    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
