//! From the text of a configuration to a plan, piece by piece: what rrun computes at each start.

use criterion::{Criterion, criterion_group, criterion_main};
use rrun::host::Host;
use rrun::id::ContainerId;
use rrun::plan::{Plan, Request};
use rrun::spec::Spec;
use rrun_bench::{filters, scene};
use rrun_harness::{Must, workspace};
use std::hint::black_box;
use std::path::Path;

fn parse(criterion: &mut Criterion) {
    let text = std::fs::read(workspace().join(scene::DOCKER)).must("read Docker's configuration");
    criterion.bench_function("Spec::parse of Docker's configuration", |bencher| {
        bencher.iter(|| Spec::parse(black_box(&text), Path::new("/bundle")));
    });
}

fn plan(criterion: &mut Criterion) {
    let text = std::fs::read(workspace().join(scene::DOCKER)).must("read Docker's configuration");
    let spec = Spec::parse(&text, Path::new("/bundle")).must("understand the configuration");
    let (host, request) = (Host::fixture(), Request::default());
    let id = ContainerId::new("bench").must("make an id");
    // It fails where the configuration asks for what no fixture has; a bench of a failure would be no bench.
    Plan::create(&id, &spec, &host, &request).must("plan Docker's container");
    criterion.bench_function("Plan::create of Docker's container", |bencher| {
        bencher.iter(|| Plan::create(&id, black_box(&spec), &host, &request));
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

criterion_group!(all, parse, plan, seccomp);
criterion_main!(all);
