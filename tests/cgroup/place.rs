//! Where the cgroup is, whose it is, who may be in it, and that it goes.
//!
//! Knows paths as config.json names them and as the kernel has them. Refuses to know systemd. A newcomer would look for a
//! leftover at the leaf only; parents that were made for it must go, too.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rrun_harness::{Bundle, Leftovers, Must, harness_binary, requires};
use serde_json::json;

use crate::group::{Group, read, unified_mount};

fn sleeper() -> Bundle {
    Bundle::new().args(["probe", "sleep"])
}

fn placed(path: &str) -> Bundle {
    let bundle = sleeper();
    let path = path.replace("ID", bundle.id());
    bundle.set("/linux/cgroupsPath", json!(path))
}

#[test]
fn without_a_path_the_cgroup_is_named_after_the_container() {
    requires!(root);
    let bundle = sleeper();
    bundle.create().success();
    let group = Group::of(&bundle);
    assert!(group.directory("memory").ends_with(bundle.id()), "{group:?}");
    bundle.delete_force().success();
    assert!(!group.unified().join(bundle.id()).exists());
    Leftovers::assert_none(&bundle);
}

#[test]
fn an_absolute_path_is_below_the_root_of_each_hierarchy_and_goes_with_the_parents_made_for_it() {
    requires!(root, rrun);
    let bundle = placed("/ID-above/between/leaf");
    bundle.create().success();
    let group = Group::of(&bundle);
    let expected = unified_mount().join(format!("{}-above/between/leaf", bundle.id()));
    assert_eq!(group.unified(), expected);
    assert!(group.directory("memory").ends_with("between/leaf"));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_path_cannot_climb_or_name_the_root() {
    requires!(root, rrun);
    for path in ["../../../ID-relative/leaf", "/ID/../../x", "/", "/."] {
        placed(path).create().failure().stderr_has("/linux/cgroupsPath");
    }
}

#[test]
fn a_relative_path_is_below_a_cgroup_of_the_runtimes_choice() {
    requires!(root);
    let bundle = placed("ID-relative");
    bundle.create().success();
    let group = Group::of(&bundle);
    let leaf = format!("{}-relative", bundle.id());
    for controller in ["memory", "pids", "cpu"] {
        assert!(group.directory(controller).ends_with(&leaf), "{group:?}");
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

/// Whoever made it, a parent stays as long as another container is below it; it may stay for good then, as runc's do.
#[test]
fn a_container_that_goes_leaves_the_cgroups_of_its_neighbours_alone() {
    requires!(root, rrun);
    let one = placed("/ID-shared/one");
    let path = format!("/{}-shared/two", one.id());
    let two = sleeper().set("/linux/cgroupsPath", json!(path));
    one.create().success();
    two.create().success();
    let group = Group::of(&two);
    one.delete_force().success();
    assert!(group.unified().is_dir());
    assert_eq!(two.status(), "created");
    two.delete_force().success();
    for controller in ["memory", "cpu", "pids", "cpuset", "blkio", "cpuacct", "hugetlb"] {
        drop(group.directory(controller).parent().map(fs::remove_dir));
    }
    Leftovers::assert_none(&one);
}

/// A process of nobody's container, in a cgroup made for it; both end with the test.
struct Squatter(Child, std::path::PathBuf);

impl Squatter {
    fn at(path: &Path) -> Squatter {
        fs::create_dir(path).must("make a cgroup");
        let mut sleep = Command::new(harness_binary("probe"));
        let child = sleep.arg("sleep").stdout(Stdio::null()).spawn().must("start a process");
        let this = Squatter(child, path.to_owned());
        fs::write(path.join("cgroup.procs"), this.0.id().to_string()).must("put it there");
        this
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
        drop(fs::remove_dir(&self.1));
    }
}

/// Two owners of one cgroup would kill each other; runc 1.1 only warns.
#[test]
fn a_cgroup_with_processes_is_refused_and_they_live_on() {
    requires!(root, rrun);
    let bundle = placed("/ID-used");
    let mut squatter = Squatter::at(&unified_mount().join(format!("{}-used", bundle.id())));
    bundle.create().failure().stderr_has("already has processes").stderr_has("/linux/cgroupsPath");
    bundle.run().failure().stderr_has("already has processes");
    assert!(squatter.0.try_wait().must("ask for it").is_none(), "it was killed");
    drop(squatter);
    bundle.run_with(&["--detach"]).success();
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_frozen_container_is_paused_takes_no_exec_and_dies_by_kill() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let group = Group::of(&bundle);
    if bundle.runtime().is_rrun() || group.is_v2("freezer") {
        fs::write(group.unified().join("cgroup.freeze"), "1").must("freeze the container");
    } else {
        let state = group.directory("freezer").join("freezer.state");
        fs::write(state, "FROZEN").must("freeze the container");
    }
    bundle.expect_status("paused");
    bundle.exec(&[], &["probe", "exit", "0"]).failure().stderr_has("paused");
    bundle.delete().failure().stderr_has("not stopped");
    bundle.kill("KILL").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn in_a_cgroup_namespace_the_containers_cgroup_is_the_root() {
    requires!(root);
    let limits = json!({ "pids": { "limit": 50 } });
    let bundle = Bundle::new().namespace("cgroup").set("/linux/resources", limits);
    let bundle =
        bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    let facts = bundle.facts();
    let paths = facts["cgroup"]["paths"].as_array().must("find the paths");
    let of = |controller: &str| {
        let line =
            paths.iter().filter_map(|line| line.as_str()).find(|line| line.contains(controller));
        line.must("find a hierarchy").to_owned()
    };
    assert!(of("0::").ends_with("::/"), "{paths:?}");
    if paths.len() > 1 {
        assert!(of(":pids:").ends_with(":/"), "{paths:?}");
    }
    assert_eq!(facts["cgroup"]["files"]["pids.max"], "50");
}

/// By the specification, for a writable cgroup mount in a cgroup namespace; runc does it with systemd only.
#[test]
fn a_container_that_may_write_to_its_cgroup_owns_it_and_what_it_made_goes_with_it() {
    requires!(root, busybox, rrun, cgroup_v2("pids"));
    let script = "mkdir /sys/fs/cgroup/inner && echo made && (echo 5 > /sys/fs/cgroup/pids.max || echo refused); \
                  exec probe sleep";
    let bundle = Bundle::new()
        .script(script)
        .namespace("cgroup")
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "rw"])
        .set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let created = bundle.up();
    assert!(
        rrun_harness::eventually(|| created.stdout().contains("ready")),
        "{}",
        created.account()
    );
    // It may divide what it has, not lift its limits: those files stay root's.
    assert!(created.stdout().starts_with("made\nrefused\n"), "{}", created.account());
    let group = Group::of(&bundle);
    let owner = |file: &str| fs::metadata(group.unified().join(file)).must("look at it").uid();
    assert_eq!(["", "cgroup.procs", "cgroup.subtree_control", "inner"].map(owner), [1000; 4]);
    assert_eq!(["pids.max", "cgroup.kill"].map(owner), [0, 0]);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_container_may_not_write_to_the_cgroups_of_the_host() {
    requires!(root, busybox);
    let bundle = Bundle::new()
        .script("mkdir /sys/fs/cgroup/inner || mkdir /sys/fs/cgroup/pids/inner || echo refused")
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    bundle.run().success().stdout_is("refused\n");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_process_of_exec_is_in_the_cgroups_of_its_container() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let group = Group::of(&bundle);
    let running = bundle.start_exec(&[], &["probe", "sleep"]);
    running.expect_stdout("ready");
    for controller in ["memory", "pids", "cpu"] {
        let procs = read(&group.directory(controller).join("cgroup.procs"));
        assert_eq!(procs.lines().count(), 2, "{controller}: {procs:?}");
    }
    bundle.delete_force().success();
    running.wait().code(137);
    Leftovers::assert_none(&bundle);
}

/// Without a pid namespace of its own, what the first process leaves behind lives on; delete ends it.
#[test]
fn delete_ends_the_processes_that_the_first_one_left_behind() {
    requires!(root, busybox);
    let bundle =
        Bundle::new().without_namespace("pid").script("probe sleep & exec probe trap 15 0");
    let created = bundle.up();
    assert!(
        rrun_harness::eventually(|| created.stdout().matches("ready").count() == 2),
        "{}",
        created.account()
    );
    bundle.kill("TERM").success();
    bundle.expect_status("stopped");
    bundle.delete().success();
    Leftovers::assert_none(&bundle);
}

/// What an init system does in a container: it moves itself down and hands controllers on, and then the kernel lets no
/// process into the container's own cgroup any more. Exec joins the first process where it is.
#[test]
fn exec_follows_a_container_that_has_moved_into_a_cgroup_of_its_own() {
    requires!(root, busybox, cgroup_v2("pids"));
    let script = "cd /sys/fs/cgroup && mkdir init && echo $$ > init/cgroup.procs \
                  && echo +pids > cgroup.subtree_control && exec probe sleep";
    let bundle = Bundle::new()
        .script(script)
        .namespace("cgroup")
        .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "rw"])
        .set("/linux/resources/pids", json!({ "limit": 20 }));
    let created = bundle.up();
    assert!(
        rrun_harness::eventually(|| created.stdout().contains("ready")),
        "{}",
        created.account()
    );
    let facts = bundle.exec(&[], &["probe", "facts", "cgroup"]).success().json();
    assert_eq!(facts["cgroup"]["paths"], json!(["0::/init"]));
    bundle.exec(&[], &["probe", "forkbomb", "100"]).success().stdout_has("started 18 refused");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
