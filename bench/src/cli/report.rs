//! `report`, `part`, `render`: measure, collect, write.

use rrun_bench::machine;
use rrun_bench::programs::Programs;
use rrun_bench::report::{html, markdown, readme_block};
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
    let mut run = machine::run(&Programs::ready());
    if wanted.iter().any(|part| part.name == "services") {
        // What is missing is a row of that part; here it is only not waited for twice.
        drop(rrun_bench::services::prepare());
    }
    if wanted.iter().any(|part| part.name == "engines") {
        // Likewise: packages and a client are fetched and built before the part's time runs.
        rrun_bench::engines::prepare();
    }
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let mut took = serde_json::Map::new();
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
        took.insert(part.name.to_owned(), since.elapsed().as_secs().into());
    }
    run["pace"] = request.pace.word().into();
    run["load at the end"] = machine::load().into();
    run["seconds"] = took.into();
    let results = Isobench { schema: SCHEMA, run, rows, problems };
    write(&request.directory, &results)?;
    eprintln!("{} s in all", began.elapsed().as_secs());
    for problem in &results.problems {
        eprintln!("WENT WRONG: {}: {}", problem.part, problem.what);
    }
    Ok(if results.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wanted(only: &[String]) -> Result<Vec<&'static suite::Part>, String> {
    if only.is_empty() {
        return Ok(PARTS.iter().collect());
    }
    only.iter().map(|name| suite::part(name)).collect()
}

fn write(directory: &Path, results: &Isobench) -> Result<(), String> {
    let json = serde_json::to_string(results).map_err(|why| format!("{why}"))?;
    put(directory, "isobench.json", &(json + "\n"))?;
    render(results, directory)
}

fn put(directory: &Path, name: &str, text: &str) -> Result<(), String> {
    let file = directory.join(name);
    fs::write(&file, text).map_err(|why| format!("write {}: {why}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

/// Writes report.md and report.html.
///
/// # Errors
/// A sentence.
pub fn render(results: &Isobench, directory: &Path) -> Result<(), String> {
    let told = |why: std::io::Error| format!("{}: {why}", directory.display());
    fs::create_dir_all(directory).map_err(told)?;
    put(directory, "report.md", &markdown(results))?;
    put(directory, "report.html", &html(results))
}

/// Reads a results file.
///
/// # Errors
/// A sentence that names the file.
pub fn read(file: &Path) -> Result<Isobench, String> {
    let text = fs::read_to_string(file).map_err(|why| format!("read {}: {why}", file.display()))?;
    Isobench::parse(&text).map_err(|why| format!("{}: {why}", file.display()))
}

/// Writes the README's block anew from a results file.
///
/// # Errors
/// A sentence.
pub fn readme(file: &Path, readme: &Path) -> Result<(), String> {
    let block = readme_block(&read(file)?);
    let text =
        fs::read_to_string(readme).map_err(|why| format!("read {}: {why}", readme.display()))?;
    let text = rrun_bench::report::with_block(&text, &block)
        .ok_or_else(|| format!("{} has no markers for the figures", readme.display()))?;
    fs::write(readme, text).map_err(|why| format!("write {}: {why}", readme.display()))
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
