//! Who starts in parallel, and where: place *n* has a bundle, an id and a cgroup of its own.

use crate::process::{Answer, Ended, PATIENCE, Voice, Wrong};
use crate::programs::Programs;
use crate::rounds::CONTROL;
use crate::scene::{self, Life, Seccomp};
use crate::subject::{FLOOR, Runtime, runtimes};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
            Kind::Runtime(runtime) => runtime.label == "rrun",
        }
    }

    /// A start and its end.
    ///
    /// # Errors
    /// As [`Voice::run`] and [`Voice::answer`].
    pub fn start(&self, place: &Place) -> Result<(Ended, Answer), Wrong> {
        let mut voice = Voice::new();
        let ran = voice.run(&mut self.command(place), PATIENCE * 3).inspect_err(|_| {
            if let Kind::Runtime(runtime) = &self.kind {
                runtime.clear(&id(place));
            }
        })?;
        Ok((ran, voice.answer(ran.began, PATIENCE)?))
    }

    fn command(&self, place: &Place) -> Command {
        match &self.kind {
            Kind::Process(payload) => Command::new(payload),
            Kind::Floor(floor) => {
                let mut command = Command::new(floor);
                command.arg(place.bundle.join("rootfs"));
                command
            }
            Kind::Runtime(runtime) => runtime.run(&place.bundle, &id(place)),
        }
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
