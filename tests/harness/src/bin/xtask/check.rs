//! `cargo xtask test`: the whole answer to "is it good?".
//!
//! Knows the steps and counts their tests. Refuses to stop at the first failure: a developer wants them all. A newcomer
//! would rebuild in the guest; it has no compiler, so the executables that cargo made here run there.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rrun_harness::engines::Set;
use rrun_harness::guest::{self, Guest, Job};
use rrun_harness::{wait_until, workspace};

use crate::tally::{Count, Tally, executables};
use crate::{Result, bench, cargo, conformance, engines, machine, target};

/// Longer than either half has ever taken on two emulated processors.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// Of no use in a guest: virtual machines inside an emulated one, and what asks the kernel nothing (sources, plans,
/// documents) or nothing that another kernel could answer otherwise (archives, which take minutes to decompress there).
/// Nor are there engines, whose packages it has no network for.
const NOT_IN_GUESTS: &[&str] =
    &["vm", "readme", "assets", "arch", "plan", "spec", "rrun_fuzz", "unpack"];

/// Those that take longest in a guest, the longest first: they begin first.
const LONG_IN_GUESTS: &[&str] =
    &["rootless", "checkpoint", "cve", "shim", "systemd", "net_devices", "noisy", "lifecycle"];

/// What tests/services.rs runs, and what tests/apparmor.rs and tests/selinux.rs make their policies with.
const SERVICES: &[&str] = &["postgresql", "nginx", "apparmor", "secilc"];

/// The one file of engines that guests run, too, and those of its tests that they do: they ask what cgroup2 does.
const ENGINE_IN_GUESTS: (&str, &str) = ("containerd", "in_a_guest");

/// The file whose guest has systemd as init.
const UNDER_SYSTEMD: &str = "systemd";

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    native_only: bool,
    guest_only: bool,
    engines: bool,
    engines_only: bool,
    pub(crate) filter: Option<String>,
}

impl Wish {
    pub(crate) fn parse(words: &[String]) -> Result<Wish> {
        let mut wish = Wish::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--native-only" => wish.native_only = true,
                "--guest-only" => wish.guest_only = true,
                "--engines" => wish.engines = true,
                "--engines-only" => (wish.engines, wish.engines_only) = (true, true),
                "--filter" => {
                    wish.filter = Some(words.next().ok_or("--filter needs a text")?.clone())
                }
                other => return Err(format!("test knows no {other:?}")),
            }
        }
        if [wish.native_only, wish.guest_only, wish.engines_only].iter().filter(|it| **it).count()
            > 1
        {
            return Err("two flags that say ONLY leave nothing to do".into());
        }
        Ok(wish)
    }
}

/// Runs the steps; the last line is the sum, and the code is 1 when anything failed.
pub(crate) fn run(wish: &Wish) -> Result<u8> {
    let started = Instant::now();
    machine::need(machine::TESTS)?;
    machine::need(machine::GUEST)?;
    machine::need(machine::BENCHMARKS)?;
    if wish.engines {
        machine::need(machine::ENGINES)?;
    }
    let mut lines = Vec::new();
    let mut sum = Count::default();
    let mut step = |name: &str, count: Count, since: Instant| {
        sum.add(count);
        let left = match count.left {
            0 => String::new(),
            left => format!(", {left} left to --engines"),
        };
        lines.push(format!("{name:10} {count}{left}  ({:.0} s)", since.elapsed().as_secs_f64()));
    };
    let native_too = !wish.guest_only && !wish.engines_only;
    if native_too {
        let since = Instant::now();
        step("format", plain(cargo().args(["fmt", "--all", "--check"])), since);
        let since = Instant::now();
        let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        step("lints", plain(cargo().args(lints)), since);
        let since = Instant::now();
        step("native", native(wish), since);
    }
    if !wish.guest_only && wish.engines {
        let since = Instant::now();
        step("engines", engines::run(wish), since);
    }
    // Whoever asks for one test does not ask for these.
    if native_too && wish.filter.is_none() {
        let since = Instant::now();
        let smoke = bench::smoke(wish.engines);
        step("bench", smoke.map_or_else(|why| failed(&why), |()| Count::default()), since);
    }
    if native_too && wish.filter.is_none() {
        let since = Instant::now();
        step("validation", conformance::count().unwrap_or_else(|why| failed(&why)), since);
    }
    if !wish.native_only && !wish.engines_only {
        let since = Instant::now();
        step("guest", in_guest(wish), since);
    }
    if !wish.engines {
        sum.leave_out();
    }
    println!("\n{}\ntotal {:.0} s", lines.join("\n"), started.elapsed().as_secs_f64());
    println!("{sum}");
    Ok(u8::from(sum.failed > 0))
}

/// A step without tests of its own: it counts only when it fails.
pub(crate) fn plain(command: &mut Command) -> Count {
    let words: Vec<_> =
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    println!("$ cargo {}", words.join(" "));
    let passed = command.status().is_ok_and(|status| status.success());
    Count { failed: u64::from(!passed), ..Count::default() }
}

pub(crate) fn failed(why: &str) -> Count {
    println!("FAILED: {why}");
    Count { failed: 1, ..Count::default() }
}

fn native(wish: &Wish) -> Count {
    // The probe is no dependency that cargo knows of.
    let built = plain(cargo().args(["build", "--workspace", "--bins"]));
    if built.failed > 0 {
        return built;
    }
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).env("RRUN_PREBUILT", "1");
    if let Some(filter) = &wish.filter {
        command.args(["--", filter]);
    }
    println!("$ cargo test --workspace --no-fail-fast");
    tallied(&mut command, io::stdout()).unwrap_or_else(|why| failed(&why))
}

/// Runs a command to its end and counts; a failure that no test reported counts as one.
pub(crate) fn tallied(command: &mut Command, onward: impl Write + Send + 'static) -> Result<Count> {
    let told = |e: io::Error| format!("run the tests: {e}");
    let (mut reader, writer) = io::pipe().map_err(told)?;
    let errors = writer.try_clone().map_err(told)?;
    let mut child =
        command.stdin(Stdio::null()).stdout(writer).stderr(errors).spawn().map_err(told)?;
    // The command still holds the pipe's writing end, and the reader would wait for it.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let counting = std::thread::spawn(move || {
        let mut tally = Tally::passing_to(onward);
        // Ends with the pipe; an unwritable stdout ends it early, and then nobody reads the count either.
        drop(io::copy(&mut reader, &mut tally));
        tally.count()
    });
    let status = wait_until(&mut child, Instant::now() + PATIENCE);
    let mut count = match status {
        Some(_) => counting.join().map_err(|_| "the counting thread failed".to_owned())?,
        None => return Err(format!("not done in {} minutes", PATIENCE.as_secs() / 60)),
    };
    if count.failed == 0 && !status.is_some_and(|status| status.success()) {
        count.failed = 1;
    }
    Ok(count)
}

/// Variables every command in the guest gets.
pub(crate) fn guest_environment() -> Vec<(String, String)> {
    let mut all = vec![("RRUN_PREBUILT".to_owned(), "1".to_owned())];
    all.push(("RRUN_TEST_STRICT".to_owned(), "1".to_owned()));
    all.extend(
        env::var("RUNTIME_UNDER_TEST").map(|runtime| ("RUNTIME_UNDER_TEST".to_owned(), runtime)),
    );
    all
}

/// Each test executable gets a guest of its own, as many side by side as there are processors for: a guest that dies
/// takes one file of tests with it, and an emulated guest uses one processor at a time.
fn in_guest(wish: &Wish) -> Count {
    let built = plain(cargo().args(["build", "--workspace", "--bins"]));
    if built.failed > 0 {
        return built;
    }
    for service in SERVICES {
        // The guest has no network; a test that misses its service there says so and fails.
        if let Err(why) = rrun_harness::service_tree(service) {
            println!("{why}");
        }
    }
    if let Err(why) = rrun_harness::engines::criu_directory() {
        println!("{why}");
    }
    // Beside those of --engines, tests/systemd.rs has two.
    if let Err(why) = Set::Own.unpacked() {
        println!("{why}");
    }
    let here = |name: &str| match name {
        // Whoever asks for one test does not ask for this.
        _ if name == ENGINE_IN_GUESTS.0 => wish.engines && wish.filter.is_none(),
        _ => !NOT_IN_GUESTS.contains(&name) && !engines::FILES.contains(&name),
    };
    let prepared = test_executables(here)
        .and_then(|tests| Ok((tests, Guest::prepare(&target().join("guest"))?)));
    let (mut tests, guest) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return failed(&why),
    };
    // They are taken from the end.
    let rank = |test: &PathBuf| LONG_IN_GUESTS.iter().position(|name| *name == file_of(test));
    tests.sort_by_key(|test| std::cmp::Reverse(rank(test).unwrap_or(LONG_IN_GUESTS.len())));
    println!("guest: Linux {}, {}", guest.release(), guest.because);
    let queue = Mutex::new(tests);
    let sum = Mutex::new(Count::default());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors.min(4) {
            scope.spawn(|| {
                while let Some(test) = lock(&queue).pop() {
                    let (count, said) = guest_test(&guest, &test, wish);
                    let mut sum = lock(&sum);
                    sum.add(count);
                    println!("     Running {} in a guest\n{said}", test.display());
                }
            });
        }
    });
    *lock(&sum)
}

/// A poisoned lock means that another worker failed; what it guards is still a plain count or list.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn guest_test(guest: &Guest, test: &Path, wish: &Wish) -> (Count, String) {
    let mut argv = vec![test.to_string_lossy().into_owned(), "--test-threads=2".into()];
    if file_of(test) == ENGINE_IN_GUESTS.0 {
        argv.extend(["--ignored".into(), ENGINE_IN_GUESTS.1.into()]);
    }
    argv.extend(wish.filter.clone());
    let mut job = Job::new(argv);
    job.env = guest_environment();
    job.kernel = guest::parameters(file_of(test)).to_owned();
    job.cwd = workspace();
    job.deadline = PATIENCE;
    job.systemd = file_of(test) == UNDER_SYSTEMD;
    let mut said = Vec::new();
    let mut tally = Tally::passing_to(&mut said);
    let finished = guest.run(&job, &mut tally);
    let mut count = tally.count();
    let ending = match &finished {
        Ok(finished) => format!("guest: was up after {:.1} s", finished.boot.as_secs_f64()),
        Err(why) => format!("FAILED: {why}"),
    };
    if count.failed == 0 && !finished.is_ok_and(|finished| finished.code == 0) {
        count.failed = 1;
    }
    (count, format!("{}{ending}", String::from_utf8_lossy(&said)))
}

/// The test executables of files with these names.
pub(crate) fn test_executables(wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut command = cargo();
    // The whole workspace, as natively: another selection would unify features differently and rebuild everything.
    command.args(["test", "--workspace", "--no-run", "--message-format=json"]);
    let output = command.stderr(Stdio::null()).output().map_err(|e| format!("cargo: {e}"))?;
    let mut found = executables(&output.stdout, "test");
    found.retain(|test| wanted(file_of(test)));
    if found.is_empty() { Err("there are no binary tests to run".into()) } else { Ok(found) }
}

/// NAME of NAME-HASH
pub(crate) fn file_of(executable: &Path) -> &str {
    let name = executable.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('-').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<Count> {
        tallied(Command::new("/bin/sh").args(["-c", text]), io::sink())
    }

    #[test]
    fn a_command_that_dies_without_a_result_is_a_failure() {
        assert_eq!(script("exit 101").map(|count| count.failed), Ok(1));
        assert_eq!(
            script("echo 'test result: ok. 3 passed; 0 failed;'").map(|count| count.passed),
            Ok(3)
        );
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        let words = ["--native-only", "--guest-only"].map(str::to_owned);
        assert!(Wish::parse(&words).is_err());
    }
}
