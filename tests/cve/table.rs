//! The table of `docs/security.md` names what there is: every test of a CVE, and none that is not there.

use rrun_harness::Must;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every Rust file below a directory of the workspace.
#[track_caller]
fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).must("list the sources") {
        let path = entry.must("list the sources").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The functions of a source whose names begin so.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim_start);
    let names = lines.filter_map(|line| line.strip_prefix("fn ")?.split(['(', '<']).next());
    names.filter(|name| name.starts_with("cve_"))
}

/// `(file, test)` of each line `file: test` in backticks of the document.
fn named(document: &str) -> BTreeSet<(String, String)> {
    let quoted = document.split('`').skip(1).step_by(2);
    let pairs = quoted.filter_map(|text| text.split_once(".rs: "));
    pairs.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

#[test]
fn the_document_names_every_test_of_a_cve_and_no_other() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/security.md")).must("read it");
    let mut files = Vec::new();
    for directory in ["src", "tests"] {
        sources(&Path::new(ROOT).join(directory), &mut files);
    }
    let mut there = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).must("read a source");
        let short = file.strip_prefix(ROOT).must("a path of ours").display().to_string();
        there.extend(functions(&text).map(|name| (short.clone(), name.to_owned())));
    }
    let named = named(&document);
    let missing: Vec<_> = there.difference(&named).collect();
    let gone: Vec<_> = named
        .difference(&there)
        .filter(|(file, test)| {
            let text = fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default();
            !text.contains(&format!("fn {test}("))
        })
        .collect();
    assert!(missing.is_empty(), "docs/security.md does not name {missing:#?}");
    assert!(gone.is_empty(), "docs/security.md names tests that are not there: {gone:#?}");
}

#[test]
fn each_cve_of_the_table_is_in_the_name_of_a_test_in_its_row() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/security.md")).must("read it");
    let mut rows = 0;
    for row in document.lines().filter(|line| line.starts_with("| CVE-")) {
        let cell = row.split('|').nth(1).unwrap_or_default();
        let mut found = 0;
        for number in cell.split(|c: char| !(c.is_ascii_digit() || c == '-')) {
            let Some((year, rest)) = number.trim_matches('-').split_once('-') else { continue };
            let name = format!("{year}_{rest}");
            let tests = row.split('`').filter(|text| text.contains(".rs: cve_"));
            let mut tests = tests.filter(|text| text.contains(&name));
            assert!(
                tests.next().is_some(),
                "no test of this row is named by CVE-{year}-{rest}: {row}"
            );
            found += 1;
        }
        assert!(found > 0, "{row}");
        rows += 1;
    }
    assert!(rows >= 18, "only {rows} rows");
}
