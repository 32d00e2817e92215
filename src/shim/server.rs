//! The shim itself: a ttrpc server of the Task service, and what it does for its own protection.
//!
//! ```text
//!  start ── spawns, the listener as its standard input ──► serve
//!     own session, sealed program, subreaper, signals      ──► Task v2 and v3 ──► Shutdown ──► socket removed
//! ```
//! What a newcomer would get wrong: containerd 1.x calls `containerd.task.v2.Task`, 2.x may call `…v3.Task`; the two have
//! the same methods and messages, so one set of handlers stands under both names. And the sealed program is the same
//! command line once more: nothing may be taken from standard input before.

use crate::address::Address;
use crate::arguments::Arguments;
use crate::log;
use crate::publish::Publisher;
use crate::service::{Service, Wait};
use containerd_shim_protos::create_task;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, dup2_stdin, getpid, getsid, setsid};
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::launch::sealed;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use ttrpc::{MethodHandler, Server};

/// How long the last events and answers may take when the shim ends.
const FAREWELL: Duration = Duration::from_secs(5);

type Methods = HashMap<String, Box<dyn MethodHandler + Send + Sync>>;

/// What the Task service is given.
#[derive(Debug, Clone)]
pub struct Context {
    /// containerd's namespace.
    pub namespace: String,
    /// The way to containerd's events.
    pub publisher: Publisher,
    /// How the shim is told to end.
    pub shutdown: Shutdown,
}

/// A request to end, which somebody waits for.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<(Mutex<bool>, Condvar)>);

impl Shutdown {
    /// Asks for it.
    pub fn request(&self) {
        let (requested, changed) = &*self.0;
        *requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Returns when it was asked for.
    pub fn wait(&self) {
        let (requested, changed) = &*self.0;
        let requested = requested.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = changed.wait_while(requested, |requested| !*requested);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Serves until it is told to end.
///
/// # Errors
/// [`Kind::Usage`] when it was not `start` that started it; whatever [`sealed::ensure`] says.
pub fn run(arguments: &Arguments) -> Result<()> {
    leave_session()?;
    sealed::ensure(c"containerd-shim")?;
    let (listener, address) = take_listener()?;
    // A shim ends when containerd says so. Handlers, unlike ignored signals, do not reach what is executed.
    rrun_sys::signal::disregard(&[
        Signal::SIGTERM as i32,
        Signal::SIGINT as i32,
        Signal::SIGHUP as i32,
    ]);
    let events = std::env::var("TTRPC_ADDRESS").ok();
    let context = Context {
        namespace: arguments.namespace.clone(),
        publisher: Publisher::new(&arguments.namespace, events.as_deref()),
        shutdown: Shutdown::default(),
    };
    let (publisher, shutdown) = (context.publisher.clone(), context.shutdown.clone());
    let server = listen(listener, Service::new(context)?)?;
    log::debug(|| format!("shim of {} serves {}", arguments.id, address.url()));
    shutdown.wait();
    // From here on a `start` of this group makes a new shim.
    if let Err(error) = address.remove() {
        log::warn(&error.to_string());
    }
    publisher.flush(FAREWELL);
    end(server);
    Ok(())
}

fn listen(listener: UnixListener, service: Service) -> Result<Server> {
    let service = Arc::new(service);
    // Few threads stand ready; each call that waits is replaced by another thread.
    let server = Server::new()
        .set_thread_count_min(1)
        .set_thread_count_default(2)
        .set_thread_count_max(3)
        .register_service(as_version_2(methods(&service)))
        .register_service(methods(&service));
    let listening = server.add_listener(listener.into_raw_fd()).and_then(|mut server| {
        server.start()?;
        Ok(server)
    });
    listening.map_err(|error| {
        Error::new(Kind::Kernel, error.to_string()).context("serve the Task service")
    })
}

/// Those of version 3.
fn methods(service: &Arc<Service>) -> Methods {
    let tasks: Arc<dyn containerd_shim_protos::Task + Send + Sync> = Arc::<Service>::clone(service);
    let mut methods = create_task(tasks);
    methods.insert(Wait::PATH.to_owned(), Box::new(Wait(Arc::clone(service))));
    methods
}

/// The same methods under the name that containerd 1.x calls.
fn as_version_2(methods: Methods) -> Methods {
    methods
        .into_iter()
        .map(|(path, handler)| {
            (path.replacen("/containerd.task.v3.Task/", "/containerd.task.v2.Task/", 1), handler)
        })
        .collect()
}

/// Lets answers out that are on their way, the one to Shutdown among them. A call that still waits for something is cut
/// off after a while.
fn end(server: Server) {
    let (done, ended) = channel();
    let closing = thread::Builder::new().spawn(move || {
        server.shutdown();
        done.send(()).unwrap_or_default();
    });
    match closing {
        Ok(_) => ended.recv_timeout(FAREWELL).unwrap_or_else(|_| log::warn("calls were cut off")),
        Err(error) => log::warn(&format!("calls were cut off: {error}")),
    }
}

/// A session of our own: what ends containerd's process group must not end its containers.
fn leave_session() -> Result<()> {
    if getsid(None::<Pid>).context(|| "getsid()")? != getpid() {
        setsid().context(|| "setsid()")?;
    }
    Ok(())
}

/// The socket that `start` bound, which is our standard input; its place is taken by /dev/null.
fn take_listener() -> Result<(UnixListener, Address)> {
    let stdin = std::io::stdin();
    let descriptor: OwnedFd =
        stdin.as_fd().try_clone_to_owned().context(|| "dup(standard input)")?;
    let listener = UnixListener::from(descriptor);
    let bound = listener.local_addr().ok();
    let path = bound.as_ref().and_then(|address| address.as_pathname());
    let Some(path) = path.map(PathBuf::from) else {
        return Err(Error::new(Kind::Usage, "standard input is no listening socket")
            .hint("containerd starts this program with the action start"));
    };
    let nothing = File::open("/dev/null").context(|| "open /dev/null")?;
    dup2_stdin(nothing).context(|| "dup2(/dev/null, 0)")?;
    listener.set_nonblocking(true).context(|| "fcntl(O_NONBLOCK)")?;
    Ok((listener, Address::from(path)))
}
