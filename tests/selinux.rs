//! SELinux, where it is switched on at boot: `cargo xtask test` gives this file a guest with it.
//!
//! It knows one small policy (rootfs-fixtures/selinux), compiled and loaded by the first test, and enforced from then on.
//! What a newcomer would get wrong: before that every process is `kernel`, and rrun rightly says that SELinux is off.

use rrun_harness::{Bundle, Leftovers, Must, Runtime, requires, service_tree, workspace};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

const CONTAINER: &str = "system_u:system_r:container_t:s0:c1,c2";
const OTHER: &str = "system_u:system_r:container_t:s0:c0";
const FILES: &str = "system_u:object_r:container_file_t:s0:c1,c2";

/// What a program wrote to its end.
fn output(command: &mut Command) -> String {
    let output = command.output().must("start a program");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Loads the policy and puts it in force, once.
fn enforce() {
    static LOADED: OnceLock<()> = OnceLock::new();
    LOADED.get_or_init(|| {
        output(Command::new("mount").args(["-t", "selinuxfs", "selinuxfs", "/sys/fs/selinux"]));
        let tree = service_tree("secilc").must("unpack the compiler of policies");
        let libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
        let libraries = libraries.map(|path| tree.join(path).to_string_lossy().into_owned());
        let binary = std::env::temp_dir().join("policy");
        let mut compiler = Command::new(tree.join("lib64/ld-linux-x86-64.so.2"));
        compiler.args(["--library-path", &libraries.join(":")]).arg(tree.join("usr/bin/secilc"));
        compiler.arg("-o").arg(&binary).args(["-f", "/dev/null"]);
        output(compiler.arg(workspace().join("rootfs-fixtures/selinux/test.cil")));
        let policy = fs::read(&binary).must("read the policy");
        fs::write("/sys/fs/selinux/load", policy).must("load the policy");
        fs::write("/sys/fs/selinux/enforce", "1").must("put it in force");
    });
}

fn labelled() -> Bundle {
    Bundle::new().set("/process/selinuxLabel", json!(CONTAINER))
}

fn label_of(facts: &Value) -> &Value {
    &facts["labels"]["current"]
}

/// The context of a file as a running container has it.
fn context(bundle: &Bundle, path: &str) -> String {
    let path = format!("/proc/{}/root{path}", bundle.state()["pid"]);
    output(Command::new("stat").args(["--format=%C", &path]))
}

#[test]
fn a_container_has_its_label_and_is_held_to_it() {
    requires!(root, selinux);
    enforce();
    let facts = ["probe", "facts", "labels"];
    assert_eq!(label_of(&labelled().args(facts).facts()), CONTAINER);
    let secret = ["context=system_u:object_r:secret_t:s0", "mode=777"];
    let write = |bundle: Bundle| {
        bundle.mount("/srv", "tmpfs", "tmpfs", &secret).args(["probe", "write", "/srv/x", "x"])
    };
    write(Bundle::new()).run().success();
    let bundle = write(labelled());
    bundle.run().failure().stdout_has("EACCES");
}

#[test]
fn its_session_keyring_is_its_own() {
    requires!(root, selinux);
    enforce();
    // The policy shows a container no key of the system's.
    let bundle = labelled();
    let keyring = format!("_ses.{}", bundle.id());
    let seen = bundle.facts()["keyring"].as_str().must("see the keyring").to_owned();
    assert!(seen.ends_with(&keyring), "{seen}");
}

#[test]
fn an_exec_has_the_containers_label_or_the_one_it_asks_for() {
    requires!(root, selinux);
    enforce();
    let bundle = labelled().args(["probe", "sleep"]);
    bundle.up();
    let words = ["probe", "facts", "labels"];
    let seen = |flags: &[&str], words: &[&str]| {
        label_of(&bundle.exec(flags, words).success().json()).clone()
    };
    assert_eq!(seen(&[], &words), CONTAINER);
    assert_eq!(seen(&["--process-label", OTHER], &words), OTHER);
    let mut process = bundle.config()["process"].clone();
    process["args"] = json!(words);
    process["selinuxLabel"] = json!(OTHER);
    let file = bundle.path().join("process.json");
    fs::write(&file, process.to_string()).must("write process.json");
    assert_eq!(seen(&["--process", &file.to_string_lossy()], &[]), OTHER);
}

#[test]
fn what_is_mounted_has_the_mount_label_where_it_takes_one() {
    requires!(root, selinux);
    enforce();
    let bundle = labelled().set("/linux/mountLabel", json!(FILES));
    let bundle = bundle.set("/linux/maskedPaths", json!(["/sys/firmware"]));
    let bundle = bundle.args(["probe", "sleep"]);
    bundle.up();
    let mut places = vec!["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"];
    if Runtime::under_test().is_rrun() {
        // Runc 1.1.5 masks with a tmpfs, too; its label is the same by its own rules.
        places.push("/sys/firmware");
    }
    for place in places {
        assert_eq!(context(&bundle, place), FILES, "{place}");
    }
    for place in ["/proc", "/sys"] {
        assert!(!context(&bundle, place).contains("container_file_t"), "{place}");
    }
}

#[test]
fn a_label_that_the_policy_does_not_know_is_one_error_and_leaves_nothing() {
    requires!(root, selinux, rrun);
    enforce();
    let unknown = "system_u:system_r:nobody_t:s0";
    let bundle = Bundle::new().set("/process/selinuxLabel", json!(unknown));
    let output = bundle.run().failure().stderr_has(unknown);
    output.stderr_has("(at /process/selinuxLabel); the policy that is loaded has no such");
    Leftovers::assert_none(&bundle);
}

/// A directory that looks like the files of `/proc/self` that a runtime writes to.
fn fake_proc(at: &Path) {
    for file in ["self/attr/exec", "self/attr/keycreate", "self/attr/current"] {
        let path = at.join(file);
        fs::create_dir_all(path.parent().must("find a parent")).must("make a directory");
        fs::write(path, "fake").must("write a file");
    }
}

#[test]
fn cve_2019_16884_a_volume_over_proc_does_not_catch_the_label() {
    // Runc refuses the mount.
    requires!(root, selinux, rrun);
    enforce();
    let bundle = labelled();
    let fake = bundle.path().join("fake-proc");
    fake_proc(&fake);
    let secret = ["context=system_u:object_r:secret_t:s0", "mode=777"];
    let bundle = bundle
        .bind(&fake, "/proc", &[])
        .mount("/srv", "tmpfs", "tmpfs", &secret)
        .args(["probe", "write", "/srv/x", "x"]);
    bundle.run().failure().stdout_has("EACCES");
    for file in ["self/attr/exec", "self/attr/keycreate"] {
        assert_eq!(fs::read_to_string(fake.join(file)).must("read a fake"), "fake", "{file}");
    }
}
