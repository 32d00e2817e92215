//! What of an engine's configuration belongs to the machine it was written on, and what stands in for it here.

use nix::sys::resource::{Resource, getrlimit};
use rrun_harness::{Bundle, Must, Runtime};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A bundle of this configuration: a rootfs, sources of bind mounts and hooks of ours, a cgroup of its own, the probe as
/// the program, and no limit that we could not raise to.
#[track_caller]
pub fn adapted(config: &Value) -> Bundle {
    let bundle = Bundle::of_tree("default", &Runtime::under_test());
    let (path, id) = (bundle.path().to_owned(), bundle.id().to_owned());
    bundle.edit(|into| {
        *into = config.clone();
        into["root"]["path"] = json!("rootfs");
        into["process"]["args"] = json!(["/bin/probe", "facts"]);
        into["linux"]["cgroupsPath"] = json!(format!("/rrun-test-engines-{id}"));
        bind_sources(into, &path);
        hooks(into, &path);
        rlimits(into);
    })
}

/// The same, with every namespace that has a path joined to that of `other`'s process.
#[track_caller]
pub fn joined_to(other: &Bundle, bundle: Bundle) -> Bundle {
    let pid = other.state()["pid"].to_string();
    bundle.edit(|config| {
        let list = config["linux"]["namespaces"].as_array_mut().must("find namespaces");
        for namespace in list.iter_mut().filter(|namespace| namespace.get("path").is_some()) {
            let kind = match namespace["type"].as_str() {
                Some("network") => "net",
                Some(kind) => kind,
                None => panic!("a namespace without a type"),
            };
            namespace["path"] = json!(format!("/proc/{pid}/ns/{kind}"));
        }
    })
}

/// Directories for directories, files with a line that tells which for files.
#[track_caller]
fn bind_sources(config: &mut Value, bundle: &Path) {
    let mounts = config["mounts"].as_array_mut().must("find mounts");
    for (number, mount) in mounts.iter_mut().enumerate().filter(|(_, m)| m["type"] == "bind") {
        let destination = mount["destination"].as_str().must("find a destination").to_owned();
        let source = bundle.join(format!("source-{number}"));
        if ["/data", "/www", "/dev/shm"].contains(&destination.as_str()) {
            fs::create_dir(&source).must("make a source");
        } else {
            fs::write(&source, format!("{destination}\n")).must("make a source");
        }
        mount["source"] = json!(source);
    }
}

/// Each hook keeps what it reads in `hook-N` of the bundle.
fn hooks(config: &mut Value, bundle: &Path) {
    let lists = config.get_mut("hooks").and_then(Value::as_object_mut).into_iter().flatten();
    let hooks = lists.filter_map(|(_, list)| list.as_array_mut()).flatten();
    for (number, hook) in hooks.enumerate() {
        let kept = bundle.join(format!("hook-{number}"));
        hook["path"] = json!("/bin/sh");
        hook["args"] = json!(["sh", "-c", format!("cat > {}", kept.display())]);
    }
}

/// Raising a hard limit takes CAP_SYS_RESOURCE, which root may lack.
#[track_caller]
fn rlimits(config: &mut Value) {
    let limits = config["process"].get_mut("rlimits").and_then(Value::as_array_mut);
    for limit in limits.into_iter().flatten() {
        let resource = match limit["type"].as_str() {
            Some("RLIMIT_NOFILE") => Resource::RLIMIT_NOFILE,
            Some("RLIMIT_NPROC") => Resource::RLIMIT_NPROC,
            other => panic!("the fixtures have a new limit: {other:?}"),
        };
        let (_, ours) = getrlimit(resource).must("read a limit");
        for key in ["soft", "hard"] {
            let wanted = limit[key].as_u64().must("read a limit");
            limit[key] = json!(wanted.min(ours));
        }
    }
}
