//! A created container goes through its gate.
//!
//! What a newcomer would get wrong: the child that fails now has only a number to say. Its words are the plan's, made
//! again from the bundle, because the process that made the first plan is gone. What its caller asked for beside the
//! bundle is gone, too, and made the beginning of the plan longer or shorter: steps are counted from the end.

use super::Bundle;
use crate::container::process::wait_for_end;
use crate::container::{Container, Status, Verb};
use crate::error::{Error, Result, ResultExt};
use crate::launch::fault::{describe, point};
use crate::launch::notify::Proxy;
use crate::launch::{hooks, release};
use crate::log;
use crate::plan::Request;
use crate::spec::HookPhase;
use rrun_sys::wire::Frame;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a child that failed may take from its last word to its end; it has nothing left to do but to exit.
const ENDING: Duration = Duration::from_secs(10);

/// Starts it; on behalf of the service manager that listens at `manager`, if there is one.
///
/// # Errors
/// [`crate::error::Kind::State`] when it is not created, and what the child could not do.
pub fn start(container: Container, manager: Option<&OsStr>) -> Result<()> {
    let container = container.claim(Verb::Start)?;
    let pidfd = container.pidfd()?;
    let proxy = match manager {
        Some(host) => Proxy::listen(container.directory(), host, container.record.pid)?,
        None => None,
    };
    point("start")?;
    let failed = release(container.directory())?;
    // The gate's presence is the status "created", which it no longer is, whatever happened.
    std::fs::remove_file(container.gate()).context(|| "remove the gate")?;
    if let Some(frame) = failed {
        // It has said why and ends now: whoever hears of the failure may delete what it left.
        wait_for_end(pidfd.as_fd(), ENDING)?;
        return Err(in_words(&container, &frame).context(format!("start {}", container.record.id)));
    }
    if let Err(error) = run_poststart(&container) {
        return Err(match container.kill(libc::SIGKILL, true) {
            Ok(()) => error,
            Err(left) => error.while_undoing(left),
        });
    }
    if let Some(proxy) = proxy {
        drop(container);
        proxy.forward_until_ready(pidfd.as_fd())?;
    }
    Ok(())
}

/// The words for a step are the plan's, made again from the bundle.
fn in_words(container: &Container, frame: &Frame) -> Error {
    let record = &container.record;
    let again =
        Bundle::load_config(Some(&record.bundle), record.config.as_deref()).and_then(|bundle| {
            // With `--rootless`, limits may have been left away that are refused without, and the reverse.
            let plan = |rootless| {
                let request = Request { gate: true, rootless, ..bundle.request() };
                bundle.plan(&record.id, &request)
            };
            plan(false).or_else(|_| plan(true))
        });
    match again {
        Ok(plan) => describe(&plan, &from_the_end(frame, record.steps, plan.steps.len()), ""),
        Err(error) => {
            log::debug(|| format!("plan again for its words: {error}"));
            Error::kernel(format!("step {} of the container", frame.step), frame.errno)
        }
    }
}

/// A frame about a plan of `then` steps, as one about the same plan with `now`.
fn from_the_end(frame: &Frame, then: usize, now: usize) -> Frame {
    let then = if then == 0 { now } else { then };
    let step = (usize::from(frame.step) + now).checked_sub(then);
    let step = step.and_then(|step| u16::try_from(step).ok());
    Frame { step: step.unwrap_or(frame.step), ..*frame }
}

/// Runs the poststart hooks. The runtime-spec since 1.3: a failure stops the container.
///
/// # Errors
/// The first failing hook.
pub fn run_poststart(container: &Container) -> Result<()> {
    let poststart = &container.record.hooks.poststart;
    if poststart.is_empty() {
        return Ok(());
    }
    let state = container.record.state_json(Status::Running)?;
    hooks::run_all(poststart, &state, HookPhase::Poststart)
}
