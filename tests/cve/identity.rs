//! Capabilities that were not asked for, users that were misread.

use rrun_harness::{Bundle, Must, requires};
use std::fs;

#[test]
fn cve_2022_27650_2022_29162_and_2025_27612_inheritable_capabilities_stay_empty() {
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
