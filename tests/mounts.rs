//! Mounts: every option of the runtime-spec, propagation both ways, and where a destination really lies.
//!
//! What the host's side mounts, it mounts in a namespace of the test's own thread. Where runc 1.1.5 is known to differ,
//! the test says `requires!(rrun)` and why.

#[path = "mounts/borrowed.rs"]
mod borrowed;
#[path = "mounts/copyup.rs"]
mod copyup;
#[path = "mounts/idmap.rs"]
mod idmap;
#[path = "mounts/links.rs"]
mod links;
#[path = "mounts/options.rs"]
mod options;
#[path = "mounts/propagation.rs"]
mod propagation;
#[path = "mounts/roots.rs"]
mod roots;
#[path = "mounts/targets.rs"]
mod targets;
#[path = "mounts/words.rs"]
mod words_all;

use rrun_harness::{Must, mount_at};
use serde_json::Value;

/// The words of one field (`options`, `super`, `propagation`) of the mount at `path`.
#[track_caller]
fn words(facts: &Value, path: &str, field: &str) -> Vec<String> {
    let list = mount_at(facts, path)[field].as_array().must("find a field of a mount").clone();
    list.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// Asserts that the mount at `path` has these options and lacks those.
#[track_caller]
fn assert_options(facts: &Value, path: &str, has: &[&str], lacks: &[&str]) {
    let options = words(facts, path, "options");
    for word in has {
        assert!(options.iter().any(|option| option == word), "{path} lacks {word}: {options:?}");
    }
    for word in lacks {
        assert!(options.iter().all(|option| option != word), "{path} has {word}: {options:?}");
    }
}

/// What another process of a running container sees.
#[track_caller]
fn facts_of(bundle: &rrun_harness::Bundle, names: &[&str]) -> Value {
    let words: Vec<&str> = ["probe", "facts"].iter().chain(names).copied().collect();
    bundle.exec(&[], &words).success().json()
}
