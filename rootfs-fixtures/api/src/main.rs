//! A small bank on PostgreSQL, by HTTP and JSON: accounts and transfers between them.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /health` | 200 as soon as it listens, with or without a database |
//! | `GET /`, `GET /accounts` | the first hundred accounts |
//! | `POST /accounts` `{"owner", "balance", "currency"}` | 201, the account |
//! | `GET /accounts/ID` | the account |
//! | `POST /transfers` `{"from_account_id", "to_account_id", "amount"}` | 201, the transfer |
//!
//! The environment says where: `DB_SOURCE` (an address as libpq writes it, of a host, an address or a directory with a
//! socket), `HTTP_SERVER_ADDRESS` (0.0.0.0:8080), `DB_PATIENCE_SECONDS` (30). It refuses TLS, sessions and users: it is
//! there to be started, asked and killed. What a newcomer would get wrong: it listens before the database is there and
//! answers 503 until then, as a program behind a proxy should.

mod bank;
mod call;
mod http;

use bank::{Bank, Refusal};
use call::Call;
use http::Request;
use serde_json::{Value, json};
use std::env;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Connections to the database; who asks while all are busy waits for one.
const SESSIONS: usize = 4;

/// Where it listens unless it is told.
const ADDRESS: &str = "0.0.0.0:8080";

/// How long the database may take to come up unless it is told.
const PATIENCE: u64 = 30;

/// What all connections share.
struct Service {
    /// Whether the database has been there.
    ready: AtomicBool,
    idle: Mutex<Vec<Bank>>,
    returned: Condvar,
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("api: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let source = env::var("DB_SOURCE").map_err(|_| {
        "DB_SOURCE must say where the database is: postgresql://USER:PASSWORD@HOST:5432/NAME"
            .to_owned()
    })?;
    let mut bank = Bank::at(&source)?;
    let patience = Duration::from_secs(seconds(env::var("DB_PATIENCE_SECONDS").ok().as_deref())?);
    let address = env::var("HTTP_SERVER_ADDRESS").unwrap_or_else(|_| ADDRESS.to_owned());
    let listener = TcpListener::bind(&*address).map_err(|why| format!("{address}: {why}"))?;
    println!("api: listening on {address}");
    let service = Arc::new(Service {
        ready: AtomicBool::new(false),
        idle: Mutex::new(vec![bank.clone(); SESSIONS]),
        returned: Condvar::new(),
    });
    let accepting = Arc::clone(&service);
    std::thread::spawn(move || accept(&listener, &accepting));
    bank.open(patience)?;
    service.ready.store(true, Ordering::Release);
    println!("api: the database is ready");
    drop(bank);
    // The other threads never end; a signal ends the process.
    loop {
        std::thread::park();
    }
}

fn accept(listener: &TcpListener, service: &Arc<Service>) {
    for stream in listener.incoming() {
        let connection = stream.and_then(|mut stream| {
            stream.set_nodelay(true)?;
            let service = Arc::clone(service);
            // Who has gone away is no error of ours.
            let serve = move || drop(service.serve(&mut stream));
            std::thread::Builder::new().spawn(serve)
        });
        if let Err(why) = connection {
            eprintln!("api: a connection: {why}");
            // Of descriptors or threads there are more when others have gone.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Service {
    fn serve(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        http::serve(stream, |request| {
            let (status, body) = self.answer(request);
            (status, body.to_string())
        })
    }

    fn answer(&self, request: &Request) -> (u16, Value) {
        match Call::parse(&request.method, &request.url, &request.body) {
            Err(why) => (400, json!({ "error": why })),
            Ok(Call::Health) => (200, json!({ "status": "ok" })),
            Ok(_) if !self.ready.load(Ordering::Acquire) => {
                (503, json!({ "error": "the database is not ready" }))
            }
            Ok(call) => {
                let mut bank = self.take();
                let answer = bank.answer(&call);
                self.give_back(bank);
                reply(answer, &call)
            }
        }
    }

    fn take(&self) -> Bank {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(bank) = idle.pop() {
                return bank;
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, bank: Bank) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bank);
        self.returned.notify_one();
    }
}

fn seconds(word: Option<&str>) -> Result<u64, String> {
    let Some(word) = word else { return Ok(PATIENCE) };
    word.parse().map_err(|_| format!("DB_PATIENCE_SECONDS is a number of seconds, not {word:?}"))
}

fn reply(answer: Result<Value, Refusal>, call: &Call) -> (u16, Value) {
    match answer {
        Ok(value) => (if call.makes() { 201 } else { 200 }, value),
        Err(Refusal::Unknown(why)) => (404, json!({ "error": why })),
        Err(Refusal::Unfit(why)) => (422, json!({ "error": why })),
        Err(Refusal::Down(why)) => {
            eprintln!("api: {why}");
            (503, json!({ "error": "the database does not answer" }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_number_of_seconds() {
        assert_eq!(seconds(None), Ok(PATIENCE));
        assert_eq!(seconds(Some("5")), Ok(5));
        assert!(seconds(Some("soon")).is_err_and(|why| why.contains("\"soon\"")));
    }

    #[test]
    fn what_was_made_is_created_and_what_went_wrong_has_a_status() {
        let make = Call::Open { owner: "ann".into(), balance: 1, currency: "EUR".into() };
        assert_eq!(reply(Ok(json!({})), &make).0, 201);
        assert_eq!(reply(Ok(json!([])), &Call::Accounts).0, 200);
        assert_eq!(reply(Err(Refusal::Unknown("no".into())), &Call::Account(9)).0, 404);
        assert_eq!(reply(Err(Refusal::Unfit("no".into())), &make).0, 422);
        assert_eq!(reply(Err(Refusal::Down("no".into())), &make).0, 503);
    }
}
