//! Images in several steps: memory ahead, the rest when it stands still.

use crate::scene::{checkpoint, count, counter, counts_beyond, restore, runtime};
use rrun_harness::engines::criu_lacks;
use rrun_harness::{Leftovers, Must, eventually, requires};
use std::fs;

/// Bytes of memory in a directory of images.
fn pages(directory: &std::path::Path) -> u64 {
    let files = fs::read_dir(directory).must("list the images").flatten();
    let pages = files.filter(|file| file.file_name().to_string_lossy().starts_with("pages-"));
    pages.map(|file| file.metadata().map_or(0, |found| found.len())).sum()
}

#[test]
fn what_was_written_ahead_is_not_written_again_and_all_of_it_comes_back() {
    requires!(root, busybox, criu, criu_feature("mem_dirty_track"));
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    let first = bundle.path().join("first").to_string_lossy().into_owned();
    let ahead = ["checkpoint", "--pre-dump", "--image-path", &first, bundle.id()];
    bundle.runtime().call(ahead).success();
    assert_eq!(bundle.status(), "running");
    let now = count(&bundle);
    counts_beyond(&bundle, now);
    checkpoint(&bundle, &["--parent-path", "../first"]).success();
    let (ahead, then) = (pages(first.as_ref()), pages(&crate::scene::images(&bundle)));
    assert!(then < ahead, "{then} bytes after {ahead}");
    let kept = count(&bundle);
    restore(&bundle, &bundle, &[]).success();
    assert!(eventually(|| count(&bundle) > kept));
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}

#[test]
fn where_the_kernel_does_not_track_memory_a_pre_dump_is_refused_in_one_line() {
    requires!(root, busybox, criu, rrun);
    if criu_lacks(Some("mem_dirty_track")).is_none() {
        // The other test's machine.
        return;
    }
    let bundle = counter(&runtime());
    bundle.up();
    counts_beyond(&bundle, 5);
    let refused = checkpoint(&bundle, &["--pre-dump"]).failure();
    refused.stderr_has("does not tell which memory was written to");
    assert_eq!(bundle.status(), "running");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
