//! A bundle that appears whole or not at all: it is filled under a temporary name beside its own, then renamed.
//!
//! What a newcomer would get wrong: the bundle's mode is 0700. It holds an image's set-uid programs and devices, which
//! must not be within reach of other users of the host (CVE-2021-41103).

use crate::error::{Error, Kind, Result, ResultExt};
use crate::image::root::{Root, remove};
use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::sys::stat::{Mode, mkdirat};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The bundle under its temporary name, `.NAME.partial-PID`.
#[derive(Debug)]
pub struct Partial {
    parent: Root,
    name: OsString,
    temporary: OsString,
    path: PathBuf,
}

impl Partial {
    /// Makes the temporary directory beside `bundle`, which must not exist or be an empty directory.
    ///
    /// # Errors
    /// [`Kind::Exists`] when there is something at `bundle`; [`Kind::NotFound`] when its parent is missing.
    pub fn make(bundle: &Path) -> Result<Self> {
        let Some(name) = bundle.file_name() else {
            return Err(Error::new(Kind::Usage, format!("{bundle:?} cannot be a bundle"))
                .hint("give the name of a directory to be made"));
        };
        let directory = match bundle.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        refuse_occupied(bundle)?;
        let parent = Root::open(directory).map_err(|error| {
            if error.errno() != Some(libc::ENOENT) {
                return error;
            }
            Error::new(Kind::NotFound, format!("no directory {directory:?} to put the bundle in"))
                .hint("make it first")
        })?;
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".partial-{}", std::process::id()));
        mkdirat(&parent, temporary.as_os_str(), Mode::S_IRWXU).map_err(|errno| {
            Error::kernel(format!("mkdirat({directory:?}, {temporary:?})"), errno as i32)
        })?;
        let path = directory.join(&temporary);
        Ok(Self { parent, name: name.to_owned(), temporary, path })
    }

    /// Where it is for now.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, in one step.
    ///
    /// # Errors
    /// [`Kind::Exists`] when something has taken the name in the meantime; then nothing is left behind.
    pub fn publish(self) -> Result<()> {
        match renameat(
            &self.parent,
            self.temporary.as_os_str(),
            &self.parent,
            self.name.as_os_str(),
        ) {
            Ok(()) => Ok(()),
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {
                let name = &self.name;
                let error = Error::new(Kind::Exists, format!("bundle {name:?} has just appeared"));
                Err(self.discard(error))
            }
            Err(errno) => {
                let error = Error::kernel(format!("renameat({:?})", self.name), errno as i32);
                Err(self.discard(error))
            }
        }
    }

    /// Removes it because of `error`, which it returns with whatever removing met.
    #[must_use]
    pub fn discard(self, error: Error) -> Error {
        match remove(&self.parent, &self.temporary) {
            Ok(()) => error,
            Err(errno) => error.while_undoing(
                Error::from(errno).context(format!("remove {}", self.path.display())),
            ),
        }
    }
}

/// An early, clear answer; the rename at the end is what makes it true.
fn refuse_occupied(bundle: &Path) -> Result<()> {
    let is_empty = match std::fs::symlink_metadata(bundle) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(|| format!("{}", bundle.display())),
        Ok(found) => found.is_dir() && std::fs::read_dir(bundle)?.next().is_none(),
    };
    if is_empty {
        return Ok(());
    }
    Err(Error::new(Kind::Exists, format!("{bundle:?} exists and is not an empty directory"))
        .hint("remove it or choose another name"))
}
