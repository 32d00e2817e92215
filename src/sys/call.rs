//! What a step does inside: the names of its calls, for a failure's frame.
//!
//! It knows numbers on the wire and nothing of the words for them, which the parent has.
//! What a newcomer would get wrong: parent and child are one program, so these numbers may change at will; but the list
//! below must have each name in its place.

/// The call inside a step that the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs, reason = "each is the name of a system call, or of what was looked at")]
pub enum Call {
    Step = 0,
    Receive,
    Send,
    SetNs,
    Unshare,
    Clone3,
    OpenTree,
    MountSetattr,
    MoveMount,
    Fsopen,
    Fsconfig,
    FsconfigCreate,
    Fsmount,
    Openat2Target,
    Openat2Source,
    CreateTarget,
    Stat,
    NotTheDevice,
    Mknod,
    Chown,
    Chmod,
    Symlink,
    Unlink,
    Write,
    Pivot,
    Chroot,
    Chdir,
    OutsideRoot,
    OpenPtmx,
    NotADevpts,
    Ioctl,
    Dup,
    Execve,
    HookStatus,
    HookSignal,
    HookTimeout,
    Accept,
    CopyUp,
    Mmap,
    NotADirectory,
    LandlockCreate,
    LandlockAddRule,
    LandlockRestrictSelf,
    SetLabel,
    Readlink,
}

impl Call {
    /// Its number on the wire, back.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        const ALL: [Call; 45] = [
            Call::Step,
            Call::Receive,
            Call::Send,
            Call::SetNs,
            Call::Unshare,
            Call::Clone3,
            Call::OpenTree,
            Call::MountSetattr,
            Call::MoveMount,
            Call::Fsopen,
            Call::Fsconfig,
            Call::FsconfigCreate,
            Call::Fsmount,
            Call::Openat2Target,
            Call::Openat2Source,
            Call::CreateTarget,
            Call::Stat,
            Call::NotTheDevice,
            Call::Mknod,
            Call::Chown,
            Call::Chmod,
            Call::Symlink,
            Call::Unlink,
            Call::Write,
            Call::Pivot,
            Call::Chroot,
            Call::Chdir,
            Call::OutsideRoot,
            Call::OpenPtmx,
            Call::NotADevpts,
            Call::Ioctl,
            Call::Dup,
            Call::Execve,
            Call::HookStatus,
            Call::HookSignal,
            Call::HookTimeout,
            Call::Accept,
            Call::CopyUp,
            Call::Mmap,
            Call::NotADirectory,
            Call::LandlockCreate,
            Call::LandlockAddRule,
            Call::LandlockRestrictSelf,
            Call::SetLabel,
            Call::Readlink,
        ];
        ALL.get(usize::from(number)).copied().unwrap_or(Call::Step)
    }
}
