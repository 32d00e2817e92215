//! What was asked for, one type per verb.
//!
//! It knows which values each verb has. It refuses to resolve them: a path is as it was typed, a default that depends on
//! the machine is absent. What a newcomer would get wrong: these are a command line's values and nothing more; a plan is
//! made from `Spec`, `Host` and these, never from clap.

use super::checkpoint::{CheckpointArgs, RestoreArgs};
use super::exec::ExecArgs;
use super::flags::Verb;
use super::signal::Signal;
use super::taken::Taken;
use super::update::UpdateArgs;
use super::watch::{EventsArgs, PsArgs};
use crate::error::Result;
use crate::id::ContainerId;
use crate::log::{Detail, Format, Settings};
use std::ffi::OsString;
use std::path::PathBuf;

/// What stands before the verb.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Globals {
    /// `--root`; see [`crate::cmd::store`].
    pub root: Option<PathBuf>,
    /// `--log`, `--log-format`, `--debug`.
    pub log: Settings,
    /// `--systemd-cgroup`.
    pub systemd_cgroup: bool,
    /// `--rootless`.
    pub rootless: Rootless,
    /// `--criu`: the program; the one on PATH when absent.
    pub criu: Option<PathBuf>,
}

/// `--rootless`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rootless {
    /// Cgroups that cannot be had are done without.
    Yes,
    /// They are an error.
    No,
    /// By the user that runs it.
    #[default]
    Auto,
}

/// A verb and its own.
#[derive(Debug)]
pub enum Request {
    /// `run`
    Run(RunArgs),
    /// `create`
    Create(CreateArgs),
    /// `start`
    Start(StartArgs),
    /// `state`
    State(StateArgs),
    /// `kill`
    Kill(KillArgs),
    /// `delete`
    Delete(DeleteArgs),
    /// `list`
    List(ListArgs),
    /// `exec`
    Exec(Box<ExecArgs>),
    /// `pause`
    Pause(PauseArgs),
    /// `resume`
    Resume(ResumeArgs),
    /// `update`
    Update(UpdateArgs),
    /// `ps`
    Ps(PsArgs),
    /// `events`
    Events(EventsArgs),
    /// `checkpoint`
    Checkpoint(Box<CheckpointArgs>),
    /// `restore`
    Restore(Box<RestoreArgs>),
    /// `spec`
    Spec(SpecArgs),
    /// `features`
    Features,
    /// `explain`
    Explain(ExplainArgs),
    /// `unpack`
    Unpack(UnpackArgs),
    /// `--version`
    Version,
    /// `--help`: the text.
    Help(String),
}

/// `create`, and most of `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateArgs {
    /// The new container's id.
    pub id: ContainerId,
    /// `--bundle`; the working directory when absent.
    pub bundle: Option<PathBuf>,
    /// `--console-socket`.
    pub console_socket: Option<PathBuf>,
    /// `--pidfd-socket`.
    pub pidfd_socket: Option<PathBuf>,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
    /// `--preserve-fds`: how many descriptors from 3 on the program gets.
    pub preserve_fds: u32,
    /// `--no-pivot`.
    pub no_pivot: bool,
    /// `--no-new-keyring`.
    pub no_new_keyring: bool,
    /// `--trace`.
    pub trace: Option<PathBuf>,
}

impl CreateArgs {
    /// As if nothing but the id had been given.
    #[must_use]
    pub const fn plain(id: ContainerId) -> Self {
        Self {
            id,
            bundle: None,
            console_socket: None,
            pidfd_socket: None,
            pid_file: None,
            preserve_fds: 0,
            no_pivot: false,
            no_new_keyring: false,
            trace: None,
        }
    }
}

/// `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunArgs {
    /// What it shares with `create`.
    pub create: CreateArgs,
    /// `--detach`.
    pub detach: bool,
    /// `--keep`.
    pub keep: bool,
    /// `--no-subreaper`.
    pub no_subreaper: bool,
}

/// `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartArgs {
    /// Which container.
    pub id: ContainerId,
}

/// `state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateArgs {
    /// Which container.
    pub id: ContainerId,
}

/// `pause`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseArgs {
    /// Which container.
    pub id: ContainerId,
}

/// `resume`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeArgs {
    /// Which container.
    pub id: ContainerId,
}

/// `kill`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillArgs {
    /// Which container.
    pub id: ContainerId,
    /// SIGTERM when absent.
    pub signal: Signal,
    /// `--all`.
    pub all: bool,
}

/// `delete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteArgs {
    /// Which container.
    pub id: ContainerId,
    /// `--force`.
    pub force: bool,
}

/// `list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListArgs {
    /// `--format`.
    pub format: ListFormat,
    /// `--quiet`.
    pub quiet: bool,
}

/// How `list` and `ps` print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListFormat {
    /// A table with a heading.
    #[default]
    Table,
    /// An array of states.
    Json,
}

/// `spec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecArgs {
    /// `--bundle`; the working directory when absent.
    pub bundle: Option<PathBuf>,
    /// `--rootless`.
    pub rootless: bool,
}

/// `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainArgs {
    /// The id the container would have.
    pub id: Option<ContainerId>,
    /// `--bundle`; the working directory when absent.
    pub bundle: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
}

/// `unpack`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackArgs {
    /// An OCI layout or docker archive, a directory or a tar.
    pub archive: PathBuf,
    /// The directory to make.
    pub bundle: PathBuf,
    /// `--image`: a name, tag or digest in it.
    pub image: Option<String>,
}

impl Globals {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let format = taken.parsed("log-format", |text| match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err("write text or json"),
        })?;
        let rootless = taken.parsed("rootless", |text| match text {
            "true" | "1" => Ok(Rootless::Yes),
            "false" | "0" => Ok(Rootless::No),
            "auto" => Ok(Rootless::Auto),
            _ => Err("write true, false or auto"),
        })?;
        let detail = if taken.on("debug")? { Detail::Debug } else { Detail::Normal };
        // An empty --log is none, as callers with an unset variable mean it; an empty --root is refused.
        let file = taken.text("log")?.filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok(Self {
            root: taken.path("root")?,
            log: Settings { file, format: format.unwrap_or_default(), detail },
            systemd_cgroup: taken.on("systemd-cgroup")?,
            rootless: rootless.unwrap_or_default(),
            criu: taken.path("criu")?,
        })
    }
}

impl Request {
    pub(super) fn take(verb: Verb, taken: &mut Taken, program: &[OsString]) -> Result<Self> {
        Ok(match verb {
            Verb::Run => Self::Run(RunArgs {
                create: CreateArgs::take(taken)?,
                detach: taken.on("detach")?,
                keep: taken.on("keep")?,
                no_subreaper: taken.on("no-subreaper")?,
            }),
            Verb::Create => Self::Create(CreateArgs::take(taken)?),
            Verb::Start => Self::Start(StartArgs { id: taken.id()? }),
            Verb::State => Self::State(StateArgs { id: taken.id()? }),
            Verb::Kill => Self::Kill(KillArgs {
                id: taken.id()?,
                signal: taken.parsed("SIGNAL", Signal::parse)?.unwrap_or(Signal::TERM),
                all: taken.on("all")?,
            }),
            Verb::Delete => Self::Delete(DeleteArgs { id: taken.id()?, force: taken.on("force")? }),
            Verb::List => {
                Self::List(ListArgs { format: ListFormat::take(taken)?, quiet: taken.on("quiet")? })
            }
            Verb::Exec => Self::Exec(Box::new(ExecArgs::take(taken, program)?)),
            Verb::Pause => Self::Pause(PauseArgs { id: taken.id()? }),
            Verb::Resume => Self::Resume(ResumeArgs { id: taken.id()? }),
            Verb::Update => Self::Update(UpdateArgs::take(taken)?),
            Verb::Ps => Self::Ps(PsArgs::take(taken, program)?),
            Verb::Events => Self::Events(EventsArgs::take(taken)?),
            Verb::Checkpoint => Self::Checkpoint(Box::new(CheckpointArgs::take(taken)?)),
            Verb::Restore => Self::Restore(Box::new(RestoreArgs::take(taken)?)),
            Verb::Spec => Self::Spec(SpecArgs {
                bundle: taken.path("bundle")?,
                rootless: taken.on("rootless")?,
            }),
            Verb::Features => Self::Features,
            Verb::Explain => Self::Explain(ExplainArgs {
                id: taken.optional_id()?,
                bundle: taken.path("bundle")?,
                json: taken.on("json")?,
            }),
            Verb::Unpack => Self::Unpack(UnpackArgs {
                archive: taken.required_path("ARCHIVE")?,
                bundle: taken.required_path("BUNDLE")?,
                image: taken.text("image")?,
            }),
        })
    }
}

impl ListFormat {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let format = taken.parsed("format", |text| match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => Err("write table or json"),
        })?;
        Ok(format.unwrap_or_default())
    }
}

impl CreateArgs {
    fn take(taken: &mut Taken) -> Result<Self> {
        Ok(Self {
            id: taken.id()?,
            bundle: taken.path("bundle")?,
            console_socket: taken.path("console-socket")?,
            pidfd_socket: taken.path("pidfd-socket")?,
            pid_file: taken.path("pid-file")?,
            preserve_fds: taken.number("preserve-fds")?.unwrap_or(0),
            no_pivot: taken.on("no-pivot")?,
            no_new_keyring: taken.on("no-new-keyring")?,
            trace: taken.path("trace")?,
        })
    }
}
