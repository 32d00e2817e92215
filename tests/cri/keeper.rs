//! What a cluster does for a Deployment, in small: as many pods as it says, each with its container running.
//!
//! Knows a Deployment and a kubelet's two answers: a container that ended is made again in its pod, a pod that is gone is
//! made anew. Refuses to hurry: there is no back-off here. What a newcomer would get wrong: a new pod has a new address,
//! and whoever sends requests has to hear of it.

use super::manifests::{container, number};
use super::node::{Container, Node, Pod};
use rrun_harness::{Must, eventually};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The replicas of a Deployment.
pub struct Keeper<'a> {
    node: &'a Node<'a>,
    deployment: Value,
    hosts: PathBuf,
    pub replicas: Vec<Replica<'a>>,
}

/// A pod of the Deployment and what runs in it.
pub struct Replica<'a> {
    pub pod: Pod<'a>,
    pub container: Container<'a>,
    pub attempt: u32,
}

impl<'a> Keeper<'a> {
    /// Nothing runs yet; pods will have `hosts` as their /etc/hosts.
    pub fn of(node: &'a Node<'a>, deployment: &Value, hosts: PathBuf) -> Keeper<'a> {
        Keeper { node, deployment: deployment.clone(), hosts, replicas: Vec::new() }
    }

    /// Makes what is missing; what it did.
    #[track_caller]
    pub fn reconcile(&mut self) -> Vec<String> {
        let mut did = Vec::new();
        let template = self.deployment.pointer("/spec/template").must("the template");
        let (name, fields) = container(template, &self.hosts);
        let (ready, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.replicas)
            .into_iter()
            .partition(|one| one.pod.status()["state"] == "SANDBOX_READY");
        for one in gone {
            did.push(format!("removed {}", one.pod.id));
            one.pod.end();
        }
        self.replicas = ready;
        for one in &mut self.replicas {
            if one.container.status()["state"] == "CONTAINER_EXITED" {
                one.attempt += 1;
                one.container = one.pod.restart(&name, one.attempt, &fields);
                did.push(format!("started {} again", one.container.id));
            }
        }
        let wanted = usize::try_from(number(&self.deployment, "/spec/replicas")).must("a count");
        while self.replicas.len() < wanted {
            let labels = template.pointer("/metadata/labels").must("the pods' labels");
            let options = json!({ "pid": "CONTAINER" });
            let pod = self.node.labelled_pod(&name, &options, labels);
            let container = pod.start(&name, &fields);
            did.push(format!("made {}", pod.id));
            self.replicas.push(Replica { pod, container, attempt: 0 });
        }
        did
    }

    /// Reconciles until there was something to do.
    #[track_caller]
    pub fn notices(&mut self) -> Vec<String> {
        let mut did = Vec::new();
        eventually(|| {
            did = self.reconcile();
            !did.is_empty()
        });
        assert!(!did.is_empty(), "there was nothing to do");
        did
    }

    #[track_caller]
    pub fn end(self) {
        for replica in self.replicas {
            replica.pod.end();
        }
    }
}
