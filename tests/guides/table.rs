//! `docs/engines.md`: what is proved with which engine, and by which case.
//!
//! Knows the engines and why a cell is empty; what a case proves is said beside the case, and read there. Refuses a cell
//! that has neither a case nor a reason, and one that has both. What a newcomer would get wrong: the page is not edited
//! between its marks, but made: `UPDATE=1 cargo test --test guides table`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use rrun_harness::engines::Ability::{self, Compose, OutOfMemory, Pause, Restart, Update};
use rrun_harness::{Must, workspace};

use crate::page;

const BEGIN: &str = "<!-- engines:begin -->\n";
const END: &str = "<!-- engines:end -->\n";

/// Engines that are asked the same.
struct Family {
    title: &'static str,
    /// Files below `tests`, and where in each what it proves begins.
    sources: &'static [(&'static str, &'static str)],
    members: &'static [Member],
    /// Cells without a case, and why.
    empty: &'static [(Ability, &'static str)],
    /// Cells whose case is less than its title says.
    notes: &'static [(Ability, &'static str)],
}

/// An engine in one version, running rrun in one way.
struct Member {
    version: &'static str,
    way: &'static str,
    /// The file and the test that asks it everything; without one, each ability has tests of its own.
    test: (&'static str, Option<&'static str>),
    /// The tests of several containers at once.
    compose: &'static [&'static str],
}

const OURS: &str = "our shim";
const RUNCS: &str = "runc's shim";

const FAMILIES: &[Family] = &[
    Family {
        title: "containerd",
        sources: &[("containerd/cases.rs", "ALL:"), ("containerd/crash.rs", "ALL:")],
        members: &[
            member("1.6", OURS, "containerd", "the_distributions_containerd_runs_our_shim", &[]),
            member(
                "1.6",
                RUNCS,
                "containerd",
                "the_distributions_containerd_runs_rrun_by_runcs_shim",
                &[],
            ),
            member("1.7", OURS, "containerd", "the_last_containerd_1_runs_our_shim", &[]),
            member("2.1", OURS, "containerd", "a_newer_containerd_runs_our_shim", &[]),
            member("2.1", RUNCS, "containerd", "a_newer_containerd_runs_rrun_by_runcs_shim", &[]),
        ],
        empty: &[
            (
                Update,
                "`ctr` has no such verb; CRI's update and docker's go through the same service",
            ),
            (Compose, "`ctr` knows no Compose"),
        ],
        notes: &[(Restart, "containerd's own, which a label asks for")],
    },
    Family {
        title: "docker",
        sources: &[("docker/cases.rs", "ALL:"), ("article.rs", "Proof] =")],
        members: &[
            member(
                "20.10",
                "`path`",
                "docker",
                "the_distributions_docker_runs_rrun",
                &["both_through_docker_compose_1"],
            ),
            member(
                "28",
                "`path`",
                "docker",
                "a_newer_docker_runs_rrun",
                &["both_through_docker_compose_2"],
            ),
            member(
                "28",
                OURS,
                "docker",
                "a_newer_docker_runs_our_shim",
                &["the_portfolio_through_docker_compose_2_by_our_shim"],
            ),
        ],
        empty: &[],
        notes: &[(
            Ability::ExitCodes,
            "docker 20.10 has 126 for every `exec` that cannot begin, by whatever runtime",
        )],
    },
    Family {
        title: "podman",
        sources: &[("podman.rs", "Proof] ="), ("article.rs", "Proof] =")],
        members: &[Member {
            version: "4.3",
            way: "`runtime`",
            test: ("podman", None),
            compose: &["the_bank_through_podman_compose", "the_portfolio_through_podman_compose"],
        }],
        empty: &[(
            OutOfMemory,
            "conmon 2.1.6 does not notice it where cgroup v1 has the memory controller, as on the tests' host; the exit \
             code is 137",
        )],
        notes: &[],
    },
    Family {
        title: "CRI",
        sources: &[("cri/cases.rs", "ALL:"), ("cri/ends.rs", "ALL:"), ("cri.rs", "Proof] =")],
        members: &[
            member(
                "containerd 1.6",
                OURS,
                "cri",
                "the_distributions_containerd_runs_pods_by_our_shim",
                &[],
            ),
            member(
                "containerd 1.6",
                RUNCS,
                "cri",
                "the_distributions_containerd_runs_pods_by_runcs_shim",
                &["the_distributions_containerd_runs_the_deployment_by_runcs_shim"],
            ),
            member(
                "containerd 2.1",
                OURS,
                "cri",
                "a_newer_containerd_runs_pods_by_our_shim",
                &["a_newer_containerd_runs_the_deployment_by_our_shim"],
            ),
            member(
                "containerd 2.1",
                RUNCS,
                "cri",
                "a_newer_containerd_runs_pods_by_runcs_shim",
                &[],
            ),
        ],
        empty: &[(Pause, "the interface has no such call")],
        notes: &[
            (
                Restart,
                "the policy is the kubelet's; the case makes a container again, as a kubelet would",
            ),
            (
                Compose,
                "a Kubernetes Deployment behind a Service and an Ingress, by one shim with each version",
            ),
        ],
    },
];

const fn member(
    version: &'static str,
    way: &'static str,
    file: &'static str,
    test: &'static str,
    compose: &'static [&'static str],
) -> Member {
    Member { version, way, test: (file, Some(test)), compose }
}

/// What a source says beside its cases: names, and what each proves.
#[track_caller]
fn proofs(source: &str, mark: &str) -> Vec<(String, Vec<Ability>)> {
    let (_, list) = source.split_once(mark).must(&format!("find {mark:?}"));
    let (_, list) = list.split_once("&[\n").must("find the list");
    let (list, _) = list.split_once("\n];").must("find the list's end");
    let mut found = Vec::new();
    // (NAME, &[ABILITY, …] …
    let mut rest = list;
    while let Some((_, from)) = rest.split_once('"') {
        let (name, from) = from.split_once('"').must("find a name's end");
        let (abilities, from) = from
            .split_once("&[")
            .and_then(|(_, from)| from.split_once(']'))
            .must(&format!("find what {name:?} proves"));
        let words = abilities.split(',').map(str::trim).filter(|word| !word.is_empty());
        let abilities = words.map(|word| {
            let named = Ability::ALL.iter().find(|ability| format!("{ability:?}") == word);
            *named.must(&format!("find the ability {word:?} of {name:?}"))
        });
        found.push((name.to_owned(), abilities.collect()));
        rest = from;
    }
    found
}

#[track_caller]
fn source(file: &str) -> String {
    fs::read_to_string(workspace().join("tests").join(file)).must(&format!("read tests/{file}"))
}

/// For each ability the cases of this family; those of several containers only if they are its members'.
#[track_caller]
fn proved(family: &Family) -> Cells {
    let mut cells = Cells::new();
    let members = || family.members.iter().flat_map(|member| member.compose);
    for (file, mark) in family.sources {
        for (name, abilities) in proofs(&source(file), mark) {
            for ability in abilities {
                if ability != Compose || members().any(|member| *member == name) {
                    cells.entry(ability).or_default().push(name.clone());
                }
            }
        }
    }
    for name in members() {
        let known =
            cells.get(&Compose).is_some_and(|names| names.iter().any(|known| known == name));
        assert!(known, "{}: no test says that {name} proves Compose", family.title);
    }
    cells
}

fn row(text: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    writeln!(text, "| {} |", cells.join(" | ")).must("write");
}

fn rule(text: &mut String, cells: usize) {
    writeln!(text, "|{}", "---|".repeat(cells)).must("write");
}

/// Everything between the marks.
#[track_caller]
fn table() -> String {
    let cells: Vec<_> = FAMILIES.iter().map(proved).collect();
    let mut text = String::from("\n");
    marks(&mut text, &cells);
    text.push_str("\n## By which case\n\nA case is run with every engine of its column.\n\n");
    cases(&mut text, &cells);
    text.push_str("\n## By which test\n\n");
    row(&mut text, ["engine", "rrun by", "test"].map(str::to_owned));
    rule(&mut text, 3);
    for family in FAMILIES {
        for Member { version, way, test: (file, test), .. } in family.members {
            let test =
                test.map_or_else(|| "one for each case".to_owned(), |test| format!("`{test}`"));
            let test = format!("[{file}.rs](../tests/{file}.rs): {test}");
            row(&mut text, [format!("{} {version}", family.title), (*way).to_owned(), test]);
        }
    }
    text.push('\n');
    text
}

type Cells = BTreeMap<Ability, Vec<String>>;

/// Each engine's line of marks.
fn marks(text: &mut String, cells: &[Cells]) {
    let titles = Ability::ALL.iter().map(|ability| ability.title().to_owned());
    row(text, ["engine", "rrun by"].map(str::to_owned).into_iter().chain(titles));
    rule(text, Ability::ALL.len() + 2);
    for (family, cells) in FAMILIES.iter().zip(cells) {
        for member in family.members {
            let marks = Ability::ALL.iter().map(|ability| {
                let own = *ability != Compose || !member.compose.is_empty();
                let noted = family.notes.iter().any(|(about, _)| about == ability);
                let mark = match (cells.contains_key(ability) && own, noted) {
                    (true, false) => "✓",
                    (true, true) => "✓*",
                    (false, _) => "–",
                };
                mark.to_owned()
            });
            let name = format!("{} {}", family.title, member.version);
            row(text, [name, member.way.to_owned()].into_iter().chain(marks));
        }
    }
}

/// Each ability's line of cases and reasons.
#[track_caller]
fn cases(text: &mut String, cells: &[Cells]) {
    let titles = FAMILIES.iter().map(|family| {
        let links = family.sources.iter().map(|(file, _)| format!("[{file}](../tests/{file})"));
        format!("{}: {}", family.title, links.collect::<Vec<_>>().join(", "))
    });
    row(text, ["proved".to_owned()].into_iter().chain(titles));
    rule(text, FAMILIES.len() + 1);
    for ability in Ability::ALL {
        let each = FAMILIES.iter().zip(cells).map(|(family, cells)| {
            let note = |notes: &[(Ability, &'static str)]| {
                notes.iter().find(|(about, _)| about == ability).map(|(_, why)| *why)
            };
            let at = format!("{}, {ability:?}", family.title);
            match (cells.get(ability), note(family.empty)) {
                (Some(names), None) => {
                    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                    let remark = note(family.notes).map(|note| format!(" (* {note})"));
                    names.join(", ") + &remark.unwrap_or_default()
                }
                (None, Some(why)) => format!("– {why}"),
                (Some(names), Some(why)) => panic!("{at}: {names:?}, and {why:?}"),
                (None, None) => panic!("{at}: neither a case nor a reason"),
            }
        });
        row(text, [ability.title().to_owned()].into_iter().chain(each));
    }
}

#[test]
fn the_table_of_engines_is_current() {
    let path = page::at("engines");
    let old = fs::read_to_string(&path).must("read docs/engines.md");
    let (head, rest) = old.split_once(BEGIN).must("find where the table begins");
    let (_, tail) = rest.split_once(END).must("find where the table ends");
    let new = format!("{head}{BEGIN}{}{END}{tail}", table());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &new).must("write docs/engines.md");
    } else {
        assert!(
            old == new,
            "docs/engines.md is not what the cases say; make it: UPDATE=1 cargo test --test guides table"
        );
    }
}

#[test]
fn the_tests_of_the_table_are_there() {
    for family in FAMILIES {
        for member in family.members {
            let (file, test) = member.test;
            let text = source(&format!("{file}.rs"));
            let (article, cri) = (source("article.rs"), source("cri.rs"));
            if let Some(name) = test {
                assert!(text.contains(&format!("\nfn {name}()")), "tests/{file}.rs has no {name}");
            }
            for name in member.compose {
                let declared = format!("\nfn {name}()");
                assert!(
                    article.contains(&declared) || cri.contains(&declared),
                    "nobody has {name}"
                );
            }
        }
    }
    let podman = ["podman/life.rs", "podman/ends.rs", "podman/terminal.rs"].map(source).concat();
    for (name, _) in proofs(&source("podman.rs"), "Proof] =") {
        assert!(podman.contains(&format!("\nfn {name}()")), "podman's tests have no {name}");
    }
}

#[test]
fn what_cases_prove_is_read_as_it_stands() {
    let text = "const ALL: &[(&str, &[Ability], Case)] = &[\n    (\"run\", &[Run, Logs], f),\n    (\n        \
                \"a longer name\",\n        &[],\n        g,\n    ),\n];\nconst OTHER: &str = \"x\";\n";
    let read = proofs(text, "ALL:");
    assert_eq!(read[0], ("run".to_owned(), vec![Ability::Run, Ability::Logs]));
    assert_eq!(read[1], ("a longer name".to_owned(), vec![]));
    assert_eq!(read.len(), 2);
    let text = "const _: &[Proof] = &[\n    (\"a_test\", &[Compose]),\n];\n";
    assert_eq!(proofs(text, "Proof] ="), [("a_test".to_owned(), vec![Compose])]);
}
