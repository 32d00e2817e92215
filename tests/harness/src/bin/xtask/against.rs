//! `cargo xtask against RUNTIME`: our tests asked of another runtime, held against what is known of it.
//!
//! Knows the files whose tests call the runtime under test, and how libtest and `requires!` tell of one. Refuses to count
//! a skipped test as anything but skipped. A newcomer would take a test that the other one fails for a defect of the other
//! one: the reasons are in tests/conformance/RUNTIME-VERSION.toml, and a test that asks for our own way is ours to mend.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rrun_harness::conformance::{Gap, Verdict, gaps, unexpected};
use rrun_harness::{on_path, workspace};

use crate::check::{file_of, plain, tallied, test_executables};
use crate::tally::Count;
use crate::{Result, cargo};

/// Those with a test that calls the runtime under test by runc's command line.
const ASKED: &[&str] = &[
    "apparmor",
    "cgroup",
    "checkpoint",
    "cve",
    "doctor",
    "exec",
    "faults",
    "hardening",
    "hooks",
    "isolation",
    "lifecycle",
    "mounts",
    "net_devices",
    "process",
    "rdt",
    "rootless",
    "schedule",
    "seccomp",
    "selinux",
    "services",
    "storm",
    "systemd",
    "terminal",
    "userns",
    "verbs",
];

/// What the tests of one file said.
#[derive(Debug, Default)]
struct Told {
    /// By `file::module::test`, without those that were skipped.
    verdicts: BTreeMap<String, Verdict>,
    /// The same, with the reason.
    skipped: BTreeMap<String, String>,
}

/// `RUNTIME [--only FILE]`
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let (name, only) = match words {
        [name] => (name, None),
        [name, flag, file] if flag == "--only" => (name, Some(file.as_str())),
        _ => return Err("against needs a runtime: cargo xtask against runc [--only FILE]".into()),
    };
    let runtime = on_path(name).unwrap_or_else(|| PathBuf::from(name));
    let release = release(&runtime)?;
    let list = workspace().join(format!("tests/conformance/{release}.toml"));
    let known = match fs::read_to_string(&list) {
        Ok(text) => gaps(&text).map_err(|why| format!("{}: {why}", list.display()))?,
        Err(_) => {
            println!("nothing is known of {release}: {} is not there", list.display());
            BTreeMap::new()
        }
    };
    if plain(cargo().args(["build", "--workspace", "--bins"])).failed > 0 {
        return Err("the programs that the tests use could not be built".into());
    }
    let wanted = |file: &str| ASKED.contains(&file) && only.is_none_or(|only| only == file);
    let mut files = test_executables(wanted)?;
    files.sort();
    let mut all = Told::default();
    let mut rows = String::new();
    let mut sum = Count::default();
    for test in &files {
        let told = ask(test, &runtime)?;
        let (file, count) = (file_of(test), told.count());
        sum.add(count);
        let own = told.skipped.values().filter(|why| why.as_str() == OWN).count();
        let holes = told.skipped.values().filter(|why| why.contains(" hole: ")).count();
        let lacking = told.skipped.len() - own - holes;
        let Count { passed, failed, .. } = count;
        writeln!(rows, "| {file} | {passed} | {failed} | {own} | {holes} | {lacking} |")
            .map_err(|e| e.to_string())?;
        all.verdicts.extend(told.verdicts);
        all.skipped.extend(told.skipped);
    }
    let known = of_these(known, &all, only);
    let unexpected = unexpected(&all.verdicts, &known, &[]);
    print!("{}", page(&release, &rows, &known));
    for line in &unexpected {
        println!("UNEXPECTED {line}");
    }
    println!("{sum}");
    Ok(u8::from(!unexpected.is_empty()))
}

/// What `requires!(rrun)` says of any other.
const OWN: &str = "asks about rrun alone";

/// `runc-1.1.5`, of a program that says `runc version 1.1.5+ds1`.
fn release(runtime: &Path) -> Result<String> {
    let told = |e: &dyn std::fmt::Display| format!("{} --version: {e}", runtime.display());
    let output = Command::new(runtime).arg("--version").output().map_err(|e| told(&e))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    named(text.lines().next().unwrap_or_default()).ok_or_else(|| told(&"names no version"))
}

fn named(line: &str) -> Option<String> {
    let (name, version) = line.split_once(" version ")?;
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    Some(format!("{name}-{}", &version[..end]))
}

/// Runs one file to its end.
fn ask(test: &Path, runtime: &Path) -> Result<Told> {
    let said = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut command = Command::new(test);
    command.current_dir(workspace()).arg("--test-threads=2");
    command.env("RUNTIME_UNDER_TEST", runtime).env("RRUN_PREBUILT", "1");
    if let Some(path) = env::var_os("CARGO") {
        command.env("CARGO", path);
    }
    println!("$ {} --test-threads=2", test.display());
    tallied(&mut command, Kept(said.clone()))?;
    let said = said.lock().map_err(|_| "the reader failed".to_owned())?;
    Ok(Told::read(file_of(test), &String::from_utf8_lossy(&said)))
}

/// Keeps what passes by.
struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        crate::check::lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Told {
    /// Reads the lines of one file; a test that was skipped is one that passed to libtest.
    fn read(file: &str, text: &str) -> Told {
        let mut told = Told::default();
        for line in text.lines() {
            if let Some((name, why)) =
                line.strip_prefix("SKIPPED ").and_then(|l| l.split_once(": "))
            {
                told.skipped.insert(name.to_owned(), why.to_owned());
            }
            let Some((name, how)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... "))
            else {
                continue;
            };
            let verdict = match how {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed(reason(text, name)),
                _ => continue,
            };
            told.verdicts.insert(format!("{file}::{name}"), verdict);
        }
        told.verdicts.retain(|name, verdict| {
            *verdict != Verdict::Passed || !told.skipped.contains_key(name)
        });
        told
    }

    fn count(&self) -> Count {
        let passed = self.verdicts.values().filter(|it| **it == Verdict::Passed).count() as u64;
        Count {
            passed,
            failed: self.verdicts.len() as u64 - passed,
            skipped: self.skipped.len() as u64,
            left: 0,
        }
    }
}

/// What a test panicked with: the line after the one that says where.
fn reason(text: &str, name: &str) -> String {
    let head = format!("---- {name} stdout ----");
    let after = text.lines().skip_while(|line| *line != head).skip(1);
    let mut after = after.skip_while(|line| !line.contains("panicked at ")).skip(1);
    after.next().unwrap_or("it does not say why").to_owned()
}

/// Without what was skipped here, and what was not asked.
fn of_these(known: BTreeMap<String, Gap>, all: &Told, only: Option<&str>) -> BTreeMap<String, Gap> {
    let asked = |name: &str| only.is_none_or(|only| name.split("::").next() == Some(only));
    let here = |name: &String| asked(name) && !all.skipped.contains_key(name);
    known.into_iter().filter(|(name, _)| here(name)).collect()
}

fn page(release: &str, rows: &str, known: &BTreeMap<String, Gap>) -> String {
    let mut page = format!(
        "\n{release}\n\n| file | passed | failed | rrun's own | a hole it has | not here |\n\
         |---|---|---|---|---|---|\n{rows}\n"
    );
    for (name, gap) in known {
        page.push_str(&format!("* `{name}`: {}\n", gap.reason));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_its_name_and_its_numbers() {
        assert_eq!(named("runc version 1.1.5+ds1"), Some("runc-1.1.5".into()));
        assert_eq!(named("crun version 1.8.1"), Some("crun-1.8.1".into()));
        assert_eq!(named("usage"), None);
    }

    #[test]
    fn a_skipped_test_is_neither_passed_nor_failed() {
        let said = "test a::x ... ok\nSKIPPED f::a::y: asks about rrun alone\ntest a::y ... ok\n\
            test b ... FAILED\ntest c ... ignored\n\n---- b stdout ----\n\n\
            thread 'b' (1) panicked at f.rs:1:1:\nexpected 0\n";
        let told = Told::read("f", said);
        let verdicts: Vec<_> =
            told.verdicts.iter().map(|(name, verdict)| format!("{name} {verdict}")).collect();
        assert_eq!(verdicts, ["f::a::x passed", "f::b failed: expected 0"]);
        assert_eq!(told.skipped["f::a::y"], OWN);
        assert_eq!(told.count(), Count { passed: 1, failed: 1, skipped: 1, left: 0 });
    }
}
