//! What a runtime says that it can do, and what newer kubelets ask of it then.
//!
//! What a newcomer would get wrong: containerd asks only runtimes of the type `io.containerd.runc.v2` for their
//! features; of any other it tells the kubelet none, whatever its shim answers to `-info`.

use super::Way;
use super::cases::sleeper;
use super::node::Node;
use rrun_harness::engines::Set;
use serde_json::json;

type Case = fn(&Node<'_>, Way, &str);

pub const ALL: &[(&str, Case)] = &[
    ("features", features_are_told),
    ("user namespace", a_pod_has_users_of_its_own),
    ("read-only", a_mount_is_read_only_all_the_way_down),
];

fn features_are_told(node: &Node<'_>, way: Way, _: &str) {
    let status = node.call("Status", &json!({}));
    let ready = |kind: &str| {
        let all = status["status"]["conditions"].as_array();
        all.into_iter().flatten().any(|one| one["type"] == kind && one["status"] == true)
    };
    assert!(ready("RuntimeReady") && ready("NetworkReady"), "{status}");
    if way.set == Set::Own || way.shim != "runc" {
        return;
    }
    let handlers = status["runtime_handlers"].as_array();
    let ours = handlers.into_iter().flatten().find(|one| one["name"] == way.handler);
    let features = json!({ "recursive_read_only_mounts": true, "user_namespaces": true });
    assert_eq!(ours.map(|one| &one["features"]), Some(&features), "{status}");
}

fn a_pod_has_users_of_its_own(node: &Node<'_>, way: Way, image: &str) {
    if way.set == Set::Own {
        return; // containerd 1.6 knows no user namespaces of pods.
    }
    let ids = json!([{ "host_id": 1_000_000, "container_id": 0, "length": 65_536 }]);
    let users = json!({ "mode": "POD", "uids": ids, "gids": ids });
    let pod = node.pod("users", &json!({ "pid": "CONTAINER", "userns_options": users }));
    let inside = pod.start("inside", &sleeper(image));
    for map in ["uid_map", "gid_map"] {
        let seen = inside.sh(&format!("cat /proc/self/{map}"));
        let seen: Vec<&str> = seen.split_whitespace().collect();
        assert_eq!(seen, ["0", "1000000", "65536"], "{map}");
    }
    // Its own root owns its files, and may change them.
    assert_eq!(
        inside.sh("id -u; stat -c %u /bin; touch /etc/new; stat -c %u /etc/new"),
        "0\n0\n0\n"
    );
    pod.end();
}

fn a_mount_is_read_only_all_the_way_down(node: &Node<'_>, way: Way, image: &str) {
    if way.set == Set::Own || way.shim != "runc" {
        return; // Asked for only where the feature is told.
    }
    let outer = node.room().path().join("outer");
    node.room()
        .sh(&format!("mkdir -p {0}/inner && mount -t tmpfs tmpfs {0}/inner", outer.display()))
        .success();
    let pod = node.pod("readonly", &json!({ "pid": "CONTAINER" }));
    let mut fields = sleeper(image);
    fields["mounts"] = json!([
        { "container_path": "/deep", "host_path": outer, "readonly": true, "recursive_read_only": true },
        { "container_path": "/shallow", "host_path": outer, "readonly": true },
    ]);
    let inside = pod.start("inside", &fields);
    assert_ne!(
        inside.exec(&["touch", "/deep/inner/file"]).0,
        0,
        "what is mounted below can be written"
    );
    assert_eq!(inside.exec(&["touch", "/shallow/inner/file"]).0, 0, "the other proves nothing");
    pod.end();
    node.room().sh(&format!("umount {}/inner", outer.display())).success();
}
