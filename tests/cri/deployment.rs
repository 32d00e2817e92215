//! The article's Deployment, Service and Ingress on containerd's container runtime interface: two pods of the runtime
//! class `rrun` with a database behind them and nginx before them, all of them run by rrun.
//!
//! Knows what the manifests promise: two replicas whatever is killed, requests spread over both, TLS at the door. There
//! is no kubelet in the distributions; what it would ask is asked by `keeper.rs`. What a newcomer would get wrong:
//! names are a cluster's, so a pod that asks for `postgres` needs somebody to tell it an address.

use super::front::{Front, endpoints};
use super::keeper::Keeper;
use super::manifests::Manifests;
use super::node::{Node, Pod};
use rrun_harness::engines::{Containerd, Image, Set, article};
use rrun_harness::{Must, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

/// The database by the name that DB_SOURCE has for it; what its clients need in /etc/hosts.
#[track_caller]
fn database<'a>(node: &'a Node<'a>) -> (Pod<'a>, String) {
    let pod = node.pod("postgres", &json!({ "pid": "CONTAINER" }));
    let variable = |key: &str, value: &str| json!({ "key": key, "value": value });
    let fields = json!({
        "image": { "image": article::POSTGRES },
        "envs": [
            variable("POSTGRES_USER", "root"),
            variable("POSTGRES_PASSWORD", "secret"),
            variable("POSTGRES_DB", "simple_bank"),
        ],
    });
    let server = pod.start("postgres", &fields);
    server.expect_log("ready to accept connections");
    let hosts = format!("127.0.0.1 localhost\n{} postgres\n", pod.address());
    (pod, hosts)
}

#[track_caller]
pub fn stands(set: Set, handler: &'static str) {
    let containerd = Containerd::with(set, |config| config.cri = true);
    let scratch = containerd.room().path().join("images");
    let pause = Image::busybox("localhost/pause:1").config("Cmd", json!(["sleep", "1000000"]));
    containerd.import_to("k8s.io", &pause);
    containerd.import_to("k8s.io", &article::postgres_image(&scratch));
    containerd.import_to("k8s.io", &article::bank_image(&scratch));
    let nginx = containerd.import_to("k8s.io", &article::nginx_image(&scratch));
    let node = Node::new(&containerd, handler);
    let manifests = Manifests::read(&node);
    assert!(handler.starts_with(manifests.handler()), "{handler} is not the class' handler");

    let (database, names) = database(&node);
    let hosts = containerd.room().path().join("hosts");
    fs::write(&hosts, names).must("write /etc/hosts");
    let mut keeper = Keeper::of(&node, manifests.the("Deployment"), hosts);
    assert_eq!(keeper.reconcile().len(), 2);
    assert!(keeper.replicas.iter().all(|one| one.pod.status()["runtime_handler"] == handler));
    let service = manifests.the("Service");
    let first = endpoints(&node, service);
    assert_eq!(first.len(), 2, "{first:?}");
    let front = Front::start(&node, &manifests, &nginx);
    let up = || {
        let output = front.try_ask("/accounts", &[]);
        output.exit_code() == 0 && output.stdout().contains("\n200 ")
    };
    assert!(eventually(up), "{}", front.try_ask("/accounts", &[]).account());
    front.spreads_over(&first);
    keeps_accounts(&front);
    is_private(&front);

    // A process that dies: the same pod, a container more.
    node.kill(&keeper.replicas[0].container.id);
    assert!(keeper.notices()[0].starts_with("started"));
    assert_eq!(keeper.replicas[0].attempt, 1);
    front.spreads_over(&first);

    // A pod that is gone: another one, with another address.
    let pod = &keeper.replicas[1].pod;
    let gone = format!("{}:8080", pod.address());
    node.call("StopPodSandbox", &json!({ "pod_sandbox_id": pod.id }));
    let did = keeper.notices();
    assert!(did.len() == 2 && did[1].starts_with("made"), "{did:?}");
    let second = endpoints(&node, service);
    assert!(second.len() == 2 && !second.contains(&gone), "{second:?} after {gone}");
    assert_eq!(first.intersection(&second).collect::<BTreeSet<_>>().len(), 1);
    front.refresh();
    front.spreads_over(&second);
    let accounts = front.ask("/accounts", &[]).body;
    assert_eq!(accounts.as_array().map(Vec::len), Some(2), "what was written is gone: {accounts}");

    front.end();
    keeper.end();
    database.end();
}

/// Two accounts and a transfer, written through one door and read through it again.
#[track_caller]
fn keeps_accounts(front: &Front<'_>) {
    let open = |owner: &str| {
        let body = json!({ "owner": owner, "balance": 100, "currency": "EUR" }).to_string();
        let made = front.ask("/accounts", &["--data", &body]);
        assert_eq!(made.status, "201", "{made:?}");
        made.body["id"].clone()
    };
    let (ann, bob) = (open("ann"), open("bob"));
    let body = json!({ "from_account_id": ann, "to_account_id": bob, "amount": 30 }).to_string();
    let moved = front.ask("/transfers", &["--data", &body]);
    assert_eq!(moved.status, "201", "{moved:?}");
    // Either replica tells the same.
    for _ in 0..2 {
        let balance = |id: &serde_json::Value| {
            front.ask(&format!("/accounts/{id}"), &[]).body["balance"].clone()
        };
        assert_eq!((balance(&ann), balance(&bob)), (json!(70), json!(130)));
    }
}

/// Only this host, and only with its certificate.
#[track_caller]
fn is_private(front: &Front<'_>) {
    let other = front.ask("/accounts", &["--header", "Host: another.example"]);
    assert_eq!(other.status, "404", "{other:?}");
    let stranger = front.try_ask("/accounts", &["--cacert", "/dev/null"]);
    assert!(stranger.exit_code() != 0, "{}", stranger.account());
}
