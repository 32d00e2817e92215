//! Events over a real socket to a real ttrpc server.

use super::*;
use containerd_shim_protos::events::task::{TaskCreate, TaskExit};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use ttrpc::error::get_rpc_status;
use ttrpc::{Code, Server, TtrpcContext};

/// Notes what comes, and refuses as often as it is told to.
struct Listener {
    heard: Mutex<Sender<Envelope>>,
    refusals: AtomicU32,
}

impl containerd_shim_protos::Events for Listener {
    fn forward(
        &self,
        _: &TtrpcContext,
        request: ForwardRequest,
    ) -> ttrpc::Result<containerd_shim_protos::api::Empty> {
        let left = self.refusals.load(Ordering::SeqCst);
        if left > 0 {
            self.refusals.store(left - 1, Ordering::SeqCst);
            return Err(get_rpc_status(Code::UNAVAILABLE, "not now"));
        }
        let envelope = request.envelope.unwrap_or_default();
        self.heard.lock().unwrap().send(envelope).unwrap();
        Ok(Default::default())
    }
}

fn listen(socket: &std::path::Path, refusals: u32) -> (Server, Receiver<Envelope>) {
    let (heard, all) = channel();
    let listener = Listener { heard: Mutex::new(heard), refusals: AtomicU32::new(refusals) };
    let methods = containerd_shim_protos::create_events(Arc::new(listener));
    let mut server = Server::new()
        .bind(&format!("unix://{}", socket.display()))
        .unwrap()
        .register_service(methods);
    server.start().unwrap();
    (server, all)
}

fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("rrun-events-{}-{name}", std::process::id()))
}

#[test]
fn events_arrive_in_order_with_their_type_and_namespace() {
    let path = socket("order");
    let (server, heard) = listen(&path, 1);
    let publisher = Publisher::new("k8s.io", path.to_str());
    for pid in 0..20 {
        let create = TaskCreate { container_id: "web".into(), pid, ..Default::default() };
        publisher.publish("/tasks/create", &create);
        publisher.publish("/tasks/exit", &TaskExit { pid, ..Default::default() });
    }
    publisher.flush(Duration::from_secs(60));
    server.shutdown();
    std::fs::remove_file(&path).unwrap();
    let heard: Vec<Envelope> = heard.iter().collect();
    assert_eq!(heard.len(), 40, "the one that was refused at first came again");
    for (envelope, number) in heard.iter().zip(0_u32..) {
        let event = envelope.event.clone().unwrap_or_default();
        let (topic, type_url, pid) = match number % 2 {
            0 => {
                let read = TaskCreate::parse_from_bytes(&event.value).unwrap();
                ("/tasks/create", "containerd.events.TaskCreate", read.pid)
            }
            _ => {
                let read = TaskExit::parse_from_bytes(&event.value).unwrap();
                ("/tasks/exit", "containerd.events.TaskExit", read.pid)
            }
        };
        assert_eq!((&*envelope.topic, &*event.type_url), (topic, type_url));
        assert_eq!((pid, &*envelope.namespace), (number / 2, "k8s.io"));
        assert!(envelope.timestamp.seconds > 0);
    }
}

#[test]
fn a_restarted_containerd_gets_the_next_event() {
    let path = socket("restart");
    let publisher = Publisher::new("n", Some(&format!("unix://{}", path.display())));
    for topic in ["/first", "/second"] {
        let (server, heard) = listen(&path, 0);
        publisher.publish(topic, &TaskExit::default());
        publisher.flush(Duration::from_secs(60));
        server.shutdown();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(heard.iter().map(|e| e.topic).collect::<Vec<_>>(), [topic]);
    }
}

#[test]
fn without_an_address_nothing_waits() {
    let publisher = Publisher::new("n", None);
    publisher.publish("/tasks/exit", &TaskExit::default());
    assert!(publisher.0.queue().waiting.is_empty());
}
