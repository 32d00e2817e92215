//! Where a destination lies: in the rootfs, whatever links the image has on the way.

use crate::{facts_of, words};
use rrun_harness::{Bundle, Leftovers, Must, Runtime, mount_at, requires};
use std::fs;
use std::os::unix::fs::symlink;

/// The paths of the container's mounts.
fn points(facts: &serde_json::Value) -> Vec<String> {
    let mounts = facts["mounts"].as_array().must("find the mounts");
    mounts.iter().filter_map(|mount| Some(mount["at"].as_str()?.to_owned())).collect()
}

#[test]
fn destinations_are_taken_as_the_container_would_take_them() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "mounts"]);
    let rootfs = bundle.rootfs();
    for (name, target) in [
        ("absolute", "/real/absolute"),
        ("relative", "real/relative"),
        ("climbing", "../../../../../../../../real/climbing"),
        ("chain", "absolute/chain"),
    ] {
        symlink(target, rootfs.join(name)).must("make a link");
        fs::create_dir_all(rootfs.join("real").join(name)).must("make a directory");
    }
    fs::create_dir(rootfs.join("real/absolute/chain")).must("make a directory");
    let bundle = bundle
        .mount("/absolute/a", "tmpfs", "tmpfs", &[])
        .mount("/relative", "tmpfs", "tmpfs", &[])
        .mount("/climbing", "tmpfs", "tmpfs", &[])
        .mount("/chain", "tmpfs", "tmpfs", &[])
        .mount("word", "tmpfs", "tmpfs", &[])
        .mount("/a//b/./c/../d/", "tmpfs", "tmpfs", &[])
        .mount("/../../up", "tmpfs", "tmpfs", &[]);
    let points = points(&bundle.run().success().json());
    for path in [
        "/real/absolute/a",
        "/real/relative",
        "/real/climbing",
        "/real/absolute/chain",
        "/word",
        "/a/b/d",
        "/up",
    ] {
        assert!(points.iter().any(|point| point == path), "{path} is not in {points:?}");
    }
}

#[test]
fn what_is_missing_is_made_a_file_for_a_file_and_a_directory_for_a_directory() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "facts", "mounts"]);
    let file = bundle.path().join("file");
    let directory = bundle.path().join("directory");
    fs::write(&file, "content").must("write a file");
    fs::create_dir(&directory).must("make a directory");
    let bundle = bundle
        .bind(&file, "/new/place/for/file", &[])
        .bind(&directory, "/new/place/for/directory", &[])
        .bind(&file, "/etc/passwd", &["ro"]);
    let facts = bundle.run().success().json();
    assert!(fs::metadata(bundle.rootfs().join("new/place/for/file")).is_ok_and(|f| f.is_file()));
    assert!(
        fs::metadata(bundle.rootfs().join("new/place/for/directory")).is_ok_and(|d| d.is_dir())
    );
    assert_eq!(mount_at(&facts, "/etc/passwd")["at"], "/etc/passwd");
    assert!(words(&facts, "/etc/passwd", "options").contains(&"ro".to_owned()));
}

#[test]
fn a_file_is_mounted_where_a_dangling_link_of_the_image_leads() {
    // /etc/resolv.conf of many images is a link to where systemd would put the file.
    requires!(root);
    let bundle = Bundle::new();
    let (rootfs, file) = (bundle.rootfs(), bundle.path().join("resolv.conf"));
    fs::write(&file, "nameserver").must("write a file");
    for (name, target) in [
        ("resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        ("absolute", "/nowhere/yet"),
        ("outward", "../../../../../../../rrun-outward/yet"),
    ] {
        symlink(target, rootfs.join("etc").join(name)).must("make a link");
    }
    symlink("/var/absent", rootfs.join("directory-link")).must("make a link");
    let bundle = bundle
        .args(["probe", "facts", "mounts"])
        .bind(&file, "/etc/resolv.conf", &[])
        .bind(&file, "/etc/absolute", &[])
        .bind(&file, "/etc/outward", &[])
        .bind(&file, "/directory-link/below", &[]);
    let points = points(&bundle.run().success().json());
    for path in [
        "/run/systemd/resolve/stub-resolv.conf",
        "/nowhere/yet",
        "/rrun-outward/yet",
        "/var/absent/below",
    ] {
        assert!(points.iter().any(|point| point == path), "{path} is not in {points:?}");
    }
    assert!(!std::path::Path::new("/rrun-outward").exists(), "a link led out of the rootfs");
}

#[test]
fn a_link_that_leads_to_itself_is_an_error() {
    requires!(root);
    let bundle = Bundle::of_tree("hostile-links", &Runtime::under_test());
    let bundle = bundle.edit(|config| {
        config["mounts"] = serde_json::json!([
            { "destination": "/loop/below", "type": "tmpfs", "source": "tmpfs" },
        ]);
        config["linux"]["maskedPaths"] = serde_json::json!([]);
        config["linux"]["readonlyPaths"] = serde_json::json!([]);
    });
    bundle.run().failure();
    Leftovers::assert_none(&bundle);
}

#[test]
fn mounts_lie_on_one_another_in_the_order_of_the_list() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let volume = bundle.path().join("volume");
    fs::create_dir_all(volume.join("inner")).must("make a directory");
    fs::write(volume.join("inner/seen"), "").must("write a file");
    let bundle = bundle
        .mount("/outer", "tmpfs", "tmpfs", &[])
        .mount("/outer/middle", "tmpfs", "tmpfs", &[])
        .bind(&volume, "/outer/middle/volume", &[])
        .mount("/outer/middle/volume/inner", "tmpfs", "tmpfs", &[])
        .mount("/same", "tmpfs", "first", &[])
        .mount("/same", "tmpfs", "second", &[]);
    bundle.up();
    let facts = facts_of(&bundle, &["mounts"]);
    let inner = mount_at(&facts, "/outer/middle/volume/inner");
    assert_eq!(inner["parent"], mount_at(&facts, "/outer/middle/volume")["id"]);
    assert_eq!(mount_at(&facts, "/same")["source"], "second");
    let hidden = bundle.exec(&[], &["probe", "read", "/outer/middle/volume/inner/seen"]);
    hidden.failure().stdout_is("ENOENT\n");
}

#[test]
fn proc_and_sys_go_on_directories_only() {
    // CVE-2019-19921, CVE-2023-27561: what comes later trusts what lies there.
    requires!(root);
    for (name, target) in [("proc", "/tmp"), ("sys", "tmp"), ("proc", "/nowhere")] {
        let bundle = Bundle::new();
        fs::remove_dir(bundle.rootfs().join(name)).must("remove a directory");
        symlink(target, bundle.rootfs().join(name)).must("make a link");
        bundle.run().failure().stderr_has(name);
        Leftovers::assert_none(&bundle);
    }
}
