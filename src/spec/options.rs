//! The words of `mounts[].options`.
//!
//! It knows the runtime-spec's table, and which kernel interface each word belongs to: the attributes of a mount, its
//! propagation, the flags of a superblock, or what is mounted at all. Any other word is the file system's own business:
//! where there is none of its own, [`super::fs_options`] judges it.
//! What a newcomer would get wrong: a clearing word (`rw`, `dev`, `exec`, `suid`, `atime`…) is not the absence of its
//! opposite: on a bind mount it *clears* what the source's mount had.

use super::at::At;
use super::fs_options;
use super::idmapped::Asked;
use super::mounts::{FsType, Links, MountAttrs, Propagation, PropagationMode};
use super::wire::{Text, Texts};
use crate::error::Result;

/// What a word asks for. Of contradicting words the last wins, as in mount(8).
#[derive(Clone, Copy)]
enum Word {
    /// `defaults`, and what the kernel always or no longer does.
    Nothing,
    /// `bind`, or `rbind` with the tree below.
    Bind { tree: bool },
    /// `remount`
    Remount,
    /// One attribute bit, on or off; of the mount alone, or of the tree.
    Attr { bit: u64, on: bool, tree: bool },
    /// One mode of access times, chosen or rejected.
    Atime { mode: u64, on: bool, tree: bool },
    /// `shared` and its kin.
    Propagate(Propagation),
    /// A flag of the superblock, by its fsconfig name.
    Superblock { name: &'static str, on: bool },
    /// `tmpcopyup`
    CopyUp,
    /// `idmap`, or `ridmap` with the tree below: [`Asked`] reads it.
    IdMap,
    /// `copy-symlink`
    CopyLink,
    /// `src-nofollow`
    KeepSource,
    /// `dest-nofollow`
    KeepTarget,
}

const fn attr(bit: u64) -> Word {
    Word::Attr { bit, on: true, tree: false }
}

const fn no_attr(bit: u64) -> Word {
    Word::Attr { bit, on: false, tree: false }
}

const fn tree_attr(bit: u64) -> Word {
    Word::Attr { bit, on: true, tree: true }
}

const fn no_tree_attr(bit: u64) -> Word {
    Word::Attr { bit, on: false, tree: true }
}

const fn atime(mode: u64, on: bool) -> Word {
    Word::Atime { mode, on, tree: false }
}

const fn tree_atime(mode: u64, on: bool) -> Word {
    Word::Atime { mode, on, tree: true }
}

const fn propagate(mode: PropagationMode, recursive: bool) -> Word {
    Word::Propagate(Propagation { mode, recursive })
}

const fn superblock(name: &'static str, on: bool) -> Word {
    Word::Superblock { name, on }
}

use PropagationMode::{Private, Shared, Slave, Unbindable};
use libc::{
    MOUNT_ATTR__ATIME as ATIME_MASK, MOUNT_ATTR_NOATIME as NOATIME, MOUNT_ATTR_NODEV as NODEV,
    MOUNT_ATTR_NODIRATIME as NODIRATIME, MOUNT_ATTR_NOEXEC as NOEXEC, MOUNT_ATTR_NOSUID as NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW as NOSYMFOLLOW, MOUNT_ATTR_RDONLY as RDONLY,
    MOUNT_ATTR_RELATIME as RELATIME, MOUNT_ATTR_STRICTATIME as STRICTATIME,
};

/// Every word that rrun understands itself, sorted.
///
/// `silent` and `loud` choose how much the kernel logs, which fsconfig(2) has no word for; `iversion` is decided by each
/// file system since Linux 6.1.
const WORDS: &[(&str, Word)] = &[
    ("async", superblock("sync", false)),
    ("atime", atime(NOATIME, false)),
    ("bind", Word::Bind { tree: false }),
    ("copy-symlink", Word::CopyLink),
    ("defaults", Word::Nothing),
    ("dest-nofollow", Word::KeepTarget),
    ("dev", no_attr(NODEV)),
    ("diratime", no_attr(NODIRATIME)),
    ("dirsync", superblock("dirsync", true)),
    ("exec", no_attr(NOEXEC)),
    ("idmap", Word::IdMap),
    ("iversion", Word::Nothing),
    ("lazytime", superblock("lazytime", true)),
    ("loud", Word::Nothing),
    ("mand", superblock("mand", true)),
    ("noatime", atime(NOATIME, true)),
    ("nodev", attr(NODEV)),
    ("nodiratime", attr(NODIRATIME)),
    ("noexec", attr(NOEXEC)),
    ("noiversion", Word::Nothing),
    ("nolazytime", superblock("lazytime", false)),
    ("nomand", superblock("mand", false)),
    ("norelatime", atime(RELATIME, false)),
    ("nostrictatime", atime(STRICTATIME, false)),
    ("nosuid", attr(NOSUID)),
    ("nosymfollow", attr(NOSYMFOLLOW)),
    ("private", propagate(Private, false)),
    ("ratime", tree_atime(NOATIME, false)),
    ("rbind", Word::Bind { tree: true }),
    ("rdev", no_tree_attr(NODEV)),
    ("rdiratime", no_tree_attr(NODIRATIME)),
    ("relatime", atime(RELATIME, true)),
    ("remount", Word::Remount),
    ("rexec", no_tree_attr(NOEXEC)),
    ("ridmap", Word::IdMap),
    ("rnoatime", tree_atime(NOATIME, true)),
    ("rnodev", tree_attr(NODEV)),
    ("rnodiratime", tree_attr(NODIRATIME)),
    ("rnoexec", tree_attr(NOEXEC)),
    ("rnorelatime", tree_atime(RELATIME, false)),
    ("rnostrictatime", tree_atime(STRICTATIME, false)),
    ("rnosuid", tree_attr(NOSUID)),
    ("rnosymfollow", tree_attr(NOSYMFOLLOW)),
    ("ro", attr(RDONLY)),
    ("rprivate", propagate(Private, true)),
    ("rrelatime", tree_atime(RELATIME, true)),
    ("rro", tree_attr(RDONLY)),
    ("rrw", no_tree_attr(RDONLY)),
    ("rshared", propagate(Shared, true)),
    ("rslave", propagate(Slave, true)),
    ("rstrictatime", tree_atime(STRICTATIME, true)),
    ("rsuid", no_tree_attr(NOSUID)),
    ("rsymfollow", no_tree_attr(NOSYMFOLLOW)),
    ("runbindable", propagate(Unbindable, true)),
    ("rw", no_attr(RDONLY)),
    ("shared", propagate(Shared, false)),
    ("silent", Word::Nothing),
    ("slave", propagate(Slave, false)),
    ("src-nofollow", Word::KeepSource),
    ("strictatime", atime(STRICTATIME, true)),
    ("suid", no_attr(NOSUID)),
    ("symfollow", no_attr(NOSYMFOLLOW)),
    ("sync", superblock("sync", true)),
    ("tmpcopyup", Word::CopyUp),
    ("unbindable", propagate(Unbindable, false)),
];

/// The words of `linux.rootfsPropagation`: the runtime-spec's four, and runc's recursive ones.
pub(super) fn propagation(at: At<'_>, word: &str) -> Result<Propagation> {
    let known: Vec<(&str, Propagation)> = WORDS
        .iter()
        .filter_map(|(name, word)| match word {
            Word::Propagate(propagation) => Some((*name, *propagation)),
            _ => None,
        })
        .collect();
    at.one_of(word, "mount propagation", &known)
}

/// All words that rrun understands itself, for `features`.
pub fn mount_options() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(name, _)| *name)
}

impl MountAttrs {
    fn turn(&mut self, bit: u64, on: bool) {
        let (to, from) =
            if on { (&mut self.set, &mut self.clear) } else { (&mut self.clear, &mut self.set) };
        *to |= bit;
        *from &= !bit;
    }

    /// The modes are values of one field, so choosing one clears the field; and the kernel has no "not relatime": that is
    /// what it does when nothing else is chosen.
    fn turn_atime(&mut self, mode: u64, on: bool) {
        let chosen = (self.clear & ATIME_MASK != 0).then_some(self.set & ATIME_MASK);
        let next = match (on, chosen) {
            (true, _) => Some(mode),
            (false, Some(other)) if other != mode => Some(other),
            (false, _) if mode == RELATIME => None,
            (false, _) => Some(RELATIME),
        };
        self.set = self.set & !ATIME_MASK | next.unwrap_or_default();
        self.clear = self.clear & !ATIME_MASK | next.map_or(0, |_| ATIME_MASK);
    }
}

/// The sum of a mount's options.
#[derive(Default)]
pub(super) struct Options {
    bind: Option<bool>,
    pub remount: bool,
    pub attrs: MountAttrs,
    pub recursive_attrs: MountAttrs,
    pub propagation: Option<Propagation>,
    /// `idmap` or `ridmap`.
    pub idmap: Option<Asked>,
    /// `copy-symlink` and its kin.
    pub links: Links,
    /// The last of them: its index and its name.
    link: Option<(usize, &'static str)>,
    /// Each with its index, for messages.
    copy_up: Option<usize>,
    superblock: Vec<(usize, &'static str)>,
    unknown: Vec<(usize, String)>,
}

impl Options {
    pub fn read(at: At<'_>, words: Texts<'_>) -> Result<Self> {
        let mut this = Self::default();
        at.each(words.map(|list| list.into_iter().enumerate().collect()), |_, (index, word)| {
            this.add(index, word);
            Ok(())
        })?;
        Ok(this)
    }

    fn add(&mut self, index: usize, text: Text<'_>) {
        if let Some(asked) = Asked::read(index, &text) {
            self.idmap = Some(asked);
            return;
        }
        let Some((name, word)) = WORDS.iter().find(|(name, _)| *name == &*text) else {
            if !text.is_empty() {
                self.unknown.push((index, text.into_string()));
            }
            return;
        };
        match *word {
            Word::Nothing | Word::IdMap => {}
            Word::Bind { tree } => self.bind = Some(tree || self.binds_tree()),
            Word::Remount => self.remount = true,
            Word::Attr { bit, on, tree } => self.attrs_of(tree).turn(bit, on),
            Word::Atime { mode, on, tree } => self.attrs_of(tree).turn_atime(mode, on),
            Word::Propagate(propagation) => self.propagation = Some(propagation),
            Word::Superblock { name, on } => {
                self.superblock.retain(|(_, earlier)| *earlier != name);
                if on {
                    self.superblock.push((index, name));
                }
            }
            Word::CopyUp => self.copy_up = Some(index),
            Word::CopyLink => self.follow_less(index, name, |links| links.copy = true),
            Word::KeepSource => self.follow_less(index, name, |links| links.source = true),
            Word::KeepTarget => self.follow_less(index, name, |links| links.target = true),
        }
    }

    fn follow_less(&mut self, index: usize, name: &'static str, how: impl FnOnce(&mut Links)) {
        how(&mut self.links);
        self.link = Some((index, name));
    }

    fn attrs_of(&mut self, tree: bool) -> &mut MountAttrs {
        if tree { &mut self.recursive_attrs } else { &mut self.attrs }
    }

    /// Whether `bind` or `rbind` is there.
    pub fn is_bind(&self) -> bool {
        self.bind.is_some()
    }

    /// Whether `rbind` is there.
    pub fn binds_tree(&self) -> bool {
        self.bind == Some(true)
    }

    /// Whether `tmpcopyup` is there.
    pub fn copies_up(&self) -> bool {
        self.copy_up.is_some()
    }

    /// The flags for fsconfig(2).
    pub fn superblock_flags(&self) -> Vec<&'static str> {
        self.superblock.iter().map(|(_, name)| *name).collect()
    }

    /// The file system's own options, one each. mount(2) took them joined by commas, and some engines still join them.
    pub fn data(&self) -> Vec<String> {
        self.unknown
            .iter()
            .flat_map(|(_, word)| fs_options::parts(word))
            .map(str::to_owned)
            .collect()
    }

    /// Whether each word can be obeyed for what is mounted.
    pub fn check(&self, at: At<'_>, kind: &FsType, warnings: &mut Vec<String>) -> Result<()> {
        let is_tmpfs = matches!(kind, FsType::New { fs_type, .. } if fs_type == "tmpfs");
        if let Some(index) = self.copy_up.filter(|_| !is_tmpfs) {
            let message = "\"tmpcopyup\" is an option of tmpfs alone";
            return Err(at.index(index).wrong(message).hint("remove it"));
        }
        let is_bind = matches!(kind, FsType::Bind { .. });
        if let Some((index, name)) = self.link.filter(|_| !is_bind) {
            let message = format!("{name:?} is an option of binds alone");
            return Err(at.index(index).wrong(message).hint("remove it"));
        }
        let what = match kind {
            FsType::New { .. } => return Ok(()),
            FsType::Bind { .. } => "a bind mount",
            FsType::Cgroup => "a cgroup mount",
            FsType::Remount => "a remount",
        };
        for (index, word) in &self.unknown {
            let at = at.index(*index);
            if !is_bind || fs_options::parts(word).any(fs_options::is_meant) {
                let message = format!("{word:?} is no option of {what}");
                return Err(at.wrong(message).hint("remove it"));
            }
            warnings.push(at.warning(format!("{word:?} has no effect on {what}")));
        }
        for (index, name) in &self.superblock {
            let message = format!("{name:?} has no effect on {what}");
            warnings.push(at.index(*index).warning(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attrs(words: &str) -> (u64, u64) {
        let mut options = Options::default();
        for (index, word) in words.split_whitespace().enumerate() {
            let quoted = format!("{word:?}");
            options.add(index, serde_json::from_str(&quoted).expect("a string"));
        }
        (options.attrs.set, options.attrs.clear)
    }

    #[test]
    fn words_are_sorted_and_unique() {
        assert!(WORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn of_contradicting_words_the_last_wins() {
        assert_eq!(attrs("ro nosuid rw"), (NOSUID, RDONLY));
        assert_eq!(attrs("rw ro"), (RDONLY, 0));
        assert_eq!(attrs("noatime strictatime"), (STRICTATIME, ATIME_MASK));
    }

    #[test]
    fn access_times_are_one_field() {
        for (words, set, clear) in [
            ("relatime", 0, ATIME_MASK),
            ("noatime", NOATIME, ATIME_MASK),
            ("noatime nodiratime", NOATIME | NODIRATIME, ATIME_MASK),
            ("atime", 0, ATIME_MASK),
            ("noatime atime", 0, ATIME_MASK),
            ("noatime norelatime", NOATIME, ATIME_MASK),
            ("norelatime", 0, 0),
            ("relatime norelatime", 0, 0),
            ("strictatime atime", STRICTATIME, ATIME_MASK),
        ] {
            assert_eq!(attrs(words), (set, clear), "{words}");
        }
    }
}
