//! `report` and `part`: measure, collect, write.

use rrun_bench::machine;
use rrun_bench::programs::Programs;
use rrun_bench::result::{Isobench, SCHEMA};
use rrun_bench::suite::{self, Context, PARTS, Pace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// What was asked for.
#[derive(Debug)]
pub struct Request {
    /// How much is measured.
    pub pace: Pace,
    /// These parts only, all if empty.
    pub only: Vec<String>,
    /// Where the results go.
    pub directory: PathBuf,
}

/// Measures all parts and writes what they found; fails when one went wrong, after writing.
///
/// # Errors
/// A sentence.
pub fn report(request: &Request) -> Result<ExitCode, String> {
    let told = |why: std::io::Error| format!("{}: {why}", request.directory.display());
    fs::create_dir_all(&request.directory).map_err(told)?;
    let wanted = wanted(&request.only)?;
    let began = Instant::now();
    eprintln!("building what is measured");
    let _programs = Programs::ready();
    if wanted.iter().any(|part| part.name == "services") {
        // What is missing is a row of that part; here it is only not waited for twice.
        drop(rrun_bench::services::prepare());
    }
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (number, part) in wanted.iter().enumerate() {
        let (since, all) = (Instant::now(), wanted.len());
        eprintln!("[{}/{all}] {}: {}", number + 1, part.name, part.about);
        match suite::run(part, request.pace, &request.directory) {
            Ok(found) => rows.extend(found),
            Err(problem) => {
                eprintln!("    WENT WRONG: {}", problem.what);
                problems.push(problem);
            }
        }
        eprintln!("    {:.0} s", since.elapsed().as_secs_f64());
    }
    let mut run = machine::facts();
    run["pace"] = request.pace.word().into();
    run["seconds"] = began.elapsed().as_secs().into();
    let results = Isobench { schema: SCHEMA, run, rows, problems };
    write(&request.directory, &results)?;
    Ok(if results.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wanted(only: &[String]) -> Result<Vec<&'static suite::Part>, String> {
    if only.is_empty() {
        return Ok(PARTS.iter().collect());
    }
    only.iter().map(|name| suite::part(name)).collect()
}

fn write(directory: &Path, results: &Isobench) -> Result<(), String> {
    let text = serde_json::to_string_pretty(results).map_err(|why| format!("{why}"))?;
    let file = directory.join("isobench.json");
    fs::write(&file, text + "\n").map_err(|why| format!("write {}: {why}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

/// Measures one part and leaves its rows in `out`.
///
/// # Errors
/// A sentence: what went wrong.
pub fn part(name: &str, pace: Pace, out: &Path) -> Result<ExitCode, String> {
    let part = suite::part(name)?;
    let context = Context { programs: Programs::ready(), pace };
    let rows = (part.measure)(&context)?;
    let text = serde_json::to_string(&rows).map_err(|why| format!("{why}"))?;
    fs::write(out, text).map_err(|why| format!("write {}: {why}", out.display()))?;
    Ok(ExitCode::SUCCESS)
}
