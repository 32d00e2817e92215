//! Users, groups, capabilities, filters and settings inside.

use super::{mapped, sleeper};
use rrun_harness::requires;
use serde_json::{Value, json};

/// Every capability up to CAP_CHECKPOINT_RESTORE, Linux 5.9.
const ALL: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE \
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL \
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

fn all() -> Value {
    ALL.split_whitespace().map(|name| format!("CAP_{name}")).collect()
}

#[test]
fn root_inside_can_have_every_capability_even_those_that_root_outside_lacks() {
    // runc grants what itself holds; on a host that holds all the two agree.
    requires!(root, rrun);
    let sets = ["bounding", "effective", "permitted", "inheritable", "ambient"];
    let sets: serde_json::Map<_, _> = sets.iter().map(|set| ((*set).to_owned(), all())).collect();
    let bundle = mapped().set("/process/capabilities", Value::Object(sets));
    let bundle = bundle.args(["probe", "facts", "caps"]);
    let output = bundle.run().success();
    assert_eq!(output.stderr(), "");
    for (name, set) in output.json()["caps"].as_object().into_iter().flatten() {
        assert_eq!(*set, json!((1_u64 << 41) - 1), "{name}");
    }
}

#[test]
fn capabilities_inside_have_power_over_the_namespaces_inside_and_none_over_the_host() {
    requires!(root, busybox);
    let bundle = mapped()
        .set("/process/capabilities", json!({ "bounding": all(), "effective": all(), "permitted": all() }))
        .script(
            "hostname changed && hostname && ip link set lo down && mount -t tmpfs none /tmp && echo mounted; \
             mknod /tmp/sda b 8 0 || echo no device; chown 70000 /bin/probe || echo no chown",
        );
    let output = bundle.run();
    output.stdout_has("changed\nmounted\nno device\nno chown\n");
}

#[test]
fn an_ordinary_user_inside_keeps_groups_and_ambient_capabilities() {
    requires!(root);
    let caps = json!(["CAP_NET_BIND_SERVICE"]);
    let bundle = mapped()
        .set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 65535], "umask": 63 }))
        .set(
            "/process/capabilities",
            json!({ "bounding": caps, "effective": caps, "permitted": caps, "inheritable": caps, "ambient": caps }),
        );
    let facts = bundle.facts();
    assert_eq!(facts["user"]["euid"], 1000);
    assert_eq!(facts["user"]["sgid"], 1001);
    assert_eq!(facts["user"]["groups"], json!([5, 65535]));
    assert_eq!(facts["status"]["umask"], "0077");
    for set in ["ambient", "effective", "bounding"] {
        assert_eq!(facts["caps"][set], 1 << 10, "{set}");
    }
}

#[test]
fn setgroups_stays_allowed() {
    requires!(root);
    mapped().args(["probe", "read", "/proc/self/setgroups"]).run().success().stdout_is("allow\n");
}

#[test]
fn settings_of_its_network_namespace_can_be_given() {
    requires!(root);
    let bundle =
        mapped().set("/linux/sysctl", json!({ "net.ipv4.ip_unprivileged_port_start": "80" }));
    let facts = bundle.facts();
    assert_eq!(facts["sysctl"]["net.ipv4.ip_unprivileged_port_start"], "80");
    assert_eq!(facts["hostname"], "rrun-test");
}

#[test]
fn a_filter_is_installed_with_and_without_no_new_privileges() {
    // getpgrp(2) is what the filter forbids: 111 on x86-64.
    requires!(root);
    for no_new in [true, false] {
        let bundle = mapped()
            .set("/process/noNewPrivileges", json!(no_new))
            .set("/process/user/uid", json!(1000))
            .set(
                "/linux/seccomp",
                json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                    "syscalls": [{ "names": ["getpgrp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }] }),
            );
        bundle.args(["probe", "syscall", "111"]).run().failure().stdout_is("EOPNOTSUPP\n");
    }
}

#[test]
fn the_oom_score_is_set() {
    requires!(root);
    let facts = mapped().set("/process/oomScoreAdj", json!(321)).facts();
    assert_eq!(facts["oom_score_adj"], 321);
}

#[test]
fn an_exec_has_the_users_and_groups_it_asks_for() {
    requires!(root);
    let bundle = sleeper();
    bundle.up();
    let flags = ["--user", "1000:1001", "--additional-gids", "7"];
    let facts = bundle.exec(&flags, &["probe", "facts", "user"]).success().json();
    assert_eq!(facts["user"]["uid"], 1000);
    assert_eq!(facts["user"]["gid"], 1001);
    assert_eq!(facts["user"]["groups"], json!([7]));
    bundle.exec(&["--user", "70000"], &["probe", "exit", "0"]).failure();
}
