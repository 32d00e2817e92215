//! The configurations of `specs-invalid` through the binary: one line, exit code 1, and nothing made.

use crate::fixture::{Root, stderr, stdout};
use std::fs;
use std::path::Path;

#[test]
fn an_invalid_configuration_is_one_line_an_exit_code_and_nothing_else() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs-fixtures/specs-invalid");
    let root = Root::new();
    let bundle = root.path("bundle");
    fs::create_dir_all(bundle.join("rootfs")).unwrap();
    let mut tried = 0;
    for entry in fs::read_dir(fixtures).unwrap().flatten() {
        if entry.path().extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        tried += 1;
        fs::copy(entry.path(), bundle.join("config.json")).unwrap();
        let line = fs::read_to_string(entry.path().with_extension("error")).unwrap();
        for verb in ["run", "create"] {
            let output = root.rrun(&format!("{verb} --bundle {} web", bundle.display()));
            let case = format!("{verb} of {}", entry.path().display());
            assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{case}");
            let said = stderr(&output);
            assert!(said.ends_with(&line) && said.lines().count() == 1, "{case}: {said}");
            let left: Vec<_> = fs::read_dir(root.path("state")).into_iter().flatten().collect();
            assert!(left.is_empty(), "{case} left {left:?}");
        }
    }
    assert!(tried > 80, "{tried} configurations only");
    let names = fs::read_dir(bundle).unwrap().flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["config.json", "rootfs"]);
}
