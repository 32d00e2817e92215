//! Layer 6: one file per verb; a request becomes calls of the library, and an answer on standard output.
//!
//! It knows verbs. It refuses to know how anything is done. What a newcomer would get wrong: on success nothing is
//! printed but the answer that was asked for, because callers read standard output and standard error together.

pub mod args;
pub mod checkpoint;
pub mod create;
pub mod delete;
pub mod doctor;
pub mod events;
pub mod exec;
pub mod explain;
pub mod features;
pub mod inherited;
pub mod kill;
pub mod list;
mod matching;
pub mod mounts;
pub mod pause;
pub mod ps;
pub mod restore;
pub mod resume;
pub mod run;
pub mod spec;
pub mod start;
pub mod state;
pub mod unpack;
pub mod update;
mod version;
pub mod wait;

use crate::container::Store;
use crate::error::{Result, ResultExt};
use crate::plan;
use crate::runtime::Bundle;
use args::{CreateArgs, Globals, Request, Rootless};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// Does what was asked; the answer is the exit code.
///
/// # Errors
/// Whatever the verb's own function says.
pub fn dispatch(globals: &Globals, request: Request) -> Result<u8> {
    match request {
        Request::Run(args) => run::run(globals, &args),
        Request::Create(args) => create::run(globals, &args),
        Request::Start(args) => start::run(globals, &args),
        Request::State(args) => state::run(globals, &args),
        Request::Kill(args) => kill::run(globals, &args),
        Request::Delete(args) => delete::run(globals, &args),
        Request::List(args) => list::run(globals, &args),
        Request::Exec(args) => exec::run(globals, &args),
        Request::Pause(args) => pause::run(globals, &args),
        Request::Resume(args) => resume::run(globals, &args),
        Request::Update(args) => update::run(globals, &args),
        Request::Ps(args) => ps::run(globals, &args),
        Request::Events(args) => events::run(globals, &args),
        Request::Checkpoint(args) => checkpoint::run(globals, &args),
        Request::Restore(args) => restore::run(globals, &args),
        Request::Spec(args) => spec::run(globals, &args),
        Request::Features => features::run(globals),
        Request::Wait(args) => wait::run(globals, &args),
        Request::Doctor(args) => doctor::run(globals, &args),
        Request::Mounts(args) => mounts::run(globals, &args),
        Request::Explain(args) => explain::run(globals, &args),
        Request::Unpack(args) => unpack::run(globals, &args),
        Request::Version => print(&version::text()),
        Request::Help(text) => print(&text),
    }
}

/// The store of `--root`, or the default one.
///
/// # Errors
/// As [`Store::new`] and [`Store::default`].
pub fn store(globals: &Globals) -> Result<Store> {
    match &globals.root {
        Some(root) => Store::new(root.clone()),
        None => {
            let xdg = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            Store::default(may_write_run(globals.rootless, xdg.is_some()), xdg)
        }
    }
}

/// What a command line and the environment ask of the container of `bundle`.
#[must_use]
pub fn request(globals: &Globals, args: &CreateArgs, bundle: &Bundle) -> plan::Request {
    plan::Request {
        no_pivot: args.no_pivot,
        no_new_keyring: args.no_new_keyring,
        preserve_fds: inherited::preserved(args),
        listen_fds: inherited::listen_fds(),
        rootless: globals.rootless == Rootless::Yes,
        systemd_cgroup: globals.systemd_cgroup,
        no_cgroup: globals.no_cgroup,
        ..bundle.request()
    }
}

/// The service manager that our caller is a service of.
#[must_use]
pub fn service_manager() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())
}

/// Whether the default root is /run/rrun. Root of a user namespace is not the owner of /run; that is only asked where
/// there is an alternative, so that a daemon's containers start without the question.
fn may_write_run(rootless: Rootless, has_alternative: bool) -> bool {
    match rootless {
        Rootless::Yes => false,
        Rootless::No => true,
        Rootless::Auto if !nix::unistd::geteuid().is_root() => false,
        Rootless::Auto => !has_alternative || !in_user_namespace(),
    }
}

/// The initial user namespace maps all ids onto themselves, see user_namespaces(7).
fn in_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| !map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

/// Writes an answer to standard output; exit code 0.
///
/// # Errors
/// [`crate::error::Kind::Kernel`] when nobody reads it, or the disk behind it is full.
pub fn print(text: &str) -> Result<u8> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context(|| "write to standard output")?;
    Ok(0)
}
