//! Every word that `features` promises for `mounts[].options`, tried on what it fits, and what the kernel then shows.
//!
//! What a newcomer would get wrong: a word that clears is tried after the one that it clears; alone it would prove nothing.

use crate::words;
use nix::mount::MsFlags;
use rrun_harness::{Bundle, HostMounts, requires};
use serde_json::Value;
use std::collections::BTreeSet;

/// The options of a tmpfs (of a tree of two, where the last begins with `r` for it), what it then shows, and what not.
const EFFECTS: &[(&str, &[&str], &[&str])] = &[
    ("sync async", &["rw"], &["sync"]),
    ("noatime atime", &["relatime"], &["noatime"]),
    ("defaults", &["rw", "relatime"], &["ro", "nosuid", "nodev", "noexec"]),
    ("nodev dev", &[], &["nodev"]),
    ("nodiratime diratime", &[], &["nodiratime"]),
    ("dirsync", &["dirsync"], &["sync"]),
    ("noexec exec", &[], &["noexec"]),
    ("iversion", &["rw"], &[]),
    ("lazytime", &["lazytime"], &[]),
    ("loud", &["rw"], &[]),
    ("mand", &["mand"], &[]),
    ("noatime", &["noatime"], &["relatime"]),
    ("nodev", &["nodev"], &["nosuid"]),
    ("nodiratime", &["nodiratime"], &["noatime"]),
    ("noexec", &["noexec"], &["nosuid"]),
    ("noiversion", &["rw"], &[]),
    ("lazytime nolazytime", &[], &["lazytime"]),
    ("mand nomand", &[], &["mand"]),
    ("norelatime", &[], &["noatime"]),
    ("strictatime nostrictatime", &["relatime"], &[]),
    ("nosuid", &["nosuid"], &["nodev"]),
    ("nosymfollow", &["nosymfollow"], &[]),
    ("relatime", &["relatime"], &["noatime"]),
    ("ro", &["ro"], &["rw"]),
    ("ro rw", &["rw"], &["ro"]),
    ("silent", &["rw"], &[]),
    ("strictatime", &[], &["relatime", "noatime"]),
    ("nosuid suid", &[], &["nosuid"]),
    ("nosymfollow symfollow", &[], &["nosymfollow"]),
    ("sync", &["sync"], &[]),
];

/// The options of a bind of two mounts, one on the other, and what both then show.
const TREES: &[(&str, &[&str], &[&str])] = &[
    ("rbind", &["rw"], &["ro"]),
    ("rnoatime ratime", &["relatime"], &["noatime"]),
    ("rnodev rdev", &[], &["nodev"]),
    ("rnodiratime rdiratime", &[], &["nodiratime"]),
    ("rnoexec rexec", &[], &["noexec"]),
    ("rnoatime", &["noatime"], &["relatime"]),
    ("rnodev", &["nodev"], &["nosuid"]),
    ("rnodiratime", &["nodiratime"], &["noatime"]),
    ("rnoexec", &["noexec"], &["nosuid"]),
    ("rnorelatime", &[], &["noatime"]),
    ("rstrictatime rnostrictatime", &["relatime"], &[]),
    ("rnosuid", &["nosuid"], &["nodev"]),
    ("rnosymfollow", &["nosymfollow"], &[]),
    ("rrelatime", &["relatime"], &["noatime"]),
    ("rro", &["ro"], &["rw"]),
    ("rro rrw", &["rw"], &["ro"]),
    ("rstrictatime", &[], &["relatime", "noatime"]),
    ("rnosuid rsuid", &[], &["nosuid"]),
    ("rnosymfollow rsymfollow", &[], &["nosymfollow"]),
];

/// Words whose effect is no flag: each has tests of its own beside this one.
const ELSEWHERE: &[&str] = &[
    "bind",
    "copy-symlink",
    "dest-nofollow",
    "idmap",
    "private",
    "remount",
    "ridmap",
    "rprivate",
    "rshared",
    "rslave",
    "runbindable",
    "shared",
    "slave",
    "src-nofollow",
    "tmpcopyup",
    "unbindable",
];

/// What `features` promises.
fn promised(bundle: &Bundle) -> BTreeSet<String> {
    let said: Value = bundle.runtime().call(["features"]).success().json();
    let list = said["mountOptions"].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// What is amiss with the mount at `path`, flags of the mount and of the superblock taken together.
fn amiss(facts: &Value, path: &str, options: &str, has: &[&str], lacks: &[&str]) -> Option<String> {
    let mount = words(facts, path, "options");
    // Both have `ro` or `rw`; what a container may do is the mount's.
    let superblock =
        words(facts, path, "super").into_iter().filter(|word| word != "rw" && word != "ro");
    let shown: Vec<String> = mount.into_iter().chain(superblock).collect();
    let there = |word: &&&str| shown.iter().any(|it| it == **word);
    let wrong = has.iter().any(|word| !there(&word)) || lacks.iter().any(|word| there(&word));
    wrong.then(|| format!("{options:?}: {path} wants {has:?} and not {lacks:?}: {shown:?}"))
}

#[test]
fn every_word_has_its_effect_on_what_it_fits() {
    requires!(root, rrun);
    let mut bundle = Bundle::new();
    let last = |options: &str| options.rsplit(' ').next().unwrap_or_default().to_owned();
    let mut tried: BTreeSet<String> =
        EFFECTS.iter().chain(TREES).map(|(it, ..)| last(it)).collect();
    tried.extend(ELSEWHERE.iter().map(|word| (*word).to_owned()));
    assert_eq!(tried, promised(&bundle), "the words of this table and of `features`");
    let source = bundle.path().join("volume");
    let mut host = HostMounts::private();
    host.tmpfs(&source, MsFlags::empty());
    host.tmpfs(&source.join("below"), MsFlags::empty());
    for (index, (options, ..)) in EFFECTS.iter().enumerate() {
        let options: Vec<&str> = options.split(' ').collect();
        bundle = bundle.mount(&format!("/w/{index}"), "tmpfs", "tmpfs", &options);
    }
    for (index, (options, ..)) in TREES.iter().enumerate() {
        let options: Vec<&str> = ["rbind"].into_iter().chain(options.split(' ')).collect();
        bundle = bundle.mount(&format!("/t/{index}"), "none", &source.to_string_lossy(), &options);
    }
    let facts = bundle.args(["probe", "facts"]).run().success().json();
    let new = EFFECTS.iter().enumerate().filter_map(|(index, (options, has, lacks))| {
        amiss(&facts, &format!("/w/{index}"), options, has, lacks)
    });
    let trees = TREES.iter().enumerate().flat_map(|(index, (options, has, lacks))| {
        let paths = [format!("/t/{index}"), format!("/t/{index}/below")];
        paths.map(|path| amiss(&facts, &path, options, has, lacks))
    });
    let wrong: Vec<String> = new.chain(trees.flatten()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    drop(host);
}
