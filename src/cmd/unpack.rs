//! `rrun unpack ARCHIVE BUNDLE`: an image archive becomes a bundle that `rrun run` takes.
//!
//! What a newcomer would get wrong: everything said here goes to stderr, and only warnings if nobody is watching.

use crate::cmd::args::{Globals, UnpackArgs};
use crate::cmd::spec::default_config;
use crate::error::{Error, Kind, Result};
use crate::image::{Caller, Progress, Request, unpack};
use crate::log;
use nix::unistd::{Gid, Uid};
use serde_json::{Value, json};

/// What an image's program may expect to hold: the set that images are built and tested with. An entrypoint that changes
/// owner and user (a database's, say) needs it.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Unpacks an image into a new bundle.
///
/// # Errors
/// Whatever was wrong with the archive or the paths; then the bundle does not exist.
pub fn run(_globals: &Globals, args: &UnpackArgs) -> Result<u8> {
    let UnpackArgs { archive, bundle, image } = args;
    let caller = match (Uid::effective(), Gid::effective()) {
        (uid, _) if uid.is_root() => Caller::Root,
        (uid, gid) => Caller::Ordinary { uid: uid.as_raw(), gid: gid.as_raw() },
    };
    let mut progress = Progress::of_a_command()?;
    let request = Request { archive, bundle, image: image.as_deref(), base: base(caller)?, caller };
    for warning in unpack(request, &mut progress)? {
        log::warn(&warning);
    }
    if progress.is_seen() {
        let name = bundle.file_name().unwrap_or_default().display();
        eprintln!("next: rrun run --bundle {} {name}", bundle.display());
    }
    Ok(0)
}

/// What an image does not say: that of `rrun spec`, with the privileges that images expect.
fn base(caller: Caller) -> Result<Value> {
    let text = default_config(caller != Caller::Root)?;
    let mut config: Value = serde_json::from_str(&text).map_err(|error| {
        Error::new(Kind::Internal, format!("the default configuration: {error}"))
    })?;
    let process = &mut config["process"];
    process["terminal"] = json!(false);
    process["noNewPrivileges"] = json!(false);
    process["capabilities"] = json!({
        "bounding": CAPABILITIES,
        "effective": CAPABILITIES,
        "permitted": CAPABILITIES,
    });
    Ok(config)
}
