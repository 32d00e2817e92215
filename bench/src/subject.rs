//! Who is compared: a label and the command line behind it.
//!
//! It refuses to hide a handicap or an advantage: both are in the label. What a newcomer would get wrong: crun 1.8
//! raises RLIMIT_MEMLOCK to load a device program and gives up where it may not (no CAP_SYS_RESOURCE); there it runs
//! without a cgroup, which is *less* work than everyone else's.

use crate::process::{self, Ended, PATIENCE, Wrong};
use crate::programs::Programs;
use crate::room;
use std::fs;
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

    /// `create` of a bundle, which leaves the pid of its first process in `pid_file`.
    #[must_use]
    pub fn create(&self, bundle: &Path, id: &str, pid_file: &Path) -> Command {
        let (bundle, pid_file) = (bundle.to_string_lossy(), pid_file.to_string_lossy());
        self.command("create", &["--bundle", &bundle, "--pid-file", &pid_file, id])
    }

    /// Removes a container, whatever it does; whether there was one is not asked.
    pub fn clear(&self, id: &str) {
        drop(process::run(&mut self.command("delete", &["--force", id]), PATIENCE));
    }

    /// Where it keeps what it knows about its containers.
    #[must_use]
    pub fn root(&self) -> &Path {
        Path::new(self.globals.get(1).map_or("", String::as_str))
    }
}

/// A container that waits; dropped, it is ended and removed.
#[derive(Debug)]
pub struct Resident {
    runtime: Runtime,
    id: String,
}

impl Resident {
    /// Creates and starts `bundle`, whose program waits.
    ///
    /// # Errors
    /// As [`process::run`].
    pub fn start(runtime: &Runtime, bundle: &Path, id: &str) -> Result<Self, Wrong> {
        let this = Self { runtime: runtime.clone(), id: id.to_owned() };
        let pid_file = bundle.join("pid");
        process::run(&mut runtime.create(bundle, id, &pid_file), PATIENCE)?;
        process::run(&mut runtime.command("start", &[id]), PATIENCE)?;
        Ok(this)
    }

    /// `exec` of /bin/true in it.
    #[must_use]
    pub fn exec(&self) -> Command {
        self.runtime.command("exec", &[&self.id, "/bin/true"])
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.runtime.clear(&self.id);
    }
}

/// The first process of a container, of the file that `create` has written, once it has ended.
///
/// # Errors
/// [`Wrong::Failed`] when the file holds no pid, [`Wrong::Hung`] when the process does not end.
pub fn await_first_process(pid_file: &Path) -> Result<(), Wrong> {
    let text = fs::read_to_string(pid_file).unwrap_or_default();
    let pid = text.trim().parse::<i32>().map_err(|why| {
        Wrong::Failed(format!("{} holds {text:?}, no pid: {why}", pid_file.display()))
    })?;
    if process::await_end(pid, PATIENCE) {
        return Ok(());
    }
    Err(Wrong::Hung(format!("given up: its process has not ended after {} s", PATIENCE.as_secs())))
}

/// What these took together.
#[must_use]
pub fn wall(processes: &[Ended]) -> f64 {
    processes.iter().map(|ended| process::milliseconds(ended.wall())).sum()
}

/// rrun, runc and crun, as far as this machine has them, each with what it needs to run `bundle` at all.
#[must_use]
pub fn runtimes(programs: &Programs, bundle: &Path) -> Vec<Runtime> {
    let mut found = vec![Runtime::at("rrun", &programs.rrun)];
    if let Some(runc) = &programs.runc {
        found.push(Runtime::at("runc", runc));
    }
    if let Some(crun) = &programs.crun {
        let mut crun = Runtime::at("crun", crun);
        if process::run(&mut crun.run(bundle, "first"), PATIENCE).is_err() {
            crun.clear("first");
            crun.label = "crun without a cgroup".to_owned();
            crun.globals.push("--cgroup-manager=disabled".to_owned());
        }
        found.push(crun);
    }
    found
}

/// Those and youki, which may hang where it waits for a container in the foreground.
#[must_use]
pub fn starters(programs: &Programs, bundle: &Path) -> Vec<Runtime> {
    let youki = programs.youki.as_ref().map(|youki| Runtime::at("youki", youki));
    runtimes(programs, bundle).into_iter().chain(youki).collect()
}
