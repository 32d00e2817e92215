//! The runtime under test: a program with runc's command line.
//!
//! Knows how to find it (`RUNTIME_UNDER_TEST`) and to call its verbs with a state directory of its own. Refuses to
//! interpret what it says: that is the test's business. A newcomer would call two containers of one test through two
//! runtimes and wonder why one does not see the other: each [`Runtime`] has its own `--root`; clones share it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bounded::{Output, Running, Stdio};
use crate::{Must, beside, on_path};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name no other test of this machine uses at this moment.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A runtime program and the state directory this test gave it.
#[derive(Debug, Clone)]
pub struct Runtime {
    program: PathBuf,
    globals: Vec<String>,
    environment: Vec<(String, String)>,
    user: Option<(u32, u32)>,
    home: Arc<Home>,
}

/// The directory that holds `--root` and the kept output; removed with the last clone of its runtime.
#[derive(Debug)]
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed was left by the runtime, and is found by `Leftovers`; a panic here would hide that.
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::under_test()
    }
}

impl Runtime {
    /// The runtime that `RUNTIME_UNDER_TEST` names (`rrun`, `runc`, `crun` or a path); rrun as just built without it.
    #[must_use]
    #[track_caller]
    pub fn under_test() -> Runtime {
        let named = env::var("RUNTIME_UNDER_TEST").unwrap_or_default();
        let program = match named.as_str() {
            "" | "rrun" => {
                env::var_os("CARGO_BIN_EXE_rrun").map_or_else(|| beside("rrun"), PathBuf::from)
            }
            path if path.contains('/') => PathBuf::from(path),
            name => on_path(name).must(&format!("find {name} on PATH")),
        };
        Self::at(program)
    }

    /// The runtime at `program`.
    #[must_use]
    #[track_caller]
    pub fn at(program: PathBuf) -> Runtime {
        let home = env::temp_dir().join(unique("rrun-root"));
        fs::create_dir_all(&home).must("make a directory for the runtime's state");
        Runtime {
            program,
            globals: Vec::new(),
            environment: Vec::new(),
            user: None,
            home: Arc::new(Home(home)),
        }
    }

    /// The same runtime and state directory, with more global flags before the verb.
    #[must_use]
    pub fn with_globals<S: Into<String>>(mut self, flags: impl IntoIterator<Item = S>) -> Runtime {
        self.globals.extend(flags.into_iter().map(Into::into));
        self
    }

    /// The same runtime and state directory, called with one more variable in its environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: impl ToString) -> Runtime {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same runtime, called as this user and group, who then own the state directory.
    #[must_use]
    #[track_caller]
    pub fn as_user(mut self, uid: u32, gid: u32) -> Runtime {
        chown(&self.home.0, Some(uid), Some(gid)).must("give the state directory to the user");
        self.user = Some((uid, gid));
        self
    }

    /// Whether this is rrun and not a reference runtime.
    #[must_use]
    pub fn is_rrun(&self) -> bool {
        self.program.file_name().is_some_and(|name| name == "rrun")
    }

    /// The program's path.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The directory given as `--root`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.home.0.join("state")
    }

    /// Where kept output goes.
    pub(crate) fn scratch(&self) -> &Path {
        &self.home.0
    }

    /// The program with its global flags and `args`, not yet started.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.root()).args(&self.globals).args(args);
        if let Some((uid, gid)) = self.user {
            command
                .uid(uid)
                .gid(gid)
                .env("XDG_RUNTIME_DIR", &self.home.0)
                .env("HOME", &self.home.0);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the program; see [`Running`].
    #[must_use]
    #[track_caller]
    pub fn start_command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        Running::start(self.command(args), &Stdio::Kept, self.scratch())
    }

    /// Runs the program to its end.
    #[must_use]
    #[track_caller]
    pub fn call<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.start_command(args).wait()
    }

    /// Runs a command of the test's own making to its end, its output kept beside this runtime's.
    #[must_use]
    #[track_caller]
    pub fn finish(&self, command: Command) -> Output {
        Running::start(command, &Stdio::Kept, self.scratch()).wait()
    }

    /// `state ID`
    #[must_use]
    #[track_caller]
    pub fn state(&self, id: &str) -> Output {
        self.call(["state", id])
    }

    /// `start ID`
    #[must_use]
    #[track_caller]
    pub fn start(&self, id: &str) -> Output {
        self.call(["start", id])
    }

    /// `kill ID SIGNAL`
    #[must_use]
    #[track_caller]
    pub fn kill(&self, id: &str, signal: &str) -> Output {
        self.call(["kill", id, signal])
    }

    /// `delete ID`
    #[must_use]
    #[track_caller]
    pub fn delete(&self, id: &str) -> Output {
        self.call(["delete", id])
    }

    /// Force-deletes `id` if the state directory knows it; for cleaning up, so it reports nothing.
    pub(crate) fn sweep(&self, id: &str) {
        if fs::symlink_metadata(self.root().join(id)).is_err() {
            return;
        }
        let mut command = self.command(["delete", "--force", id]);
        let quiet = command.stdin(std::process::Stdio::null());
        let quiet = quiet.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        if let Ok(mut child) = quiet.spawn() {
            crate::bounded::wait_until(&mut child, std::time::Instant::now() + crate::PATIENCE);
        }
    }
}
