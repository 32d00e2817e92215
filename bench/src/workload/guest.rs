//! The life of a guest's /init: mounts, modules, the work, off.
//!
//! What a newcomer would get wrong: a pid 1 that ends is a kernel panic, and QEMU then ends as if all were well but for
//! its status; so everything that can go wrong is said first, and the power goes through isa-debug-exit.

use crate::voice::Voice;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use rrun_bench::ports;
use std::fs::{self, File};
use std::process::ExitCode;

/// In the order in which they are mounted.
const MOUNTS: [(&str, &str); 4] =
    [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/tmp")];

/// Prepares the guest, does `work` in it and switches it off.
pub fn live(work: impl FnOnce(&mut Voice) -> Result<(), String>) -> ExitCode {
    let mut voice = Voice::port();
    std::panic::set_hook(Box::new(|why| {
        drop(Voice::port().end(&Err(why.to_string())));
        drop(ports::power_off());
    }));
    let worked = mounts().and_then(|()| modules()).and_then(|()| work(&mut voice));
    // Without ports there is nobody to tell: the kernel panics over a pid 1 that ends, and QEMU's status says so.
    drop(voice.end(&worked));
    drop(ports::power_off());
    ExitCode::FAILURE
}

fn mounts() -> Result<(), String> {
    for (kind, place) in MOUNTS {
        fs::create_dir_all(place).map_err(|why| format!("make {place}: {why}"))?;
        let none = None::<&str>;
        mount(Some(kind), place, Some(kind), MsFlags::empty(), none)
            .map_err(|why| format!("mount {place}: {why}"))?;
    }
    Ok(())
}

/// Loads the modules that /modules/order lists; without that file there are none.
fn modules() -> Result<(), String> {
    for file in fs::read_to_string("/modules/order").unwrap_or_default().lines() {
        let told = |why: String| format!("load {file}: {why}");
        let module = File::open(file).map_err(|why| told(why.to_string()))?;
        finit_module(&module, c"", ModuleInitFlags::empty())
            .map_err(|why| told(why.to_string()))?;
    }
    Ok(())
}
