//! Service and Ingress, by one nginx in a pod: what kube-proxy and an ingress controller would do.
//!
//! Knows both manifests and writes nginx's configuration from them and from the pods that there are. Refuses to find
//! pods by anything but the Service's selector. What a newcomer would get wrong: a reload keeps the old workers until
//! their connections end, so the next request may still go where a pod was.

use super::manifests::{Manifests, number, text};
use super::node::{Container, Node, Pod};
use rrun_harness::{Must, Output, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// What a request was answered by, for whoever asks.
const SERVED_BY: &str = "X-Served-By";

pub struct Front<'a> {
    node: &'a Node<'a>,
    manifests: &'a Manifests,
    directory: PathBuf,
    pod: Pod<'a>,
    container: Container<'a>,
}

/// An answer: its status, who gave it, and its body.
#[derive(Debug)]
pub struct Answer {
    pub status: String,
    pub by: String,
    pub body: Value,
}

impl<'a> Front<'a> {
    #[track_caller]
    pub fn start(node: &'a Node<'a>, manifests: &'a Manifests, image: &str) -> Front<'a> {
        let directory = node.room().path().join("front");
        fs::create_dir_all(&directory).must("make the configuration's directory");
        let host = text(manifests.the("Ingress"), "/spec/tls/0/hosts/0");
        let certify = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN={host}' \
             -addext 'subjectAltName=DNS:{host}' -keyout '{0}/tls.key' -out '{0}/tls.crt'",
            directory.display()
        );
        node.room().sh(&format!("unset LD_LIBRARY_PATH; {certify}")).success();
        write(&directory, &configuration(node, manifests));
        let pod = node.pod("front", &json!({ "pid": "CONTAINER" }));
        let fields = json!({
            "image": { "image": image },
            "mounts": [{ "container_path": "/etc/nginx/conf.d", "host_path": directory, "readonly": true }],
        });
        let container = pod.start("nginx", &fields);
        Front { node, manifests, directory, pod, container }
    }

    /// Hears which pods there are now.
    #[track_caller]
    pub fn refresh(&self) {
        write(&self.directory, &configuration(self.node, self.manifests));
        self.container.sh("nginx -s reload 2>&1");
    }

    /// One request from outside the cluster: `rest` are further words for curl.
    pub fn try_ask(&self, path: &str, rest: &[&str]) -> Output {
        let host = text(self.manifests.the("Ingress"), "/spec/rules/0/host");
        let mut curl = self.node.room().command("curl");
        // The engines' libraries are not curl's.
        curl.env_remove("LD_LIBRARY_PATH").args(["--silent", "--show-error", "--max-time", "20"]);
        curl.arg("--cacert").arg(self.directory.join("tls.crt"));
        curl.arg("--resolve").arg(format!("{host}:443:{}", self.pod.address()));
        curl.args(["--write-out", &format!("\n%{{http_code}} %header{{{SERVED_BY}}}")]);
        self.node.room().finish({
            curl.arg(format!("https://{host}{path}")).args(rest);
            curl
        })
    }

    #[track_caller]
    pub fn ask(&self, path: &str, rest: &[&str]) -> Answer {
        let output = self.try_ask(path, rest).success().stdout();
        let (body, end) = output.rsplit_once('\n').must("the answer's end");
        let (status, by) = end.split_once(' ').must("its status and its server");
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Answer { status: status.to_owned(), by: by.to_owned(), body }
    }

    /// Asks until everybody in `pods`, and nobody else, has answered a round of requests.
    #[track_caller]
    pub fn spreads_over(&self, pods: &BTreeSet<String>) {
        let mut seen = BTreeSet::new();
        let all = eventually(|| {
            let answers: Vec<Answer> = (0..6).map(|_| self.ask("/accounts", &[])).collect();
            seen =
                answers.iter().map(|answer| format!("{} {}", answer.status, answer.by)).collect();
            let meant: BTreeSet<String> = pods.iter().map(|pod| format!("200 {pod}")).collect();
            seen == meant
        });
        assert!(
            all,
            "answers came from {seen:?}, not from {pods:?}; nginx wrote {:#?}",
            self.container.log()
        );
    }

    #[track_caller]
    pub fn end(self) {
        self.pod.end();
    }
}

/// Written beside and renamed: nginx may read at any time.
#[track_caller]
fn write(directory: &std::path::Path, configuration: &str) {
    let partial = directory.join("partial");
    fs::write(&partial, configuration).must("write nginx's configuration");
    fs::rename(partial, directory.join("front.conf")).must("rename it");
}

/// The addresses of the pods that the Service selects.
#[track_caller]
pub fn endpoints(node: &Node<'_>, service: &Value) -> BTreeSet<String> {
    let port = number(service, "/spec/ports/0/targetPort");
    let filter = json!({ "label_selector": service["spec"]["selector"], "state": { "state": "SANDBOX_READY" } });
    let pods = node.call("ListPodSandbox", &json!({ "filter": filter }));
    let pods = pods["items"].as_array().into_iter().flatten();
    let addresses = pods.map(|pod| {
        let status = node.call("PodSandboxStatus", &json!({ "pod_sandbox_id": pod["id"] }));
        format!("{}:{port}", text(&status, "/status/network/ip"))
    });
    addresses.collect()
}

#[track_caller]
fn configuration(node: &Node<'_>, manifests: &Manifests) -> String {
    let (service, ingress) = (manifests.the("Service"), manifests.the("Ingress"));
    let name = text(service, "/metadata/name");
    let port = number(service, "/spec/ports/0/port");
    let servers: String = endpoints(node, service)
        .iter()
        .map(|at| format!("    server {at} max_fails=0;\n"))
        .collect();
    // The Ingress leads to this Service by its name and port.
    let rule = ingress.pointer("/spec/rules/0").must("the rule");
    let path = rule.pointer("/http/paths/0").must("the path");
    assert_eq!(text(path, "/pathType"), "Prefix");
    assert_eq!(text(path, "/backend/service/name"), name);
    assert_eq!(number(path, "/backend/service/port/number"), port);
    assert_eq!(
        text(ingress, "/spec/ingressClassName"),
        text(manifests.the("IngressClass"), "/metadata/name")
    );
    let (host, path) = (text(rule, "/host"), text(path, "/path"));
    format!(
        "upstream {name} {{\n{servers}}}\n\
         server {{\n    listen {port};\n    location / {{\n        proxy_pass http://{name};\n        \
         proxy_http_version 1.1;\n        proxy_connect_timeout 1s;\n        add_header {SERVED_BY} $upstream_addr always;\n    }}\n}}\n\
         ssl_certificate /etc/nginx/conf.d/tls.crt;\nssl_certificate_key /etc/nginx/conf.d/tls.key;\n\
         server {{\n    listen 443 ssl;\n    server_name {host};\n    location {path} {{\n        \
         proxy_pass http://127.0.0.1:{port};\n        proxy_http_version 1.1;\n    }}\n}}\n\
         server {{\n    listen 443 ssl default_server;\n    return 404;\n}}\n"
    )
}
