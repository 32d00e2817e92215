//! `containerd-shim-rrun-v2`: containerd's side of rrun, one process per pod, the runtime within it.
//!
//! It knows which part of the program was asked for, and nothing of any of them. What a newcomer would get wrong: this is a
//! root of its own. `crate` is the shim here and `rrun` the library; the library knows nothing of the shim.
//!
//! ```text
//!  containerd ── start ───► bootstrap ── spawns ──► server ── Task v2, v3 ──► service
//!             ── delete ──► delete                     └──── events ────────► publish
//!             ── -info ───► describe
//! ```

mod address;
mod answer;
mod arguments;
mod bootstrap;
mod bundle;
mod delete;
mod describe;
mod io;
mod log;
mod metrics;
mod mounts;
mod options;
mod process;
mod publish;
mod server;
mod service;
mod task;
mod watch;

use arguments::{Action, Arguments};
use rrun::error::{Result, ResultExt};
use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

/// More than any options; what is longer is cut off, and then it is no message.
const INPUT_MAX: u64 = 4 << 20;

fn main() -> ExitCode {
    let outcome = arguments::parse(std::env::args_os().skip(1)).and_then(|(action, arguments)| {
        perform(action, &arguments).and_then(|answer| say(&answer))
    });
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // containerd shows this line to who asked for the container; a server's goes to its log.
    std::io::stderr()
        .write_all(format!("containerd-shim-rrun-v2: {error}\n").as_bytes())
        .unwrap_or_default();
    ExitCode::FAILURE
}

/// What goes to standard output.
fn perform(action: Action, arguments: &Arguments) -> Result<Vec<u8>> {
    log::want_debug(arguments.debug);
    match action {
        Action::Start => bootstrap::run(arguments, &input()?),
        Action::Delete => delete::run(arguments),
        Action::Serve => server::run(arguments).map(|()| Vec::new()),
        Action::Describe => describe::describe(&input()?),
        Action::Version => Ok(describe::version().into_bytes()),
    }
}

/// All of standard input; nothing where a person sits.
fn input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin.lock().take(INPUT_MAX).read_to_end(&mut bytes).context(|| "read standard input")?;
    }
    Ok(bytes)
}

fn say(answer: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(answer).and_then(|()| stdout.flush()).context(|| "write to standard output")
}
