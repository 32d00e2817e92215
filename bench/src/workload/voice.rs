//! Where the lines go: standard output, or a guest's debug port.
//!
//! What a newcomer would get wrong: /dev/port writes byte *n* of a buffer to port *base + n*, so the debug port takes
//! one byte per call.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// isa-debugcon.
const DEBUG_PORT: u64 = 0xe9;

enum To {
    Stdout,
    Port(File),
}

/// The way to whoever asked.
pub struct Voice(To);

impl Voice {
    /// A process's.
    pub fn stdout() -> Self {
        Self(To::Stdout)
    }

    /// A guest's, by this open /dev/port.
    pub fn port(port: File) -> Self {
        Self(To::Port(port))
    }

    /// Samples, or further ones, of `name`.
    pub fn say(&mut self, name: &str, values: &[f64]) -> Result<(), String> {
        let values: Vec<String> = values.iter().map(f64::to_string).collect();
        self.line(&format!("{name} {}", values.join(" ")))
    }

    #[allow(dead_code, reason = "no op misses anything yet")]
    /// There are no samples of `name` here, for this reason.
    pub fn missing(&mut self, name: &str, why: &str) -> Result<(), String> {
        self.line(&format!("missing {name} {why}"))
    }

    /// The last line.
    pub fn end(&mut self, worked: &Result<(), String>) -> Result<(), String> {
        match worked {
            Ok(()) => self.line("done"),
            Err(why) => self.line(&format!("error {}", why.replace('\n', " "))),
        }
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        let line = format!("{text}\n");
        let said = match &self.0 {
            To::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            To::Port(port) => {
                let mut each = line.as_bytes().chunks(1);
                each.try_for_each(|byte| port.write_all_at(byte, DEBUG_PORT))
            }
        };
        said.map_err(|why| format!("say {text:?}: {why}"))
    }
}
