//! Which flags each verb takes, as tables: names, values and the words of help, nothing else.
//!
//! What a newcomer would get wrong: manual pages and completions are made from these, too, so a flag that is here is
//! documented everywhere, and one that is not does not exist.

use super::images::CRIU;
use super::{Flag, Flags, Takes};

/// The flags before the verb.
pub(in crate::cmd::args) const GLOBALS: Flags = &[&[
    value(
        "root",
        None,
        "DIR",
        "Where containers are kept [default: /run/rrun, or $XDG_RUNTIME_DIR/rrun]",
    ),
    value(
        "log",
        None,
        "PLACE",
        "Where failures are logged: FILE, file:FILE, journald:NAME or syslog:NAME [default: standard error]",
    ),
    value("log-format", None, "FORMAT", "text or json [default: text]"),
    value("log-level", None, "LEVEL", "error, warning or debug [default: warning]"),
    switch("debug", None, "Log more: --log-level=debug"),
    switch("systemd-cgroup", None, "Let systemd manage cgroups: --cgroup-manager=systemd"),
    value("cgroup-manager", None, "NAME", "cgroupfs, systemd or disabled [default: cgroupfs]"),
    Flag {
        takes: Takes::When,
        ..value("rootless", None, "WHEN", "true, false or auto [default: auto]")
    },
    CRIU,
    switch("version", Some('v'), "Print the version"),
]];

pub(super) const ID: &[Flag] = &[positional("ID", Takes::Required, "The container's id")];

const CONFIG: Flag =
    value("config", Some('f'), "FILE", "The configuration [default: config.json of the bundle]");

/// What `create` and `run` share.
pub(super) const CREATING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "The bundle [default: .]"),
    CONFIG,
    switch("no-pivot", None, "Move the root mount instead of pivot_root"),
    switch("no-new-keyring", None, "Keep the caller's session keyring"),
];

/// What everything that starts a process shares.
pub(super) const MONITORED: &[Flag] = &[
    value("console-socket", None, "PATH", "Socket that gets the terminal"),
    value("pidfd-socket", None, "PATH", "Socket that gets a pidfd of the process"),
    value("pid-file", None, "FILE", "Where to write the pid"),
    value("preserve-fds", None, "N", "Pass N more descriptors, from 3 on [default: 0]"),
    value("trace", None, "FILE", "Write a timeline of every step, for a trace viewer"),
];

pub(super) const RUNNING: &[Flag] = &[
    switch("detach", Some('d'), "Return once the program has started"),
    switch("keep", None, "Do not delete the container when it has ended"),
    switch("no-subreaper", None, "Do not adopt the container's orphans"),
];

pub(super) const KILLING: &[Flag] = &[
    switch("all", Some('a'), "Signal every process of the container"),
    REGEX,
    ID_OR_PATTERN,
    positional("SIGNAL", Takes::Optional, "A name or a number [default: SIGTERM]"),
];

pub(super) const DELETING: &[Flag] = &[
    switch("force", Some('f'), "Kill it first if need be; succeed if there is none"),
    REGEX,
    ID_OR_PATTERN,
];

const REGEX: Flag =
    switch("regex", Some('r'), "Take the id for a POSIX extended regular expression");

const ID_OR_PATTERN: Flag = positional(
    "ID",
    Takes::Required,
    "The container's id; with --regex what all ids have to match",
);

pub(super) const LISTING: &[Flag] = &[
    value("format", Some('f'), "FORMAT", "table or json [default: table]"),
    switch("quiet", Some('q'), "Print ids only"),
];

pub(super) const EXECUTING: &[Flag] = &[
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
    Flag {
        takes: Takes::Values,
        ..value("cgroup", None, "[CONTROLLER,...:]PATH", "Cgroup below the container's")
    },
    switch("ignore-paused", None, "Do so although the container is paused"),
];

pub(super) const UPDATING: &[Flag] = &[
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
    value("l3-cache-schema", None, "SCHEMA", "Processor caches, such as L3:0=f;1=f"),
    value("mem-bw-schema", None, "SCHEMA", "Memory bandwidth, such as MB:0=50;1=50"),
];

pub(super) const LISTING_PROCESSES: &[Flag] = &[LISTING[0]];

pub(super) const WATCHING: &[Flag] = &[
    switch("stats", None, "Print one reading and end"),
    value("interval", None, "TIME", "Between readings [default: 5s]"),
    repeated(
        "pressure",
        "RESOURCE[:some|full][:STALL/WINDOW]",
        "Tell when processes wait for cpu, memory or io: so long in so long a time [default: some:200ms/2s]",
    ),
];

pub(super) const SPECIFYING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "Where to write it [default: .]"),
    value("file", Some('f'), "FILE", "Under which name [default: config.json]"),
    switch("rootless", None, "For containers of an ordinary user"),
    switch(
        "seccomp",
        None,
        "With a profile that allows what ordinary programs call, and nothing else",
    ),
];

pub(super) const EXPLAINING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "The bundle [default: .]"),
    CONFIG,
    switch("json", None, "As JSON"),
    positional("ID", Takes::Optional, "The container's id [default: the bundle's name]"),
];

pub(super) const WAITING: &[Flag] = &[
    value("format", Some('f'), "FORMAT", "text or json [default: text]"),
    value("timeout", None, "TIME", "Give up after this, such as 5s [default: never]"),
];

pub(super) const MOUNTING: &[Flag] = &[
    positional("ACTION", Takes::Required, "add or remove"),
    ID[0],
    positional("FILE", Takes::Required, "A JSON list of mounts as in config.json; - is stdin"),
];

pub(super) const DIAGNOSING: &[Flag] = &[
    value("bundle", Some('b'), "DIR", "Judge this bundle, too"),
    CONFIG,
    switch("json", None, "As JSON"),
];

pub(super) const UNPACKING: &[Flag] = &[
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

const fn repeated(name: &'static str, what: &'static str, help: &'static str) -> Flag {
    Flag { takes: Takes::Values, ..value(name, None, what, help) }
}

const fn values(name: &'static str, short: char, what: &'static str, help: &'static str) -> Flag {
    Flag { takes: Takes::Values, ..value(name, Some(short), what, help) }
}

pub(super) const fn switch(name: &'static str, short: Option<char>, help: &'static str) -> Flag {
    Flag { takes: Takes::Switch, ..value(name, short, "BOOL", help) }
}

const fn positional(name: &'static str, takes: Takes, help: &'static str) -> Flag {
    Flag { takes, ..value(name, None, name, help) }
}
