//! Who runs the services: a runtime, or nobody, which is a bare process.
//!
//! A bare process is what an administrator would start: the shell puts itself into the cgroup, `nsenter` enters the
//! network and the tree, and becomes the user. It refuses to leave anything: a service that is dropped is killed with
//! everything it has started. What a newcomer would get wrong: nginx' workers outlive a master that is killed; only the
//! cgroup knows them all.

use super::cgroup::Cgroup;
use super::service::{Service, directory};
use crate::subject::Runtime;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrun_harness::{on_path, wait_until};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than a runtime has ever taken for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Puts the shell into cgroups, up to the word "--", and becomes what follows.
const ENTER: &str =
    "while [ \"$1\" != -- ]; do echo $$ > \"$1\" || exit 1; shift; done; shift; exec \"$@\"";

/// Who runs them.
#[derive(Debug, Clone)]
pub enum Host {
    /// Nobody.
    Bare,
    /// A runtime.
    Runtime(Runtime),
}

impl Host {
    /// As the report calls it.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Bare => "bare",
            Self::Runtime(runtime) => &runtime.label,
        }
    }

    /// Makes what a start needs: a bundle, or a tree with its mounts. Nothing of it is timed.
    ///
    /// # Errors
    /// A sentence.
    pub fn prepare(&self, service: Service, directory_of_life: &Path) -> Result<Prepared, String> {
        let place = directory_of_life.join(service.name());
        directory(&place)?;
        let mut prepared =
            Prepared { host: self.clone(), service, place, mounted: false, running: None };
        match self {
            Self::Bare => prepared.mount()?,
            Self::Runtime(_) => prepared.service.bundle(&prepared.place)?,
        }
        Ok(prepared)
    }
}

/// A service that can be started, and perhaps has been.
#[derive(Debug)]
pub struct Prepared {
    host: Host,
    /// What it is.
    pub service: Service,
    place: PathBuf,
    mounted: bool,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    cgroup: Cgroup,
    pid: i32,
    /// A bare process is our child.
    child: Option<Child>,
}

impl Prepared {
    /// Where it and its runtime write what they say.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.place.join("log")
    }

    /// Starts it; returns as soon as the runtime does.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(&mut self) -> Result<(), String> {
        let running = match self.host.clone() {
            Host::Bare => self.spawn()?,
            Host::Runtime(runtime) => self.create(&runtime)?,
        };
        self.running = Some(running);
        Ok(())
    }

    /// Starts a bare process and waits for its success.
    ///
    /// # Errors
    /// A sentence, with the last that it said.
    pub fn run(&mut self) -> Result<(), String> {
        self.start()?;
        self.wait(PATIENCE)
    }

    /// Waits until a bare process has ended well, and removes its cgroup.
    ///
    /// # Errors
    /// A sentence, with the last that it said.
    pub fn wait(&mut self, patience: Duration) -> Result<(), String> {
        let running = self.running.as_mut();
        let child = running.and_then(|running| running.child.as_mut());
        let child = child.ok_or_else(|| format!("{} is no child", self.service.name()))?;
        let status = wait_until(child, Instant::now() + patience);
        self.end()?;
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        let (name, how) = (self.service.name(), status.map_or("killed".into(), |s| s.to_string()));
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        Err(format!("{name}: {how}: {}", log.trim_end()))
    }

    /// Its cgroup.
    ///
    /// # Errors
    /// It does not run.
    pub fn cgroup(&self) -> Result<&Cgroup, String> {
        let running = self.running.as_ref().map(|running| &running.cgroup);
        running.ok_or_else(|| format!("{} does not run", self.service.name()))
    }

    /// Sends a signal to its first process.
    ///
    /// # Errors
    /// A sentence.
    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        let name = self.service.name();
        let running = self.running.as_ref().ok_or_else(|| format!("{name} does not run"))?;
        match &self.host {
            Host::Bare => kill(Pid::from_raw(running.pid), signal)
                .map_err(|errno| format!("signal {name}: {errno}")),
            Host::Runtime(runtime) => {
                let word = signal.as_str().trim_start_matches("SIG").to_owned();
                self.bounded(runtime.command("kill", &[&self.service.unique(), &word]))
            }
        }
    }

    /// Kills it and removes what its host made for this start.
    ///
    /// # Errors
    /// A sentence.
    pub fn end(&mut self) -> Result<(), String> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        match &self.host {
            Host::Bare => {
                if let Some(child) = &mut running.child {
                    // It may have ended by itself.
                    child.kill().ok();
                    wait_until(child, Instant::now() + PATIENCE);
                }
                running.cgroup.end(PATIENCE)
            }
            Host::Runtime(runtime) => self.delete(runtime),
        }
    }

    fn delete(&self, runtime: &Runtime) -> Result<(), String> {
        self.bounded(runtime.command("delete", &["--force", &self.service.unique()]))
    }

    fn create(&self, runtime: &Runtime) -> Result<Running, String> {
        let (id, bundle) = (self.service.unique(), self.place.to_string_lossy());
        let file = self.place.join("pid");
        let words = ["--bundle", &bundle, "--pid-file", &file.to_string_lossy(), &id];
        self.bounded(runtime.command("create", &words))?;
        let running = self.bounded(runtime.command("start", &[&id])).and_then(|()| {
            let text = fs::read_to_string(&file).map_err(|why| format!("its pid: {why}"))?;
            let pid = text.trim().parse().map_err(|_| format!("a pid of {text:?}"))?;
            Ok(Running { cgroup: Cgroup::of(pid)?, pid, child: None })
        });
        running.map_err(|why| match self.delete(runtime) {
            Ok(()) => why,
            Err(also) => format!("{why}; {also}"),
        })
    }

    /// Runs a runtime's command to its end.
    fn bounded(&self, mut command: Command) -> Result<(), String> {
        command.stdin(Stdio::null()).stdout(self.append()?).stderr(self.append()?);
        let mut child = command.spawn().map_err(|why| format!("start {command:?}: {why}"))?;
        match wait_until(&mut child, Instant::now() + PATIENCE) {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it said nothing");
                Err(format!("{command:?}: {status}: {last}"))
            }
            None => Err(format!("{command:?} was given up after {} s", PATIENCE.as_secs())),
        }
    }

    fn append(&self) -> Result<File, String> {
        let file = File::options().create(true).append(true).open(self.log());
        file.map_err(|why| format!("{}: {why}", self.log().display()))
    }

    fn spawn(&self) -> Result<Running, String> {
        let nsenter = on_path("nsenter").ok_or("there is no nsenter (package util-linux)")?;
        let cgroup = Cgroup::make(&self.service.unique(), &self.service.limits)?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER, "sh"]).args(cgroup.doors()).arg("--").arg(nsenter);
        let path = |word: &str, path: &Path| format!("--{word}={}", path.display());
        command.arg(path("net", &self.service.slot.namespace()));
        // Both are opened before either is entered, so both are the host's paths.
        command.arg(path("root", &self.root())).arg(path("wd", &self.root().join("srv")));
        let user = self.service.uid.to_string();
        command.args(["--setgid", &user, "--setuid", &user, "--"]).args(&self.service.words);
        command.env_clear();
        let variables = self.service.environment.iter().filter_map(|one| one.split_once('='));
        command.envs(variables).stdin(Stdio::null());
        command.stdout(self.append()?).stderr(self.append()?);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(why) => return Err(format!("start {}: {why}", self.service.name())),
        };
        let pid = child.id().cast_signed();
        Ok(Running { cgroup, pid, child: Some(child) })
    }

    fn root(&self) -> PathBuf {
        self.place.join("root")
    }

    /// The tree as the container would see it, for a process that has no mounts of its own.
    fn mount(&mut self) -> Result<(), String> {
        let root = self.root();
        directory(&root)?;
        bind(&self.service.tree, &root)?;
        self.mounted = true;
        bind(Path::new("/dev"), &root.join("dev"))?;
        bind(Path::new("/proc"), &root.join("proc"))?;
        for (source, destination) in self.service.binds() {
            bind(&source, &root.join(destination.trim_start_matches('/')))?;
        }
        Ok(())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Err(why) = self.end() {
            eprintln!("    {}: {why}", self.service.name());
        }
        if self.mounted
            && let Err(why) = umount2(&self.root(), MntFlags::MNT_DETACH)
        {
            eprintln!("    unmount {}: {why}", self.root().display());
        }
    }
}

fn bind(source: &Path, target: &Path) -> Result<(), String> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|errno| format!("bind {} to {}: {errno}", source.display(), target.display()))
}
