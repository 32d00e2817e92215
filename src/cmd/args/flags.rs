//! Which verbs there are and which flags each takes, as clap understands them; help comes from here too.
//!
//! What a newcomer would get wrong: every value is taken as raw text here and understood in `request`, so that an error
//! is ours, with the flag, the value and the fix. `value` takes one, `switch` is Go's boolean: bare or `=true`/`=false`.

use clap::{Arg, ArgAction, Command, builder::OsStringValueParser};
use std::ffi::OsStr;

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
    Spec,
    Features,
    Explain,
    Unpack,
}

impl Verb {
    pub(super) const ALL: [Self; 12] = [
        Self::Run,
        Self::Create,
        Self::Start,
        Self::State,
        Self::Kill,
        Self::Delete,
        Self::List,
        Self::Exec,
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
            Self::Spec => "Write a config.json to begin with",
            Self::Features => "Print what this runtime supports, as JSON",
            Self::Explain => "Print the plan of a container, step by step, and do nothing",
            Self::Unpack => "Make a bundle from an image archive",
        }
    }

    /// Its flags and positionals.
    pub(super) fn command(self) -> Command {
        let command = plain(self.name()).bin_name(format!("rrun {}", self.name()));
        let command = command.about(self.about());
        match self {
            Self::Run => command
                .args(creating())
                .args(monitored())
                .arg(switch("detach", Some('d'), "Return once the program has started"))
                .arg(switch("keep", None, "Do not delete the container when it has ended"))
                .arg(switch("no-subreaper", None, "Do not adopt the container's orphans"))
                .arg(id()),
            Self::Create => command.args(creating()).args(monitored()).arg(id()),
            Self::Start | Self::State => command.arg(id()),
            Self::Kill => command
                .arg(switch("all", Some('a'), "Signal every process of the container"))
                .arg(id())
                .arg(
                    positional("SIGNAL", "A name or a number [default: SIGTERM]")
                        .allow_negative_numbers(true),
                ),
            Self::Delete => command
                .arg(switch(
                    "force",
                    Some('f'),
                    "Kill it first if need be; succeed if there is none",
                ))
                .arg(id()),
            Self::List => command
                .arg(value("format", Some('f'), "FORMAT", "table or json [default: table]"))
                .arg(switch("quiet", Some('q'), "Print ids only")),
            Self::Exec => command
                .override_usage(
                    "rrun exec [OPTIONS] <ID> <PROGRAM> [ARGS]...\n       \
                     rrun exec [OPTIONS] --process <FILE> <ID>",
                )
                .args(executing())
                .args(monitored())
                .arg(id()),
            Self::Spec => command
                .arg(value("bundle", Some('b'), "DIR", "Where to write it [default: .]"))
                .arg(switch("rootless", None, "For containers of an ordinary user")),
            Self::Features => command,
            Self::Explain => command
                .arg(value("bundle", Some('b'), "DIR", "The bundle [default: .]"))
                .arg(switch("json", None, "As JSON"))
                .arg(positional("ID", "The container's id [default: the bundle's name]")),
            Self::Unpack => command
                .arg(value("image", None, "NAME", "Which image, if the archive has several"))
                .arg(positional("ARCHIVE", "An OCI layout or docker archive").required(true))
                .arg(positional("BUNDLE", "The directory to make").required(true)),
        }
    }
}

/// The flags before the verb.
pub(super) fn globals() -> Command {
    plain("rrun")
        .about("An OCI container runtime whose containers are plans")
        .arg(value(
            "root",
            None,
            "DIR",
            "Where containers are kept [default: /run/rrun, or $XDG_RUNTIME_DIR/rrun]",
        ))
        .arg(value("log", None, "FILE", "Where failures are logged [default: standard error]"))
        .arg(value("log-format", None, "FORMAT", "text or json [default: text]"))
        .arg(switch("debug", None, "Log more"))
        .arg(switch("systemd-cgroup", None, "Let systemd manage cgroups"))
        .arg(
            value("rootless", None, "WHEN", "true, false or auto [default: auto]")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
        )
        .arg(switch("version", Some('v'), "Print the version"))
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

/// What `create` and `run` share.
fn creating() -> [Arg; 3] {
    [
        value("bundle", Some('b'), "DIR", "The bundle [default: .]"),
        switch("no-pivot", None, "Move the root mount instead of pivot_root"),
        switch("no-new-keyring", None, "Keep the caller's session keyring"),
    ]
}

/// What everything that starts a process shares.
fn monitored() -> [Arg; 5] {
    [
        value("console-socket", None, "PATH", "Socket that gets the terminal"),
        value("pidfd-socket", None, "PATH", "Socket that gets a pidfd of the process"),
        value("pid-file", None, "FILE", "Where to write the pid"),
        value("preserve-fds", None, "N", "Pass N more descriptors, from 3 on [default: 0]"),
        value("trace", None, "FILE", "Write a timeline of every step, for a trace viewer"),
    ]
}

fn executing() -> [Arg; 13] {
    [
        value("process", Some('p'), "FILE", "process.json, instead of a program"),
        value("cwd", None, "DIR", "Working directory in the container"),
        value("env", Some('e'), "NAME=VALUE", "Set a variable").action(ArgAction::Append),
        switch("tty", Some('t'), "Give it a terminal"),
        value("user", Some('u'), "UID[:GID]", "Numbers, as seen in the container"),
        value("additional-gids", Some('g'), "GID", "Add a group").action(ArgAction::Append),
        switch("detach", Some('d'), "Return once the program has started"),
        value("process-label", None, "LABEL", "SELinux label"),
        value("apparmor", None, "PROFILE", "AppArmor profile"),
        switch("no-new-privs", None, "Let set-user-id programs grant nothing"),
        value("cap", Some('c'), "NAME", "Add a capability").action(ArgAction::Append),
        value("cgroup", None, "PATH", "Cgroup below the container's").action(ArgAction::Append),
        switch("ignore-paused", None, "Do so although the container is paused"),
    ]
}

fn value(name: &'static str, short: Option<char>, what: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).value_name(what).help(help);
    // Like Go, a value may begin with a dash: the flag's name says that one follows.
    let arg = arg.value_parser(OsStringValueParser::new()).allow_hyphen_values(true);
    match short {
        Some(short) => arg.short(short),
        None => arg,
    }
}

fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Arg {
    value(name, short, "BOOL", help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
}

fn positional(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(name).help(help).value_parser(OsStringValueParser::new())
}

fn id() -> Arg {
    positional("ID", "The container's id").required(true)
}
