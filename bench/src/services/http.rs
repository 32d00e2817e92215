//! As much of HTTP/1.1 as it takes to ask a proxy and to read its answer.
//!
//! It refuses redirects, TLS and bodies whose length nobody has said. What a newcomer would get wrong: a connection that is
//! made anew for each request measures the kernel's handshake; it is kept until something goes wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than this nobody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line of a header that is longer is no header.
const LONGEST_LINE: u64 = 8 * 1024;

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 is what is wanted.
    pub status: u16,
    /// As it came.
    pub body: Vec<u8>,
    /// Whether the server wants to go on with this connection.
    kept: bool,
}

impl Answer {
    /// Reads one, and nothing of what follows it.
    ///
    /// # Errors
    /// A sentence: it is no answer, or it ends too early.
    pub fn read(from: &mut impl BufRead) -> Result<Self, String> {
        let first = line(from)?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        let status = status.and_then(|word| word.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("no status line: {first:?}"))?;
        let (mut length, mut kept) = (None, true);
        loop {
            let header = line(from)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap_or((&header, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse().map_err(|_| format!("a length of {value:?}"))?);
            } else if name.eq_ignore_ascii_case("connection") {
                kept = !value.eq_ignore_ascii_case("close");
            }
        }
        let length: usize = length.ok_or("an answer whose length nobody has said")?;
        let mut body = vec![0; length];
        from.read_exact(&mut body).map_err(|why| format!("its {length} bytes: {why}"))?;
        Ok(Self { status, body, kept })
    }
}

fn line(from: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    let read = from.take(LONGEST_LINE).read_line(&mut line);
    match read {
        Ok(_) if line.ends_with('\n') => Ok(line.trim_end().to_owned()),
        Ok(_) => Err("it ended in the middle of a line".to_owned()),
        Err(why) => Err(format!("read a line: {why}")),
    }
}

/// A client with at most one connection.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Of the server at this address. Nothing is connected yet.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// GET.
    ///
    /// # Errors
    /// A sentence: no connection, no answer, or none in time. The next request makes a new connection.
    pub fn get(&mut self, path: &str) -> Result<Answer, String> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: services\r\n\r\n"))
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&mut self, path: &str, body: &str) -> Result<Answer, String> {
        let length = body.len();
        let kind = "Content-Type: application/json";
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: services\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn ask(&mut self, request: &str) -> Result<Answer, String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(|why| format!("connect to {}: {why}", self.address))?,
        };
        connection.get_mut().write_all(request.as_bytes()).map_err(|why| format!("ask: {why}"))?;
        let answer = Answer::read(&mut connection)?;
        if answer.kept {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    fn connect(&self) -> std::io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_what_follows_it_is_left() {
        let mut text: &[u8] = b"HTTP/1.1 200 OK\r\nContent-length: 2\r\n\r\n{}HTTP/1.1 404";
        let answer = Answer::read(&mut text);
        assert_eq!(answer, Ok(Answer { status: 200, body: b"{}".to_vec(), kept: true }));
        assert_eq!(text, b"HTTP/1.1 404");
    }

    #[test]
    fn a_server_that_closes_is_believed() {
        let mut text: &[u8] =
            b"HTTP/1.1 502 Bad Gateway\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n";
        let answer = Answer::read(&mut text);
        assert_eq!(answer, Ok(Answer { status: 502, body: Vec::new(), kept: false }));
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for (text, named) in [
            ("SSH-2.0-server\r\n\r\n", "no status line"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "its 5 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "\"many\""),
            ("HTTP/1.1 200 OK\r\n\r\n", "nobody has said"),
            ("HTTP/1.1 200 OK\r\nConte", "middle of a line"),
            ("", "middle of a line"),
        ] {
            let answer = Answer::read(&mut text.as_bytes());
            assert!(answer.as_ref().is_err_and(|why| why.contains(named)), "{text:?}: {answer:?}");
        }
    }
}
