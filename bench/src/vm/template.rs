//! A machine that was booted once, stopped, and is gone on with at every start: as close as a VM comes to a container's
//! start, and what platforms do that start VMs per request.
//!
//! ```text
//! template:  memory = memfd, share=on      READY, stop, state ──► memfd     once
//! start:     memory = memfd, share=off ◄── state, cont, first byte          again and again, copies what it writes to
//! ```
//!
//! QEMU is given the open files: `exec:cat` would start a shell and a program at every start, which is as much again,
//! and says that it is done before they are. What a newcomer would get wrong: this is no boot. All clones share what the
//! template had drawn at random, and their process has been running already. And nothing of it has a name in a file
//! system, so nothing is left of a killed bench.

use super::boot::{Took, ready_at};
use super::qmp::{Invitation, Qmp};
use super::{Recipe, Session};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::json;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// A stopped machine.
#[derive(Debug)]
pub struct Template {
    recipe: Recipe,
    memory: File,
    state: File,
    tsc: u64,
}

impl Template {
    /// Boots `recipe`, whose /init is the payload with the argument `template`, and stops it.
    ///
    /// # Errors
    /// A sentence: never ready, a lie, or QEMU refuses.
    pub fn make(recipe: Recipe, patience: Duration) -> Result<Self, String> {
        let deadline = Instant::now() + patience;
        let memory = memory_file(u64::from(recipe.memory) << 20)?;
        let mut template = Self { recipe, memory, state: memory_file(0)?, tsc: 0 };
        let (mut session, mut qmp) = template.begin("on", &[], deadline)?;
        template.tsc = ready_at(&session.line(deadline)?)?;
        qmp.execute("stop", json!({}), deadline)?;
        ignore_shared(&mut qmp, deadline)?;
        qmp.give(&again(&template.state)?, "state", deadline)?;
        qmp.execute("migrate", json!({ "uri": "fd:state" }), deadline)?;
        qmp.migrated(deadline)?;
        if template.state.metadata().map_or(0, |metadata| metadata.len()) == 0 {
            return Err("QEMU says that it has passed the state on, and has not".to_owned());
        }
        Ok(template)
    }

    /// Goes on with it, until its first byte; then it is killed, since it is not meant to end.
    ///
    /// # Errors
    /// A sentence.
    pub fn restore(&self, patience: Duration) -> Result<Took, String> {
        let deadline = Instant::now() + patience;
        let (session, first) = self.resume(deadline)?;
        let began = session.began;
        let ended = session.kill();
        Ok(Took { first: first - began, life: ended.at - began, cpu: ended.cpu, tsc: self.tsc })
    }

    /// A machine that goes on, and when its first byte arrived.
    ///
    /// # Errors
    /// A sentence.
    pub fn resume(&self, deadline: Instant) -> Result<(Session, Duration), String> {
        let (mut session, mut qmp) = self.begin("off", &["-incoming", "defer"], deadline)?;
        ignore_shared(&mut qmp, deadline)?;
        qmp.give(&again(&self.state)?, "state", deadline)?;
        qmp.execute("migrate-incoming", json!({ "uri": "fd:state" }), deadline)?;
        qmp.migrated(deadline)?;
        qmp.execute("cont", json!({}), deadline)?;
        let line = session.line(deadline)?;
        if !line.text.is_empty() {
            return Err(format!(
                "the payload lies: it was stopped between empty lines, and says {:?}",
                line.text
            ));
        }
        Ok((session, line.at))
    }

    fn begin(
        &self,
        share: &str,
        more: &[&str],
        deadline: Instant,
    ) -> Result<(Session, Qmp), String> {
        let invitation = Invitation::new()?;
        let mut recipe = self.recipe.clone();
        let (size, place) = (recipe.memory, path(&self.memory));
        recipe.machine.push_str(",memory-backend=mem");
        recipe.extra.extend([
            "-object".to_owned(),
            format!("memory-backend-file,id=mem,size={size}M,mem-path={place},share={share}"),
        ]);
        recipe.extra.extend(invitation.arguments());
        recipe.extra.extend(more.iter().map(|word| (*word).to_owned()));
        let mut session = Session::start(&recipe)?;
        let qmp = invitation.accept(&mut session, deadline)?;
        Ok((session, qmp))
    }
}

/// Leaves the memory where it is, and has QEMU say when it is done.
fn ignore_shared(qmp: &mut Qmp, deadline: Instant) -> Result<(), String> {
    let on = |name: &str| json!({ "capability": name, "state": true });
    let capabilities = json!({ "capabilities": [on("x-ignore-shared"), on("events")] });
    qmp.execute("migrate-set-capabilities", capabilities, deadline).map(drop)
}

fn memory_file(length: u64) -> Result<File, String> {
    let file = memfd_create(c"guest", MFdFlags::MFD_CLOEXEC).map(File::from);
    let file = file.map_err(|errno| format!("a memory file: {errno}"))?;
    file.set_len(length).map_err(|why| format!("a memory file of {length} bytes: {why}"))?;
    Ok(file)
}

/// Opened once more, because whoever has a copy of a descriptor has its position, too.
fn again(file: &File) -> Result<File, String> {
    let opened = File::options().read(true).write(true).open(path(file));
    opened.map_err(|why| format!("open the machine's state: {why}"))
}

/// A name for it that QEMU can open.
fn path(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}
