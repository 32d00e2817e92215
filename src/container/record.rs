//! The facts about a container that outlive the process that made it: `<root>/<id>/state.json`.
//!
//! It knows the file and its version. It refuses to hold anything that changes or can be observed: no status, no owner.
//! What a newcomer would get wrong: there is no fsync. A record describes processes of this boot, so what must hold is
//! that a reader (or the survivor of a killed writer) sees all of it or none; durability across a power cut would
//! preserve a description of nothing, at milliseconds per start wherever the root is not a tmpfs. Nor is there a
//! temporary file: a draft is *appended* to the drafts before it, the last whole one counts, and half a one is as good as
//! none, because what it would have told of has not been done yet. rename(2) then makes the drafts the record.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::ContainerId;
use crate::launch::cgroup::Cgroup;
use crate::launch::rdt::Rdt;
use crate::spec::{Hook, Namespace, Namespaces};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version this rrun writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// The record's name in the container's directory.
pub(super) const FILE: &str = "state.json";

/// Its name as long as the container is not complete: nobody may enter, start or signal what is only half there.
pub(super) const DRAFT: &str = "creating.json";

/// Everything a later `start`, `exec`, `kill`, `state` or `delete` needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// The name of the directory, too.
    pub id: ContainerId,
    /// `ociVersion` of config.json.
    pub oci_version: String,
    /// Absolute.
    pub bundle: PathBuf,
    /// The file of its configuration, absolute, where that is not the bundle's config.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// `root.path`, absolute on the host.
    pub rootfs: PathBuf,
    /// The first process, in the pid namespace of the runtime.
    pub pid: i32,
    /// Field 22 of its /proc/PID/stat, see [`super::process::ProcStat`].
    pub start_time: u64,
    /// Where its processes are; the default where it has no cgroup of its own (rootless, nothing delegated).
    pub cgroup: Cgroup,
    /// Its share of caches and memory bandwidth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdt: Option<Rdt>,
    /// When `create` was asked for it, RFC 3339 with nanoseconds ([`crate::timestamp::Timestamp::rfc3339_nano`]).
    pub created: String,
    /// `annotations` of config.json.
    pub annotations: BTreeMap<String, String>,
    /// Hooks that are still to come.
    pub hooks: LateHooks,
    /// Which namespaces are its own.
    pub namespaces: NamespaceBits,
    /// Whether `process.terminal` was set.
    pub terminal: bool,
    /// How it ended, where somebody waited for it: the exit code, or 128 + the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// How many steps its plan had; 0 in records of before.
    #[serde(default)]
    pub steps: usize,
}

/// Hooks that run in another process than the one that created the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LateHooks {
    /// After `start`.
    pub poststart: Vec<Hook>,
    /// After `delete`.
    pub poststop: Vec<Hook>,
}

/// Kinds of namespace as the `CLONE_NEW*` bits that setns(2) takes with a pidfd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NamespaceBits {
    /// New or joined by path: what `exec` enters.
    pub entered: u32,
    /// New: what nobody outside shares, and what ends with the container.
    pub new: u32,
}

impl NamespaceBits {
    /// Whether the first process is pid 1 of a namespace of its own, so that the kernel ends all others with it.
    #[must_use]
    pub const fn has_own_pid_namespace(self) -> bool {
        self.new & libc::CLONE_NEWPID as u32 != 0
    }
}

impl From<&Namespaces> for NamespaceBits {
    fn from(namespaces: &Namespaces) -> Self {
        let Namespaces { user, mount, pid, network, ipc, uts, cgroup, time, index: _ } = namespaces;
        let mut bits = Self::default();
        for (namespace, bit) in [
            (user, libc::CLONE_NEWUSER),
            (mount, libc::CLONE_NEWNS),
            (pid, libc::CLONE_NEWPID),
            (network, libc::CLONE_NEWNET),
            (ipc, libc::CLONE_NEWIPC),
            (uts, libc::CLONE_NEWUTS),
            (cgroup, libc::CLONE_NEWCGROUP),
            (time, libc::CLONE_NEWTIME),
        ] {
            match namespace {
                Namespace::Inherit => {}
                Namespace::New => {
                    bits.entered |= bit as u32;
                    bits.new |= bit as u32;
                }
                Namespace::Join(_) => bits.entered |= bit as u32,
            }
        }
        bits
    }
}

impl Record {
    /// Adds it to the drafts in the container's `directory`, in one write(2). `file` keeps them open from one to the next.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the file cannot be written; [`Kind::Unsupported`] for a path that is not UTF-8.
    pub(super) fn draft(&self, directory: &Path, file: &OnceCell<File>) -> Result<()> {
        let what = || format!("write {}", directory.join(DRAFT).display());
        let drafts = match file.get() {
            Some(open) => open,
            None => {
                let mut options = OpenOptions::new();
                let new = options.append(true).create_new(true).open(directory.join(DRAFT));
                let new = new.context(what)?;
                file.get_or_init(|| new)
            }
        };
        self.append(drafts).context(what)
    }

    /// Adds it to those of a container that is complete; from then on it counts.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the file cannot be written; [`Kind::Unsupported`] for a path that is not UTF-8.
    pub(super) fn amend(&self, directory: &Path) -> Result<()> {
        let path = directory.join(FILE);
        let what = || format!("write {}", path.display());
        let file = OpenOptions::new().append(true).open(&path).context(what)?;
        self.append(&file).context(what)
    }

    /// In one write(2): a reader sees all of it or none.
    fn append(&self, mut file: &File) -> Result<()> {
        let mut json = serde_json::to_vec(self)
            .map_err(|error| Error::new(Kind::Unsupported, format!("write {FILE}: {error}")))?;
        json.push(b'\n');
        Ok(file.write_all(&json)?)
    }

    /// Makes the draft of `directory` its record: the container is complete.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when there is no draft.
    pub(super) fn publish(directory: &Path) -> Result<()> {
        let file = directory.join(FILE);
        std::fs::rename(directory.join(DRAFT), &file)
            .context(|| format!("rename to {}", file.display()))
    }

    /// Reads that of `directory`; `None` when it (or the directory) is not there.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when it cannot be read, [`Kind::State`] when it is of another version, [`Kind::Internal`] when
    /// it is damaged, which no end of ours could have done.
    pub fn load(directory: &Path) -> Result<Option<Self>> {
        Self::load_file(directory.join(FILE))
    }

    /// The same of a container that is not complete. Whose creator was killed in the middle of the first draft had made
    /// nothing yet that it could tell of: that is none.
    ///
    /// # Errors
    /// As [`Record::load`], but for damage.
    pub(super) fn load_draft(directory: &Path) -> Result<Option<Self>> {
        match Self::load_file(directory.join(DRAFT)) {
            Err(error) if error.kind() == Kind::Internal => Ok(None),
            other => other,
        }
    }

    fn load_file(file: PathBuf) -> Result<Option<Self>> {
        let json = match std::fs::read(&file) {
            Ok(json) => json,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
                return Ok(None);
            }
            Err(error) => return Err(error).context(|| format!("read {}", file.display())),
        };
        Self::parse(&json).map(Some).context(|| format!("read {}", file.display()))
    }

    fn parse(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error| {
            Error::new(Kind::Internal, format!("the record is damaged: {error}"))
                .hint("remove the container with \"rrun delete --force\"")
        };
        // The version first: another version's fields are nothing to complain about.
        let Versioned { version } = first(json).map_err(damaged)?;
        if version != VERSION {
            let problem =
                format!("the record has version {version}, this rrun understands {VERSION}");
            return Err(
                Error::new(Kind::State, problem).hint("use the rrun that created the container")
            );
        }
        let mut last = first(json).map_err(damaged)?;
        for draft in serde_json::Deserializer::from_slice(json).into_iter().skip(1) {
            match draft {
                Ok(draft) => last = draft,
                Err(error) if error.is_eof() => {}
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(last)
    }
}

/// The first of the drafts.
fn first<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    let mut drafts = serde_json::Deserializer::from_slice(json).into_iter();
    // Without any there is an error that says so.
    drafts.next().unwrap_or_else(|| serde_json::from_slice(json))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::time::Duration;

    pub(in crate::container) fn record(id: &str) -> Record {
        Record {
            version: VERSION,
            id: ContainerId::new(id).unwrap(),
            oci_version: "1.3.0".into(),
            bundle: "/b".into(),
            config: None,
            rootfs: "/b/rootfs".into(),
            pid: 0,
            start_time: 4242,
            cgroup: Cgroup::default(),
            rdt: None,
            created: "2026-11-22T07:59:21.5Z".into(),
            annotations: BTreeMap::from([("a".into(), "b".into())]),
            hooks: LateHooks::default(),
            namespaces: NamespaceBits::default(),
            terminal: false,
            exit: None,
            steps: 0,
        }
    }

    fn json(record: &Record) -> serde_json::Value {
        serde_json::to_value(record).unwrap()
    }

    #[test]
    fn a_record_survives_the_trip_to_disk() {
        let directory = crate::container::store::tests::Scratch::new();
        let mut written = record("web");
        written.hooks.poststop.push(Hook {
            path: "/bin/true".into(),
            args: vec!["true".into()],
            env: vec![],
            timeout: Some(Duration::from_secs(3)),
            stdout: None,
            stderr: Some("/log".into()),
        });
        let file = OnceCell::new();
        record("old").draft(directory.path(), &file).unwrap();
        written.draft(directory.path(), &file).unwrap();
        assert!(Record::load(directory.path()).unwrap().is_none());
        Record::publish(directory.path()).unwrap();
        let read = Record::load(directory.path()).unwrap().unwrap();
        assert_eq!(read.hooks, written.hooks);
        assert_eq!(json(&read), json(&written));
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "the draft was renamed: {left:?}");
    }

    #[test]
    fn of_drafts_the_last_whole_one_counts_wherever_the_writer_was_killed() {
        let directory = crate::container::store::tests::Scratch::new();
        let path = directory.path().join(DRAFT);
        let file = OnceCell::new();
        record("web").draft(directory.path(), &file).unwrap();
        let one = std::fs::read(&path).unwrap();
        Record { pid: 7, ..record("web") }.draft(directory.path(), &file).unwrap();
        let both = std::fs::read(&path).unwrap();
        for length in 0..=both.len() {
            std::fs::write(&path, &both[..length]).unwrap();
            let pid = Record::load_draft(directory.path()).unwrap().map(|draft| draft.pid);
            // The line's end says nothing that its last brace did not.
            let expected = match length {
                _ if length < one.len() - 1 => None,
                _ if length < both.len() - 1 => Some(0),
                _ => Some(7),
            };
            assert_eq!(pid, expected, "killed after {length} bytes");
        }
    }

    #[test]
    fn another_version_is_named_before_its_fields_are_looked_at() {
        let error = Record::parse(br#"{"version": 9, "new": true}"#).unwrap_err();
        assert_eq!(error.kind(), Kind::State);
        assert!(error.to_string().contains("version 9, this rrun understands 1"), "{error}");
    }

    #[test]
    fn damaged_records_say_how_to_get_rid_of_them() {
        for json in [&b""[..], b"{", b"{\"version\": 1}", b"[]"] {
            let error = Record::parse(json).unwrap_err();
            assert!(error.hint_text().unwrap().contains("delete --force"), "{error}");
        }
    }

    #[test]
    fn joined_namespaces_are_entered_but_not_new() {
        let namespaces = Namespaces {
            pid: Namespace::New,
            network: Namespace::Join(PathBuf::from("/n").into()),
            ..Namespaces::default()
        };
        let bits = NamespaceBits::from(&namespaces);
        assert_eq!(bits.new, libc::CLONE_NEWPID as u32);
        assert_eq!(bits.entered, (libc::CLONE_NEWPID | libc::CLONE_NEWNET) as u32);
        assert!(bits.has_own_pid_namespace());
        assert!(!NamespaceBits::default().has_own_pid_namespace());
    }
}
