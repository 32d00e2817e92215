//! Id-mapped mounts: files keep their owners on disk and have others inside.

use crate::words;
use nix::mount::MsFlags;
use rrun_harness::{Bundle, HostMounts, Must, requires};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

/// Container ids from 0 are the file system's from 1000.
fn maps() -> Value {
    json!([{ "containerID": 1000, "hostID": 0, "size": 1000 }])
}

/// A volume with a file of user 1000, and a mount below it with another.
fn stage(mut host: HostMounts) -> (Bundle, PathBuf, HostMounts) {
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let volume = bundle.path().join("volume");
    host.tmpfs(&volume, MsFlags::empty());
    host.change(&volume, MsFlags::MS_SHARED);
    host.tmpfs(&volume.join("below"), MsFlags::empty());
    for file in ["file", "below/file"] {
        fs::write(volume.join(file), "").must("write a file");
        chown(volume.join(file), Some(1000), Some(1001)).must("give a file away");
    }
    chown(&volume, Some(1000), Some(1000)).must("give the volume away");
    (bundle, volume, host)
}

fn idmapped(bundle: Bundle, volume: &Path, destination: &str, option: &[&str]) -> Bundle {
    let options: Vec<&str> = ["rbind"].iter().chain(option).copied().collect();
    bundle.push(
        "/mounts",
        json!({
            "destination": destination, "type": "none", "source": volume, "options": options,
            "uidMappings": maps(), "gidMappings": maps(),
        }),
    )
}

#[track_caller]
fn owner(bundle: &Bundle, path: &str) -> (Value, Value) {
    let found = bundle.exec(&[], &["probe", "stat", path]).success().json();
    (found["uid"].clone(), found["gid"].clone())
}

#[test]
fn an_idmapped_bind_shows_other_owners_and_writes_the_real_ones() {
    // Idmapped tmpfs came with Linux 6.3; runc 1.1.5 has no idmapped mounts without a user namespace.
    requires!(root, rrun, kernel(6, 3));
    let (bundle, volume, host) = stage(HostMounts::private());
    let bundle = idmapped(bundle, &volume, "/one", &["idmap"]);
    let bundle = idmapped(bundle, &volume, "/tree", &["ridmap"]);
    let bundle = idmapped(bundle, &volume, "/implied", &[]);
    bundle.up();
    for top in ["/one/file", "/tree/file", "/implied/file"] {
        assert_eq!(owner(&bundle, top), (0.into(), 1.into()), "{top}");
    }
    assert_eq!(owner(&bundle, "/tree/below/file"), (0.into(), 1.into()));
    assert_eq!(owner(&bundle, "/one/below/file"), (1000.into(), 1001.into()));
    bundle.exec(&[], &["probe", "write", "/one/new", "x"]).success();
    let new = fs::metadata(volume.join("new")).must("look at the new file");
    assert_eq!((new.uid(), new.gid()), (1000, 1000));
    drop(host);
}

#[test]
fn an_idmapped_bind_is_cut_off_from_the_host_as_every_bind_is() {
    requires!(root, rrun, kernel(6, 3));
    let (bundle, volume, host) = stage(HostMounts::private());
    let bundle = idmapped(bundle, &volume, "/one", &["idmap"]);
    let bundle = bundle.args(["probe", "facts", "mounts"]);
    let facts = bundle.run().success().json();
    let found = words(&facts, "/one", "propagation");
    assert!(found.iter().all(|word| !word.starts_with("shared:")), "{found:?}");
    drop(host);
}

#[test]
fn a_bind_of_a_container_with_users_of_its_own_is_cut_off_too() {
    // runc 1.1.5 looks for the source in another mount namespace than its caller's thread.
    requires!(root, rrun);
    let (bundle, volume, host) = stage(HostMounts::private());
    let ids = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    let bundle = bundle
        .namespace("user")
        .set("/linux/uidMappings", ids.clone())
        .set("/linux/gidMappings", ids)
        .bind(&volume, "/volume", &[]);
    chown(bundle.rootfs(), Some(100_000), Some(100_000)).must("give the rootfs away");
    let bundle = bundle.args(["probe", "facts", "mounts"]);
    let facts = bundle.run().success().json();
    let found = words(&facts, "/volume", "propagation");
    assert!(found.iter().all(|word| !word.starts_with("shared:")), "{found:?}");
    drop(host);
}

#[test]
fn idmap_without_maps_or_users_of_its_own_says_what_is_missing() {
    requires!(root, rrun);
    let bundle = Bundle::new();
    let source = bundle.path().to_path_buf();
    let bundle = bundle.bind(&source, "/m", &["idmap"]);
    bundle.run().failure().stderr_has("/mounts/6").stderr_has("uidMappings");
}
