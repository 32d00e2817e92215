//! Who is measured here, and with what: the same payload, Docker's configuration, one root file system for all.
//!
//! It refuses limits, which no subject needs to wait. What a newcomer would get wrong: crun 1.8 refuses a hybrid machine;
//! in a mount namespace without the unified hierarchy it sees a machine of version 1, and works.

use super::instance::Kind;
use super::memcg::{Hierarchy, Version};
use crate::programs::Programs;
use crate::room;
use crate::scene::{self, Life, Seccomp};
use crate::subject::Runtime;
use crate::vm::{Accelerator, Machines, Recipe};
use rrun_harness::on_path;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where a hybrid machine has its unified hierarchy.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// A subject, and what starts it or why nothing does.
#[derive(Debug, Clone)]
pub struct Subject {
    /// As rows call it.
    pub name: &'static str,
    /// What is started.
    pub kind: Result<Kind, String>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// The processes and the containers.
///
/// # Errors
/// A sentence: the configuration can't be made.
pub fn containers(programs: &Programs, hierarchy: &Hierarchy) -> Result<Vec<Subject>, String> {
    let of = |name, seccomp| configuration(programs, name, seccomp);
    let filtered = of("idle-filtered", Seccomp::Docker)?;
    let unfiltered = of("idle-unfiltered", Seccomp::None)?;
    let rrun =
        Runtime { label: "rrun".to_owned(), program: programs.rrun.clone(), globals: root("rrun") };
    let bare =
        Subject { name: "bare", kind: Ok(Kind::Bare(programs.payload.clone())), notes: Vec::new() };
    let ours = |name, config: &Value| Subject {
        name,
        kind: Ok(Kind::Container(rrun.clone(), config.clone())),
        notes: Vec::new(),
    };
    let runc =
        programs.runc.as_deref().ok_or_else(|| "runc is not on PATH: install runc".to_owned());
    let runc = runc.map(|program| Runtime {
        label: "runc".to_owned(),
        program: program.to_owned(),
        globals: root("runc"),
    });
    let (crun, note) = match programs.crun.as_deref() {
        None => (Err("crun is not on PATH: install crun".to_owned()), None),
        Some(program) => crun(program, hierarchy),
    };
    let other = |name, runtime: Result<Runtime, String>, note: Option<String>| Subject {
        name,
        kind: runtime.map(|runtime| Kind::Container(runtime, filtered.clone())),
        notes: note.into_iter().collect(),
    };
    Ok(vec![
        bare,
        ours("rrun", &filtered),
        ours("rrun, no seccomp", &unfiltered),
        other("runc", runc, None),
        other("crun", crun, note),
    ])
}

fn root(name: &str) -> Vec<String> {
    let root = room::directory().join("idle-state").join(name);
    vec!["--root".to_owned(), root.to_string_lossy().into_owned()]
}

fn crun(program: &Path, hierarchy: &Hierarchy) -> (Result<Runtime, String>, Option<String>) {
    let label = "crun".to_owned();
    if hierarchy.version == Version::V2 || !Path::new(UNIFIED).is_dir() {
        let program = program.to_owned();
        return (Ok(Runtime { label, program, globals: root("crun") }), None);
    }
    let Some(unshare) = on_path("unshare") else {
        return (
            Err("crun refuses a hybrid machine, and unshare is not on PATH: install util-linux"
                .to_owned()),
            None,
        );
    };
    let script = format!("umount {UNIFIED} && exec \"$@\"");
    let mut globals: Vec<String> =
        ["--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    globals.push(program.to_string_lossy().into_owned());
    globals.extend(root("crun"));
    let note = "started in a mount namespace without the unified hierarchy, because crun refuses a hybrid machine";
    (Ok(Runtime { label, program: unshare, globals }), Some(note.to_owned()))
}

/// What a container that waits is configured with; its root is everyone's.
///
/// # Errors
/// A sentence.
pub fn configuration(programs: &Programs, name: &str, seccomp: Seccomp) -> Result<Value, String> {
    let bundle = scene::bundle(programs, name, seccomp, Life::Long);
    let file = bundle.join("config.json");
    let text = std::fs::read(&file).map_err(|why| format!("read {}: {why}", file.display()))?;
    let mut config: Value = serde_json::from_slice(&text).map_err(|why| format!("{why}"))?;
    config["root"]["path"] = json!(bundle.join("rootfs"));
    Ok(config)
}

/// The root of a container with this configuration.
#[must_use]
pub fn root_of(config: &Value) -> PathBuf {
    config["root"]["path"].as_str().unwrap_or_default().into()
}

/// The tuned microvm, whose /init is the payload that waits, and what executes it; looked for before a room hides anything.
///
/// # Errors
/// A sentence: what is missing, and what to install.
pub fn machine_recipe(programs: &Programs) -> Result<Recipe, String> {
    let machines = Machines::ready(&programs.payload)?;
    Ok(machines.microvm(machines.initramfs.clone(), "vm-pause"))
}

/// The virtual machine.
#[must_use]
pub fn machine(recipe: Result<Recipe, String>) -> Subject {
    let emulated = recipe.as_ref().is_ok_and(|recipe| recipe.accelerator != Accelerator::Kvm);
    let mut notes = vec!["microvm, 1 virtual processor, 128 MiB".to_owned()];
    if emulated {
        notes.push("emulated (TCG): QEMU's translation buffer is included".to_owned());
    }
    Subject { name: "vm", kind: recipe.map(|recipe| Kind::Machine(Box::new(recipe))), notes }
}
