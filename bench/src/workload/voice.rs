//! Where the lines go: standard output, or a guest's debug port.
//!
//! What a newcomer would get wrong: stdout of a guest's /init is the kernel's console, which is nobody's here.

use rrun_bench::ports;
use std::io::{self, Write};

enum To {
    Stdout,
    Port,
}

/// The way to whoever asked.
pub struct Voice(To);

impl Voice {
    /// A process's.
    pub fn stdout() -> Self {
        Self(To::Stdout)
    }

    /// A guest's.
    pub fn port() -> Self {
        Self(To::Port)
    }

    /// Samples, or further ones, of `name`.
    pub fn say(&mut self, name: &str, values: &[f64]) -> Result<(), String> {
        let values: Vec<String> = values.iter().map(f64::to_string).collect();
        self.line(&format!("{name} {}", values.join(" ")))
    }

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
            To::Port => ports::say(line.as_bytes()),
        };
        said.map_err(|why| format!("say {text:?}: {why}"))
    }
}
