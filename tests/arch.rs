//! The rules of the house, read off its sources: who may import whom, what is pure, where unsafe lives, how long a file is.
//!
//! A rule that is not a test is a wish. What a newcomer would get wrong: a failure here is seldom mended in this file; when
//! the code teaches a better rule, change the table and say why in the commit.

#[path = "arch/source.rs"]
mod source;

use source::{Source, all, ours, tests_of_the_harness_and_the_product, workspace};
use std::collections::BTreeSet;
use std::fs;

/// Each module of the crate, and what it may name. Downward only; the order is that of the layers.
const LAYERS: [(&str, &[&str]); 14] = [
    // 0: vocabulary.
    ("error", &[]),
    ("timestamp", &[]),
    ("id", &["error"]),
    ("log", &["error", "timestamp"]),
    // 1: meaning. 2: facts. 3: decisions.
    ("spec", &["error", "id"]),
    ("host", &["error", "id"]),
    ("plan", &["error", "id", "spec", "host"]),
    // 4: effects.
    ("launch", &["error", "id", "log", "spec", "host", "plan"]),
    // 5: identity over time. A container ends with launch's hooks and cgroups, and it knows nothing of plans.
    ("container", &["error", "id", "log", "timestamp", "spec", "launch"]),
    // 6: the verbs as calls, for the command line and the shim.
    (
        "runtime",
        &["error", "id", "log", "timestamp", "spec", "host", "plan", "launch", "container"],
    ),
    // Beside the layers: images know nothing of containers.
    ("image", &["error", "id"]),
    // 7: the command line.
    (
        "cmd",
        &[
            "error",
            "id",
            "log",
            "timestamp",
            "spec",
            "host",
            "plan",
            "launch",
            "container",
            "runtime",
            "image",
        ],
    ),
    ("main", &["cmd", "error", "log", "launch"]),
    // Another program, as high as main: it names no verb but the answer of `features`, and nothing may name it.
    (
        "shim",
        &[
            "error",
            "id",
            "log",
            "timestamp",
            "spec",
            "host",
            "plan",
            "launch",
            "container",
            "runtime",
            "image",
            "cmd",
        ],
    ),
];

/// Asserts that nothing was found; all of it is reported at once.
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn each_layer_names_only_what_lies_below_it() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    for source in ours() {
        let top = source.module();
        let Some((_, may)) = LAYERS.iter().find(|(name, _)| *name == top) else {
            // The root module declares all the others.
            if top != "lib" {
                found.push(format!("{}: {top} has no place in the layers", source.path));
            }
            continue;
        };
        for named in source.imports() {
            if named != top && known.contains(named.as_str()) && !may.contains(&named.as_str()) {
                found.push(format!("{}: {top} may not name {named}", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn the_meaning_and_the_decisions_touch_nothing() {
    let effects = [
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "std::thread",
        "SystemTime",
        "Instant",
        "libc::open",
        "libc::read",
        "nix::fcntl",
        "nix::mount",
        "nix::sched",
        "nix::sys::stat",
        "nix::unistd",
    ];
    let mut found = Vec::new();
    for source in ours().filter(|source| ["spec", "plan"].contains(&source.module())) {
        let code = source.product();
        found.extend(
            effects
                .iter()
                .filter(|effect| code.contains(*effect))
                .map(|effect| format!("{}: pure code names {effect}", source.path)),
        );
    }
    none(found);
}

/// Types and constants begin with a capital, functions do not.
#[test]
fn a_plan_takes_types_from_the_kernel_crate_and_calls_nothing_of_it() {
    let mut found = Vec::new();
    for source in ours().filter(|source| ["spec", "plan"].contains(&source.module())) {
        for path in source.paths("rrun_sys") {
            let last = path.rsplit("::").next().unwrap_or_default();
            if last.starts_with(|first: char| first.is_ascii_lowercase()) {
                found.push(format!("{}: {path}", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn only_effects_facts_and_image_metadata_reach_the_kernel_crate() {
    let may =
        ["error", "host", "plan", "launch", "container", "runtime", "image", "cmd", "main", "shim"];
    let found = ours()
        .filter(|source| !source.paths("rrun_sys").is_empty() && !may.contains(&source.module()))
        .map(|source| format!("{} names rrun_sys", source.path));
    none(found.collect());
}

#[test]
fn every_module_says_at_its_head_what_it_knows() {
    let silent = all().filter(|source| !source.text.starts_with("//!"));
    none(silent.map(|source| source.path).collect());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long = all().map(|source| (source.text.lines().count(), source.path));
    none(long.filter(|(lines, _)| *lines > 400).map(|(n, path)| format!("{path}: {n}")).collect());
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    let words = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
    let mut found = Vec::new();
    for source in all().filter(|source| source.path.starts_with("src/")) {
        for (number, line) in source.product().lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    none(found);
}

#[test]
fn unsafe_code_lives_in_one_crate_and_where_tests_need_a_raw_call() {
    let elsewhere = [
        "bench/src/floor.rs",
        "bench/src/ports.rs",
        "bench/src/process.rs",
        // A ptrace request that nix does not have.
        "bench/src/reach/installed.rs",
        // File handles and the kernel's log, for which nix has no call.
        "bench/src/reach/look.rs",
        "bench/src/workload/raw.rs",
        "tests/harness/src/bin/guest-init.rs",
        "tests/harness/src/bin/probe/agent.rs",
        "tests/harness/src/bin/probe/raw.rs",
        "tests/harness/src/terminal.rs",
    ];
    let may = |path: &str| path.starts_with("src/sys/") || elsewhere.contains(&path);
    let found = all().filter(|source| source.has_word("unsafe") && !may(&source.path));
    none(found.map(|source| source.path).collect());
}

/// `no_std` without `alloc`: the compiler keeps the heap out. The standard library comes only with the feature that the
/// parent's side switches on, and not into what runs after the clone.
#[test]
fn the_kernel_crate_has_no_heap() {
    let mut found = Vec::new();
    for source in all().filter(|source| source.path.starts_with("src/sys/")) {
        let code = source.product();
        if source.path == "src/sys/lib.rs" {
            assert!(code.contains("#![no_std]"), "src/sys/lib.rs lost no_std");
            let gated = "#[cfg(feature = )]\nextern crate std;";
            assert_eq!(code.matches("extern crate").count(), code.matches(gated).count());
            continue;
        }
        // The parent's allocator is a module of the feature as a whole.
        if source.path == "src/sys/arena.rs" {
            continue;
        }
        let heap = ["extern crate", "alloc::"].iter().any(|word| code.contains(word));
        let std = code.contains("std::") && !code.contains("#[cfg(feature = )]");
        if heap || std {
            found.push(source.path);
        }
    }
    none(found);
}

#[test]
fn nothing_is_put_off() {
    // In two halves, so that this file is not found.
    let marks = [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK")];
    let marks = marks.map(|(a, b)| format!("{a}{b}"));
    let mut found = Vec::new();
    for source in all() {
        let words = |word: &&str| marks.iter().any(|mark| mark == word);
        let mut all = source.text.split(|c: char| !c.is_ascii_alphanumeric());
        if let Some(mark) = all.find(words) {
            found.push(format!("{}: {mark}", source.path));
        }
    }
    none(found);
}

#[test]
fn no_module_is_named_after_nothing() {
    let empty = ["utils", "util", "helpers", "helper", "common", "manager", "misc", "info", "data"];
    let named = all().filter(|source| source.path.split(['/', '.']).any(|p| empty.contains(&p)));
    none(named.map(|source| source.path).collect());
}

/// A file that no `mod` names is not compiled, and nobody is told.
#[test]
fn every_file_is_part_of_a_crate() {
    let sources: Vec<Source> = all().collect();
    let mut declared = BTreeSet::new();
    for source in &sources {
        declared.extend(source.declared());
    }
    // A manifest names its files from its own directory.
    let manifests: String =
        ["", "src/sys/", "tests/harness/", "tests/fuzz/", "bench/", "rootfs-fixtures/api/"]
            .iter()
            .map(|directory| (directory, workspace().join(directory).join("Cargo.toml")))
            .map(|(directory, file)| {
                let text = fs::read_to_string(file).expect("a manifest");
                text.replace("path = \"", &format!("path = \"{directory}"))
            })
            .collect();
    let root = |path: &str| {
        path.ends_with("/lib.rs")
            || path.ends_with("/main.rs")
            || path.ends_with("build.rs")
            || path.contains("/src/bin/") && path.matches('/').count() == 4
            || manifests.contains(&format!("path = \"{path}\""))
            || path.starts_with("bench/benches/")
    };
    let orphans = sources.iter().filter(|s| !root(&s.path) && !declared.contains(&s.path));
    none(orphans.map(|source| source.path.clone()).collect());
}

/// `autotests` is off, so a file of tests that the manifest does not name would never run.
#[test]
fn every_test_file_runs() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("Cargo.toml");
    let forgotten = tests_of_the_harness_and_the_product()
        .filter(|path| !manifest.contains(&format!("path = \"{path}\"")));
    none(forgotten.collect());
}

#[test]
fn the_harness_knows_the_runtime_only_as_a_program() {
    let text = fs::read_to_string(workspace().join("tests/harness/Cargo.toml")).expect("manifest");
    assert!(!text.contains("rrun ="), "the harness links the runtime");
    assert!(!text.contains("rrun-sys"), "the harness links the kernel crate");
}

#[test]
fn the_commands_that_the_readme_names_exist() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("README.md");
    let xtask = "tests/harness/src/bin/xtask/main.rs";
    let tasks = fs::read_to_string(workspace().join(xtask)).expect(xtask);
    let mut found = Vec::new();
    let mut verbs = BTreeSet::new();
    for line in readme.lines() {
        for (place, _) in line.match_indices("cargo xtask ") {
            let name = word(&line[place + "cargo xtask ".len()..]);
            if !tasks.contains(&format!("\"{name}\" =>")) {
                found.push(format!("cargo xtask {name}"));
            }
        }
        for (place, _) in line.match_indices("rrun ") {
            let before = line[..place].chars().next_back();
            if matches!(before, None | Some('`') | Some(' ')) && in_code(line, place) {
                verbs.insert(word(&line[place + "rrun ".len()..]).to_owned());
            }
        }
    }
    // The table of commands: `run ID`, `create ID`, `start ID`.
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let commands = cell.split('`').skip(1).step_by(2);
        verbs.extend(commands.map(|command| word(command).to_owned()));
    }
    verbs.retain(|verb| verb.starts_with(|first: char| first.is_ascii_lowercase()));
    assert!(verbs.len() > 8, "the README's commands were not found: {verbs:?}");
    for verb in verbs {
        let help = std::process::Command::new(env!("CARGO_BIN_EXE_rrun"))
            .args([&verb, "--help"])
            .output()
            .expect("start rrun");
        if !help.status.success() {
            found.push(format!("rrun {verb}"));
        }
    }
    none(found);
}

/// Whether a place of a README line is code: of a block (no backquotes at all) or between backquotes.
fn in_code(line: &str, place: usize) -> bool {
    let quotes = line[..place].matches('`').count();
    quotes % 2 == 1 || !line.contains('`') && (place == 0 || line.starts_with("sudo "))
}

fn word(text: &str) -> &str {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap_or_default()
}
