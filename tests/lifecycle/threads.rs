//! Containers of one process with many threads: the library is called here, and not the binary.

use rrun::cmd::args::{CreateArgs, Globals, StartArgs};
use rrun::cmd::{create, start};
use rrun::container::Status;
use rrun::id::ContainerId;
use rrun::launch::trace::Trace;
use rrun::runtime;
use rrun_harness::{Bundle, Leftovers, Must, requires};
use rrun_sys::reap::{self, Ended};
use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many threads start a container each.
const WIDE: usize = 64;

/// Creates, starts, awaits and deletes container `n` of this process. Nobody starts before everybody has created: a
/// created container must not hold anything of another's.
fn live(bundle: &Bundle, globals: &Globals, n: usize, all_created: &Barrier) {
    let id = ContainerId::new(&format!("{}-{n}", bundle.id())).must("name a container");
    let loaded = runtime::Bundle::load(Some(bundle.path())).must("load the bundle");
    let args = CreateArgs::plain(id.clone());
    let gate = !n.is_multiple_of(4);
    let born = create::create(globals, &args, &loaded, gate, &Trace::off());
    all_created.wait();
    let born = born.must("create it");
    if gate {
        assert_eq!(born.container.status().must("observe it"), Status::Created);
        start::run(globals, &StartArgs { id }).must("start it");
    }
    let ended = reap::wait(born.pidfd.as_raw_fd()).map_err(|errno| errno.0).must("wait for it");
    assert!(matches!(ended, Ended::Code(7)), "{ended:?}");
    born.container.delete(false).must("delete it");
}

#[test]
fn many_threads_may_start_containers_at_once_while_others_allocate() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    bundle.write_config();
    let globals = Globals { root: Some(bundle.runtime().root()), ..Globals::default() };
    let (done, all_created) = (AtomicBool::new(false), Barrier::new(WIDE));
    std::thread::scope(|scope| {
        for thread in 1..=4_usize {
            let done = &done;
            scope.spawn(move || {
                let mut size = thread;
                while !done.load(Ordering::Relaxed) {
                    size = size * 7919 % 65_521;
                    drop(std::hint::black_box(vec![1_u8; size]));
                }
            });
        }
        let start = |n| {
            let (bundle, globals, all_created) = (&bundle, &globals, &all_created);
            scope.spawn(move || live(bundle, globals, n, all_created))
        };
        let starters: Vec<_> = (0..WIDE).map(start).collect();
        let failed = starters.into_iter().filter_map(|starter| starter.join().err()).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0);
    });
    Leftovers::assert_none(&bundle);
}
