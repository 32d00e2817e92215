//! What a user namespace may not take away: the flags of a mount that it did not make.
//!
//! It knows the kernel's rule (mount_namespaces(7)): a copy of somebody else's mount keeps its `ro`, `nosuid`, `nodev`,
//! `noexec` and its mode of access times, which may only get stricter. It has the words for a refusal; which flags were
//! refused, the kernel was asked one by one (`rrun_sys::mount::refused`).
//! What a newcomer would get wrong: what is not named is kept and is no error. An option that clears was written by
//! somebody who wants it cleared, so it is not left out behind their back.

use crate::error::{Error, Kind};
use rrun_sys::mount::{
    ATTR_ATIME, ATTR_NODEV, ATTR_NODIRATIME, ATTR_NOEXEC, ATTR_NOSUID, ATTR_RDONLY,
};
use rrun_sys::script::Changes;

/// Flag, its word, and the word that clears it.
const FLAGS: [(u64, &str, &str); 5] = [
    (ATTR_RDONLY, "ro", "rw"),
    (ATTR_NOSUID, "nosuid", "suid"),
    (ATTR_NODEV, "nodev", "dev"),
    (ATTR_NOEXEC, "noexec", "exec"),
    (ATTR_NODIRATIME, "nodiratime", "diratime"),
];

/// The error of a mount whose `changes` the kernel refused for these flags; `None` when it was for something else.
/// `pointer` is the mount's.
pub(super) fn refused(pointer: &str, what: &str, bits: u64, changes: &Changes) -> Option<Error> {
    let reach = |flag: u64, of_tree: &str, word: &str| {
        let both = changes.tree.clear | changes.tree.set;
        if both & flag != 0 && (changes.own.clear | changes.own.set) & flag == 0 {
            format!("\"{of_tree}{word}\"")
        } else {
            format!("\"{word}\"")
        }
    };
    let (mut kept, mut asked) = (Vec::new(), Vec::new());
    for (flag, word, opposite) in FLAGS.iter().filter(|(flag, ..)| bits & flag != 0) {
        let sets = (changes.own.set | changes.tree.set) & flag != 0;
        kept.push(if sets { format!("\"{opposite}\"") } else { format!("\"{word}\"") });
        asked.push(reach(*flag, "r", if sets { word } else { opposite }));
    }
    if bits & ATTR_ATIME != 0 {
        kept.push("the mode of access times".to_owned());
        let set = (changes.own.set | changes.tree.set) & ATTR_ATIME;
        let word = match set {
            0x10 => "noatime",
            0x20 => "strictatime",
            _ => "relatime",
        };
        asked.push(reach(ATTR_ATIME, "r", word));
    }
    if kept.is_empty() {
        return None;
    }
    let (kept, asked) = (kept.join(", "), asked.join(", "));
    let message =
        format!("{what}: {kept} of the source is locked: a user namespace may not change it");
    let pointer = if pointer.starts_with("/mounts/") {
        format!("{pointer}/options")
    } else {
        pointer.to_owned()
    };
    Some(Error::new(Kind::Child, message).with_call("mount_setattr", libc::EPERM).at(pointer).hint(
        format!("remove {asked} from the options, or have root mount the source without {kept}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rrun_sys::mount::Attr;

    fn said(bits: u64, own: Attr, tree: Attr) -> Option<String> {
        refused("/mounts/3", "bind /a on /b", bits, &Changes { own, tree }).map(|e| e.to_string())
    }

    #[test]
    fn the_flag_and_the_word_that_asked_are_named() {
        let clear = |clear| Attr { clear, ..Attr::default() };
        assert_eq!(said(0, clear(ATTR_RDONLY), Attr::default()), None);
        assert_eq!(
            said(ATTR_NOSUID, clear(ATTR_NOSUID | ATTR_RDONLY), Attr::default()).as_deref(),
            Some(
                "bind /a on /b: \"nosuid\" of the source is locked: a user namespace may not change it (at /mounts/3/options); remove \"suid\" from the options, or have root mount the source without \"nosuid\""
            )
        );
        let of_tree =
            said(ATTR_RDONLY | ATTR_NODEV, Attr::default(), clear(ATTR_RDONLY | ATTR_NODEV));
        assert!(of_tree.is_some_and(|text| text.contains("remove \"rrw\", \"rdev\" from")));
        let time = Attr { set: 0x10, clear: ATTR_ATIME, ..Attr::default() };
        assert!(
            said(ATTR_ATIME, time, Attr::default())
                .is_some_and(|text| text.contains("remove \"noatime\""))
        );
    }
}
