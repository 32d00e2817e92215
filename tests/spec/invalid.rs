//! Every file of `specs-invalid` gives exactly the one line that lies beside it.

use super::{fixtures, json_files};
use rrun::spec::Spec;
use std::path::Path;

#[test]
fn every_invalid_configuration_gives_its_one_line() {
    let files = json_files(&fixtures("specs-invalid"));
    assert!(files.len() >= 20, "only {} fixtures", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read(&path).expect("a fixture");
        let got = match Spec::parse(&text, Path::new("/bundle")) {
            Ok(_) => "it parses".to_owned(),
            Err(error) => error.to_string(),
        };
        let expected = std::fs::read_to_string(path.with_extension("error")).unwrap_or_default();
        if format!("{got}\n") != expected {
            wrong.push(format!("{}:\n  expected {expected}  got      {got}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_error_says_what_to_do() {
    for path in json_files(&fixtures("specs-invalid")) {
        let text = std::fs::read(&path).expect("a fixture");
        let error = Spec::parse(&text, Path::new("/bundle")).expect_err("an error");
        let fix = error.hint_text().unwrap_or_default();
        assert!(fix.len() > 5, "{}: {error}: what then? {fix:?}", path.display());
    }
}

#[test]
fn every_line_has_its_configuration() {
    for entry in std::fs::read_dir(fixtures("specs-invalid")).expect("the directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "error") {
            assert!(path.with_extension("json").is_file(), "{} is alone", path.display());
        }
    }
}

#[test]
fn a_damaged_configuration_is_an_error_of_one_line_or_another_configuration() {
    let path = fixtures("specs/engines/podman4.3-httpd-limits.json");
    let text = std::fs::read(path).expect("a fixture");
    for at in (0..text.len()).step_by(61) {
        for byte in *b"\"{}[],:0-\\\0\xff" {
            let mut damaged = text.clone();
            damaged[at] = byte;
            if let Err(error) = Spec::parse(&damaged, Path::new("/bundle")) {
                assert!(!error.to_string().contains('\n'), "{at}: {error}");
            }
        }
        assert!(Spec::parse(&text[..at], Path::new("/bundle")).is_err(), "cut at {at}");
    }
}
