//! Sixteen callers at random against two hundred containers, some of them killed in the middle; afterwards a forced
//! delete clears all, and the machine is as it was.
//!
//! `RRUN_STORM=24000` makes it the whole storm, `RRUN_STORM_SEED=n` the same one again (as far as threads allow). What a
//! newcomer would get wrong: an operation that fails is no failure here. One that hangs is, or that ends by a signal that
//! nobody sent, or that succeeds never, or that leaves something.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrun_harness::{Bundle, Leftovers, Must, Snapshot, eventually, requires};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CALLERS: u64 = 16;
const CONTAINERS: u64 = 200;
const VERBS: [&str; 5] = ["create", "start", "exec", "kill", "delete"];
/// No operation of a machine under this load has taken a tenth of it.
const HUNG: Duration = Duration::from_secs(120);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// How many operations.
fn operations() -> usize {
    let slow = std::env::var_os("RRUN_TEST_STRICT").is_some();
    let asked = number("RRUN_STORM").and_then(|count| usize::try_from(count).ok());
    asked.unwrap_or(if slow { 200 } else { 1500 })
}

/// xorshift64*: the same storm for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// What came of the operations: per verb, how many succeeded, failed and were killed by us.
type Tally = BTreeMap<&'static str, [u32; 3]>;

struct Storm<'a> {
    bundle: &'a Bundle,
    left: AtomicUsize,
    tally: Mutex<Tally>,
}

impl Storm<'_> {
    fn name(&self, slot: u64) -> String {
        format!("{}-{slot}", self.bundle.id())
    }

    /// One caller, until all operations are done.
    fn caller(&self, seed: u64) {
        let mut dice = Dice(seed);
        // The first numbers of neighbouring seeds are neighbours, too.
        for _ in 0..8 {
            dice.below(2);
        }
        let errors = self.bundle.path().join(format!("errors-{seed}"));
        let take = |left: usize| left.checked_sub(1);
        while self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            self.operation(&mut dice, &errors);
        }
    }

    fn operation(&self, dice: &mut Dice, errors: &Path) {
        let name = self.name(dice.below(CONTAINERS));
        let verb = VERBS[usize::try_from(dice.below(5)).unwrap_or(0)];
        let path = self.bundle.path().to_string_lossy();
        let words: Vec<&str> = match verb {
            "create" => vec![verb, "--bundle", &path, &name],
            "exec" => vec![verb, &name, "probe", "exit", "3"],
            "kill" => vec![verb, &name, ["KILL", "TERM", "USR1"][dice.below(3) as usize]],
            "delete" if dice.below(2) == 0 => vec![verb, "--force", &name],
            _ => vec![verb, &name],
        };
        let deadly = (dice.below(8) == 0).then(|| Duration::from_micros(dice.below(12_000)));
        let (status, killed) = self.call(&words, deadly, errors);
        let said = fs::read_to_string(errors).unwrap_or_default();
        let what = || format!("{words:?}: {status}, killed {killed}: {said}");
        let outcome = match (status.code(), status.signal()) {
            (Some(0), None) => 0,
            (Some(3), None) if verb == "exec" => 0,
            // Its program may be killed with the container.
            (Some(1 | 255), None) => 1,
            (Some(137 | 143), None) if verb == "exec" => 1,
            (None, Some(9)) if killed => 2,
            _ => panic!("{}", what()),
        };
        // An error is one line; whoever was killed may have been saying it.
        assert!(outcome != 1 || said.lines().count() <= 1, "{}", what());
        let mut tally = self.tally.lock().must("count");
        tally.entry(verb).or_default()[outcome] += 1;
    }

    /// Runs it to its end, which may come by us; whether it did.
    fn call(&self, words: &[&str], deadly: Option<Duration>, errors: &Path) -> (ExitStatus, bool) {
        let mut command = self.bundle.runtime().command(words);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(errors).must("make a file for errors"));
        let start = Instant::now();
        let mut child = command.spawn().must("start the runtime");
        let mut killed = false;
        loop {
            if let Some(status) = child.try_wait().must("wait for the runtime") {
                return (status, killed);
            }
            if !killed && deadly.is_some_and(|after| start.elapsed() >= after) {
                let pid = i32::try_from(child.id()).must("a pid");
                kill(Pid::from_raw(pid), Signal::SIGKILL).must("kill the runtime");
                killed = true;
            }
            assert!(start.elapsed() < HUNG, "{words:?} hangs, as process {}", child.id());
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn clear(&self) {
        for slot in 0..CONTAINERS {
            let name = self.name(slot);
            self.bundle.runtime().call(["delete", "--force", name.as_str()]).success();
        }
    }
}

/// Mounts of this namespace and descriptors of this process; cgroups and processes bear the bundle's id.
fn of_ours(snapshot: &Snapshot, before: &Snapshot) -> Vec<String> {
    let mut lines = snapshot.since(before).0;
    lines.retain(|line| line.starts_with("mount ") || line.starts_with("fd "));
    lines
}

#[test]
fn a_storm_of_callers_that_are_killed_at_random_leaves_nothing_after_a_forced_delete() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.write_config();
    let before = Snapshot::take();
    let seed = number("RRUN_STORM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let count = operations();
    let storm = Storm { bundle: &bundle, left: AtomicUsize::new(count), tally: Mutex::default() };
    let start = Instant::now();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let storm = &storm;
            scope.spawn(move || storm.caller(seed * CALLERS + caller + 1));
        }
    });
    let listed = bundle.runtime().call(["list", "--quiet"]);
    let there = listed.stdout().lines().count();
    listed.success();
    let tally = storm.tally.lock().must("count").clone();
    eprintln!("seed {seed}, {count} operations in {:.0?}, {there} containers", start.elapsed());
    for (verb, [good, bad, killed]) in &tally {
        eprintln!("{verb:8} {good:6} succeeded {bad:6} failed {killed:6} killed");
    }
    storm.clear();
    assert_eq!(tally.len(), VERBS.len(), "{tally:?}");
    for (verb, [good, _, killed]) in &tally {
        assert!(*good > 0 && *killed > 0, "{verb}: a storm that tried nothing: {tally:?}");
    }
    Leftovers::assert_none(&bundle);
    let left = || of_ours(&Snapshot::take(), &before);
    assert!(eventually(|| left().is_empty()), "{:?}", left());
    let root = bundle.runtime().root();
    let states: Vec<_> = fs::read_dir(&root).must("list the root").collect();
    assert!(states.is_empty(), "{} has {states:?}", root.display());
}
