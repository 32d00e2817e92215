//! Plans for every field, on both kinds of host. Those for whole configurations are in `engines`.

mod engines;
use super::*;
use crate::id::{HostPath, InnerPath};
use crate::spec::{
    BlockIo, Capabilities, CgroupPath, Cpu, DeviceRate, DeviceWeight, ExecAffinity, Hooks,
    HugePages, IdMaps, Limit, Memory, Namespaces, Network, Privileges, Process, Rdma, Terminal,
    TimeOffsets, User,
};
use std::{collections::BTreeMap, path::PathBuf};

fn spec(path: Option<CgroupPath>, resources: Resources) -> Spec {
    Spec {
        hardening: Default::default(),
        crun: Default::default(),
        version: "1.3.0".into(),
        rootfs: HostPath::from(PathBuf::from("/b/rootfs")),
        rootfs_readonly: false,
        process: None,
        hostname: None,
        domainname: None,
        mounts: Vec::new(),
        hooks: Hooks::default(),
        annotations: BTreeMap::new(),
        namespaces: Namespaces::default(),
        id_maps: IdMaps::default(),
        time_offsets: TimeOffsets::default(),
        devices: Vec::new(),
        cgroups_path: path,
        resources,
        rootfs_propagation: None,
        masked_paths: Vec::new(),
        readonly_paths: Vec::new(),
        sysctl: BTreeMap::new(),
        seccomp: None,
        personality: None,
        memory_policy: None,
        mount_label: None,
        net_devices: vec![],
        intel_rdt: None,
        warnings: Vec::new(),
    }
}

fn process_of_root() -> Process {
    Process {
        args: vec!["/bin/true".into()],
        env: Vec::new(),
        cwd: InnerPath::new("/"),
        terminal: Terminal::None,
        user: User { uid: 0, gid: 0, umask: None, additional_gids: Vec::new() },
        capabilities: Capabilities::default(),
        privileges: Privileges::NoNew,
        rlimits: Vec::new(),
        oom_score_adj: None,
        apparmor_profile: None,
        selinux_label: None,
        scheduler: None,
        io_priority: None,
        exec_affinity: ExecAffinity::default(),
    }
}

fn absolute(path: &str) -> Option<CgroupPath> {
    Some(CgroupPath::Absolute(path.into()))
}

fn plan_on(host: &Host, path: Option<CgroupPath>, resources: Resources) -> Result<CgroupPlan> {
    plan(&spec(path, resources), host, &ContainerId::new("web").expect("an id"), false)
}

fn on_v2(resources: Resources) -> Result<CgroupPlan> {
    plan_on(&Host::fixture(), absolute("/rrun/web"), resources)
}

fn on_hybrid(resources: Resources) -> Result<CgroupPlan> {
    plan_on(&Host::hybrid_fixture(), absolute("/rrun/web"), resources)
}

fn half_a_cpu() -> Cpu {
    Cpu { quota: Some(Limit::Max(50_000)), period: Some(100_000), ..Cpu::default() }
}

fn memory(limit: u64, swap: Option<u64>) -> Memory {
    Memory { limit: Some(Limit::Max(limit)), swap: swap.map(Limit::Max), ..Memory::default() }
}

/// `file=value` of each write, as `mount:file=value` in v1 hierarchies.
fn writes(plan: &CgroupPlan) -> Vec<String> {
    let of = |place: &Place, prefix: &str| -> Vec<String> {
        let text = |setting: &Setting| match setting {
            Setting::Write(write) => format!("{prefix}{}={}", write.file, write.value),
            Setting::RefuseIfUsed { file, limit, .. } => format!("{prefix}{file}<{limit}"),
        };
        place.settings.iter().map(text).collect()
    };
    let unified = plan.unified.iter().flat_map(|place| of(place, ""));
    unified.chain(plan.v1.iter().flat_map(|one| of(&one.place, "v1:"))).collect()
}

fn enabled(plan: &CgroupPlan) -> String {
    let enable = &plan.unified.as_ref().expect("a cgroup").enable;
    enable.iter().map(|one| &*one.controller).collect::<Vec<_>>().join(" ")
}

fn paths(plan: &CgroupPlan) -> Vec<String> {
    let all = plan.unified.iter().chain(plan.v1.iter().map(|one| &one.place));
    all.map(|place| format!("{}{}", place.mount.display(), place.path)).collect()
}

#[test]
fn a_container_without_limits_has_a_cgroup_all_the_same() {
    let plan = on_v2(Resources::default()).expect("plan");
    assert_eq!(paths(&plan), ["/sys/fs/cgroup/rrun/web"]);
    assert_eq!(enabled(&plan), "cpu cpuset io memory pids");
    assert!(matches!(plan.devices, Devices::Program(_)));
    let plan = on_hybrid(Resources::default()).expect("plan");
    let hierarchies = ["unified", "cpu", "cpuacct", "memory", "blkio", "pids"];
    assert_eq!(paths(&plan), hierarchies.map(|name| format!("/sys/fs/cgroup/{name}/rrun/web")));
    assert_eq!(enabled(&plan), "");
}

#[test]
fn relative_paths_are_beside_our_cgroup_and_cannot_leave_it() {
    let path = |given: Option<CgroupPath>| {
        plan_on(&Host::fixture(), given, Resources::default()).map(|plan| paths(&plan).remove(0))
    };
    let relative = |path: &str| Some(CgroupPath::Relative(path.into()));
    let below = "/sys/fs/cgroup/system.slice";
    for (given, expected) in [
        (None, format!("{below}/web")),
        (relative("a/b"), format!("{below}/a/b")),
        (relative("../../../etc"), format!("{below}/etc")),
        (relative("machine.slice:rrun:web"), format!("{below}/machine.slice:rrun:web")),
        (absolute("/a/../../b"), "/sys/fs/cgroup/b".to_owned()),
    ] {
        assert_eq!(path(given).expect("a place"), expected);
    }
    for root in ["/", "/..", "/a/.."] {
        let error = path(absolute(root)).expect_err(root);
        assert_eq!((error.kind(), error.pointer()), (Kind::Spec, Some("/linux/cgroupsPath")));
    }
    assert!(path(relative("..")).is_err());
}

#[test]
fn swap_is_what_exceeds_memory() {
    use Limit::{Max, Unlimited};
    let both = |limit, swap| {
        let memory = Memory { limit, swap, ..Memory::default() };
        on_v2(Resources { memory, ..Resources::default() }).map(|plan| writes(&plan).join(" "))
    };
    for (limit, swap, expected) in [
        (Some(Max(5)), Some(Max(7)), "memory.swap.max=2 memory.max=5"),
        (Some(Max(5)), Some(Max(5)), "memory.swap.max=0 memory.max=5"),
        (Some(Max(5)), Some(Unlimited), "memory.swap.max=max memory.max=5"),
        (Some(Max(5)), None, "memory.max=5"),
        (Some(Unlimited), None, "memory.swap.max=max memory.max=max"),
        (None, Some(Unlimited), "memory.swap.max=max"),
        (Some(Max(0)), Some(Max(0)), ""),
        (None, None, ""),
    ] {
        assert_eq!(both(limit, swap).expect("a plan"), expected);
    }
    for (limit, swap) in [(Some(Max(7)), 5), (None, 5), (Some(Unlimited), 5)] {
        let error = both(limit, Some(Max(swap))).expect_err("a contradiction");
        assert_eq!(error.pointer(), Some("/linux/resources/memory/swap"));
        let memory = Memory { limit, swap: Some(Max(swap)), ..Memory::default() };
        assert!(on_hybrid(Resources { memory, ..Resources::default() }).is_err());
    }
}

fn everything() -> Resources {
    let rate = |rate| vec![DeviceRate { major: 8, minor: 16, rate }];
    Resources {
        memory: Memory {
            reservation: Some(Limit::Max(3)),
            check_before_update: true,
            ..memory(5, Some(7))
        },
        cpu: Cpu {
            burst: Some(9),
            cpus: Some("0-1".into()),
            mems: Some("0".into()),
            idle: Some(true),
            ..half_a_cpu()
        },
        pids: Some(Limit::Max(0)),
        block_io: BlockIo {
            weight: Some(100),
            weight_device: vec![DeviceWeight { major: 8, minor: 0, weight: 1000 }],
            read_bps: rate(1),
            write_bps: rate(2),
            read_iops: rate(3),
            write_iops: rate(0),
        },
        huge_pages: vec![HugePages { page_size: "2MB".into(), limit: 4 }],
        ..Resources::default()
    }
}

#[test]
fn every_field_has_its_file_on_cgroup2() {
    let rdma = Rdma { hca_handles: Some(3), hca_objects: None };
    let resources = Resources {
        rdma: BTreeMap::from([("mlx5_1".into(), rdma)]),
        unified: BTreeMap::from([
            ("memory.high".into(), "4".into()),
            ("misc.max".into(), "a 1\nb 2".into()),
        ]),
        ..everything()
    };
    let plan = on_v2(resources).expect("a plan");
    let expected = "\
        cpu.max=50000 100000|cpu.max.burst=9|cpu.idle=1|cpuset.cpus=0-1|cpuset.mems=0|io.bfq.weight=100|\
        io.bfq.weight=8:0 1000|io.max=8:16 rbps=1|io.max=8:16 wbps=2|io.max=8:16 riops=3|io.max=8:16 wiops=max|\
        memory.current<5|memory.swap.max=2|memory.max=5|memory.low=3|pids.max=0|hugetlb.2MB.max=4|\
        hugetlb.2MB.rsvd.max=4|rdma.max=mlx5_1 hca_handle=3|memory.high=4|misc.max=a 1\nb 2";
    assert_eq!(writes(&plan).join("|"), expected);
    assert_eq!(enabled(&plan), "cpu cpuset io memory pids hugetlb rdma misc");
    let lines = plan.lines();
    assert!(
        lines.contains(&"write \"100\" to io.bfq.weight, else \"910\" to io.weight".to_owned())
    );
    assert_eq!(lines.first().map(String::as_str), Some("make /sys/fs/cgroup/rrun/web"));
}

#[test]
fn every_field_has_its_file_on_v1_except_where_cgroup2_has_the_controller() {
    let mut host = Host::hybrid_fixture();
    let net = |name: &str| crate::host::Hierarchy {
        mount: format!("/sys/fs/cgroup/{name}").into(),
        controllers: vec![name.into()],
        own: "/".into(),
    };
    host.cgroup.v1.extend([net("net_cls"), net("net_prio")]);
    let mut resources = everything();
    resources.cpu.realtime_runtime = Some(-1);
    resources.memory.swappiness = Some(0);
    resources.memory.disable_oom_killer = true;
    resources.network = Network { class_id: Some(16), priorities: vec![("eth0".into(), 5)] };
    let plan = plan_on(&host, absolute("/rrun/web"), resources).expect("a plan");
    let expected = "\
        hugetlb.2MB.max=4|hugetlb.2MB.rsvd.max=4|v1:cpu.rt_runtime_us=-1|v1:cpu.cfs_period_us=100000|\
        v1:cpu.cfs_quota_us=50000|v1:cpu.cfs_burst_us=9|v1:cpu.idle=1|v1:cpuset.cpus=0-1|v1:cpuset.mems=0|\
        v1:memory.usage_in_bytes<5|v1:memory.limit_in_bytes=5|v1:memory.memsw.limit_in_bytes=7|\
        v1:memory.soft_limit_in_bytes=3|v1:memory.swappiness=0|v1:memory.oom_control=1|v1:blkio.bfq.weight=100|\
        v1:blkio.bfq.weight_device=8:0 1000|v1:blkio.throttle.read_bps_device=8:16 1|\
        v1:blkio.throttle.write_bps_device=8:16 2|v1:blkio.throttle.read_iops_device=8:16 3|\
        v1:blkio.throttle.write_iops_device=8:16 0|v1:pids.max=0|v1:net_cls.classid=16|v1:net_prio.ifpriomap=eth0 5";
    assert_eq!(writes(&plan).join("|"), expected);
    let cpusets: Vec<_> = plan.v1.iter().filter(|one| one.inherits_cpuset).collect();
    assert_eq!(cpusets.len(), 1);
}

#[test]
fn fields_of_v1_are_refused_by_name_on_cgroup2() {
    let refused = |change: fn(&mut Resources), pointer: &str| {
        let mut resources = Resources::default();
        change(&mut resources);
        let error = on_v2(resources).expect_err(pointer);
        assert_eq!((error.kind(), error.pointer()), (Kind::Unsupported, Some(pointer)));
    };
    refused(|r| r.memory.swappiness = Some(60), "/linux/resources/memory/swappiness");
    refused(|r| r.memory.disable_oom_killer = true, "/linux/resources/memory/disableOOMKiller");
    refused(|r| r.cpu.realtime_runtime = Some(5), "/linux/resources/cpu/realtimeRuntime");
    refused(|r| r.cpu.realtime_period = Some(5), "/linux/resources/cpu/realtimePeriod");
    refused(|r| r.network.class_id = Some(1), "/linux/resources/network/classID");
    let eth0 = |r: &mut Resources| r.network.priorities = vec![("eth0".into(), 1)];
    refused(eth0, "/linux/resources/network/priorities");
}

#[test]
fn limit_without_its_controller_is_refused_before_anything_is_made() {
    let mut host = Host::hybrid_fixture();
    host.cgroup.v1.retain(|one| one.controllers != ["memory"]);
    let resources = Resources { memory: memory(5, None), ..Resources::default() };
    let error = plan_on(&host, None, resources).expect_err("no memory controller");
    assert_eq!(error.kind(), Kind::Host);
    assert_eq!(
        error.to_string(),
        "the limit can't be enforced: the memory controller is not on this host (at /linux/resources/memory/limit); \
         remove the field, or give memory to cgroup v2: no cgroup_disable=memory on the kernel's command line, and no \
         v1 hierarchy that holds it"
    );
}

#[test]
fn unified_map_takes_file_names_of_controllers_only() {
    let with = |key: &str| {
        let unified = BTreeMap::from([(key.to_owned(), "1".to_owned())]);
        on_v2(Resources { unified, ..Resources::default() })
    };
    assert!(with("cgroup.max.depth").is_ok());
    for (key, kind) in [
        ("../memory.max", Kind::Spec),
        ("memory", Kind::Spec),
        ("", Kind::Spec),
        ("cgroup.procs", Kind::Spec),
        ("cgroup.subtree_control", Kind::Spec),
        ("nonsense.max", Kind::Host),
    ] {
        assert_eq!(with(key).expect_err(key).kind(), kind, "{key}");
    }
    let pointer = with("a/~b.c").expect_err("a slash").pointer().map(str::to_owned);
    assert_eq!(pointer.as_deref(), Some("/linux/resources/unified/a~1~0b.c"));
}

#[test]
fn user_without_delegation_runs_without_a_cgroup_but_not_with_limits() {
    let host = Host::rootless_fixture(&[]);
    let plan = plan_on(&host, None, Resources::default()).expect("a plan");
    assert_eq!((plan.unified.is_none(), &plan.devices), (true, &Devices::Unguarded));
    assert_eq!(plan.lines(), ["none: no cgroup is delegated to this user"]);
    let resources = Resources { pids: Some(Limit::Max(5)), ..Resources::default() };
    let error = plan_on(&host, None, resources).expect_err("a limit");
    assert_eq!((error.kind(), error.pointer()), (Kind::Host, Some("/linux/resources/pids/limit")));
    assert!(error.to_string().contains("Delegate="));
}

#[test]
fn user_with_delegation_gets_what_is_delegated() {
    let host = Host::rootless_fixture(&["memory", "pids"]);
    let limited = Resources { memory: memory(5, None), ..Resources::default() };
    let made = plan_on(&host, None, limited.clone()).expect("a plan");
    let own = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/web";
    assert_eq!((paths(&made), enabled(&made)), (vec![own.to_owned()], "memory pids".to_owned()));
    assert_eq!(made.devices, Devices::Unguarded);

    let cpu = Resources { cpu: half_a_cpu(), ..Resources::default() };
    let error = plan_on(&host, None, cpu).expect_err("cpu is not delegated");
    assert_eq!((error.kind(), error.pointer()), (Kind::Host, Some("/linux/resources/cpu/quota")));
    let elsewhere = plan_on(&host, absolute("/system.slice/web"), limited);
    assert_eq!(elsewhere.expect_err("not ours").kind(), Kind::Host);
}

#[test]
fn host_without_cgroup2_is_told_how_to_get_it() {
    let mut host = Host::hybrid_fixture();
    host.cgroup.unified = None;
    let error = plan_on(&host, None, Resources::default()).expect_err("no cgroup2");
    assert_eq!(error.kind(), Kind::Host);
    assert!(error.to_string().contains("mount -t cgroup2 none /sys/fs/cgroup/unified"), "{error}");
    host.euid = 1000;
    assert!(plan_on(&host, None, Resources::default()).is_ok(), "a user without limits needs none");
}

#[test]
fn rules_that_nobody_enforces_are_a_warning_only_if_they_say_more_than_the_default() {
    use crate::spec::{DeviceAccess, DeviceKind, DeviceNumber, DeviceRule};
    let access = DeviceAccess { read: true, write: true, mknod: true };
    let deny_all = DeviceRule {
        allow: false,
        kind: None,
        major: DeviceNumber::Any,
        minor: DeviceNumber::Any,
        access,
    };
    let warnings = |devices| {
        let resources = Resources { devices, ..Resources::default() };
        plan_on(&Host::rootless_fixture(&[]), None, resources).expect("a plan").warnings.len()
    };
    assert_eq!(warnings(vec![deny_all]), 0);
    let fuse = DeviceRule { kind: Some(DeviceKind::Char), major: DeviceNumber::Is(10), ..deny_all };
    assert_eq!(warnings(vec![deny_all, fuse]), 1);
}

#[test]
fn writable_cgroup_mount_in_a_new_cgroup_namespace_hands_the_cgroup_over() {
    use crate::spec::{FsType, IdMap, Links, Mount, MountAttrs, Namespace};
    let mount = |set| Mount {
        index: 0,
        destination: InnerPath::new("/sys/fs/cgroup"),
        kind: FsType::Cgroup,
        attrs: MountAttrs { set, clear: 0 },
        recursive_attrs: MountAttrs::default(),
        propagation: None,
        idmap: None,
        links: Links::default(),
    };
    let mut spec = spec(absolute("/rrun/web"), Resources::default());
    (spec.process, spec.mounts) = (Some(process_of_root()), vec![mount(0)]);
    spec.namespaces.cgroup = Namespace::New;
    spec.namespaces.user = Namespace::New;
    spec.id_maps.uid = vec![IdMap { container_id: 0, host_id: 100_000, size: 65_536 }];
    let owner = |spec: &Spec| {
        let plan = plan(spec, &Host::fixture(), &ContainerId::new("web").expect("an id"), false);
        plan.expect("a plan").unified.expect("a cgroup").owner
    };
    assert_eq!(owner(&spec), Some(100_000));
    spec.namespaces.user = Namespace::Inherit;
    assert_eq!(owner(&spec), None, "root's is root's");
    spec.namespaces.user = Namespace::New;
    spec.mounts = vec![mount(libc::MOUNT_ATTR_RDONLY)];
    assert_eq!(owner(&spec), None, "read-only");
    spec.mounts = vec![mount(0)];
    spec.namespaces.cgroup = Namespace::Inherit;
    assert_eq!(owner(&spec), None, "the host's cgroup namespace");
}
