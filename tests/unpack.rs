//! `rrun unpack` through the real binary: what it makes of honest archives, and that it agrees with umoci.
//!
//! Hostile archives are in `unpack/hostile.rs`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "unpack/archive.rs"]
mod archive;
#[path = "unpack/hostile.rs"]
mod hostile;
#[path = "unpack/scene.rs"]
mod scene;

use archive::{Fields, Layer, Tar, blob, docker, gzip, layout, tar_of_layout, zstd};
use scene::{Scene, has, is_root};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

fn two_layers(pack: fn(&[u8]) -> Vec<u8>) -> Vec<Layer> {
    let first = Tar::new().directory("d").file("d/a", "1").file("d/b", "1").file("gone", "1");
    let second = Tar::new().file(".wh.gone", "").file("d/a", "2").symlink("d/l", "a");
    vec![Layer::packed(first, pack), Layer::packed(second, pack)]
}

fn assert_two_layers(scene: &Scene) {
    assert_eq!((scene.text("d/a").as_str(), scene.text("d/b").as_str()), ("2", "1"));
    assert_eq!(scene.text("d/l"), "2");
    assert!(!scene.is_there("gone"));
    assert!(!scene.is_there(".wh.gone"));
    assert_eq!(scene.config()["process"]["args"], json!(["sh", "-c", "true"]));
    fs::remove_dir_all(scene.path("bundle")).unwrap();
}

#[test]
fn every_form_of_archive_and_compression_gives_the_same_bundle() {
    let scene = Scene::new("forms");
    let execution = json!({"Entrypoint": ["sh"], "Cmd": ["-c", "true"]});
    for pack in [<[u8]>::to_vec as fn(&[u8]) -> Vec<u8>, gzip, zstd] {
        layout(&scene.path("archive"), &two_layers(pack), &execution);
        assert_two_layers(scene.unpacked("archive"));
        let oci = tar_of_layout(&scene.path("archive"));
        let docker = docker(&two_layers(pack), &execution, "a/b:1");
        for archive in [oci, docker] {
            for outer in [<[u8]>::to_vec as fn(&[u8]) -> Vec<u8>, gzip, zstd] {
                fs::write(scene.path("a.tar"), outer(&archive)).unwrap();
                assert_two_layers(scene.unpacked("a.tar"));
            }
        }
    }
}

#[test]
fn layers_in_several_gzip_members_and_zstd_frames_are_read_to_the_end() {
    let scene = Scene::new("members");
    let tar = Tar::new().file("a", vec![1; 5000]).file("b", "end");
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let by_halves = |bytes: &[u8], pack: fn(&[u8]) -> Vec<u8>, between: &[u8]| {
        let (first, second) = bytes.split_at(1000);
        [pack(first), between.to_vec(), pack(second), between.to_vec()].concat()
    };
    for layer in [
        Layer::packed(tar.clone(), |bytes| by_halves(bytes, gzip, b"")),
        Layer::packed(tar.clone(), |bytes| by_halves(bytes, zstd, &skippable)),
    ] {
        layout(&scene.path("archive"), &[layer], &json!({"Cmd": ["sh"]}));
        assert_eq!(scene.unpacked("archive").text("b"), "end");
        fs::remove_dir_all(scene.path("bundle")).unwrap();
    }
}

#[test]
fn an_opaque_whiteout_hides_lower_layers_and_nothing_of_its_own() {
    let scene = Scene::new("opaque");
    let first =
        Tar::new().directory("d").file("d/old", "").directory("d/sub").file("d/sub/old", "");
    let second = Tar::new()
        .file("d/before", "")
        .file("d/sub/new", "")
        .file("d/.wh..wh..opq", "")
        .file("d/after", "");
    scene.image(vec![first, second]).unpacked("archive");
    for (name, stays) in [
        ("d/before", true),
        ("d/after", true),
        ("d/sub/new", true),
        ("d/old", false),
        ("d/sub/old", false),
        ("d/.wh..wh..opq", false),
    ] {
        assert_eq!(scene.is_there(name), stays, "{name}");
    }
}

#[test]
fn a_whiteout_spares_what_its_own_layer_makes_of_the_name() {
    let scene = Scene::new("own-name");
    let first = Tar::new().file("f", "old").directory("d").file("d/old", "").file("g", "");
    let second = Tar::new()
        .file("f", "new")
        .file(".wh.f", "")
        .directory("d")
        .file("d/new", "")
        .file(".wh.d", "")
        .file("nowhere/.wh.x", "")
        .file(".wh.never", "");
    scene.image(vec![first, second]).unpacked("archive");
    assert_eq!(scene.text("f"), "new");
    assert!(scene.is_there("d/new"));
    assert!(!scene.is_there("d/old"));
    assert!(!scene.is_there("nowhere"), "a whiteout makes no directory");
}

#[test]
fn files_and_directories_replace_each_other() {
    let scene = Scene::new("replace");
    let first = Tar::new().directory("a").file("a/x", "").file("b", "").symlink("c", "a");
    let second = Tar::new().file("a", "file").directory("b").file("b/x", "").directory("c");
    scene.image(vec![first, second]).unpacked("archive");
    assert_eq!(scene.text("a"), "file");
    assert!(scene.is_there("b/x"));
    assert!(fs::symlink_metadata(scene.inner("c")).unwrap().is_dir());
}

#[test]
fn a_layer_reaches_a_moved_directory_through_its_link() {
    let scene = Scene::new("usrmerge");
    let first = Tar::new().directory("usr/lib").symlink("lib", "usr/lib");
    let second = Tar::new().file("lib/libc.so", "c");
    scene.image(vec![first, second]).unpacked("archive");
    assert_eq!(scene.text("usr/lib/libc.so"), "c");
    assert!(fs::symlink_metadata(scene.inner("lib")).unwrap().is_symlink());
}

#[test]
fn owner_mode_time_and_attributes_are_kept() {
    if !is_root() {
        return;
    }
    let scene = Scene::new("metadata");
    let fields = |mode| Fields { mode, owner: (33, 44), mtime: 1_000_000_000, ..Fields::default() };
    // VFS_CAP_REVISION_2 with cap_net_raw, permitted and effective.
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::new()
        .raw("d", b'5', &fields(0o1750), b"")
        .pax(&[("SCHILY.xattr.security.capability", &capability), ("mtime", b"999999999.5")])
        .raw("d/setuid", b'0', &fields(0o6755), b"")
        .raw("d/pipe", b'6', &fields(0o622), b"")
        .raw("d/null", b'3', &Fields { device: (1, 3), ..fields(0o666) }, b"")
        .raw("d/link", b'2', &Fields { link: "setuid", ..fields(0o777) }, b"")
        .hard_link("d/other", "d/setuid");
    scene.image(vec![tar]).unpacked("archive");
    for (name, mode) in [
        ("d", 0o41750),
        ("d/setuid", 0o106_755),
        ("d/pipe", 0o10622),
        ("d/null", 0o20666),
        ("d/link", 0o120_777),
    ] {
        let found = fs::symlink_metadata(scene.inner(name)).unwrap();
        assert_eq!(found.mode(), mode, "{name}");
        assert_eq!((found.uid(), found.gid()), (33, 44), "{name}");
        let expected =
            if name == "d/setuid" { (999_999_999, 500_000_000) } else { (1_000_000_000, 0) };
        assert_eq!((found.mtime(), found.mtime_nsec()), expected, "{name}");
    }
    let null = fs::metadata(scene.inner("d/null")).unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!(null.rdev(), nix::sys::stat::makedev(1, 3));
    let inode = |name| fs::metadata(scene.inner(name)).unwrap().ino();
    assert_eq!(inode("d/setuid"), inode("d/other"));
    if has("getcap", "libcap2-bin") {
        let output = Command::new("getcap").arg(scene.inner("d/setuid")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("cap_net_raw") && text.contains("ep"), "{text}");
    }
    let bundle = fs::metadata(scene.path("bundle")).unwrap();
    assert_eq!(bundle.permissions().mode() & 0o7777, 0o700, "set-uid programs stay out of reach");
}

#[test]
fn an_ordinary_user_owns_everything_and_is_told_what_is_lost() {
    if !is_root() || !has("setpriv", "util-linux") {
        return;
    }
    let scene = Scene::new("ordinary");
    // The binary may lie where only root can go.
    fs::copy(env!("CARGO_BIN_EXE_rrun"), scene.path("rrun")).unwrap();
    nix::unistd::chown(&scene.at, Some(1000.into()), Some(1000.into())).unwrap();
    let fields = |mode| Fields { mode, owner: (33, 44), ..Fields::default() };
    let first = Tar::new()
        .raw("closed", b'5', &fields(0o500), b"")
        .pax(&[("SCHILY.xattr.security.capability", b"x")])
        .raw("closed/f", b'0', &fields(0o400), b"")
        .raw("null", b'3', &Fields { device: (1, 3), ..fields(0o666) }, b"")
        .raw("zero", b'3', &Fields { device: (1, 5), ..fields(0o666) }, b"");
    let second = Tar::new().file("closed/.wh.f", "").file("closed/g", "");
    scene.image(vec![first, second]);
    let output = Command::new("setpriv")
        .args(["--reuid=1000", "--regid=1000", "--clear-groups"])
        .arg(scene.path("rrun"))
        .arg("unpack")
        .args([scene.path("archive"), scene.path("bundle")])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert!(stderr.contains("2 device nodes were left out"), "{stderr}");
    assert!(stderr.contains("security.capability could not be set on 1 file"), "{stderr}");
    assert!(scene.is_there("closed/g") && !scene.is_there("closed/f") && !scene.is_there("null"));
    assert_eq!(fs::metadata(scene.inner("closed")).unwrap().uid(), 1000);
    let config = scene.config();
    let mapping = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    assert_eq!(config["linux"]["uidMappings"], mapping);
    assert_eq!(config["linux"]["gidMappings"], mapping);
}

#[test]
fn the_image_says_what_runs_where_and_as_whom() {
    if !is_root() {
        return;
    }
    let scene = Scene::new("config");
    let passwd = "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/:/bin/false\n";
    let tar = Tar::new().file("etc/passwd", passwd).file("etc/group", "ssl:x:99:web\n");
    let execution = json!({
        "Entrypoint": ["/serve"], "Env": ["A=1"], "User": "web", "WorkingDir": "/srv/web",
        "Labels": {"k": "v"}, "Volumes": {"/data": {}},
    });
    layout(&scene.path("archive"), &[tar.into()], &execution);
    let config = scene.unpacked("archive").config();
    let process = &config["process"];
    assert_eq!(process["args"], json!(["/serve"]));
    assert_eq!(process["user"], json!({"uid": 33, "gid": 34, "additionalGids": [99]}));
    assert_eq!(process["cwd"], "/srv/web");
    assert_eq!(process["terminal"], false);
    assert!(process["env"].as_array().unwrap().contains(&json!("A=1")));
    assert_eq!(config["annotations"]["k"], "v");
    assert_eq!(config["root"]["path"], "rootfs");
    assert!(scene.is_there("srv/web"));
}

#[test]
fn an_image_is_chosen_by_name_and_the_choice_is_listed() {
    let scene = Scene::new("choice");
    let archive = scene.path("archive");
    let mut manifests = Vec::new();
    for (name, text) in [("a:latest", "1"), ("b:2", "2")] {
        let digest = layout(&archive, &[Tar::new().file("f", text).into()], &json!({"Cmd": ["x"]}));
        let size = fs::metadata(archive.join("blobs/sha256").join(&digest[7..])).unwrap().len();
        let annotations = json!({"org.opencontainers.image.ref.name": name});
        manifests.push(json!({"digest": digest, "size": size, "annotations": annotations}));
    }
    let index = json!({"manifests": manifests}).to_string();
    fs::write(archive.join("index.json"), &index).unwrap();
    scene.refused("several images: a:latest, b:2; choose one with --image");
    let choose = |image: &str| {
        let paths = [scene.path("archive"), scene.path("bundle")];
        scene.command().args(["unpack", "--image", image]).args(paths).output().unwrap()
    };
    assert!(choose("b:2").status.success());
    assert_eq!(scene.text("f"), "2");
    fs::remove_dir_all(scene.path("bundle")).unwrap();
    scene.assert_refused(&choose("c"), "no image \"c\"; it has a:latest, b:2");

    let mut nested = blob(&archive, index.replace(":latest", "").as_bytes());
    nested["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    fs::write(archive.join("index.json"), json!({"manifests": [nested]}).to_string()).unwrap();
    scene.refused("several images: a, b:2");
}

#[test]
fn a_bundle_that_is_there_is_left_alone() {
    let scene = Scene::new("occupied");
    scene.image(vec![Tar::new().file("f", "x")]);
    fs::create_dir(scene.path("bundle")).unwrap();
    scene.unpacked("archive");
    let output = scene.unpack("archive");
    assert!(String::from_utf8_lossy(&output.stderr).contains("exists and is not an empty"));
    assert_eq!(scene.text("f"), "x");
    let missing = scene.path("no/bundle");
    let output = scene.command().arg("unpack").args([scene.path("archive"), missing]).output();
    assert!(String::from_utf8_lossy(&output.unwrap().stderr).contains("make it first"));
}

#[test]
fn an_interruption_leaves_nothing() {
    let scene = Scene::new("interrupted");
    scene.image(vec![Tar::new().file("f", "x")]);
    // A signal that is blocked and pending survives exec: it arrives when unpack first looks, not before or after.
    let script = r#"kill -INT $$; exec "$0" unpack "$1/archive" "$1/bundle""#;
    let output = Command::new("env")
        .args(["--block-signal=INT", "sh", "-c", script, env!("CARGO_BIN_EXE_rrun")])
        .arg(&scene.at)
        .output()
        .unwrap();
    scene.assert_refused(&output, "interrupted by SIGINT");
}

#[test]
fn a_terminal_shows_layers_and_the_next_command() {
    if !has("script", "bsdutils") {
        return;
    }
    let scene = Scene::new("terminal");
    scene.image(vec![Tar::new().file("f", "x"), Tar::new()]);
    let (program, at) = (env!("CARGO_BIN_EXE_rrun"), scene.at.display());
    let output = Command::new("script")
        .args(["-qec", &format!("{program} unpack {at}/archive {at}/bundle"), "/dev/null"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("layer 1/2") && text.contains("layer 2/2"), "{text}");
    assert!(text.contains(&format!("rrun run --bundle {at}/bundle bundle")), "{text}");
}

/// Every name below `root` with what stat(1) can tell of it.
fn listing(root: &Path) -> String {
    let format = "%P %y %m %U %G %s %T@ %n %l\\n";
    let output =
        Command::new("find").current_dir(root).args([".", "-printf", format]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Directories differ in size by their history.
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains(" d ")).collect();
    lines.sort_unstable();
    assert!(lines.len() > 3, "{text}");
    lines.join("\n")
}

#[test]
fn umoci_unpacks_the_same_and_skopeo_converts_what_we_read() {
    if !is_root() || !has("umoci", "umoci") || !has("skopeo", "skopeo") {
        return;
    }
    let scene = Scene::new("umoci");
    let sh = |script: &str| {
        let output =
            Command::new("sh").current_dir(&scene.at).args(["-ec", script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    sh("umoci init --layout oci; umoci new --image oci:t; umoci unpack --image oci:t one
        mkdir -p one/rootfs/bin one/rootfs/d; cp /bin/sh one/rootfs/bin/sh; ln one/rootfs/bin/sh one/rootfs/bin/ash
        ln -s sh one/rootfs/bin/bash; mknod one/rootfs/null c 1 3; mkfifo one/rootfs/pipe
        echo 1 > one/rootfs/d/a; echo 1 > one/rootfs/gone; chown -h 33:44 one/rootfs/d/a one/rootfs/bin/bash
        chmod 4711 one/rootfs/d/a; umoci repack --image oci:t one
        umoci unpack --image oci:t two; rm -r two/rootfs/d two/rootfs/gone; mkdir two/rootfs/d
        echo 2 > two/rootfs/d/b; umoci repack --image oci:t two; umoci config --image oci:t --config.cmd sh
        umoci unpack --image oci:t theirs
        skopeo copy -q oci:oci:t docker-archive:docker.tar:a/b:1; skopeo copy -q oci:oci:t oci-archive:oci.tar
        skopeo copy -q oci:oci:t dir:dir; skopeo copy -q --dest-compress-format zstd oci:oci:t oci:zstd:t");
    let theirs = listing(&scene.path("theirs/rootfs"));
    for archive in ["oci", "docker.tar", "oci.tar", "zstd"] {
        scene.unpacked(archive);
        assert_eq!(listing(&scene.path("bundle/rootfs")), theirs, "{archive}");
        fs::remove_dir_all(scene.path("bundle")).unwrap();
    }
}
