//! `delete`: the end of a container whose shim may be gone.
//!
//! It knows what a shim may have left: a container, mounts below the bundle's rootfs, a socket nobody listens on. What a
//! newcomer would get wrong: containerd calls it after every orderly end, too, so nothing to do is success; and when
//! it fails, containerd keeps the bundle and calls again, so it must not succeed with something left.

use crate::address::Address;
use crate::arguments::Arguments;
use crate::options::Options;
use containerd_shim_protos::api::DeleteResponse;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use protobuf::well_known_types::timestamp::Timestamp;
use protobuf::{Message, MessageField};
use rrun::container::{Found, Store};
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::id::ContainerId;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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
        unmount(&bundle.join("rootfs")),
        Address::noted_in(&bundle).map_or(Ok(()), |address| address.remove_if_stale()),
    ];
    let mut failures = outcomes.into_iter().filter_map(Result::err);
    if let Some(first) = failures.next() {
        return Err(failures.fold(first, |error, next| error.while_undoing(next)));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exited_at = Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(now.subsec_nanos()).unwrap_or(0),
        ..Default::default()
    };
    let response = DeleteResponse {
        pid,
        exit_status: KILLED,
        exited_at: MessageField::some(exited_at),
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

/// Unmounts everything at and below `directory`, the latest first; what is busy goes when its last user does.
fn unmount(directory: &Path) -> Result<()> {
    let Some((parent, name)) = directory.parent().zip(directory.file_name()) else { return Ok(()) };
    // The last name is not followed: a container may have made a link of what it was given to write to.
    let Ok(parent) = parent.canonicalize() else { return Ok(()) };
    let mountinfo =
        std::fs::read("/proc/self/mountinfo").context(|| "read /proc/self/mountinfo")?;
    for point in mounts_at_or_below(&mountinfo, &parent.join(name)).into_iter().rev() {
        let lazily = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
        let done = match umount2(&point, MntFlags::UMOUNT_NOFOLLOW) {
            Err(Errno::EBUSY) => umount2(&point, lazily),
            other => other,
        };
        match done {
            // Gone with one that it was a copy of, or with its mount above.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(errno).context(|| format!("unmount {}", point.display())),
        }
    }
    Ok(())
}

/// The mount points of /proc/self/mountinfo at or below a directory, in the order of mounting.
fn mounts_at_or_below(mountinfo: &[u8], directory: &Path) -> Vec<PathBuf> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
        .filter(|point| point.starts_with(directory))
        .collect()
}

/// A path as mountinfo writes it: `\040` for a space.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_whole_names_in_the_order_of_mounting() {
        let mountinfo = b"1 0 0:1 / /b/rootfs rw - overlay overlay rw\n\
            2 1 0:2 / /b/rootfs/proc rw shared:1 - proc proc rw\n\
            3 0 0:3 / /b/rootfs2 rw - tmpfs t rw\n\
            4 1 0:4 / /b/rootfs/a\\040b\\134c rw - tmpfs t rw\n\
            5 0 0:5 / / rw - ext4 /dev/vda rw\n";
        let found = mounts_at_or_below(mountinfo, Path::new("/b/rootfs"));
        let want = ["/b/rootfs", "/b/rootfs/proc", "/b/rootfs/a b\\c"];
        assert_eq!(found, want.map(PathBuf::from));
        assert_eq!(unescape(b"x\\04"), "x\\04");
    }
}
