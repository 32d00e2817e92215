//! What the kernel's security modules are told: the program's AppArmor profile, its SELinux label, that of its keyring
//! and of what is mounted for it.
//!
//! What a newcomer would get wrong: a label that nobody enforces is worse than none, so where its module is off, asking
//! for one to confine the program is an error. That of the mounts confines nobody: it says what a confined program may
//! open, and is left out with a warning. The labels are for the next execve(2) and are given while nothing else is left
//! to be made.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::id::ContainerId;
use crate::plan::step::{Act, Phase, Steps};
use crate::plan::{Request, text};
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
const MOUNTS: &str = "/linux/mountLabel";

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

/// A session of its own, and its keyring, with the program's label: made by us, it would be ours, and the program could
/// not use it.
pub fn session(
    id: &ContainerId,
    process: Option<&Process>,
    request: &Request,
    steps: &mut Steps,
) -> Result<()> {
    steps.push(Phase::Enter, Act::NewSession);
    if request.no_new_keyring {
        return Ok(());
    }
    if let Some(label) = process.and_then(|process| process.selinux_label.as_ref()) {
        let value = text(SELINUX, label)?;
        steps.push_at(Phase::Enter, Act::Label { who: Label::SelinuxKeys, value }, SELINUX);
    }
    steps.push(Phase::Enter, Act::Keyring(text("/", &format!("_ses.{id}"))?));
    Ok(())
}

/// `linux.mountLabel`, for file systems that take a context; none where nothing reads one.
pub fn mount(spec: &Spec, host: &Host) -> Result<Option<CString>> {
    let label = spec.mount_label.as_ref().filter(|_| host.security.selinux);
    label.map(|label| text(MOUNTS, label)).transpose()
}

/// What is said about a label that [`mount`] leaves out.
pub fn left_out(spec: &Spec, host: &Host) -> Option<String> {
    let label = spec.mount_label.as_ref().filter(|_| !host.security.selinux)?;
    Some(format!("{label:?} has no effect: SELinux is not enabled on this host (at {MOUNTS})"))
}

fn demand(on: bool, pointer: &'static str, value: &str, module: &str) -> Result<()> {
    if on {
        return Ok(());
    }
    let message = format!("{value:?} asks for {module}, which is not enabled on this host");
    let hint = format!("leave it out, or boot a kernel with {module} in force");
    Err(Error::new(Kind::Host, message).at(pointer).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CONFIG: &[u8] = br#"{
        "ociVersion": "1.2.0", "root": { "path": "rootfs" },
        "process": { "cwd": "/", "args": ["sh"], "user": { "uid": 0, "gid": 0 }, "selinuxLabel": "u:r:t:s0" },
        "linux": { "mountLabel": "u:object_r:f:s0" }
    }"#;

    #[test]
    fn without_selinux_a_label_of_mounts_is_left_out_aloud_and_one_of_the_program_is_an_error() {
        let spec = Spec::parse(CONFIG, Path::new("/bundle")).unwrap();
        let mut host = Host::fixture();
        assert!(mount(&spec, &host).unwrap().is_some() && left_out(&spec, &host).is_none());
        host.security.selinux = false;
        assert_eq!(mount(&spec, &host).unwrap(), None);
        let said = left_out(&spec, &host).unwrap();
        assert!(
            said.ends_with("SELinux is not enabled on this host (at /linux/mountLabel)"),
            "{said}"
        );
        let refused = program(spec.process.as_ref().unwrap(), &host, &mut Steps::default());
        assert_eq!(refused.unwrap_err().kind(), Kind::Host);
    }
}
