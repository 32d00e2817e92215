//! `cargo xtask test --engines`: the tests that start containerd, docker and podman.
//!
//! Knows what they need made before the first begins, and runs each in a process of its own, several side by side: an
//! engine waits more than it works. Refuses no machine: a test that misses its engines says so itself. A newcomer would
//! run one file after the other; the longest would be alone with the processors at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use rrun_harness::engines::Set;

use crate::check::{self, Wish, lock};
use crate::tally::Count;
use crate::{Result, cargo};

/// The files whose tests start container engines.
pub(crate) const FILES: &[&str] = &["containerd", "docker", "podman", "article", "cri", "guides"];

/// Those that take longest, by parts of their names: they begin first.
const LONG: &[&str] = &["both_through", "deployment", "pods_by", "docker_runs", "compose"];

/// What services their containers run.
const SERVICES: &[&str] = &["postgresql", "nginx"];

/// How many at once, for each processor.
const SIDE_BY_SIDE: usize = 2;

/// One test of one file.
#[derive(Debug, Clone)]
struct Test {
    file: String,
    executable: PathBuf,
    name: String,
}

/// Runs all that wait for this.
pub(crate) fn run(wish: &Wish) -> Count {
    let since = Instant::now();
    let mut count = prepare();
    if count.failed > 0 {
        return count;
    }
    let tests = match check::test_executables(|name| FILES.contains(&name)).and_then(every_test) {
        Ok(tests) => ordered(tests, wish.filter.as_deref()),
        Err(why) => return check::failed(&why),
    };
    println!("{} tests with engines, prepared in {} s", tests.len(), since.elapsed().as_secs());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(tests.into_iter());
    let sum = Mutex::new((Count::default(), BTreeMap::<String, f64>::new()));
    std::thread::scope(|scope| {
        for _ in 0..(processors * SIDE_BY_SIDE).min(8) {
            scope.spawn(|| {
                loop {
                    // The lock must not be held while the test runs.
                    let next = lock(&queue).next();
                    let Some(test) = next else { return };
                    let (count, took, said) = one(&test);
                    let mut sum = lock(&sum);
                    sum.0.add(count);
                    *sum.1.entry(test.file.clone()).or_default() += took;
                    println!("     Running {}::{} ({took:.1} s)\n{said}", test.file, test.name);
                }
            });
        }
    });
    let (tested, files) = lock(&sum).clone();
    for (file, took) in files {
        println!("engines: {file} {took:.0} s of tests");
    }
    count.add(tested);
    count
}

/// Builds what the tests would each build for themselves, and unpacks the packages; what cannot be unpacked is told,
/// and each test that needs it says so again.
fn prepare() -> Count {
    let mut count = check::plain(cargo().args(["build", "--workspace", "--bins"]));
    // By itself, as the tests do: together with others its libraries' features are theirs, too.
    let api = ["build", "--release", "-p", "rrun-fixture-api", "--bin", "api"];
    count.add(check::plain(cargo().args(api)));
    let sets = [Set::Own, Set::Trixie, Set::Sid].map(|set| set.unpacked().err());
    let services = SERVICES.iter().map(|service| rrun_harness::service_tree(service).err());
    for why in sets.into_iter().chain(services).flatten() {
        println!("{why}");
    }
    count
}

/// The ignored tests of these files.
fn every_test(executables: Vec<PathBuf>) -> Result<Vec<Test>> {
    let mut all = Vec::new();
    for executable in executables {
        let listed = Command::new(&executable).args(["--ignored", "--list"]).output();
        let listed = listed.map_err(|e| format!("{}: {e}", executable.display()))?;
        let file = check::file_of(&executable).to_owned();
        // NAME: test
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        all.extend(text.lines().filter_map(|line| line.strip_suffix(": test")).map(|name| Test {
            file: file.clone(),
            executable: executable.clone(),
            name: name.to_owned(),
        }));
    }
    if all.is_empty() { Err("there are no tests with engines".into()) } else { Ok(all) }
}

/// Those that the filter leaves, the long ones first.
fn ordered(mut tests: Vec<Test>, filter: Option<&str>) -> Vec<Test> {
    tests.retain(|test| filter.is_none_or(|filter| test.name.contains(filter)));
    let rank = |test: &Test| LONG.iter().position(|part| test.name.contains(part));
    tests.sort_by_key(|test| rank(test).unwrap_or(LONG.len()));
    tests
}

fn one(test: &Test) -> (Count, f64, String) {
    let since = Instant::now();
    let mut command = Command::new(&test.executable);
    command.args(["--ignored", "--exact", &test.name]).env("RRUN_PREBUILT", "1");
    command.current_dir(rrun_harness::workspace()).stdin(Stdio::null());
    let said = Said::default();
    let count = check::tallied(&mut command, said.clone());
    let count = count.unwrap_or_else(|why| check::failed(&format!("{}: {why}", test.name)));
    (count, since.elapsed().as_secs_f64(), said.text())
}

/// What one test says, kept until it ends: those beside it speak, too.
#[derive(Debug, Clone, Default)]
struct Said(std::sync::Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }
}

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Test {
        Test { file: "cri".into(), executable: "/t/cri".into(), name: name.into() }
    }

    #[test]
    fn the_long_ones_begin_and_the_filter_leaves_the_others_out() {
        let all = ["a_port", "a_pod", "pods_by_ours", "both_through_1"].map(named).to_vec();
        let names = |tests: Vec<Test>| tests.into_iter().map(|test| test.name).collect::<Vec<_>>();
        let ordered = |filter| names(super::ordered(all.clone(), filter));
        assert_eq!(ordered(None), ["both_through_1", "pods_by_ours", "a_port", "a_pod"]);
        assert_eq!(ordered(Some("pod")), ["pods_by_ours", "a_pod"]);
    }
}
