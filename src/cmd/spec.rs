//! `rrun spec`: a config.json to start from.
//!
//! It knows one configuration, in the file beside it, how a user without privileges must change it, and one seccomp
//! profile for whoever asks. It refuses to overwrite one.
//!
//! The profile lists what is allowed, by the kernel's groups of calls: files, descriptors, waiting, memory, processes,
//! signals, clocks, ids, scheduling, IPC, sockets, confinement. What is not there answers EPERM: all that mounts, loads
//! code into the kernel, sets clocks, looks into other processes, or is a large surface for little use (io_uring,
//! userfaultfd, keys, bpf, the families of sockets but unix, IP, netlink and packet).
//! What a newcomer would get wrong: clone3(2) hides its flags in memory, so it answers ENOSYS, and libraries then use
//! clone(2), whose flags a filter can see; `socketcall` is not in the list for the same reason. And the text is kept as text, not built from types, so that its order and its tabs are
//! the same on every run and a diff between two bundles shows what somebody changed.

use super::args::{Globals, SpecArgs};
use crate::error::{Error, Kind, Result, ResultExt};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The configuration for root.
const DEFAULT: &str = include_str!("default.json");

/// The seccomp profile.
const SECCOMP: &str = include_str!("spec/seccomp.json");

/// Before which line the profile goes.
const AFTER_SECCOMP: &str = "\t\t\"maskedPaths\": [\n";

/// What is different for a user without privileges: each text of [`DEFAULT`], and what takes its place.
///
/// A user cannot make a network namespace that reaches anything, mount sysfs without one, give ptys to group 5, which is
/// not mapped, or set limits in a cgroup that was not delegated to them.
const ROOTLESS: &[(&str, &str)] = &[
    ("\t\t\t\t\"mode=0620\",\n\t\t\t\t\"gid=5\"\n", "\t\t\t\t\"mode=0620\"\n"),
    (
        "\"type\": \"sysfs\",\n\t\t\t\"source\": \"sysfs\",\n\t\t\t\"options\": [\n",
        "\"type\": \"none\",\n\t\t\t\"source\": \"/sys\",\n\t\t\t\"options\": [\n\t\t\t\t\"rbind\",\n",
    ),
    (
        "\t\t\"resources\": {\n\t\t\t\"devices\": [\n\t\t\t\t{\n\t\t\t\t\t\"allow\": false,\n\
         \t\t\t\t\t\"access\": \"rwm\"\n\t\t\t\t}\n\t\t\t]\n\t\t},\n",
        "\t\t\"uidMappings\": [\n\t\t\t{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": HOST_UID,\n\
         \t\t\t\t\"size\": 1\n\t\t\t}\n\t\t],\n\
         \t\t\"gidMappings\": [\n\t\t\t{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": HOST_GID,\n\
         \t\t\t\t\"size\": 1\n\t\t\t}\n\t\t],\n",
    ),
    ("\"type\": \"network\"", "\"type\": \"user\""),
];

/// Writes it into the bundle; one that is there already is somebody's work and stays.
///
/// # Errors
/// [`Kind::Exists`] then; [`Kind::Kernel`] when it cannot be written.
pub fn run(_globals: &Globals, args: &SpecArgs) -> Result<u8> {
    let name = args.file.as_deref().unwrap_or(Path::new("config.json"));
    let path = args.bundle.as_deref().unwrap_or(Path::new(".")).join(name);
    let mut text = default_config(args.rootless)?;
    if args.seccomp {
        text = with_seccomp(&text)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    if made.as_ref().is_err_and(|error| error.kind() == ErrorKind::AlreadyExists) {
        let problem = format!("{} exists", path.display());
        return Err(Error::new(Kind::Exists, problem).hint("remove it first"));
    }
    made.and_then(|mut file| file.write_all(text.as_bytes()))
        .context(|| format!("write {}", path.display()))?;
    Ok(0)
}

/// The text of a new config.json. `rootless` fits it to the calling user, whose ids become root inside.
///
/// # Errors
/// [`Kind::Internal`] when the text and its changes do not fit together.
pub fn default_config(rootless: bool) -> Result<String> {
    if !rootless {
        return Ok(DEFAULT.to_owned());
    }
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let mut text = DEFAULT.to_owned();
    for (root, user) in ROOTLESS {
        if text.matches(root).count() != 1 {
            return Err(Error::new(Kind::Internal, format!("the default has not one {root:?}")));
        }
        text = text.replacen(root, user, 1);
    }
    Ok(text.replace("HOST_UID", &uid.to_string()).replace("HOST_GID", &gid.to_string()))
}

/// The same text with the profile in it.
///
/// # Errors
/// [`Kind::Internal`] when they do not fit together.
fn with_seccomp(text: &str) -> Result<String> {
    if text.matches(AFTER_SECCOMP).count() != 1 {
        return Err(Error::new(Kind::Internal, "the default has not one place for seccomp"));
    }
    let profile = SECCOMP.trim_end().replace('\n', "\n\t\t");
    Ok(text.replacen(AFTER_SECCOMP, &format!("\t\t\"seccomp\": {profile},\n{AFTER_SECCOMP}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Action, Arch, FsType, Namespace, Spec};

    fn parsed(rootless: bool) -> Spec {
        let text = default_config(rootless).expect("text");
        Spec::parse(text.as_bytes(), Path::new("/b")).expect("a valid configuration")
    }

    #[test]
    fn the_default_parses_without_a_warning() {
        for rootless in [false, true] {
            assert_eq!(parsed(rootless).warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn oci_spec_reads_the_default_too() {
        for rootless in [false, true] {
            let text = default_config(rootless).expect("text");
            let read: oci_spec::runtime::Spec = serde_json::from_str(&text).expect("a Spec");
            assert_eq!(read.mounts().as_ref().map(Vec::len), Some(7));
        }
    }

    #[test]
    fn the_seccomp_profile_parses_without_a_warning_in_either_text() {
        for rootless in [false, true] {
            let text = with_seccomp(&default_config(rootless).expect("text")).expect("a place");
            let spec = Spec::parse(text.as_bytes(), Path::new("/b")).expect("valid");
            assert_eq!(spec.warnings, Vec::<String>::new());
            let profile = spec.seccomp.expect("a profile");
            assert_eq!(profile.default_action, Action::Errno(1));
            assert_eq!(profile.architectures, [Arch::X86_64, Arch::X86, Arch::X32]);
        }
    }

    /// The calls of the two tables that the profile's architectures have.
    #[test]
    fn every_call_that_the_seccomp_profile_names_is_one_of_the_kernels_and_is_named_once() {
        use std::collections::HashSet;
        let profile: serde_json::Value = serde_json::from_str(SECCOMP).expect("JSON");
        let rules = profile["syscalls"].as_array().expect("rules");
        let mut plain = HashSet::new();
        for rule in rules {
            for name in rule["names"].as_array().expect("names").iter().flat_map(|n| n.as_str()) {
                let known = name.parse::<syscalls::x86_64::Sysno>().is_ok()
                    || name.parse::<syscalls::x86::Sysno>().is_ok()
                    // Behind socketcall(2) alone.
                    || ["send", "recv"].contains(&name);
                assert!(known, "no kernel has {name}");
                assert!(rule.get("args").is_some() || plain.insert(name), "{name} comes twice");
            }
        }
    }

    #[test]
    fn a_user_gets_a_user_namespace_and_no_network_or_limits() {
        let spec = parsed(true);
        assert_eq!(spec.namespaces.user, Namespace::New);
        assert_eq!(spec.namespaces.network, Namespace::Inherit);
        assert_eq!(spec.id_maps.uid.len(), 1);
        assert_eq!(spec.resources, crate::spec::Resources::default());
        let sys = spec.mounts.iter().find(|mount| mount.destination.as_str() == "/sys");
        assert!(matches!(sys.map(|m| &m.kind), Some(FsType::Bind { recursive: true, .. })));
    }
}
