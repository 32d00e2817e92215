//! What is read from standard input: options of both types, containerd 2.3's parameters; and what is answered to `-info`.

use super::containerd::{Containerd, SHIM, Shim, fed};
use containerd_shim_protos::api::ConnectRequest;
use containerd_shim_protos::bootstrap_api::Extension;
use containerd_shim_protos::shim::oci;
use containerd_shim_protos::types::introspection::RuntimeInfo;
use protobuf::well_known_types::any::Any;
use protobuf::{Message, MessageField};
use rrun_harness::{eventually, requires};
use std::fs;
use std::path::Path;
use std::process::Command;

fn any(type_url: &str, value: Vec<u8>) -> Any {
    Any { type_url: type_url.into(), value, ..Default::default() }
}

/// `runtimeoptions.v1.Options` with a TOML body, as containerd packs the table of a runtime with a name of its own.
fn runtime_options(body: &str) -> Any {
    let mut bytes = vec![3 << 3 | 2, u8::try_from(body.len()).unwrap()];
    bytes.extend(body.as_bytes());
    any("runtimeoptions.v1.Options", bytes)
}

fn runc_options(options: &oci::Options) -> Any {
    any("containerd.runc.v1.Options", options.write_to_bytes().unwrap())
}

#[test]
fn options_of_either_type_come_on_standard_input() {
    requires!(root);
    let containerd = Containerd::new();
    let runc = oci::Options { root: "/run/r".into(), ..Default::default() };
    for (id, options) in
        [("runc", runc_options(&runc)), ("toml", runtime_options("Root = \"/run/r\"\n"))]
    {
        let bundle = containerd.bundle(id, &[]);
        let output = containerd.start_with(id, &bundle, &options.write_to_bytes().unwrap());
        assert!(output.status.success(), "{output:?}");
        let shim = Shim::at(str::from_utf8(&output.stdout).unwrap(), &bundle);
        shim.shutdown();
        assert!(shim.ends());
    }
}

#[test]
fn options_that_cannot_be_kept_start_nothing() {
    requires!(root);
    let containerd = Containerd::new();
    let cgroup = oci::Options { shim_cgroup: "/rrun-no-such-cgroup".into(), ..Default::default() };
    for (id, options, part) in [
        (
            "type",
            any("example.com/Other", vec![1]),
            "runtime options of type \"example.com/Other\"",
        ),
        ("toml", runtime_options("Root = "), "config_body: "),
        ("cgroup", runc_options(&cgroup), "ShimCgroup = \"/rrun-no-such-cgroup\": no such cgroup"),
    ] {
        let bundle = containerd.bundle(id, &[]);
        // In both ways: as they are, and as an extension of containerd 2.3's parameters. Of the latter there are many,
        // and one that is not known is none of ours.
        let mut params = containerd.params(id);
        let extension =
            Extension { value: MessageField::some(options.clone()), ..Default::default() };
        params.extensions.push(extension);
        let inputs = [options.write_to_bytes().unwrap(), params.write_to_bytes().unwrap()];
        for input in inputs.iter().take(if id == "type" { 1 } else { 2 }) {
            let output = containerd.start_with(id, &bundle, input);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && output.stdout.is_empty(), "{id}");
            assert!(said.contains(part) && said.lines().count() == 1, "{said}");
            assert!(!bundle.join("address").exists(), "{id}");
        }
    }
    let sockets = fs::read_dir(containerd.directory.join("s")).map(Iterator::count);
    assert_eq!(sockets.unwrap(), 0, "a socket was left");
}

#[test]
fn the_shim_is_put_into_the_cgroup_that_is_named_for_it() {
    requires!(root);
    let hierarchies = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"];
    let mut hierarchies = hierarchies.iter().map(Path::new);
    let hierarchy = hierarchies.find(|path| path.join("cgroup.procs").exists()).unwrap();
    let name = format!("/rrun-shim-{}", std::process::id());
    let cgroup = hierarchy.join(&name[1..]);
    fs::create_dir(&cgroup).unwrap();
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let options = oci::Options { shim_cgroup: name.clone(), ..Default::default() };
    let input = runc_options(&options).write_to_bytes().unwrap();
    let output = containerd.start_with("web", &bundle, &input);
    let shim = Shim::at(str::from_utf8(&output.stdout).unwrap(), &bundle);
    let own = fs::read_to_string(format!("/proc/{}/cgroup", shim.pid)).unwrap();
    shim.shutdown();
    let ended = shim.ends();
    let removed = eventually(|| fs::remove_dir(&cgroup).is_ok());
    assert!(own.lines().any(|line| line.ends_with(&format!(":{name}"))), "{own}");
    assert!(ended && removed);
}

#[test]
fn parameters_for_another_container_are_none() {
    requires!(root);
    let containerd = Containerd::new();
    let bundle = containerd.bundle("web", &[]);
    let other = containerd.params("other").write_to_bytes().unwrap();
    let output = containerd.start_with("web", &bundle, &other);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("runtime options of type \"other\"") && !output.status.success(),
        "{said}"
    );

    let shim = containerd.start("web", &bundle);
    assert_eq!(shim.socket.parent(), Some(&*containerd.directory.join("s")));
    shim.call(3, "Connect", &ConnectRequest::new()).unwrap();
}

#[test]
fn the_features_are_those_of_the_command() {
    let rrun = Command::new(env!("CARGO_BIN_EXE_rrun")).arg("features").output().unwrap();
    let options = runtime_options("Root = \"/r\"\n");
    for input in [Vec::new(), options.write_to_bytes().unwrap()] {
        let output = fed(Command::new(SHIM).arg("-info"), &input);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let answer = RuntimeInfo::parse_from_bytes(&output.stdout).unwrap();
        assert_eq!(answer.name, "io.containerd.rrun.v2");
        assert_eq!(answer.version.version, env!("CARGO_PKG_VERSION"));
        let features = answer.features.unwrap();
        let type_url = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";
        assert_eq!(features.type_url, type_url);
        assert_eq!(features.value, rrun.stdout);
        let handed_back = answer.options.into_option();
        assert_eq!(handed_back, Some(options.clone()).filter(|_| !input.is_empty()));
    }
    for flag in ["-v", "--version"] {
        let output = Command::new(SHIM).arg(flag).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = format!("  Version:  {}\n", env!("CARGO_PKG_VERSION"));
        assert!(text.starts_with("containerd-shim-rrun-v2:\n") && text.contains(&line), "{text}");
    }
}
