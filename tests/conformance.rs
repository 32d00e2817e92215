//! `docs/conformance.md` is what `tests/conformance/table.txt` and the names of our tests say, and nothing else.
//!
//! It knows which functions of this repository are tests. It refuses a row that claims something and names no test.
//! What a newcomer would get wrong: a test that is renamed takes its row along; the table says so at once, by its name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the table.
struct Row {
    name: String,
    verdict: String,
    tests: Vec<String>,
    note: String,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn rust_files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Every test function, with the file it is in.
fn all_tests() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    rust_files(&here("src"), &mut files);
    rust_files(&here("tests"), &mut files);
    let mut all = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let shown = file.strip_prefix(here("")).expect("inside").display().to_string();
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            match line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                Some((name, _)) if marked => {
                    all.insert(name.to_owned(), shown.clone());
                    marked = false;
                }
                Some(_) => marked = false,
                None if line == "#[test]" => marked = true,
                None => {}
            }
        }
    }
    all
}

/// The sections with their rows.
fn table() -> Vec<(String, Vec<Row>)> {
    let text = fs::read_to_string(here("tests/conformance/table.txt")).expect("the table");
    let mut sections: Vec<(String, Vec<Row>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), Vec::new()));
            continue;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, verdict, tests, note] = cells[..] else { panic!("no row of four: {line}") };
        let tests = tests.split(',').map(str::trim).filter(|name| !name.is_empty());
        sections.last_mut().expect("a section").1.push(Row {
            name: name.to_owned(),
            verdict: verdict.to_owned(),
            tests: tests.map(str::to_owned).collect(),
            note: note.to_owned(),
        });
    }
    sections
}

const HEAD: &str = "\
# Conformance

What rrun does of what the OCI runtime-spec 1.3 asks and what other runtimes have, and the tests that prove it. This page
is written by `UPDATE=1 cargo test --test conformance` from `tests/conformance/table.txt`; the test fails when a row names
a test that is not there, and when this page is older than the table. Y: yes; P: partly, as the note says; N: no.

Beside these rows, `tests/spec/whole.rs` walks the runtime-spec's own JSON schema: every field of it is handled, or refused
by name, and each is tried with values of wrong types, words that no list has, numbers out of range, as missing where it is
required, and twice. `cargo xtask conformance` runs `opencontainers/runtime-tools`' 58 validation programs; those that do
not pass are in `tests/conformance/known-gaps.toml`, each with its reason.

What is said about other runtimes was read in their sources: runc `76d9cf5`, crun `ba38286`, youki `bc78720`.
";

fn page(tests: &BTreeMap<String, String>) -> String {
    let mut page = HEAD.to_owned();
    for (title, rows) in table() {
        page.push_str(&format!(
            "\n## {title}\n\n| what | rrun | tests | note |\n|---|---|---|---|\n"
        ));
        for row in rows {
            let named = row.tests.iter().map(|name| {
                let file = tests.get(name).map(String::as_str).unwrap_or_default();
                format!("[`{name}`](../{file})")
            });
            let named = named.collect::<Vec<_>>().join(", ");
            let Row { name, verdict, note, .. } = &row;
            page.push_str(&format!("| {name} | {verdict} | {named} | {note} |\n"));
        }
    }
    page
}

#[test]
fn every_row_is_proved_by_tests_that_are_there() {
    let tests = all_tests();
    assert!(tests.len() > 500, "only {} tests were found", tests.len());
    let mut wrong = Vec::new();
    for row in table().into_iter().flat_map(|(_, rows)| rows) {
        let unknown = row.tests.iter().filter(|name| !tests.contains_key(*name));
        wrong.extend(unknown.map(|name| format!("{}: there is no test {name}", row.name)));
        match (row.verdict.as_str(), row.tests.is_empty(), row.note.is_empty()) {
            ("Y", false, _) | ("P", false, false) | ("N", true, false) => {}
            _ => wrong.push(format!("{}: {} wants tests or a note", row.name, row.verdict)),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_page_is_what_the_table_says() {
    let (path, page) = (here("docs/conformance.md"), page(&all_tests()));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).expect("write the page");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/conformance.md is stale: UPDATE=1 cargo test --test conformance"
    );
}

#[test]
fn every_defect_of_the_others_is_a_test_that_passes_here() {
    let sections = table();
    let defects = sections.iter().find(|(title, _)| title.starts_with("Defects"));
    let rows = &defects.expect("the section of defects").1;
    let open: Vec<&str> =
        rows.iter().filter(|row| row.verdict != "Y").map(|row| row.name.as_str()).collect();
    assert!(rows.len() >= 20 && open.is_empty(), "{} rows, open: {open:?}", rows.len());
}
