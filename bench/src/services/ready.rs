//! Whether services answer, and who is to blame when they don't.
//!
//! The last of a chain is asked until it answers. What a newcomer would get wrong: the one that is asked is seldom the one
//! to blame; when the time is over each is asked by itself, in the order in which they depend on each other, and the
//! first that does not answer is named, with the last that it said.

use super::http::Client;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two questions; the same for every subject, and part of what is measured.
const PAUSE: Duration = Duration::from_millis(2);

/// How much of a log is shown.
const LAST_LINES: usize = 8;

/// A service, and how it shows that it is there.
#[derive(Debug, Clone)]
pub struct Probe {
    /// As errors call it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it must answer with 200; without one, being reached is enough.
    pub path: Option<&'static str>,
    /// What it says is written there.
    pub log: PathBuf,
}

impl Probe {
    fn ask(&self) -> Result<(), String> {
        let Some(path) = self.path else {
            let limit = Duration::from_secs(1);
            let reached = TcpStream::connect_timeout(&self.address, limit);
            return reached.map(drop).map_err(|why| format!("connect to {}: {why}", self.address));
        };
        match Client::of(self.address).get(path)? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("{path} is answered with status {}", answer.status)),
        }
    }

    fn blame(&self, why: &str) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        let said = if last.is_empty() { "it said nothing".to_owned() } else { last };
        format!("{} is not ready: {why}\nthe last that {} said: {said}", self.name, self.name)
    }
}

/// Waits until the last of `chain` answers.
///
/// # Errors
/// The first of the chain that does not, by name, with the last lines of its log.
pub fn wait(chain: &[Probe], patience: Duration) -> Result<(), String> {
    let Some(last) = chain.last() else { return Ok(()) };
    let deadline = Instant::now() + patience;
    while last.ask().is_err() {
        if Instant::now() > deadline {
            return culprit(chain).map_or(Ok(()), Err);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Nobody when all of them answer at last.
fn culprit(chain: &[Probe]) -> Option<String> {
    chain.iter().find_map(|probe| Some(probe.blame(&probe.ask().err()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rrun_harness::Must;
    use std::io::Write;
    use std::net::TcpListener;

    fn probe(name: &str, listener: &TcpListener, path: Option<&'static str>) -> Probe {
        let address = listener.local_addr().must("ask for the address");
        Probe { name: name.to_owned(), address, path, log: PathBuf::from("/nonexistent") }
    }

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").must("listen")
    }

    /// Answers everyone with `status`, for as long as the tests run.
    fn serve(status: &'static str) -> TcpListener {
        let listener = listener();
        let serving = listener.try_clone().must("share the listener");
        std::thread::spawn(move || {
            for mut stream in serving.incoming().flatten() {
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        listener
    }

    #[test]
    fn a_chain_that_answers_is_ready() {
        let (database, proxy) = (listener(), serve("200 OK"));
        let chain = [probe("database", &database, None), probe("proxy", &proxy, Some("/"))];
        assert_eq!(wait(&chain, Duration::from_secs(5)), Ok(()));
    }

    #[test]
    fn the_service_that_never_becomes_ready_is_named_with_its_last_words() {
        let log = std::env::temp_dir().join(format!("rrun-bench-ready-{}", std::process::id()));
        std::fs::write(&log, "begin\n1\n2\n3\n4\n5\n6\n7\nno database\n").must("write a log");
        let (database, api, proxy) = (listener(), serve("503 No"), serve("502 Bad"));
        let mut chain = [
            probe("database", &database, None),
            probe("api", &api, Some("/")),
            probe("proxy", &proxy, Some("/")),
        ];
        chain[1].log.clone_from(&log);
        let said = wait(&chain, Duration::ZERO).err().must("wait in vain");
        std::fs::remove_file(&log).must("remove the log");
        assert!(said.starts_with("api is not ready: / is answered with status 503"), "{said}");
        assert!(said.ends_with("7\nno database") && !said.contains("begin"), "{said}");
    }

    #[test]
    fn a_service_that_has_never_listened_is_named_before_those_that_need_it() {
        let gone = listener();
        let mut chain = [probe("database", &gone, None), probe("api", &serve("503 No"), Some("/"))];
        drop(gone);
        chain[0].log = PathBuf::from("/nonexistent");
        let said = wait(&chain, Duration::ZERO).err().must("wait in vain");
        assert!(said.starts_with("database is not ready: connect to"), "{said}");
        assert!(said.ends_with("it said nothing"), "{said}");
    }
}
