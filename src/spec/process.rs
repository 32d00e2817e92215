//! `process`: what runs, as whom, with which privileges.
//!
//! It knows the fields' meaning. It refuses to know whether this host can grant them.
//! What a newcomer would get wrong: the same object comes from `exec --process FILE`, where it is the whole document;
//! so nothing here may look at the rest of config.json, and pointers start wherever the caller says.

use super::at::At;
use super::capabilities::Capabilities;
use super::scheduling::{ExecAffinity, IoPriority, Scheduler};
use super::wire;
use super::wire::{Object, Text};
use crate::error::Result;
use crate::id::InnerPath;
use nix::sys::resource::Resource;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The program of a container, or of an exec.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// `args`, at least one.
    pub args: Vec<String>,
    /// `env` as given: `NAME=value`, duplicates resolved (the last wins, in the place of the first).
    pub env: Vec<String>,
    /// `cwd`, absolute.
    pub cwd: InnerPath,
    /// `terminal` and `consoleSize`.
    pub terminal: Terminal,
    /// `user`.
    pub user: User,
    /// `capabilities`; an absent object is five empty sets.
    pub capabilities: Capabilities,
    /// `noNewPrivileges`.
    pub privileges: Privileges,
    /// `rlimits`, no duplicates.
    pub rlimits: Vec<Rlimit>,
    /// `oomScoreAdj`, -1000 to 1000; `None` leaves it alone.
    pub oom_score_adj: Option<i32>,
    /// `apparmorProfile`.
    pub apparmor_profile: Option<String>,
    /// `selinuxLabel`.
    pub selinux_label: Option<String>,
    /// `scheduler`.
    pub scheduler: Option<Scheduler>,
    /// `ioPriority`.
    pub io_priority: Option<IoPriority>,
    /// `execCPUAffinity`, which only an exec looks at.
    pub exec_affinity: ExecAffinity,
}

/// `process.terminal`, with the size of the console in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Standard streams are inherited.
    None,
    /// A pty becomes the standard streams and `/dev/console`.
    Pty {
        /// `consoleSize`: rows and columns.
        size: Option<(u16, u16)>,
    },
}

/// `process.user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As seen in the container's user namespace.
    pub uid: u32,
    /// As seen in the container's user namespace.
    pub gid: u32,
    /// File mode creation mask; `None` leaves 0o022.
    pub umask: Option<u32>,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
}

/// `process.noNewPrivileges`, as a name instead of a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// `PR_SET_NO_NEW_PRIVS` is set: set-user-id programs grant nothing.
    NoNew,
    /// They may.
    MayGain,
}

/// One of `process.rlimits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// The kernel's number (`RLIMIT_NOFILE` is 7).
    pub resource: u32,
    /// Its name in the configuration, for messages.
    pub name: &'static str,
    /// Soft limit, in the resource's own unit; `u64::MAX` is infinity.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// `RLIMIT_*` of getrlimit(2).
const RLIMITS: &[(&str, Resource)] = &[
    ("RLIMIT_AS", Resource::RLIMIT_AS),
    ("RLIMIT_CORE", Resource::RLIMIT_CORE),
    ("RLIMIT_CPU", Resource::RLIMIT_CPU),
    ("RLIMIT_DATA", Resource::RLIMIT_DATA),
    ("RLIMIT_FSIZE", Resource::RLIMIT_FSIZE),
    ("RLIMIT_LOCKS", Resource::RLIMIT_LOCKS),
    ("RLIMIT_MEMLOCK", Resource::RLIMIT_MEMLOCK),
    ("RLIMIT_MSGQUEUE", Resource::RLIMIT_MSGQUEUE),
    ("RLIMIT_NICE", Resource::RLIMIT_NICE),
    ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE),
    ("RLIMIT_NPROC", Resource::RLIMIT_NPROC),
    ("RLIMIT_RSS", Resource::RLIMIT_RSS),
    ("RLIMIT_RTPRIO", Resource::RLIMIT_RTPRIO),
    ("RLIMIT_RTTIME", Resource::RLIMIT_RTTIME),
    ("RLIMIT_SIGPENDING", Resource::RLIMIT_SIGPENDING),
    ("RLIMIT_STACK", Resource::RLIMIT_STACK),
];

impl Process {
    /// Parses the process of an `exec --process FILE`; the second value are warnings. Pointers start at this document.
    ///
    /// # Errors
    /// [`Kind::Spec`](crate::error::Kind::Spec) or [`Kind::Unsupported`](crate::error::Kind::Unsupported), with the
    /// JSON pointer of the field.
    pub fn parse(json: &[u8]) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        let process = Self::read(At::DOCUMENT, wire::parse(json)?, &mut warnings)?;
        Ok((process, warnings))
    }

    /// Whether it shall have a label of a security module.
    #[must_use]
    pub fn has_labels(&self) -> bool {
        self.apparmor_profile.is_some() || self.selinux_label.is_some()
    }

    pub(super) fn read(
        at: At<'_>,
        process: wire::Process<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let wire::Process {
            terminal,
            console_size,
            user,
            args,
            command_line,
            env,
            cwd,
            capabilities,
            rlimits,
            no_new_privileges,
            apparmor_profile,
            oom_score_adj,
            selinux_label,
            scheduler,
            io_priority,
            exec_cpu_affinity,
        } = process;
        if command_line.is_some() {
            warnings.push(at.key("commandLine").warning("ignored: only Windows has command lines"));
        }
        Ok(Self {
            args: read_args(at.key("args"), args)?,
            env: read_env(at.key("env"), env)?,
            cwd: InnerPath::new(at.key("cwd").absolute(&at.required("cwd", cwd)?)?),
            terminal: read_terminal(at.key("consoleSize"), terminal, console_size)?,
            user: read_user(at.key("user"), at.required("user", user)?.0, warnings)?,
            capabilities: match capabilities {
                Some(Object(sets)) => Capabilities::read(at.key("capabilities"), sets, warnings),
                None => Capabilities::default(),
            },
            privileges: match no_new_privileges {
                Some(true) => Privileges::NoNew,
                Some(false) | None => Privileges::MayGain,
            },
            rlimits: read_rlimits(at.key("rlimits"), rlimits)?,
            oom_score_adj: read_oom_score(at.key("oomScoreAdj"), oom_score_adj)?,
            apparmor_profile: apparmor_profile.map(Text::into_string).filter(|p| !p.is_empty()),
            selinux_label: selinux_label.map(Text::into_string).filter(|p| !p.is_empty()),
            scheduler: match scheduler {
                Some(Object(scheduler)) => Some(Scheduler::read(at.key("scheduler"), scheduler)?),
                None => None,
            },
            io_priority: match io_priority {
                Some(Object(io)) => Some(IoPriority::read(at.key("ioPriority"), io)?),
                None => None,
            },
            exec_affinity: match exec_cpu_affinity {
                Some(Object(affinity)) => ExecAffinity::read(at.key("execCPUAffinity"), affinity)?,
                None => ExecAffinity::default(),
            },
        })
    }
}

fn read_args(at: At<'_>, args: wire::Texts<'_>) -> Result<Vec<String>> {
    let args: Vec<String> = args.into_iter().flatten().map(Text::into_string).collect();
    match args.first() {
        None => Err(at.wrong("no program to run").hint("name one as the first element")),
        Some(program) if program.is_empty() => {
            Err(at.index(0).wrong("the program's name is empty").hint("name a program"))
        }
        Some(_) => Ok(args),
    }
}

/// The last value of a name wins, as in a shell, but in the place of the first: getenv(3) would find the first.
fn read_env(at: At<'_>, env: wire::Texts<'_>) -> Result<Vec<String>> {
    let mut result: Vec<String> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (index, entry) in env.into_iter().flatten().enumerate() {
        let Some((name, _)) = entry.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let message = format!("{:?} is no environment variable", &*entry);
            return Err(at.index(index).wrong(message).hint("write it as NAME=value"));
        };
        match places.entry(name.to_owned()) {
            Entry::Occupied(place) => {
                if let Some(earlier) = result.get_mut(*place.get()) {
                    *earlier = entry.into_string();
                }
            }
            Entry::Vacant(place) => {
                place.insert(result.len());
                result.push(entry.into_string());
            }
        }
    }
    Ok(result)
}

/// Without a terminal the size must be ignored, says the runtime-spec.
fn read_terminal(
    at: At<'_>,
    terminal: Option<bool>,
    size: Option<Object<wire::ConsoleSize>>,
) -> Result<Terminal> {
    if terminal != Some(true) {
        return Ok(Terminal::None);
    }
    let Some(Object(wire::ConsoleSize { height, width })) = size else {
        return Ok(Terminal::Pty { size: None });
    };
    let cells = |key: &str, count: Option<u64>| {
        let count = at.required(key, count)?;
        u16::try_from(count).map_err(|_| {
            at.key(key).wrong(format!("{count} is too large")).hint("use 65535 or less")
        })
    };
    Ok(Terminal::Pty { size: Some((cells("height", height)?, cells("width", width)?)) })
}

fn read_user(at: At<'_>, user: wire::User<'_>, warnings: &mut Vec<String>) -> Result<User> {
    let wire::User { uid, gid, umask, additional_gids, username } = user;
    if username.is_some_and(|name| !name.is_empty()) {
        warnings.push(at.key("username").warning("ignored: on Linux, uid and gid say who it is"));
    }
    if let Some(mask) = umask.filter(|mask| *mask > 0o777) {
        return Err(at
            .key("umask")
            .wrong(format!("{mask} has more than permission bits"))
            .hint("use 0 to 511 (octal 777)"));
    }
    let groups = at.key("additionalGids");
    Ok(User {
        uid: read_id(at.key("uid"), at.required("uid", uid)?)?,
        gid: read_id(at.key("gid"), at.required("gid", gid)?)?,
        umask,
        additional_gids: groups.each(additional_gids, read_id)?,
    })
}

/// The kernel reads the id 4294967295, -1, as "leave it as it is".
fn read_id(at: At<'_>, id: u32) -> Result<u32> {
    if id == u32::MAX {
        return Err(at.wrong(format!("{id} is no id")).hint("use 4294967294 or less"));
    }
    Ok(id)
}

fn read_rlimits(at: At<'_>, rlimits: wire::Objects<wire::Rlimit<'_>>) -> Result<Vec<Rlimit>> {
    let mut seen: Vec<Resource> = Vec::new();
    at.each(rlimits, |at, Object(wire::Rlimit { kind, soft, hard })| {
        let kind = at.required("type", kind)?;
        let resource = at.key("type").one_of(&kind, "resource limit", RLIMITS)?;
        if seen.contains(&resource) {
            return Err(at.key("type").twice(&kind));
        }
        seen.push(resource);
        let (soft, hard) = (at.required("soft", soft)?, at.required("hard", hard)?);
        if soft > hard {
            let message = format!("the soft limit {soft} is above the hard limit {hard}");
            return Err(at.key("soft").wrong(message).hint("lower it, or raise the hard limit"));
        }
        let name = RLIMITS.iter().find(|(_, r)| *r == resource).map_or("", |(name, _)| name);
        Ok(Rlimit { resource: resource as u32, name, soft, hard })
    })
}

fn read_oom_score(at: At<'_>, score: Option<i64>) -> Result<Option<i32>> {
    let Some(score) = score else { return Ok(None) };
    match i32::try_from(score) {
        Ok(fits @ -1000..=1000) => Ok(Some(fits)),
        _ => Err(at.wrong(format!("{score} is out of range")).hint("use -1000 to 1000")),
    }
}
