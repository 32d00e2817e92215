//! What is refused, and that a refusal leaves nothing.
//!
//! Knows the line a person reads. Refuses to ask what systemd takes. A newcomer would let systemd refuse an annotation:
//! it takes ExecStartPre, and executes it (CVE-2024-3154).

use crate::unit::{Unit, scoped};
use rrun_harness::{Leftovers, requires};
use serde_json::json;

#[test]
fn an_annotation_sets_a_property_of_the_unit() {
    requires!(root, systemd, rrun);
    let bundle = scoped().set(
        "/annotations",
        json!({
            "org.systemd.property.TimeoutStopSec": "7",
            "org.systemd.property.KillSignal": "int32 2",
        }),
    );
    bundle.up();
    let unit = Unit::of(&bundle);
    assert_eq!([unit.show("TimeoutStopUSec"), unit.show("KillSignal")], ["7s", "2"]);
}

#[test]
fn an_annotation_that_has_systemd_start_a_program_is_refused() {
    requires!(root, systemd, rrun);
    let mark = std::env::temp_dir().join(format!("rrun-mark-{}", std::process::id()));
    let command = format!("[('/bin/touch', ['touch', '{}'], false)]", mark.display());
    for name in ["ExecStartPre", "ExecStop", "BPFProgram", "Wants"] {
        let bundle = scoped().edit(|config| {
            config["annotations"][format!("org.systemd.property.{name}")] = json!(command);
        });
        bundle
            .create()
            .failure()
            .stderr_has(&format!("/annotations/org.systemd.property.{name}"))
            .stderr_has("not one that an annotation may set");
        Unit::of(&bundle).assert_gone(&bundle);
    }
    assert!(!mark.exists());
}

#[test]
fn a_value_that_systemd_refuses_is_told_by_its_field() {
    requires!(root, systemd, rrun);
    let bundle = scoped().set("/annotations", json!({"org.systemd.property.KillMode": "'gently'"}));
    bundle
        .create()
        .failure()
        .stderr_has("systemd refused to start")
        .stderr_has("/annotations/org.systemd.property.KillMode");
    Unit::of(&bundle).assert_gone(&bundle);
}

#[test]
fn a_path_that_names_no_unit_is_refused() {
    requires!(root, systemd);
    for path in ["/rrun/web", "a:b:c", "a--b.slice:b:c", "system.slice:b:c.slice"] {
        let bundle = scoped().set("/linux/cgroupsPath", json!(path));
        let refused = bundle.create().failure();
        if bundle.runtime().is_rrun() {
            refused.stderr_has("/linux/cgroupsPath");
        }
        Leftovers::assert_none(&bundle);
    }
}

#[test]
fn a_program_that_is_not_there_leaves_no_unit() {
    requires!(root, systemd);
    let bundle = scoped().args(["/no/such/program"]);
    bundle.create().failure();
    Unit::of(&bundle).assert_gone(&bundle);
}
