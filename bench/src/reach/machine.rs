//! What a virtual machine's escape would find: QEMU's process on the host.
//!
//! What a newcomer would get wrong: the guest's own kernel is not in the host's reach, so nothing of the container's table
//! has a number here; what stands between a guest and the host is QEMU, and what *it* may touch.

use super::installed;
use super::{NUMBERS, allowed, row, text};
use crate::memory::crowd::Subject;
use crate::memory::instance::{Instance, Kind};
use crate::memory::memcg::Hierarchy;
use crate::result::Row;
use crate::room;
use crate::vm::{Recipe, Session};
use rrun_harness::on_path;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Emulated and traced, a boot takes seconds.
const PATIENCE: Duration = Duration::from_secs(40);

const FDS: &str = "descriptors that QEMU has open while its guest waits";
const DEVICES: &str = "of these, devices of the host";
const MAPS: &str = "lines of QEMU's /proc/PID/maps";
const ALLOWED: &str =
    "of the numbers 0 to 462: what the filter of QEMU's process lets through with some arguments";
const USED: &str = "different system calls of QEMU from its start to the guest's end (strace)";

/// Rows of the host's side, and "own kernel" for each of `cases`.
///
/// # Errors
/// A sentence: the guest did not come up.
pub fn measure(
    subject: &Subject,
    hierarchy: &Hierarchy,
    cases: &[&str],
) -> Result<Vec<Row>, String> {
    let own = |case: &&str| {
        text(case, "vm", "a property of the guest's kernel, which the host is not reached through")
            .text("own kernel")
    };
    let mut rows: Vec<Row> = cases.iter().map(own).collect();
    let recipe = match &subject.kind {
        Ok(Kind::Machine(recipe)) => recipe,
        Ok(_) => return Err("the virtual machine is none".to_owned()),
        Err(why) => {
            rows.push(row("QEMU: descriptors", "vm", FDS).missing(why.clone()));
            return Ok(rows);
        }
    };
    rows.extend(of_process(&Instance::start(&Kind::Machine(recipe.clone()), hierarchy)?)?);
    let used = row("QEMU: system calls used", "vm", USED);
    rows.push(match on_path("strace") {
        None => used.missing("strace is not on PATH: install strace"),
        Some(_) => used.exact(f64::from(traced(recipe)?)),
    });
    Ok(rows.into_iter().map(|row| noted(row, subject)).collect())
}

fn noted(row: Row, subject: &Subject) -> Row {
    subject.notes.first().into_iter().fold(row, |row, note| row.note(note.clone()))
}

fn of_process(instance: &Instance) -> Result<Vec<Row>, String> {
    let pid = instance.pid()?;
    let told = |why: std::io::Error| format!("QEMU's /proc: {why}");
    let (mut open, mut devices) = (0_u32, 0_u32);
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).map_err(told)?.flatten() {
        open += 1;
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let is_null = target.ends_with("dev/null");
        devices += u32::from(target.starts_with("/dev") && !is_null);
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(told)?.lines().count();
    let filters = installed::filters(pid)?;
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    Ok(vec![
        row("QEMU: descriptors", "vm", FDS).exact(f64::from(open)),
        row("QEMU: devices open", "vm", DEVICES).exact(f64::from(devices)),
        row("QEMU: memory maps", "vm", MAPS).exact(count(maps)),
        row("QEMU: system calls allowed", "vm", ALLOWED)
            .exact(count(NUMBERS.filter(|number| allowed(&filters, *number)).count()))
            .note(if filters.is_empty() {
                "it has no filter (-sandbox is off)"
            } else {
                "it has a filter"
            }),
    ])
}

/// Runs the guest to its end under strace.
fn traced(recipe: &Recipe) -> Result<u32, String> {
    let counts = room::directory().join("strace");
    let mut recipe = recipe.clone();
    recipe.append = recipe.append.replace("vm-pause", "vm");
    let plain = recipe.command();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-c", "-o"]).arg(&counts).arg(plain.get_program());
    command.args(plain.get_args()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Session::spawn(&mut command)?.end(Instant::now() + PATIENCE)?;
    let table = fs::read_to_string(&counts).map_err(|why| format!("strace's table: {why}"))?;
    Ok(distinct(&table))
}

/// The lines of strace's table that are system calls: they begin with a percentage, and are not the total.
fn distinct(table: &str) -> u32 {
    let is_call = |line: &&str| {
        let mut words = line.split_whitespace();
        let percent = words.next().is_some_and(|word| word.parse::<f64>().is_ok());
        percent && words.next_back().is_some_and(|name| name != "total")
    };
    u32::try_from(table.lines().filter(is_call).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_the_lines_between_the_heads_and_the_total() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           3       100         2 futex
 40.00    0.000200          20        10           mmap
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500                   110         2 total
";
        assert_eq!(distinct(table), 2);
    }
}
