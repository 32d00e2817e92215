//! The guides in `docs`, executed as they stand there: what an operator would paste, in the order of the page.
//!
//! ```` ```sh ```` is executed; ```` ```text ```` is what that printed, line by line; a configuration is written to the
//! path that the sentence before it ends with. Only what asks a registry or a cluster is ```` ```console ````, which is
//! read: an image that would be pulled there is given to the engine by its name. What a newcomer would get wrong: a
//! guide that is for two versions of an engine is executed with both.

#[path = "guides/machine.rs"]
mod machine;
#[path = "guides/page.rs"]
mod page;
#[path = "guides/table.rs"]
mod table;

use std::fs;

use machine::Machine;
use page::Kind;
use rrun_harness::engines::{Set, article};
use rrun_harness::{Must, requires};

/// An execution of a guide: its page, its engines, and what the page calls the versions that these are not.
struct Run {
    page: &'static str,
    set: Set,
    others: &'static [&'static str],
}

const CONTAINERD_1: Run = Run { page: "containerd", set: Set::Own, others: &["containerd 2"] };
const CONTAINERD_2: Run = Run { page: "containerd", set: Set::Sid, others: &["containerd 1"] };
const DOCKER_20: Run = Run { page: "docker", set: Set::Own, others: &["Docker 24"] };
const DOCKER_28: Run = Run { page: "docker", set: Set::Sid, others: &["Docker 20"] };
const PODMAN: Run = Run { page: "podman", set: Set::Own, others: &[] };
const NODE_1: Run = Run { page: "kubernetes", set: Set::Own, others: &["containerd 2", "CRI-O"] };
const NODE_2: Run = Run { page: "kubernetes", set: Set::Sid, others: &["containerd 1", "CRI-O"] };

const ALL: &[Run] = &[CONTAINERD_1, CONTAINERD_2, DOCKER_20, DOCKER_28, PODMAN, NODE_1, NODE_2];

fn follow(run: &Run) {
    let machine = Machine::new(run.set);
    if run.page == "podman" {
        // A root without CAP_SYS_RESOURCE may not raise its limits, as podman would.
        let limits =
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4000:4000\"]\n";
        machine.write("/etc/containers/containers.conf.d/00-machine.conf", limits);
    }
    // What the last lines of shell printed, unless they are for others.
    let mut printed = None;
    for block in page::read(run.page) {
        let at = format!("docs/{}.md:{}", run.page, block.line);
        let ours = !block.names(run.others);
        match block.kind() {
            Kind::Executed if ours => {
                let output = machine.paste(&block.text);
                assert!(output.exit_code() == 0, "{at}\n{}\n{}", block.text, output.account());
                printed = Some(output.stdout() + output.stderr());
            }
            Kind::Executed => printed = None,
            _ if !ours => {}
            Kind::Printed => {
                let Some(printed) = &printed else { continue };
                for line in block.text.lines() {
                    assert!(page::has_line(printed, line), "{at}: no {line:?} in\n{printed}");
                }
            }
            Kind::Shown => {
                for (engine, name) in page::pulled(&block) {
                    machine.give(engine, name);
                }
            }
            // Another is a manifest, for a cluster.
            Kind::File(path) if path.starts_with('/') => machine.write(path, &block.text),
            Kind::File(_) => {}
        }
    }
}

macro_rules! guides {
    ($($name:ident: $run:expr, $set:ident;)*) => {$(
        #[test]
        #[ignore = "an engine: cargo xtask test --engines"]
        fn $name() {
            requires!(root, busybox, cgroup("memory"), engines(Set::$set));
            follow(&$run);
        }
    )*};
}

guides! {
    the_guide_to_containerd_with_1_6: CONTAINERD_1, Own;
    the_guide_to_containerd_with_2: CONTAINERD_2, Sid;
    the_guide_to_docker_with_20_10: DOCKER_20, Own;
    the_guide_to_docker_with_28: DOCKER_28, Sid;
    the_guide_to_podman: PODMAN, Own;
    the_guide_to_kubernetes_with_containerd_1_6: NODE_1, Own;
    the_guide_to_kubernetes_with_containerd_2: NODE_2, Sid;
}

#[test]
fn every_block_of_a_guide_is_executed_written_or_read_by_somebody() {
    for run in ALL {
        for block in page::read(run.page) {
            let runs = ALL.iter().filter(|other| other.page == run.page);
            let used = runs.filter(|run| !block.names(run.others)).count();
            let excused = block.names(&["CRI-O"]);
            assert!(used > 0 || excused, "docs/{}.md:{}: nobody's", run.page, block.line);
        }
    }
}

#[test]
fn what_guides_give_to_copy_is_well_formed() {
    for name in ["containerd", "docker", "podman", "kubernetes"] {
        for block in page::read(name) {
            let at = format!("docs/{name}.md:{}", block.line);
            match (block.kind(), &*block.language) {
                (Kind::Executed | Kind::Shown, _) => {
                    assert!(machine::is_shell(&block.text), "{at}: no shell")
                }
                (Kind::Printed, _) => assert!(!block.text.is_empty(), "{at}: nothing"),
                (Kind::File(_), "toml") => {
                    drop(basic_toml::from_str::<serde_json::Value>(&block.text).must(&at))
                }
                (Kind::File(_), "json") => {
                    drop(serde_json::from_str::<serde_json::Value>(&block.text).must(&at))
                }
                (Kind::File(_), "ini") => assert!(block.text.starts_with('['), "{at}: no section"),
                // The tests of CRI read and follow the fixtures; what is to be copied is one of them.
                (Kind::File(path), "yaml") => {
                    let fixture = article::fixtures().join("kubernetes").join(path);
                    let text = fs::read_to_string(&fixture).must(&at);
                    assert_eq!(block.text, text, "{at} is not {}", fixture.display());
                }
                (_, other) => panic!("{at}: nobody knows what {other:?} is"),
            }
        }
    }
}
