//! AppArmor, where it is in force: the guest's kernel has it on.
//!
//! It knows a profile that allows all but writing to one place, loaded for each test by the distribution's own parser.
//! A test here also holds for runc, unless it says `requires!(rrun)` and why.

use rrun_harness::{Bundle, Leftovers, Must, requires, service_tree};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A profile that is loaded; its end unloads it.
struct Profile {
    name: String,
    text: String,
}

impl Profile {
    /// Forbids to write to this file.
    fn forbidding(bundle: &Bundle, file: &str) -> Profile {
        let name = format!("{}-{}", bundle.id(), file.trim_start_matches('/').replace('/', "-"));
        let text = format!(
            "profile {name} flags=(attach_disconnected) {{\n  file,\n  capability,\n  signal,\n  mount,\n  deny {file} w,\n}}\n"
        );
        let profile = Profile { name, text };
        profile.parser("--replace");
        profile
    }

    /// Asks the parser, with the libraries that it was built for.
    fn parser(&self, what: &str) {
        let tree = service_tree("apparmor").must("unpack AppArmor's parser");
        let libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
        let libraries = libraries.map(|path| tree.join(path).to_string_lossy().into_owned());
        let mut command = Command::new(tree.join("lib64/ld-linux-x86-64.so.2"));
        command.args(["--library-path", &libraries.join(":")]);
        command.arg(tree.join("sbin/apparmor_parser")).args([what, "--skip-cache"]);
        let mut child = command.stdin(Stdio::piped()).spawn().must("start the parser");
        let mut stdin = child.stdin.take().must("find its input");
        stdin.write_all(self.text.as_bytes()).must("give it the profile");
        drop(stdin);
        assert!(child.wait().must("wait for the parser").success(), "{what} {}", self.text);
    }

    /// As the kernel shows a process under it.
    fn enforced(&self) -> Value {
        json!(format!("{} (enforce)", self.name))
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // A profile that could not be loaded has failed its test already.
        if !std::thread::panicking() {
            self.parser("--remove");
        }
    }
}

fn labels() -> [&'static str; 3] {
    ["probe", "facts", "labels"]
}

#[test]
fn a_container_runs_under_its_profile() {
    requires!(root, apparmor);
    let bundle = Bundle::new();
    let profile = Profile::forbidding(&bundle, "/tmp/forbidden");
    let write = ["probe", "write", "/tmp/forbidden", "x"];
    let bundle = bundle.set("/root/readonly", json!(false)).args(write);
    bundle.run().success();
    let bundle = bundle.set("/process/apparmorProfile", json!(profile.name));
    bundle.run().failure().stdout_has("EACCES");
    let bundle = bundle.args(labels());
    assert_eq!(bundle.run().success().json()["labels"]["apparmor"], profile.enforced());
    // A program that may gain privileges has it, too.
    let bundle = bundle.set("/process/noNewPrivileges", json!(false));
    assert_eq!(bundle.run().success().json()["labels"]["apparmor"], profile.enforced());
}

#[test]
fn so_does_one_of_other_users() {
    requires!(root, apparmor);
    let bundle = Bundle::new();
    let profile = Profile::forbidding(&bundle, "/tmp/forbidden");
    let bundle = bundle.owned_by(100_000, 100_000).mapped(&[(0, 100_000, 65_536)]);
    let bundle = bundle.set("/process/apparmorProfile", json!(profile.name)).args(labels());
    assert_eq!(bundle.run().success().json()["labels"]["apparmor"], profile.enforced());
}

#[test]
fn an_exec_has_the_containers_profile_or_the_one_it_asks_for() {
    requires!(root, apparmor);
    let bundle = Bundle::new();
    let own = Profile::forbidding(&bundle, "/tmp/forbidden");
    let other = Profile::forbidding(&bundle, "/tmp/other");
    let bundle = bundle.set("/process/apparmorProfile", json!(own.name));
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let seen = |flags: &[&str], words: &[&str]| {
        bundle.exec(flags, words).success().json()["labels"]["apparmor"].clone()
    };
    assert_eq!(seen(&[], &labels()), own.enforced());
    assert_eq!(seen(&["--apparmor", &other.name], &labels()), other.enforced());
    let mut process = bundle.config()["process"].clone();
    process["args"] = json!(labels());
    process["apparmorProfile"] = json!(other.name);
    let file = bundle.path().join("process.json");
    fs::write(&file, process.to_string()).must("write process.json");
    assert_eq!(seen(&["--process", &file.to_string_lossy()], &[]), other.enforced());
}

#[test]
fn a_profile_that_is_not_loaded_is_one_error_and_leaves_nothing() {
    // Runc's error names the file that it wrote to.
    requires!(root, apparmor, rrun);
    let bundle = Bundle::new().set("/process/apparmorProfile", json!("no-such-profile"));
    let output = bundle.run().failure().stderr_has("AppArmor exec no-such-profile");
    output.stderr_has("(at /process/apparmorProfile); the profile is not loaded: load it with");
    Leftovers::assert_none(&bundle);
}

/// A directory that looks like the files of `/proc/self` that a runtime writes to.
fn fake_proc(at: &Path) {
    for file in ["self/attr/apparmor/exec", "self/attr/exec", "self/attr/current"] {
        let path = at.join(file);
        fs::create_dir_all(path.parent().must("find a parent")).must("make a directory");
        fs::write(path, "fake").must("write a file");
    }
}

#[test]
fn cve_2019_16884_a_volume_over_proc_does_not_catch_the_profile() {
    // Runc refuses the mount.
    requires!(root, apparmor, rrun);
    let bundle = Bundle::new();
    let profile = Profile::forbidding(&bundle, "/tmp/forbidden");
    let fake = bundle.path().join("fake-proc");
    fake_proc(&fake);
    let bundle = bundle
        .bind(&fake, "/proc", &[])
        .set("/process/apparmorProfile", json!(profile.name))
        .args(["probe", "write", "/tmp/forbidden", "x"]);
    bundle.run().failure().stdout_has("EACCES");
    for file in ["self/attr/apparmor/exec", "self/attr/exec"] {
        assert_eq!(fs::read_to_string(fake.join(file)).must("read a fake"), "fake", "{file}");
    }
}

#[test]
fn cve_2025_52881_a_profile_is_not_led_astray_to_another_file_of_proc() {
    // Runc 1.1.5 has this hole.
    requires!(root, apparmor, rrun);
    let bundle = Bundle::new();
    let profile = Profile::forbidding(&bundle, "/tmp/forbidden");
    let bundle = bundle
        .mount("/proc/self/attr", "tmpfs", "tmpfs", &[])
        .set("/process/apparmorProfile", json!(profile.name))
        .args(["probe", "write", "/tmp/forbidden", "x"]);
    bundle.run().failure().stdout_has("EACCES");
}
