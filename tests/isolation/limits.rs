//! Resource limits of the process, its OOM score and its personality.

use crate::{facts, field};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::json;
use std::fs;

#[test]
fn resource_limits_are_as_asked_and_the_others_the_callers() {
    requires!(root);
    let limits: [(&str, u64, u64); 6] = [
        ("RLIMIT_NOFILE", 123, 456),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_CPU", 1000, 2000),
        ("RLIMIT_FSIZE", 1 << 30, 1 << 31),
        ("RLIMIT_STACK", 1 << 22, 1 << 23),
        ("RLIMIT_MSGQUEUE", 4096, 8192),
    ];
    let list: Vec<_> = limits
        .iter()
        .map(|(name, soft, hard)| json!({ "type": name, "soft": soft, "hard": hard }))
        .collect();
    let seen = facts(Bundle::new().set("/process/rlimits", json!(list)), &["rlimits"]);
    for (name, soft, hard) in limits {
        assert_eq!(seen["rlimits"][name], json!({ "soft": soft, "hard": hard }), "{name}");
    }
    let (soft, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NPROC)
        .must("read our own limit");
    assert_eq!(seen["rlimits"]["RLIMIT_NPROC"], json!({ "soft": soft, "hard": hard }));
}

#[test]
fn raising_a_hard_limit_takes_the_capability_and_says_so() {
    requires!(root, rrun);
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .must("read our own limit");
    let most: u64 = fs::read_to_string("/proc/sys/fs/nr_open")
        .must("read nr_open")
        .trim()
        .parse()
        .must("read it");
    let wanted = if hard < most { hard + 1 } else { most + 1 };
    let bundle = Bundle::new()
        .set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": wanted }]));
    let held = u64::from_str_radix(&field("/proc/self/status", "CapPrm"), 16).unwrap_or(0);
    if held >> 24 & 1 == 1 && wanted <= most {
        let seen = facts(bundle, &["rlimits"]);
        assert_eq!(seen["rlimits"]["RLIMIT_NOFILE"]["hard"], wanted);
        return;
    }
    bundle
        .run()
        .failure()
        .stderr_has("RLIMIT_NOFILE")
        .stderr_has("/process/rlimits/0")
        .stderr_has("lower it");
    Leftovers::assert_none(&bundle);
}

#[test]
fn the_oom_score_is_as_asked_or_the_callers() {
    requires!(root);
    let own: i64 = fs::read_to_string("/proc/self/oom_score_adj")
        .must("read our own score")
        .trim()
        .parse()
        .must("read it");
    let asked = own.max(0) + 300;
    let bundle = Bundle::new().set("/process/oomScoreAdj", json!(asked));
    assert_eq!(facts(bundle, &["oom_score_adj"])["oom_score_adj"], asked);
    assert_eq!(facts(Bundle::new(), &["oom_score_adj"])["oom_score_adj"], own);
}

#[test]
fn the_personality_is_as_asked() {
    // runc 1.1.5 does not know the field.
    requires!(root, rrun);
    let bundle = Bundle::new().set("/linux/personality", json!({ "domain": "LINUX32" }));
    assert_eq!(facts(bundle, &["personality"])["personality"], "00000008");
}
