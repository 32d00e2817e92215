//! `delete`: the end of a container whose shim may be gone.
//!
//! It knows what a shim may have left: a container, mounts below the bundle's rootfs, a socket nobody listens on. What a
//! newcomer would get wrong: containerd calls it after every orderly end, too, so nothing to do is success; and when
//! it fails, containerd keeps the bundle and calls again, so it must not succeed with something left.

use crate::address::Address;
use crate::answer::timestamp;
use crate::arguments::Arguments;
use crate::mounts::unmount_all;
use crate::options::Options;
use containerd_shim_protos::api::DeleteResponse;
use protobuf::Message;
use rrun::container::{Found, Store};
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::id::ContainerId;
use std::time::SystemTime;

/// What a process says that was killed by SIGKILL.
const KILLED: u32 = 128 + 9;

/// Cleans up and answers with a `DeleteResponse`.
///
/// # Errors
/// When something is left: the container, a mount, the socket.
pub fn run(arguments: &Arguments) -> Result<Vec<u8>> {
    let bundle = match &arguments.bundle {
        Some(bundle) => bundle.clone(),
        None => std::env::current_dir().context(|| "find the bundle")?,
    };
    let id = ContainerId::new(&arguments.id)?;
    let store = Store::new(Options::load(&bundle)?.state_root(&arguments.namespace))?;
    let pid = pid_of(&store, &id);
    // Processes hold mounts, so the container goes first; one failure does not keep the rest.
    let outcomes = [
        store.delete_forced(&id).context(|| format!("delete container {id}")),
        unmount_all(&bundle.join("rootfs")),
        Address::noted_in(&bundle).map_or(Ok(()), |address| address.remove_if_stale()),
    ];
    let mut failures = outcomes.into_iter().filter_map(Result::err);
    if let Some(first) = failures.next() {
        return Err(failures.fold(first, |error, next| error.while_undoing(next)));
    }
    let response = DeleteResponse {
        pid,
        exit_status: KILLED,
        exited_at: timestamp(SystemTime::now()),
        ..Default::default()
    };
    response.write_to_bytes().map_err(|error| Error::new(Kind::Internal, error.to_string()))
}

/// The container's first process, as far as anybody still knows.
fn pid_of(store: &Store, id: &ContainerId) -> u32 {
    let pid = match store.find(id) {
        Ok(Found::Container(container)) => container.record.pid,
        Ok(Found::Creating(Some(record))) => record.pid,
        Ok(Found::Creating(None) | Found::Debris | Found::Nothing) | Err(_) => 0,
    };
    u32::try_from(pid).unwrap_or(0)
}
