//! ttrpc as a caller speaks it, in one thread: what lies between a request and its answer is the shim's, and no hand-over
//! between threads of ours.
//!
//! What a newcomer would get wrong: answers come in any order. `Wait` is asked before `Start` and answered long after.

use crate::process::{PATIENCE, Wrong};
use protobuf::Message;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Length, stream, type and flags before each message.
const HEADER: usize = 10;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// The server's own limit, so that a broken length is no allocation.
const LONGEST: usize = 4 << 20;

/// A connection to one service.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    service: String,
    /// Of the next request; a caller's are odd.
    next: u32,
    /// Answers to others than the one that is waited for.
    early: BTreeMap<u32, Vec<u8>>,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Asked(u32);

impl Wire {
    /// To the service of that name behind a socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(socket: &Path, service: &str) -> Result<Self, Wrong> {
        let stream = UnixStream::connect(socket);
        let stream = stream.map_err(|why| failed(format!("{}: {why}", socket.display())))?;
        Self::over(stream, service)
    }

    fn over(stream: UnixStream, service: &str) -> Result<Self, Wrong> {
        stream.set_read_timeout(Some(PATIENCE)).map_err(|why| failed(why.to_string()))?;
        Ok(Self { stream, service: service.to_owned(), next: 1, early: BTreeMap::new() })
    }

    /// Asks and waits.
    ///
    /// # Errors
    /// What the shim answers, or that it does not.
    pub fn call<T: Message>(&mut self, method: &str, request: &impl Message) -> Result<T, Wrong> {
        let asked = self.ask(method, request)?;
        self.answer(asked).map_err(|wrong| match wrong {
            Wrong::Hung(why) => Wrong::Hung(format!("{method}: {why}")),
            Wrong::Failed(why) => Wrong::Failed(format!("{method}: {why}")),
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn ask(&mut self, method: &str, request: &impl Message) -> Result<Asked, Wrong> {
        let body = ttrpc::Request {
            service: self.service.clone(),
            method: method.to_owned(),
            payload: request.write_to_bytes().map_err(|why| failed(why.to_string()))?,
            timeout_nano: i64::try_from(PATIENCE.as_nanos()).unwrap_or(i64::MAX),
            ..Default::default()
        };
        let body = body.write_to_bytes().map_err(|why| failed(why.to_string()))?;
        let id = self.next;
        self.next += 2;
        let mut message = header(body.len(), id, REQUEST).to_vec();
        message.extend_from_slice(&body);
        let sent = self.stream.write_all(&message);
        sent.map_err(|why| failed(format!("{method}: {why}"))).map(|()| Asked(id))
    }

    /// The answer to what was asked.
    ///
    /// # Errors
    /// As [`Wire::call`].
    pub fn answer<T: Message>(&mut self, asked: Asked) -> Result<T, Wrong> {
        let body = loop {
            if let Some(body) = self.early.remove(&asked.0) {
                break body;
            }
            let (id, body) = self.read()?;
            self.early.insert(id, body);
        };
        let response = ttrpc::Response::parse_from_bytes(&body);
        let response = response.map_err(|why| failed(format!("no answer of ttrpc's: {why}")))?;
        let refusal = response.status.as_ref().filter(|status| status.code.value() != 0);
        if let Some(status) = refusal {
            return Err(failed(format!("refused: {}", status.message)));
        }
        T::parse_from_bytes(&response.payload).map_err(|why| failed(format!("its answer: {why}")))
    }

    fn read(&mut self) -> Result<(u32, Vec<u8>), Wrong> {
        let mut head = [0; HEADER];
        self.fill(&mut head)?;
        let (length, id, kind) = parsed(head);
        if kind != RESPONSE || length > LONGEST {
            return Err(failed(format!("a message of type {kind} and {length} bytes")));
        }
        let mut body = vec![0; length];
        self.fill(&mut body)?;
        Ok((id, body))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Wrong> {
        self.stream.read_exact(bytes).map_err(|why| match why.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                Wrong::Hung(format!("given up: no answer after {} s", PATIENCE.as_secs()))
            }
            _ => failed(format!("the connection broke: {why}")),
        })
    }
}

fn header(length: usize, id: u32, kind: u8) -> [u8; HEADER] {
    let mut head = [0; HEADER];
    head[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    head[4..8].copy_from_slice(&id.to_be_bytes());
    head[8] = kind;
    head
}

fn parsed(head: [u8; HEADER]) -> (usize, u32, u8) {
    let number =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    (usize::try_from(number(0)).unwrap_or(usize::MAX), number(4), head[8])
}

fn failed(why: String) -> Wrong {
    Wrong::Failed(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerd_shim_protos::api::{ConnectRequest, ConnectResponse};
    use rrun_harness::Must;

    fn respond(stream: &mut UnixStream, id: u32, response: &ttrpc::Response) {
        let body = response.write_to_bytes().must("encode");
        stream.write_all(&header(body.len(), id, RESPONSE)).must("answer");
        stream.write_all(&body).must("answer");
    }

    fn over(stream: UnixStream) -> Wire {
        Wire::over(stream, "s").map_err(|wrong| format!("{wrong:?}")).must("make a wire")
    }

    fn ask(wire: &mut Wire) -> Asked {
        let asked = wire.ask("Connect", &ConnectRequest::new());
        asked.map_err(|wrong| format!("{wrong:?}")).must("ask")
    }

    fn hear(wire: &mut Wire, asked: Asked) -> u32 {
        let heard = wire.answer::<ConnectResponse>(asked);
        heard.map_err(|wrong| format!("{wrong:?}")).must("hear").shim_pid
    }

    fn of_pid(pid: u32) -> ttrpc::Response {
        let answer = ConnectResponse { shim_pid: pid, ..Default::default() };
        let payload = answer.write_to_bytes().must("encode");
        ttrpc::Response { payload, ..Default::default() }
    }

    #[test]
    fn answers_may_come_in_another_order_than_questions() {
        let (ours, mut theirs) = UnixStream::pair().must("a pair");
        let mut wire = over(ours);
        let asked = [(); 2].map(|()| ask(&mut wire));
        respond(&mut theirs, 3, &of_pid(33));
        respond(&mut theirs, 1, &of_pid(11));
        let pids = asked.map(|asked| hear(&mut wire, asked));
        assert_eq!(pids, [11, 33]);
    }

    #[test]
    fn a_refusal_is_quoted_and_an_end_is_no_answer() {
        let (ours, mut theirs) = UnixStream::pair().must("a pair");
        let mut wire = over(ours);
        let status = ttrpc::Status {
            code: ttrpc::Code::NOT_FOUND.into(),
            message: "no such container".into(),
            ..Default::default()
        };
        respond(
            &mut theirs,
            1,
            &ttrpc::Response { status: Some(status).into(), ..Default::default() },
        );
        let refused = wire.call::<ConnectResponse>("Kill", &ConnectRequest::new());
        assert_eq!(refused.err(), Some(failed("Kill: refused: no such container".into())));
        drop(theirs);
        let broken = wire.call::<ConnectResponse>("Kill", &ConnectRequest::new()).err();
        assert!(broken.must("see it").sentence().starts_with("Kill: "));
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        assert_eq!(parsed(header(300, 7, RESPONSE)), (300, 7, RESPONSE));
        assert_eq!(header(300, 7, RESPONSE), [0, 0, 1, 44, 0, 0, 0, 7, 2, 0]);
    }
}
