//! Limits, as they are set, changed, used up and told of: in cgroup v1 and v2, whichever this machine has.
//!
//! What a newcomer would get wrong: the kernel tells of a kill for want of memory later than of the killed process's end,
//! and containerd wants to hear of the memory first.

use super::containerd::timeout;
use super::stage::{Code, SIGKILL, Stage, any, refused};
use containerd_shim_protos::api::{StatsRequest, UpdateTaskRequest};
use containerd_shim_protos::cgroups::metrics::Metrics as V1;
use containerd_shim_protos::cgroups_v2::metrics::Metrics as V2;
use protobuf::Message;
use rrun_harness::{Bundle, eventually, requires};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// A file of the cgroup that a process is in: its name in v1's controller, or in v2.
fn cgroup_file(pid: u32, controller: &str, v1: &str, v2: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let at = Path::new("/sys/fs/cgroup");
    let first = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let named = fields.next()?.split(',').any(|name| name == controller);
        named.then_some(fields.next()?)
    });
    let unified = || text.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    let path: PathBuf = match first {
        Some(path) => at.join(controller).join(&path[1..]).join(v1),
        None => at.join(&unified()[1..]).join(v2),
    };
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
}

fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

fn update(stage: &Stage, id: &str, resources: &Value) -> ttrpc::Result<()> {
    let resources = any(
        "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
        resources.to_string().into_bytes(),
    );
    let request = UpdateTaskRequest {
        id: id.into(),
        resources: Some(resources).into(),
        ..Default::default()
    };
    stage.task.update(timeout(), &request).map(drop)
}

#[test]
fn limits_are_in_the_cgroup_and_change_with_an_update() {
    requires!(root, cgroup("memory"), cgroup("cpu"), cgroup("pids"));
    let bundle = Bundle::new()
        .args(["probe", "sleep"])
        .set("/linux/resources/memory", json!({"limit": 64 * MIB}))
        .set("/linux/resources/cpu", json!({"shares": 512, "quota": 50_000, "period": 100_000}))
        .set("/linux/resources/pids", json!({"limit": 20}));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let pid = stage.up(&bundle);
    let memory = || cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max");
    let quota = || cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max");
    let pids = || cgroup_file(pid, "pids", "pids.max", "pids.max");
    let quota_of = |quota: &str| if is_v2() { format!("{quota} 100000") } else { quota.to_owned() };
    assert_eq!(memory(), (64 * MIB).to_string());
    assert_eq!((quota(), pids()), (quota_of("50000"), "20".into()));

    update(&stage, id, &json!({"memory": {"limit": 96 * MIB}, "pids": {"limit": 33}})).unwrap();
    assert_eq!((memory(), pids()), ((96 * MIB).to_string(), "33".into()));
    assert_eq!(quota(), quota_of("50000"), "what is not named stays");
    update(&stage, id, &json!({"cpu": {"quota": 25_000, "shares": 1024}})).unwrap();
    assert_eq!(quota(), quota_of("25000"));
    update(&stage, id, &json!({})).unwrap();

    for (wrong, field) in [
        (json!({"memory": {"limit": "much"}}), "at /memory/limit"),
        (json!({"cpu": {"quota": "half"}}), "at /cpu/quota"),
        (json!([]), "the resources"),
    ] {
        let (code, words) = refused(update(&stage, id, &wrong));
        assert_eq!(code, Code::INVALID_ARGUMENT, "{words}");
        assert!(words.contains(field), "{words}");
    }
    assert_eq!((memory(), pids()), ((96 * MIB).to_string(), "33".into()));
    stage.end(id);
}

#[test]
fn figures_are_plausible() {
    requires!(root, busybox, cgroup("memory"), cgroup("cpu"), cgroup("pids"));
    let bundle = Bundle::new()
        .script("probe spin 0.05; probe alloc 8388608; exec probe sleep")
        .set("/linux/resources/memory", json!({"limit": 64 * MIB}))
        .set("/linux/resources/pids", json!({"limit": 20}));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let out = stage.containerd.directory.join("out");
    let mut request = stage.request(&bundle);
    request.stdout = format!("file://{}", out.display());
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    assert!(eventually(|| fs::read_to_string(&out).is_ok_and(|text| text.ends_with("ready\n"))));
    let request = StatsRequest { id: id.into(), ..Default::default() };
    let stats = stage.task.stats(timeout(), &request).unwrap().stats.unwrap();
    // In nanoseconds: processor time; in bytes: memory now, at most, allowed; processes, allowed.
    let (cpu, usage, peak, limit, pids, most) = if is_v2() {
        assert_eq!(stats.type_url, "io.containerd.cgroups.v2.Metrics");
        let V2 { cpu, memory, pids, .. } = V2::parse_from_bytes(&stats.value).unwrap();
        let peak = memory.max_usage.max(9 * MIB);
        assert!(memory.pgfault > 0);
        (cpu.usage_usec * 1000, memory.usage, peak, memory.usage_limit, pids.current, pids.limit)
    } else {
        assert_eq!(stats.type_url, "io.containerd.cgroups.v1.Metrics");
        let V1 { cpu, memory, pids, .. } = V1::parse_from_bytes(&stats.value).unwrap();
        let count = &memory.usage;
        (cpu.usage.total, count.usage, count.max, count.limit, pids.current, pids.limit)
    };
    // What the probe got by its own account, and not a hundred times as much.
    let told = fs::read_to_string(&out).unwrap();
    let told: u64 = told.lines().next().unwrap().parse().unwrap();
    assert!((told..told * 100).contains(&cpu), "{cpu} ns, of which the probe had {told}");
    assert!(usage > 0 && usage < 64 * MIB && peak >= 8 * MIB, "{usage} of {peak}");
    assert_eq!((limit, pids, most), (64 * MIB, 1, 20));
    stage.end(id);
    assert_eq!(refused(stage.task.stats(timeout(), &request)).0, Code::NOT_FOUND);
}

#[test]
fn want_of_memory_is_told_before_the_end() {
    requires!(root, cgroup("memory"));
    let bundle = Bundle::new()
        .args(["probe", "alloc", "67108864"])
        .set("/linux/resources/memory", json!({"limit": 16 * MIB, "swap": 16 * MIB}));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    for _ in 0..3 {
        stage.up(&bundle);
        assert_eq!(stage.wait(id, ""), 137);
        stage.delete(id, "").unwrap();
        let story = stage.story(id, "delete 137");
        assert_eq!(story, ["create", "start", "oom", "exit init 137", "delete 137"]);
    }
}

#[test]
fn want_of_memory_of_an_exec_leaves_the_container() {
    requires!(root, cgroup("memory"));
    let bundle = Bundle::new()
        .args(["probe", "sleep"])
        .set("/linux/resources/memory", json!({"limit": 16 * MIB, "swap": 16 * MIB}));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    stage.exec(id, "e", &["probe", "alloc", "67108864"]).unwrap();
    stage.start(id, "e").unwrap();
    assert_eq!(stage.wait(id, "e"), 137);
    let story = stage.story(id, "exit e 137");
    assert_eq!(story, ["create", "start", "added e", "started e", "oom", "exit e 137"]);
    stage.kill(id, "", SIGKILL, false).unwrap();
    assert_eq!(stage.wait(id, ""), 137);
    stage.delete(id, "").unwrap();
    assert_eq!(stage.story(id, "delete 137"), ["exit init 137", "delete 137"]);
}
