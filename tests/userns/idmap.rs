//! Idmapped bind mounts: files of the host appear as other users'. runc 1.1 has none of this.

use super::{MAP, ROOT, mapped};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

/// A bundle with a directory beside its rootfs, owned by these ids of the host.
fn beside(bundle: Bundle, (uid, gid): (u32, u32)) -> (Bundle, std::path::PathBuf) {
    let directory = bundle.path().join("data");
    fs::create_dir(&directory).must("make it");
    fs::write(directory.join("file"), "text").must("write it");
    for path in [directory.join("file"), directory.clone()] {
        chown(path, Some(uid), Some(gid)).must("give it away");
    }
    (bundle, directory)
}

fn ids(bundle: Bundle, path: &str) -> (Value, Value) {
    let stat = bundle.args(["probe", "stat", path]).run().success().json();
    (stat["uid"].clone(), stat["gid"].clone())
}

#[test]
fn without_an_idmap_a_file_of_roots_is_nobodys() {
    requires!(root);
    let (bundle, data) = beside(mapped(), (0, 0));
    assert_eq!(ids(bundle.bind(&data, "/data", &[]), "/data/file"), (json!(65534), json!(65534)));
}

#[test]
fn idmap_maps_as_the_container_does() {
    requires!(root, rrun, kernel(6, 3));
    let (bundle, data) = beside(mapped(), (0, 7));
    let bundle = bundle.bind(&data, "/data", &["idmap"]);
    assert_eq!(ids(bundle, "/data/file"), (json!(0), json!(7)));

    let (bundle, data) = beside(mapped(), (0, 7));
    let bundle = bundle.bind(&data, "/data", &["idmap"]).args(["probe", "write", "/data/new", "x"]);
    bundle.run().success();
    let made = fs::metadata(data.join("new")).must("look at the file");
    assert_eq!((made.uid(), made.gid()), (0, 0));
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_mount_may_bring_its_own_maps() {
    requires!(root, rrun, kernel(6, 3));
    let map = |inside: u32, outside: u32| json!([{ "containerID": inside, "hostID": outside, "size": 1 }]);
    let (bundle, data) = beside(mapped(), (4000, 4001));
    let bundle = bundle.bind(&data, "/data", &["idmap"]).edit(|config| {
        let mount = config["mounts"].as_array_mut().and_then(|mounts| mounts.last_mut());
        let mount = mount.must("the mount");
        mount["uidMappings"] = map(4000, ROOT + 12);
        mount["gidMappings"] = map(4001, ROOT + 34);
    });
    assert_eq!(ids(bundle, "/data/file"), (json!(12), json!(34)));
}

#[test]
fn the_maps_of_a_mount_may_be_one_word_with_its_options() {
    requires!(root, rrun, kernel(6, 3));
    let absolute =
        format!("idmap=uids=4000-{}-1#5000-{}-3;gids=4001-{}-1", ROOT + 12, ROOT + 20, ROOT + 34);
    for word in [
        &absolute,
        "idmap=uids=@4000-12-1;gids=@4001-34-1",
        "ridmap=uids=@4000-12-1;gids=@4001-34-1",
    ] {
        let (bundle, data) = beside(mapped(), (4000, 4001));
        let bundle = bundle.bind(&data, "/data", &[word]);
        assert_eq!(ids(bundle, "/data/file"), (json!(12), json!(34)), "{word}");
    }
    let (bundle, data) = beside(Bundle::new(), (4000, 4000));
    let bundle = bundle.bind(&data, "/data", &["idmap=uids=4000-7-1;gids=4000-8-1"]);
    assert_eq!(ids(bundle, "/data/file"), (json!(7), json!(8)));
}

#[test]
fn an_idmap_needs_no_user_namespace_when_it_brings_its_own_maps() {
    requires!(root, rrun, kernel(6, 3));
    let map = json!([{ "containerID": 4000, "hostID": 12, "size": 1 }]);
    let (bundle, data) = beside(Bundle::new(), (4000, 4000));
    let bundle = bundle.bind(&data, "/data", &["ridmap", "rbind"]).edit(|config| {
        let mount = config["mounts"].as_array_mut().and_then(|mounts| mounts.last_mut());
        let mount = mount.must("the mount");
        mount["uidMappings"] = map.clone();
        mount["gidMappings"] = map;
    });
    assert_eq!(ids(bundle, "/data/file"), (json!(12), json!(12)));
}

#[test]
fn a_file_system_without_idmaps_is_an_error_that_says_so() {
    requires!(root, rrun);
    let bundle = Bundle::new().mapped(&MAP).owned_by(ROOT, ROOT);
    let bundle = bundle.bind(std::path::Path::new("/proc"), "/data", &["idmap"]);
    bundle.run().failure().stderr_has("MOUNT_ATTR_IDMAP").stderr_has("must support idmapped");
    Leftovers::assert_none(&bundle);
}
