//! The store, with directories of the tests' own.

use super::*;
use crate::container::record::tests::record;
use crate::container::{Status, Verb};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of one test's own, removed at its end.
pub(in crate::container) struct Scratch(PathBuf);

impl Scratch {
    pub(in crate::container) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique =
            format!("rrun-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
    pub(in crate::container) fn path(&self) -> &Path {
        &self.0
    }
    pub(in crate::container) fn store(&self) -> Store {
        Store::new(self.0.join("deep/root")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn id(text: &str) -> ContainerId {
    ContainerId::new(text).unwrap()
}

#[test]
fn a_reservation_excludes_others_and_leaves_nothing_unless_kept() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let reserved = store.reserve(&id("web")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&store.root), 0o700);
    assert_eq!(mode(reserved.directory()), 0o700);
    let taken = store.reserve(&id("web")).unwrap_err();
    assert_eq!(taken.kind(), Kind::Exists);
    assert!(taken.to_string().contains("already exists: \"web\""), "{taken}");
    drop(reserved);
    assert!(matches!(store.find(&id("web")).unwrap(), Found::Nothing));
}

#[test]
fn a_container_is_what_has_a_record() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let reserved = store.reserve(&id("web")).unwrap();
    assert!(matches!(store.find(&id("web")).unwrap(), Found::Creating(None)));
    reserved.draft(&record("web")).unwrap();
    assert!(matches!(store.find(&id("web")).unwrap(), Found::Creating(Some(_))));
    assert_eq!(store.open(&id("web")).unwrap_err().kind(), Kind::State);
    assert!(store.list().unwrap().is_empty());
    reserved.into_container(record("web")).unwrap();
    assert_eq!(store.open(&id("web")).unwrap().record.start_time, record("web").start_time);
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn what_a_killed_creator_left_is_debris_that_a_forced_delete_removes() {
    let scratch = Scratch::new();
    let store = scratch.store();
    drop(store.reserve(&id("web")).unwrap());
    std::fs::create_dir(store.directory(&id("web"))).unwrap();
    let error = store.open(&id("web")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("rrun delete --force web"), "{error}");
    store.delete_forced(&id("web")).unwrap();
    assert!(matches!(store.find(&id("web")).unwrap(), Found::Nothing));
    store.delete_forced(&id("web")).unwrap();
}

#[test]
fn a_forced_delete_waits_for_the_creator_and_takes_what_it_made() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let reserved = store.reserve(&id("web")).unwrap();
    std::thread::scope(|scope| {
        let deleted = scope.spawn(|| store.delete_forced(&id("web")));
        reserved.draft(&record("web")).unwrap();
        let container = reserved.into_container(record("web")).unwrap();
        deleted.join().unwrap().unwrap();
        assert!(!container.directory().exists());
    });
}

#[test]
fn a_claim_observes_under_the_lock_and_refuses_what_does_not_fit() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let reserved = store.reserve(&id("web")).unwrap();
    reserved.draft(&record("web")).unwrap();
    reserved.into_container(record("web")).unwrap();
    let claim = |verb| store.open(&id("web")).unwrap().claim(verb);
    assert_eq!(claim(Verb::Start).unwrap_err().kind(), Kind::State);
    let claimed = claim(Verb::Delete).unwrap();
    assert_eq!(claimed.status, Status::Stopped);
    assert!(Lock::exclusive_now(claimed.directory()).unwrap().is_none());
    let late = store.open(&id("web")).unwrap();
    remove_directory(claimed.directory()).unwrap();
    drop(claimed);
    assert_eq!(late.claim(Verb::Delete).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_damaged_record_is_left_out_of_lists_and_can_be_forced_away() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let reserved = store.reserve(&id("web")).unwrap();
    reserved.draft(&record("web")).unwrap();
    let container = reserved.into_container(record("web")).unwrap();
    std::fs::write(container.directory().join("state.json"), "{").unwrap();
    std::fs::create_dir_all(container.directory().join("notify/deep")).unwrap();
    assert!(store.list().unwrap().is_empty());
    store.delete_forced(&id("web")).unwrap();
    assert!(matches!(store.find(&id("web")).unwrap(), Found::Nothing));
}

#[test]
fn roots_that_hold_other_things_are_refused() {
    for root in ["", "/", "//", "/."] {
        assert_eq!(Store::new(root.into()).unwrap_err().kind(), Kind::Usage, "{root:?}");
    }
    assert!(Store::new("relative".into()).unwrap().root.is_absolute());
}

#[test]
fn the_default_root_is_the_users_own_and_sticky() {
    assert_eq!(Store::default(true, None).unwrap().root, Path::new("/run/rrun"));
    let scratch = Scratch::new();
    let store = Store::default(false, Some(scratch.path().into())).unwrap();
    store.reserve(&id("web")).unwrap();
    let mode = std::fs::metadata(scratch.path().join("rrun")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o1700);
    for unset in [None, Some(PathBuf::new())] {
        let error = Store::default(false, unset).unwrap_err();
        assert!(error.hint_text().unwrap().contains("--root"), "{error}");
    }
}
