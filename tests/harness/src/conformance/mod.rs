//! `opencontainers/runtime-tools`' validation of a runtime: its programs, each run by itself, and what is known of them.
//!
//! Knows how the programs want to be run: their own directory with the root file system and `runtimetest` beside, the
//! runtime in `RUNTIME`. Refuses this machine's mounts: each worker has a mount namespace of its own.
//! What a newcomer would get wrong: the programs for cgroups share one path, so they can't run side by side; and they
//! know cgroup v1 alone, so on a unified hierarchy none of them can pass, whatever the runtime.

pub mod programs;
pub mod verdict;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

pub use programs::Programs;
pub use verdict::{Gap, Verdict, gaps, unexpected};

/// Longer than the longest (linux_cgroups_cpus makes 80 containers) takes beside others.
const PATIENCE: Duration = Duration::from_secs(100);

/// The cgroups that the programs make by these names, and leave behind.
const THEIR_CGROUPS: &[&str] = &["cgrouptest", "testdir"];

/// Where the runtime under test keeps its state, in the scratch directory.
const STATE: &str = "its-state";

/// Which hierarchy the programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// cgroup2 over /sys/fs/cgroup, in the workers' mount namespaces.
    Unified,
    /// What this machine has.
    Host,
}

impl Cgroups {
    /// The facts of this machine that decide what can pass.
    #[must_use]
    pub fn facts(self) -> Vec<&'static str> {
        let v1 = self == Cgroups::Host && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let mut facts = vec![if v1 { "cgroup-v1" } else { "cgroup-v2" }];
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t"));
        let bounding = bounding.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        // CAP_CHECKPOINT_RESTORE is the last that the programs know.
        let all = (1 << 41) - 1;
        if bounding.is_none_or(|bits| bits & all != all) {
            facts.push("capabilities-missing");
        }
        facts
    }
}

/// Runs every program with `runtime`, in directories below `scratch`.
///
/// # Errors
/// What of the surroundings could not be made; a program that fails is a verdict.
pub fn validate(
    programs: &Programs,
    runtime: &Path,
    cgroups: Cgroups,
    scratch: &Path,
) -> Result<BTreeMap<String, Verdict>, String> {
    let told = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
    fs::create_dir_all(scratch).map_err(|e| told("make the scratch directory", &e))?;
    let wrapper = wrapper(runtime, scratch)?;
    let alone =
        |path: &&PathBuf| name_of(path).contains("cgroups") || name_of(path).contains("delete");
    let (one_by_one, rest): (Vec<_>, Vec<_>) = programs.all.iter().partition(alone);
    // The slowest are those that can't run side by side: one worker has them, and helps with the rest at the end.
    let rest = Mutex::new(rest.into_iter());
    let done = Mutex::new(BTreeMap::new());
    let worker = |first: Vec<&PathBuf>| -> Result<(), String> {
        separate(cgroups)?;
        let next = || lock(&rest).next();
        for program in first.into_iter().chain(std::iter::from_fn(next)) {
            let name = name_of(program).to_owned();
            let verdict = run(programs, program, &wrapper, &scratch.join(&name))?;
            lock(&done).insert(name, verdict);
        }
        Ok(())
    };
    let outcome = std::thread::scope(|scope| {
        let workers = [one_by_one, Vec::new(), Vec::new()];
        let workers: Vec<_> = workers.map(|first| scope.spawn(|| worker(first))).into();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| "a worker failed".to_owned()).and_then(|outcome| outcome)
        })
    });
    // Where their cgroups have the paths that they were made by.
    std::thread::scope(|scope| {
        let remove =
            || separate(cgroups).map(|()| remove_containers(&wrapper, &scratch.join(STATE)));
        scope.spawn(remove).join().map_err(|_| "the removal of containers failed".to_owned())?
    })?;
    remove_cgroups();
    outcome?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A poisoned lock means that another worker failed; what it guards is still a plain list.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name_of(program: &Path) -> &str {
    program.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The runtime with state of its own: the programs give it no `--root`.
fn wrapper(runtime: &Path, scratch: &Path) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let path = scratch.join("the-runtime");
    let quoted = |path: &Path| format!("'{}'", path.display());
    let state = scratch.join(STATE);
    let text = format!("#!/bin/sh\nexec {} --root {} \"$@\"\n", quoted(runtime), quoted(&state));
    fs::write(&path, text).map_err(|e| format!("write {}: {e}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    Ok(path)
}

/// Gives this thread, and all that it starts, a mount namespace.
fn separate(cgroups: Cgroups) -> Result<(), String> {
    let told = |e: nix::Error| format!("a mount namespace for the programs: {e}");
    unshare(CloneFlags::CLONE_NEWNS).map_err(told)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(told)?;
    if cgroups == Cgroups::Unified {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), flags, None::<&str>)
            .map_err(told)?;
    }
    Ok(())
}

/// Runs one program to its end; its directory goes with it.
fn run(
    programs: &Programs,
    program: &Path,
    runtime: &Path,
    home: &Path,
) -> Result<Verdict, String> {
    let told = |e: std::io::Error| format!("run {}: {e}", program.display());
    let bundles = home.join("bundles");
    fs::create_dir_all(&bundles).map_err(told)?;
    fs::hard_link(&programs.runtimetest, home.join("runtimetest")).map_err(told)?;
    let archive =
        format!("rootfs-{}.tar.gz", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    fs::hard_link(&programs.rootfs, home.join(archive)).map_err(told)?;
    let (stdout, stderr) = (home.join("stdout"), home.join("stderr"));
    let mut child = Command::new(program)
        .current_dir(home)
        .env("RUNTIME", runtime)
        .env("TMPDIR", &bundles)
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).map_err(told)?)
        .stderr(File::create(&stderr).map_err(told)?)
        .spawn()
        .map_err(told)?;
    let ended = crate::wait_until(&mut child, Instant::now() + PATIENCE);
    let read =
        |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let code = ended.map(|status| status.code().unwrap_or(-1));
    let verdict = Verdict::of(code, &read(&stdout), &read(&stderr));
    // Some leave bundles behind, and mounts of theirs end with the namespace.
    drop(fs::remove_dir_all(home));
    Ok(verdict)
}

/// Removes the containers of programs that gave up half way.
fn remove_containers(runtime: &Path, state: &Path) {
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        let mut delete = Command::new(runtime);
        delete.args(["delete", "--force"]).arg(entry.file_name());
        let delete =
            delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if let Ok(mut child) = delete {
            crate::wait_until(&mut child, Instant::now() + Duration::from_secs(20));
        }
    }
}

/// Removes what the programs left in the hierarchies, deepest first.
fn remove_cgroups() {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let tops = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
    for top in tops {
        for name in THEIR_CGROUPS {
            remove_tree(&top.join(name));
        }
    }
}

fn remove_tree(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_tree(&entry.path());
        }
    }
    // One that still has processes is told by the leftovers of whoever made it.
    drop(fs::remove_dir(cgroup));
}
