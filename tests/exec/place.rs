//! Where the process is: the container's namespaces, filter and cgroup.

use super::{detached, init_of, process_file, running, sleeper};
use rrun_harness::{Bundle, Must, eventually, requires};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

fn assert_same_namespaces(bundle: &Bundle) {
    let facts = bundle.exec(&[], &["probe", "facts", "namespaces"]).success().json();
    for kind in NAMESPACES {
        let link = fs::read_link(format!("/proc/{}/ns/{kind}", init_of(bundle)));
        let link = link.must("read a namespace of the container").display().to_string();
        let inode = facts["namespaces"][kind].to_string();
        assert!(link.contains(&inode), "{kind}: {link} and {inode}");
    }
}

#[test]
fn every_namespace_is_the_containers() {
    requires!(root);
    let bundle = sleeper().namespace("cgroup");
    // Runc knows time namespaces since 1.2.
    let bundle = if bundle.runtime().is_rrun() { bundle.namespace("time") } else { bundle };
    bundle.up();
    assert_same_namespaces(&bundle);
}

#[test]
fn a_user_namespace_is_entered_too() {
    requires!(root);
    let maps = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    let bundle = sleeper()
        .namespace("user")
        .set("/linux/uidMappings", maps.clone())
        .set("/linux/gidMappings", maps)
        .owned_by(100_000, 100_000);
    bundle.up();
    assert_same_namespaces(&bundle);
    let facts = bundle.exec(&["--user", "5:6"], &["probe", "facts", "user", "uid_map"]).json();
    assert_eq!((&facts["user"]["uid"], &facts["user"]["gid"]), (&json!(5), &json!(6)));
    assert!(facts["uid_map"].as_str().is_some_and(|map| map.contains("100000")), "{facts}");
    // Mapped to nobody.
    bundle.exec(&["--user", "70000"], &["probe", "exit", "0"]).code(255);
}

#[test]
fn the_containers_filter_applies() {
    requires!(root);
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{ "names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }],
    });
    for no_new_privileges in [true, false] {
        let bundle = sleeper()
            .set("/linux/seccomp", profile.clone())
            .set("/process/noNewPrivileges", json!(no_new_privileges));
        bundle.up();
        let facts = bundle.exec(&[], &["probe", "facts", "status"]).success().json();
        assert_eq!(facts["status"]["seccomp"], 2);
        // getpriority is 140.
        bundle.exec(&[], &["probe", "syscall", "140", "0", "0"]).code(1).stdout_is("EOPNOTSUPP\n");
        let file = process_file(&bundle, |process| {
            process["args"] = json!(["/bin/probe", "syscall", "140", "0", "0"]);
        });
        bundle.exec(&["--process", &file], &[]).code(1).stdout_is("EOPNOTSUPP\n");
    }
}

/// The cgroups of a process, by hierarchy.
fn cgroups_of(pid: i64) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).must("read the cgroups of a process")
}

/// The directory of the container's cgroup in cgroup2.
fn unified_of(bundle: &Bundle) -> PathBuf {
    let own = cgroups_of(init_of(bundle));
    let path = own.lines().find_map(|line| line.strip_prefix("0::/")).must("find the cgroup2 path");
    let hybrid = PathBuf::from("/sys/fs/cgroup/unified");
    let mount = if hybrid.is_dir() { hybrid } else { PathBuf::from("/sys/fs/cgroup") };
    mount.join(path)
}

#[test]
fn the_process_is_in_the_containers_cgroups() {
    requires!(root);
    let bundle = running();
    let pid = detached(&bundle, "pid");
    assert_eq!(cgroups_of(pid), cgroups_of(init_of(&bundle)));
}

#[test]
fn a_cgroup_below_the_containers_can_be_chosen() {
    // Runc wants one path for each v1 controller.
    requires!(root, rrun);
    let bundle = running();
    let below = unified_of(&bundle).join("below");
    fs::create_dir(&below).must("make a cgroup below the container's");
    let file = bundle.path().join("pid").to_string_lossy().into_owned();
    let flags = |path| ["--cgroup", path, "--detach", "--pid-file", &file].map(str::to_owned);
    for path in ["below", "/below"] {
        let flags = flags(path);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        bundle.exec(&flags, &["probe", "sleep"]).success();
        let pid = super::pid_in(&PathBuf::from(&file));
        assert!(cgroups_of(pid).lines().any(|l| l.starts_with("0::") && l.ends_with("/below")));
    }
    for path in ["nowhere", "../..", "below/../../.."] {
        bundle.exec(&["--cgroup", path], &["probe", "exit", "0"]).code(255).stderr_has(path);
    }
}

/// Of a v1 hierarchy by its controller; the others are left as they are.
#[test]
fn a_cgroup_can_be_chosen_for_one_controller() {
    requires!(root, rrun);
    let bundle = sleeper().set("/linux/resources/pids", serde_json::json!({ "limit": 50 }));
    bundle.up();
    let init = cgroups_of(init_of(&bundle));
    let v1 = init.lines().find_map(|line| line.split_once(":pids:").map(|(_, path)| path));
    let Some(path) = v1 else {
        let output = bundle.exec(&["--cgroup", "pids:below"], &["probe", "exit", "0"]).code(255);
        output.stderr_has("no v1 cgroup of \"pids\"");
        return;
    };
    let below =
        PathBuf::from("/sys/fs/cgroup/pids").join(path.trim_start_matches('/')).join("below");
    fs::create_dir(&below).must("make a cgroup below the container's");
    let file = bundle.path().join("pid");
    let name = file.to_string_lossy().into_owned();
    let flags = ["--cgroup", "pids:below", "--detach", "--pid-file", &name];
    bundle.exec(&flags, &["probe", "sleep"]).success();
    let own = cgroups_of(super::pid_in(&file));
    for line in init.lines() {
        let expected =
            if line.contains(":pids:") { format!("{line}/below") } else { line.to_owned() };
        assert!(own.lines().any(|own| own == expected), "{expected} is not in {own}");
    }
    bundle.exec(&["--cgroup", "pids:nowhere"], &["probe", "exit", "0"]).code(255);
    bundle.exec(&["--cgroup", "nobody:below"], &["probe", "exit", "0"]).code(255);
}

/// What systemd, BuildKit and Docker-in-Docker do: make a cgroup for themselves, and enable controllers beside it. The
/// kernel refuses processes in a cgroup that hands controllers down.
#[test]
fn a_container_that_moved_itself_into_a_cgroup_of_its_own_can_be_entered() {
    // A v1 host's runc does not put the container into cgroup2 at all.
    requires!(root, rrun);
    let bundle = running();
    let own = unified_of(&bundle);
    let init = own.join("init");
    fs::create_dir(&init).must("make a cgroup");
    fs::write(init.join("cgroup.procs"), init_of(&bundle).to_string()).must("move the process");
    let controllers = fs::read_to_string(own.join("cgroup.controllers")).must("read controllers");
    let enabled: Vec<String> =
        controllers.split_whitespace().take(1).map(|name| format!("+{name}")).collect();
    assert!(!enabled.is_empty(), "the container's cgroup has no controllers");
    fs::write(own.join("cgroup.subtree_control"), &enabled[0]).must("enable a controller");

    bundle.exec(&[], &["probe", "say", "in"]).success().stdout_is("in\n");
    let pid = detached(&bundle, "pid");
    assert_eq!(cgroups_of(pid), cgroups_of(init_of(&bundle)));
}

#[test]
fn a_paused_container_is_entered_only_on_demand() {
    // Frozen by hand, in cgroup2.
    requires!(root, rrun);
    let bundle = running();
    let own = unified_of(&bundle);
    fs::write(own.join("cgroup.freeze"), "1").must("freeze the container");
    bundle.expect_status("paused");
    let output = bundle.exec(&[], &["probe", "exit", "0"]).code(255);
    output.stderr_has("paused");
    let waiting = bundle.start_exec(&["--ignore-paused"], &["probe", "exit", "5"]);
    let born = || {
        let procs = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
        procs.lines().count() == 2
    };
    assert!(eventually(born), "no second process came");
    fs::write(own.join("cgroup.freeze"), "0").must("thaw the container");
    waiting.wait().code(5);
}
