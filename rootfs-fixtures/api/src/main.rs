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

use bank::{Bank, Refusal};
use call::Call;
use serde_json::{Value, json};
use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tiny_http::{Header, Request, Response, Server};

/// Each has a connection to the database of its own.
const WORKERS: usize = 4;

/// Where it listens unless it is told.
const ADDRESS: &str = "0.0.0.0:8080";

/// How long the database may take to come up unless it is told.
const PATIENCE: u64 = 30;

/// No request that it understands is longer.
const LONGEST_BODY: usize = 64 * 1024;

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
    let bank = Bank::at(&source)?;
    let patience = Duration::from_secs(seconds(env::var("DB_PATIENCE_SECONDS").ok().as_deref())?);
    let address = env::var("HTTP_SERVER_ADDRESS").unwrap_or_else(|_| ADDRESS.to_owned());
    let server = Server::http(&*address).map_err(|why| format!("listen on {address}: {why}"))?;
    let server = Arc::new(server);
    println!("api: listening on {address}");
    let ready = Arc::new(AtomicBool::new(false));
    for _ in 0..WORKERS {
        let (server, ready, bank) = (Arc::clone(&server), Arc::clone(&ready), bank.clone());
        std::thread::spawn(move || work(&server, &ready, bank));
    }
    bank.clone().open(patience)?;
    ready.store(true, Ordering::Release);
    println!("api: the database is ready");
    // The workers never end; a signal ends the process.
    loop {
        std::thread::park();
    }
}

fn seconds(word: Option<&str>) -> Result<u64, String> {
    let Some(word) = word else { return Ok(PATIENCE) };
    word.parse().map_err(|_| format!("DB_PATIENCE_SECONDS is a number of seconds, not {word:?}"))
}

fn work(server: &Server, ready: &AtomicBool, mut bank: Bank) {
    loop {
        match server.recv() {
            Ok(request) => answer(request, ready.load(Ordering::Acquire), &mut bank),
            Err(why) => eprintln!("api: receive: {why}"),
        }
    }
}

fn answer(mut request: Request, ready: bool, bank: &mut Bank) {
    let (status, body) = match read(&mut request) {
        Err(why) => (400, json!({ "error": why })),
        Ok(Call::Health) => (200, json!({ "status": "ok" })),
        Ok(_) if !ready => (503, json!({ "error": "the database is not ready" })),
        Ok(call) => reply(bank.answer(&call), &call),
    };
    let mut response = Response::from_string(body.to_string()).with_status_code(status);
    if let Ok(json) = Header::from_bytes("Content-Type", "application/json") {
        response.add_header(json);
    }
    // Who has gone away does not want it.
    drop(request.respond(response));
}

fn read(request: &mut Request) -> Result<Call, String> {
    let (method, path) = (request.method().to_string(), request.url().to_owned());
    let mut body = Vec::new();
    let limit = u64::try_from(LONGEST_BODY).unwrap_or(u64::MAX);
    let reader = std::io::Read::take(request.as_reader(), limit + 1);
    std::io::copy(&mut { reader }, &mut body).map_err(|why| format!("read the request: {why}"))?;
    if body.len() > LONGEST_BODY {
        return Err(format!("longer than {LONGEST_BODY} bytes"));
    }
    Call::parse(&method, &path, &body)
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
