//! The rootfs that containerd has the shim mount, and options that change how a container is made.
//!
//! What a newcomer would get wrong: an image of many layers has more to say than a page, and mount(2) reads no more.

use super::stage::{Code, Stage, any, refused};
use containerd_shim_protos::api::Mount;
use nix::mount::{MsFlags, mount, umount};
use protobuf::MessageField;
use rrun_harness::{Bundle, harness_binary, requires};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs of the test's own: in a guest, whose files are an overlay, no other overlay has its upper layer.
struct Layers(PathBuf);

impl Layers {
    fn below(directory: &Path) -> Self {
        let at = directory.join("layers");
        fs::create_dir(&at).unwrap();
        let none = None::<&str>;
        mount(none, &at, Some("tmpfs"), MsFlags::empty(), none).unwrap();
        Self(at)
    }

    fn layer(&self, name: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        path.display().to_string()
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        if umount(&self.0).is_err() && !std::thread::panicking() {
            panic!("{} is still in use", self.0.display());
        }
    }
}

/// The bundle's rootfs elsewhere, as a snapshot, and an empty directory in its place.
fn moved(bundle: &Bundle, to: &str) {
    fs::rename(bundle.rootfs(), to).unwrap();
    fs::create_dir(bundle.rootfs()).unwrap();
}

fn mounted(kind: &str, source: &str, options: &[String]) -> Mount {
    Mount {
        type_: kind.into(),
        source: source.into(),
        options: options.to_vec(),
        ..Default::default()
    }
}

fn is_mount(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

#[test]
fn an_overlay_of_a_hundred_layers_is_mounted_and_unmounted() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "write", "/written", "text"]);
    let stage = Stage::of(&bundle);
    let directory = stage.containerd.directory.join("d".repeat(60));
    fs::create_dir(&directory).unwrap();
    let layers = Layers::below(&directory);
    // Copied: a rename does not reach another file system.
    let base = layers.layer("base");
    let copied = Command::new("cp").arg("-a").arg(bundle.rootfs().join(".")).arg(&base).status();
    assert!(copied.unwrap().success());
    fs::remove_dir_all(bundle.rootfs()).unwrap();
    fs::create_dir(bundle.rootfs()).unwrap();
    for (case, names) in [
        ("what they share is long", (0..100).map(|n| format!("{n}/fs")).collect::<Vec<_>>()),
        ("their names are long", (0..100).map(|n| format!("{n}{}/fs", "n".repeat(64))).collect()),
    ] {
        let mut lower: Vec<String> = names.iter().map(|name| layers.layer(name)).collect();
        fs::write(Path::new(&lower[99]).join("from99"), "99").unwrap();
        lower.push(base.clone());
        let (upper, work) = (layers.layer("upper"), layers.layer("work"));
        let options = [
            format!("workdir={work}"),
            format!("upperdir={upper}"),
            format!("lowerdir={}", lower.join(":")),
        ];
        assert!(options.join(",").len() > 4096);
        let mut request = stage.request(&bundle);
        request.rootfs = vec![mounted("overlay", "overlay", &options)];
        let asked = stage.ask(&request);
        asked.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(is_mount(&bundle.rootfs()), "{case}");
        assert_eq!(fs::read_to_string(bundle.rootfs().join("from99")).unwrap(), "99", "{case}");
        stage.start(bundle.id(), "").unwrap();
        assert_eq!(stage.wait(bundle.id(), ""), 0, "{case}");
        assert!(is_mount(&bundle.rootfs()), "until it is deleted");
        stage.delete(bundle.id(), "").unwrap();
        assert!(!is_mount(&bundle.rootfs()), "{case}");
        assert_eq!(
            fs::read_to_string(Path::new(&upper).join("written")).unwrap(),
            "text",
            "{case}"
        );
        for used in [upper, work] {
            fs::remove_dir_all(used).unwrap();
        }
    }
}

#[test]
fn a_snapshot_of_one_layer_is_bound_read_only_or_not() {
    requires!(root);
    for (word, code) in [("rw", 0), ("ro", 1)] {
        let bundle = Bundle::new().args(["probe", "write", "/written", "text"]);
        let (stage, id) = (Stage::of(&bundle), bundle.id());
        let snapshot = stage.containerd.directory.join("snapshot").display().to_string();
        moved(&bundle, &snapshot);
        let mut request = stage.request(&bundle);
        let words = ["rbind", word].map(str::to_owned);
        request.rootfs = vec![mounted("bind", &snapshot, &words)];
        stage.ask(&request).unwrap();
        stage.start(id, "").unwrap();
        assert_eq!(stage.wait(id, ""), code, "{word}");
        stage.delete(id, "").unwrap();
        assert!(!is_mount(&bundle.rootfs()));
        assert_eq!(Path::new(&snapshot).join("written").exists(), code == 0);
        assert!(Path::new(&snapshot).join("bin").exists(), "the snapshot was deleted");
        stage.leaves_nothing_of(&bundle);
    }
}

#[test]
fn a_mount_that_fails_takes_those_before_it_along() {
    requires!(root);
    let bundle = Bundle::new();
    let stage = Stage::of(&bundle);
    let options = ["rbind".to_owned()];
    let rootfs = bundle.rootfs().display().to_string();
    for (wrong, words) in [
        (mounted("bind", "/nowhere", &options), "mount 1"),
        (mounted("no-such-fs", "none", &[]), "\"no-such-fs\""),
        (mounted("ext4", "/file", &["loop".into()]), "the mount option \"loop\""),
    ] {
        let mut request = stage.request(&bundle);
        request.rootfs = vec![mounted("bind", &rootfs, &options), wrong];
        let (_, said) = refused(stage.ask(&request));
        assert!(said.contains(words), "{said}");
        assert!(!is_mount(&bundle.rootfs()));
    }
}

/// The session's keyring, as the probe's call of keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING) tells it.
const KEYRING: [&str; 5] = ["syscall", "250", "0", "-3", "0"];

#[test]
fn options_of_both_types_are_in_effect() {
    requires!(root);
    let bundle = Bundle::new().args([&["probe"], &KEYRING[..]].concat());
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let (other, out) = (stage.root().join("other"), stage.containerd.directory.join("out"));
    let own = Command::new(harness_binary("probe")).args(KEYRING).output().unwrap().stdout;
    let own = String::from_utf8(own).unwrap();
    for is_kept in [true, false] {
        let body = format!("Root = '{}'\nNoNewKeyring = {is_kept}\n", other.display());
        // `config_body` = 3.
        let mut bytes = vec![3 << 3 | 2, u8::try_from(body.len()).unwrap()];
        bytes.extend(body.as_bytes());
        let runc = stage.options(|options| {
            options.root = other.display().to_string();
            options.no_new_keyring = is_kept;
        });
        let prefixed = any("types.containerd.io/containerd.runc.v1.Options", runc.value.clone());
        for options in [any("runtimeoptions.v1.Options", bytes), runc, prefixed] {
            let case = format!("{}, kept: {is_kept}", options.type_url);
            let mut request = stage.request(&bundle);
            request.stdout = format!("file://{}", out.display());
            request.options = MessageField::some(options);
            stage.ask(&request).unwrap();
            let recorded = other.join(&stage.containerd.namespace).join(id);
            assert!(recorded.exists(), "{case}");
            stage.start(id, "").unwrap();
            stage.wait(id, "");
            stage.delete(id, "").unwrap();
            assert!(!recorded.exists(), "{case}");
            assert_eq!(fs::read_to_string(&out).unwrap() == own, is_kept, "{case}: {own}");
            fs::remove_file(&out).unwrap();
        }
    }
    let mut request = stage.request(&bundle);
    let cut_off = [vec![3 << 3 | 2, 6], b"Root =".to_vec()].concat();
    request.options = MessageField::some(any("runtimeoptions.v1.Options", cut_off));
    let (code, words) = refused(stage.ask(&request));
    assert_eq!(code, Code::INVALID_ARGUMENT, "{words}");
}
