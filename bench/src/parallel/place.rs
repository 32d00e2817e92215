//! Who starts in parallel, and where: place *n* has a bundle, an id and a cgroup of its own.

use crate::process::{PATIENCE, Voice, Wrong, now};
use crate::programs::Programs;
use crate::rounds::CONTROL;
use crate::scene::{self, Life, Seccomp};
use crate::subject::{FLOOR, Runtime, runtimes};
use crate::vm::{Flavour, Machines};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// One who can start in any place.
#[derive(Debug, Clone)]
pub struct Starter {
    /// As the table calls it.
    pub label: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The payload itself.
    Process(PathBuf),
    /// The floor, with a rootfs.
    Floor(PathBuf),
    /// `run` of a bundle.
    Runtime(Runtime),
    /// A virtual machine.
    Machine(Arc<Machines>, Flavour),
}

/// A start, by `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// t0.
    pub began: Duration,
    /// t1, or t2 where the payload has another clock.
    pub first: Duration,
}

/// A place.
#[derive(Debug, Clone)]
pub struct Place {
    number: usize,
    bundle: PathBuf,
}

/// Bundles for `count` containers at once.
#[must_use]
pub fn bundles(programs: &Programs, count: usize) -> Vec<Place> {
    let place = |number| {
        let name = format!("place-{number}");
        let bundle = scene::bundle(programs, &name, Seccomp::Docker, Life::Short);
        Place { number, bundle }
    };
    (0..count).map(place).collect()
}

/// Everyone of this machine.
#[must_use]
pub fn starters(programs: &Programs, places: &[Place]) -> Vec<Starter> {
    let starter = |label: &str, kind| Starter { label: label.to_owned(), kind };
    let first = places.first().map(|place| place.bundle.as_path()).unwrap_or(Path::new("/"));
    let runtimes = runtimes(programs, first);
    let runtimes =
        runtimes.into_iter().map(|runtime| starter(&runtime.label.clone(), Kind::Runtime(runtime)));
    [
        starter(CONTROL, Kind::Process(programs.payload.clone())),
        starter(FLOOR, Kind::Floor(programs.floor.clone())),
    ]
    .into_iter()
    .chain(runtimes)
    .collect()
}

impl Starter {
    /// Whether hundreds of its starts cost little; nothing is known of the references, which other people build.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        match &self.kind {
            Kind::Process(_) | Kind::Floor(_) => true,
            Kind::Machine(..) => false,
            Kind::Runtime(runtime) => runtime.label == "rrun",
        }
    }

    /// Machines of this flavour.
    #[must_use]
    pub fn machine(machines: Arc<Machines>, flavour: Flavour) -> Self {
        Self { label: flavour.subject().to_owned(), kind: Kind::Machine(machines, flavour) }
    }

    /// How many of it fit into this machine's memory.
    #[must_use]
    pub fn fit(&self) -> usize {
        match &self.kind {
            Kind::Machine(machines, flavour) => {
                // QEMU's own, beside the guest's.
                let each = u64::from(machines.recipe(*flavour).memory) * 3 / 2 * 1024;
                usize::try_from(available_kib() / each).unwrap_or(usize::MAX)
            }
            Kind::Process(_) | Kind::Floor(_) | Kind::Runtime(_) => usize::MAX,
        }
    }

    /// A start and its end.
    ///
    /// # Errors
    /// As [`Voice::run`] and [`Voice::answer`]; what went wrong with a machine.
    pub fn start(&self, place: &Place) -> Result<Started, Wrong> {
        let command = match &self.kind {
            Kind::Process(payload) => Command::new(payload),
            Kind::Floor(floor) => {
                let mut command = Command::new(floor);
                command.arg(place.bundle.join("rootfs"));
                command
            }
            Kind::Runtime(runtime) => runtime.run(&place.bundle, &id(place)),
            Kind::Machine(machines, flavour) => {
                let began = now();
                let took = machines.start(*flavour).map_err(Wrong::Failed)?;
                return Ok(Started { began, first: began + took.first });
            }
        };
        self.run(command, place)
    }

    fn run(&self, mut command: Command, place: &Place) -> Result<Started, Wrong> {
        let mut voice = Voice::new();
        let ran = voice.run(&mut command, PATIENCE * 3).inspect_err(|_| {
            if let Kind::Runtime(runtime) = &self.kind {
                runtime.clear(&id(place));
            }
        })?;
        let first = voice.answer(ran.began, PATIENCE)?.first_instruction;
        Ok(Started { began: ran.began, first })
    }

    /// What its containers have left behind, if anything, as a sentence under its label.
    ///
    /// # Errors
    /// The same sentence when it is rrun.
    pub fn left(&self) -> Result<Option<(String, String)>, String> {
        let Kind::Runtime(runtime) = &self.kind else { return Ok(None) };
        let state = fs::read_dir(runtime.root()).into_iter().flatten().flatten();
        let state = state.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let state: Vec<String> = state.filter(|name| name.starts_with(ID)).collect();
        if state.is_empty() {
            return Ok(None);
        }
        let sentence = format!("left the state of {} behind", state.join(", "));
        if self.label == "rrun" {
            return Err(format!("rrun {sentence}"));
        }
        Ok(Some((self.label.clone(), sentence)))
    }
}

/// Before the place's number.
const ID: &str = "bench-place-";

fn id(place: &Place) -> String {
    format!("{ID}{}", place.number)
}

/// `MemAvailable` of proc_meminfo(5).
fn available_kib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
