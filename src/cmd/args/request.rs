//! What was asked for, one type per verb.
//!
//! It knows which values each verb has. It refuses to resolve them: a path is as it was typed, a default that depends on
//! the machine is absent. What a newcomer would get wrong: these are a command line's values and nothing more; a plan is
//! made from `Spec`, `Host` and these, never from clap.

use super::checkpoint::{CheckpointArgs, RestoreArgs};
use super::exec::ExecArgs;
use super::flags::Verb;
use super::live::{MountsArgs, WaitArgs};
use super::taken::{Taken, wrong};
use super::update::UpdateArgs;
use super::watch::{EventsArgs, PsArgs};
use super::whom::{DeleteArgs, KillArgs};
use crate::error::Result;
use crate::id::ContainerId;
use crate::log::{Detail, Format, Place, Settings};
use std::ffi::OsString;
use std::path::PathBuf;

/// What stands before the verb.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Globals {
    /// `--root`; see [`crate::cmd::store`].
    pub root: Option<PathBuf>,
    /// `--log`, `--log-format`, `--log-level`, `--debug`.
    pub log: Settings,
    /// `--systemd-cgroup`, `--cgroup-manager systemd`.
    pub systemd_cgroup: bool,
    /// `--cgroup-manager disabled`.
    pub no_cgroup: bool,
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
    /// `wait`
    Wait(WaitArgs),
    /// `mounts`
    Mounts(MountsArgs),
    /// `doctor`
    Doctor(DoctorArgs),
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
    /// `--config`; the bundle's config.json when absent.
    pub config: Option<PathBuf>,
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
            config: None,
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
    /// `--file`; config.json when absent.
    pub file: Option<PathBuf>,
    /// `--rootless`.
    pub rootless: bool,
    /// `--seccomp`.
    pub seccomp: bool,
}

/// `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainArgs {
    /// The id the container would have.
    pub id: Option<ContainerId>,
    /// `--bundle`; the working directory when absent.
    pub bundle: Option<PathBuf>,
    /// `--config`; the bundle's config.json when absent.
    pub config: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
}

/// `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorArgs {
    /// `--bundle`; without it and `--config` the host alone is judged.
    pub bundle: Option<PathBuf>,
    /// `--config`; the bundle's config.json when absent.
    pub config: Option<PathBuf>,
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
        let level = taken.parsed("log-level", |text| match text {
            "error" | "fatal" | "panic" => Ok(Detail::Failures),
            "warning" | "warn" | "info" => Ok(Detail::Normal),
            "debug" | "trace" => Ok(Detail::Debug),
            _ => Err("write error, warning or debug"),
        })?;
        let debug = taken.on("debug")?.then_some(Detail::Debug);
        // An empty --log is none, as callers with an unset variable mean it; an empty --root is refused.
        let place = taken.text("log")?.filter(|place| !place.is_empty());
        let place = match (place, taken.on("systemd-log")?) {
            (Some(place), true) => {
                let error = wrong("log", place, "is given, and --systemd-log too");
                return Err(error.hint("leave one of them away: there is one log"));
            }
            (None, true) => Some("journald:rrun".to_owned()),
            (place, false) => place,
        };
        let manager = taken.parsed("cgroup-manager", |text| match text {
            "cgroupfs" | "systemd" | "disabled" => Ok(text.to_owned()),
            _ => Err("write cgroupfs, systemd or disabled"),
        })?;
        let systemd = taken.on("systemd-cgroup")?;
        Ok(Self {
            root: taken.path("root")?,
            log: Settings {
                place: place.as_deref().map_or(Ok(Place::StandardError), Place::parse)?,
                format: format.unwrap_or_default(),
                detail: debug.or(level).unwrap_or_default(),
            },
            systemd_cgroup: manager.as_deref().map_or(systemd, |name| name == "systemd"),
            no_cgroup: manager.as_deref() == Some("disabled"),
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
            Verb::Create => {
                // Whatever is said, there is nobody to adopt; what is wrong with the value is said.
                let _adopts_nobody = taken.on("no-subreaper")?;
                Self::Create(CreateArgs::take(taken)?)
            }
            Verb::Start => Self::Start(StartArgs { id: taken.id()? }),
            Verb::State => Self::State(StateArgs { id: taken.id()? }),
            Verb::Kill => Self::Kill(KillArgs::take(taken)?),
            Verb::Delete => Self::Delete(DeleteArgs::take(taken)?),
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
                file: taken.path("file")?,
                rootless: taken.on("rootless")?,
                seccomp: taken.on("seccomp")?,
            }),
            Verb::Features => Self::Features,
            Verb::Wait => Self::Wait(WaitArgs::take(taken)?),
            Verb::Mounts => Self::Mounts(MountsArgs::take(taken)?),
            Verb::Doctor => Self::Doctor(DoctorArgs {
                bundle: taken.path("bundle")?,
                config: taken.path("config")?,
                json: taken.on("json")?,
            }),
            Verb::Explain => Self::Explain(ExplainArgs {
                id: taken.optional_id()?,
                bundle: taken.path("bundle")?,
                config: taken.path("config")?,
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
            config: taken.path("config")?,
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
