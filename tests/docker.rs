//! docker 20.10 and 28 run containers by rrun: as a runtime of their configuration by its path, as the default, and by our
//! shim's type.
//!
//! One daemon for each set and the same cases for each way. What a newcomer would get wrong: `docker run`'s 126 and 127
//! are words of the runtime's error, not codes of the runtime.

#[path = "docker/build.rs"]
mod build;
#[path = "docker/cases.rs"]
mod cases;
#[path = "docker/scene.rs"]
mod scene;

use rrun_harness::engines::{Cases, Docker, Image, Set};
use rrun_harness::requires;
use scene::Scene;

/// Every case by the runtime of this name; a few by the default, which is the same program.
fn every_case(set: Set, runtime: &'static str) {
    let docker = Docker::start(set);
    let image = docker.load(&Image::busybox("bb"));
    let mut cases = Cases::of(&format!("docker {}, {runtime}", docker.major()));
    for (name, _, case) in cases::ALL {
        cases.case(name, || case(&Scene::new(&docker, Some(runtime), &image)));
    }
    // Our shim is found by its type alone, too; the default is the program at its path.
    let (how, other) = match runtime {
        "rrun-shim" => ("by its type", Some("io.containerd.rrun.v2")),
        _ => ("by default", None),
    };
    for (name, _, case) in cases::BY_DEFAULT {
        cases.case(&format!("{name}, {how}"), || case(&Scene::new(&docker, other, &image)));
    }
    if docker.major() < 24 {
        cases.case("a type that is no program", || {
            let words = ["run", "--rm", "--runtime", "io.containerd.rrun.v2", &image, "true"];
            docker.call(&words).code(125).stderr_has("Unknown runtime specified");
        });
    }
    cases.case("build", || build::an_image_is_built(&docker, &image));
    cases.end();
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn the_distributions_docker_runs_rrun() {
    requires!(root, busybox, engines(Set::Own));
    every_case(Set::Own, "rrun");
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_docker_runs_rrun() {
    requires!(root, busybox, engines(Set::Sid));
    every_case(Set::Sid, "rrun");
}

#[test]
#[ignore = "an engine: cargo xtask test --engines"]
fn a_newer_docker_runs_our_shim() {
    requires!(root, busybox, engines(Set::Sid));
    every_case(Set::Sid, "rrun-shim");
}
