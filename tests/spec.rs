//! What config.json means to rrun, decided case by case and held against real engines. Needs no privileges.
//!
//! It knows only the public face of `rrun::spec`. What a newcomer would get wrong: a changed line in one of the tables is
//! a change for every user; it belongs in the changelog.

#[path = "spec/coverage.rs"]
mod coverage;
#[path = "spec/edges.rs"]
mod edges;
#[path = "spec/edges_host.rs"]
mod edges_host;
#[path = "spec/edges_linux.rs"]
mod edges_linux;
#[path = "spec/edges_mounts.rs"]
mod edges_mounts;
#[path = "spec/edges_process.rs"]
mod edges_process;
#[path = "spec/edges_resources.rs"]
mod edges_resources;
#[path = "spec/edges_scheduling.rs"]
mod edges_scheduling;
#[path = "spec/edges_seccomp.rs"]
mod edges_seccomp;
#[path = "spec/engines.rs"]
mod engines;
#[path = "spec/features.rs"]
mod features;
#[path = "spec/invalid.rs"]
mod invalid;
#[path = "spec/plans.rs"]
mod plans;
#[path = "spec/schema.rs"]
mod schema;
#[path = "spec/whole.rs"]
mod whole;

use rrun::error::Result;
use rrun::spec::Spec;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where the fixtures are.
fn fixtures(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs-fixtures").join(below)
}

/// The `*.json` of a directory, sorted.
fn json_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory of fixtures");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Parses a configuration whose bundle is `/bundle`.
fn parse(config: &Value) -> Result<Spec> {
    Spec::parse(config.to_string().as_bytes(), Path::new("/bundle"))
}

/// A small valid configuration, which the cases change in one place.
fn base() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sh"], "user": {"uid": 0, "gid": 0}},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]}
    })
}

/// Puts `value` at an RFC 6901 pointer, making objects on the way; no value removes what is there.
fn put(document: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let mut place = document;
    for part in parent.split('/').skip(1) {
        place = match place {
            Value::Array(list) => &mut list[part.parse::<usize>().expect("an index")],
            other => &mut other[part],
        };
    }
    match value {
        Some(value) => place[key] = value,
        None => drop(place.as_object_mut().and_then(|object| object.remove(key))),
    }
}

/// What a case comes to.
enum Outcome {
    /// It parses without a warning, and the check holds.
    Parses(fn(&Spec) -> bool),
    /// It parses with exactly this warning, and the check holds.
    Warns(&'static str, fn(&Spec) -> bool),
    /// Exactly this error.
    Fails(&'static str),
}

/// A name, changes of the base (pointer and JSON text; the empty text removes), and what it comes to.
type Case = (&'static str, &'static [(&'static str, &'static str)], Outcome);

/// Holds a table against the parser; all that is wrong is reported at once.
fn check(cases: &[Case]) {
    let wrong: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn difference((name, changes, outcome): &Case) -> Option<String> {
    let mut config = base();
    for (pointer, text) in *changes {
        let value = (!text.is_empty()).then(|| serde_json::from_str(text).expect(name));
        put(&mut config, pointer, value);
    }
    match (parse(&config), outcome) {
        (Ok(spec), Outcome::Parses(check)) if spec.warnings.is_empty() && check(&spec) => {
            plans::wrong(name, &spec)
        }
        (Ok(spec), Outcome::Warns(line, check)) if spec.warnings == [*line] && check(&spec) => {
            plans::wrong(name, &spec)
        }
        (Err(error), Outcome::Fails(line)) if error.to_string() == *line => None,
        (Ok(spec), _) => Some(format!("{name}: parses, with {:#?}", spec)),
        (Err(error), _) => Some(format!("{name}: {error}")),
    }
}
