//! Mounts that come and go while the container runs.
//!
//! Knows what a mount does, by what a process of the container can do there. A newcomer would look at the host's mounts,
//! among which there must be none.
use rrun_harness::{Bundle, Leftovers, Must, Output, Runtime, requires};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

fn sleeper() -> Bundle {
    Bundle::new().args(["probe", "sleep"])
}

/// `mounts add` or `mounts remove` with this list.
fn mounts(bundle: &Bundle, action: &str, list: Value) -> Output {
    let file = bundle.path().join(format!("{action}.json"));
    fs::write(&file, list.to_string()).must("write the list");
    bundle.runtime().call(["mounts", action, bundle.id(), &file.to_string_lossy()])
}

/// A directory of the host with one file, beside the rootfs.
fn source(bundle: &Bundle, text: &str) -> PathBuf {
    let source = bundle.path().join("source");
    fs::create_dir_all(&source).must("make a source");
    fs::write(source.join("file"), text).must("write a file");
    source
}

/// What the container reads at `path`; nothing when it can't.
fn read(bundle: &Bundle, path: &str) -> Option<String> {
    let output = bundle.exec(&[], &["sh", "-c", &format!("cat {path} 2>/dev/null")]);
    (output.exit_code() == 0).then(|| output.stdout())
}

fn writes(bundle: &Bundle, path: &str) -> bool {
    let script = format!("(echo x > {path}) 2>/dev/null");
    bundle.exec(&[], &["sh", "-c", &script]).exit_code() == 0
}

/// What of the host's mounts lies in the bundle; others come and go meanwhile.
fn host_mounts(bundle: &Bundle) -> Vec<String> {
    let all = fs::read_to_string("/proc/self/mountinfo").must("read our mounts");
    let own = bundle.path().to_string_lossy().into_owned();
    all.lines().filter(|line| line.contains(&own)).map(str::to_owned).collect()
}

fn bind(source: &std::path::Path, destination: &str, options: &[&str]) -> Value {
    let options: Vec<_> = ["rbind"].iter().chain(options).collect();
    json!({ "destination": destination, "source": source, "options": options })
}

#[test]
fn a_directory_a_file_and_a_file_system_come_and_go() {
    requires!(root, rrun, busybox);
    let bundle = sleeper();
    let source = source(&bundle, "hot");
    bundle.up();
    let before = host_mounts(&bundle);
    let list = json!([
        bind(&source, "/hot/directory", &["ro", "nosuid"]),
        bind(&source.join("file"), "/etc/hot", &[]),
        { "destination": "/hot/tmp", "type": "tmpfs", "source": "tmpfs",
          "options": ["size=1m", "mode=750", "noexec"] },
    ]);
    mounts(&bundle, "add", list.clone()).success().stdout_is("");
    assert_eq!(read(&bundle, "/hot/directory/file").as_deref(), Some("hot"));
    assert_eq!(read(&bundle, "/etc/hot").as_deref(), Some("hot"));
    assert!(!writes(&bundle, "/hot/directory/new"), "it is not read-only");
    assert!(writes(&bundle, "/hot/tmp/new"));
    let shown = read(&bundle, "/proc/self/mountinfo").must("read its mounts");
    let tmp = shown.lines().find(|line| line.contains(" /hot/tmp ")).must("find the tmpfs");
    assert!(tmp.contains("noexec") && tmp.contains("size=1024k") && tmp.contains("mode=750"));
    assert_eq!(host_mounts(&bundle), before, "the host sees nothing of it");
    mounts(&bundle, "remove", list.clone()).success();
    let shown = read(&bundle, "/proc/self/mountinfo").must("read its mounts");
    assert!(!shown.contains("/hot"), "{shown}");
    assert_eq!(read(&bundle, "/hot/directory/file"), None);
    mounts(&bundle, "remove", list).code(1).stderr_has("nothing was added at \"/hot/directory\"");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn what_cannot_be_mounted_leaves_the_others_unmounted_too() {
    requires!(root, rrun, busybox);
    let bundle = sleeper();
    let source = source(&bundle, "hot");
    bundle.up();
    let mounted = || read(&bundle, "/proc/self/mountinfo").must("read its mounts");
    let before = mounted();
    for (bad, words) in [
        (bind(&bundle.path().join("nowhere"), "/x", &[]), "/mounts/1/source"),
        (json!({ "destination": "/x", "type": "nofs" }), "/mounts/1"),
        (json!({ "destination": "/x", "type": "tmpfs", "options": ["size=lots"] }), "/mounts/1"),
        (json!({ "destination": "/x", "type": "proc" }), "a procfs can't be added"),
        (json!({ "destination": "/x", "options": ["remount"] }), "a remount can't be added"),
        // A directory on a file: found out when the first is attached already.
        (bind(&source, "/bin/probe", &[]), "/mounts/1/destination"),
        (json!({ "type": "tmpfs" }), "/mounts/1/destination"),
    ] {
        let list = json!({ "mounts": [bind(&source, "/first", &[]), bad] });
        mounts(&bundle, "add", list).code(1).stderr_has(words);
        assert_eq!(mounted(), before, "{words}");
    }
    let removed = mounts(&bundle, "remove", json!([bind(&source, "/first", &[])])).code(1);
    removed.stderr_has("nothing was added");
    mounts(&bundle, "add", json!([])).code(1).stderr_has("no mount in the list");
    bundle.runtime().call(["mounts", "swap", bundle.id(), "-"]).code(1).stderr_has("add or remove");
    bundle.delete_force().success();
    mounts(&bundle, "add", json!([bind(&source, "/first", &[])])).code(1).stderr_has("not exist");
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_destination_is_where_the_container_sees_it_however_its_links_lie() {
    requires!(root, rrun, busybox);
    let bundle = sleeper();
    let source = source(&bundle, "hot");
    let decoy = bundle.path().join("decoy");
    fs::create_dir(&decoy).must("make a decoy");
    symlink(&decoy, bundle.rootfs().join("absolute")).must("make a link");
    symlink("../../../../../../../..", bundle.rootfs().join("up")).must("make a link");
    bundle.up();
    let list = json!([bind(&source, "/absolute", &[]), bind(&source, "/up/tmp/below", &[])]);
    mounts(&bundle, "add", list).success();
    assert_eq!(read(&bundle, "/tmp/below/file").as_deref(), Some("hot"));
    let inside = format!("{}/file", decoy.display());
    assert_eq!(read(&bundle, &inside).as_deref(), Some("hot"));
    assert_eq!(fs::read_dir(&decoy).must("list the decoy").count(), 0);
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn only_what_was_added_is_removed_and_nothing_that_is_covered() {
    requires!(root, rrun, busybox);
    let bundle = sleeper().mount("/own", "tmpfs", "tmpfs", &["size=64k"]);
    let source = source(&bundle, "hot");
    bundle.up();
    let tmpfs = |at: &str| json!([{ "destination": at, "type": "tmpfs" }]);
    // The configuration's own.
    mounts(&bundle, "remove", tmpfs("/own")).code(1).stderr_has("nothing was added at \"/own\"");
    // Two at one place: the newest goes first.
    mounts(&bundle, "add", json!([bind(&source, "/own", &[])])).success();
    mounts(&bundle, "add", tmpfs("/own")).success();
    assert_eq!(read(&bundle, "/own/file"), None);
    mounts(&bundle, "remove", tmpfs("/own")).success();
    assert_eq!(read(&bundle, "/own/file").as_deref(), Some("hot"));
    // Somebody else mounts over it.
    let pid = bundle.state()["pid"].to_string();
    let words = ["-t", &pid, "-m", "mount", "-t", "tmpfs", "none", "/own"];
    let status = std::process::Command::new("nsenter").args(words).status();
    assert!(status.must("call nsenter").success());
    mounts(&bundle, "remove", tmpfs("/own")).code(1).stderr_has("shows another mount");
    let words = ["-t", &pid, "-m", "umount", "/own"];
    assert!(std::process::Command::new("nsenter").args(words).status().must("nsenter").success());
    mounts(&bundle, "remove", tmpfs("/own")).success();
    let shown = read(&bundle, "/proc/self/mountinfo").must("read its mounts");
    assert_eq!(shown.matches(" /own ").count(), 1, "the configuration's own is left: {shown}");
    bundle.delete_force().success();
}

#[test]
fn in_a_user_namespace_what_is_made_belongs_to_the_container() {
    requires!(root, rrun, busybox);
    let bundle = sleeper().mapped(&[(0, 100_000, 65536)]).owned_by(100_000, 100_000);
    let source = source(&bundle, "hot");
    bundle.up();
    let list = json!([
        bind(&source, "/tmp/hot", &[]),
        { "destination": "/tmp/new", "type": "tmpfs", "options": ["mode=700"] },
        { "destination": "/tmp/queue", "type": "mqueue" },
    ]);
    mounts(&bundle, "add", list.clone()).success();
    assert_eq!(read(&bundle, "/tmp/hot/file").as_deref(), Some("hot"));
    assert!(writes(&bundle, "/tmp/new/file"), "the tmpfs is not the container's");
    mounts(&bundle, "remove", list).success();
    let owner = bundle.exec(&[], &["stat", "-c", "%u", "/tmp/hot"]).success();
    owner.stdout_is("0\n");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn an_ordinary_user_mounts_into_a_container_of_their_own() {
    requires!(root, rrun, busybox, userns);
    let runtime = Runtime::under_test().as_user(1000, 1000);
    let bundle = Bundle::in_runtime(&runtime)
        .args(["probe", "sleep"])
        .mapped(&[(0, 1000, 1)])
        .without_namespace("network")
        .edit(|config| {
            config["linux"]["resources"] = json!({});
            let mounts = config["mounts"].as_array_mut().must("find the mounts");
            mounts.retain(|mount| mount["destination"] == "/proc");
        });
    let source = source(&bundle, "hot");
    let bundle = bundle.owned_by(1000, 1000);
    bundle.up();
    let list = json!([
        bind(&source, "/tmp/hot", &["ro"]),
        { "destination": "/tmp/new", "type": "tmpfs" },
    ]);
    mounts(&bundle, "add", list.clone()).success();
    assert_eq!(read(&bundle, "/tmp/hot/file").as_deref(), Some("hot"));
    assert!(!writes(&bundle, "/tmp/hot/new") && writes(&bundle, "/tmp/new/file"));
    mounts(&bundle, "remove", list).success();
    assert_eq!(read(&bundle, "/tmp/hot/file"), None);
    bundle.delete_force().success();
}
