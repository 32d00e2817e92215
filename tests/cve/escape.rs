//! The runtime's own binary, descriptors it left open, capabilities it gave, users it misread.

use rrun_harness::{Bundle, Leftovers, Must, Running, Stdio, eventually, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn cve_2019_5736_a_payload_that_is_the_runtime_again_runs_nothing() {
    requires!(root);
    let bundle = Bundle::new().args(["/payload"]);
    let payload = bundle.rootfs().join("payload");
    fs::write(&payload, "#!/proc/self/exe\n").must("write the payload");
    fs::set_permissions(&payload, fs::Permissions::from_mode(0o755)).must("make it executable");
    bundle.run().failure();
    Leftovers::assert_none(&bundle);
}

#[test]
fn cve_2019_5736_no_process_of_the_container_can_open_the_runtime_for_writing() {
    requires!(root);
    let all = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_FOWNER"]);
    let sets = json!({ "bounding": all, "permitted": all, "effective": all });
    let bundle = Bundle::new().args(["probe", "grab"]).set("/process/capabilities", sets);
    fs::copy(bundle.rootfs().join("bin/probe"), bundle.rootfs().join("bin/victim"))
        .must("copy a program");
    let binary = bundle.runtime().program().to_path_buf();
    let before = fs::read(&binary).must("read the runtime");
    let created = bundle.up();
    // The program of an exec is the runtime itself until its execve. The image's own program shows that the attack
    // works: it is opened once it no longer runs. The runtime's is held too, by the name its own mount gives it.
    let own = ["ready", "held /bin/probe", "held /bin/victim", "opened /bin/victim"];
    let attacked = || {
        let said = created.stdout();
        said.contains("opened /bin/victim") && said.lines().any(|line| !own.contains(&line))
    };
    let seen = eventually(|| {
        drop(bundle.exec(&[], &["/proc/self/exe", "--version"]));
        bundle.exec(&[], &["victim", "spin", "0.05"]).success();
        attacked()
    });
    assert!(seen, "{}", created.account());
    for _ in 0..10 {
        bundle.exec(&[], &["victim", "exit", "0"]).success();
    }
    bundle.delete_force().success();
    assert!(fs::read(&binary).must("read the runtime") == before, "the runtime was overwritten");
    let said = created.stdout();
    let opened: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("opened ")).collect();
    assert_eq!(opened, ["/bin/victim"], "{said}");
}

#[test]
fn cve_2022_29162_inheritable_capabilities_stay_empty() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    let pid = bundle.state()["pid"].to_string();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).must("read its status");
    assert!(status.contains("CapInh:\t0000000000000000"), "{status}");
    for flags in
        [&[][..], &["--cap", "CAP_NET_ADMIN"], &["--user", "1000", "--cap", "CAP_NET_ADMIN"]]
    {
        let seen = bundle.exec(flags, &["probe", "facts", "caps"]).success().json();
        assert_eq!(seen["caps"]["inheritable"], 0, "{flags:?}");
        assert_eq!(seen["caps"]["ambient"], 0, "{flags:?}");
    }
}

#[test]
fn cve_2024_21626_no_working_directory_leads_out() {
    requires!(root);
    for number in 3..=20 {
        let cwd = format!("/proc/self/fd/{number}");
        let bundle = Bundle::new().set("/process/cwd", json!(cwd)).args(["probe", "facts", "cwd"]);
        bundle.write_config();
        let path = bundle.path().to_string_lossy().into_owned();
        let output = leaking(&bundle, &["run", "--bundle", &path, bundle.id()]);
        output.failure();
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn cve_2024_21626_exec_and_links_of_the_image_do_not_lead_out_either() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    std::os::unix::fs::symlink("/proc/self/fd/7", bundle.rootfs().join("work")).must("make a link");
    std::os::unix::fs::symlink("/proc/1/cwd", bundle.rootfs().join("first")).must("make a link");
    bundle.up();
    for number in 3..=12 {
        let cwd = format!("/proc/self/fd/{number}");
        let words = ["exec", "--cwd", &cwd, bundle.id(), "probe", "facts", "cwd"];
        leaking(&bundle, &words).failure();
    }
    let words = ["exec", "--cwd", "/work", bundle.id(), "probe", "facts", "cwd"];
    leaking(&bundle, &words).failure();
    // A directory of the container by way of its first process is inside, and allowed.
    let seen = bundle.exec(&["--cwd", "/first"], &["probe", "facts", "cwd"]).success().json();
    assert_eq!(seen["cwd"], "/");
}

/// The runtime called by a shell that leaks directories of the host as descriptors 3 to 9.
#[track_caller]
fn leaking(bundle: &Bundle, words: &[&str]) -> rrun_harness::Output {
    let command = bundle.runtime().command(words);
    let script = "exec 3</ 4</ 5</ 6</ 7</ 8</ 9</; exec \"$@\"";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    Running::start(shell, &Stdio::Kept, bundle.path()).wait()
}

#[test]
fn cve_2026_30892_a_user_is_the_one_that_was_named() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    bundle.up();
    for (text, uid, gid) in [("1", 1, 0), ("1:2", 1, 2), ("2147483647", 0x7fff_ffff, 0)] {
        let seen = bundle.exec(&["--user", text], &["probe", "facts", "user"]).success().json();
        assert_eq!(seen["user"]["uid"], uid, "{text}");
        assert_eq!(seen["user"]["gid"], gid, "{text}");
    }
    // runc 1.1.5 reads numbers as Go does, sign and all, and lets them overflow.
    let rrun = bundle.runtime().is_rrun();
    for text in ["1:", ":1", "4294967296", "+1", "-1", "1x", "0x1", "1:2:3", ""] {
        let output = bundle.exec(&["--user", text], &["probe", "facts", "user"]);
        if rrun {
            output.failure().stdout_is("");
        }
    }
}
