//! From the text of a configuration to the script of a child, piece by piece: what rrun computes at each start; and what
//! `state` reads.

use criterion::{Criterion, criterion_group, criterion_main};
use rrun::container::{LateHooks, NamespaceBits, Record, Status, VERSION};
use rrun::host::Host;
use rrun::id::ContainerId;
use rrun::launch::cgroup::Cgroup;
use rrun::launch::{Opened, with_script};
use rrun::plan::{Plan, Request};
use rrun::spec::Spec;
use rrun_bench::{filters, scene};
use rrun_harness::{Must, workspace};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;

fn docker() -> Vec<u8> {
    fs::read(workspace().join(scene::DOCKER)).must("read Docker's configuration")
}

fn spec() -> Spec {
    Spec::parse(&docker(), Path::new("/bundle")).must("understand the configuration")
}

fn id() -> ContainerId {
    ContainerId::new("bench").must("make an id")
}

fn parse(criterion: &mut Criterion) {
    let text = docker();
    criterion.bench_function("Spec::parse of Docker's configuration", |bencher| {
        bencher.iter(|| Spec::parse(black_box(&text), Path::new("/bundle")));
    });
}

fn plan(criterion: &mut Criterion) {
    let (spec, host, request, id) = (spec(), Host::fixture(), Request::default(), id());
    // It fails where the configuration asks for what no fixture has; a bench of a failure would be no bench.
    Plan::create(&id, &spec, &host, &request).must("plan Docker's container");
    criterion.bench_function("Plan::create of Docker's container", |bencher| {
        bencher.iter(|| Plan::create(&id, black_box(&spec), &host, &request));
    });
}

fn lower(criterion: &mut Criterion) {
    let request = Request { gate: true, ..Request::default() };
    let plan = Plan::create(&id(), &spec(), &Host::fixture(), &request);
    let plan = plan.must("plan Docker's container");
    // Their numbers are copied; that they are other files is not seen.
    let null = || Some(File::open("/dev/null").must("open /dev/null").into());
    let opened = Opened { proc: null(), gate: null(), ..Opened::default() };
    let lowered = |plan| with_script(plan, &opened, 3, None, |script| Ok(script.ops.len()));
    assert_eq!(lowered(&plan).must("lower the plan"), plan.steps.len());
    criterion.bench_function("launch::with_script of Docker's container", |bencher| {
        bencher.iter(|| lowered(black_box(&plan)));
    });
}

fn seccomp(criterion: &mut Criterion) {
    for name in filters::PROFILES {
        let profile = filters::profile(name);
        criterion.bench_function(&format!("seccomp::compile of {name}"), |bencher| {
            bencher.iter(|| filters::compiled(black_box(&profile)));
        });
    }
    print!("\n{}", filters::table());
}

/// What `state`, `start`, `exec`, `kill` and `delete` read first: the file of a record, and what it says.
fn state(criterion: &mut Criterion) {
    let record = Record {
        version: VERSION,
        id: id(),
        oci_version: "1.0.2".to_owned(),
        bundle: "/bundle".into(),
        config: None,
        rootfs: "/bundle/rootfs".into(),
        pid: 4242,
        start_time: 1_234_567,
        cgroup: Cgroup::default(),
        created: "2026-01-01T00:00:00.000000000Z".to_owned(),
        annotations: BTreeMap::new(),
        hooks: LateHooks::default(),
        namespaces: NamespaceBits::default(),
        terminal: false,
        exit: None,
        rdt: None,
        steps: 60,
    };
    let directory = std::env::temp_dir().join(format!("rrun-bench-state-{}", std::process::id()));
    fs::create_dir_all(&directory).must("make a directory");
    let text = serde_json::to_vec(&record).must("write a record");
    fs::write(directory.join("state.json"), text).must("write a record");
    let read = || {
        let record = Record::load(black_box(&directory)).must("read the record").must("find it");
        record.state_json(Status::Running).must("write the state")
    };
    assert!(read().contains("\"pid\":4242"), "{}", read());
    criterion.bench_function("Record::load and its state as JSON", |bencher| bencher.iter(read));
    fs::remove_dir_all(&directory).must("clean up");
}

criterion_group!(all, parse, plan, lower, seccomp, state);
criterion_main!(all);
