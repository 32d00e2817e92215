//! The client of the container runtime interface that tests ask by.
//!
//! Knows how it is built. Refuses to speak the protocol: `tests/cri` does, in a package of its own. A newcomer would let
//! cargo build it with every test; only those of pods need it.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;

use crate::{Must, beside, workspace};

/// `rrun-cri`, built if need be.
#[must_use]
#[track_caller]
pub fn client() -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let (Some(cargo), None) = (env::var_os("CARGO"), env::var_os("RRUN_PREBUILT")) else {
            return;
        };
        let mut build = Command::new(cargo);
        build.current_dir(workspace()).args(["build", "--quiet", "-p", "rrun-cri"]);
        assert!(build.status().must("run cargo").success(), "cargo could not build rrun-cri");
    });
    beside("rrun-cri")
}
