//! Scopes of whole configurations.
//!
//! What a newcomer would get wrong: what systemd is told and what is written are two lists, made of one decision.

use super::*;
use serde_json::{Value as Json, json};
use std::path::Path;

fn planned(host: &Host, path: &str, resources: Json, annotations: Json) -> Result<CgroupPlan> {
    let config = json!({
        "ociVersion": "1.3.0", "root": {"path": "rootfs"}, "annotations": annotations,
        "linux": {"cgroupsPath": path, "resources": resources, "namespaces": [{"type": "mount"}]},
    });
    let spec = Spec::parse(config.to_string().as_bytes(), Path::new("/b")).unwrap();
    plan(&spec, host, &ContainerId::new("web").unwrap(), false)
}

fn scope(plan: &CgroupPlan) -> Vec<String> {
    plan.scope.iter().flat_map(|scope| &scope.properties).map(ToString::to_string).collect()
}

#[test]
fn a_limit_is_told_to_systemd_and_written() {
    let resources = json!({"memory": {"limit": 1 << 20}, "rdma": {"mlx": {"hcaHandles": 2}}});
    let plan = planned(&Host::fixture(), "a-b.slice:c:d", resources, json!({})).unwrap();
    let lines = plan.lines().join("\n");
    for line in [
        "ask systemd for c-d.scope in a-b.slice",
        "MemoryMax=1048576",
        "DevicePolicy=strict",
        "write \"1048576\" to memory.max",
        "write \"mlx hca_handle=2\" to rdma.max",
    ] {
        assert!(lines.contains(line), "{line}\n{lines}");
    }
    let place = plan.unified.unwrap();
    assert_eq!(place.path, "/a.slice/a-b.slice/c-d.scope");
}

#[test]
fn an_idle_cgroup_has_no_weight() {
    let resources = json!({"cpu": {"shares": 512, "idle": 1}});
    let plan = planned(&Host::fixture(), "", resources, json!({})).unwrap();
    assert!(scope(&plan).contains(&"CPUWeight=0".to_owned()));
    let files = plan.unified.unwrap().settings;
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn an_ordinary_user_asks_the_manager_of_its_own() {
    let host = Host::rootless_fixture(&["memory"]);
    let plan = planned(&host, "", json!({"memory": {"limit": 1 << 20}}), json!({})).unwrap();
    let properties = scope(&plan);
    assert!(properties.contains(&"Slice=user.slice".to_owned()), "{properties:?}");
    assert!(!properties.iter().any(|one| one.starts_with("Device")), "{properties:?}");
    assert_eq!(plan.scope.map(|scope| scope.manager), Some(Manager::User));
    assert_eq!(
        plan.unified.unwrap().path,
        "/user.slice/user-1000.slice/user@1000.service/user.slice/rrun-web.scope"
    );
    // From a session beside the manager the place is the same.
    let beside = planned(&Host::rootless_fixture(&[]), "", json!({}), json!({})).unwrap();
    assert_eq!(
        beside.unified.unwrap().path,
        "/user.slice/user-1000.slice/user@1000.service/user.slice/rrun-web.scope"
    );
    let cpu = planned(&host, "", json!({"cpu": {"shares": 512}}), json!({})).unwrap_err();
    assert!(cpu.to_string().contains("the cpu controller is not delegated"), "{cpu}");
}

#[test]
fn a_host_with_v1_controllers_is_told_what_to_do() {
    let error = planned(&Host::hybrid_fixture(), "", json!({}), json!({})).unwrap_err();
    assert_eq!(error.kind(), Kind::Host);
    assert!(error.hint_text().unwrap().contains("systemd.unified_cgroup_hierarchy=1"), "{error}");
}

#[test]
fn an_annotation_that_starts_programs_is_refused() {
    let annotations = json!({"org.systemd.property.ExecStartPre": "[('/bin/id', ['id'], false)]"});
    let error = planned(&Host::fixture(), "", json!({}), annotations).unwrap_err();
    assert_eq!(error.pointer(), Some("/annotations/org.systemd.property.ExecStartPre"));
}
