//! What a file system is told in the options of a mount, and what of it a bind may leave out.
//!
//! It knows which keys ask for more than a file system of one's own would have had: those are refused where there is no new
//! file system to tell. It refuses to know which file system knows which key.
//! What a newcomer would get wrong: the kernel drops all of it on a bind without a word. For `mode=755` that is what
//! whoever wrote it has always got; for `context=…` it is a container without its label.

use super::options::mount_options;

/// Ends of keys that say what is mounted, for whom, where or how far it reaches: labels (`context=`, `rootcontext=`,
/// `relabel=`), layers and parts (`lowerdir=`, `datadir+=`, `X-mount.subdir=`, `subpath=`), ids (`uidmap=`,
/// `X-mount.idmap=`) and propagation (`bind-propagation=`).
const MEANT: &[&str] = &["context", "label", "dir", "dir+", "path", "map", "propagation"];

/// The options of a word, one each. Quoted and escaped commas are part of a value: SELinux contexts, overlay's directories.
pub(super) fn parts(word: &str) -> impl Iterator<Item = &str> {
    let whole = word.contains(['"', '\\']);
    word.split(move |c| c == ',' && !whole).filter(|part| !part.is_empty())
}

/// Whether leaving an option out would give something else than was asked for: any word that stands alone, which may be
/// `nosuid` misspelt; one of ours with a value; and a key that is [`MEANT`].
pub(super) fn is_meant(option: &str) -> bool {
    let Some((key, _)) = option.split_once('=') else { return true };
    let key = key.trim().to_ascii_lowercase();
    key.is_empty()
        || mount_options().any(|word| word == key)
        || MEANT.iter().any(|end| key.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_options_and_quotes_keep_them_together() {
        let all = |word| parts(word).collect::<Vec<_>>();
        assert_eq!(all("size=1k,,mode=700,"), ["size=1k", "mode=700"]);
        assert_eq!(all(r#"context="a:b,c""#), [r#"context="a:b,c""#]);
        assert_eq!(all(r"lowerdir=/a\,b"), [r"lowerdir=/a\,b"]);
    }

    #[test]
    fn numbers_of_a_superblock_may_be_left_out_and_what_changes_the_mount_may_not() {
        for option in ["mode=755", "size=64k", "uid=0", "gid=5", "nr_inodes=10", "huge=never"] {
            assert!(!is_meant(option), "{option}");
        }
        for option in [
            "nosiud",
            "ro=recursive",
            "RO=1",
            "=5",
            "context=a:b:c:s0",
            "rootcontext=x",
            "relabel=shared",
            "lowerdir=/a",
            "lowerdir+=/a",
            "datadir+=/a",
            "upperdir=/a",
            "workdir=/a",
            "X-mount.subdir=a",
            "subpath=a",
            "uidmap=0:1:1",
            "X-mount.idmap=b:0:1:1",
            "bind-propagation=rshared",
        ] {
            assert!(is_meant(option), "{option}");
        }
    }
}
