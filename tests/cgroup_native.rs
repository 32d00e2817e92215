//! The kernel's answer to cgroup plans: on this machine's own hierarchies, and with cgroup2 alone on /sys/fs/cgroup in a
//! private mount namespace.
//!
//! It needs root, makes cgroups named `rrun-test-…` and removes them. What a newcomer would get wrong: the private mount
//! shows the *same* cgroup2 hierarchy as the machine's; only the place it is looked for differs.

use rrun::error::Kind;
use rrun::host::cgroup::below;
use rrun::host::{Host, OwnCgroup};
use rrun::launch::cgroup::Cgroup;
use rrun::plan::cgroup::{
    Absent, CgroupPlan, Devices, Enable, Place, Setting, V1Place, Write as Setter,
};
use rrun::plan::device_filter;
use rrun_harness::requires::{Need, met};
use std::fs;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PRIVATE: &str = "RRUN_TEST_PRIVATE_CGROUP2";

/// Skips loudly without root.
fn root() -> bool {
    met("cgroup_native", &[Need::Root])
}

/// Runs the test `name` of this binary again, with cgroup2 alone on /sys/fs/cgroup, mounted unless it is there; true inside.
fn inside_private_cgroup2(name: &str) -> bool {
    if std::env::var_os(PRIVATE).is_some() {
        return true;
    }
    if root() {
        let script = "[ $(stat -fc %T /sys/fs/cgroup) = cgroup2fs ] || mount -t cgroup2 none \
                      /sys/fs/cgroup && exec \"$0\" --exact --nocapture \"$1\"";
        let status = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .arg(std::env::current_exe().expect("this binary"))
            .arg(name)
            .env(PRIVATE, "1")
            .status();
        assert!(status.expect("unshare runs").success(), "{name} failed inside");
    }
    false
}

/// A plan for this machine, without a spec: what `plan()` says about limits is unit-tested.
fn plan(name: &str, settings: Vec<Setting>, v1_settings: &[(&str, Vec<Setting>)]) -> CgroupPlan {
    let host = Host::probe(OwnCgroup::Wanted).expect("facts");
    let unified = host.cgroup.unified.as_ref().expect("cgroup2");
    let path = format!("/rrun-test-{}-{name}/inner", std::process::id());
    let place = |mount: &Path, settings| Place {
        mount: mount.to_owned(),
        path: path.clone(),
        enable: Vec::new(),
        settings,
        owner: None,
    };
    let v1 = v1_settings.iter().filter_map(|(controller, settings)| {
        let mount = &host.cgroup.v1_with(controller)?.mount;
        let inherits_cpuset = *controller == "cpuset";
        Some(V1Place { place: place(mount, settings.clone()), inherits_cpuset })
    });
    let devices = device_filter::compile(&[]).expect("a program");
    CgroupPlan {
        unified: Some(place(&unified.mount, settings)),
        v1: v1.collect(),
        devices: devices.map_or(Devices::All, Devices::Program),
        scope: None,
        warnings: Vec::new(),
    }
}

fn write(file: &'static str, value: &str) -> Setting {
    Setting::Write(Setter {
        file: file.into(),
        value: value.into(),
        pointer: "/linux/resources/test".into(),
        absent: Absent::Fails,
    })
}

/// Neither the cgroups nor the directories made above them are there.
fn assert_gone(plan: &CgroupPlan) {
    for place in plan.unified.iter().chain(plan.v1.iter().map(|one| &one.place)) {
        let leaf = below(&place.mount, &place.path);
        for path in [&*leaf, leaf.parent().expect("a parent")] {
            assert!(!path.is_dir(), "{} is left behind", path.display());
        }
    }
}

/// A cgroup that a failing test leaves no trace of.
struct Made(Cgroup);

impl Made {
    /// As a launch does it.
    fn by(plan: &CgroupPlan) -> Self {
        let (cgroup, _) = Cgroup::make(plan).expect("made");
        let directory = cgroup.directory().expect("opens");
        cgroup.guard(plan, directory.as_ref().map(AsFd::as_fd)).expect("guarded");
        Self(cgroup)
    }
}

impl Deref for Made {
    type Target = Cgroup;
    fn deref(&self) -> &Cgroup {
        &self.0
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let undone = self.0.kill_all().and_then(|()| self.0.remove());
            eprintln!("removing {:?}: {undone:?}", self.0);
        }
    }
}

/// A process that sleeps in a cgroup, and ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn inside(cgroup: &Cgroup) -> Self {
        let mut sleep = Command::new("sleep");
        let this = Self(sleep.arg("60").stdout(Stdio::null()).spawn().expect("sleep"));
        let procs = cgroup.unified_path().expect("unified").join("cgroup.procs");
        fs::write(procs, this.0.id().to_string()).expect("joined");
        let join = |tasks| nix::unistd::write(tasks, this.0.id().to_string().as_bytes()).is_ok();
        assert!(cgroup.open_tasks().expect("opened v1").iter().all(join));
        this
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().expect("waited").is_none()
    }

    fn signal_of_death(mut self) -> Option<i32> {
        self.0.wait().expect("reaped").signal()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if self.is_alive() {
            self.0.kill().expect("killed");
            self.0.wait().expect("reaped");
        }
    }
}

#[test]
fn limits_are_in_the_files_of_every_hierarchy() {
    if !root() {
        return;
    }
    let plan = plan(
        "limits",
        vec![write("cgroup.max.depth", "7")],
        &[
            ("memory", vec![write("memory.limit_in_bytes", "67108864")]),
            ("pids", vec![write("pids.max", "9")]),
            ("cpu", vec![write("cpu.cfs_quota_us", "50000"), write("cpu.shares", "512")]),
            ("cpuset", vec![write("cpuset.cpus", "0")]),
        ],
    );
    let cgroup = Made::by(&plan);
    let read = |path: PathBuf| fs::read_to_string(path).expect("a file").trim().to_owned();
    let unified = cgroup.unified_path().expect("unified");
    assert_eq!(read(unified.join("cgroup.max.depth")), "7");
    for one in &plan.v1 {
        let path = below(&one.place.mount, &one.place.path);
        for setting in &one.place.settings {
            let Setting::Write(write) = setting else { continue };
            assert_eq!(read(path.join(&*write.file)), write.value, "{}", write.file);
        }
    }
    let child = Sleeper::inside(&cgroup);
    let membership = read(format!("/proc/{}/cgroup", child.pid()).into());
    let here = &plan.unified.as_ref().expect("unified").path;
    assert_eq!(membership.matches(here).count(), 1 + plan.v1.len(), "{membership}");

    cgroup.kill_all().expect("killed");
    cgroup.remove().expect("removed while it dies");
    assert_eq!(child.signal_of_death(), Some(libc::SIGKILL));
    assert_gone(&plan);
}

#[test]
fn frozen_processes_stop_run_again_and_can_be_killed() {
    if !root() {
        return;
    }
    let plan = plan("freeze", vec![], &[]);
    let cgroup = Made::by(&plan);
    let child = Sleeper::inside(&cgroup);
    assert_eq!(cgroup.pids().expect("pids"), [child.pid()]);

    cgroup.freeze().expect("frozen");
    assert!(cgroup.is_frozen().expect("readable"));
    cgroup.thaw().expect("thawed");
    assert!(!cgroup.is_frozen().expect("readable"));
    cgroup.freeze().expect("frozen again");
    cgroup.kill_all().expect("killed");
    assert_eq!(child.signal_of_death(), Some(libc::SIGKILL));
    cgroup.remove().expect("removed");
    assert_gone(&plan);
    assert!(cgroup.pids().expect("no error when gone").is_empty());
    assert!(!cgroup.is_frozen().expect("no error when gone"));
    cgroup.kill_all().expect("no error when gone");
    cgroup.remove().expect("no error when gone");
}

#[test]
fn cgroups_made_inside_are_killed_and_removed_too() {
    if !root() {
        return;
    }
    let mut plan = plan("nested", vec![], &[]);
    plan.unified.as_mut().expect("unified").owner = Some(1000);
    let cgroup = Made::by(&plan);
    let leaf = cgroup.unified_path().expect("unified");
    let owner = |file: &str| fs::metadata(leaf.join(file)).expect("there").uid();
    assert_eq!(["", "cgroup.procs", "cgroup.max.depth"].map(owner), [1000, 1000, 0]);
    let deep = leaf.join("a/b");
    fs::create_dir_all(&deep).expect("nested");
    let child = Sleeper::inside(&cgroup);
    fs::write(deep.join("cgroup.procs"), child.0.id().to_string()).expect("moved");
    assert_eq!(cgroup.pids().expect("pids"), [child.pid()]);

    cgroup.kill_all().expect("killed");
    cgroup.remove().expect("removed");
    drop(child);
    assert_gone(&plan);
}

#[test]
fn cgroup_in_use_is_refused_and_an_empty_one_is_taken_over() {
    if !root() {
        return;
    }
    let plan = plan("taken", vec![], &[("pids", vec![])]);
    let cgroup = Made::by(&plan);
    let (again, _) = Cgroup::make(&plan).expect("empty: taken over");
    assert_eq!(again.unified_path(), cgroup.unified_path());

    cgroup.freeze().expect("frozen");
    assert_eq!(Cgroup::make(&plan).expect_err("frozen").kind(), Kind::State);
    cgroup.thaw().expect("thawed");

    let child = Sleeper::inside(&cgroup);
    assert_eq!(Cgroup::make(&plan).expect_err("in use").kind(), Kind::Exists);
    assert_eq!(cgroup.pids().expect("untouched"), [child.pid()]);
    cgroup.kill_all().expect("killed");
    cgroup.remove().expect("removed");
    drop(child);
    assert_gone(&plan);
}

#[test]
fn refused_limit_names_its_field_and_leaves_nothing_behind() {
    if !root() {
        return;
    }
    let plan = plan(
        "refused",
        vec![],
        &[
            ("pids", vec![write("pids.max", "9")]),
            ("memory", vec![write("memory.limit_in_bytes", "much")]),
        ],
    );
    if plan.v1.len() < 2 {
        eprintln!("SKIPPED: needs v1 hierarchies");
        return;
    }
    let error = Cgroup::make(&plan).expect_err("not a number");
    assert_eq!((error.kind(), error.errno()), (Kind::Spec, Some(libc::EINVAL)));
    assert_eq!(error.pointer(), Some("/linux/resources/test"));
    assert!(!error.to_string().contains("while undoing"), "{error}");
    assert_gone(&plan);
}

#[test]
fn removing_a_cgroup_that_lives_on_is_an_error_and_kills_nobody() {
    if !root() {
        return;
    }
    let plan = plan("alive", vec![], &[]);
    let cgroup = Made::by(&plan);
    let mut child = Sleeper::inside(&cgroup);
    assert_eq!(cgroup.remove().expect_err("in use").kind(), Kind::State);
    assert!(child.is_alive());
    child.0.kill().expect("killed");
    cgroup.remove().expect("removed once it is dead");
    drop(child);
    assert_gone(&plan);
}

/// The one controller that a hybrid machine leaves to cgroup2 stands for all.
#[test]
fn controllers_are_handed_down_from_the_root_and_limits_written_on_pure_cgroup2() {
    if !inside_private_cgroup2(
        "controllers_are_handed_down_from_the_root_and_limits_written_on_pure_cgroup2",
    ) {
        return;
    }
    let host = Host::probe(OwnCgroup::Wanted).expect("facts");
    assert!(host.cgroup.v1.is_empty(), "cgroup2 alone");
    let unified = host.cgroup.unified.expect("cgroup2");
    if !unified.has("hugetlb") {
        eprintln!("SKIPPED: needs the hugetlb controller");
        return;
    }
    let mut plan = plan("enable", vec![write("hugetlb.2MB.max", "4194304")], &[]);
    let place = plan.unified.as_mut().expect("unified");
    let root = unified.mount.join("cgroup.subtree_control");
    let before = fs::read_to_string(&root).expect("readable");
    let enable = |controller: &str, pointer: Option<&'static str>| Enable {
        controller: controller.into(),
        pointer: pointer.map(Into::into),
    };
    place.enable = vec![enable("hugetlb", Some("/linux/resources/hugepageLimits/0"))];
    place.enable.push(enable("nosuch", None));
    // What nothing needs is not to be had, and that is fine.
    let cgroup = Made::by(&plan);
    let limit = cgroup.unified_path().expect("unified").join("hugetlb.2MB.max");
    assert_eq!(fs::read_to_string(limit).expect("there").trim(), "4194304");
    cgroup.remove().expect("removed");

    plan.unified.as_mut().expect("unified").enable[1].pointer =
        Some("/linux/resources/memory/limit".into());
    let error = Cgroup::make(&plan).expect_err("now something needs it");
    assert_eq!(
        (error.kind(), error.pointer()),
        (Kind::Host, Some("/linux/resources/memory/limit"))
    );
    assert_gone(&plan);
    if !before.contains("hugetlb") {
        // Refused while somebody else's cgroups use it by now, and then it stays.
        drop(fs::write(root, "-hugetlb"));
    }
}

#[test]
fn device_program_refuses_other_devices_with_eperm() {
    if !inside_private_cgroup2("device_program_refuses_other_devices_with_eperm") {
        return;
    }
    let plan = plan("devices", vec![], &[]);
    let cgroup = Made::by(&plan);
    assert_taken_over(&plan, &cgroup);
    let directory = Path::new("/dev").join(format!("rrun-test-nodes-{}", std::process::id()));
    fs::create_dir(&directory).expect("a directory");
    let procs = cgroup.unified_path().expect("unified").join("cgroup.procs");
    // Made inside (mknod is allowed), opened outside and inside.
    let run = |script: &str| {
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(&directory)
            .env("PROCS", &procs)
            .stdin(Stdio::null())
            .output();
        let output = output.expect("sh");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let made =
        run("echo $$ > $PROCS && mknod kmsg c 1 11 && mknod null c 1 3 && mknod disk b 7 250");
    assert_eq!(made, (true, String::new()));
    let (opened, why) = run(": < kmsg");
    assert!(opened, "the machine itself lets root open 1:11: {why}");
    let (opened, why) = run("echo $$ > $PROCS; : < kmsg");
    assert!(!opened && why.contains("Operation not permitted"), "{why}");
    let (opened, why) = run("echo $$ > $PROCS; : < disk");
    assert!(!opened && why.contains("Operation not permitted"), "{why}");
    assert_eq!(run("echo $$ > $PROCS; : < null"), (true, String::new()));

    fs::remove_dir_all(&directory).expect("removed");
    cgroup.remove().expect("removed");
    assert_gone(&plan);
}

/// The empty cgroup of an earlier start is made again: its program is replaced, not added to.
fn assert_taken_over(plan: &CgroupPlan, first: &Cgroup) {
    let again = Made::by(plan);
    assert_eq!(again.unified_path(), first.unified_path());
    let directory = again.directory().expect("opens").expect("unified");
    let mut ids = [0; 8];
    let count = rrun_sys::bpf::attached_device_programs(directory.as_raw_fd(), &mut ids);
    assert_eq!(count, Ok(1));
}
