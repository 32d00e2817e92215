//! `linux.cgroupsPath` as systemd's users write it, `slice:prefix:name`, and the cgroup that follows from it.
//!
//! It knows names; it refuses to ask systemd. What a newcomer would get wrong: a dash in a slice's name is a slash.
//! `a-b.slice` lies in `a.slice`, whatever one thinks of that.

use super::Manager;
use crate::error::{Error, Result};
use crate::id::ContainerId;
use crate::spec::CgroupPath;
use std::fmt::Write as _;

/// Longer names systemd refuses (`UNIT_NAME_MAX`, with a NUL).
const LONGEST: usize = 255;

/// A unit and where it is.
pub struct Names {
    /// `system.slice`
    pub slice: String,
    /// `rrun-web.scope`
    pub unit: String,
}

impl Names {
    /// Those that `path` asks for; empty parts, and no path, mean the defaults.
    pub fn of(path: Option<&CgroupPath>, id: &ContainerId, manager: Manager) -> Result<Self> {
        let default_slice = match manager {
            Manager::System => "system.slice",
            Manager::User => "user.slice",
        };
        let (slice, prefix, name) = match path {
            None => ("", "rrun", id.as_str()),
            Some(CgroupPath::Absolute(path) | CgroupPath::Relative(path)) => split(path)?,
        };
        let slice = if slice.is_empty() { default_slice } else { slice };
        check_slice(slice)?;
        let name = if name.is_empty() { id.as_str() } else { name };
        if name.ends_with(".slice") {
            return Err(wrong(format!("{name:?} is a slice, and no process can be in one"))
                .hint("name a scope: \"system.slice:rrun:web\""));
        }
        let plain = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}-{name}") };
        let unit = format!("{}.scope", escaped(&plain));
        if unit.len() > LONGEST {
            return Err(wrong(format!("the unit {unit:?} has more than {LONGEST} bytes"))
                .hint("choose a shorter id, or name the unit: \"system.slice:rrun:web\""));
        }
        Ok(Self { slice: slice.to_owned(), unit })
    }

    /// Its cgroup, below that of the manager.
    pub fn path(&self, manager: &str) -> String {
        format!("{manager}{}/{}", expanded(&self.slice), self.unit)
    }
}

fn wrong(message: String) -> Error {
    Error::spec("/linux/cgroupsPath", message)
}

fn split(path: &str) -> Result<(&str, &str, &str)> {
    let mut parts = path.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(slice), Some(prefix), Some(name), None) if !path.starts_with('/') => {
            Ok((slice, prefix, name))
        }
        _ => Err(wrong(format!("{path:?} is not of the form slice:prefix:name"))
            .hint("write \"system.slice:rrun:web\", or call without --systemd-cgroup")),
    }
}

/// As systemd's own check: a name of one or more words between dashes, or `-.slice`, the root.
fn check_slice(slice: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\".contains(c);
    let is_sound = slice == "-.slice"
        || slice.strip_suffix(".slice").is_some_and(|stem| {
            stem.split('-').all(|word| !word.is_empty()) && stem.chars().all(fits)
        });
    if is_sound && slice.len() <= LONGEST {
        return Ok(());
    }
    Err(wrong(format!("{slice:?} is no name of a slice"))
        .hint("a slice is named as machine.slice, or a-b.slice for one below a.slice"))
}

/// `/a.slice/a-b.slice` of `a-b.slice`; nothing of the root.
fn expanded(slice: &str) -> String {
    let mut path = String::new();
    let stem = slice.strip_suffix(".slice").unwrap_or(slice);
    if stem == "-" {
        return path;
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    for end in ends {
        path.push('/');
        path.push_str(&stem[..end]);
        path.push_str(".slice");
    }
    path
}

/// What a unit's name may not hold, as systemd-escape(1) writes it. An id may have a plus sign; an at sign would make the
/// unit an instance of a template.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let fits = byte.is_ascii_alphanumeric() || b":-_.\\".contains(&byte);
        if fits && !(at == 0 && byte == b'.') {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let Ok(()) = write!(text, "\\x{byte:02x}") else { continue };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Result<Names> {
        let path = Some(CgroupPath::Relative(path.to_owned())).filter(|_| !path.is_empty());
        Names::of(path.as_ref(), &ContainerId::new("web+1").unwrap(), Manager::System)
    }

    #[test]
    fn a_unit_is_prefix_and_name_in_slices_that_dashes_nest() {
        for (path, unit, cgroup) in [
            ("", r"rrun-web\x2b1.scope", r"/system.slice/rrun-web\x2b1.scope"),
            ("::", r"web\x2b1.scope", r"/system.slice/web\x2b1.scope"),
            ("machine.slice:libpod:ab", "libpod-ab.scope", "/machine.slice/libpod-ab.scope"),
            ("-.slice:a:b", "a-b.scope", "/a-b.scope"),
            ("a.slice::b@c", r"b\x40c.scope", r"/a.slice/b\x40c.scope"),
            (
                "kubepods-burstable-pod1_2.slice:cri-containerd:9f",
                "cri-containerd-9f.scope",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/\
                 cri-containerd-9f.scope",
            ),
        ] {
            let names = names(path).unwrap();
            assert_eq!((&*names.unit, &*names.path("")), (unit, cgroup), "{path:?}");
        }
    }

    #[test]
    fn a_path_that_names_no_unit_is_refused() {
        for (path, says) in [
            ("/a/b", "is not of the form slice:prefix:name"),
            ("/a:b:c", "is not of the form slice:prefix:name"),
            ("a.slice:b", "is not of the form slice:prefix:name"),
            ("a.slice:b:c:d", "is not of the form slice:prefix:name"),
            ("a:b:c", "is no name of a slice"),
            (".slice:b:c", "is no name of a slice"),
            ("a--b.slice:b:c", "is no name of a slice"),
            ("-a.slice:b:c", "is no name of a slice"),
            ("a/b.slice:b:c", "is no name of a slice"),
            ("a.slice:b:c.slice", "is a slice, and no process can be in one"),
        ] {
            let Err(error) = names(path) else { panic!("{path} is taken") };
            assert!(error.to_string().contains(says), "{path}: {error}");
            assert_eq!(error.pointer(), Some("/linux/cgroupsPath"));
        }
        let long = format!("a.slice:b:{}", "c".repeat(250));
        assert!(names(&long).is_err_and(|error| error.to_string().contains("more than 255")));
    }
}
