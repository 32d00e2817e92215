//! `/proc` and `/sys` that are not what they seem, and writes that were to go there.

use crate::{decoy, names, plant_link};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::json;
use std::fs;

/// A directory that looks like the files of `/proc/self` that runtimes write.
#[track_caller]
fn fake_proc(bundle: &Bundle) -> std::path::PathBuf {
    let fake = bundle.path().join("fake-proc");
    for file in [
        "self/attr/exec",
        "self/attr/keycreate",
        "self/attr/current",
        "sys/kernel/msgmax",
        "sys/net/ipv4/ip_forward",
    ] {
        let path = fake.join(file);
        fs::create_dir_all(path.parent().must("find a parent")).must("make a directory");
        fs::write(path, "fake").must("write a file");
    }
    fake
}

#[test]
fn cve_2019_16884_a_volume_over_proc_gets_nothing_that_was_meant_for_the_kernel() {
    requires!(root, rrun);
    let bundle = Bundle::new();
    let fake = fake_proc(&bundle);
    // runc refuses the mount; here the writes go to a procfs of the runtime's own.
    let bundle = bundle
        .bind(&fake, "/proc", &[])
        .set("/linux/sysctl", json!({ "kernel.msgmax": "4321", "net.ipv4.ip_forward": "1" }))
        .args(["probe", "read", "/proc/sys/kernel/msgmax"]);
    bundle.run().success().stdout_is("fake");
    for file in ["self/attr/exec", "sys/kernel/msgmax", "sys/net/ipv4/ip_forward"] {
        assert_eq!(fs::read_to_string(fake.join(file)).must("read a fake"), "fake", "{file}");
    }
}

#[test]
fn cve_2019_19921_2023_27561_and_2025_54867_a_proc_or_sys_that_is_a_link_is_refused() {
    requires!(root);
    for (path, target) in [("proc", "/decoy"), ("proc", "tmp"), ("sys", "/"), ("sys", "../decoy")] {
        let bundle = Bundle::new();
        let outside = decoy(&bundle);
        plant_link(&bundle, path, target);
        bundle.run().failure();
        assert_eq!(names(&outside), ["ptmx"]);
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn cve_2025_52881_and_2025_62596_sysctls_reach_the_kernel_whatever_covers_their_place() {
    requires!(root, rrun);
    let bundle = Bundle::new();
    let fake = fake_proc(&bundle);
    let sysctl = json!({ "kernel.msgmax": "4321" });
    let bundle = bundle
        .mount("/proc/self/attr", "tmpfs", "tmpfs", &[])
        .bind(&fake.join("self/attr/exec"), "/proc/sys/kernel/msgmax", &[])
        .set("/linux/sysctl", sysctl)
        .args(["probe", "read", "/proc/sys/kernel/msgmax"]);
    bundle.run().success().stdout_is("fake");
    // In force, though the container's own file says otherwise: asked through another procfs.
    let bundle = bundle.edit(|config| {
        let mounts = config["mounts"].as_array_mut().must("find the mounts");
        mounts.push(json!({ "destination": "/other-proc", "type": "proc", "source": "proc" }));
    });
    let bundle = bundle.args(["probe", "read", "/other-proc/sys/kernel/msgmax"]);
    bundle.run().success().stdout_is("4321\n");
    assert_eq!(fs::read_to_string(fake.join("self/attr/exec")).must("read a fake"), "fake");
}

#[test]
fn cve_2019_16884_and_2025_52881_a_label_is_given_to_the_kernel_whatever_covers_its_place() {
    requires!(root, rrun, apparmor);
    for target in ["/proc", "/proc/self/attr"] {
        let bundle = Bundle::new();
        let fake = fake_proc(&bundle);
        fs::create_dir_all(fake.join("self/attr/apparmor")).must("make a directory");
        fs::write(fake.join("self/attr/apparmor/exec"), "fake").must("write a file");
        let source = if target == "/proc" { fake.clone() } else { fake.join("self/attr") };
        // The one profile that every kernel with AppArmor has.
        let bundle =
            bundle.bind(&source, target, &[]).set("/process/apparmorProfile", json!("unconfined"));
        bundle.run().success();
        for file in ["self/attr/exec", "self/attr/apparmor/exec"] {
            assert_eq!(fs::read_to_string(fake.join(file)).must("read a fake"), "fake", "{file}");
        }
    }
}

#[test]
fn cve_2023_25809_without_a_cgroup_namespace_of_its_own_a_user_namespaces_container_writes_no_cgroup()
 {
    // runc 1.1.5 closed it for the unified hierarchy alone.
    requires!(root, fixed("1.1.6"));
    let ids = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    let bundle = Bundle::new()
        .namespace("user")
        .set("/linux/uidMappings", ids.clone())
        .set("/linux/gidMappings", ids)
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev"])
        .args(["probe", "facts", "mounts"]);
    std::os::unix::fs::chown(bundle.rootfs(), Some(100_000), Some(100_000)).must("give it away");
    let seen = bundle.run().success().json();
    let mounts = seen["mounts"].as_array().must("find the mounts");
    let cgroups = mounts
        .iter()
        .filter(|mount| mount["type"].as_str().is_some_and(|t| t.starts_with("cgroup")));
    let mut found = 0;
    for mount in cgroups {
        found += 1;
        assert!(mount["options"].as_array().is_some_and(|o| o.contains(&json!("ro"))), "{mount}");
    }
    assert!(found > 0, "{seen}");
}
