//! One gRPC call over a unix socket.
//!
//! Knows the five bytes before a message and the trailers behind it. Refuses streams of messages and compression, which
//! nobody asks for. What a newcomer would get wrong: a failure has the HTTP status 200; it is in `grpc-status`, in the
//! trailers, or in the headers when there is no answer at all.

use crate::Result;
use bytes::{Buf, Bytes};
use h2::RecvStream;
use http::{HeaderMap, Method, Request};
use std::time::Duration;
use tokio::net::UnixStream;

/// Longer than any call of a test may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// The message that answers `message`, or the status that the server gave instead.
pub(crate) fn call(socket: &str, path: &str, message: Vec<u8>) -> Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("start the event loop: {why}"))?;
    let asked = async { tokio::time::timeout(PATIENCE, ask(socket, path, message)).await };
    let answer = runtime.block_on(asked);
    answer
        .unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")))
        .map_err(|why| format!("{path}: {why}"))
}

async fn ask(socket: &str, path: &str, message: Vec<u8>) -> Result<Vec<u8>> {
    let stream = UnixStream::connect(socket).await.map_err(|why| format!("{socket}: {why}"))?;
    let (client, connection) = h2::client::handshake(stream).await.map_err(told)?;
    // It ends with its only client.
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.map_err(told)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|why| why.to_string())?;
    let (answer, mut sending) = client.send_request(request, false).map_err(told)?;
    sending.send_data(framed(&message)?, true).map_err(told)?;
    let (head, mut body) = answer.await.map_err(told)?.into_parts();
    let read = read(&mut body).await?;
    let trailers = body.trailers().await.map_err(told)?.unwrap_or_default();
    drop((client, body));
    connection.abort();
    refusal(&trailers).or_else(|| refusal(&head.headers)).map_or(Ok(()), Err)?;
    unframed(&read)
}

async fn read(body: &mut RecvStream) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(told)?;
        // The server sends no more than a window's worth until it hears that we have read.
        body.flow_control().release_capacity(data.len()).map_err(told)?;
        read.extend_from_slice(&data);
    }
    Ok(read)
}

fn framed(message: &[u8]) -> Result<Bytes> {
    let length = u32::try_from(message.len()).map_err(|_| "a message of 4 GiB")?;
    Ok([&[0][..], &length.to_be_bytes(), message].concat().into())
}

fn unframed(mut read: &[u8]) -> Result<Vec<u8>> {
    if read.len() < 5 || read.get_u8() != 0 || read.get_u32() as usize != read.len() {
        return Err("the answer is not one plain message".into());
    }
    Ok(read.to_vec())
}

/// What the server says went wrong, if anything did.
fn refusal(headers: &HeaderMap) -> Option<String> {
    let text = |name| Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned());
    let status = text("grpc-status").filter(|status| status != "0")?;
    Some(format!("status {status}: {}", text("grpc-message").unwrap_or_default()))
}

fn told(error: h2::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_length_and_half_a_message_is_none() {
        let sent = framed(b"abc").map(|bytes| bytes.to_vec());
        assert_eq!(sent, Ok(b"\0\0\0\0\x03abc".to_vec()));
        assert_eq!(unframed(b"\0\0\0\0\x03abc"), Ok(b"abc".to_vec()));
        assert!(unframed(b"\0\0\0\0\x03ab").is_err());
        assert!(unframed(b"").is_err());
    }

    #[test]
    fn a_status_is_a_failure_unless_it_is_0() {
        let mut headers = HeaderMap::new();
        assert_eq!(refusal(&headers), None);
        headers.insert("grpc-status", http::HeaderValue::from_static("0"));
        assert_eq!(refusal(&headers), None);
        headers.insert("grpc-status", http::HeaderValue::from_static("5"));
        headers.insert("grpc-message", http::HeaderValue::from_static("not found"));
        assert_eq!(refusal(&headers), Some("status 5: not found".into()));
    }
}
