//! Which verbs there are and which flags each takes, as tables; and what clap makes of these: help, and every error.
//!
//! What a newcomer would get wrong: a command line without a mistake never meets clap (see `direct`). Every value is taken
//! as raw text and understood in `request`, so that an error is ours, with the flag, the value and the fix. `value` takes
//! one, `switch` is Go's boolean: bare or `=true`/`=false`.

mod images;
mod tables;

use clap::{Arg, ArgAction, Command, builder::OsStringValueParser};
use images::{DUMPING, IMAGES, RESTORING};
use std::ffi::OsStr;
pub(super) use tables::GLOBALS;
use tables::{
    ADOPTING_NOBODY, CREATING, DELETING, DIAGNOSING, ENTERING, EXECUTING, EXPLAINING, ID, KILLING,
    LISTING, LISTING_PROCESSES, MONITORED, MOUNTING, RUNNING, SPECIFYING, UNPACKING, UPDATING,
    WAITING, WATCHING,
};

/// A flag or a positional.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// Its long name; of a positional, what usage calls it.
    pub name: &'static str,
    pub short: Option<char>,
    /// Another letter, where runtimes differ.
    pub also: Option<char>,
    pub takes: Takes,
    /// What help calls the value.
    what: &'static str,
    help: &'static str,
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
    Wait,
    Mounts,
    Doctor,
    Explain,
    Unpack,
}

impl Verb {
    pub(super) const ALL: [Self; 22] = [
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
        Self::Wait,
        Self::Mounts,
        Self::Doctor,
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
            Self::Wait => "wait",
            Self::Mounts => "mounts",
            Self::Doctor => "doctor",
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
            Self::Wait => "Wait for a container's end, and end with its exit code",
            Self::Mounts => "Add mounts to a running container, or remove them again",
            Self::Doctor => "Say what this host can't do, and what of a bundle it will refuse",
            Self::Explain => "Print the plan of a container, step by step, and do nothing",
            Self::Unpack => "Make a bundle from an image archive",
        }
    }

    /// Its flags and positionals.
    pub(super) const fn flags(self) -> Flags {
        match self {
            Self::Run => &[CREATING, MONITORED, RUNNING, ID],
            Self::Create => &[CREATING, MONITORED, ADOPTING_NOBODY, ID],
            Self::Start | Self::State | Self::Pause | Self::Resume => &[ID],
            Self::Kill => &[KILLING],
            Self::Delete => &[DELETING],
            Self::List => &[LISTING],
            Self::Exec => &[EXECUTING, ENTERING, ID],
            Self::Update => &[UPDATING, ID],
            Self::Ps => &[LISTING_PROCESSES, ID],
            Self::Events => &[WATCHING, ID],
            Self::Checkpoint => &[IMAGES, DUMPING, ID],
            Self::Restore => &[IMAGES, RESTORING, ID],
            Self::Spec => &[SPECIFYING],
            Self::Features => &[],
            Self::Wait => &[WAITING, ID],
            Self::Mounts => &[MOUNTING],
            Self::Doctor => &[DIAGNOSING],
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
            Some(short) => arg.short(short).visible_short_aliases(self.also),
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
