//! `linux.intelRdt`: a class of service (CLOS) and a monitoring group in resctrl, made, joined and removed.
//!
//! ```text
//!  prepared   the mount found, what is there compared: nothing is touched, the draft of the record says what will be ours
//!  made       directory, lines (caches, bandwidth, then schemata), monitoring group
//!  joined     the child's pid, before its program can have children
//!  removed    what was ours: the monitoring group always, the class only without a closID
//! ```
//! It refuses to know what a line divides; the kernel and the processor do. **No machine with RDT has run this yet**: its
//! tests work on a plain directory that looks like resctrl, and the kernel's documentation (resctrl.rst) is all they know.
//! What a newcomer would get wrong: a task must be in the class before it can be in one of the class's monitoring groups.

#[cfg(test)]
mod tests;
mod tree;

use super::fault::point;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::ContainerId;
use crate::spec::{Clos, IntelRdt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tree::Tree;

/// A container's place in resctrl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rdt {
    /// Where resctrl is mounted.
    root: PathBuf,
    /// The class's directory.
    class: PathBuf,
    /// The class goes with the container: it had no closID, and nobody else had made it.
    owned: bool,
    /// The monitoring group's directory, which always goes with it.
    group: Option<PathBuf>,
}

/// One that is about to be made.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// As it will be.
    pub rdt: Rdt,
    /// The class is not there yet.
    new: bool,
    /// What to write to it, each with its field.
    lines: &'a [(String, String)],
}

impl Prepared<'_> {
    /// Finds resctrl, and refuses what can be refused without touching it.
    ///
    /// # Errors
    /// [`Kind::Host`] without resctrl; [`Kind::NotFound`] for a closID that neither exists nor says what it shall be;
    /// [`Kind::State`] for one that is something else.
    pub fn of<'a>(rdt: &'a IntelRdt, id: &ContainerId) -> Result<Prepared<'a>> {
        Self::in_tree(Tree::find()?, rdt, id)
    }

    fn in_tree<'a>(tree: Tree, rdt: &'a IntelRdt, id: &ContainerId) -> Result<Prepared<'a>> {
        let class = match &rdt.clos {
            Clos::Own => tree.root.join(id.as_str()),
            Clos::Default => tree.root.clone(),
            Clos::Named(name) => tree.root.join(name),
        };
        let is_there = class.is_dir();
        let mut lines = rdt.lines.as_slice();
        if rdt.clos != Clos::Own {
            match (is_there, lines.is_empty()) {
                (false, true) => return Err(missing(&class)),
                (true, false) => {
                    compare(&tree, &class, lines)?;
                    lines = &[];
                }
                (true, true) | (false, false) => {}
            }
        }
        let group = rdt.monitoring.then(|| class.join("mon_groups").join(id.as_str()));
        if let Some(group) = group.as_ref().filter(|group| group.exists()) {
            let message = format!("there is a monitoring group {} already", group.display());
            return Err(Error::new(Kind::Exists, message)
                .at("/linux/intelRdt/enableMonitoring")
                .hint("remove it, if nobody uses it: rmdir"));
        }
        let owned = rdt.clos == Clos::Own && !is_there;
        let rdt = Rdt { root: tree.root, class, owned, group };
        Ok(Prepared { rdt, new: !is_there, lines })
    }

    /// Makes it; on failure nothing of it is left.
    ///
    /// # Errors
    /// What the kernel refuses, with its words and the field.
    pub fn make(&self) -> Result<()> {
        self.perform().map_err(|error| match self.undo() {
            Ok(()) => error,
            Err(left) => error.while_undoing(left),
        })
    }

    fn perform(&self) -> Result<()> {
        let Rdt { root, class, group, .. } = &self.rdt;
        let tree = Tree { root: root.clone() };
        if self.new {
            point("make a class")?;
            tree.make(class).map_err(|error| error.at("/linux/intelRdt/closID"))?;
        }
        for (line, pointer) in self.lines {
            point("write schemata")?;
            tree.write(&class.join("schemata"), line).map_err(|error| error.at(pointer.clone()))?;
        }
        let Some(group) = group else { return Ok(()) };
        point("make a monitoring group")?;
        if !class.join("mon_groups").is_dir() {
            let message = "this processor does not monitor caches or memory bandwidth";
            return Err(Error::new(Kind::Host, message)
                .at("/linux/intelRdt/enableMonitoring")
                .hint("leave enableMonitoring out"));
        }
        tree.make(group).map_err(|error| error.at("/linux/intelRdt/enableMonitoring"))?;
        point("monitoring group made")
    }

    /// Removes what [`Prepared::make`] made, a named class, too, unless somebody has joined it meanwhile.
    ///
    /// # Errors
    /// [`Kind::Kernel`] for what is still there.
    pub fn undo(&self) -> Result<()> {
        self.rdt.remove()?;
        let class = &self.rdt.class;
        let tasks = fs::read_to_string(class.join("tasks")).unwrap_or_default();
        if self.new && !self.rdt.owned && tasks.trim().is_empty() {
            remove_directory(class)?;
        }
        Ok(())
    }
}

impl Rdt {
    /// Brings a process there, and with it all that it will start.
    ///
    /// # Errors
    /// [`Kind::Kernel`].
    pub fn join(&self, pid: i32) -> Result<()> {
        let tree = Tree { root: self.root.clone() };
        let places = [Some(&self.class), self.group.as_ref()];
        places.into_iter().flatten().try_for_each(|place| {
            point("join resctrl")?;
            let joined = tree.write(&place.join("tasks"), &pid.to_string());
            joined.map_err(|error| error.at("/linux/intelRdt"))
        })
    }

    /// `update` of a container that was made without: a class of its own with these lines, and every thread of the
    /// processes that `pids` lists in it.
    ///
    /// # Errors
    /// As [`Prepared::of`], [`Prepared::make`] and [`Rdt::join`]; nothing of it is left then.
    pub fn late(
        id: &ContainerId,
        lines: &[(String, String)],
        pids: impl Fn() -> Result<Vec<i32>>,
    ) -> Result<Self> {
        Self::late_in(Tree::find()?, id, lines, pids)
    }

    fn late_in(
        tree: Tree,
        id: &ContainerId,
        lines: &[(String, String)],
        pids: impl Fn() -> Result<Vec<i32>>,
    ) -> Result<Self> {
        let wanted = IntelRdt { clos: Clos::Own, lines: lines.to_vec(), monitoring: false };
        let prepared = Prepared::in_tree(tree, &wanted, id)?;
        prepared.make()?;
        match prepared.rdt.join_all(pids) {
            Ok(()) => Ok(prepared.rdt),
            Err(error) => Err(match prepared.undo() {
                Ok(()) => error,
                Err(left) => error.while_undoing(left),
            }),
        }
    }

    /// A thread is born where its maker is at that moment: one looks again until nobody is left outside.
    fn join_all(&self, pids: impl Fn() -> Result<Vec<i32>>) -> Result<()> {
        let mut joined = BTreeSet::new();
        loop {
            let threads = pids()?.into_iter().flat_map(threads_of);
            let news: Vec<i32> = threads.filter(|thread| !joined.contains(thread)).collect();
            if news.is_empty() {
                return Ok(());
            }
            for thread in news {
                match self.join(thread) {
                    Err(error) if error.errno() != Some(libc::ESRCH) => return Err(error),
                    _ => joined.insert(thread),
                };
            }
        }
    }

    /// `update`: writes these lines to the class, all of them or none; the answer puts back what was there.
    ///
    /// # Errors
    /// [`Kind::State`] for the default class, which is everybody's; what the kernel refuses, with its words.
    pub fn update(&self, lines: &[(String, String)]) -> Result<Former> {
        let refuse = |message: &str, fix: &'static str| {
            let at = lines.first().map(|(_, pointer)| pointer.clone()).unwrap_or_default();
            Err(Error::new(Kind::State, message.to_owned()).at(at).hint(fix))
        };
        if self.class == self.root {
            let message = "the container is in the default class, which is that of the whole host";
            return refuse(
                message,
                "change it by hand: echo LINE > schemata in the root of resctrl",
            );
        }
        let file = self.class.join("schemata");
        let before = fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
        let before = before.lines().map(|line| line.trim().to_owned()).collect();
        let former = Former { tree: Tree { root: self.root.clone() }, file, before };
        for (line, pointer) in lines {
            if let Err(error) = former.tree.write(&former.file, line) {
                return Err(former.put_back(error.at(pointer.clone())));
            }
        }
        Ok(former)
    }

    /// Removes what is the container's: its monitoring group, and its class if that came with it. Its tasks, if there are
    /// any left, fall back to where they belong without.
    ///
    /// # Errors
    /// [`Kind::Kernel`] for what is still there.
    pub fn remove(&self) -> Result<()> {
        let group = self.group.as_deref().map_or(Ok(()), remove_directory);
        let class = if self.owned { remove_directory(&self.class) } else { Ok(()) };
        match (group, class) {
            (Err(first), Err(second)) => Err(first.while_undoing(second)),
            (group, class) => group.and(class),
        }
    }
}

/// What is gone has none.
fn threads_of(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What a class held before an update.
#[derive(Debug)]
pub struct Former {
    tree: Tree,
    file: PathBuf,
    before: Vec<String>,
}

impl Former {
    /// Writes it again; `error` stays the error.
    #[must_use]
    pub fn put_back(self, mut error: Error) -> Error {
        for line in self.before.iter().filter(|line| !line.is_empty()) {
            if let Err(left) = self.tree.write(&self.file, line) {
                error = error.while_undoing(left);
            }
        }
        error
    }
}

fn compare(tree: &Tree, class: &Path, lines: &[(String, String)]) -> Result<()> {
    let file = class.join("schemata");
    let has = fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
    match lines.iter().find(|(line, _)| !tree.holds(&has, line)) {
        None => Ok(()),
        Some((line, pointer)) => {
            let has = has.split_whitespace().collect::<Vec<_>>().join(" ");
            let message =
                format!("class {} exists and is not {line:?} but {has:?}", class.display());
            Err(Error::new(Kind::State, message)
                .at(pointer.clone())
                .hint("name another closID, or leave the lines out to join that class as it is"))
        }
    }
}

fn missing(class: &Path) -> Error {
    Error::new(Kind::NotFound, format!("there is no class {}", class.display()))
        .at("/linux/intelRdt/closID")
        .hint("make it, or say what it shall be in schemata, l3CacheSchema or memBwSchema")
}

/// Not there is removed.
fn remove_directory(path: &Path) -> Result<()> {
    match tree::remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("rmdir({path:?})"))
        }
        _ => Ok(()),
    }
}
