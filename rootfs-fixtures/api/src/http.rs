//! One connection: requests read from it, answers written to it, until either side has had enough.
//!
//! It refuses what a service behind a proxy never meets: bodies in chunks, more than 64 KiB, more than 32 headers. What a
//! newcomer would get wrong: a proxy keeps connections that it does not use; each has a thread that waits here and costs
//! nothing, and none of them waits for a free one of a pool.

use std::io::{self, Read, Write};

/// No request that this service understands is longer.
const LONGEST: usize = 64 * 1024;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query.
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    /// Whether the client wants to go on with this connection.
    kept: bool,
}

/// Where the first request in `bytes` ends, and what it is; nothing yet when more is to come.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Request)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(bytes).map_err(|why| format!("no request: {why}"))?;
    let httparse::Status::Complete(begin) = status else { return Ok(None) };
    // Kept unless said otherwise: that is what 1.1 added.
    let (mut length, mut kept) = (0, head.version == Some(1));
    for header in head.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| format!("a length of {value:?}"))?;
        } else if header.name.eq_ignore_ascii_case("connection") {
            kept = value.trim().eq_ignore_ascii_case("keep-alive")
                || (kept && !value.trim().eq_ignore_ascii_case("close"));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("a body in chunks".to_owned());
        }
    }
    if length > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    let Some(body) = bytes.get(begin..begin + length) else { return Ok(None) };
    let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
    let (method, url) = (word(head.method), word(head.path));
    Ok(Some((begin + length, Request { method, url, body: body.to_vec(), kept })))
}

/// Answers what comes until the connection ends.
pub(crate) fn serve(
    stream: &mut (impl Read + Write),
    mut answer: impl FnMut(&Request) -> (u16, String),
) -> io::Result<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match parse(&bytes) {
            Ok(Some((end, request))) => {
                bytes.drain(..end);
                let (status, body) = answer(&request);
                write(stream, status, &body, request.kept)?;
                if !request.kept {
                    return Ok(());
                }
            }
            Ok(None) if bytes.len() > 2 * LONGEST => return Ok(()),
            Ok(None) => {
                let read = stream.read(&mut piece)?;
                if read == 0 {
                    return Ok(());
                }
                bytes.extend_from_slice(&piece[..read]);
            }
            Err(why) => {
                let said = serde_json::json!({ "error": why }).to_string();
                return write(stream, 400, &said, false);
            }
        }
    }
}

fn write(stream: &mut impl Write, status: u16, body: &str, kept: bool) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        404 => "Not Found",
        422 => "Unprocessable Content",
        _ => "Service Unavailable",
    };
    let connection = if kept { "keep-alive" } else { "close" };
    let length = body.len();
    // In one piece: two would be two packets, the second held back until the first is acknowledged.
    let text = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: {connection}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that says all at once, and what it was answered.
    struct Said(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Said {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            // In pieces of a size that no border of a request falls on.
            let most = into.len().min(7);
            self.0.read(&mut into[..most])
        }
    }

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answers(said: &str) -> (Vec<String>, String) {
        let mut asked = Vec::new();
        let mut stream = Said(io::Cursor::new(said.as_bytes().to_vec()), Vec::new());
        serve(&mut stream, |request| {
            let body = String::from_utf8_lossy(&request.body);
            asked.push(format!("{} {} {body}", request.method, request.url));
            (200, "{}".to_owned())
        })
        .unwrap();
        (asked, String::from_utf8_lossy(&stream.1).into_owned())
    }

    #[test]
    fn requests_follow_each_other_on_one_connection_with_their_bodies() {
        let (asked, answered) = answers(
            "GET /a?b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\ncontent-length: 3\r\n\r\nxyzGET /d HTTP/1.1\r\n\r\n",
        );
        assert_eq!(asked, ["GET /a?b ", "POST /c xyz", "GET /d "]);
        assert_eq!(answered.matches("Connection: keep-alive\r\n\r\n{}").count(), 3);
    }

    #[test]
    fn a_connection_ends_when_the_client_wants_it_to() {
        let (asked, answered) =
            answers("GET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
        assert_eq!(asked, ["GET /a "]);
        assert!(answered.contains("Connection: close"), "{answered}");
        assert_eq!(answers("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n").0, ["GET /a "]);
    }

    #[test]
    fn what_is_no_request_is_answered_with_400_and_the_reason() {
        for (said, reason) in [
            ("hello\r\n\r\n", "no request"),
            ("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", "many"),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "longer than"),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "in chunks"),
        ] {
            let (asked, answered) = answers(said);
            assert!(asked.is_empty() && answered.contains(" 400 Bad Request"), "{answered}");
            assert!(answered.contains(reason), "{answered}");
        }
    }

    #[test]
    fn a_request_that_is_not_complete_is_waited_for() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost"), Ok(None));
        assert_eq!(parse(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nx"), Ok(None));
    }
}
