//! A child's failure, `{step, call, errno, detail}`, becomes a sentence: the plan has the words.
//!
//! In builds with debug assertions it is also the place where tests make a step, or a point of the parent, fail.

use super::hooks::with_last_words;
use crate::error::{Error, Kind, Result, describe_errno};
use crate::plan::step::{Act, InnerHook, Step};
use crate::plan::{Label, Plan};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrun_sys::script::{Call, Op};
use rrun_sys::wire::Frame;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a hook that could not be executed ends with, as in a shell.
const CANNOT_RUN: u32 = 127;

/// The error of a failed step. `said`: what a hook wrote to standard error, as far as it is known.
#[must_use]
pub fn describe(plan: &Plan, frame: &Frame, said: &str) -> Error {
    let Some(step) = plan.steps.get(usize::from(frame.step)) else {
        return Error::new(
            Kind::Internal,
            format!("a step {} failed that is not in the plan", frame.step),
        );
    };
    let call = Call::from_number(frame.call);
    let what = format!("{step} (step {})", frame.step);
    let error = match &step.act {
        Act::Hook(hook) => hook_failed(hook, call, frame, said),
        Act::FindProgram | Act::Exec => no_program(plan, frame.errno),
        _ => {
            let text = sentence(step, call, frame);
            let message = format!("{what}: {text}: {}", describe_errno(frame.errno));
            Error::new(Kind::Child, message).with_call(text, frame.errno)
        }
    };
    let error = if step.pointer.is_empty() { error } else { error.at(step.pointer.clone()) };
    let error = error.step(what);
    match hint(step, call, frame.errno) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The words that engines look for: docker and podman turn them into exit codes 126 and 127.
fn no_program(plan: &Plan, errno: i32) -> Error {
    let name = plan.argv.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let message = match errno {
        libc::ENOENT if !name.contains('/') => {
            format!("exec: {name:?}: executable file not found in $PATH")
        }
        libc::EISDIR => format!("exec: {name:?}: is a directory: permission denied (EISDIR)"),
        _ => format!("exec: {name:?}: {}", describe_errno(errno)),
    };
    Error::new(Kind::NoProgram, message).with_call(format!("execve({name:?})"), errno)
}

fn hook_failed(hook: &InnerHook, call: Call, frame: &Frame, said: &str) -> Error {
    let how = match call {
        Call::HookStatus if frame.errno == libc::ECANCELED => {
            format!("exit status {}", frame.detail)
        }
        Call::HookSignal => format!("killed by signal {}", frame.detail),
        Call::HookTimeout => "timed out and was killed".to_owned(),
        _ => describe_errno(frame.errno),
    };
    let path = hook.path.to_string_lossy();
    let words = with_last_words(&how, said);
    let error = Error::new(Kind::Hook, format!("{} hook {path}: {words}", hook.phase));
    match (call, frame.detail) {
        (Call::HookTimeout, _) => error.hint("raise its timeout, or make it faster"),
        (Call::HookStatus, CANNOT_RUN) => error
            .hint("that is the status of a program that can't be run, too: check the hook's path"),
        _ => error,
    }
}

/// The call inside the step, as strace would show it.
fn sentence(step: &Step, call: Call, frame: &Frame) -> String {
    match call {
        Call::Step => single_call(&step.act).to_owned(),
        Call::Fsconfig => match &step.act {
            Act::Mount { fs, .. } => match fs.parameters.get(frame.detail as usize) {
                Some((name, Some(value))) => {
                    format!("fsconfig({:?}, {:?})", name.to_string_lossy(), value.to_string_lossy())
                }
                Some((name, None)) => format!("fsconfig({:?})", name.to_string_lossy()),
                None => "fsconfig(\"mode\")".to_owned(),
            },
            _ => "fsconfig".to_owned(),
        },
        Call::LandlockCreate => "landlock_create_ruleset".to_owned(),
        Call::LandlockRestrictSelf => "landlock_restrict_self".to_owned(),
        Call::SetLabel => "fsetxattr(security.selinux)".to_owned(),
        Call::LandlockAddRule | Call::Openat2Target if matches!(step.act, Act::Landlock(_)) => {
            landlock_rule(&step.act, frame.detail as usize)
        }
        Call::Openat2Target => "openat2 of the path in the rootfs".to_owned(),
        Call::Openat2Source => "open of the source".to_owned(),
        Call::CreateTarget => "making the path in the rootfs".to_owned(),
        Call::NotTheDevice => "what is there is another file".to_owned(),
        Call::NotADevpts => "the pty's peer is no devpts node".to_owned(),
        Call::NotADirectory => "what is there is no directory".to_owned(),
        Call::OutsideRoot => "the directory is outside the container".to_owned(),
        Call::OpenPtmx => "openat2(\"/dev/pts/ptmx\")".to_owned(),
        Call::CopyUp => "copying what the tmpfs covers".to_owned(),
        Call::FsconfigCreate => "fsconfig(FSCONFIG_CMD_CREATE)".to_owned(),
        Call::OpenTree => "open_tree(OPEN_TREE_CLONE)".to_owned(),
        other => format!("{other:?}").to_lowercase().replace("mountsetattr", "mount_setattr"),
    }
}

/// The rule that could not be added: of a path, or of a port.
fn landlock_rule(act: &Act, index: usize) -> String {
    let path = match act {
        Act::Landlock(rules) => rules.paths.get(index),
        _ => None,
    };
    let path = path.map(|(path, _)| path.to_string_lossy());
    format!("landlock_add_rule of /{}", path.unwrap_or_default().trim_start_matches("./"))
}

fn single_call(act: &Act) -> &'static str {
    match act {
        Act::NewSession => "setsid",
        Act::Keyring(_) => "keyctl(KEYCTL_JOIN_SESSION_KEYRING)",
        Act::LoopbackUp => "ioctl(SIOCSIFFLAGS, \"lo\")",
        Act::Hostname(_) => "sethostname",
        Act::Domainname(_) => "setdomainname",
        Act::Rlimit { .. } => "prlimit64",
        Act::Personality(_) => "personality",
        Act::Affinity(_) => "sched_setaffinity",
        Act::MemoryPolicy(_) => "set_mempolicy",
        Act::LimitBounding { .. } => "prctl(PR_CAPBSET_DROP)",
        Act::KeepCapabilities(_) => "prctl(PR_SET_KEEPCAPS)",
        Act::Groups(_) => "setgroups",
        Act::Ids { .. } | Act::BecomeRoot { .. } => "setresuid and setresgid",
        Act::Capabilities { .. } => "capset",
        Act::Ambient { .. } => "prctl(PR_CAP_AMBIENT)",
        Act::NoNewPrivileges => "prctl(PR_SET_NO_NEW_PRIVS)",
        Act::DenyWriteExecute => "prctl(PR_SET_MDWE)",
        Act::CloseFrom(_) => "close_range",
        Act::Seccomp { .. } => "seccomp(SECCOMP_SET_MODE_FILTER)",
        _ => "the step",
    }
}

/// What to do about it, where the errno tells.
#[allow(clippy::too_many_lines, reason = "one answer for each errno: a table")]
fn hint(step: &Step, call: Call, errno: i32) -> Option<&'static str> {
    match (&step.act, call, errno) {
        (Act::Rlimit { .. }, _, libc::EPERM) => {
            Some("a hard limit can't exceed rrun's own without CAP_SYS_RESOURCE: lower it")
        }
        (Act::Ids { .. } | Act::BecomeRoot { .. }, _, libc::EINVAL) => {
            Some("map the id in linux.uidMappings and linux.gidMappings")
        }
        (Act::Groups(_), _, libc::EINVAL) => Some("map the groups in linux.gidMappings"),
        (Act::OpenRootfs { .. } | Act::OpenDirectory { .. }, _, libc::ENOENT) => {
            Some("unpack the image to root.path, or name where it is")
        }
        (Act::Bind { .. }, Call::OpenTree, libc::ENOENT) => {
            Some("make the mount's source, or name another")
        }
        (Act::Bind { .. }, Call::OpenTree, libc::EINVAL) => Some(
            "in a user namespace a tree with mounts below is bound with them or not at all: use rbind",
        ),
        (Act::Mount { .. }, Call::Fsopen, libc::ENODEV) => {
            Some("this kernel has no such file system: load its module, or check the mount's type")
        }
        // Which of the two refuses depends on the file system and the kernel.
        (Act::Mount { .. }, Call::Fsconfig | Call::FsconfigCreate, libc::EINVAL) => Some(
            "the file system does not know this option, or not with this value; ids must be mapped in a user namespace",
        ),
        (Act::Mount { .. }, Call::FsconfigCreate, libc::EPERM) => Some(
            "a user namespace may not mount this: give it its own pid, network or cgroup namespace, or bind the host's",
        ),
        (_, Call::CreateTarget, libc::EACCES | libc::EPERM | libc::EOVERFLOW) => Some(
            "the rootfs is not the container's: chown it to host ids that linux.uidMappings maps, or make the path in the image",
        ),
        (Act::Mount { .. }, Call::NotADirectory, _) => {
            Some("the image has a link or a file there: it must be a directory")
        }
        (Act::Landlock(_), Call::Openat2Target, libc::ENOENT) => {
            Some("make the path in the image, remove its rule, or say \"mode\": \"bestEffort\"")
        }
        (Act::DenyWriteExecute, _, libc::EINVAL) => {
            Some("this needs Linux 6.3: remove the annotation org.rrun.mdwe")
        }
        (Act::Sysctl { .. }, _, libc::ENOENT) => Some("this kernel has no such sysctl"),
        (Act::Label { who: Label::Apparmor, .. }, Call::Write, libc::ENOENT) => {
            Some("the profile is not loaded: load it with apparmor_parser --replace FILE")
        }
        (
            Act::Label { who: Label::Selinux | Label::SelinuxKeys, .. },
            Call::Write,
            libc::EINVAL,
        ) => Some("the policy that is loaded has no such user, role, type or level"),
        (Act::Label { .. }, Call::Write, libc::EACCES) => {
            Some("the policy does not let rrun give labels: see its audit messages (dmesg)")
        }
        (Act::Affinity(_), _, libc::EINVAL) => {
            Some("name processors that are online and in the container's cpuset")
        }
        (Act::MemoryPolicy(_), _, libc::EINVAL) => {
            Some("name nodes that have memory and are in the container's cpuset")
        }
        (Act::MemoryPolicy(_), _, libc::ENOSYS) => Some("this kernel was built without NUMA"),
        (Act::WorkingDirectory { .. }, Call::Chdir, libc::ENOENT) => {
            Some("make the directory in the image, or set process.cwd to one that is there")
        }
        (Act::Console { .. }, Call::OpenPtmx, _) => {
            Some("process.terminal needs a devpts mounted on /dev/pts")
        }
        _ => None,
    }
}

/// Makes op *n* fail when `RRUN_FAIL_STEP=n`, in builds with debug assertions only.
pub fn inject(ops: &mut [Op<'_>]) {
    if cfg!(debug_assertions)
        && let Some(op) = std::env::var("RRUN_FAIL_STEP")
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
            .and_then(|step| ops.get_mut(step))
    {
        *op = Op::Fail(libc::EIO);
    }
}

/// How many points have been passed.
static PASSED: AtomicUsize = AtomicUsize::new(0);

/// A point of the parent's side, named for the error. With `RRUN_FAIL_HOST=n` the *n*-th that is passed (from 0, whatever
/// its name) fails, with `RRUN_KILL_HOST=n` the runtime dies there as by `kill -9`; in builds with debug assertions only.
/// Counting up until nothing fails meets every one there is.
///
/// # Errors
/// [`Kind::Internal`], as injected.
pub fn point(name: &'static str) -> Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let passed = PASSED.fetch_add(1, Ordering::Relaxed).to_string();
    let asked = |variable| std::env::var(variable).is_ok_and(|asked| asked == passed);
    if asked("RRUN_KILL_HOST") {
        kill(Pid::this(), Signal::SIGKILL)?;
    }
    if asked("RRUN_FAIL_HOST") {
        return Err(Error::new(Kind::Internal, format!("injected failure: {name}")));
    }
    Ok(())
}
