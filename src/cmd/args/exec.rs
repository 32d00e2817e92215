//! The values of `exec`.
//!
//! It knows which of them go together. What a newcomer would get wrong: the program and its arguments are not flags of
//! ours, whatever they look like.

use super::taken::{Taken, wrong};
use super::user::{ExecUser, gids};
use crate::error::{Error, Kind, Result};
use crate::id::ContainerId;
use std::ffi::OsString;
use std::path::PathBuf;

/// `exec`. Exactly one of `program` and `process` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecArgs {
    /// Which container.
    pub id: ContainerId,
    /// The program and its arguments; empty with `process`.
    pub program: Vec<String>,
    /// `--process`: an OCI process.json.
    pub process: Option<PathBuf>,
    /// `--cwd`, in the container.
    pub cwd: Option<String>,
    /// `--env`, each `NAME=value`.
    pub env: Vec<String>,
    /// `--tty`.
    pub tty: bool,
    /// `--user`.
    pub user: Option<ExecUser>,
    /// `--additional-gids`.
    pub additional_gids: Vec<u32>,
    /// `--detach`.
    pub detach: bool,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
    /// `--process-label`: SELinux.
    pub process_label: Option<String>,
    /// `--apparmor`.
    pub apparmor: Option<String>,
    /// `--no-new-privs`.
    pub no_new_privs: bool,
    /// `--cap`, each a name.
    pub caps: Vec<String>,
    /// `--preserve-fds`.
    pub preserve_fds: u32,
    /// `--cgroup`, each `[controller,…:]path` below the container's.
    pub cgroup: Vec<String>,
    /// `--ignore-paused`.
    pub ignore_paused: bool,
    /// `--console-socket`.
    pub console_socket: Option<PathBuf>,
    /// `--pidfd-socket`.
    pub pidfd_socket: Option<PathBuf>,
    /// `--trace`.
    pub trace: Option<PathBuf>,
}

impl ExecArgs {
    pub(super) fn take(taken: &mut Taken, program: &[OsString]) -> Result<Self> {
        let utf8 = |word: &OsString| {
            let text = word.to_str().map(str::to_owned);
            text.ok_or_else(|| {
                Error::new(Kind::Usage, format!("program: {word:?} is not UTF-8"))
                    .hint("JSON, and so rrun, knows no other text")
            })
        };
        let this = Self {
            id: taken.id()?,
            program: program.iter().map(utf8).collect::<Result<_>>()?,
            process: taken.path("process")?,
            cwd: taken.text("cwd")?,
            env: taken.texts("env")?,
            tty: taken.on("tty")?,
            user: taken.parsed("user", ExecUser::parse)?,
            additional_gids: gids(&taken.texts("additional-gids")?)?,
            detach: taken.on("detach")?,
            pid_file: taken.path("pid-file")?,
            process_label: taken.text("process-label")?,
            apparmor: taken.text("apparmor")?,
            no_new_privs: taken.on("no-new-privs")?,
            caps: taken.texts("cap")?,
            preserve_fds: taken.number("preserve-fds")?.unwrap_or(0),
            cgroup: taken.texts("cgroup")?,
            ignore_paused: taken.on("ignore-paused")?,
            console_socket: taken.path("console-socket")?,
            pidfd_socket: taken.path("pidfd-socket")?,
            trace: taken.path("trace")?,
        };
        this.check()
    }

    fn check(self) -> Result<Self> {
        if let Some(pair) = self.env.iter().find(|pair| matches!(pair.find('='), None | Some(0))) {
            return Err(wrong("env", pair, "has no name or no '='").hint("write --env NAME=VALUE"));
        }
        match (&self.process, self.program.first()) {
            (None, Some(_)) | (Some(_), None) => Ok(self),
            (None, None) => Err(Error::new(Kind::Usage, "no program to run")
                .hint("write it after the id, or give a process.json with --process FILE")),
            (Some(_), Some(extra)) => {
                let problem = format!("program {extra:?} is given, and --process too");
                Err(Error::new(Kind::Usage, problem).hint("leave one of them away"))
            }
        }
    }
}
