//! Every configuration of `rootfs-fixtures/specs` as a plan, on three machines that don't exist, without privileges.
//!
//! `RRUN_BLESS=1 cargo test --test plan` writes the expected texts anew; their diff is then what a review reads. What a
//! newcomer would get wrong: a changed golden file is a change of what happens on every host, not a formality.

#[path = "plan/diff.rs"]
mod diff;
#[path = "plan/golden.rs"]
mod golden;
#[path = "plan/order.rs"]
mod order;

use rrun::error::Result;
use rrun::host::Host;
use rrun::id::ContainerId;
use rrun::plan::{ExecRequest, Plan, Request, show};
use rrun::spec::{Process, Spec};
use std::path::{Path, PathBuf};

/// A machine, and what its user asks of rrun.
struct Machine {
    name: &'static str,
    host: Host,
}

/// The first is the one that the others are compared with.
fn machines() -> [Machine; 3] {
    let rootless = Host::rootless_fixture(&["cpu", "memory", "pids"]);
    [
        Machine { name: "root, cgroup v2", host: Host::fixture() },
        Machine { name: "root, hybrid cgroups", host: Host::hybrid_fixture() },
        Machine { name: "user 1000, delegated cgroup", host: rootless },
    ]
}

/// A file of the fixtures.
struct Fixture {
    name: String,
    text: Vec<u8>,
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The configurations, or (`exec`) the processes for `exec`; our own and those of engines.
fn fixtures(exec: bool) -> Vec<Fixture> {
    let specs = workspace().join("rootfs-fixtures/specs");
    let mut files: Vec<PathBuf> = ["", "engines"]
        .iter()
        .flat_map(|directory| std::fs::read_dir(specs.join(directory)).expect("fixtures"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files
        .iter()
        .filter(|path| name(path).starts_with("exec-") == exec)
        .map(|path| Fixture { name: name(path), text: std::fs::read(path).expect("a fixture") })
        .collect()
}

fn id() -> ContainerId {
    ContainerId::new("golden").expect("an id")
}

impl Fixture {
    fn spec(&self) -> Spec {
        let parsed = Spec::parse(&self.text, Path::new("/bundle"));
        parsed.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// What `create` plans; with `--systemd-cgroup` for those that are named so.
    fn plan(&self, host: &Host) -> Result<Plan> {
        let systemd_cgroup = self.name.starts_with("systemd");
        let request = Request { gate: true, systemd_cgroup, ..Request::default() };
        Plan::create(&id(), &self.spec(), host, &request)
    }

    /// What `exec` plans in a container with new namespaces of these kinds.
    fn exec(&self, host: &Host, kinds: u32) -> Result<Plan> {
        let (process, _) = Process::parse(&self.text).expect("a process");
        let gid_map = vec![rrun::spec::IdMap { container_id: 0, host_id: 100_000, size: 65_536 }];
        let exec = ExecRequest { kinds, gid_map, ..ExecRequest::default() };
        Plan::exec(&id(), &process, host, &Request::default(), &exec)
    }
}

/// The plan as `rrun explain` prints it, or the refusal as `rrun` does.
fn explain(plan: &Result<Plan>, spec: &Spec, host: &Host) -> String {
    match plan {
        Ok(plan) => show::explain(plan, spec, host, "/bundle"),
        Err(error) => format!("error     [{}] {error}\n", error.kind().name()),
    }
}
