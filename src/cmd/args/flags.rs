//! Which verbs there are and which flags each takes, as tables; and what clap makes of these: help, and every error.
//!
//! What a newcomer would get wrong: a command line without a mistake never meets clap (see `direct`). Every value is taken
//! as raw text and understood in `request`, so that an error is ours, with the flag, the value and the fix. `value` takes
//! one, `switch` is Go's boolean: bare or `=true`/`=false`.

use super::checkpoint::IMAGES;
use clap::{Arg, ArgAction, Command, builder::OsStringValueParser};
use std::ffi::OsStr;

/// A flag or a positional.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// Its long name; of a positional, what usage calls it.
    pub name: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    /// What help calls the value.
    pub what: &'static str,
    pub help: &'static str,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A value; of several the last counts.
    Value,
    /// A value each time.
    Values,
    /// `=true`, `=false` or nothing.
    Switch,
    /// The same, but `true`, `false` or `auto` may also be the next token.
    When,
    /// It is no flag but a positional.
    Required,
    /// A positional that may be left away.
    Optional,
}

/// The flags of a command, then its positionals in their order.
pub(super) type Flags = &'static [&'static [Flag]];

/// The verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Run,
    Create,
    Start,
    State,
    Kill,
    Delete,
    List,
    Exec,
    Pause,
    Resume,
    Update,
    Ps,
    Events,
    Checkpoint,
    Restore,
    Spec,
    Features,
    Explain,
    Unpack,
}

impl Verb {
    pub(super) const ALL: [Self; 19] = [
        Self::Run,
        Self::Create,
        Self::Start,
        Self::State,
        Self::Kill,
        Self::Delete,
        Self::List,
        Self::Exec,
        Self::Pause,
        Self::Resume,
        Self::Update,
        Self::Ps,
        Self::Events,
        Self::Checkpoint,
        Self::Restore,
        Self::Spec,
        Self::Features,
        Self::Explain,
        Self::Unpack,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Create => "create",
            Self::Start => "start",
            Self::State => "state",
            Self::Kill => "kill",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Exec => "exec",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Update => "update",
            Self::Ps => "ps",
            Self::Events => "events",
            Self::Checkpoint => "checkpoint",
            Self::Restore => "restore",
            Self::Spec => "spec",
            Self::Features => "features",
            Self::Explain => "explain",
            Self::Unpack => "unpack",
        }
    }

    pub(super) fn named(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| name == verb.name())
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Run => "Create a container, start it, and wait for it",
            Self::Create => "Set a container up; its program waits for start",
            Self::Start => "Let a created container's program go",
            Self::State => "Print what a container is doing, as JSON",
            Self::Kill => "Send a signal to a container's first process, or to all",
            Self::Delete => "Remove a stopped container",
            Self::List => "List containers",
            Self::Exec => "Run another program in a container",
            Self::Pause => "Stop every process of a container where it is",
            Self::Resume => "Let a paused container go on",
            Self::Update => "Change a container's limits",
            Self::Ps => "List a container's processes",
            Self::Events => "Print what a container uses, and when it runs out of memory",
            Self::Checkpoint => "Write a running container to files, by CRIU",
            Self::Restore => "Bring a container back from files, by CRIU",
            Self::Spec => "Write a config.json to begin with",
            Self::Features => "Print what this runtime supports, as JSON",
            Self::Explain => "Print the plan of a container, step by step, and do nothing",
            Self::Unpack => "Make a bundle from an image archive",
        }
    }

    /// Its flags and positionals.
    pub(super) const fn flags(self) -> Flags {
        match self {
            Self::Run => &[CREATING, MONITORED, RUNNING, ID],
            Self::Create => &[CREATING, MONITORED, ID],
            Self::Start | Self::State | Self::Pause | Self::Resume => &[ID],
            Self::Kill => &[KILLING],
            Self::Delete => &[DELETING, ID],
            Self::List => &[LISTING],
            Self::Exec => &[EXECUTING, MONITORED, ID],
            Self::Update => &[UPDATING, ID],
            Self::Ps => &[LISTING_PROCESSES, ID],
            Self::Events => &[WATCHING, ID],
            Self::Checkpoint => &[IMAGES, super::checkpoint::DUMPING, ID],
            Self::Restore => &[IMAGES, super::checkpoint::RESTORING, ID],
            Self::Spec => &[SPECIFYING],
            Self::Features => &[],
            Self::Explain => &[EXPLAINING],
            Self::Unpack => &[UNPACKING],
        }
    }

    /// The same as clap wants them.
    pub(super) fn command(self) -> Command {
        let command = plain(self.name()).bin_name(format!("rrun {}", self.name()));
        let command = with_args(command.about(self.about()), self.flags());
        match self {
            Self::Exec => command.override_usage(
                "rrun exec [OPTIONS] <ID> <PROGRAM> [ARGS]...\n       \
                 rrun exec [OPTIONS] --process <FILE> <ID>",
            ),
            Self::Ps => command.override_usage("rrun ps [OPTIONS] <ID> [PS-OPTIONS]..."),
            Self::Kill => command.mut_arg("SIGNAL", |signal| signal.allow_negative_numbers(true)),
            _ => command,
        }
    }
}

/// The flags before the verb.
pub(super) const GLOBALS: Flags = &[&[
    value(
        "root",
        None,
        "DIR",
        "Where containers are kept [default: /run/rrun, or $XDG_RUNTIME_DIR/rrun]",
    ),
    value("log", None, "FILE", "Where failures are logged [default: standard error]"),
    value("log-format", None, "FORMAT", "text or json [default: text]"),
    switch("debug", None, "Log more"),
    switch("systemd-cgroup", None, "Let systemd manage cgroups"),
    Flag {
        takes: Takes::When,
        ..value("rootless", None, "WHEN", "true, false or auto [default: auto]")
    },
    super::checkpoint::CRIU,
    switch("version", Some('v'), "Print the version"),
]];

/// The same as clap wants them.
pub(super) fn globals() -> Command {
    with_args(plain("rrun").about("An OCI container runtime whose containers are plans"), GLOBALS)
}

/// The whole command line as one tree: what help, completions and manual pages are made from.
pub fn tree() -> Command {
    globals().subcommand_required(true).subcommands(Verb::ALL.map(Verb::command))
}

pub(super) fn help() -> String {
    tree().render_help().to_string()
}

pub(super) fn help_of(verb: Verb) -> String {
    verb.command().render_help().to_string()
}

fn plain(name: &'static str) -> Command {
    // The last of several wins, as in Go.
    Command::new(name)
        .args_override_self(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
}

fn with_args(command: Command, flags: Flags) -> Command {
    command.args(flags.iter().flat_map(|list| list.iter()).map(Flag::arg))
}

const ID: &[Flag] = &[positional("ID", Takes::Required, "The container's id")];

/// What `create` and `run` share.
const CREATING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "The bundle [default: .]"),
    switch("no-pivot", None, "Move the root mount instead of pivot_root"),
    switch("no-new-keyring", None, "Keep the caller's session keyring"),
];

/// What everything that starts a process shares.
const MONITORED: &[Flag] = &[
    value("console-socket", None, "PATH", "Socket that gets the terminal"),
    value("pidfd-socket", None, "PATH", "Socket that gets a pidfd of the process"),
    value("pid-file", None, "FILE", "Where to write the pid"),
    value("preserve-fds", None, "N", "Pass N more descriptors, from 3 on [default: 0]"),
    value("trace", None, "FILE", "Write a timeline of every step, for a trace viewer"),
];

const RUNNING: &[Flag] = &[
    switch("detach", Some('d'), "Return once the program has started"),
    switch("keep", None, "Do not delete the container when it has ended"),
    switch("no-subreaper", None, "Do not adopt the container's orphans"),
];

const KILLING: &[Flag] = &[
    switch("all", Some('a'), "Signal every process of the container"),
    ID[0],
    positional("SIGNAL", Takes::Optional, "A name or a number [default: SIGTERM]"),
];

const DELETING: &[Flag] =
    &[switch("force", Some('f'), "Kill it first if need be; succeed if there is none")];

const LISTING: &[Flag] = &[
    value("format", Some('f'), "FORMAT", "table or json [default: table]"),
    switch("quiet", Some('q'), "Print ids only"),
];

const EXECUTING: &[Flag] = &[
    value("process", Some('p'), "FILE", "process.json, instead of a program"),
    value("cwd", None, "DIR", "Working directory in the container"),
    values("env", 'e', "NAME=VALUE", "Set a variable"),
    switch("tty", Some('t'), "Give it a terminal"),
    value("user", Some('u'), "UID[:GID]", "Numbers, as seen in the container"),
    values("additional-gids", 'g', "GID", "Add a group"),
    switch("detach", Some('d'), "Return once the program has started"),
    value("process-label", None, "LABEL", "SELinux label"),
    value("apparmor", None, "PROFILE", "AppArmor profile"),
    switch("no-new-privs", None, "Let set-user-id programs grant nothing"),
    values("cap", 'c', "NAME", "Add a capability"),
    Flag { takes: Takes::Values, ..value("cgroup", None, "PATH", "Cgroup below the container's") },
    switch("ignore-paused", None, "Do so although the container is paused"),
];

const UPDATING: &[Flag] = &[
    value(
        "resources",
        Some('r'),
        "FILE",
        "LinuxResources as JSON, instead of the flags; - is stdin",
    ),
    value("blkio-weight", None, "N", "Share of block devices, 10 to 1000"),
    value("cpu-period", None, "US", "Length of a period of the quota"),
    value("cpu-quota", None, "US", "Processor time in a period; -1 for no limit"),
    value("cpu-burst", None, "US", "Unused quota to be kept for later"),
    value("cpu-share", None, "N", "Share of the processors, 2 to 262144"),
    value("cpu-rt-period", None, "US", "Length of a period of realtime; cgroup v1 only"),
    value("cpu-rt-runtime", None, "US", "Realtime in a period; cgroup v1 only"),
    value("cpuset-cpus", None, "LIST", "Processors, such as 0-3,7"),
    value("cpuset-mems", None, "LIST", "Memory nodes"),
    value("cpu-idle", None, "0|1", "Run only when nobody else wants to"),
    value("kernel-memory", None, "BYTES", "No longer a limit of Linux; ignored"),
    value("kernel-memory-tcp", None, "BYTES", "No longer a limit of Linux; ignored"),
    value("memory", None, "BYTES", "Memory, with k, m or g if wanted; -1 for no limit"),
    value("memory-reservation", None, "BYTES", "Memory that is reclaimed last"),
    value("memory-swap", None, "BYTES", "Memory and swap together; -1 for no limit"),
    value("pids-limit", None, "N", "Processes; -1 for no limit"),
    value("l3-cache-schema", None, "SCHEMA", "Not done by this version"),
    value("mem-bw-schema", None, "SCHEMA", "Not done by this version"),
];

const LISTING_PROCESSES: &[Flag] = &[LISTING[0]];

const WATCHING: &[Flag] = &[
    switch("stats", None, "Print one reading and end"),
    value("interval", None, "TIME", "Between readings [default: 5s]"),
];

const SPECIFYING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "Where to write it [default: .]"),
    switch("rootless", None, "For containers of an ordinary user"),
];

const EXPLAINING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "The bundle [default: .]"),
    switch("json", None, "As JSON"),
    positional("ID", Takes::Optional, "The container's id [default: the bundle's name]"),
];

const UNPACKING: &[Flag] = &[
    value("image", None, "NAME", "Which image, if the archive has several"),
    positional("ARCHIVE", Takes::Required, "An OCI layout or docker archive"),
    positional("BUNDLE", Takes::Required, "The directory to make"),
];

pub(super) const fn value(
    name: &'static str,
    short: Option<char>,
    what: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, short, takes: Takes::Value, what, help }
}

pub(super) const fn values(
    name: &'static str,
    short: char,
    what: &'static str,
    help: &'static str,
) -> Flag {
    Flag { takes: Takes::Values, ..value(name, Some(short), what, help) }
}

pub(super) const fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Flag {
    Flag { takes: Takes::Switch, ..value(name, short, "BOOL", help) }
}

const fn positional(name: &'static str, takes: Takes, help: &'static str) -> Flag {
    Flag { takes, ..value(name, None, name, help) }
}

impl Flag {
    pub(super) const fn is_positional(&self) -> bool {
        matches!(self.takes, Takes::Required | Takes::Optional)
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name).value_name(self.what).help(self.help);
        let arg = arg.value_parser(OsStringValueParser::new());
        if self.is_positional() {
            return arg.required(self.takes == Takes::Required);
        }
        // Like Go, a value may begin with a dash: the flag's name says that one follows.
        let arg = arg.long(self.name).allow_hyphen_values(true);
        let arg = match self.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        match self.takes {
            Takes::Values => arg.action(ArgAction::Append),
            Takes::Switch | Takes::When => {
                arg.num_args(0..=1).require_equals(true).default_missing_value("true")
            }
            Takes::Value | Takes::Required | Takes::Optional => arg,
        }
    }
}
