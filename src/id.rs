//! The vocabulary below every layer: container ids, and the two kinds of path that must never be confused.
//!
//! What a newcomer would get wrong: an [`InnerPath`] is hostile text, a path *as the image sees it*. It is never joined
//! to a host path; only a descriptor of the rootfs gives it meaning (`rrun_sys::path`).

use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A container's id: one path component of `[A-Za-z0-9_+.-]`, as runc accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// Checks an id given on the command line.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it is empty, longer than 1024 bytes, `.` or `..`, or has another character.
    pub fn new(id: &str) -> Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        if id.is_empty() || id.len() > 1024 || id == "." || id == ".." || !id.chars().all(fits) {
            return Err(Error::new(Kind::Usage, format!("invalid container id {id:?}"))
                .hint("use 1 to 1024 letters, digits, '_', '+', '-' or '.'"));
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ContainerId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self> {
        Self::new(&id)
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path on the host, trusted as far as the caller is: bundles, bind sources, namespace files, hooks. Absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPath(PathBuf);

impl HostPath {
    /// `path` itself if absolute, else below `base` (the bundle, or the working directory).
    #[must_use]
    pub fn below(base: &Path, path: &str) -> Self {
        Self(base.join(path))
    }

    /// As a standard path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl From<PathBuf> for HostPath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// A path inside the container: absolute, lexically clean (no `.`, `..`, doubled or trailing `/`), never resolved by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InnerPath(String);

impl InnerPath {
    /// Cleans `path` lexically as seen from the container's root; a relative one starts at the root, `..` stops there.
    #[must_use]
    pub fn new(path: &str) -> Self {
        // Nearly every path of a configuration; there are dozens in one.
        if is_clean(path.as_bytes()) {
            return Self(path.to_owned());
        }
        let mut clean: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    clean.pop();
                }
                name => clean.push(name),
            }
        }
        Self(format!("/{}", clean.join("/")))
    }

    /// With its leading slash: `/dev/pts`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without its leading slash, as openat2 below a root descriptor takes it; `.` for the root.
    #[must_use]
    pub fn relative(&self) -> &str {
        match &self.0[1..] {
            "" => ".",
            rest => rest,
        }
    }

    /// The containing directory and the last component, or `None` for the root.
    #[must_use]
    pub fn split(&self) -> Option<(Self, &str)> {
        let (dir, name) = self.0.rsplit_once('/')?;
        (!name.is_empty())
            .then(|| (Self(if dir.is_empty() { "/".into() } else { dir.into() }), name))
    }

    /// Whether it is `dir` itself or lies below it.
    #[must_use]
    pub fn is_within(&self, dir: &str) -> bool {
        dir == "/"
            || self.0 == dir
            || self.0.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether no component is empty, `.` or `..`. One that merely begins with a dot is not looked at more closely.
fn is_clean(path: &[u8]) -> bool {
    path.first() == Some(&b'/')
        && path.last() != Some(&b'/')
        && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

impl fmt::Display for InnerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_one_safe_path_component() {
        for good in ["a", "web-1", "a.b_c+d", "..."] {
            assert!(ContainerId::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ü", "a\0"] {
            assert!(ContainerId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn inner_paths_never_leave_the_root() {
        for (given, clean) in [
            ("/", "/"),
            ("", "/"),
            ("a//b/./c/", "/a/b/c"),
            ("/../../etc", "/etc"),
            ("/a/../..", "/"),
        ] {
            assert_eq!(InnerPath::new(given).as_str(), clean);
        }
        assert_eq!(
            InnerPath::new("/dev/pts").split().map(|(d, n)| (d.0, n.to_owned())),
            Some(("/dev".into(), "pts".into()))
        );
        assert_eq!(InnerPath::new("/").split(), None);
        assert!(InnerPath::new("/dev/pts").is_within("/dev"));
        assert!(!InnerPath::new("/device").is_within("/dev"));
    }
}
