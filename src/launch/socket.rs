//! Unix sockets at paths of any length.
//!
//! What a newcomer would get wrong: a socket's address holds 107 bytes of path, and `/run/containerd/runc/k8s.io/` with
//! a 64-digit id is nearly there. The directory is opened, and the socket addressed by way of the descriptor.

use crate::error::{Error, Kind, Result, ResultExt};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What fits into a `sockaddr_un` beside the terminating zero.
const LONGEST: usize = 107;

/// A path of a socket that fits into an address; valid while this value lives.
pub(super) struct Address {
    path: PathBuf,
    /// Keeps the directory's descriptor, and so the path, alive.
    _directory: Option<File>,
}

impl Address {
    /// The address of the socket at `path`, which need not exist yet.
    pub(super) fn of(path: &Path) -> Result<Self> {
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            let problem = format!("{} is no path of a socket", path.display());
            return Err(Error::new(Kind::Usage, problem));
        };
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(parent)
            .context(|| format!("open {}", parent.display()))?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        Ok(Self { path: short, _directory: Some(directory) })
    }

    /// The path to give to bind(2) or connect(2).
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_deeper_than_an_address_is_long_can_be_bound_and_reached() {
        let root = std::env::temp_dir().join(format!("rrun-socket-{}", std::process::id()));
        let deep = root.join("d".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        let path = deep.join("s.sock");

        let listener = UnixListener::bind(Address::of(&path).unwrap().path()).unwrap();
        let client = UnixStream::connect(Address::of(&path).unwrap().path());

        assert!(UnixListener::bind(&path).is_err(), "the plain path should have been too long");
        assert!(client.is_ok() && listener.accept().is_ok());
        std::fs::remove_dir_all(root).unwrap();
    }
}
