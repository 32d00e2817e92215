//! A bundle on disk, and this host: the inputs of a plan.
//!
//! It reads; it decides nothing. What a newcomer would get wrong: config.json is read once. Everything later works on
//! the [`Spec`], so a file that changes underneath can't give one half of a container another configuration.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::host::{Host, OwnCgroup};
use crate::id::ContainerId;
use crate::launch::home;
use crate::plan::{Plan, Request};
use crate::spec::{CgroupPath, Process, Spec, Terminal};
use std::path::{Path, PathBuf};

/// What a bundle's configuration is called.
const CONFIG: &str = "config.json";

/// A bundle, parsed, on this host.
#[derive(Debug)]
pub struct Bundle {
    /// Its directory, absolute.
    pub path: PathBuf,
    /// The file of its configuration, where that is not its config.json.
    pub config: Option<PathBuf>,
    /// Its configuration.
    pub spec: Spec,
    /// Where it shall run.
    pub host: Host,
}

impl Bundle {
    /// Reads the bundle in `path`; the working directory without one.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without a config.json, [`Kind::Spec`] for what is wrong in it, [`Kind::Host`].
    pub fn load(path: Option<&Path>) -> Result<Self> {
        Self::load_config(path, None)
    }

    /// The same with `config` as its configuration; a relative one is taken from the working directory.
    ///
    /// # Errors
    /// As [`Bundle::load`].
    pub fn load_config(path: Option<&Path>, config: Option<&Path>) -> Result<Self> {
        let absolute = |path| std::path::absolute(path).context(|| "find the working directory");
        let path = absolute(path.unwrap_or(Path::new(".")))?;
        let file = match config {
            Some(config) => absolute(config)?,
            None => path.join(CONFIG),
        };
        let json = std::fs::read(&file).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let error = Error::from(error).context(format!("read {}", file.display()));
            if missing {
                error
                    .with_kind(Kind::NotFound)
                    .hint("name a bundle with --bundle, or make one: rrun spec")
            } else {
                error
            }
        })?;
        let spec = Spec::parse(&json, &path).context(|| file.display().to_string())?;
        let own_cgroup = match spec.cgroups_path {
            Some(CgroupPath::Absolute(_)) => OwnCgroup::Unwanted,
            Some(CgroupPath::Relative(_)) | None => OwnCgroup::Wanted,
        };
        let config = config.is_some().then_some(file);
        let mut host = Host::probe(own_cgroup)?;
        if spec.hardening.landlock.is_some() {
            host.landlock = rrun_sys::landlock::version();
        }
        if spec.has_labels() {
            host.ask_security();
        }
        Ok(Self { path, config, spec, host })
    }

    /// The plan for `create` and `run`, with what the environment asks for.
    ///
    /// # Errors
    /// As [`Plan::create`].
    pub fn plan(&self, id: &ContainerId, request: &Request) -> Result<Plan> {
        Plan::create(id, &self.spec, &self.host, request)
    }

    /// What its caller asks for when it asks for nothing.
    #[must_use]
    pub fn request(&self) -> Request {
        let process = self.spec.process.as_ref();
        let home = process.and_then(|process| home_of(process, self.spec.rootfs.as_path()));
        Request { home, ..Request::default() }
    }

    /// Whether its process has a terminal.
    #[must_use]
    pub fn terminal(&self) -> Terminal {
        self.spec.process.as_ref().map_or(Terminal::None, |process| process.terminal)
    }
}

/// `HOME` as the image's passwd file has it, when the configuration does not say.
#[must_use]
pub(super) fn home_of(process: &Process, rootfs: &Path) -> Option<String> {
    let given = process.env.iter().any(|pair| pair.starts_with("HOME="));
    if given { None } else { home::of(rootfs, process.user.uid) }
}

/// Whether the pty's master has somewhere to go.
///
/// # Errors
/// [`Kind::Usage`] for a detached terminal without a console socket, or a socket without a terminal.
pub fn check_terminal(terminal: Terminal, detached: bool, socket: Option<&Path>) -> Result<()> {
    match (terminal, detached, socket) {
        (Terminal::Pty { .. }, true, None) => Err(Error::new(
            Kind::Usage,
            "a detached process with a terminal needs a console socket",
        )
        .hint("give --console-socket, or set process.terminal to false")),
        (Terminal::None, _, Some(_)) | (Terminal::Pty { .. }, false, Some(_)) => Err(Error::new(
            Kind::Usage,
            "--console-socket is for a detached process with a terminal",
        )
        .hint("leave it out, or set process.terminal to true and detach")),
        _ => Ok(()),
    }
}
