//! Archives that want out, or want too much: each is refused or contained, and leaves nothing behind.

use crate::archive::{Fields, Layer, Tar, blob, docker, gzip, layout, tar_of_layout};
use crate::scene::{Scene, has, is_root, possible};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

#[test]
fn names_with_dot_dot_are_refused() {
    let scene = Scene::new("dotdot");
    for name in ["../escaped", "a/../../escaped", "/../escaped", ".."] {
        scene.image(vec![Tar::new().file(name, "x")]).refused("has a '..' component");
    }
}

#[test]
fn absolute_names_are_taken_from_the_root_of_the_image() {
    let scene = Scene::new("absolute");
    scene.image(vec![Tar::new().file("/escaped", "in")]).unpacked("archive");
    assert_eq!(scene.text("escaped"), "in");
}

#[test]
fn names_with_nul_are_refused() {
    let scene = Scene::new("nul");
    let tar = Tar::new().pax(&[("path", b"a\0b")]).file("a", "x");
    scene.image(vec![tar]).refused("has a NUL byte");
}

#[test]
fn symlinked_parents_lead_no_further_than_the_root() {
    let scene = Scene::new("parents");
    let up = Tar::new().symlink("up", "../../../../..").file("up/escaped", "in");
    scene.image(vec![up]).unpacked("archive");
    assert_eq!(scene.text("escaped"), "in");
    fs::remove_dir_all(scene.path("bundle")).unwrap();

    let absolute = Tar::new().directory("etc").symlink("link", "/etc").file("link/escaped", "in");
    scene.image(vec![absolute]).unpacked("archive");
    assert_eq!(scene.text("etc/escaped"), "in");
}

#[test]
fn a_symlink_to_the_host_is_a_dead_end() {
    let scene = Scene::new("dead-end");
    let target = scene.at.to_str().unwrap().to_owned();
    let tar = Tar::new().symlink("host", &target).file("host/escaped", "x");
    scene.image(vec![tar]).refused("symbolic link that leads nowhere");
}

#[test]
fn cyclic_symlinks_are_refused() {
    let scene = Scene::new("cycle");
    let tar = Tar::new().symlink("a", "b").symlink("b", "a").file("a/x", "x");
    scene.image(vec![tar]).refused("ELOOP");
}

#[test]
fn a_file_is_not_written_through_a_symlink_of_its_name() {
    let scene = Scene::new("through");
    let canary = scene.path("canary");
    let first = Tar::new().symlink("x", canary.to_str().unwrap()).file("x", "same layer");
    let second = Tar::new().symlink("y", canary.to_str().unwrap());
    let third = Tar::new().file("y", "next layer");
    scene.image(vec![first, second, third]).unpacked("archive");
    assert_eq!(scene.text("x"), "same layer");
    assert_eq!(scene.text("y"), "next layer");
}

#[test]
fn hard_links_reach_nothing_outside() {
    let scene = Scene::new("hard-links");
    for (target, text) in [
        ("../../canary", "has a '..' component"),
        ("/etc/hostname", "which is nothing"),
        ("link/canary", "which is nothing"),
        ("dir", "which is a directory"),
        ("/", "which is nothing"),
    ] {
        let host = scene.at.to_str().unwrap().to_owned();
        let tar = Tar::new().directory("dir").symlink("link", &host).hard_link("x", target);
        scene.image(vec![tar]).refused(text);
    }
}

#[test]
fn a_hard_link_to_a_symlink_is_the_symlink() {
    let scene = Scene::new("link-link");
    let canary = scene.path("canary");
    let tar = Tar::new().symlink("a", canary.to_str().unwrap()).hard_link("b", "a").file("b", "x");
    scene.image(vec![tar]).unpacked("archive");
    assert_eq!(scene.text("b"), "x");
    assert!(fs::symlink_metadata(scene.inner("a")).unwrap().is_symlink());
}

#[test]
fn a_whiteout_through_a_symlink_stays_inside() {
    let scene = Scene::new("whiteout-link");
    let host = scene.at.to_str().unwrap().to_owned();
    let first = Tar::new().symlink("host", &host).symlink("up", "../..").file("canary", "inner");
    let second = Tar::new().file("host/.wh.canary", "").file("up/.wh.canary", "");
    scene.image(vec![first, second]).unpacked("archive");
    assert!(!scene.is_there("canary"));
}

#[test]
fn whiteouts_of_no_name_are_refused() {
    let scene = Scene::new("whiteout-names");
    for name in [".wh.", ".wh..", ".wh...", "d/.wh..."] {
        scene.image(vec![Tar::new(), Tar::new().file(name, "")]).refused("names no entry");
    }
    scene.image(vec![Tar::new().file(".wh.a/b", "")]).refused("used as a directory");
    scene.image(vec![Tar::new().file(".wh.a/../../b", "")]).refused("'..'");
}

#[test]
fn the_root_stays_a_directory() {
    let scene = Scene::new("root");
    scene.image(vec![Tar::new().symlink("./", "/etc")]).refused("the root is not a directory");
    scene.image(vec![Tar::new().file("a", ""), Tar::new().file("/", "")]).refused("root is not");
}

#[test]
fn giant_extension_headers_are_refused_before_they_are_read() {
    let scene = Scene::new("giant");
    for kind in *b"xgLK" {
        let fields = Fields { size: 7_000_000_000, ..Fields::default() };
        scene.image(vec![Tar::new().raw("x", kind, &fields, b"")]).refused("7000000000 bytes");
    }
}

#[test]
fn impossible_fields_are_refused() {
    let scene = Scene::new("fields");
    let with = |fields: Fields<'_>, kind| Tar::new().raw("x", kind, &fields, b"");
    for (tar, text) in [
        (with(Fields { device: (4096, 0), ..Fields::default() }, b'4'), "device number 4096:0"),
        (with(Fields::default(), b'S'), "sparse"),
        (with(Fields::default(), b'M'), "unknown type 'M'"),
        (Tar::new().pax(&[("uid", b"4294967295")]).file("x", ""), "owner 4294967295"),
        (Tar::new().pax(&[("size", b"9223372036854775807")]).file("x", ""), "middle of a file"),
        (Tar::new().pax(&[("GNU.sparse.major", b"1")]).file("x", ""), "sparse"),
        (Tar::new().pax(&[("SCHILY.xattr.user.a\0b", b"1")]).file("x", ""), "NUL"),
    ] {
        scene.image(vec![tar]).refused(text);
    }
}

#[test]
fn a_file_of_zeros_takes_no_room() {
    let scene = Scene::new("zeros");
    let size = 64 << 20;
    let tar = Tar::new().file("zeros", vec![0; size]).file("after", "x");
    layout(&scene.path("archive"), &[Layer::packed(tar, gzip)], &json!({"Cmd": ["sh"]}));
    scene.unpacked("archive");
    let metadata = fs::metadata(scene.inner("zeros")).unwrap();
    assert_eq!(metadata.len(), size as u64);
    assert!(metadata.blocks() < 64, "{} blocks", metadata.blocks());
    assert_eq!(scene.text("after"), "x");
}

#[test]
fn a_bomb_ends_with_a_full_disk_and_an_empty_one_again() {
    if !is_root() || !has("unshare", "util-linux") {
        return;
    }
    let scene = Scene::new("bomb");
    let tar = Tar::new().directory("d").file("d/bomb", vec![1; 8 << 20]);
    layout(&scene.path("archive"), &[Layer::packed(tar, gzip)], &json!({}));
    let script = r#"mount -t tmpfs -o size=1m tmpfs "$1/archive/mnt" || exit 9
        "$2" unpack "$1/archive" "$1/archive/mnt/bundle"; code=$?
        ls -A "$1/archive/mnt"; exit $code"#;
    fs::create_dir(scene.path("archive/mnt")).unwrap();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh", scene.at.to_str().unwrap()])
        .arg(env!("CARGO_BIN_EXE_rrun"))
        .output()
        .unwrap();
    if !possible("mount in a mount namespace", output.status.code() != Some(9)) {
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing is left");
    scene.assert_refused(&output, "no space left on device (ENOSPC)");
}

#[test]
fn directories_deeper_than_descriptors_are_removed_again() {
    if !has("prlimit", "util-linux") {
        return;
    }
    let scene = Scene::new("deep");
    // A path may have 4096 bytes; links to half-way make trees deeper than that. Fewer than twenty: the kernel follows forty
    // in one look-up, and counts those of a walk that it had to begin again twice.
    let deep = "d/".repeat(40);
    let mut tar = Tar::new();
    for level in 0..15 {
        let from = if level == 0 { String::new() } else { format!("l{}/", level - 1) };
        tar = tar
            .directory(&format!("{from}{deep}"))
            .symlink(&format!("l{level}"), &format!("{from}{deep}"));
    }
    let tar = tar.file("../x", "");
    scene.image(vec![tar]);
    let output = Command::new("prlimit")
        .args(["--nofile=32:32", env!("CARGO_BIN_EXE_rrun"), "unpack"])
        .args([scene.path("archive"), scene.path("bundle")])
        .output()
        .unwrap();
    scene.assert_refused(&output, "has a '..' component");
}

#[test]
fn digests_that_are_paths_are_refused() {
    let scene = Scene::new("digest-path");
    scene.image(vec![Tar::new()]);
    for digest in ["sha256:../../canary", "sha256:/etc/passwd", "../canary", "md5:0"] {
        let manifests = json!({"manifests": [{"digest": digest, "size": 5}]});
        fs::write(scene.path("archive/index.json"), manifests.to_string()).unwrap();
        scene.refused("invalid digest");
    }
}

#[test]
fn a_docker_archive_names_no_file_outside_itself() {
    let scene = Scene::new("docker-path");
    for (config, layer) in [("../canary", "0/layer.tar"), ("c.json", "../canary")] {
        let manifest = json!([{"Config": config, "Layers": [layer]}]);
        fs::write(scene.path("archive/manifest.json"), manifest.to_string()).unwrap();
        fs::write(scene.path("archive/c.json"), r#"{"rootfs":{"diff_ids":[]}}"#).unwrap();
        scene.refused("has a '..' component");
    }
    std::os::unix::fs::symlink("../canary", scene.path("archive/link")).unwrap();
    let manifest = json!([{"Config": "link", "Layers": []}]);
    fs::write(scene.path("archive/manifest.json"), manifest.to_string()).unwrap();
    scene.refused("has no \"link\"");
}

#[test]
fn links_between_members_of_an_archive_end() {
    let scene = Scene::new("member-links");
    let manifest = json!([{"Config": "a", "Layers": []}]).to_string();
    let tar = Tar::new().symlink("a", "b").symlink("b", "./a").file("manifest.json", manifest);
    fs::write(scene.path("a.tar"), tar.finish()).unwrap();
    scene.assert_refused(&scene.unpack("a.tar"), "links lead from one to the other");
}

#[test]
fn an_altered_blob_is_named_with_both_digests() {
    let scene = Scene::new("altered");
    let digest = layout(&scene.path("archive"), &[Tar::new().file("a", "x").into()], &json!({}));
    let path = scene.path("archive/blobs/sha256").join(&digest[7..]);
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replace("schemaVersion\":2", "schemaVersion\":3")).unwrap();
    scene.refused(&format!("manifest should be {digest} but is sha256:"));
    fs::write(&path, format!("{manifest} ")).unwrap();
    scene.refused("bytes but has");
    fs::remove_file(&path).unwrap();
    scene.refused("the archive has no \"blobs/sha256/");
}

#[test]
fn an_altered_layer_is_named_with_both_digests() {
    let scene = Scene::new("altered-layer");
    let honest = Layer::packed(Tar::new().file("a", "x"), gzip);
    let evil = Layer::packed(Tar::new().file("a", "y"), gzip);
    let archive = scene.path("archive");
    layout(&archive, &[Layer { stored: honest.stored.clone(), ..evil }], &json!({}));
    scene.refused("the decompressed layer should be sha256:");
    let layer = blob(&archive, &honest.stored);
    layout(&archive, &[honest], &json!({}));
    let path = archive.join("blobs/sha256").join(&layer["digest"].as_str().unwrap()[7..]);
    let mut bytes = fs::read(&path).unwrap();
    // The gzip header's time: the content stays the same.
    bytes[4] ^= 1;
    fs::write(&path, bytes).unwrap();
    scene.refused(&format!("blob {} should be", layer["digest"].as_str().unwrap()));
}

#[test]
fn a_docker_archive_is_checked_too() {
    let scene = Scene::new("docker-altered");
    let mut layer = Layer::from(Tar::new().file("a", "x"));
    layer.diff_id.replace_range(7..9, "00");
    fs::write(scene.path("d.tar"), docker(&[layer], &json!({}), "a:1")).unwrap();
    scene.assert_refused(&scene.unpack("d.tar"), "the decompressed layer should be sha256:00");
}

#[test]
fn a_truncated_archive_is_refused_wherever_it_ends() {
    let scene = Scene::new("truncated");
    let tar = Tar::new().directory("d").file("d/f", vec![7; 3000]);
    layout(&scene.path("archive"), &[Layer::packed(tar, gzip)], &json!({}));
    let whole = tar_of_layout(&scene.path("archive"));
    for archive in [whole.clone(), gzip(&whole), crate::archive::zstd(&whole)] {
        for part in 1..8 {
            fs::write(scene.path("a.tar"), &archive[..archive.len() * part / 8]).unwrap();
            let output = scene.unpack("a.tar");
            // Only the end-of-archive blocks may be missing; those are not worth an error.
            if output.status.success() {
                fs::remove_dir_all(scene.path("bundle")).unwrap();
                assert_eq!(part, 7);
            } else {
                scene.assert_refused(&output, "a.tar: ");
            }
        }
    }
}

#[test]
fn what_is_no_archive_is_said_to_be_none() {
    let scene = Scene::new("none");
    scene.refused("neither an OCI image layout nor a docker archive");
    fs::write(scene.path("text"), "hello".repeat(1000)).unwrap();
    scene.assert_refused(&scene.unpack("text"), "malformed tar");
    scene.assert_refused(&scene.unpack("nothing"), "no such archive");
    scene.assert_refused(&scene.unpack("/dev/zero"), "neither a directory nor a regular file");
    for index in ["", "{", "[]", "{\"manifests\":3}"] {
        fs::write(scene.path("archive/index.json"), index).unwrap();
        scene.refused("index.json: ");
    }
}
