//! A container that can't be made gives its devices back: name, index, addresses, routes, state, bridge.

use super::{FULL, device, host_with, ip, names, routes, sleeper};
use rrun_harness::{Bundle, Leftovers, requires};
use serde_json::{Value, json};

/// Everything about the devices of the host's side.
#[track_caller]
fn host() -> Value {
    let devices: Vec<Value> = names(None).iter().map(|name| device(None, name)).collect();
    let routes: Vec<Value> = names(None).iter().map(|name| routes(name)).collect();
    json!([devices, routes])
}

fn two(config: Value) -> Bundle {
    sleeper(json!({ "d0": { "name": "eth%d" }, "b0": { "name": "d0" } })).edit(|whole| {
        for (key, value) in config.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
    })
}

/// `d0` as ever, and `b0`, which is part of a bridge.
fn host_with_bridge() {
    host_with(FULL);
    ip("link add name br0 type bridge");
    ip("link add b0 type veth peer name b1");
    ip("link set b0 master br0");
    ip("link set b0 up");
}

#[test]
fn a_failure_after_the_move_gives_the_devices_back_as_they_were() {
    requires!(root, rrun, program("ip"));
    host_with_bridge();
    let before = host();
    assert_eq!(before[0].as_array().map(Vec::len), Some(5));
    for (what, config) in [
        (
            "a createRuntime hook",
            json!({ "hooks": { "createRuntime": [{ "path": "/bin/false" }] } }),
        ),
        (
            "a createContainer hook",
            json!({ "hooks": { "createContainer": [{ "path": "/bin/false" }] } }),
        ),
        ("no program", json!({ "process": { "cwd": "/", "args": ["/no/such/program"] } })),
    ] {
        let bundle = two(config);
        bundle.create().failure();
        assert_eq!(host(), before, "after {what}");
        Leftovers::assert_none(&bundle);
    }
    let bundle = two(json!({}));
    bundle.create_with(&["--pid-file", "/no/such/directory/pid"]).failure();
    assert_eq!(host(), before, "after a pid file that can't be written");
    Leftovers::assert_none(&bundle);
}

#[test]
fn wherever_the_parent_fails_the_devices_are_as_they_were() {
    requires!(root, rrun, program("ip"));
    host_with_bridge();
    let before = host();
    let bundle = two(json!({}));
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let mut in_the_middle = 0;
    for n in 0.. {
        let runtime = bundle.runtime().clone().with_env("RRUN_FAIL_HOST", n);
        let output = runtime.call(["create", "--bundle", &path, bundle.id()]);
        if output.exit_code() == 0 {
            break;
        }
        let said = output.stderr().to_owned();
        in_the_middle += usize::from(
            [
                "move a device",
                "settle a device",
                "give an address",
                "set a device up",
                "devices moved",
            ]
            .iter()
            .any(|point| said.contains(&format!("injected failure: {point}"))),
        );
        assert!(!said.contains("while undoing"), "{said}");
        assert_eq!(host(), before, "after point {n}: {said}");
        Leftovers::assert_none(&bundle);
    }
    // Two devices, four addresses: each of them met at every stage.
    assert_eq!(in_the_middle, 2 + 2 + 4 + 2 + 1);
    assert_eq!(names(None), ["p0", "br0", "b1"]);
    bundle.delete_force().success();
}

#[test]
fn what_cannot_be_given_back_is_said() {
    requires!(root, rrun, program("ip"));
    host_with(FULL);
    // The hook takes the old name.
    let take = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "ip link add d0 type ifb; exit 3"],
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] }]);
    let bundle = sleeper(json!({ "d0": { "name": "web0" } })).set("/hooks/createRuntime", take);
    let output = bundle.create().failure();
    output.stderr_has("exit status 3").stderr_has("while undoing: move network device \"d0\" back");
    Leftovers::assert_none(&bundle);
}
