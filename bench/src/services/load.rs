//! A closed loop: so many clients, each asking again as soon as it was answered.
//!
//! What a newcomer would get wrong: a closed loop is kind to a server that stalls, because nobody asks meanwhile; so what
//! failed and the longest wait are kept beside the rate.

use super::http::{Answer, Client};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A rate is counted in windows of this length, so that one run of the loop has a spread.
const WINDOW: Duration = Duration::from_millis(250);

/// After a failure a client waits as long as this, or it would only count how fast a connection is refused.
const PAUSE: Duration = Duration::from_millis(2);

/// What the clients saw.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// For each answer with status 200 or 201: when it came, since the begin, and how long it took.
    pub answers: Vec<(Duration, Duration)>,
    /// Requests without such an answer.
    pub failed: usize,
    /// What the first of them was answered.
    pub failure: Option<String>,
    /// How long the loop ran.
    pub lasted: Duration,
}

impl Load {
    /// In microseconds, in the order in which the answers came.
    #[must_use]
    pub fn latencies(&self) -> Vec<f64> {
        self.answers.iter().map(|(_, took)| took.as_secs_f64() * 1e6).collect()
    }

    /// Answers a second, window by window; the last, incomplete window is left out.
    #[must_use]
    pub fn rates(&self) -> Vec<f64> {
        let windows = self.lasted.as_millis() / WINDOW.as_millis();
        let mut counts = vec![0.0; usize::try_from(windows).unwrap_or_default()];
        for (at, _) in &self.answers {
            let window = usize::try_from(at.as_millis() / WINDOW.as_millis()).unwrap_or(usize::MAX);
            if let Some(count) = counts.get_mut(window) {
                *count += 1.0;
            }
        }
        counts.iter().map(|count| count / WINDOW.as_secs_f64()).collect()
    }

    /// The longest time that nobody was answered.
    #[must_use]
    pub fn gap(&self) -> Duration {
        let mut times: Vec<Duration> = self.answers.iter().map(|(at, _)| *at).collect();
        times.push(Duration::ZERO);
        times.push(self.lasted);
        times.sort_unstable();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// What a client asks: of the client with this number, the request with this one.
pub type Ask = fn(&mut Client, usize, usize) -> Result<Answer, String>;

/// Asks with as many clients until `until` says so.
///
/// # Errors
/// A sentence: a client could not be started.
pub fn run<T>(
    address: SocketAddr,
    ask: Ask,
    clients: usize,
    until: impl FnOnce() -> T,
) -> Result<(Load, T), String> {
    let (stop, begin) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        let mut started = Vec::new();
        for number in 0..clients {
            let stop = &stop;
            let client = move || one(&mut Client::of(address), number, ask, (begin, stop));
            let thread = std::thread::Builder::new().spawn_scoped(scope, client);
            match thread {
                Ok(thread) => started.push(thread),
                Err(why) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(format!("client {number}: {why}"));
                }
            }
        }
        let result = until();
        stop.store(true, Ordering::Relaxed);
        let mut all = Load { lasted: begin.elapsed(), ..Load::default() };
        for thread in started {
            let one = thread.join().map_err(|_| "a client has panicked".to_owned())?;
            all.answers.extend(one.answers);
            all.failed += one.failed;
            all.failure = all.failure.or(one.failure);
        }
        all.answers.sort_unstable();
        Ok((all, result))
    })
}

fn one(
    client: &mut Client,
    number: usize,
    ask: Ask,
    (begin, stop): (Instant, &AtomicBool),
) -> Load {
    let mut seen = Load::default();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let failure = match ask(client, number, seen.answers.len()) {
            Ok(answer) if matches!(answer.status, 200 | 201) => {
                seen.answers.push((begin.elapsed(), asked.elapsed()));
                continue;
            }
            Ok(answer) => format!("status {}", answer.status),
            Err(why) => why,
        };
        seen.failed += 1;
        seen.failure.get_or_insert(failure);
        std::thread::sleep(PAUSE);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(at: &[u64], lasted: u64) -> Load {
        let answers = at.iter().map(|at| (Duration::from_millis(*at), Duration::from_millis(1)));
        let lasted = Duration::from_millis(lasted);
        Load { answers: answers.collect(), lasted, ..Load::default() }
    }

    #[test]
    fn a_rate_is_counted_in_whole_windows() {
        let load = load(&[10, 20, 260, 510], 600);
        assert_eq!(load.rates(), [8.0, 4.0]);
        assert_eq!(load.latencies(), [1000.0; 4]);
    }

    #[test]
    fn the_gap_is_where_nobody_was_answered_the_ends_included() {
        assert_eq!(load(&[10, 40, 45], 60).gap(), Duration::from_millis(30));
        assert_eq!(load(&[10], 60).gap(), Duration::from_millis(50));
        assert_eq!(load(&[], 60).gap(), Duration::from_millis(60));
    }

    #[test]
    fn clients_that_are_refused_count_failures_and_say_why() {
        // Port 1 of this machine: nobody listens there.
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let ran = run(
            address,
            |client, _, _| client.get("/"),
            2,
            || std::thread::sleep(Duration::from_millis(5)),
        );
        let (seen, ()) = ran.unwrap();
        assert!(seen.failed >= 2 && seen.answers.is_empty(), "{seen:?}");
        assert!(seen.failure.is_some_and(|why| why.contains("connect to 127.0.0.1:1")));
    }
}
