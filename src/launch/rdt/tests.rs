//! A plain directory stands in for resctrl: what the kernel would put into a new class or group is put there by hand, and
//! each write is appended, so a file tells what was written and in which order.

use super::*;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The root of such a tree; gone with this value.
struct Fake(PathBuf);

impl Fake {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rrun-resctrl-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir(&root).unwrap();
        fs::create_dir_all(root.join("info/MB")).unwrap();
        fs::write(root.join("info/last_cmd_status"), "ok\n").unwrap();
        fs::write(root.join("info/MB/bandwidth_gran"), "10\n").unwrap();
        furnish(&root, "    L3:0=ff;1=ff\n    MB:0=100;1=100\n");
        Self(root)
    }

    fn tree(&self) -> Tree {
        Tree { root: self.0.clone() }
    }

    fn prepare<'a>(&self, rdt: &'a IntelRdt) -> Result<Prepared<'a>> {
        Prepared::in_tree(self.tree(), rdt, &ContainerId::new("web").unwrap())
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    fn is_there(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

thread_local! {
    static MONITORS: Cell<bool> = const { Cell::new(true) };
}

/// mkdir(2) as the kernel does it here.
pub fn create(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)?;
    if path.parent().is_some_and(|parent| parent.ends_with("mon_groups")) {
        return fs::write(path.join("tasks"), "");
    }
    furnish(path, "");
    if !MONITORS.get() { fs::remove_dir(path.join("mon_groups")) } else { Ok(()) }
}

/// rmdir(2), too.
pub fn remove(path: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(path)
}

/// What the kernel puts into a class.
fn furnish(class: &Path, schemata: &str) {
    fs::create_dir_all(class.join("mon_groups")).unwrap();
    fs::write(class.join("schemata"), schemata).unwrap();
    fs::write(class.join("tasks"), "").unwrap();
}

fn rdt(clos: Clos, lines: &[&str], monitoring: bool) -> IntelRdt {
    let line = |(index, line): (usize, &&str)| {
        ((*line).to_owned(), format!("/linux/intelRdt/schemata/{index}"))
    };
    IntelRdt { clos, lines: lines.iter().enumerate().map(line).collect(), monitoring }
}

fn named(name: &str) -> Clos {
    Clos::Named(name.into())
}

#[test]
fn a_class_of_its_own_is_made_written_joined_and_removed() {
    let fake = Fake::new();
    let wanted = rdt(Clos::Own, &["L3:0=f", "MB:0=20", "L2:0=3"], true);
    let prepared = fake.prepare(&wanted).unwrap();
    assert!(!fake.is_there("web"), "preparing touches nothing");
    prepared.make().unwrap();
    assert_eq!(fake.read("web/schemata"), "L3:0=f\nMB:0=20\nL2:0=3\n");
    prepared.rdt.join(42).unwrap();
    assert_eq!(fake.read("web/tasks"), "42\n");
    assert_eq!(fake.read("web/mon_groups/web/tasks"), "42\n");
    prepared.rdt.remove().unwrap();
    assert!(!fake.is_there("web"));
    prepared.rdt.remove().unwrap();
}

#[test]
fn an_empty_object_is_a_class_without_lines() {
    let fake = Fake::new();
    let wanted = rdt(Clos::Own, &[], false);
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    assert_eq!(fake.read("web/schemata"), "");
    assert!(!fake.is_there("web/mon_groups/web"));
}

#[test]
fn a_directory_that_was_there_stays_there() {
    let fake = Fake::new();
    furnish(&fake.0.join("web"), "");
    let wanted = rdt(Clos::Own, &["MB:0=20"], true);
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    assert_eq!(fake.read("web/schemata"), "MB:0=20\n");
    prepared.rdt.remove().unwrap();
    assert!(fake.is_there("web"));
    assert!(!fake.is_there("web/mon_groups/web"), "the monitoring group goes all the same");
}

#[test]
fn a_named_class_that_is_not_there_is_made_and_stays() {
    let fake = Fake::new();
    let wanted = rdt(named("gold"), &["L3:0=f"], false);
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    assert_eq!(fake.read("gold/schemata"), "L3:0=f\n");
    prepared.rdt.remove().unwrap();
    assert!(fake.is_there("gold"));
}

#[test]
fn a_named_class_without_lines_must_be_there() {
    let fake = Fake::new();
    let wanted = rdt(named("gold"), &[], true);
    let error = fake.prepare(&wanted).unwrap_err();
    assert_eq!((error.kind(), error.pointer()), (Kind::NotFound, Some("/linux/intelRdt/closID")));
    furnish(&fake.0.join("gold"), "    L3:0=1\n");
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    prepared.rdt.join(7).unwrap();
    assert_eq!(fake.read("gold/schemata"), "    L3:0=1\n");
    assert_eq!(fake.read("gold/tasks"), "7\n");
    assert_eq!(fake.read("gold/mon_groups/web/tasks"), "7\n");
}

#[test]
fn a_named_class_that_is_there_is_compared_and_not_written() {
    let fake = Fake::new();
    furnish(&fake.0.join("gold"), "    L3:0=00f;1=ff\n    MB:0= 30;1= 100\n");
    for lines in [&["L3:0=f"][..], &["L3:1=ff;0=F", "MB:0=30"], &["MB:0=25"]] {
        let wanted = rdt(named("gold"), lines, false);
        fake.prepare(&wanted).unwrap().make().unwrap();
    }
    assert_eq!(fake.read("gold/schemata").lines().count(), 2);
    for (lines, field) in [(&["L3:0=1"][..], 0), (&["L3:0=f", "MB:0=35"], 1), (&["L2:0=f"], 0)] {
        let wanted = rdt(named("gold"), lines, true);
        let error = fake.prepare(&wanted).unwrap_err();
        let pointer = format!("/linux/intelRdt/schemata/{field}");
        assert_eq!((error.kind(), error.pointer()), (Kind::State, Some(&*pointer)), "{error}");
        assert!(!fake.is_there("gold/mon_groups/web"));
    }
}

#[test]
fn the_default_class_is_joined_monitored_and_never_written() {
    let fake = Fake::new();
    let wanted = rdt(Clos::Default, &["L3:0=ff"], true);
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    prepared.rdt.join(7).unwrap();
    assert_eq!((&*fake.read("tasks"), &*fake.read("mon_groups/web/tasks")), ("7\n", "7\n"));
    let lines = [("MB:0=50".to_owned(), "/linux/intelRdt/memBwSchema".to_owned())];
    assert_eq!(prepared.rdt.update(&lines).unwrap_err().kind(), Kind::State);
    prepared.rdt.remove().unwrap();
    assert!(fake.is_there("schemata") && !fake.is_there("mon_groups/web"));
    assert_eq!(fake.read("schemata").lines().count(), 2);
}

#[test]
fn a_monitoring_group_that_is_there_is_somebody_elses() {
    let fake = Fake::new();
    furnish(&fake.0.join("gold"), "");
    fs::create_dir(fake.0.join("gold/mon_groups/web")).unwrap();
    let wanted = rdt(named("gold"), &[], true);
    assert_eq!(fake.prepare(&wanted).unwrap_err().kind(), Kind::Exists);
    assert!(fake.is_there("gold/mon_groups/web"));
}

#[test]
fn what_fails_half_way_leaves_nothing_and_the_kernels_words_are_told() {
    let fake = Fake::new();
    fs::write(fake.0.join("info/last_cmd_status"), "Mask out of range\n").unwrap();
    for clos in [Clos::Own, named("gold")] {
        let wanted = rdt(clos, &["L3:0=f"], true);
        let prepared = fake.prepare(&wanted).unwrap();
        let class = prepared.rdt.class.clone();
        MONITORS.set(false);
        let error = prepared.make().unwrap_err();
        MONITORS.set(true);
        assert_eq!(error.pointer(), Some("/linux/intelRdt/enableMonitoring"), "{error}");
        assert!(!class.exists(), "{class:?}");
    }
    let error = fake.tree().write(&fake.0.join("nosuch"), "L3:0=fffff").unwrap_err();
    assert!(error.to_string().contains("the kernel says: Mask out of range"), "{error}");
}

#[test]
fn a_class_that_somebody_has_joined_meanwhile_is_left_to_them() {
    let fake = Fake::new();
    let wanted = rdt(named("gold"), &["L3:0=f"], false);
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    fs::write(fake.0.join("gold/tasks"), "77\n").unwrap();
    prepared.undo().unwrap();
    assert!(fake.is_there("gold"));
}

#[test]
fn an_update_writes_the_lines_and_can_be_put_back() {
    let fake = Fake::new();
    furnish(&fake.0.join("gold"), "    L3:0=f\n    MB:0=30\n");
    let wanted = rdt(named("gold"), &[], false);
    let prepared = fake.prepare(&wanted).unwrap();
    let lines = IntelRdt::schemas(Some("L3:0=3"), Some("MB:0=60")).unwrap();
    let former = prepared.rdt.update(&lines).unwrap();
    assert!(fake.read("gold/schemata").ends_with("MB:0=30\nL3:0=3\nMB:0=60\n"));
    let error = former.put_back(Error::new(Kind::State, "something else"));
    assert_eq!(error.to_string(), "something else");
    assert!(fake.read("gold/schemata").ends_with("MB:0=60\nL3:0=f\nMB:0=30\n"));
}

#[test]
fn a_class_that_comes_late_gets_every_thread_and_goes_with_the_container() {
    let fake = Fake::new();
    let lines = IntelRdt::schemas(None, Some("MB:0=60")).unwrap();
    let id = ContainerId::new("web").unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let rdt = Rdt::late_in(fake.tree(), &id, &lines, || Ok(vec![own])).unwrap();
    drop(stop);
    assert!(thread.join().unwrap().is_err());
    assert_eq!(fake.read("web/schemata"), "MB:0=60\n");
    let tasks = fake.read("web/tasks");
    assert!(tasks.lines().count() >= 2 && tasks.lines().any(|line| line == own.to_string()));
    rdt.remove().unwrap();
    assert!(!fake.is_there("web"));
    let failing = || Err(Error::new(Kind::State, "gone"));
    assert_eq!(Rdt::late_in(fake.tree(), &id, &lines, failing).unwrap_err().kind(), Kind::State);
    assert!(!fake.is_there("web"));
}

#[test]
fn the_record_remembers_what_is_ours() {
    let fake = Fake::new();
    let wanted = rdt(Clos::Own, &[], true);
    let prepared = fake.prepare(&wanted).unwrap();
    prepared.make().unwrap();
    let json = serde_json::to_string(&prepared.rdt).unwrap();
    let read: Rdt = serde_json::from_str(&json).unwrap();
    assert_eq!(read, prepared.rdt);
    read.remove().unwrap();
    assert!(!fake.is_there("web"));
}
