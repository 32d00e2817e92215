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
#[path = "guides/pods.rs"]
mod pods;
#[path = "guides/table.rs"]
mod table;
#[path = "guides/troubles.rs"]
mod troubles;

use std::fs;

use machine::Machine;
use page::Kind;
use rrun_harness::engines::{Set, article};
use rrun_harness::{Must, requires};

/// A page for two versions of an engine: the program that says which one is here, the first number of the newer, and
/// what the page calls each.
const VERSIONS: &[(&str, &str, u32, [&str; 2])] = &[
    ("containerd", "containerd", 2, ["containerd 1", "containerd 2"]),
    ("kubernetes", "containerd", 2, ["containerd 1", "containerd 2"]),
    ("docker", "dockerd", 24, ["Docker 20", "Docker 24"]),
];

/// What the page calls the versions that this machine's is not.
#[track_caller]
fn others(page: &str, machine: &Machine) -> Vec<&'static str> {
    let of_page = VERSIONS.iter().filter(|(of, ..)| *of == page);
    let others = of_page.map(|(_, program, newer, [old, new])| {
        // containerd MODULE VERSION …; Docker version VERSION, …
        let said = machine.paste(&format!("{program} --version")).success().stdout();
        let version = said.split_whitespace().nth(2).unwrap_or_default().trim_start_matches('v');
        let first = version.split('.').next().and_then(|number| number.parse::<u32>().ok());
        if first.must(&format!("read the version of {said:?}")) < *newer { *new } else { *old }
    });
    others.collect()
}

fn follow(name: &str, set: Set) {
    let machine = Machine::new(set);
    let others = others(name, &machine);
    if name == "podman" {
        // A root without CAP_SYS_RESOURCE may not raise its limits, as podman would.
        let limits =
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4000:4000\"]\n";
        machine.write("/etc/containers/containers.conf.d/00-machine.conf", limits);
    }
    // What the last lines of shell printed, unless they are for others.
    let mut printed = None;
    for block in page::read(name) {
        let at = format!("docs/{name}.md:{}", block.line);
        let ours = !block.names(&others);
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
                for (engine, image) in page::pulled(&block) {
                    machine.give(engine, image);
                }
            }
            // Another is a manifest, for a cluster.
            Kind::File(path) if path.starts_with('/') => {
                machine.write(path, &block.text);
                if name == "kubernetes" && path.starts_with("/etc/containerd/") {
                    pods::allow(&machine, path);
                }
            }
            Kind::File(_) => {}
        }
    }
    troubles::provoke(name, &machine);
    if name == "kubernetes" {
        pods::run(&machine);
    }
}

macro_rules! guides {
    ($($name:ident: $page:literal, $set:ident;)*) => {$(
        #[test]
        #[ignore = "an engine: cargo xtask test --engines"]
        fn $name() {
            requires!(root, busybox, cgroup("memory"), engines(Set::$set));
            follow($page, Set::$set);
        }
    )*};
}

guides! {
    the_guide_to_the_distributions_containerd: "containerd", Own;
    the_guide_to_a_newer_containerd: "containerd", Sid;
    the_guide_to_the_distributions_docker: "docker", Own;
    the_guide_to_a_newer_docker: "docker", Sid;
    the_guide_to_podman: "podman", Own;
    the_guide_to_kubernetes_with_the_distributions_containerd: "kubernetes", Own;
    the_guide_to_kubernetes_with_a_newer_containerd: "kubernetes", Sid;
}

#[test]
fn no_block_is_for_both_versions_by_name_and_so_for_none() {
    for (name, _, _, [old, new]) in VERSIONS {
        let blocks = page::read(name);
        for block in &blocks {
            let none = block.names(&[old]) && block.names(&[new]);
            assert!(!none, "docs/{name}.md:{}: name one of {old:?} and {new:?}", block.line);
        }
        for version in [old, new] {
            let some = blocks.iter().any(|block| block.names(&[version]));
            assert!(some, "docs/{name}.md has nothing for {version:?}");
        }
    }
}

#[test]
fn what_guides_give_to_copy_is_well_formed() {
    for name in ["containerd", "docker", "podman", "kubernetes", "systemd"] {
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
