//! `start`: an address for containerd, of a shim that lives already or of one that is made now.
//!
//! ```text
//!  containerd ── start ──► group, address ── taken ──────────────────────────► its address
//!                             │ ours: bound and listening
//!                          spawn serve ── cgroup, oom score, shim.pid, address ──► its address
//! ```
//! What a newcomer would get wrong: containerd reads standard output and standard error together until both are closed,
//! and connects at once. So the address is all that is printed, the server keeps neither of the two, and the socket
//! listens before anything is spawned.

use crate::address::{Address, Claim};
use crate::arguments::Arguments;
use crate::options::Options;
use crate::{bundle, log};
use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult, LogLevel};
use protobuf::{Enum, Message, well_known_types::any::Any};
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::host::cgroup::{CgroupHost, OwnCgroup, below};
use rrun::launch::sealed;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The kernel's greatest `oom_score_adj`.
const OOM_SCORE_MAX: i32 = 1000;

/// What containerd wrote to standard input.
#[derive(Debug, Default)]
struct Input {
    options: Options,
    /// Of containerd 2.3 and later, which also reads its answer as a message.
    params: Option<BootstrapParams>,
}

/// The answer for standard output.
///
/// # Errors
/// Whatever keeps a shim from being started; nothing of it is left then.
pub fn run(arguments: &Arguments, input: &[u8]) -> Result<Vec<u8>> {
    let input = Input::read(input, arguments)?;
    let bundle = match &arguments.bundle {
        Some(bundle) => bundle.clone(),
        None => std::env::current_dir().context(|| "find the bundle")?,
    };
    let group = bundle::group(&bundle, &arguments.id)?;
    let directory = input.params.as_ref().and_then(|params| params.socket_dir.as_deref());
    let address = Address::of(directory, [&arguments.address, &arguments.namespace, &group])?;
    match address.claim()? {
        Claim::Taken => bundle::write(&bundle, "address", &address.url())?,
        Claim::Listening(listener) => {
            if let Err(error) = serve(arguments, &input, &bundle, (listener, &address)) {
                return Err(match address.remove() {
                    Ok(()) => error,
                    Err(another) => error.while_undoing(another),
                });
            }
        }
    }
    input.answer(&address)
}

impl Input {
    /// A message of containerd 2.3 names this very container; anything else is the runtime's options.
    fn read(bytes: &[u8], arguments: &Arguments) -> Result<Self> {
        let params = BootstrapParams::parse_from_bytes(bytes).ok().filter(|params| {
            params.instance_id == arguments.id && params.namespace == arguments.namespace
        });
        let Some(params) = params else {
            let any = Any::parse_from_bytes(bytes).map_err(|error| {
                Error::new(Kind::Spec, error.to_string())
                    .context("read options from standard input")
            })?;
            return Ok(Self { options: Options::decode(Some(&any))?, params: None });
        };
        let mut extensions = params.extensions.iter().filter_map(|one| one.value.as_ref());
        let options = Options::decode(extensions.find(|any| Options::are_in(any)))?;
        Ok(Self { options, params: Some(params) })
    }

    /// Numbers between the known levels mean the next one that says less.
    fn wants_debug(&self) -> bool {
        let level = self.params.as_ref().map_or(0, |params| params.log_level.value());
        level <= LogLevel::LOG_LEVEL_DEBUG.value()
    }

    fn answer(&self, address: &Address) -> Result<Vec<u8>> {
        if self.params.is_none() {
            return Ok(address.url().into_bytes());
        }
        let result = BootstrapResult {
            version: containerd_shim_protos::TASK_API_VERSION,
            address: address.url(),
            protocol: "ttrpc".into(),
            ..Default::default()
        };
        result.write_to_bytes().map_err(|error| Error::new(Kind::Internal, error.to_string()))
    }
}

/// Spawns the server and lets it live only if all else succeeds.
fn serve(
    arguments: &Arguments,
    input: &Input,
    bundle: &Path,
    (listener, address): (UnixListener, &Address),
) -> Result<()> {
    let mut server = spawn(arguments, input, bundle, listener)?;
    let settled = settle(&server, &input.options)
        .and_then(|()| bundle::write(bundle, "shim.pid", &server.id().to_string()))
        .and_then(|()| bundle::write(bundle, "address", &address.url()));
    if settled.is_err() {
        // What cannot be killed has ended.
        server.kill().and_then(|()| server.wait()).map(drop).unwrap_or_default();
    }
    settled
}

/// Ourselves once more, without an action.
fn spawn(
    arguments: &Arguments,
    input: &Input,
    bundle: &Path,
    listener: UnixListener,
) -> Result<Child> {
    let program = std::env::current_exe().context(|| "find this program")?;
    let log = log::open(bundle).context(|| "open the log")?;
    // Protected already: otherwise the server would execute itself a second time for that.
    let protected = sealed::program()?;
    let mut command = Command::new(format!("/proc/self/fd/{}", protected.as_raw_fd()));
    command
        .arg0(&program)
        .args(["-namespace", &arguments.namespace, "-id", &arguments.id])
        .args(["-address", &arguments.address])
        .args((arguments.debug || input.wants_debug()).then_some("-debug"))
        .current_dir(bundle)
        // One heap for all threads: each of glibc's costs pages that an idle shim never uses.
        .env("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null())
        .stderr(log);
    let events = input.params.as_ref().map(|params| &params.containerd_ttrpc_address);
    if let Some(events) = events.filter(|address| !address.is_empty()) {
        command.env("TTRPC_ADDRESS", events);
    }
    rrun_sys::signal::start_clean(&mut command)
        .spawn()
        .context(|| format!("start {}", program.display()))
}

fn settle(server: &Child, options: &Options) -> Result<()> {
    if !options.shim_cgroup.is_empty() {
        join_cgroup(server, &options.shim_cgroup)
            .context(|| format!("ShimCgroup = {:?}", options.shim_cgroup))?;
    }
    adjust_oom_score(server)
}

/// Into that cgroup of every hierarchy that has it.
fn join_cgroup(server: &Child, cgroup: &str) -> Result<()> {
    let host = CgroupHost::probe(false, OwnCgroup::Unwanted)?;
    let v1 = host.v1.iter().map(|hierarchy| &hierarchy.mount);
    let mounts = v1.chain(host.unified.iter().map(|unified| &unified.mount));
    let found: Vec<PathBuf> =
        mounts.map(|mount| below(mount, cgroup)).filter(|path| path.is_dir()).collect();
    if found.is_empty() {
        return Err(
            Error::new(Kind::Host, "no such cgroup").hint("make it, or leave ShimCgroup out")
        );
    }
    for path in found {
        let file = path.join("cgroup.procs");
        fs::write(&file, server.id().to_string())
            .context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// One more than containerd's, so that the kernel takes a shim before its daemon. An unprivileged caller may not, which
/// is no reason to run nothing.
fn adjust_oom_score(server: &Child) -> Result<()> {
    let parent = format!("/proc/{}/oom_score_adj", nix::unistd::getppid());
    let text = fs::read_to_string(&parent).context(|| format!("read {parent}"))?;
    let score: i32 = text.trim().parse().unwrap_or(0);
    let own = format!("/proc/{}/oom_score_adj", server.id());
    let wanted = (score + 1).min(OOM_SCORE_MAX);
    match fs::write(&own, wanted.to_string()) {
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            Err(error).context(|| format!("write {wanted} to {own}"))
        }
        _ => Ok(()),
    }
}
