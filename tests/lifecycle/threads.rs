//! Containers of one process with many threads: the library is called here, and not the binary.

use rrun::cmd::args::{CreateArgs, Globals, StartArgs};
use rrun::cmd::{birth, bundle, start};
use rrun::container::Status;
use rrun::id::ContainerId;
use rrun::launch::trace::Trace;
use rrun_harness::{Bundle, Leftovers, requires};
use rrun_sys::reap::{self, Ended};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Creates, starts, awaits and deletes container `n` of this process.
fn live(bundle: &Bundle, globals: &Globals, n: usize) {
    let id = ContainerId::new(&format!("{}-{n}", bundle.id())).unwrap();
    let loaded = bundle::Bundle::load(Some(bundle.path())).unwrap();
    let args = CreateArgs::plain(id.clone());
    let gate = n % 2 == 0;
    let born = birth::create(globals, &args, &loaded, gate, &Trace::off()).unwrap();
    if gate {
        assert_eq!(born.container.status().unwrap(), Status::Created);
        start::run(globals, &StartArgs { id }).unwrap();
    }
    let ended = reap::wait(born.pidfd.as_raw_fd()).unwrap();
    assert!(matches!(ended, Ended::Code(7)), "{ended:?}");
    born.container.delete(false).unwrap();
}

#[test]
fn many_threads_may_start_containers_at_once_while_others_allocate() {
    requires!(root, rrun);
    let bundle = Bundle::new().args(["probe", "exit", "7"]);
    bundle.write_config();
    let globals = Globals { root: Some(bundle.runtime().root()), ..Globals::default() };
    let done = AtomicBool::new(false);
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
        let starters: Vec<_> = (0..64)
            .map(|n| {
                let (bundle, globals) = (&bundle, &globals);
                scope.spawn(move || live(bundle, globals, n))
            })
            .collect();
        let failed = starters.into_iter().filter_map(|starter| starter.join().err()).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0);
    });
    Leftovers::assert_none(&bundle);
}
