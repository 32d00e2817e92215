//! What the kernel's security modules are told: the program's AppArmor profile, its SELinux label, that of its keyring
//! and of what is mounted for it.
//!
//! What a newcomer would get wrong: a label that nobody enforces is worse than none, so where its module is off, asking
//! for one is an error. The labels are for the next execve(2) and are given while nothing else is left to be made.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::plan::step::{Act, Phase, Steps};
use crate::plan::text;
use crate::spec::{Process, Spec};
use std::ffi::{CStr, CString};

/// Who is told, in a file of `/proc/self/attr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// AppArmor, about the next program.
    Apparmor,
    /// SELinux, about the next program.
    Selinux,
    /// SELinux, about keyrings made from here on. The next execve(2) forgets it.
    SelinuxKeys,
}

impl Label {
    /// The file, below `/proc/self`.
    #[must_use]
    pub fn file(self) -> &'static CStr {
        match self {
            // The directory is AppArmor's own; the old place is that of whichever module is first.
            Self::Apparmor => c"attr/apparmor/exec",
            Self::Selinux => c"attr/exec",
            Self::SelinuxKeys => c"attr/keycreate",
        }
    }
}

const APPARMOR: &str = "/process/apparmorProfile";
const SELINUX: &str = "/process/selinuxLabel";

/// What the program will be.
pub fn program(process: &Process, host: &Host, steps: &mut Steps) -> Result<()> {
    if let Some(profile) = &process.apparmor_profile {
        demand(host.security.apparmor, APPARMOR, profile, "AppArmor")?;
        let value = text(APPARMOR, &format!("exec {profile}"))?;
        steps.push_at(Phase::Identity, Act::Label { who: Label::Apparmor, value }, APPARMOR);
    }
    if let Some(label) = &process.selinux_label {
        demand(host.security.selinux, SELINUX, label, "SELinux")?;
        let value = text(SELINUX, label)?;
        steps.push_at(Phase::Identity, Act::Label { who: Label::Selinux, value }, SELINUX);
    }
    Ok(())
}

/// What its session keyring will be: made by us, it would be ours, and the program could not use it.
pub fn keyring(process: Option<&Process>, steps: &mut Steps) -> Result<()> {
    if let Some(label) = process.and_then(|process| process.selinux_label.as_ref()) {
        let value = text(SELINUX, label)?;
        steps.push_at(Phase::Enter, Act::Label { who: Label::SelinuxKeys, value }, SELINUX);
    }
    Ok(())
}

/// `linux.mountLabel`, for file systems that take a context.
pub fn mount(spec: &Spec, host: &Host) -> Result<Option<CString>> {
    let pointer = "/linux/mountLabel";
    let Some(label) = &spec.mount_label else { return Ok(None) };
    demand(host.security.selinux, pointer, label, "SELinux")?;
    text(pointer, label).map(Some)
}

fn demand(on: bool, pointer: &'static str, value: &str, module: &str) -> Result<()> {
    if on {
        return Ok(());
    }
    let message = format!("{value:?} asks for {module}, which is not enabled on this host");
    let hint = format!("leave it out, or boot a kernel with {module} in force");
    Err(Error::new(Kind::Host, message).at(pointer).hint(hint))
}
