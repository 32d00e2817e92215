//! `gate`: holds a run against the baseline of its emulated machine, or makes it the baseline.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use rrun_bench::gate::{Baseline, Verdict, compare, machine, marks};
use rrun_bench::result::Isobench;
use std::path::PathBuf;
use std::process::ExitCode;

/// What was asked for.
#[derive(Debug)]
pub struct Request {
    /// An isobench.json.
    pub results: PathBuf,
    /// Where the baselines are.
    pub directory: PathBuf,
    /// Makes this run the baseline.
    pub bless: bool,
    /// A machine without a baseline fails.
    pub strict: bool,
}

/// The subcommand.
pub fn command() -> Command {
    let flag = |name| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let file = |name| Arg::new(name).value_parser(value_parser!(PathBuf));
    let baseline = file("baseline").long("baseline").default_value("bench/baseline");
    Command::new("gate")
        .about("holds lanes I and R of a run against the baseline of its QEMU and kernel")
        .arg(file("results").required(true).value_name("RESULTS.json"))
        .arg(baseline.help("where the baselines are"))
        .arg(flag("bless").help("makes this run the baseline"))
        .arg(flag("strict").help("fails when there is no baseline"))
}

/// What its arguments ask for.
pub fn asked(given: &ArgMatches) -> Request {
    let path = |name| given.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    Request {
        results: path("results"),
        directory: path("baseline"),
        bless: given.get_flag("bless"),
        strict: given.get_flag("strict"),
    }
}

/// Fails when something got worse, or is gone.
///
/// # Errors
/// A sentence: the results can't be read, or say nothing of lane I.
pub fn gate(request: &Request) -> Result<ExitCode, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", request.results.display());
    let text = std::fs::read_to_string(&request.results).map_err(|why| told(&why))?;
    let results = Isobench::parse(&text).map_err(|why| told(&why))?;
    let machine = machine(&results).ok_or_else(|| told(&"lane I was not measured"))?.to_owned();
    let (file, found) = (Baseline::file(&request.directory, &machine), marks(&results));
    if request.bless {
        if let Some(problem) = results.problems.first() {
            return Err(told(&format!("{} went wrong: this is no baseline", problem.part)));
        }
        println!("{}: {} rows", file.display(), found.len());
        Baseline { machine, rows: found }.write(&file)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !file.exists() {
        println!("*** NOT GATED: no baseline for {machine}; write one with --bless ***");
        return Ok(if request.strict { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let lines = compare(&Baseline::read(&file)?.rows, &found);
    for line in lines.iter().filter(|line| line.verdict != Verdict::Same) {
        println!("{:>8}  {}", format!("{:?}", line.verdict).to_uppercase(), line.text);
    }
    let count =
        |wanted: fn(&Verdict) -> bool| lines.iter().map(|line| line.verdict).filter(wanted).count();
    let (failed, same) = (count(|verdict| verdict.fails()), count(|v| *v == Verdict::Same));
    println!("{machine}: {} rows, {same} as before, {failed} failed", lines.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
