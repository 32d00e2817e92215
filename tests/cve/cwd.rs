//! Descriptors that the runtime left open, and working directories that lead out by them.

use rrun_harness::{Bundle, Leftovers, Must, Output, Running, Stdio, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

#[test]
fn cve_2024_21626_no_working_directory_leads_out() {
    requires!(root);
    for number in 3..=20 {
        let cwd = format!("/proc/self/fd/{number}");
        let bundle = Bundle::new().set("/process/cwd", json!(cwd)).args(["probe", "facts", "cwd"]);
        bundle.write_config();
        let path = bundle.path().to_string_lossy().into_owned();
        let output = leaking(&bundle, &["run", "--bundle", &path, bundle.id()]);
        output.failure();
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn cve_2024_21626_exec_and_links_of_the_image_do_not_lead_out_either() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    symlink("/proc/self/fd/7", bundle.rootfs().join("work")).must("make a link");
    symlink("/proc/1/cwd", bundle.rootfs().join("first")).must("make a link");
    bundle.up();
    for number in 3..=12 {
        let cwd = format!("/proc/self/fd/{number}");
        let words = ["exec", "--cwd", &cwd, bundle.id(), "probe", "facts", "cwd"];
        leaking(&bundle, &words).failure();
    }
    let words = ["exec", "--cwd", "/work", bundle.id(), "probe", "facts", "cwd"];
    leaking(&bundle, &words).failure();
    // A directory of the container by way of its first process is inside, and allowed.
    let seen = bundle.exec(&["--cwd", "/first"], &["probe", "facts", "cwd"]).success().json();
    assert_eq!(seen["cwd"], "/");
}

/// The runtime called by a shell that leaks directories of the host as descriptors 3 to 9.
#[track_caller]
fn leaking(bundle: &Bundle, words: &[&str]) -> Output {
    let command = bundle.runtime().command(words);
    let script = "exec 3</ 4</ 5</ 6</ 7</ 8</ 9</; exec \"$@\"";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    Running::start(shell, &Stdio::Kept, bundle.path()).wait()
}

#[test]
fn cve_2024_21626_a_working_directory_outside_is_refused_by_whatever_way_it_leads() {
    requires!(root);
    // No descriptor was left open here: the way is a process of the host's, seen in its own pid namespace, and this
    // container may look into it.
    let sets = json!(["CAP_SYS_PTRACE"]);
    let capabilities = json!({ "bounding": sets, "permitted": sets, "effective": sets });
    let outside = format!("/proc/{}/root/etc", std::process::id());
    let bundle =
        Bundle::new().without_namespace("pid").set("/process/capabilities", capabilities.clone());
    let bundle = bundle.set("/process/cwd", json!(outside)).args(["probe", "facts", "cwd"]);
    bundle.run().failure().stdout_is("");
    Leftovers::assert_none(&bundle);

    let bundle = bundle.set("/process/cwd", json!("/")).args(["probe", "sleep"]);
    bundle.up();
    // The way is there: only its use as a working directory is refused.
    bundle.exec(&[], &["probe", "stat", &outside]).success().stdout_has("\"dir\"");
    bundle.exec(&["--cwd", &outside], &["probe", "facts", "cwd"]).failure().stdout_is("");
}

#[test]
fn cve_2024_21626_while_a_container_waits_it_holds_no_directory_of_the_host() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    leaking(&bundle, &["create", "--bundle", &path, bundle.id()]).success();
    let pid = bundle.state()["pid"].to_string();
    let root = fs::metadata("/").must("look at the host's root");
    let mut seen = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).must("list the descriptors") {
        let entry = entry.must("list the descriptors").path();
        let found = fs::metadata(&entry).must("look at a descriptor");
        assert_ne!((found.dev(), found.ino()), (root.dev(), root.ino()), "{}", entry.display());
        seen += 1;
    }
    assert!(seen > 3, "its streams and the gate were not even there");
}
