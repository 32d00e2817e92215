//! The article's systems (`rootfs-fixtures/article`), as they stand there, on engines whose runtime is rrun.
//!
//! Knows what each must do when it is up and that nothing of it may be left when it is down. Refuses to know which
//! engine it is: a scenario is written once, over a [`Composer`]. What a newcomer would get wrong: `docker kill` is an
//! operator's decision, after which no restart policy acts; a process that is to be missed is killed by the kernel.

#[path = "article/bank.rs"]
mod bank;
#[path = "article/composer.rs"]
mod composer;
#[path = "article/portfolio.rs"]
mod portfolio;

use std::fs;

use composer::{Composer, get};
use rrun_harness::engines::Ability::Compose;
use rrun_harness::engines::{Docker, Podman, Proof, Set, article};
use rrun_harness::{Must, eventually, requires};

/// What each test proves, for `docs/engines.md`.
const _: &[Proof] = &[
    ("the_bank_through_podman_compose", &[Compose]),
    ("the_portfolio_through_podman_compose", &[Compose]),
    ("both_through_docker_compose_1", &[Compose]),
    ("both_through_docker_compose_2", &[Compose]),
    ("the_portfolio_through_docker_compose_2_by_our_shim", &[Compose]),
];

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_bank_through_podman_compose() {
    requires!(root, busybox, service("postgresql"), engines(Set::Own));
    bank::stands(&Podman::start());
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_portfolio_through_podman_compose() {
    requires!(root, busybox, service("nginx"), engines(Set::Own));
    portfolio::stands(&Podman::start());
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn both_through_docker_compose_1() {
    requires!(root, busybox, service("postgresql"), service("nginx"), engines(Set::Own));
    let docker = Docker::start(Set::Own);
    bank::stands(&docker);
    portfolio::stands(&docker);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn both_through_docker_compose_2() {
    requires!(root, busybox, service("postgresql"), service("nginx"), engines(Set::Sid));
    let docker = Docker::start(Set::Sid);
    bank::stands(&docker);
    portfolio::stands(&docker);
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_portfolio_through_docker_compose_2_by_our_shim() {
    requires!(root, busybox, service("nginx"), engines(Set::Sid));
    let runtimes = serde_json::json!({ "rrun": { "runtimeType": "io.containerd.rrun.v2" } });
    portfolio::stands(&Docker::with(Set::Sid, |config| config["runtimes"] = runtimes));
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_deployment_through_podman_play_kube() {
    requires!(root, busybox, service("postgresql"), engines(Set::Own));
    let podman = Podman::start();
    let scratch = podman.room().path().join("images");
    podman.load(&article::postgres_image(&scratch));
    podman.load(&article::bank_image(&scratch));
    podman.call(&["network", "create", "bank"]).success();
    let database = ["run", "--detach", "--network", "bank", "--name", "postgres"];
    let variables = ["POSTGRES_USER=root", "POSTGRES_PASSWORD=secret", "POSTGRES_DB=simple_bank"];
    let variables = variables.iter().flat_map(|variable| ["--env", variable]);
    let words: Vec<&str> =
        database.into_iter().chain(variables).chain([article::POSTGRES]).collect();
    podman.call(&words).success();

    // There is no registry to ask each time. And podman 4.3 publishes what Kubernetes only notes, so that the second
    // replica would find the first one's port taken: the note is left out.
    let text = fs::read_to_string(article::fixtures().join("kubernetes/deployment.yaml"));
    let here = text.must("read the Deployment").replace("Policy: Always", "Policy: Never");
    let ports = "          ports:\n            - containerPort: 8080\n";
    assert!(here.contains("Policy: Never") && here.contains(ports), "another Deployment: {here}");
    let here = here.replace(ports, "");
    let manifest = podman.room().path().join("deployment.yaml");
    fs::write(&manifest, here).must("write the Deployment");
    let manifest = manifest.to_string_lossy();
    podman.call(&["play", "kube", "--network", "bank", &manifest]).success();
    let pods = podman.call(&["pod", "ps", "--quiet", "--filter", "label=app=golang-backend-api"]);
    assert_eq!(pods.success().stdout().lines().count(), 2, "two replicas");

    let listed = podman.call(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout();
    let replicas: Vec<&str> = listed.lines().filter(|name| name.ends_with("-api")).collect();
    assert_eq!(replicas.len(), 2, "{listed:?}");
    for replica in &replicas {
        let said = podman.inspect(replica, "{{.OCIRuntime}} {{.Config.Env}}");
        assert!(
            said.starts_with("rrun ") && said.contains("DB_SOURCE=postgresql://root:"),
            "{said}"
        );
        answers(&podman, replica);
    }
    bank::keeps_accounts(&podman, &address(&podman, replicas[0]));

    // A pod's container is restarted when it ends, for that is what Kubernetes does where nothing is said.
    podman.kill_main_process(replicas[1], "KILL");
    let restarted = eventually(|| podman.inspect(replicas[1], "{{.RestartCount}}") == "1");
    assert!(restarted, "{}", podman.inspect(replicas[1], "{{json .State}}"));
    answers(&podman, replicas[1]);

    podman.call(&["play", "kube", "--down", &manifest]).success();
    podman.call(&["rm", "--force", "--volumes", "--time", "5", "postgres"]).success();
    podman.call(&["network", "rm", "bank"]).success();
    composer::assert_nothing_is_left(&podman);
}

/// Its address on the network, with the port.
#[track_caller]
fn address(podman: &Podman, replica: &str) -> String {
    let pod = podman.inspect(replica, "{{.Pod}}");
    let infra = podman.call(&["pod", "inspect", &pod, "--format", "{{.InfraContainerID}}"]);
    let infra = infra.success().stdout().trim().to_owned();
    let found = podman.inspect(&infra, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    assert!(!found.is_empty(), "{replica} has no address");
    format!("{found}:8080")
}

#[track_caller]
fn answers(podman: &Podman, replica: &str) {
    let at = format!("http://{}/accounts", address(podman, replica));
    let mut said = None;
    let answers = eventually(|| {
        said = get(podman, &at);
        said.is_some()
    });
    let log = podman.call(&["logs", replica]);
    assert!(answers, "{replica} does not answer at {at}: {}", log.account());
    let accounts: serde_json::Value =
        serde_json::from_str(&said.unwrap_or_default()).must("read the accounts");
    assert!(accounts.is_array(), "{accounts}");
}
