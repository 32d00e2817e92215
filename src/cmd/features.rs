//! `rrun features`: what this binary understands, as the runtime-spec's features structure.
//!
//! It knows the structure, and takes the words from the tables that parse config.json, so it cannot promise one that is
//! then an error. It refuses to look at this host: the answer is the same on every one.
//! What a newcomer would get wrong: absent, `null`, `false` and `[]` are different answers. An engine reads "absent" as
//! "not known to this runtime", so what rrun refuses by name is `false`.

use super::args::Globals;
use crate::error::{Error, Kind, Result};
use crate::plan::cgroup::scope::ANNOTATION_PREFIX;
use crate::spec::{CRUNS_ANNOTATIONS, OUR_ANNOTATIONS, words};
use serde_json::{Value, json};

/// The oldest and newest `ociVersion` that are understood.
pub(super) const OCI_VERSIONS: (&str, &str) = ("1.0.0", "1.3.0");

/// Prints it.
///
/// # Errors
/// As [`super::print`].
pub fn run(_globals: &Globals) -> Result<u8> {
    super::print(&json()?)
}

/// The structure, indented, with a newline at the end.
///
/// # Errors
/// [`Kind::Internal`]: none in practice.
pub fn json() -> Result<String> {
    let mut text = serde_json::to_string_pretty(&features())
        .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    text.push('\n');
    Ok(text)
}

fn features() -> Value {
    json!({
        "ociVersionMin": OCI_VERSIONS.0,
        "ociVersionMax": OCI_VERSIONS.1,
        "hooks": list(words::hooks()),
        "mountOptions": list(words::mount_options()),
        "linux": {
            "namespaces": list(words::namespaces()),
            "capabilities": words::capabilities(),
            "cgroup": {
                "v1": true,
                "v2": true,
                "systemd": true,
                "systemdUser": true,
                "rdma": true,
            },
            "seccomp": {
                "enabled": true,
                "actions": list(words::seccomp_actions()),
                "operators": list(words::seccomp_operators()),
                "archs": list(words::seccomp_architectures()),
                "knownFlags": list(words::seccomp_flags()),
                "supportedFlags": list(words::seccomp_flags()),
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "memoryPolicy": {
                "modes": list(words::memory_modes()),
                "flags": list(words::memory_flags()),
            },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
        },
        "annotations": {
            "org.opencontainers.runtime.rrun.version": env!("CARGO_PKG_VERSION"),
        },
        // Ours take away, but a program may not work under a ruleset, and a ready-made filter stands where a profile would,
        // under crun's name, too; others of crun's name sockets, and files that hooks append to as root. The second names
        // a file of the host's with options for CRIU, which runs as root. With a scope's
        // properties, limits that systemd holds can be lifted.
        "potentiallyUnsafeConfigAnnotations": [
            OUR_ANNOTATIONS,
            crate::runtime::CONFIG_ANNOTATION,
            CRUNS_ANNOTATIONS,
            ANNOTATION_PREFIX,
        ],
    })
}

fn list(words: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;
    use std::path::Path;

    fn parses(config: &Value) -> Result<Spec> {
        Spec::parse(config.to_string().as_bytes(), Path::new("/b"))
    }

    #[test]
    fn oci_spec_reads_it_as_a_features_structure() {
        let text = json().expect("text");
        let read: oci_spec::runtime::Features = serde_json::from_str(&text).expect("features");
        assert_eq!(read.oci_version_max(), "1.3.0");
    }

    #[test]
    fn every_version_between_the_two_parses() {
        for version in [OCI_VERSIONS.0, "1.0.2-dev", "1.2.1", OCI_VERSIONS.1] {
            let config = json!({"ociVersion": version, "root": {"path": "rootfs"}});
            assert!(parses(&config).is_ok(), "{version}");
        }
    }

    #[test]
    fn every_mount_option_it_names_parses() {
        for option in words::mount_options() {
            let mut mount = json!({"destination": "/x", "type": "tmpfs", "options": [option]});
            let of_binds = ["copy-symlink", "src-nofollow", "dest-nofollow"];
            if of_binds.contains(&option) {
                mount["type"] = "bind".into();
            }
            if option == "bind" || option == "rbind" || of_binds.contains(&option) {
                mount["source"] = "/s".into();
            }
            let config = json!({
                "ociVersion": "1.3.0", "root": {"path": "rootfs"}, "mounts": [mount],
                "linux": {
                    "namespaces": [{"type": "mount"}, {"type": "user"}],
                    "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
                    "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
                },
            });
            let spec = parses(&config).unwrap_or_else(|error| panic!("{option}: {error}"));
            let unknown = matches!(
                &spec.mounts[0].kind,
                crate::spec::FsType::New { data, .. } if !data.is_empty()
            );
            assert!(!unknown, "{option} is taken for tmpfs's own");
        }
    }
}
