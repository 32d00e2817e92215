//! The profile of `rrun spec --seccomp`: ordinary programs run under it, dangerous calls don't come through.
//!
//! Knows calls by number and what each is asked. What a newcomer would get wrong: EPERM says nothing, since the kernel
//! gives it to whoever lacks a capability; so the container has all of them, and the profile's own errno is set to one
//! that no such call ever gives.

use rrun_harness::{Bundle, Must, requires};
use serde_json::{Value, json};
use std::fs;

const ALL: u64 = u64::MAX;

/// The profile, as the command writes it.
fn profile(bundle: &Bundle) -> Value {
    let file = format!("own-{}.json", bundle.id());
    let path = bundle.path().to_string_lossy().into_owned();
    bundle.runtime().call(["spec", "--seccomp", "-b", &path, "-f", &file]).success();
    let text = fs::read(bundle.path().join(file)).must("read what spec wrote");
    let config: Value = serde_json::from_slice(&text).must("parse it");
    config["linux"]["seccomp"].clone()
}

fn under_it() -> Bundle {
    let bundle = Bundle::new();
    let profile = profile(&bundle);
    bundle.set("/linux/seccomp", profile)
}

#[test]
fn ordinary_programs_run_under_the_profile_of_spec() {
    requires!(root, rrun, busybox);
    let script = "id -u; ls -l / | grep -c bin; mkdir /tmp/d && echo x > /tmp/d/f && cp /tmp/d/f /tmp/d/g && \
                  mv /tmp/d/g /tmp/d/h && ln -s f /tmp/d/l && mkfifo /tmp/d/p && chmod 600 /tmp/d/f && \
                  find /tmp/d -type f | sort | xargs cat | wc -l; tar -C /tmp -c d | tar -t | wc -l; \
                  for i in 1 2 3; do (sleep 0; echo $i) & done | sort -n | tail -n 1; wait; \
                  trap 'echo caught' USR1; kill -USR1 $$; \
                  date -u +%Y | grep -c 20; ps >/dev/null && echo ps; \
                  wget -q -O- http://127.0.0.1:1/ 2>/dev/null || echo refused";
    let bundle = under_it().mount("/tmp", "tmpfs", "tmpfs", &["mode=1777"]).script(script);
    bundle.run().success().stdout_is("0\n1\n2\n5\n3\ncaught\n1\nps\nrefused\n");
}

#[test]
fn threads_run_under_the_profile_of_spec() {
    requires!(root, rrun);
    under_it().args(["probe", "threads", "8"]).run().success().stdout_is("8\n");
    let bundle = under_it();
    let seen = bundle.facts();
    assert_eq!(seen["status"]["seccomp"], 2);
}

/// A container with every capability, and the answer to each call: `EHOSTDOWN` where the profile says no.
#[track_caller]
fn answers(calls: &[(i64, &[u64])]) -> Vec<String> {
    let bundle = Bundle::new();
    let mut profile = profile(&bundle);
    assert_eq!(profile["defaultErrnoRet"], libc::EPERM);
    profile["defaultErrnoRet"] = json!(libc::EHOSTDOWN);
    let caps: Vec<String> = CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
    let sets = json!({ "bounding": caps, "permitted": caps, "effective": caps });
    let words = calls.iter().map(|(call, args)| {
        let args = args.iter().map(|arg| format!(",{}", arg.cast_signed()));
        format!("{call}{}", args.collect::<String>())
    });
    let words = ["probe".to_owned(), "syscalls".to_owned()].into_iter().chain(words);
    let bundle =
        bundle.set("/linux/seccomp", profile).set("/process/capabilities", sets).args(words);
    bundle.run().success().stdout().lines().map(str::to_owned).collect()
}

/// Those that the calls below ask for.
const CAPABILITIES: [&str; 8] = [
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_BOOT",
    "SYS_TIME",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "NET_RAW",
];

/// None of them would do harm if it came through: the arguments make sense to none.
const DANGEROUS: &[(&str, i64, &[u64])] = &[
    ("mount", libc::SYS_mount, &[]),
    ("umount2", libc::SYS_umount2, &[]),
    ("pivot_root", libc::SYS_pivot_root, &[]),
    ("fsopen", libc::SYS_fsopen, &[]),
    ("open_tree", libc::SYS_open_tree, &[ALL, 0, ALL]),
    ("move_mount", libc::SYS_move_mount, &[ALL, 0, ALL, 0, 0]),
    ("mount_setattr", libc::SYS_mount_setattr, &[ALL]),
    ("unshare of a user namespace", libc::SYS_unshare, &[libc::CLONE_NEWUSER as u64]),
    ("setns", libc::SYS_setns, &[ALL, 0]),
    ("clone of a user namespace", libc::SYS_clone, &[libc::CLONE_NEWUSER as u64 | 17]),
    ("clone of a mount namespace", libc::SYS_clone, &[libc::CLONE_NEWNS as u64 | 17]),
    ("bpf", libc::SYS_bpf, &[]),
    ("perf_event_open", libc::SYS_perf_event_open, &[]),
    ("userfaultfd", libc::SYS_userfaultfd, &[ALL]),
    ("io_uring_setup", libc::SYS_io_uring_setup, &[]),
    ("io_uring_enter", libc::SYS_io_uring_enter, &[ALL]),
    ("io_uring_register", libc::SYS_io_uring_register, &[ALL]),
    ("keyctl", libc::SYS_keyctl, &[ALL]),
    ("add_key", libc::SYS_add_key, &[]),
    ("request_key", libc::SYS_request_key, &[]),
    ("ptrace", libc::SYS_ptrace, &[16, 1]),
    ("process_vm_readv", libc::SYS_process_vm_readv, &[1]),
    ("process_vm_writev", libc::SYS_process_vm_writev, &[1]),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, &[ALL]),
    ("kcmp", libc::SYS_kcmp, &[ALL, ALL]),
    ("init_module", libc::SYS_init_module, &[]),
    ("finit_module", libc::SYS_finit_module, &[ALL]),
    ("delete_module", libc::SYS_delete_module, &[]),
    ("kexec_load", libc::SYS_kexec_load, &[0, 1, 0, ALL]),
    ("kexec_file_load", libc::SYS_kexec_file_load, &[ALL, ALL, 0, 0, ALL]),
    ("reboot", libc::SYS_reboot, &[]),
    ("swapon", libc::SYS_swapon, &[]),
    ("swapoff", libc::SYS_swapoff, &[]),
    ("acct", libc::SYS_acct, &[1]),
    ("settimeofday", libc::SYS_settimeofday, &[]),
    ("clock_settime", libc::SYS_clock_settime, &[ALL]),
    ("adjtimex", libc::SYS_adjtimex, &[]),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, &[ALL]),
    ("fanotify_init", libc::SYS_fanotify_init, &[ALL]),
    ("quotactl", libc::SYS_quotactl, &[ALL]),
    ("syslog", libc::SYS_syslog, &[ALL]),
    ("iopl", libc::SYS_iopl, &[ALL]),
    ("ioperm", libc::SYS_ioperm, &[ALL, ALL, 0]),
    ("modify_ldt", libc::SYS_modify_ldt, &[ALL]),
    ("personality without random addresses", libc::SYS_personality, &[0x0004_0000]),
    ("socket of the kernel's ciphers", libc::SYS_socket, &[38, 5, 0]),
    ("socket of virtual machines", libc::SYS_socket, &[40, 1, 0]),
    ("socketpair of TIPC", libc::SYS_socketpair, &[30, 1, 0, 0]),
];

#[test]
fn dangerous_calls_are_refused_by_the_profile_of_spec_and_not_only_for_want_of_capabilities() {
    requires!(root, rrun);
    let asked: Vec<_> = DANGEROUS.iter().map(|&(_, call, args)| (call, args)).collect();
    let answers = answers(&asked);
    assert_eq!(answers.len(), DANGEROUS.len());
    let let_through: Vec<_> = DANGEROUS
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| *answer != "EHOSTDOWN")
        .map(|((name, ..), answer)| format!("{name}: {answer}"))
        .collect();
    assert_eq!(let_through, Vec::<String>::new());
}

#[test]
fn what_the_profile_of_spec_allows_of_a_call_with_conditions_comes_through() {
    requires!(root, rrun);
    let answers = answers(&[
        (libc::SYS_personality, &[0xffff_ffff]),
        (libc::SYS_personality, &[0]),
        (libc::SYS_socket, &[libc::AF_UNIX as u64, 1, 0]),
        (libc::SYS_socketpair, &[libc::AF_UNIX as u64, 1, 0, 0]),
        // No library may think that it is forbidden: it is unknown, and clone(2) is used instead.
        (libc::SYS_clone3, &[]),
        // A call that no kernel has yet can't have been meant.
        (4000, &[]),
    ]);
    assert_eq!(answers, ["0", "0", "3", "EFAULT", "ENOSYS", "ENOSYS"]);
}
