//! What a container may ask for beyond the runtime-spec, in annotations of ours: each only takes something away.
//!
//! ```text
//!  org.rrun.landlock        {"mode": "strict", "paths": [{"path": "/usr", "access": ["read", "execute"]}],
//!                            "ports": [{"port": 443, "access": ["connect"]}], "scopes": ["signal"]}
//!  org.rrun.proc.subset     pid
//!  org.rrun.proc.hidepid    invisible, ptraceable, noaccess
//!  org.rrun.mdwe            true
//!  org.rrun.seccomp.bpf     a filter, see `raw_filter`
//! ```
//! It knows the words, and which version of Landlock has which right. It refuses to know the kernel's. What a newcomer
//! would get wrong: an annotation that nobody knows must not be an error (runtime-spec, config, Annotations), so one that
//! begins as ours do and is none of them is a warning.

use super::at::At;
use super::mounts::{FsType, Mount};
use super::raw_filter::RawFilter;
use crate::error::Result;
use crate::id::InnerPath;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What every annotation that changes what rrun does begins with.
pub const PREFIX: &str = "org.rrun.";

const LANDLOCK: &str = "org.rrun.landlock";
const SUBSET: &str = "org.rrun.proc.subset";
const HIDE: &str = "org.rrun.proc.hidepid";
const MDWE: &str = "org.rrun.mdwe";

/// What was asked for; nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hardening {
    /// `org.rrun.landlock`
    pub landlock: Option<Landlock>,
    /// `org.rrun.mdwe`: no memory becomes executable that was not mapped so.
    pub mdwe: bool,
    /// `org.rrun.seccomp.bpf`: in place of `linux.seccomp`.
    pub filter: Option<RawFilter>,
}

/// A ruleset of Landlock, for any kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlock {
    /// `LANDLOCK_ACCESS_FS_*` that are forbidden unless a rule allows them.
    pub files: u64,
    /// `LANDLOCK_ACCESS_NET_*`, the same.
    pub network: u64,
    /// `LANDLOCK_SCOPE_*` that are forbidden.
    pub scopes: u64,
    /// What is allowed at and below paths of the container, in order.
    pub paths: Vec<(InnerPath, u64)>,
    /// What is allowed on ports of TCP.
    pub ports: Vec<(u16, u64)>,
    /// `bestEffort`: what the kernel lacks, or the image, is left out with a warning. Strict without.
    pub lenient: bool,
}

/// Rights of files by the kernel's names, each with the first version of Landlock that has it (linux/landlock.h).
const FILES: [(&str, u32); 16] = [
    ("execute", 1),
    ("write_file", 1),
    ("read_file", 1),
    ("read_dir", 1),
    ("remove_dir", 1),
    ("remove_file", 1),
    ("make_char", 1),
    ("make_dir", 1),
    ("make_reg", 1),
    ("make_sock", 1),
    ("make_fifo", 1),
    ("make_block", 1),
    ("make_sym", 1),
    ("refer", 2),
    ("truncate", 3),
    ("ioctl_dev", 5),
];

/// All rights of files.
const ALL: u64 = (1 << FILES.len()) - 1;
/// `read`: files and directories.
const READ: u64 = 1 << 2 | 1 << 3;
/// `write`: whatever is neither reading nor executing.
const WRITE: u64 = ALL & !READ & !1;

const PORTS: [(&str, u64); 2] = [("bind", 1), ("connect", 2)];
/// The version of Landlock that has ports, and scopes.
const PORTS_SINCE: u32 = 4;
const SCOPES: [(&str, u64); 2] = [("abstract_unix_socket", 1), ("signal", 2)];
const SCOPES_SINCE: u32 = 6;

/// What the kernel calls the three ways of hiding other processes, and which numbers it also takes.
const HIDING: [&str; 3] = ["noaccess", "invisible", "ptraceable"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    mode: Mode,
    paths: Option<Vec<WirePath>>,
    ports: Option<Vec<WirePort>>,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Mode {
    #[default]
    Strict,
    BestEffort,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePath {
    path: String,
    access: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePort {
    port: u16,
    access: Vec<String>,
}

impl Hardening {
    /// Reads the annotations, and adds to the mount of procfs what they say of it.
    pub(super) fn read(
        at: &At<'_>,
        annotations: &BTreeMap<String, String>,
        mounts: &mut [Mount],
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut hardening = Self::default();
        let ours = annotations.range(PREFIX.to_owned()..);
        for (name, value) in ours.take_while(|(name, _)| name.starts_with(PREFIX)) {
            let at = at.key(name);
            match name.as_str() {
                LANDLOCK => hardening.landlock = Some(Landlock::read(&at, value)?),
                SUBSET if value == "pid" => proc_option(&at, mounts, "subset", value)?,
                SUBSET => return Err(at.wrong(format!("{value:?} is no subset")).hint("say pid")),
                HIDE if HIDING.contains(&value.as_str()) => {
                    proc_option(&at, mounts, "hidepid", value)?;
                }
                HIDE => {
                    let hint = format!("use one of {}", HIDING.join(", "));
                    return Err(at.wrong(format!("{value:?} hides nothing")).hint(hint));
                }
                MDWE if value == "true" || value == "false" => hardening.mdwe = value == "true",
                MDWE => {
                    let message = format!("{value:?} is neither true nor false");
                    return Err(at.wrong(message).hint("write \"true\" or \"false\""));
                }
                name if RawFilter::is_named(name) => {}
                _ => warnings.push(at.warning("ignored: rrun has no annotation of this name")),
            }
        }
        Ok(hardening)
    }
}

/// One more option of the procfs on /proc.
fn proc_option(at: &At<'_>, mounts: &mut [Mount], name: &str, value: &str) -> Result<()> {
    let on_proc = mounts.iter_mut().rev().find(|mount| mount.destination.as_str() == "/proc");
    let Some(FsType::New { fs_type, data, .. }) = on_proc.map(|mount| &mut mount.kind) else {
        return Err(at
            .wrong("no procfs of the container's own is mounted on /proc")
            .hint("add a mount of type proc there, or remove the annotation"));
    };
    if fs_type != "proc" {
        let message = format!("what is mounted on /proc is a {fs_type}");
        return Err(at.wrong(message).hint("mount proc there, or remove the annotation"));
    }
    if data.iter().any(|option| option.split('=').next() == Some(name)) {
        return Err(at
            .wrong(format!("the mount on /proc has {name} among its options already"))
            .hint("say it in one place"));
    }
    data.push(format!("{name}={value}"));
    Ok(())
}

impl Landlock {
    fn read(at: &At<'_>, json: &str) -> Result<Self> {
        let example =
            "write it as {\"paths\": [{\"path\": \"/usr\", \"access\": [\"read\", \"execute\"]}]}";
        let Wire { mode, paths, ports, scopes } = serde_json::from_str(json)
            .map_err(|error| at.wrong(error.to_string()).hint(example))?;
        let files = if paths.is_some() { ALL } else { 0 };
        let network = if ports.is_some() { PORTS[0].1 | PORTS[1].1 } else { 0 };
        let scopes = of(at, "scope", &scopes, &SCOPES)?;
        if files | network | scopes == 0 {
            return Err(at.wrong("the ruleset forbids nothing").hint(example));
        }
        let mut rules = Vec::new();
        for WirePath { path, access } in paths.unwrap_or_default() {
            let access = of(at, "right of files", &access, &rights_of_files())?;
            rules.push((InnerPath::new(at.absolute(&path)?), access));
        }
        let mut on_ports = Vec::new();
        for WirePort { port, access } in ports.unwrap_or_default() {
            let access = of(at, "right of ports", &access, &PORTS)?;
            on_ports.push((port, access));
        }
        if let Some((path, _)) = rules.iter().find(|(_, access)| *access == 0) {
            return Err(at.wrong(format!("the rule of {path} allows nothing")).hint("remove it"));
        }
        if let Some((port, _)) = on_ports.iter().find(|(_, access)| *access == 0) {
            let message = format!("the rule of port {port} allows nothing");
            return Err(at.wrong(message).hint("remove it"));
        }
        let lenient = mode == Mode::BestEffort;
        Ok(Self { files, network, scopes, paths: rules, ports: on_ports, lenient })
    }

    /// What of it a kernel with this version of Landlock has, and the names of what it lacks.
    #[must_use]
    pub fn on(&self, version: u32) -> (Self, Vec<&'static str>) {
        let mut known = self.clone();
        let mut missing = Vec::new();
        for (index, (name, since)) in FILES.iter().enumerate() {
            if version < *since && known.files & 1 << index != 0 {
                missing.push(*name);
                known.files &= !(1 << index);
            }
        }
        if version < PORTS_SINCE && known.network != 0 {
            missing.push("ports");
            known.network = 0;
            known.ports.clear();
        }
        if version < SCOPES_SINCE && known.scopes != 0 {
            missing.push("scopes");
            known.scopes = 0;
        }
        for (_, access) in &mut known.paths {
            *access &= known.files;
        }
        known.paths.retain(|(_, access)| *access != 0);
        (known, missing)
    }
}

/// Every word for rights of files: the kernel's, and three for groups of them.
fn rights_of_files() -> Vec<(&'static str, u64)> {
    let single = FILES.iter().enumerate().map(|(index, (name, _))| (*name, 1 << index));
    single.chain([("read", READ), ("write", WRITE), ("all", ALL)]).collect()
}

/// The bits of words.
fn of(at: &At<'_>, what: &str, words: &[String], table: &[(&str, u64)]) -> Result<u64> {
    words.iter().try_fold(0, |bits, word| Ok(bits | at.one_of(word, what, table)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;
    use serde_json::json;
    use std::path::Path;

    fn parsed(name: &str, value: &str) -> Result<Spec> {
        let config = json!({
            "ociVersion": "1.3.0", "root": {"path": "rootfs"}, "annotations": {name: value},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
        });
        Spec::parse(config.to_string().as_bytes(), Path::new("/b"))
    }

    #[test]
    fn a_ruleset_is_read_to_the_kernels_bits() {
        let text = r#"{"paths": [{"path": "/usr", "access": ["read", "execute"]}],
                       "ports": [{"port": 443, "access": ["connect"]}], "scopes": ["signal"]}"#;
        let landlock = parsed(LANDLOCK, text).unwrap().hardening.landlock.unwrap();
        assert_eq!((landlock.files, landlock.network, landlock.scopes), (0xffff, 3, 2));
        assert_eq!(landlock.paths, [(InnerPath::new("/usr"), 0b1101)]);
        assert_eq!(landlock.ports, [(443, 2)]);
        assert!(!landlock.lenient);
    }

    #[test]
    fn each_version_lacks_what_came_after_it() {
        let text =
            r#"{"paths": [{"path": "/", "access": ["all"]}], "ports": [], "scopes": ["signal"]}"#;
        let landlock = parsed(LANDLOCK, text).unwrap().hardening.landlock.unwrap();
        assert_eq!(landlock.on(6), (landlock.clone(), vec![]));
        assert_eq!(landlock.on(4).1, ["ioctl_dev", "scopes"]);
        let (oldest, missing) = landlock.on(1);
        assert_eq!(missing, ["refer", "truncate", "ioctl_dev", "ports", "scopes"]);
        assert_eq!((oldest.files, oldest.paths[0].1), (0x1fff, 0x1fff));
        let none = landlock.on(0).0;
        assert_eq!(none.files | none.network | none.scopes, 0);
    }

    #[test]
    fn what_is_wrong_is_named_by_the_annotation() {
        for (name, value, says) in [
            (LANDLOCK, "{}", "forbids nothing"),
            (LANDLOCK, r#"{"path": []}"#, "unknown field"),
            (LANDLOCK, r#"{"paths": [{"path": "usr", "access": ["read"]}]}"#, "usr"),
            (LANDLOCK, r#"{"paths": [{"path": "/usr", "access": ["reed"]}]}"#, "reed"),
            (LANDLOCK, r#"{"paths": [{"path": "/usr", "access": []}]}"#, "allows nothing"),
            (LANDLOCK, r#"{"ports": [{"port": 65536, "access": ["bind"]}]}"#, "65536"),
            (LANDLOCK, r#"{"mode": "lenient", "scopes": ["signal"]}"#, "lenient"),
            (SUBSET, "pids", "pids"),
            (HIDE, "1", "noaccess, invisible, ptraceable"),
            (MDWE, "yes", "neither true nor false"),
        ] {
            let error = parsed(name, value).expect_err(value).to_string();
            assert!(error.contains(says) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn procfs_is_mounted_with_what_the_annotations_say() {
        for (name, value, option) in
            [(SUBSET, "pid", "subset=pid"), (HIDE, "invisible", "hidepid=invisible")]
        {
            let spec = parsed(name, value).unwrap();
            let FsType::New { data, .. } = &spec.mounts[0].kind else { panic!("no procfs") };
            assert_eq!(data, &[option]);
        }
    }

    #[test]
    fn an_unknown_one_of_ours_is_a_warning() {
        let warnings = parsed("org.rrun.landlok", "{}").unwrap().warnings;
        assert!(warnings[0].contains("org.rrun.landlok"), "{warnings:?}");
        assert!(parsed("org.example.landlok", "{}").unwrap().warnings.is_empty());
    }
}
