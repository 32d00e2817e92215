//! A filter that comes ready-made, in an annotation: in force as it is, or refused before anything is made.
//!
//! Knows classic BPF by hand: the filters here were written for these tests, an instruction a line. What a newcomer would
//! get wrong: `umask` never fails, so an errno from it is the filter's, and one that no call gives says whose.

use rrun_harness::{Bundle, Leftovers, requires};
use serde_json::json;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

type Instruction = (u16, u8, u8, u32);

/// `umask` is `EHOSTDOWN`, everything else is allowed.
fn no_umask() -> Vec<Instruction> {
    vec![
        // ld [nr]
        (0x20, 0, 0, 0),
        // jeq umask, 0, 1
        (0x15, 0, 1, u32::try_from(libc::SYS_umask).unwrap_or_default()),
        (0x06, 0, 0, ERRNO | libc::EHOSTDOWN.cast_unsigned()),
        (0x06, 0, 0, ALLOW),
    ]
}

fn base64(program: &[Instruction]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for (code, jt, jf, k) in program {
        bytes.extend(code.to_ne_bytes());
        bytes.extend([*jt, *jf]);
        bytes.extend(k.to_ne_bytes());
    }
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for sign in 0..4 {
            let value = bits >> (18 - 6 * sign) & 63;
            text.push(if sign > three.len() { '=' } else { SIGNS[value as usize].into() });
        }
    }
    text
}

fn filtered(name: &str, program: &[Instruction]) -> Bundle {
    let bundle = Bundle::new().set("/linux/seccomp", json!(null));
    bundle.set("/annotations", json!({ (name): base64(program) }))
}

fn calls() -> Vec<String> {
    let umask = format!("{},18", libc::SYS_umask);
    let group = format!("{},0", libc::SYS_getsid);
    ["probe".to_owned(), "syscalls".to_owned(), umask, group].into()
}

#[test]
fn a_ready_made_filter_is_in_force_in_run_and_in_exec() {
    requires!(root, rrun);
    for name in ["org.rrun.seccomp.bpf", "run.oci.seccomp_bpf_data"] {
        for no_new_privileges in [true, false] {
            let bundle = filtered(name, &no_umask())
                .set("/process/noNewPrivileges", json!(no_new_privileges))
                .args(calls());
            bundle.run().success().stdout_is("EHOSTDOWN\n1\n");
        }
        let bundle = filtered(name, &no_umask()).args(["probe", "sleep"]);
        bundle.up();
        let words = calls();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let output = bundle.exec(&[], &words).success();
        assert_eq!(output.stdout().lines().next(), Some("EHOSTDOWN"), "{}", output.account());
        bundle.delete_force().success();
        Leftovers::assert_none(&bundle);
    }
}

/// What our checker takes the kernel takes, too: every kind of instruction, in one filter.
#[test]
fn every_instruction_that_is_taken_is_taken_by_the_kernel() {
    requires!(root, rrun);
    let mut program: Vec<Instruction> = vec![(0x20, 0, 0, 60), (0x02, 0, 0, 15), (0x03, 0, 0, 0)];
    program.extend([0x80, 0x81, 0x00, 0x01, 0x07, 0x87].map(|code| (code, 0, 0, 0)));
    let constant = [0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xa4];
    program.extend(constant.map(|code| (code, 0, 0, 31)));
    program.extend([0x60, 0x61].map(|code| (code, 0, 0, 15)));
    program.push((0x01, 0, 0, 1));
    let by_index = [0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0x6c, 0x7c, 0xac, 0x84];
    program.extend(by_index.map(|code| (code, 0, 0, 0)));
    let branches = [0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x05];
    program.extend(branches.map(|code| (code, 0, 0, 0)));
    program.extend([(0x00, 0, 0, ALLOW), (0x16, 0, 0, 0)]);
    let bundle = filtered("org.rrun.seccomp.bpf", &program);
    bundle.args(calls()).run().success();
}

#[test]
fn a_filter_that_the_kernel_would_refuse_is_refused_by_instruction_and_leaves_nothing() {
    requires!(root, rrun);
    let mut endless = no_umask();
    endless.pop();
    endless.pop();
    let bundle = filtered("org.rrun.seccomp.bpf", &endless).args(["probe", "sleep"]);
    let output = bundle.create().failure();
    output.stderr_has("/annotations/org.rrun.seccomp.bpf").stderr_has("instruction 1 (code 0x15");
    Leftovers::assert_none(&bundle);
    let text = "not base64";
    let bundle = Bundle::new().set("/annotations", json!({ "run.oci.seccomp_bpf_data": text }));
    let output = bundle.args(["probe", "sleep"]).create().failure();
    output.stderr_has("/annotations/run.oci.seccomp_bpf_data").stderr_has("is no base64");
}

#[test]
fn a_ready_made_filter_never_replaces_a_profile_in_silence() {
    requires!(root, rrun);
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
    for name in ["org.rrun.seccomp.bpf", "run.oci.seccomp_bpf_data"] {
        let bundle = filtered(name, &[(0x06, 0, 0, ALLOW)]).set("/linux/seccomp", profile.clone());
        let bundle = bundle.args(["probe", "sleep"]);
        bundle.create().failure().stderr_has("/linux/seccomp is given, too").stderr_has(name);
        Leftovers::assert_none(&bundle);
    }
}
