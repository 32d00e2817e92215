//! `rrun unpack ARCHIVE BUNDLE`: an image archive becomes a bundle that `rrun run` takes.
//!
//! What a newcomer would get wrong: everything said here goes to stderr, and only warnings if nobody is watching.

use crate::error::Result;
use crate::image::{Caller, Progress, Request, unpack};
use nix::unistd::{Gid, Uid};
use serde_json::{Value, json};
use std::path::Path;

/// Unpacks the image of `archive` (the one called `image`, if it has several) into a new directory `bundle`.
///
/// # Errors
/// Whatever was wrong with the archive or the paths; then `bundle` does not exist.
pub fn run(archive: &Path, bundle: &Path, image: Option<&str>) -> Result<()> {
    let caller = match (Uid::effective(), Gid::effective()) {
        (uid, _) if uid.is_root() => Caller::Root,
        (uid, gid) => Caller::Ordinary { uid: uid.as_raw(), gid: gid.as_raw() },
    };
    let mut progress = Progress::of_a_command()?;
    let request = Request { archive, bundle, image, base: base(caller), caller };
    for warning in unpack(request, &mut progress)? {
        eprintln!("rrun: warning: {warning}");
    }
    if progress.is_seen() {
        let name = bundle.file_name().unwrap_or_default().display();
        eprintln!("next: rrun run --bundle {} {name}", bundle.display());
    }
    Ok(())
}

/// What an image does not say: mounts, namespaces, capabilities.
fn base(caller: Caller) -> Value {
    let rootless = caller != Caller::Root;
    let mut namespaces = vec!["pid", "ipc", "uts", "mount", "cgroup"];
    namespaces.push(if rootless { "user" } else { "network" });
    let namespaces: Vec<Value> = namespaces.iter().map(|kind| json!({"type": kind})).collect();
    json!({
        "ociVersion": "1.2.0",
        "process": {"args": ["sh"], "noNewPrivileges": true},
        "hostname": "rrun",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        ],
        "linux": {"namespaces": namespaces},
    })
}
