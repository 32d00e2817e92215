//! A containerd that is none: it starts the shim as the real one does, calls it over ttrpc and hears its events.
//!
//! What a newcomer would get wrong: a shim leaves the process group and the session of who started it, so dropping this
//! must end it by its pid, and it reads that from the bundle like anybody else.

use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult, LogLevel};
use containerd_shim_protos::shim::event::Envelope;
use containerd_shim_protos::shim::events::ForwardRequest;
use containerd_shim_protos::{Client, TaskClient, api};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protobuf::Message;
use rrun_harness::eventually;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ttrpc::context::{self, Context};

/// The shim's program.
pub const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-rrun-v2");

/// How long one call or event may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of sockets, state and bundles, and the server that events go to.
pub struct Containerd {
    /// Everything of it.
    pub directory: PathBuf,
    /// containerd's namespace of all calls.
    pub namespace: String,
    events: Mutex<Receiver<Envelope>>,
    server: Option<ttrpc::Server>,
}

/// Hands on what is forwarded.
struct Events(Mutex<Sender<Envelope>>);

impl containerd_shim_protos::Events for Events {
    fn forward(
        &self,
        _: &ttrpc::TtrpcContext,
        request: ForwardRequest,
    ) -> ttrpc::Result<api::Empty> {
        let sent = self.0.lock().unwrap().send(request.envelope.unwrap_or_default());
        sent.map_err(|error| ttrpc::Error::Others(error.to_string()))?;
        Ok(api::Empty::new())
    }
}

impl Containerd {
    /// One of its own for each test; it hears events from now on.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short: below it are sockets.
        let name = format!("rrun-ctd-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let (heard, events) = channel();
        let methods = containerd_shim_protos::create_events(Arc::new(Events(Mutex::new(heard))));
        let mut server = ttrpc::Server::new()
            .bind(&format!("unix://{}", directory.join("events").display()))
            .unwrap()
            .register_service(methods);
        server.start().unwrap();
        Self {
            directory,
            namespace: "rrun-test".into(),
            events: Mutex::new(events),
            server: Some(server),
        }
    }

    /// The address that shims are given as containerd's own; nobody listens there.
    pub fn address(&self) -> String {
        self.directory.join("containerd.sock").display().to_string()
    }

    /// A bundle without a rootfs, for shims that are not asked to create anything.
    pub fn bundle(&self, id: &str, annotations: &[(&str, &str)]) -> PathBuf {
        let bundle = self.directory.join(id);
        fs::create_dir(&bundle).unwrap();
        let annotations: serde_json::Map<_, _> =
            annotations.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let config = serde_json::json!({"ociVersion": "1.3.0", "annotations": annotations});
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        bundle
    }

    /// The shim's command line for a container, without an action.
    pub fn command(&self, id: &str, bundle: &Path) -> Command {
        let mut command = Command::new(SHIM);
        command
            .args(["-namespace", &self.namespace, "-address", &self.address()])
            .args(["-publish-binary", "/nowhere/containerd", "-id", id])
            .current_dir(bundle)
            .env("TTRPC_ADDRESS", self.directory.join("events"));
        command
    }

    /// `start` as containerd 1.6 to 2.2 calls it, with an `Any` of options or nothing on standard input.
    pub fn start_with(&self, id: &str, bundle: &Path, input: &[u8]) -> Output {
        let mut command = self.command(id, bundle);
        fed(command.arg("start"), input)
    }

    /// `start` as containerd 2.3 calls it: the sockets are in this directory's `s`.
    pub fn params(&self, id: &str) -> BootstrapParams {
        BootstrapParams {
            instance_id: id.into(),
            namespace: self.namespace.clone(),
            log_level: LogLevel::LOG_LEVEL_DEBUG.into(),
            containerd_ttrpc_address: self.directory.join("events").display().to_string(),
            socket_dir: Some(self.directory.join("s").display().to_string()),
            ..Default::default()
        }
    }

    /// A shim with its socket below this directory, started in the newest way.
    pub fn start(&self, id: &str, bundle: &Path) -> Shim {
        let output = self.start_with(id, bundle, &self.params(id).write_to_bytes().unwrap());
        assert!(output.status.success(), "{output:?}");
        let result = BootstrapResult::parse_from_bytes(&output.stdout).unwrap();
        assert_eq!((result.version, &*result.protocol), (3, "ttrpc"));
        Shim::at(&result.address, bundle)
    }

    /// Whether no process of any kind names this containerd on its command line.
    pub fn has_no_shim(&self) -> bool {
        let mut processes = fs::read_dir("/proc").unwrap().flatten();
        !processes.any(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&self.address())
        })
    }

    /// `delete`, from the bundle.
    pub fn delete(&self, id: &str, bundle: &Path) -> Output {
        self.command(id, bundle).arg("delete").output().unwrap()
    }

    /// The next event.
    #[track_caller]
    pub fn event(&self) -> Envelope {
        self.events.lock().unwrap().recv_timeout(PATIENCE).expect("an event of the shim")
    }

    /// Whether no event has come that nobody asked for.
    pub fn is_silent(&self) -> bool {
        self.events.lock().unwrap().try_recv().is_err()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
        // A test that failed may have a shim that nobody has taken charge of.
        for bundle in fs::read_dir(&self.directory).unwrap() {
            let pid = fs::read_to_string(bundle.unwrap().path().join("shim.pid"));
            let pid = pid.ok().and_then(|pid| pid.parse().ok()).map(Pid::from_raw);
            let ours = |pid: &Pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&self.address())
            };
            if let Some(pid) = pid.filter(ours) {
                drop(Shim { socket: PathBuf::new(), pid });
            }
        }
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// Runs a command to its end with something on its standard input.
pub fn fed(command: &mut Command, input: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// A shim that runs, and is killed with the test if nothing else has ended it.
pub struct Shim {
    /// Where it listens.
    pub socket: PathBuf,
    /// Itself.
    pub pid: Pid,
}

impl Shim {
    /// The one that a bundle's files tell of.
    pub fn at(address: &str, bundle: &Path) -> Self {
        assert_eq!(fs::read_to_string(bundle.join("address")).unwrap(), address);
        let pid = fs::read_to_string(bundle.join("shim.pid")).unwrap();
        let socket = address.strip_prefix("unix://").expect("the address of a socket file");
        Self { socket: socket.into(), pid: Pid::from_raw(pid.parse().unwrap()) }
    }

    /// A client of its Task service, version 3.
    pub fn task(&self) -> TaskClient {
        TaskClient::new(self.client())
    }

    /// A bare connection.
    pub fn client(&self) -> Client {
        Client::connect(&format!("unix://{}", self.socket.display())).unwrap()
    }

    /// Calls a method of the service of that version by hand.
    pub fn call(
        &self,
        version: u32,
        method: &str,
        request: &impl Message,
    ) -> ttrpc::Result<Vec<u8>> {
        let request = ttrpc::Request {
            service: format!("containerd.task.v{version}.Task"),
            method: method.into(),
            payload: request.write_to_bytes().unwrap(),
            timeout_nano: timeout().timeout_nano,
            ..Default::default()
        };
        self.client().request(request).map(|response| response.payload)
    }

    /// Asks it to end.
    pub fn shutdown(&self) {
        self.task().shutdown(timeout(), &api::ShutdownRequest::new()).unwrap();
    }

    /// Whether any of its threads is there and no zombie: the first may be one while others still hold the socket.
    pub fn is_alive(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten();
        threads.flatten().any(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.starts_with(" Z"))
        })
    }

    /// Waits until it is gone.
    pub fn ends(&self) -> bool {
        eventually(|| !self.is_alive())
    }

    /// A field of its /proc/PID/status.
    pub fn status(&self, field: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if self.is_alive() {
            // It may have ended by itself meanwhile.
            kill(self.pid, Signal::SIGKILL).unwrap_or_default();
            assert!(self.ends(), "shim {} does not end", self.pid);
        }
    }
}

/// The timeout of a call.
pub fn timeout() -> Context {
    context::with_duration(PATIENCE)
}
