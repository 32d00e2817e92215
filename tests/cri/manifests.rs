//! The article's manifests, read as they stand there.
//!
//! Knows where Kubernetes keeps the few fields that are wanted. Refuses defaults: a field that is gone fails the test,
//! which would otherwise prove something about its own assumptions. What a newcomer would get wrong: a Service selects
//! pods by their labels, not by the Deployment that made them.

use super::node::Node;
use rrun_harness::Must;
use rrun_harness::engines::article;
use serde_json::{Value, json};

/// All documents of `rootfs-fixtures/article/kubernetes`, but for the other Deployment.
pub struct Manifests(Vec<Value>);

impl Manifests {
    #[track_caller]
    pub fn read(node: &Node<'_>) -> Manifests {
        let mut command = std::process::Command::new(super::node::client());
        command.arg("manifest");
        for name in ["deployment-rrun", "service", "ingress", "runtimeclass"] {
            command.arg(article::fixtures().join(format!("kubernetes/{name}.yaml")));
        }
        let read = node.room().finish(command).success().json();
        Manifests(read.as_array().must("a list of documents").clone())
    }

    /// The only document of this kind.
    #[track_caller]
    pub fn the(&self, kind: &str) -> &Value {
        let mut found = self.0.iter().filter(|document| document["kind"] == kind);
        let one = found.next().must(&format!("find a {kind}"));
        assert!(found.next().is_none(), "there are several of {kind}");
        one
    }

    /// The handler of the class that the Deployment's pods ask for.
    #[track_caller]
    pub fn handler(&self) -> &str {
        let wanted = text(self.the("Deployment"), "/spec/template/spec/runtimeClassName");
        let class = self.the("RuntimeClass");
        assert_eq!(text(class, "/metadata/name"), wanted);
        text(class, "/handler")
    }
}

#[track_caller]
pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).must(&format!("read {pointer} as text"))
}

#[track_caller]
pub fn number(document: &Value, pointer: &str) -> u64 {
    document.pointer(pointer).and_then(Value::as_u64).must(&format!("read {pointer} as a number"))
}

/// A pod template's only container, as the interface wants it; `hosts` is its /etc/hosts.
#[track_caller]
pub fn container(template: &Value, hosts: &std::path::Path) -> (String, Value) {
    let one = template.pointer("/spec/containers/0").must("the template's container");
    let variables = one["env"].as_array().into_iter().flatten();
    let variables: Vec<Value> = variables
        .map(
            |variable| json!({ "key": text(variable, "/name"), "value": text(variable, "/value") }),
        )
        .collect();
    let fields = json!({
        "image": { "image": text(one, "/image") },
        "envs": variables,
        "mounts": [{ "container_path": "/etc/hosts", "host_path": hosts, "readonly": true }],
    });
    (text(one, "/name").to_owned(), fields)
}
