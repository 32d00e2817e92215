//! Where victims and aggressors live: a directory on a disk, a bridge, containers with known cgroups.
//!
//! It refuses to leave anything: the directory goes with it. What a newcomer would get wrong: both write to the same
//! disk, or there would be nothing to fight for; the room's tmpfs would be such a nothing.

use super::host::{self, Group};
use super::network::{self, Network};
use super::round::{Neighbour, Tick, Victim};
use super::scenario::{Aggressor, Configuration, file};
use crate::inside::{Bare, Container, Running, Said, Subject, Task, rootfs};
use crate::programs::Programs;
use crate::scene::Seccomp;
use crate::subject::Runtime;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a neighbour may take until it misbehaves: a guest boots first.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Until it has spread, after it has said that it is at work.
const SPREAD: Duration = Duration::from_millis(50);

/// What is on the host.
#[derive(Debug)]
pub struct Site {
    /// What is run.
    pub programs: Programs,
    /// Of the host.
    pub processors: usize,
    /// On a disk.
    pub directory: PathBuf,
    /// The disk's numbers, or why its writers can't be limited.
    pub disk: Result<(u64, u64), String>,
    /// The bridge, or why there is none.
    pub network: Result<Network, String>,
    rootfs: PathBuf,
}

impl Site {
    /// Makes it, in a room.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(programs: &Programs) -> Result<Self, String> {
        let beside = programs.workload.parent().unwrap_or(Path::new("/"));
        let directory = beside.join(format!("noisy-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
        Ok(Self {
            programs: programs.clone(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            disk: host::throttled(&directory),
            directory,
            network: Network::make(),
            rootfs: rootfs(programs),
        })
    }

    /// A cgroup of this process's runs.
    #[must_use]
    pub fn group(role: &str) -> Group {
        Group::new(&format!("rrun-noisy-{}-{role}", std::process::id()))
    }

    /// A container of `runtime` in the cgroup of its role: "victim", "aggressor".
    #[must_use]
    pub fn container(&self, runtime: &Runtime, role: &str) -> Container {
        let mut container = Container::new(runtime, Seccomp::Docker, &self.rootfs);
        container.cgroup = Some(Self::group(role).path().to_owned());
        container.mounts.push(json!({
            "destination": "/data", "type": "bind", "source": self.directory, "options": ["rbind", "rw"],
        }));
        if self.network.is_ok() {
            container.network = Some(network::namespace(role));
        }
        container
    }

    fn bare(&self, role: &str) -> Bare {
        let mut bare = Bare::new(self.programs.workload.clone());
        if self.network.is_ok() {
            bare.before = network::entering(role);
        }
        bare
    }

    fn place(&self, subject: &Subject, aggressor: Aggressor, role: &str) -> String {
        match (aggressor, subject) {
            (Aggressor::Flood, _) if role == "victim" => network::PARTNER.to_owned(),
            (Aggressor::Flood, _) => network::SINK.to_owned(),
            (_, Subject::Bare(_)) => file(&self.directory, role),
            (_, _) => file(Path::new("/data"), role),
        }
    }

    /// Who plays `role` in this configuration.
    fn subject(&self, who: Option<&Runtime>, configuration: Configuration, role: &str) -> Subject {
        let Some(runtime) = who else { return Subject::Bare(self.bare(role)) };
        let mut container = self.container(runtime, role);
        if role == "aggressor" {
            container.resources = configuration.resources(self.disk.as_ref().ok().copied());
        }
        Subject::Container(container)
    }

    /// The partner of echoes: it is in no cgroup that is measured.
    ///
    /// # Errors
    /// A sentence.
    pub fn partner(&self) -> Result<Running, String> {
        let task = Task::new("victim").with("kind", "answer").with("address", network::PARTNER);
        let mut partner = Subject::Bare(self.bare("partner")).start(&task)?;
        partner.said(Instant::now() + ARRIVAL)?;
        Ok(partner)
    }

    /// The victim at its work.
    ///
    /// # Errors
    /// A sentence.
    pub fn victim(
        &self,
        who: Option<&Runtime>,
        configuration: Configuration,
        aggressor: Aggressor,
    ) -> Result<Working, String> {
        let subject = self.subject(who, configuration, "victim");
        let place = self.place(&subject, aggressor, "victim");
        subject.start(&aggressor.victims_task(self.processors, &place, 1)).map(Working)
    }

    /// The aggressor at its work.
    ///
    /// # Errors
    /// A sentence.
    pub fn aggressor(
        &self,
        who: Option<&Runtime>,
        configuration: Configuration,
        aggressor: Aggressor,
    ) -> Result<Misbehaving, String> {
        let subject = self.subject(who, configuration, "aggressor");
        let place = self.place(&subject, aggressor, "aggressor");
        Misbehaving::start(&subject, &aggressor.task(self.processors, &place), aggressor)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It is ours alone; what can't be removed is seen by the tests.
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// A victim that ticks.
#[derive(Debug)]
pub struct Working(pub Running);

impl Victim for Working {
    fn tick(&mut self, patience: Duration) -> Result<Option<Tick>, String> {
        let deadline = Instant::now() + patience;
        match self.0.said(deadline) {
            Ok(Said::Samples(name, values)) if name == "tick" && values.len() == 2 => {
                let took = Duration::from_secs_f64(values[1] / 1e9);
                Ok(Some(Tick { value: values[0] / 1e6, took }))
            }
            Ok(other) => Err(format!("the victim said {other:?}")),
            // A victim that is dead says so at once, and one that is slow at its deadline.
            Err(_) if Instant::now() >= deadline => Ok(None),
            Err(why) => Err(why),
        }
    }

    fn forget(&mut self) -> Result<(), String> {
        while self.tick(Duration::ZERO)?.is_some() {}
        Ok(())
    }
}

/// An aggressor at work.
#[derive(Debug)]
pub struct Misbehaving {
    running: Running,
    resource: &'static str,
    since: Instant,
    pressure: Option<f64>,
}

impl Misbehaving {
    /// Starts it and waits until it misbehaves.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(subject: &Subject, task: &Task, aggressor: Aggressor) -> Result<Self, String> {
        let mut running = subject.start(task)?;
        match running.said(Instant::now() + ARRIVAL)? {
            Said::Samples(name, _) if name == "on" => {}
            other => return Err(format!("{}: {} said {other:?}", subject.name(), task.op)),
        }
        std::thread::sleep(SPREAD);
        let resource = aggressor.resource();
        let pressure = host::pressure(resource);
        Ok(Self { running, resource, since: Instant::now(), pressure })
    }
}

impl Misbehaving {
    /// The process that was started: its own, the runtime's, or QEMU's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }
}

impl Neighbour for Misbehaving {
    fn leave(mut self: Box<Self>) -> Result<Option<f64>, String> {
        let elapsed = self.since.elapsed().as_secs_f64() * 1e6;
        let pressure = host::pressure(self.resource).zip(self.pressure);
        let deadline = Instant::now() + Duration::from_millis(1);
        match self.running.said(deadline) {
            Ok(said) => return Err(format!("the aggressor was over too early: {said:?}")),
            Err(why) if Instant::now() < deadline => return Err(why),
            Err(_) => {}
        }
        Ok(pressure.map(|(now, before)| (now - before) / elapsed * 100.0))
    }
}
