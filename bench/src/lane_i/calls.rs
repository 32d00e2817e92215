//! Who makes system calls in lane I (M7): a bare process, and the same in containers.
//!
//! What a newcomer would get wrong: the program measures by the clock, which in this machine is the counter, but for
//! what the kernel got wrong when it calibrated the one by the other; the guest measures that, too.

use super::freight::Freight;
use super::order::Calls;
use super::starts::{runtimes, words};
use crate::programs::Programs;
use crate::scene::Seccomp;
use serde_json::json;

/// What a number is.
pub const INTERVAL: &str =
    "the clock around a batch of calls ÷ their number, in ticks of the counter of instructions";

/// Its files lie on a tmpfs, in and outside; a batch takes a million instructions.
const WORK: [&str; 5] = ["/bin/workload", "syscalls", "dir=/tmp", "batches=5", "span=1000"];

/// Adds the bundles, and says who calls: those of `among`.
pub fn order(freight: &mut Freight, programs: &Programs, among: &[&str]) -> Vec<Calls> {
    for (name, seccomp) in [("calls", Seccomp::Docker), ("calls-unfiltered", Seccomp::None)] {
        freight.bundle(name, seccomp, &WORK, |config| {
            if let Some(mounts) = config["mounts"].as_array_mut() {
                mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }));
            }
        });
    }
    let mut all = vec![Calls { subject: "bare".to_owned(), words: words(&WORK) }];
    for runtime in runtimes(programs).filter(|runtime| among.contains(runtime)) {
        for (bundle, suffix) in [("calls", ""), ("calls-unfiltered", ", no seccomp")] {
            let (program, bundle) = (format!("/bin/{runtime}"), format!("/bundles/{bundle}"));
            all.push(Calls {
                subject: format!("{runtime}{suffix}"),
                words: words(&[&program, "run", "--bundle", &bundle, "caller"]),
            });
        }
    }
    all
}
