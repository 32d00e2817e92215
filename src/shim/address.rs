//! Where a shim listens: a socket file in a directory of root's, named by what the shim is for.
//!
//! ```text
//!  bind ── made ──────────────────────► Listening
//!    │ EADDRINUSE
//!  connect ── accepted, or busy ──────► Taken: a shim of this group lives
//!    │ refused, or gone
//!  unlink; bind
//! ```
//! What a newcomer would get wrong: the path of a socket has room for 107 bytes and no more, and a socket file outlives
//! who bound it. Two starts of one group may come at once, so all of this happens under a lock on the directory.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, umask};
use rrun::error::{Error, Kind, Result, ResultExt};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Where shims of every runtime keep their sockets.
const DIRECTORY: &str = "/run/containerd/s";

/// What containerd accepts, and what `struct sockaddr_un` holds with its final zero.
const LONGEST: usize = 106;

/// How long a shim that is being killed may take to let go of its socket, in milliseconds.
const MOMENT_MS: u8 = 100;

/// A shim's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(PathBuf);

/// What stands at an address now.
#[derive(Debug)]
pub enum Claim {
    /// Ours to serve.
    Listening(UnixListener),
    /// Another's, who is alive.
    Taken,
}

impl Address {
    /// The address of a group's shim, below `directory` or where all of them are.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the path is too long for a socket.
    pub fn of(directory: Option<&str>, parts: [&str; 3]) -> Result<Self> {
        let digest = Sha256::digest(parts.join("/"));
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let directory = directory.filter(|path| !path.is_empty()).unwrap_or(DIRECTORY);
        let path = Path::new(directory).join(name);
        let length = path.as_os_str().len();
        if !path.is_absolute() || length > LONGEST {
            let text = format!("socket path {} of {length} bytes", path.display());
            return Err(Error::new(Kind::Usage, text).hint(format!(
                "name an absolute socket directory of at most {} bytes",
                LONGEST - 65
            )));
        }
        Ok(Self(path))
    }

    /// The one that the file `address` of a bundle names.
    #[must_use]
    pub fn noted_in(bundle: &Path) -> Option<Self> {
        let text = fs::read_to_string(bundle.join("address")).ok()?;
        text.trim().strip_prefix("unix://").map(|path| Self(path.into()))
    }

    /// `unix:///run/containerd/s/…`, as containerd wants it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.0.display())
    }

    /// Listens here, unless somebody else does.
    ///
    /// # Errors
    /// [`Kind::Denied`] when the directory is open to others; [`Kind::Kernel`] when the kernel refuses.
    pub fn claim(&self) -> Result<Claim> {
        let _lock = self.lock()?;
        match self.bind() {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {}
            other => return other.map(Claim::Listening).context(|| self.doing("bind")),
        }
        if self.is_served(PollTimeout::ZERO) {
            return Ok(Claim::Taken);
        }
        fs::remove_file(&self.0).context(|| self.doing("remove the stale socket"))?;
        self.bind().map(Claim::Listening).context(|| self.doing("bind"))
    }

    /// Removes the socket, if nobody serves it. Nothing there is success. The threads of a killed shim end one by one, and
    /// containerd hears of the first: so who seems to live is given a moment to be gone.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn remove_if_stale(&self) -> Result<()> {
        if !self.0.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        if self.is_served(PollTimeout::from(MOMENT_MS)) { Ok(()) } else { self.remove() }
    }

    /// Removes the socket.
    ///
    /// # Errors
    /// As unlink(2). Nothing there is success.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context(|| self.doing("remove"))
            }
            _ => Ok(()),
        }
    }

    fn bind(&self) -> io::Result<UnixListener> {
        // Nobody but us may connect from the first moment on; chmod(2) would come later.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(&self.0);
        umask(before);
        bound
    }

    /// Whether somebody listens, and still does after a while. One whose queue is full lives, too; waiting for a place in
    /// it would tell nothing more.
    fn is_served(&self, after: PollTimeout) -> bool {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let connected =
            socket(AddressFamily::Unix, SockType::Stream, flags, None).and_then(|socket| {
                connect(socket.as_raw_fd(), &UnixAddr::new(&self.0)?)?;
                // Nobody writes to who has not asked: the end of the connection is all there can be.
                poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], after)
            });
        matches!(connected, Ok(0) | Err(Errno::EAGAIN))
    }

    fn lock(&self) -> Result<Flock<File>> {
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        let doing = || format!("use the socket directory {}", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(directory).context(doing)?;
        let file = File::open(directory).context(doing)?;
        let about = file.metadata().context(doing)?;
        // Who may write here may put another socket in the place of ours.
        if about.uid() != nix::unistd::geteuid().as_raw() || about.mode() & 0o022 != 0 {
            return Err(Error::new(Kind::Denied, "others may write to it")
                .hint("give it to root alone: chown root, chmod 0700")
                .context(doing()));
        }
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::from(errno))
            .context(|| format!("flock {}", directory.display()))
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.0.display())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_digest_of_what_it_serves() {
        let address = Address::of(None, ["/run/containerd/containerd.sock", "k8s.io", "pod"]);
        let url = address.unwrap().url();
        let digest = url.strip_prefix("unix:///run/containerd/s/").unwrap();
        assert_eq!(digest.len(), 64, "{url}");
        let other =
            Address::of(None, ["/run/containerd/containerd.sock", "k8s.io", "pad"]).unwrap();
        assert_ne!(other.url(), url);
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused() {
        let fits = format!("/{}", "d".repeat(40));
        assert!(Address::of(Some(&fits), ["", "", ""]).is_ok());
        let long = format!("{fits}d");
        let said = Address::of(Some(&long), ["", "", ""]).unwrap_err().to_string();
        assert!(said.contains("of 107 bytes; name an absolute socket directory"), "{said}");
        assert!(Address::of(Some("relative"), ["", "", ""]).is_err());
    }
}
