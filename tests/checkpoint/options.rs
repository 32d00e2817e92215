//! What may be asked of CRIU beside the plain way: each option by what it changes.
//!
//! Refuses an option that only passes. A newcomer would give each flag once and be content with a restore; most of these
//! could be lost on their way to CRIU, and the restore would be as good.

use crate::scene::there_and_back;
use crate::scene::{checkpoint, counter, counts_beyond, quiet, restore, runtime};
use rrun_harness::{Bundle, Leftovers, Must, requires};
use serde_json::json;
use std::fs;

/// The container's namespace of this kind, as a link.
fn namespace(bundle: &Bundle, kind: &str) -> String {
    let link = format!("/proc/{}/ns/{kind}", bundle.state()["pid"]);
    fs::read_link(&link).must(&link).to_string_lossy().into_owned()
}

/// The kernel's word for a kind of the specification's.
fn file_of(kind: &str) -> &str {
    if kind == "network" { "net" } else { kind }
}

/// The same in the namespace of another.
fn joining(bundle: Bundle, kind: &str, other: &Bundle) -> Bundle {
    let path = format!("/proc/{}/ns/{}", other.state()["pid"], file_of(kind));
    bundle.without_namespace(kind).push("/linux/namespaces", json!({ "type": kind, "path": path }))
}

/// The namespace of another is not in the images: whoever restores says which it is then.
#[test]
fn a_namespace_of_another_is_the_same_again() {
    requires!(root, busybox, criu);
    for kind in ["network", "ipc", "uts"] {
        let runtime = runtime();
        let holder = Bundle::in_runtime(&runtime).args(["probe", "sleep"]);
        holder.up();
        let bundle = counter(&runtime);
        let bundle = joining(bundle, kind, &holder);
        bundle.up();
        let file = file_of(kind);
        assert_eq!(namespace(&bundle, file), namespace(&holder, file));
        there_and_back(&bundle, &[]);
        assert_eq!(namespace(&bundle, file), namespace(&holder, file), "{kind}");
        bundle.delete_force().success();
        Leftovers::assert_none(&bundle);
        assert_eq!(holder.status(), "running");
        holder.delete_force().success();
    }
}

#[test]
fn a_network_that_is_left_out_comes_back_with_nothing_raised() {
    requires!(root, busybox, criu);
    let bundle = quiet(&runtime(), "busybox ip link set lo up; exec probe count /count");
    let bundle = bundle.push("/process/capabilities/bounding", json!("CAP_NET_ADMIN"));
    let bundle = bundle.push("/process/capabilities/effective", json!("CAP_NET_ADMIN"));
    let bundle = bundle.push("/process/capabilities/permitted", json!("CAP_NET_ADMIN"));
    bundle.up();
    let flags = || bundle.exec(&[], &["busybox", "ip", "link", "show", "lo"]).success().stdout();
    counts_beyond(&bundle, 5);
    assert!(flags().contains("UP"), "{}", flags());
    there_and_back(&bundle, &[]);
    assert!(flags().contains("UP"), "{}", flags());
    there_and_back(&bundle, &["--empty-ns", "network"]);
    assert!(!flags().contains("UP"), "{}", flags());
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn a_file_that_has_lost_its_name_gets_one_if_that_was_asked_for() {
    requires!(root, busybox, criu);
    let script = "exec 7>/one; ln /one /two; rm /one; exec probe count /count";
    let bundle = quiet(&runtime(), script);
    bundle.up();
    counts_beyond(&bundle, 5);
    let refused = checkpoint(&bundle, &[]).failure();
    if bundle.runtime().is_rrun() {
        refused.stderr_has("give --link-remap");
    }
    let kept = counts_beyond(&bundle, 5);
    checkpoint(&bundle, &["--link-remap"]).success();
    restore(&bundle, &bundle, &[]).success();
    counts_beyond(&bundle, kept);
    let pid = bundle.state()["pid"].to_string();
    let link = fs::read_link(format!("/proc/{pid}/fd/7")).must("read its file");
    assert!(link.to_string_lossy().contains("deleted"), "{link:?}");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn packets_are_kept_away_as_was_asked() {
    requires!(root, busybox, criu);
    let bundle = quiet(&runtime(), "busybox ip link set lo up; exec probe pump /count");
    let bundle = ["bounding", "effective", "permitted"].into_iter().fold(bundle, |bundle, set| {
        bundle.push(&format!("/process/capabilities/{set}"), json!("CAP_NET_ADMIN"))
    });
    bundle.up();
    for lock in ["skip", "nftables"] {
        there_and_back(&bundle, &["--tcp-established", "--network-lock", lock]);
    }
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

/// *strict* wants none to be there, and rrun makes one before CRIU is asked.
#[test]
fn each_mode_of_cgroups_restores_but_the_one_that_wants_none() {
    requires!(root, busybox, criu, rrun);
    for mode in ["soft", "full", "ignore", "none", "props"] {
        let bundle = counter(&runtime());
        bundle.up();
        there_and_back(&bundle, &["--manage-cgroups-mode", mode]);
        bundle.runtime().call(["pause", bundle.id()]).success();
        assert_eq!(bundle.status(), "paused", "{mode}");
        bundle.delete_force().success();
        Leftovers::assert_none(&bundle);
    }
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    let strict = ["--manage-cgroups-mode", "strict"];
    checkpoint(&bundle, &strict).success();
    restore(&bundle, &bundle, &strict).failure().stderr_has("existing cgroups");
    Leftovers::assert_none(&bundle);
}
