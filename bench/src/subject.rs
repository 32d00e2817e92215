//! Who is compared: a label and the command line behind it.
//!
//! It refuses to hide a handicap or an advantage: both are in the label. What a newcomer would get wrong: crun 1.8
//! raises RLIMIT_MEMLOCK to load a device program and gives up where it may not (no CAP_SYS_RESOURCE); there it runs
//! without a cgroup, which is *less* work than everyone else's.

use crate::programs::Programs;
use crate::rounds::{Rounds, shuffled};
use crate::scene::{self, Life, Seccomp};
use crate::{process, room};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The label of the floor, which the others are divided by.
pub const FLOOR: &str = "floor";

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
    /// `program`, called `name`.
    #[must_use]
    pub fn at(name: &str, program: &Path) -> Self {
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
pub fn starts(programs: &Programs) -> Rounds {
    let filtered = scene::bundle(programs, "filtered", Seccomp::Docker, Life::Short);
    let unfiltered = scene::bundle(programs, "unfiltered", Seccomp::None, Life::Short);
    let mut floor = Command::new(&programs.floor);
    floor.arg(filtered.join("rootfs"));
    let mut all =
        vec![("spawn".to_owned(), Command::new(&programs.payload)), (FLOOR.to_owned(), floor)];
    for runtime in runtimes(programs, &filtered) {
        for (bundle, suffix) in [(&filtered, ""), (&unfiltered, ", no seccomp")] {
            all.push((format!("{}{suffix}", runtime.label), runtime.run(bundle, "bench")));
        }
    }
    let labels = all.iter().map(|(label, _)| label.clone()).collect();
    for (_, command) in &mut all {
        process::time(command);
    }
    let mut random = 1;
    Rounds::of(labels, move |samples| {
        for index in shuffled(all.len(), &mut random) {
            samples[index].push(process::time(&mut all[index].1));
        }
    })
}
