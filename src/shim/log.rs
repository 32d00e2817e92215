//! What the shim says while it serves: one line each, in logrus's words, on standard error.
//!
//! Standard error is the fifo `log` of a bundle, which containerd copies into its own log. What a newcomer would get
//! wrong: nobody may be reading it, for containerd may be down for hours. So the fifo is opened for reading too: lines wait
//! in it for the next reader, none is a broken pipe, and what no longer fits is lost rather than waited for.

use nix::fcntl::OFlag;
use rrun::timestamp::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

static DEBUG: AtomicBool = AtomicBool::new(false);

/// `-debug`.
pub fn want_debug(wanted: bool) {
    DEBUG.store(wanted, Ordering::Relaxed);
}

/// The log of a bundle, or /dev/null where there is none.
///
/// # Errors
/// Without /dev/null.
pub fn open(bundle: &Path) -> std::io::Result<File> {
    let nonblocking = OFlag::O_NONBLOCK.bits();
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nonblocking)
        .open(bundle.join("log"))
        .or_else(|_| OpenOptions::new().write(true).open("/dev/null"))
}

/// A line for who looks for a mistake; made only if wanted.
pub fn debug(line: impl FnOnce() -> String) {
    if DEBUG.load(Ordering::Relaxed) {
        write("debug", &line());
    }
}

/// Something odd that stops nothing.
pub fn warn(line: &str) {
    write("warning", line);
}

/// A failure that no caller is told.
pub fn error(line: &str) {
    write("error", line);
}

fn write(level: &str, line: &str) {
    let time = Timestamp::now().rfc3339();
    let line = format!("time={time:?} level={level} msg={line:?} runtime=io.containerd.rrun.v2\n");
    // Nobody is left to tell when this fails.
    std::io::stderr().write_all(line.as_bytes()).unwrap_or_default();
}
