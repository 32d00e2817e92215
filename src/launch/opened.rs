//! What the parent opened for the child, by the names that the plan has for it.
//!
//! It knows which of them there are; [`super::open`] opens them, [`super::lower`] hands their numbers to the script. What a
//! newcomer would get wrong: what is not listed by `Opened::all` is closed in the child before its first step.

use super::hooks;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::plan::step::ParentFd;
use rrun_sys::Fd;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// What the parent opened for the child.
#[derive(Debug, Default)]
pub struct Opened {
    /// A private procfs.
    pub proc: Option<OwnedFd>,
    /// The root of the container that an exec is for.
    pub root: Option<OwnedFd>,
    /// The listening socket of the gate.
    pub gate: Option<OwnedFd>,
    /// For hooks inside.
    pub hooks: Option<HookFiles>,
    /// The seccomp listener's connection, and the memory file with its message.
    pub notify: Option<(OwnedFd, OwnedFd)>,
    /// Namespaces to join, in the order of [`Plan::joins`].
    pub joins: Vec<OwnedFd>,
    /// Cloned trees, in the order of [`Plan::detached`].
    pub detached: Vec<OwnedFd>,
    /// The `tasks` files of v1 cgroups to join.
    pub tasks: Vec<OwnedFd>,
    /// Standard streams that are not ours.
    pub streams: Option<[OwnedFd; 3]>,
}

/// The standard streams of hooks inside: the container's own are the program's alone.
#[derive(Debug)]
pub struct HookFiles {
    /// The container's state, read-only: one hook must not change what the next one reads.
    input: OwnedFd,
    /// The host's /dev/null, or a file that was asked for.
    output: OwnedFd,
    /// A memory file, for the last words of one that fails; or a file, too.
    errors: OwnedFd,
    /// Where what they have written begins.
    before: u64,
}

impl HookFiles {
    /// With `state`, a memory file, as what hooks read, and with the files that annotations name, if any, for what they write
    /// and for their errors.
    ///
    /// # Errors
    /// [`crate::error::Kind::Kernel`] when one can't be opened; [`crate::error::Kind::Spec`] of one that is named.
    pub fn of(state: &File, [output, errors]: [Option<&Path>; 2]) -> Result<Self> {
        let output = match output {
            Some(path) => hooks::appending(path, "run.oci.hooks.stdout")?,
            None => {
                OpenOptions::new().write(true).open("/dev/null").context(|| "open /dev/null")?
            }
        };
        let (errors, before) = hooks::errors(errors)?;
        let again = format!("/proc/self/fd/{}", state.as_raw_fd());
        Ok(Self {
            input: File::open(&again).context(|| format!("open {again}"))?.into(),
            output: output.into(),
            errors: errors.into(),
            before,
        })
    }

    /// What hooks have written to standard error.
    #[must_use]
    pub fn said(&self) -> String {
        let errors = self.errors.try_clone().map(File::from);
        errors.map(|mut errors| hooks::read_back(&mut errors, self.before)).unwrap_or_default()
    }
}

impl Opened {
    /// Every one of them.
    pub(super) fn all(&self) -> Vec<Fd> {
        let hooks =
            self.hooks.iter().flat_map(|files| [&files.input, &files.output, &files.errors]);
        let notify = self.notify.iter().flat_map(|(socket, message)| [socket, message]);
        let single = self.proc.iter().chain(&self.root).chain(&self.gate);
        let lists = self
            .joins
            .iter()
            .chain(&self.detached)
            .chain(&self.tasks)
            .chain(self.streams.iter().flatten());
        single.chain(hooks).chain(notify).chain(lists).map(AsRawFd::as_raw_fd).collect()
    }

    pub(super) fn fd(&self, which: ParentFd) -> Result<Fd> {
        let fd = match which {
            ParentFd::Proc => self.proc.as_ref(),
            ParentFd::Root => self.root.as_ref(),
            ParentFd::Gate => self.gate.as_ref(),
            ParentFd::HookInput => self.hooks.as_ref().map(|files| &files.input),
            ParentFd::HookOutput => self.hooks.as_ref().map(|files| &files.output),
            ParentFd::HookErrors => self.hooks.as_ref().map(|files| &files.errors),
            ParentFd::Join(index) => self.joins.get(index),
            ParentFd::Detached(index) => self.detached.get(index),
        };
        fd.map(AsRawFd::as_raw_fd)
            .ok_or_else(|| Error::new(Kind::Internal, format!("{which:?} was not opened")))
    }
}
