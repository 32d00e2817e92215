//! Manual pages and completions, made from the command line's own tables.
//!
//! Knows what the tables do not say: exit codes, files, and what follows the id of `exec` and `ps`. Refuses to repeat a
//! flag: one that is not in the tables does not exist. A newcomer would edit a page; it is made anew.

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use rrun::cmd::args::tree;
use std::io;

/// The section of the manual for programs of the administrator.
const SECTION: &str = "8";

/// Each file, by its path.
pub fn all() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let command = complete_tree();
    let verbs: Vec<String> =
        command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    files.push(page("rrun", &command, &verbs)?);
    for verb in command.get_subcommands() {
        files.push(page(&format!("rrun-{}", verb.get_name()), verb, &[])?);
    }
    for (shell, name) in [
        (Shell::Bash, "completions/bash/rrun"),
        (Shell::Zsh, "completions/zsh/_rrun"),
        (Shell::Fish, "completions/fish/rrun.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut complete_tree(), "rrun", &mut text);
        files.push((name.to_owned(), text));
    }
    Ok(files)
}

/// The tree with what the program itself takes apart before clap sees it.
pub fn complete_tree() -> Command {
    let more = |name: &'static str, help: &'static str| Arg::new(name).help(help).num_args(0..);
    tree()
        .about("run OCI containers")
        .mut_subcommand("exec", |exec| {
            exec.arg(more("COMMAND", "The program and its arguments; none with --process"))
        })
        .mut_subcommand("ps", |ps| ps.arg(more("PS-OPTIONS", "Options of ps(1) [default: -ef]")))
}

fn page(name: &str, command: &Command, verbs: &[String]) -> io::Result<(String, Vec<u8>)> {
    let whole = command.clone().display_name(name.to_owned()).bin_name(name.replacen('-', " ", 1));
    let man = Man::new(whole.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .source(format!("rrun {}", env!("CARGO_PKG_VERSION")))
        .manual("rrun");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    if whole.has_subcommands() {
        man.render_description_section(&mut text)?;
    }
    man.render_options_section(&mut text)?;
    if whole.has_subcommands() {
        commands(command).to_writer(&mut text)?;
    }
    let verb = name.strip_prefix("rrun-").unwrap_or_default();
    for (title, paragraphs) in sections(verb) {
        let mut roff = Roff::new();
        roff.control("SH", [*title]);
        for paragraph in *paragraphs {
            roff.control("PP", []);
            roff.text([roman(*paragraph)]);
        }
        roff.to_writer(&mut text)?;
    }
    see_also(name, verbs).to_writer(&mut text)?;
    Ok((format!("man/{name}.{SECTION}"), text))
}

fn commands(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for verb in command.get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        roff.control("TP", []);
        roff.text([bold(verb.get_name())]);
        roff.text([roman(about)]);
    }
    roff
}

fn see_also(name: &str, verbs: &[String]) -> Roff {
    let mut others: Vec<String> = match name {
        "rrun" => verbs.iter().map(|verb| format!("rrun-{verb}")).collect(),
        _ => vec!["rrun".to_owned()],
    };
    let last = others.pop().unwrap_or_default();
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    for other in others {
        roff.text([bold(other), roman(format!("({SECTION}),"))]);
    }
    roff.text([bold(last), roman(format!("({SECTION})"))]);
    roff
}

type Sections = &'static [(&'static str, &'static [&'static str])];

/// What the tables do not say, by verb; that of rrun itself is the empty one.
const SECTIONS: &[(&[&str], Sections)] = &[
    (
        &[""],
        &[
            (
                "EXIT STATUS",
                &[
                    "0 on success, 1 on failure, 3 for an unknown command. run, exec and wait end with the exit code of \
                     the process, or 128 and the number of the signal that killed it; when exec or wait fail themselves, \
                     with 255.",
                ],
            ),
            (
                "FILES",
                &[
                    "/run/rrun, or $XDG_RUNTIME_DIR/rrun for an ordinary user: one directory for each container, with \
                     what is recorded of it. It is no interface.",
                ],
            ),
            (
                "ENVIRONMENT",
                &[
                    "NOTIFY_SOCKET: the service manager's socket; the container gets one of its own, and what it says \
                     about its readiness is passed on. LISTEN_FDS, LISTEN_PID: sockets that are passed to the container.",
                ],
            ),
        ],
    ),
    (
        &["run", "create"],
        &[(
            "NOTES",
            &[
                "What will be done is printed by rrun-explain(8); what this host will refuse, by rrun-doctor(8). Whatever \
                 fails leaves nothing behind.",
            ],
        )],
    ),
    (
        &["wait"],
        &[(
            "EXIT STATUS",
            &[
                "That of the container, or 128 and the number of the signal that killed it; 255 when the time is up or \
                 nobody knows how it ended. With --format json it is 0, and exitCode is null when nobody knows.",
                "Only a parent is told how a process ended. Others learn it from the zombie, or from the kernel when they \
                 waited before the end (Linux 6.15 or newer), or from what run --keep has written down.",
            ],
        )],
    ),
    (
        &["doctor"],
        &[
            (
                "OUTPUT",
                &[
                    "A line for each check of the host: good, note (containers can be had without it) or fails. Then one for \
                     each field of the bundle that will be refused, named by its JSON pointer. Each has its fix.",
                    "With --json an object: good (whether the exit code is 0), host (a list of objects with check, verdict, \
                     found and fix) and, with a bundle, refused (a list of objects with pointer, why and fix).",
                    "Nothing is guessed from the kernel's version. A cgroup that is made for a question is removed again.",
                ],
            ),
            ("EXIT STATUS", &["0 when all is good, 1 when something will fail."]),
        ],
    ),
    (
        &["mounts"],
        &[(
            "NOTES",
            &[
                "FILE holds a JSON list of mounts as config.json has them, or an object with such a list as mounts. add \
                 mounts all of them or none; remove takes away what was added at their destinations, at each the newest. \
                 A procfs, a cgroup mount and a remount can only be part of config.json.",
            ],
        )],
    ),
    (
        &["exec"],
        &[(
            "EXIT STATUS",
            &[
                "That of the program, or 128 and the number of the signal that killed it; 255 when it could not be run.",
            ],
        )],
    ),
    (
        &["events"],
        &[(
            "OUTPUT",
            &[
                "A line of JSON for each event: an object with type, id and data, as runc prints it. type is stats, oom \
                 or pressure.",
                "Pressure is told by the kernel where it counts it (PSI), in cgroup2 only, and at most once in a WINDOW: \
                 some or all (full) processes waited for the resource as long as STALL in sum. data has resource, \
                 waiting, stall, window (microseconds) and psi, the figures then. A window other than 2s, 4s, 6s, 8s or \
                 10s takes CAP_SYS_RESOURCE.",
            ],
        )],
    ),
];

fn sections(verb: &str) -> Sections {
    let of_verb = SECTIONS.iter().find(|(verbs, _)| verbs.contains(&verb));
    of_verb.map_or(&[], |(_, sections)| sections)
}
