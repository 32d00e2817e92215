//! Lane I: what starts, system calls and neighbours cost in instructions, inside one emulated machine that counts them.
//!
//! ```text
//! host: freight ── initramfs: programs, bundles, order.json ──►  guest: lane-i-guest, pid 1
//!       rows    ◄── a line of JSON for each sample, port 0xe9 ──   time stamp counter = instructions executed
//! ```
//!
//! The machine neither caches nor predicts and has one processor, so its figures are no times; in return they need
//! neither a quiet machine nor hardware virtualization, and two runs agree. It refuses figures that don't: everything is
//! measured in two boots, and medians that differ are an error. What a newcomer would get wrong: an idle machine's
//! counter jumps to the next timer, so what sleeps is counted as if it had worked.

pub mod boot;
pub mod freight;
pub mod guest;
pub mod order;
pub mod ports;
pub mod starts;

use crate::result::Row;
use crate::suite::Context;
use order::Order;

/// Measures.
///
/// # Errors
/// A sentence when it can't be measured as it should.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    let mut freight = freight::Freight::of(&context.programs)?;
    let starts = starts::order(&mut freight, &context.programs, context.pace.pick(false, true));
    freight.order(&Order { rounds: context.pace.pick(4, 8), starts })?;
    let directory = std::env::temp_dir().join(format!("rrun-bench-lane-i-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|why| why.to_string())?;
    let initramfs = directory.join("initramfs");
    std::fs::write(&initramfs, freight.archive()).map_err(|why| why.to_string())?;
    let kernel = crate::vm::Kernel::find()?;
    let said = boot::answers(kernel.best(), &initramfs);
    std::fs::remove_dir_all(&directory).ok();
    let mut all = std::collections::BTreeMap::<String, Vec<f64>>::new();
    for answer in said? {
        if let order::Answer::Sample(_, case, subject, value) = answer {
            all.entry(format!("{case} {subject}")).or_default().push(value);
        }
    }
    for (k, v) in all {
        println!("{k:30} {:?} {v:?}", crate::stats::median(&v));
    }
    Ok(Vec::new())
}
