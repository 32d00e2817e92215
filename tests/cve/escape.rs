//! The runtime's own binary.

use rrun_harness::{Bundle, Leftovers, Must, eventually, requires};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
