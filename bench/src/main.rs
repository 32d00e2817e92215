//! `rrun-bench`: what rrun costs and what its isolation gives, as tables and as a report.

mod cli;

use clap::{Arg, ArgMatches, Command, value_parser};
use cli::{report, tables};
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
    let file = |name: &'static str| {
        Arg::new(name)
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .value_name("RESULTS.json")
    };
    let compare = Command::new("compare")
        .about("two result files side by side, with intervals and a verdict or \"inconclusive\"")
        .args([file("a"), file("b")]);
    let render =
        Command::new("render").about("report.md and report.html from a result file").args([
            file("file"),
            Arg::new("directory")
                .long("directory")
                .value_parser(value_parser!(PathBuf))
                .default_value("."),
        ]);
    let readme = Command::new("readme").about("the README's figures from a result file").args([
        file("file"),
        Arg::new("readme").required(true).value_parser(value_parser!(PathBuf)),
    ]);
    Command::new("rrun-bench")
        .about("What rrun costs, and what its isolation gives, beside others and virtual machines")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([report, part, render, compare, readme])
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
        "render" => {
            let results = report::read(&path(given, "file"))?;
            report::render(&results, &path(given, "directory"))?;
            Ok(ExitCode::SUCCESS)
        }
        "compare" => {
            let [a, b] = ["a", "b"].map(|name| report::read(&path(given, name)));
            print!("{}", rrun_bench::compare::table(&a?, &b?));
            Ok(ExitCode::SUCCESS)
        }
        "readme" => {
            report::readme(&path(given, "file"), &path(given, "readme"))?;
            Ok(ExitCode::SUCCESS)
        }
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
