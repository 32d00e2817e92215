//! Both types of options, as containerd 1.6 to 2.x encode them.

use super::*;
use std::env;

fn any(type_url: &str, value: Vec<u8>) -> Any {
    Any { type_url: type_url.into(), value, ..Default::default() }
}

fn runtime_options(path: &str, body: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, text) in [(1_u8, "ignored"), (2, path), (3, body)] {
        let length = u8::try_from(text.len()).unwrap();
        bytes.extend([number << 3 | 2, length]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

const BODY: &str = "BinaryName = '/usr/bin/rrun'\nRoot = \"/r\"\nSystemdCgroup = true\n\
                    NoPivotRoot = true\nIoUid = 7\nShimCgroup = \"/s\"\nUnknown = 1\n";

fn expected() -> Options {
    Options {
        root: "/r".into(),
        binary_name: "/usr/bin/rrun".into(),
        systemd_cgroup: true,
        no_pivot_root: true,
        io_uid: 7,
        shim_cgroup: "/s".into(),
        ..Options::default()
    }
}

#[test]
fn both_types_say_the_same_with_or_without_a_prefix() {
    let runc = oci::Options {
        root: "/r".into(),
        binary_name: "/usr/bin/rrun".into(),
        systemd_cgroup: true,
        no_pivot_root: true,
        io_uid: 7,
        shim_cgroup: "/s".into(),
        ..Default::default()
    };
    let runc = runc.write_to_bytes().unwrap();
    for prefix in ["", "types.containerd.io/", "type.googleapis.com/"] {
        for (name, value) in [
            ("containerd.runc.v1.Options", runc.clone()),
            ("runtimeoptions.v1.Options", runtime_options("", BODY)),
        ] {
            let any = any(&format!("{prefix}{name}"), value);
            assert!(Options::are_in(&any));
            assert_eq!(Options::decode(Some(&any)).unwrap(), expected(), "{prefix}{name}");
        }
    }
}

#[test]
fn a_file_serves_when_there_is_no_body() {
    let path = env::temp_dir().join(format!("rrun-shim-options-{}.toml", std::process::id()));
    fs::write(&path, BODY).unwrap();
    let of = |path: &Path| {
        let value = runtime_options(path.to_str().unwrap(), "");
        Options::decode(Some(&any("runtimeoptions.v1.Options", value)))
    };
    let read = of(&path);
    fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), expected());
    let said = of(&path).unwrap_err().to_string();
    assert!(said.contains("config_path") && said.contains("no such file"), "{said}");
}

#[test]
fn nothing_is_the_defaults() {
    for message in [
        None,
        Some(Any::default()),
        Some(any("containerd.runc.v1.Options", Vec::new())),
        Some(any("runtimeoptions.v1.Options", Vec::new())),
    ] {
        let options = Options::decode(message.as_ref()).unwrap();
        assert_eq!(options, Options::default());
        assert_eq!(options.state_root("moby"), Path::new("/run/containerd/rrun/moby"));
    }
    assert_eq!(expected().state_root("k8s.io"), Path::new("/r/k8s.io"));
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    for (type_url, value, part) in [
        ("example.com/v1.Other", vec![], "runtime options of type \"example.com/v1.Other\""),
        ("runtimeoptions.v1.Options", runtime_options("", "Root = "), "config_body"),
        ("runtimeoptions.v1.Options", runtime_options("", "IoUid = 'x'"), "config_body"),
        ("runtimeoptions.v1.Options", vec![3 << 3 | 2, 9], "runtimeoptions.v1.Options"),
        ("containerd.runc.v1.Options", vec![7 << 3 | 2, 9], "containerd.runc.v1.Options"),
    ] {
        let said = Options::decode(Some(&any(type_url, value))).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn what_was_saved_is_loaded_and_nothing_saved_is_the_defaults() {
    let directory = env::temp_dir().join(format!("rrun-shim-saved-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let before = Options::load(&directory);
    expected().save(&directory).unwrap();
    let after = Options::load(&directory);
    fs::write(directory.join(FILE), "{").unwrap();
    let damaged = Options::load(&directory);
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!((before.unwrap(), after.unwrap()), (Options::default(), expected()));
    assert!(damaged.unwrap_err().to_string().contains("options.json"));
}
