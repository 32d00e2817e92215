//! What is compared: a label and the command line behind it.
//!
//! It refuses to hide a handicap or an advantage: both are in the label. What a newcomer would get wrong: crun 1.8
//! raises RLIMIT_MEMLOCK to load a device program and gives up where it may not (no CAP_SYS_RESOURCE); there it runs
//! without a cgroup, which is *less* work than everyone else's.

use crate::programs::Programs;
use crate::scene::{self, Life, Seccomp};
use crate::{process, room};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The label of the floor, which the others are divided by.
pub const FLOOR: &str = "floor";

/// One of the compared.
#[derive(Debug)]
pub struct Subject {
    /// As the table calls it.
    pub label: String,
    words: Vec<PathBuf>,
}

impl Subject {
    fn new(label: &str, words: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { label: label.to_owned(), words: words.into_iter().collect() }
    }

    /// The process, not yet started.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        command
    }
}

/// A runtime with its state in the room.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// As the table calls it.
    pub label: String,
    /// The program.
    pub program: PathBuf,
    /// Before the verb.
    pub globals: Vec<String>,
}

impl Runtime {
    fn at(name: &str, program: &Path) -> Self {
        let root = room::directory().join("state").join(name);
        let globals = vec!["--root".to_owned(), root.to_string_lossy().into_owned()];
        Self { label: name.to_owned(), program: program.to_owned(), globals }
    }

    /// `verb` with these words after it.
    #[must_use]
    pub fn command(&self, verb: &str, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.globals).arg(verb).args(words);
        command
    }

    /// `run` of a bundle, in the foreground.
    #[must_use]
    pub fn run(&self, bundle: &Path, id: &str) -> Command {
        self.command("run", &["--bundle", &bundle.to_string_lossy(), id])
    }
}

/// The runtimes of this machine, each with what it needs to run `bundle` at all.
#[must_use]
pub fn runtimes(programs: &Programs, bundle: &Path) -> Vec<Runtime> {
    let mut found = vec![Runtime::at("rrun", &programs.rrun)];
    if let Some(runc) = &programs.runc {
        found.push(Runtime::at("runc", runc));
    }
    if let Some(crun) = &programs.crun {
        let mut crun = Runtime::at("crun", crun);
        let works = crun.run(bundle, "first").output().is_ok_and(|output| output.status.success());
        if !works {
            crun.label = "crun without a cgroup".to_owned();
            crun.globals.push("--cgroup-manager=disabled".to_owned());
        }
        found.push(crun);
    }
    found
}

/// Everyone who starts /bin/true: a bare process, the floor, and each runtime with and without seccomp.
#[must_use]
pub fn starters(programs: &Programs) -> Vec<Subject> {
    let filtered = scene::bundle(programs, "filtered", Seccomp::Docker, Life::Short);
    let unfiltered = scene::bundle(programs, "unfiltered", Seccomp::None, Life::Short);
    let mut all = vec![
        Subject::new("spawn", [programs.payload.clone()]),
        Subject::new(FLOOR, [programs.floor.clone(), filtered.join("rootfs")]),
    ];
    for runtime in runtimes(programs, &filtered) {
        for (bundle, suffix) in [(&filtered, ""), (&unfiltered, ", no seccomp")] {
            let command = runtime.run(bundle, "bench");
            let words = [command.get_program()].into_iter().chain(command.get_args());
            let label = format!("{}{suffix}", runtime.label);
            all.push(Subject::new(&label, words.map(PathBuf::from)));
        }
    }
    for subject in &all {
        process::time(&mut subject.command());
    }
    all
}
