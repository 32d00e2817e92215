//! `cargo xtask test`: the whole answer to "is it good?".
//!
//! Knows the steps and counts their tests. Refuses to stop at the first failure: a developer wants them all. A newcomer
//! would rebuild in the guest; it has no compiler, so the executables that cargo made here run there.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rrun_harness::guest::{Guest, Job};
use rrun_harness::{beside, wait_until, workspace};

use crate::tally::{Count, Tally, executables};
use crate::{Result, cargo, machine, target};

/// Longer than either half has ever taken on two emulated processors.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    native_only: bool,
    guest_only: bool,
    filter: Option<String>,
}

impl Wish {
    pub(crate) fn parse(words: &[String]) -> Result<Wish> {
        let mut wish = Wish::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--native-only" => wish.native_only = true,
                "--guest-only" => wish.guest_only = true,
                "--filter" => {
                    wish.filter = Some(words.next().ok_or("--filter needs a text")?.clone())
                }
                other => return Err(format!("test knows no {other:?}")),
            }
        }
        if wish.native_only && wish.guest_only {
            return Err("--native-only and --guest-only leave nothing to do".into());
        }
        Ok(wish)
    }
}

/// Runs the steps; the last line is the sum, and the code is 1 when anything failed.
pub(crate) fn run(wish: &Wish) -> Result<u8> {
    let started = Instant::now();
    machine::need(machine::TESTS)?;
    machine::need(machine::GUEST)?;
    let mut lines = Vec::new();
    let mut sum = Count::default();
    let mut step = |name: &str, count: Count, since: Instant| {
        sum.add(count);
        lines.push(format!("{name:8} {count}  ({:.0} s)", since.elapsed().as_secs_f64()));
    };
    if !wish.guest_only {
        let since = Instant::now();
        step("format", plain(cargo().args(["fmt", "--all", "--check"])), since);
        let since = Instant::now();
        let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        step("lints", plain(cargo().args(lints)), since);
        let since = Instant::now();
        step("native", native(wish), since);
    }
    if !wish.native_only {
        let since = Instant::now();
        step("guest", in_guest(wish), since);
    }
    println!("\n{}\ntotal {:.0} s", lines.join("\n"), started.elapsed().as_secs_f64());
    println!("{sum}");
    Ok(u8::from(sum.failed > 0))
}

/// A step without tests of its own: it counts only when it fails.
fn plain(command: &mut Command) -> Count {
    let words: Vec<_> =
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    println!("$ cargo {}", words.join(" "));
    let passed = command.status().is_ok_and(|status| status.success());
    Count { failed: u64::from(!passed), ..Count::default() }
}

fn failed(why: &str) -> Count {
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
fn tallied(command: &mut Command, onward: impl Write + Send + 'static) -> Result<Count> {
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

fn in_guest(wish: &Wish) -> Count {
    let mut tally = Tally::passing_to(io::stdout());
    match guest_tests(wish, &mut tally) {
        Ok(code) => {
            let mut count = tally.count();
            if code != 0 && count.failed == 0 {
                count.failed = 1;
            }
            count
        }
        Err(why) => {
            let mut count = failed(&why);
            count.add(tally.count());
            count
        }
    }
}

fn guest_tests(wish: &Wish, tally: &mut dyn Write) -> Result<i32> {
    let built = plain(cargo().args(["build", "--workspace", "--bins"]));
    if built.failed > 0 {
        return Err("the binaries do not build".into());
    }
    let tests = test_executables()?;
    let guest = Guest::prepare(&target().join("guest"))?;
    println!("guest: Linux {}, {}", guest.release(), guest.because);
    // Not our own path: the build above may have replaced the file we were started from.
    let own = beside("xtask");
    let mut argv = vec![own.to_string_lossy().into_owned(), "guest-run".into()];
    argv.push(wish.filter.clone().unwrap_or_default());
    argv.extend(tests.iter().map(|path| path.to_string_lossy().into_owned()));
    let mut job = Job::new(argv);
    job.env = guest_environment();
    job.cwd = workspace();
    job.deadline = PATIENCE;
    let finished = guest.run(&job, tally)?;
    println!("guest: was up after {:.1} s", finished.boot.as_secs_f64());
    Ok(finished.code)
}

fn test_executables() -> Result<Vec<PathBuf>> {
    let mut command = cargo();
    // The whole workspace, as natively: another selection would unify features differently and rebuild everything.
    command.args(["test", "--workspace", "--no-run", "--message-format=json"]);
    let output = command.stderr(Stdio::null()).output().map_err(|e| format!("cargo: {e}"))?;
    let found = executables(&output.stdout, "test");
    if found.is_empty() { Err("there are no binary tests to run".into()) } else { Ok(found) }
}

/// The guest's half: runs each test executable, whatever the others did. The first word is a filter or empty.
pub(crate) fn run_executables(words: &[String]) -> Result<u8> {
    let (filter, programs) =
        words.split_first().ok_or("guest-run needs a filter and executables")?;
    let mut failures = 0;
    for program in programs {
        println!("     Running {program}");
        let mut command = Command::new(program);
        command.arg("--test-threads=2").stdin(Stdio::null());
        if !filter.is_empty() {
            command.arg(filter);
        }
        let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
        let status = wait_until(&mut child, Instant::now() + PATIENCE);
        if !status.is_some_and(|status| status.success()) {
            failures += 1;
        }
    }
    Ok(u8::from(failures > 0))
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
