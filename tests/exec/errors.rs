//! Exit codes, and the words from which engines make theirs.

use super::{process_file, running, sleeper};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

#[test]
fn every_exit_code_comes_out_as_it_went_in() {
    requires!(root, busybox);
    let bundle = running();
    for code in [1, 2, 125, 126, 127, 128, 200, 254, 255] {
        bundle.exec(&[], &["sh", "-c", &format!("exit {code}")]).code(code);
    }
}

#[test]
fn death_by_a_signal_is_128_and_the_signal() {
    requires!(root);
    let bundle = running();
    for signal in [1, 2, 6, 9, 15] {
        bundle.exec(&[], &["probe", "kill-self", &signal.to_string()]).code(128 + signal);
    }
}

/// docker and podman answer 126 or 127 by these words.
#[test]
fn a_program_that_cannot_run_is_told_in_the_words_that_engines_look_for() {
    requires!(root);
    let bundle = running();
    let file = |name: &str, mode, text: &str| {
        let path = bundle.rootfs().join(name);
        fs::write(&path, text).must("write a file of the image");
        fs::set_permissions(&path, Permissions::from_mode(mode)).must("set its mode");
    };
    file("bin/plain", 0o644, "#!/bin/sh\n");
    file("bin/orphan", 0o755, "#!/no/such/interpreter\n");
    file("bin/noise", 0o755, "neither a script nor an ELF file\n");
    let cases: [(&str, &[&str]); 7] = [
        ("no-such-program", &["executable file not found in $PATH"]),
        ("/no/such/program", &["no such file or directory"]),
        ("/bin/plain", &["permission denied"]),
        // 126 by either.
        ("/tmp", &["is a directory", "permission denied"]),
        ("/etc/passwd/x", &["not a directory"]),
        ("/bin/orphan", &["no such file or directory"]),
        ("/bin/noise", &["exec format error"]),
    ];
    for (program, words) in cases {
        // Runc says 1 where it learns of it in the container only.
        let output = bundle.exec(&[], &[program]).failure();
        if bundle.runtime().is_rrun() {
            assert_eq!(output.exit_code(), 255, "{}", output.account());
        }
        let stderr = output.stderr().to_lowercase();
        let word = |word: &&str| stderr.contains(&word.to_lowercase());
        assert!(words.iter().any(word), "{program}: {words:?}\n{}", output.account());
        assert!(output.stderr().contains(program), "{program} is not named: {}", output.account());
    }
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_same_words_tell_why_a_container_cannot_be_made() {
    requires!(root);
    for (program, words) in [
        ("no-such-program", "executable file not found in $PATH"),
        ("/no/such/program", "no such file or directory"),
        ("/etc/passwd", "permission denied"),
    ] {
        let bundle = Bundle::new().args([program]);
        bundle.create().code(1).stderr_has(words);
        bundle.run().code(1).stderr_has(words);
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn a_broken_process_file_is_an_error_that_names_it() {
    requires!(root);
    let bundle = running();
    bundle.exec(&["--process", "/no/such/file"], &[]).code(255).stderr_has("/no/such/file");
    let file = process_file(&bundle, |process| process["args"] = json!([]));
    bundle.exec(&["--process", &file], &[]).code(255).stderr_has("args");
    let file = process_file(&bundle, |process| process["cwd"] = json!("not/absolute"));
    bundle.exec(&["--process", &file], &[]).code(255);
    fs::write(&file, "{ not json").must("write it");
    bundle.exec(&["--process", &file], &[]).code(255);
}

#[test]
fn nothing_runs_in_a_stopped_container() {
    requires!(root);
    let bundle = Bundle::new();
    bundle.up();
    bundle.expect_status("stopped");
    let output = bundle.exec(&[], &["probe", "exit", "0"]).code(255);
    output.stderr_has("cannot exec in a stopped container");
}

#[test]
fn a_created_container_can_be_entered_before_it_starts() {
    requires!(root);
    let bundle = sleeper();
    bundle.create().success();
    bundle.exec(&[], &["probe", "say", "early"]).success().stdout_is("early\n");
    assert_eq!(bundle.status(), "created");
    bundle.start().success();
    assert_eq!(bundle.status(), "running");
}
