//! crun's annotations, as far as there is an exact counterpart here; of the others, that they have no effect.
//!
//! ```text
//!  run.oci.pidfd_receiver        as --pidfd-socket
//!  run.oci.seccomp.receiver      as linux.seccomp.listenerPath
//!  run.oci.hooks.stdout, stderr  a file that what every hook writes is appended to
//!  run.oci.keep_original_groups  the groups of the caller stay, and additionalGids are left out
//! ```
//! It refuses to guess: what would not mean the same is a warning by name. What a newcomer would get wrong: crun asks
//! whether `keep_original_groups` is there, not what it says; `0` keeps them, too.

use super::Spec;
use super::at::At;
use super::hooks::Hook;
use super::wire;
use crate::error::Result;
use std::path::PathBuf;

/// What every annotation that changes what crun does begins with.
pub const PREFIX: &str = "run.oci.";

const RECEIVER: &str = "run.oci.seccomp.receiver";

/// What annotations of crun's ask for that no field has a place for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crun {
    /// `run.oci.pidfd_receiver`: who gets the pidfd of the first process.
    pub pidfd_receiver: Option<PathBuf>,
    /// `run.oci.keep_original_groups`: setgroups(2) is left out.
    pub keep_groups: bool,
}

/// Those that change what crun does, and that nothing here is like, each with what there is instead.
const WITHOUT_EFFECT: [(&str, &str); 6] = [
    (
        "delegate-cgroup",
        "the program is in the cgroup that has the limits, and with a writable cgroup mount it owns it",
    ),
    ("handler", "programs are run by the kernel alone"),
    ("mount_context_type", "linux.mountLabel is always a context"),
    ("seccomp.plugins", "name the socket of an agent in linux.seccomp.listenerPath"),
    ("seccomp_fail_unknown_syscall", "a name that is unknown here gets no rule"),
    ("systemd.force_cgroup_v1", "mount what the container needs by mounts"),
];

/// Puts the seccomp agent's socket where the runtime-spec has it since.
pub(super) fn place_receiver(at: &At<'_>, config: &mut wire::Config<'_>) -> Result<()> {
    let annotations = config.annotations.as_ref();
    let Some(path) = annotations.and_then(|all| all.0.get(RECEIVER)) else { return Ok(()) };
    let at = at.key("annotations");
    let at = at.key(RECEIVER);
    at.absolute(path)?;
    let linux = config.linux.as_mut();
    let Some(profile) = linux.and_then(|linux| linux.0.seccomp.as_mut()) else {
        return Err(at.wrong("there is no linux.seccomp that could notify anybody"));
    };
    let place = &mut profile.0.listener_path;
    if place.as_ref().is_some_and(|given| !given.is_empty() && **given != **path) {
        return Err(at
            .wrong(format!("{path:?} is not what linux.seccomp.listenerPath says"))
            .hint("leave one of them out"));
    }
    *place = Some(path.clone().into());
    Ok(())
}

/// Reads the annotations, and gives the hooks their files.
pub(super) fn read(at: &At<'_>, spec: &mut Spec) -> Result<()> {
    let ours = spec.annotations.range(PREFIX.to_owned()..);
    for (name, value) in ours.take_while(|(name, _)| name.starts_with(PREFIX)) {
        let at = at.key(name);
        let path = || at.absolute(value).map(|path| Some(PathBuf::from(path)));
        match name.strip_prefix(PREFIX).unwrap_or_default() {
            "pidfd_receiver" => spec.crun.pidfd_receiver = path()?,
            "keep_original_groups" => spec.crun.keep_groups = true,
            "hooks.stdout" => set(spec.hooks.each_mut(), path()?, |hook| &mut hook.stdout),
            "hooks.stderr" => set(spec.hooks.each_mut(), path()?, |hook| &mut hook.stderr),
            // `place_receiver` has read it, and `raw_filter`.
            "seccomp.receiver" | "seccomp_bpf_data" => {}
            // The names of what is done here anyway.
            "systemd.subgroup" if value.is_empty() => {}
            "mount_context_type" if value == "context" => {}
            "systemd.subgroup" => {
                let instead = "a scope has no cgroup below it, as with an empty name";
                spec.warnings.push(at.warning(format!("without effect: {instead}")));
            }
            other => {
                let known = WITHOUT_EFFECT.iter().find(|(name, _)| *name == other);
                let instead = known.map_or("rrun knows no such annotation", |(_, instead)| instead);
                spec.warnings.push(at.warning(format!("without effect: {instead}")));
            }
        }
    }
    Ok(())
}

fn set<'h>(
    hooks: impl Iterator<Item = &'h mut Hook>,
    path: Option<PathBuf>,
    which: fn(&mut Hook) -> &mut Option<PathBuf>,
) {
    for hook in hooks {
        *which(hook) = path.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn spec(annotations: Value, seccomp: Value) -> Result<Spec> {
        let config = json!({
            "ociVersion": "1.3.0", "root": {"path": "rootfs"}, "annotations": annotations,
            "hooks": {"prestart": [{"path": "/a"}], "poststop": [{"path": "/b"}]},
            "linux": {"namespaces": [{"type": "mount"}], "seccomp": seccomp},
        });
        Spec::parse(config.to_string().as_bytes(), Path::new("/b"))
    }

    fn notifying(listener: Value) -> Value {
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": listener,
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
        })
    }

    #[test]
    fn what_has_a_counterpart_is_read_as_that() {
        let spec = spec(
            json!({
                "run.oci.pidfd_receiver": "/p", "run.oci.keep_original_groups": "1",
                "run.oci.hooks.stdout": "/o", "run.oci.hooks.stderr": "/e",
                "run.oci.seccomp.receiver": "/s", "run.oci.systemd.subgroup": "",
                "run.oci.mount_context_type": "context", "run.ocicat": "x",
            }),
            notifying(Value::Null),
        )
        .expect("a spec");
        let crun = Crun { pidfd_receiver: Some("/p".into()), keep_groups: true };
        assert_eq!((spec.crun, spec.warnings), (crun, vec![]));
        for hook in [&spec.hooks.prestart[0], &spec.hooks.poststop[0]] {
            assert_eq!(hook.stdout.as_deref(), Some(Path::new("/o")));
            assert_eq!(hook.stderr.as_deref(), Some(Path::new("/e")));
        }
        let listener = spec.seccomp.and_then(|profile| profile.listener_path);
        assert_eq!(listener.as_deref(), Some("/s"));
    }

    #[test]
    fn what_has_none_is_a_warning_with_its_name() {
        for (name, _) in WITHOUT_EFFECT {
            let name = format!("{PREFIX}{name}");
            let spec = spec(json!({ (&name): "fscontext" }), Value::Null).expect("a spec");
            let [warning] = &spec.warnings[..] else { panic!("{:?}", spec.warnings) };
            assert!(warning.contains(&format!("/annotations/{name}")), "{warning}");
        }
        for name in ["run.oci.systemd.subgroup", "run.oci.of_tomorrow"] {
            let spec = spec(json!({ (name): "x" }), Value::Null).expect("a spec");
            assert!(spec.warnings.len() == 1 && spec.warnings[0].contains(name));
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_the_annotation() {
        let refused = |annotations: Value, seccomp: Value| {
            let error = spec(annotations, seccomp).expect_err("a refusal");
            error.pointer().unwrap_or_default().to_owned()
        };
        for name in ["pidfd_receiver", "hooks.stdout", "hooks.stderr", "seccomp.receiver"] {
            let name = format!("{PREFIX}{name}");
            let pointer = refused(json!({ (&name): "relative" }), notifying(json!("/s")));
            assert_eq!(pointer, format!("/annotations/{name}"));
        }
        let receiver = json!({ RECEIVER: "/s" });
        let pointer = format!("/annotations/{RECEIVER}");
        assert_eq!(refused(receiver.clone(), Value::Null), pointer);
        assert_eq!(refused(receiver, notifying(json!("/other"))), pointer);
    }
}
