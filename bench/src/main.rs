//! `rrun-bench`: what rrun costs and what its isolation gives, as tables and as a report.

mod cli;

use clap::{Arg, ArgMatches, Command, value_parser};
use cli::{gate, report, tables};
use rrun_bench::suite::Pace;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    answer(&commands().get_matches()).unwrap_or_else(|why| {
        eprintln!("rrun-bench: {why}");
        ExitCode::FAILURE
    })
}

fn commands() -> Command {
    let only = Arg::new("only").long("only").value_name("PART,…").value_delimiter(',');
    let out = Arg::new("out").long("out").value_parser(value_parser!(PathBuf)).required(true);
    let pace = Arg::new("pace").long("pace").value_parser(["quick", "full"]).default_value("full");
    let quick = Arg::new("quick").long("quick").action(clap::ArgAction::SetTrue);
    let directory = Arg::new("directory").long("directory").value_parser(value_parser!(PathBuf));
    let report = Command::new("report")
        .about("measures everything and writes isobench.json, report.md and report.html")
        .arg(quick.help("three minutes instead of thirty"))
        .arg(only.help("these parts of the suite only"))
        .arg(directory.default_value("target/isobench").help("where the results go"));
    let part =
        Command::new("part").hide(true).arg(Arg::new("name").required(true)).arg(pace).arg(out);
    let flag = |name| Arg::new(name).long(name).action(clap::ArgAction::SetTrue);
    let results = Arg::new("results").value_parser(value_parser!(PathBuf)).required(true);
    let baseline = Arg::new("baseline").long("baseline").value_parser(value_parser!(PathBuf));
    let gate = Command::new("gate")
        .about("holds lanes I and R of a run against the baseline of its QEMU and kernel")
        .arg(results.value_name("ISOBENCH.JSON"))
        .arg(baseline.default_value("bench/baseline").help("where the baselines are"))
        .arg(flag("bless").help("makes this run the baseline"))
        .arg(flag("strict").help("fails when there is no baseline"));
    Command::new("rrun-bench")
        .about("What rrun costs, and what its isolation gives, beside others and virtual machines")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([report, part, gate])
        .subcommands(tables::TABLES.map(|(name, about)| table(name, about)))
}

fn table(name: &'static str, about: &'static str) -> Command {
    let rounds = Arg::new("rounds").long("rounds").value_parser(value_parser!(usize));
    let json = Arg::new("json").long("json").value_name("FILE");
    Command::new(name)
        .about(format!("a table: {about}"))
        .arg(rounds.default_value("100").help("how often everyone has a turn"))
        .arg(json.help("keeps every sample"))
}

fn answer(matches: &ArgMatches) -> Result<ExitCode, String> {
    let Some((name, given)) = matches.subcommand() else { return Ok(ExitCode::FAILURE) };
    match name {
        "report" => report::report(&report::Request {
            pace: if given.get_flag("quick") { Pace::Quick } else { Pace::Full },
            only: given.get_many("only").unwrap_or_default().cloned().collect(),
            directory: path(given, "directory"),
        }),
        "part" => report::part(&text(given, "name"), pace(given), &path(given, "out")),
        "gate" => gate::gate(&gate::Request {
            results: path(given, "results"),
            directory: path(given, "baseline"),
            bless: given.get_flag("bless"),
            strict: given.get_flag("strict"),
        }),
        table => {
            let rounds = given.get_one("rounds").copied().unwrap_or(1);
            let json = given.get_one("json").cloned();
            tables::print(&tables::Request { table: table.to_owned(), rounds, json })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn text(given: &ArgMatches, name: &str) -> String {
    given.get_one::<String>(name).cloned().unwrap_or_default()
}

fn path(given: &ArgMatches, name: &str) -> PathBuf {
    given.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

fn pace(given: &ArgMatches) -> Pace {
    Pace::of(&text(given, "pace")).unwrap_or(Pace::Full)
}
