//! Kubernetes, down to the interface between a kubelet and a container runtime: containerd 1.6 and 2 run pods by rrun,
//! through runc's shim, which calls it, and through ours.
//!
//! One daemon for each way and a list of cases; and the article's Deployment with all that belongs to it. What a newcomer would get wrong: a runtime class is only a name for a
//! handler, and the handler is a table of containerd's configuration (see `rootfs-fixtures/article/kubernetes`).

#[path = "cri/cases.rs"]
mod cases;
#[path = "cri/deployment.rs"]
mod deployment;
#[path = "cri/ends.rs"]
mod ends;
#[path = "cri/features.rs"]
mod features;
#[path = "cri/front.rs"]
mod front;
#[path = "cri/keeper.rs"]
mod keeper;
#[path = "cri/manifests.rs"]
mod manifests;
#[path = "cri/node.rs"]
mod node;
#[path = "cri/restart.rs"]
mod restart;

use node::Node;
use rrun_harness::engines::Ability::Compose;
use rrun_harness::engines::{Cases, Containerd, Image, Proof, Room, Set, article};
use rrun_harness::{Must, requires};

/// What a test proves beside those of the lists, for `docs/engines.md`.
const _: &[Proof] = &[
    ("the_distributions_containerd_runs_the_deployment_by_runcs_shim", &[Compose]),
    ("a_newer_containerd_runs_the_deployment_by_our_shim", &[Compose]),
];

/// What a pod is run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    set: Set,
    handler: &'static str,
    /// `containerd-shim-NAME-v2`.
    shim: &'static str,
}

fn every_case(way: Way) {
    let mut containerd = Containerd::with(way.set, |config| config.cri = true);
    containerd.import_to(
        "k8s.io",
        &Image::busybox("localhost/pause:1").config("Cmd", serde_json::json!(["sleep", "1000000"])),
    );
    let image = containerd.import_to("k8s.io", &Image::busybox("localhost/bb:1"));
    let mut all = Cases::of(&format!("CRI of {}, {}", way.set.name(), way.handler));
    for (name, _, case) in cases::ALL.iter().chain(ends::ALL) {
        all.case(name, || case(&Node::new(&containerd, way.handler), &image));
    }
    for (name, case) in features::ALL {
        all.case(name, || case(&Node::new(&containerd, way.handler), way, &image));
    }
    for (name, case) in restart::ALL {
        all.case(name, || case(&mut containerd, way, &image));
    }
    all.end();
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_distributions_containerd_runs_pods_by_runcs_shim() {
    requires!(root, busybox, engines(Set::Own));
    every_case(Way { set: Set::Own, handler: "rrun", shim: "runc" });
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_containerd_runs_pods_by_runcs_shim() {
    requires!(root, busybox, engines(Set::Sid));
    every_case(Way { set: Set::Sid, handler: "rrun", shim: "runc" });
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_distributions_containerd_runs_pods_by_our_shim() {
    requires!(root, busybox, engines(Set::Own));
    every_case(Way { set: Set::Own, handler: "rrun-shim", shim: "rrun" });
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_containerd_runs_pods_by_our_shim() {
    requires!(root, busybox, engines(Set::Sid));
    every_case(Way { set: Set::Sid, handler: "rrun-shim", shim: "rrun" });
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_distributions_containerd_runs_the_deployment_by_runcs_shim() {
    requires!(
        root,
        busybox,
        program("curl"),
        program("openssl"),
        service("postgresql"),
        service("nginx"),
        engines(Set::Own)
    );
    deployment::stands(Set::Own, "rrun");
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_containerd_runs_the_deployment_by_our_shim() {
    requires!(
        root,
        busybox,
        program("curl"),
        program("openssl"),
        service("postgresql"),
        service("nginx"),
        engines(Set::Sid)
    );
    deployment::stands(Set::Sid, "rrun-shim");
}

/// What is in `rootfs-fixtures/article/kubernetes` to be copied is what this containerd understands.
#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_configuration_for_operators_is_understood_by_both_versions() {
    requires!(root, engines(Set::Own), engines(Set::Sid));
    for (set, file, plugin) in [
        (Set::Own, "containerd-1.toml", "io.containerd.grpc.v1.cri"),
        (Set::Sid, "containerd-2.toml", "io.containerd.cri.v1.runtime"),
    ] {
        let room = Room::new(set);
        let mut dump = room.command("containerd");
        dump.arg("--config").arg(article::fixtures().join("kubernetes").join(file));
        dump.args(["config", "dump"]);
        let understood = room.finish(dump).success().stdout().replace('"', "'");
        for (runtime, kind) in
            [("rrun", "io.containerd.rrun.v2"), ("rrun-by-runc-shim", "io.containerd.runc.v2")]
        {
            let table = format!("[plugins.'{plugin}'.containerd.runtimes.{runtime}]");
            let (_, rest) = understood.split_once(&table).must(&format!("find {table}"));
            let (own, _) = rest.split_once("runtimes.").unwrap_or((rest, ""));
            assert!(own.contains(&format!("runtime_type = '{kind}'")), "{table}: {own}");
        }
    }
}
