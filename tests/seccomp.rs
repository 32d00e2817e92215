//! seccomp in real containers: every action, operator and flag, the engines' own profiles, and a listener.
//!
//! The calls asked for are ones whose answer without a filter is known: `umask` takes any argument and returns a mode.

#[path = "seccomp/notify.rs"]
mod notify;
#[cfg(target_arch = "x86_64")]
#[path = "seccomp/own.rs"]
mod own;
#[path = "seccomp/raw.rs"]
mod raw;

use rrun_harness::{Bundle, Leftovers, Must, requires, workspace};
use serde_json::{Value, json};
use std::fs;

/// A bundle with these rules over a default that allows.
fn with_rules(rules: Value) -> Bundle {
    Bundle::new()
        .set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules }))
}

/// One rule for `umask`, and what it is asked.
fn umask_rule(action: &str) -> Bundle {
    with_rules(json!([{ "names": ["umask"], "action": action }])).args([
        "probe",
        "syscall",
        &libc::SYS_umask.to_string(),
        "18",
    ])
}

/// What `umask` returns for each argument: `EPERM` where the filter refuses.
#[track_caller]
fn answers(bundle: Bundle, arguments: &[&str]) -> Vec<String> {
    let call = libc::SYS_umask.to_string();
    let calls = arguments.iter().map(|arguments| format!("{call},{arguments}"));
    let bundle = bundle.args(["probe".to_owned(), "syscalls".to_owned()].into_iter().chain(calls));
    let output = bundle.run().success();
    output.stdout().lines().map(str::to_owned).collect()
}

/// Whether each argument was refused.
#[track_caller]
fn refused(args: Value, arguments: &[&str]) -> Vec<bool> {
    let rule = json!([{ "names": ["umask"], "action": "SCMP_ACT_ERRNO", "args": args }]);
    answers(with_rules(rule), arguments).iter().map(|answer| answer == "EPERM").collect()
}

#[test]
fn allow_and_log_let_a_call_through() {
    requires!(root);
    for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        umask_rule(action).run().success();
    }
}

#[test]
fn errno_is_eperm_or_as_asked() {
    requires!(root);
    let rules = json!([
        { "names": ["umask"], "action": "SCMP_ACT_ERRNO" },
        { "names": ["getpgrp", "getpgid"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENETDOWN },
    ]);
    let calls =
        [libc::SYS_umask, libc::SYS_getpgid, libc::SYS_getsid].map(|call| format!("{call},0"));
    let bundle =
        with_rules(rules).args(["probe", "syscalls"].map(String::from).into_iter().chain(calls));
    let output = bundle.run().success();
    let lines: Vec<String> = output.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines, ["EPERM", "ENETDOWN", "1"]);
}

#[test]
fn the_default_action_has_an_errno_of_its_own() {
    requires!(root);
    let bundle = Bundle::new().set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": libc::EHOSTDOWN,
            "syscalls": [{ "names": allowed(), "action": "SCMP_ACT_ALLOW" }],
        }),
    );
    assert_eq!(answers(bundle, &["18"]), ["EHOSTDOWN"]);
}

/// What the probe needs to start and to speak, from a real profile; without `umask`.
fn allowed() -> Value {
    let profile = profile("docker-28.5");
    let rules = profile["syscalls"].as_array().must("find the rules").clone();
    let plain = rules.iter().filter(|rule| rule["args"].as_array().is_none_or(Vec::is_empty));
    let names = plain.filter_map(|rule| rule["names"].as_array()).flatten();
    names.filter(|name| *name != "umask").cloned().collect()
}

fn profile(name: &str) -> Value {
    let file = workspace().join(format!("rootfs-fixtures/seccomp/{name}.json"));
    serde_json::from_slice(&fs::read(file).must("read a profile")).must("parse a profile")
}

#[test]
fn kill_and_trap_end_the_program_by_sigsys() {
    requires!(root);
    for action in
        ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"]
    {
        let bundle = umask_rule(action);
        bundle.run().code(128 + 31);
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn trace_without_a_tracer_is_enosys() {
    requires!(root);
    umask_rule("SCMP_ACT_TRACE").run().code(1).stdout_is("ENOSYS\n");
}

#[test]
fn every_operator_compares_all_64_bits() {
    requires!(root);
    let arguments = ["9", "10", "11", "4294967306", "-1"];
    for (op, expected) in [
        ("SCMP_CMP_EQ", [false, true, false, false, false]),
        ("SCMP_CMP_NE", [true, false, true, true, true]),
        ("SCMP_CMP_LT", [true, false, false, false, false]),
        ("SCMP_CMP_LE", [true, true, false, false, false]),
        ("SCMP_CMP_GE", [false, true, true, true, true]),
        ("SCMP_CMP_GT", [false, false, true, true, true]),
    ] {
        let args = json!([{ "index": 0, "value": 10, "op": op }]);
        assert_eq!(refused(args, &arguments), expected, "{op}");
    }
    let masked = json!([{ "index": 0, "value": 0xff, "valueTwo": 10, "op": "SCMP_CMP_MASKED_EQ" }]);
    assert_eq!(refused(masked, &["10", "266", "11", "4294967306"]), [true, true, false, true]);
}

#[test]
fn conditions_on_several_arguments_must_all_hold_and_on_one_any() {
    requires!(root);
    let both = json!([
        { "index": 0, "value": 1, "op": "SCMP_CMP_EQ" },
        { "index": 5, "value": 2, "op": "SCMP_CMP_EQ" },
    ]);
    let arguments = ["1,0,0,0,0,2", "1,0,0,0,0,3", "0,0,0,0,0,2"];
    assert_eq!(refused(both, &arguments), [true, false, false]);
    let either = json!([
        { "index": 0, "value": 1, "op": "SCMP_CMP_EQ" },
        { "index": 0, "value": 2, "op": "SCMP_CMP_EQ" },
    ]);
    assert_eq!(refused(either, &["1", "2", "3"]), [true, true, false]);
}

#[test]
fn every_flag_alone_and_all_together_is_taken() {
    // runc 1.1.5 has no flags.
    requires!(root, rrun);
    let flags =
        ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"];
    for list in [&[][..], &flags[..1], &flags[1..2], &flags[2..], &flags] {
        let bundle = umask_rule("SCMP_ACT_ERRNO").set("/linux/seccomp/flags", json!(list));
        bundle.run().code(1).stdout_is("EPERM\n");
    }
}

#[test]
fn a_filter_is_in_force_with_and_without_no_new_privileges_for_root_and_for_others() {
    requires!(root);
    for no_new in [true, false] {
        for uid in [0, 1000] {
            let bundle = umask_rule("SCMP_ACT_ERRNO")
                .set("/process/noNewPrivileges", json!(no_new))
                .set("/process/user", json!({ "uid": uid, "gid": uid }));
            bundle.run().code(1).stdout_is("EPERM\n");
        }
    }
}

#[test]
fn without_no_new_privileges_a_user_keeps_the_capabilities_it_was_given_and_no_more() {
    requires!(root);
    let set = json!(["CAP_NET_BIND_SERVICE"]);
    let bundle = umask_rule("SCMP_ACT_ERRNO")
        .set("/process/noNewPrivileges", json!(false))
        .set("/process/user", json!({ "uid": 1000, "gid": 1000 }))
        .set("/process/capabilities", json!({
            "bounding": set, "permitted": set, "effective": set, "inheritable": set, "ambient": set,
        }));
    let seen = bundle.facts();
    let bit = 1 << 10;
    for set in ["bounding", "permitted", "effective", "inheritable", "ambient"] {
        assert_eq!(seen["caps"][set], bit, "{set}: {}", seen["caps"]);
    }
    assert_eq!(seen["status"]["seccomp"], 2);
    assert_eq!(seen["status"]["no_new_privs"], 0);
}

#[test]
fn exec_is_filtered_as_its_container_is() {
    requires!(root);
    let bundle = umask_rule("SCMP_ACT_ERRNO").args(["probe", "sleep"]);
    bundle.up();
    let call = libc::SYS_umask.to_string();
    bundle.exec(&[], &["probe", "syscall", &call, "18"]).code(1).stdout_is("EPERM\n");
    let user = bundle.exec(&["--user", "1000:1000"], &["probe", "syscall", &call, "18"]);
    user.code(1).stdout_is("EPERM\n");
}

#[test]
fn engines_profiles_run_programs_and_are_in_force() {
    requires!(root, busybox);
    for name in ["docker-28.5", "docker-20.10", "podman-4.3", "containerd-1.6"] {
        let script = "id -u; ls / | grep -c bin; sleep 0; wget -q -O- http://127.0.0.1:1/ 2>/dev/null || echo refused";
        let bundle = Bundle::new().set("/linux/seccomp", profile(name)).script(script);
        bundle.run().success().stdout_is("0\n1\nrefused\n");

        // add_key without arguments is EFAULT where no filter forbids it; 4000 is a call that no kernel has yet, so the
        // profile can't have meant it.
        let calls = [libc::SYS_add_key.to_string(), "4000".to_owned()];
        let words = ["probe", "syscalls"].map(String::from).into_iter().chain(calls);
        let bundle = bundle.args(words);
        let forbidden = if name.starts_with("podman") { "ENOSYS" } else { "EPERM" };
        bundle.run().success().stdout_is(&format!("{forbidden}\nENOSYS\n"));
        let seen = bundle.facts();
        assert_eq!(seen["status"]["seccomp"], 2, "{name}");
        assert_eq!(seen["status"]["seccomp_filters"], 1, "{name}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_32_bit_entry_is_filtered_where_the_profile_names_it_and_closed_where_not() {
    requires!(root);
    let probe = rrun_harness::harness_binary("probe");
    let usual = std::process::Command::new(probe).args(["syscall-32", "60"]).output();
    if !usual.must("make a 32-bit call").status.success() {
        // A kernel without the 32-bit entry answers with a signal, and there is nothing to filter.
        return;
    }
    // 60 is umask by its number in the 32-bit table.
    let bundle = umask_rule("SCMP_ACT_ERRNO")
        .args(["probe", "syscall-32", "60"])
        .set("/linux/seccomp/architectures", json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]));
    bundle.run().code(1).stdout_is("EPERM\n");
    let bundle = bundle.set("/linux/seccomp/architectures", json!(["SCMP_ARCH_X86_64"]));
    bundle.run().code(128 + 31);
}

#[test]
fn a_name_no_architecture_knows_is_left_out_and_a_word_nobody_knows_is_refused() {
    requires!(root);
    let bundle = with_rules(json!([
        { "names": ["no_such_call", "umask"], "action": "SCMP_ACT_ERRNO" },
    ]));
    assert_eq!(answers(bundle, &["18"]), ["EPERM"]);
    let bundle = umask_rule("SCMP_ACT_NONSENSE");
    bundle.run().failure().stderr_has("SCMP_ACT_NONSENSE");
    Leftovers::assert_none(&bundle);
}
