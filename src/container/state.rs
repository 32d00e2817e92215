//! The state that callers and hooks read: the OCI text's fields and runc's.
//!
//! It knows JSON names. What a newcomer would get wrong: oci-spec's `State` cannot say `paused`, `rootfs`, `created` or
//! `owner`, which containerd, podman and CRI-O decode; hence one of our own.

use super::record::Record;
use super::{Container, Status};
use crate::error::{Error, Kind, Result, ResultExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// As `rrun state` and `rrun list` print it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State<'a> {
    oci_version: &'a str,
    id: &'a str,
    /// 0 when there is no process.
    pid: i32,
    status: &'static str,
    bundle: &'a Path,
    rootfs: &'a Path,
    #[serde(skip_serializing_if = "str::is_empty")]
    created: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    owner: String,
}

impl Record {
    /// The state with this `status`, and without the owner, whom only the directory knows.
    #[must_use]
    pub fn state(&self, status: Status) -> State<'_> {
        State::new(self, status, String::new())
    }

    /// The state with this `status`, as JSON on one line: what a hook gets on its standard input, also before there is
    /// a container to observe.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for a path that is not UTF-8.
    pub fn state_json(&self, status: Status) -> Result<String> {
        to_json(&self.state(status))
    }
}

impl Container {
    /// The state as observed now.
    ///
    /// # Errors
    /// As [`Container::status`]; [`Kind::Kernel`] when the directory is gone.
    pub fn state(&self) -> Result<State<'_>> {
        Ok(State::new(&self.record, self.status()?, owner_of(&self.directory)?))
    }

    /// The same as JSON on one line.
    ///
    /// # Errors
    /// As [`Container::state`]; [`Kind::Unsupported`] for a path that is not UTF-8.
    pub fn state_json(&self) -> Result<String> {
        to_json(&self.state()?)
    }
}

impl<'a> State<'a> {
    fn new(record: &'a Record, status: Status, owner: String) -> Self {
        State {
            oci_version: &record.oci_version,
            id: record.id.as_str(),
            pid: if status == Status::Stopped { 0 } else { record.pid },
            status: status.name(),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: &record.created,
            annotations: &record.annotations,
            owner,
        }
    }

    /// The cells of `rrun list`'s table, in the order of its heading.
    #[must_use]
    pub fn cells(&self) -> [String; 6] {
        [
            self.id.to_owned(),
            self.pid.to_string(),
            self.status.to_owned(),
            self.bundle.display().to_string(),
            self.created.to_owned(),
            self.owner.clone(),
        ]
    }
}

fn to_json(state: &State<'_>) -> Result<String> {
    serde_json::to_string(state)
        .map_err(|error| Error::new(Kind::Unsupported, format!("write the state: {error}")))
}

/// The name of who owns `directory`, or `#uid` as runc has it. Read from /etc/passwd itself: a static binary that asks
/// the C library's name service loads the host's plug-ins.
fn owner_of(directory: &Path) -> Result<String> {
    let metadata = std::fs::symlink_metadata(directory);
    let uid = metadata.context(|| format!("stat {}", directory.display()))?.uid();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Ok(name_in(&passwd, uid).map_or_else(|| format!("#{uid}"), str::to_owned))
}

fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::record::tests::record;

    #[test]
    fn a_stopped_container_has_no_pid() {
        let record = Record { pid: 77, ..record("web") };
        let json = |status| record.state_json(status).unwrap();
        assert_eq!(
            json(Status::Stopped),
            r#"{"ociVersion":"1.3.0","id":"web","pid":0,"status":"stopped","bundle":"/b","rootfs":"/b/rootfs","created":"2026-11-22T07:59:21.5Z","annotations":{"a":"b"}}"#
        );
        assert!(json(Status::Paused).contains(r#""pid":77,"status":"paused""#));
    }

    #[test]
    fn owners_are_found_by_uid_and_odd_lines_are_passed_over() {
        let passwd = "# comment\n\nbroken:x\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/:\n";
        assert_eq!(name_in(passwd, 0), Some("root"));
        assert_eq!(name_in(passwd, 33), Some("web"));
        assert_eq!(name_in(passwd, 3), None);
    }
}
