//! The Task service: each call of containerd's is found its container, and each error its code.
//!
//! It knows the table of containers, for a pod has several. What a newcomer would get wrong: Wait is answered when a
//! process ends, which may be in a year. A thread each would be most of what an idle shim costs, so Wait keeps the way
//! back instead ([`Wait`]), and whoever tells the end answers.

use crate::answer::{exited_at, refusal, refused};
use crate::log;
use crate::metrics;
use crate::process::Waiter;
use crate::server::{Context, Shutdown};
use crate::task::{Pod, Task};
use crate::watch::Loop;
use containerd_shim_protos::api::{
    CheckpointTaskRequest, CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest,
    CreateTaskResponse, DeleteRequest, DeleteResponse, Empty, ExecProcessRequest, KillRequest,
    PauseRequest, PidsRequest, PidsResponse, ResizePtyRequest, ResumeRequest, ShutdownRequest,
    StartRequest, StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse,
    UpdateTaskRequest, WaitRequest, WaitResponse,
};
use protobuf::Message;
use rrun::plan::seccomp::Filters;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ttrpc::proto::{Request, Response};
use ttrpc::{Code, MethodHandler, Result, TtrpcContext};

/// The containers of a shim.
pub struct Service {
    pod: Pod,
    shutdown: Shutdown,
    tasks: Mutex<HashMap<String, Slot>>,
}

/// An id that is taken.
enum Slot {
    /// By a Create that is at work.
    Creating,
    /// By a container.
    Task(Arc<Task>),
}

impl Service {
    /// For one shim, before it has other threads.
    ///
    /// # Errors
    /// As [`Loop::start`] and [`Loop::adopt_orphans`].
    pub fn new(context: Context) -> rrun::error::Result<Self> {
        let Context { namespace, publisher, shutdown } = context;
        let events = Loop::start()?;
        events.adopt_orphans()?;
        let pod = Pod { namespace, publisher, events, filters: Filters::default() };
        Ok(Self { pod, shutdown, tasks: Mutex::default() })
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task(&self, id: &str) -> Result<Arc<Task>> {
        match self.tasks().get(id) {
            Some(Slot::Task(task)) => Ok(Arc::clone(task)),
            Some(Slot::Creating) | None => {
                Err(refused(Code::NOT_FOUND, format!("container {id:?} does not exist")))
            }
        }
    }

    /// Does something with a container that there is; `failed` is said before what goes wrong.
    fn with<R>(
        &self,
        id: &str,
        failed: &str,
        act: impl FnOnce(&Arc<Task>) -> rrun::error::Result<R>,
    ) -> Result<R> {
        let task = self.task(id)?;
        act(&task).map_err(|error| {
            log::debug(|| format!("{failed} ({id}): {error}"));
            refusal(failed, &error)
        })
    }
}

impl containerd_shim_protos::Task for Service {
    fn create(&self, _: &TtrpcContext, request: CreateTaskRequest) -> Result<CreateTaskResponse> {
        let id = request.id.clone();
        match self.tasks().entry(id.clone()) {
            std::collections::hash_map::Entry::Vacant(place) => place.insert(Slot::Creating),
            std::collections::hash_map::Entry::Occupied(_) => {
                let problem = format!("container {id:?} already exists");
                return Err(refused(Code::ALREADY_EXISTS, problem));
            }
        };
        match Task::create(&self.pod, &request) {
            Ok(task) => {
                let pid = task.pid();
                self.tasks().insert(id, Slot::Task(task));
                Ok(CreateTaskResponse { pid, ..Default::default() })
            }
            Err(error) => {
                self.tasks().remove(&id);
                Err(refusal("OCI runtime create failed", &error))
            }
        }
    }

    fn start(&self, _: &TtrpcContext, request: StartRequest) -> Result<StartResponse> {
        let failed = match request.exec_id.as_str() {
            "" => "OCI runtime start failed",
            _ => "OCI runtime exec failed",
        };
        let pid = self.with(&request.id, failed, |task| task.start(&request.exec_id))?;
        Ok(StartResponse { pid, ..Default::default() })
    }

    fn exec(&self, _: &TtrpcContext, request: ExecProcessRequest) -> Result<Empty> {
        self.with(&request.id, "exec", |task| task.exec(&request))?;
        Ok(Empty::new())
    }

    fn state(&self, _: &TtrpcContext, request: StateRequest) -> Result<StateResponse> {
        self.with(&request.id, "state", |task| task.state(&request.exec_id))
    }

    fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> Result<DeleteResponse> {
        let deleted = self.with(&request.id, "delete", |task| task.delete(&request.exec_id))?;
        if request.exec_id.is_empty() {
            self.tasks().remove(&request.id);
        }
        Ok(deleted)
    }

    fn kill(&self, _: &TtrpcContext, request: KillRequest) -> Result<Empty> {
        let KillRequest { id, exec_id, signal, all, .. } = &request;
        self.with(id, "kill", |task| task.kill(exec_id, *signal, *all))?;
        Ok(Empty::new())
    }

    fn pids(&self, _: &TtrpcContext, request: PidsRequest) -> Result<PidsResponse> {
        let processes = self.with(&request.id, "pids", |task| task.pids())?;
        Ok(PidsResponse { processes, ..Default::default() })
    }

    fn pause(&self, _: &TtrpcContext, request: PauseRequest) -> Result<Empty> {
        self.with(&request.id, "pause", |task| task.pause())?;
        Ok(Empty::new())
    }

    fn resume(&self, _: &TtrpcContext, request: ResumeRequest) -> Result<Empty> {
        self.with(&request.id, "resume", |task| task.resume())?;
        Ok(Empty::new())
    }

    fn resize_pty(&self, _: &TtrpcContext, request: ResizePtyRequest) -> Result<Empty> {
        let ResizePtyRequest { id, exec_id, width, height, .. } = &request;
        self.with(id, "resize the terminal", |task| task.resize(exec_id, *width, *height))?;
        Ok(Empty::new())
    }

    fn close_io(&self, _: &TtrpcContext, request: CloseIORequest) -> Result<Empty> {
        if request.stdin {
            let exec_id = &request.exec_id;
            self.with(&request.id, "close standard input", |task| task.close_stdin(exec_id))?;
        }
        Ok(Empty::new())
    }

    fn update(&self, _: &TtrpcContext, request: UpdateTaskRequest) -> Result<Empty> {
        let json = request.resources.as_ref().map(|any| any.value.as_slice()).unwrap_or(b"{}");
        self.with(&request.id, "update", |task| task.update(json))?;
        Ok(Empty::new())
    }

    fn stats(&self, _: &TtrpcContext, request: StatsRequest) -> Result<StatsResponse> {
        let stats = self.with(&request.id, "stats", |task| task.stats())?;
        let stats = metrics::message(&stats).map_err(|error| refusal("stats", &error))?;
        Ok(StatsResponse { stats: Some(stats).into(), ..Default::default() })
    }

    fn connect(&self, _: &TtrpcContext, request: ConnectRequest) -> Result<ConnectResponse> {
        // containerd asks before there is a container, too, to learn the shim's pid.
        let task_pid = self.task(&request.id).map_or(0, |task| task.pid());
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            task_pid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        })
    }

    fn checkpoint(&self, _: &TtrpcContext, request: CheckpointTaskRequest) -> Result<Empty> {
        self.with(&request.id, "checkpoint", |task| task.checkpoint(&request))?;
        Ok(Empty::new())
    }

    fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> Result<Empty> {
        // Another container of the pod needs the shim still.
        if self.tasks().is_empty() {
            self.shutdown.request();
        }
        Ok(Empty::new())
    }
}

/// The handler of Wait: it returns at once, and the answer is given by whoever tells the end.
pub struct Wait(pub Arc<Service>);

impl Wait {
    /// Its name on the wire.
    pub const PATH: &str = "/containerd.task.v3.Task/Wait";

    fn begin(&self, context: TtrpcContext, payload: &[u8]) -> Result<()> {
        let request = WaitRequest::parse_from_bytes(payload)
            .map_err(|error| refused(Code::INVALID_ARGUMENT, format!("wait: {error}")))?;
        let stream = context.mh.stream_id;
        let task = self.0.task(&request.id)?;
        let cancelled = context.cancel_rx.clone();
        let waiter = Waiter {
            has_left: Box::new(move || {
                cancelled.try_recv().is_err_and(|left| left.is_disconnected())
            }),
            answer: Box::new(move |end| {
                let answer = WaitResponse {
                    exit_status: end.code(),
                    exited_at: exited_at(Some(end)),
                    ..WaitResponse::default()
                };
                let mut response = Response::new();
                response.set_status(ttrpc::get_status(Code::OK, ""));
                response.payload = answer.write_to_bytes().unwrap_or_default();
                // A client that has gone meanwhile waits no more.
                if let Err(error) = context.respond(stream, response) {
                    log::debug(|| format!("wait: {error}"));
                }
            }),
        };
        task.wait(&request.exec_id, waiter).map_err(|error| refusal("wait", &error))
    }
}

impl MethodHandler for Wait {
    fn handler(&self, context: TtrpcContext, request: Request) -> Result<()> {
        let (stream, way_back) = (context.mh.stream_id, context.res_tx.clone());
        let connection = Arc::clone(&context.conn_ctx);
        match self.begin(context, &request.payload) {
            Ok(()) => Ok(()),
            Err(error) => ttrpc::send_response(stream, error.into(), way_back, &connection),
        }
    }
}
