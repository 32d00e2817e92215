//! `rrun-cri`: what a kubelet asks of a containerd, asked by a test.
//!
//! Knows the interface's messages as a table (`cri.proto`) and speaks them as JSON; exec and attach over the runtime's
//! streaming server. Refuses to think: pods, restarts and replicas are the test's. What a newcomer would get wrong: the
//! streaming server listens in containerd's network namespace, so `exec` and `attach` have to run there.

#![forbid(unsafe_code)]

mod grpc;
mod manifest;
mod message;
mod stream;

use serde_json::{Value, json};
use std::process::ExitCode;
use stream::Streams;

const USAGE: &str = "\
rrun-cri SOCKET call METHOD [JSON]              one call, for instance: call StopPodSandbox '{\"pod_sandbox_id\": …}'
rrun-cri SOCKET exec [-i|-it] CONTAINER WORD…  a command in a container; ends as the command does
rrun-cri SOCKET attach [-i|-it] CONTAINER      a container's own streams
rrun-cri manifest FILE…                         the documents of YAML files as a JSON array";

/// Errors are sentences for a person.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["manifest", files @ ..] if !files.is_empty() => manifest::read(files).map(|documents| {
            println!("{documents}");
            0
        }),
        [socket, "call", method, rest @ ..] if rest.len() < 2 => {
            call(socket, method, rest.first().unwrap_or(&"{}")).map(|answer| {
                println!("{answer}");
                0
            })
        }
        [socket, "exec", rest @ ..] => exec(socket, rest),
        [socket, "attach", rest @ ..] => attach(socket, rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("rrun-cri: {why}");
            ExitCode::FAILURE
        }
    }
}

/// One call, JSON for JSON.
fn call(socket: &str, method: &str, request: &str) -> Result<String> {
    let method = message::Method::named(method)?;
    let answer = grpc::call(socket, &method.path, method.encode(request)?)?;
    method.decode(&answer)
}

fn exec(socket: &str, words: &[&str]) -> Result<u8> {
    let (streams, words) = Streams::parse(words)?;
    let (container, command) = words.split_first().ok_or(USAGE)?;
    let mut request = streams.request(container);
    request["cmd"] = json!(command);
    stream::relay(&url(&call(socket, "Exec", &request.to_string())?)?, streams)
}

fn attach(socket: &str, words: &[&str]) -> Result<u8> {
    let (streams, words) = Streams::parse(words)?;
    let [container] = words else { return Err(USAGE.to_owned()) };
    let request = streams.request(container);
    stream::relay(&url(&call(socket, "Attach", &request.to_string())?)?, streams)
}

/// Where the streaming server says that it waits.
fn url(answer: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(answer).map_err(|why| why.to_string())?;
    answer["url"].as_str().map(str::to_owned).ok_or_else(|| format!("no address in {answer}"))
}
