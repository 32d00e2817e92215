//! Hooks that leave a trace: each appends to a file of the bundle, which the container sees as `/journal`.

use rrun_harness::{Bundle, Must};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// A bundle whose hooks write here.
pub struct Journal {
    directory: PathBuf,
}

impl Journal {
    /// Makes the directory and binds it into the container, where startContainer hooks see it at the same path.
    pub fn of(bundle: Bundle) -> (Bundle, Journal) {
        let directory = bundle.path().join("journal");
        fs::create_dir(&directory).must("make the journal");
        let path = directory.to_string_lossy().into_owned();
        (bundle.bind(&directory, &path, &[]), Journal { directory })
    }

    /// A file of the journal, by a path that holds inside and outside.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    /// What was written to a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    /// The JSON in a file.
    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        let text = self.read(name);
        serde_json::from_str(&text).must(&format!("read {name}, {text:?}, as JSON"))
    }

    /// The lines of the journal itself.
    pub fn lines(&self) -> Vec<String> {
        self.read("lines").lines().map(str::to_owned).collect()
    }
}

/// A hook that runs a shell script.
pub fn script(phase: &str, script: &str) -> Value {
    // In the container for `startContainer` alone, where the shell is a link to busybox.
    let path = if phase == "startContainer" { "/bin/sh" } else { "/bin/busybox" };
    json!({ "path": path, "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"] })
}

/// Adding hooks to a bundle.
pub trait Hooked {
    /// One more hook of this kind.
    fn hook(self, phase: &str, hook: Value) -> Self;
    /// One more hook that appends `line` to the journal.
    fn notes(self, phase: &str, journal: &Journal, line: &str) -> Self;
}

impl Hooked for Bundle {
    #[track_caller]
    fn hook(self, phase: &str, hook: Value) -> Bundle {
        self.push(&format!("/hooks/{phase}"), hook)
    }

    #[track_caller]
    fn notes(self, phase: &str, journal: &Journal, line: &str) -> Bundle {
        let to = journal.path("lines");
        self.hook(phase, script(phase, &format!("echo {line} >>{to}")))
    }
}

/// All six, in the order of a container's life.
pub const PHASES: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
