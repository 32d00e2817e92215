//! Work that a neighbour may disturb: the same piece of it over and over.
//!
//! | `kind=` | one piece |
//! | --- | --- |
//! | `cpu` | `steps` of integer work in each of `threads` threads |
//! | `memory` | `passes` over 64 MiB, one write to each cache line |
//! | `append` | `count` times 4 KiB appended to `file` and fsync |
//! | `echo` | `count` round trips of a byte to `address` over TCP; its value is their 99th percentile |
//! | `answer` | the other end of `echo`, at `address`: answers for ever |
//!
//! After each piece it says `tick VALUE TOOK`, in ns and by its own clock. It refuses to be asked for each piece: a
//! virtual machine without devices has nobody to ask it, and a service works on, too. What a newcomer would get wrong:
//! it takes the processor also while nobody listens, so only one of them may run at a time.

use crate::arguments::Arguments;
use crate::voice::Voice;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const SWEPT: usize = 64 << 20;

/// A piece of work; its value in nanoseconds, when that is not its duration.
type Piece = Box<dyn FnMut() -> Result<Option<u128>, String>>;

/// Whoever started it may have been killed.
const LONGEST: Duration = Duration::from_secs(300);

/// Works until it is ended.
pub fn run(asked: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let address = asked.text("address", "");
    let mut piece = match asked.text("kind", "") {
        "cpu" => cpu(asked.number("threads", 1)?, asked.number("steps", 1_000_000)?),
        "memory" => memory(asked.number("passes", 1)?),
        "append" => append(asked.text("file", ""), asked.number("count", 1)?)?,
        "echo" => echo(address, asked.number("count", 500)?)?,
        "answer" => return answer(address, voice),
        other => return Err(format!("there is no victim {other:?}")),
    };
    let end = Instant::now() + LONGEST;
    while Instant::now() < end {
        let began = Instant::now();
        let value = piece()?;
        let took = began.elapsed().as_nanos();
        #[allow(clippy::cast_precision_loss, reason = "nanoseconds of hours are exact")]
        let [value, took] = [value.unwrap_or(took), took].map(|nanoseconds| nanoseconds as f64);
        voice.say("tick", &[value, took])?;
    }
    Ok(())
}

/// Integer work that no compiler can shorten; also what limits are measured with.
#[must_use]
pub fn compute(steps: u64) -> u64 {
    let mut value = black_box(1_u64);
    for _ in 0..steps {
        value = value.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17) ^ steps;
    }
    black_box(value)
}

fn cpu(threads: u64, steps: u64) -> Piece {
    Box::new(move || {
        let others: Vec<_> = (1..threads).map(|_| thread::spawn(move || compute(steps))).collect();
        black_box(compute(steps));
        for other in others {
            other.join().map_err(|_| "a thread of the victim panicked".to_owned())?;
        }
        Ok(None)
    })
}

fn memory(passes: u64) -> Piece {
    let mut bytes = vec![1_u8; SWEPT];
    Box::new(move || {
        for _ in 0..passes {
            for line in bytes.chunks_exact_mut(64) {
                line[0] = line[0].wrapping_add(1);
            }
            black_box(&mut bytes);
        }
        Ok(None)
    })
}

fn append(path: &str, count: u64) -> Result<Piece, String> {
    let shown = path.to_owned();
    let told = move |why: std::io::Error| format!("{shown}: {why}");
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(&told)?;
    let block = [0x5a_u8; 4096];
    Ok(Box::new(move || {
        for _ in 0..count {
            file.write_all(&block).and_then(|()| file.sync_all()).map_err(&told)?;
        }
        // Not larger with every piece: the next one appends to an empty file.
        file.set_len(0).map_err(&told)?;
        Ok(None)
    }))
}

fn echo(address: &str, count: u64) -> Result<Piece, String> {
    let mut stream = connected(address)?;
    stream.set_nodelay(true).map_err(|why| format!("{address}: {why}"))?;
    Ok(Box::new(move || {
        let mut trips = Vec::new();
        for _ in 0..count {
            let began = Instant::now();
            let mut byte = [7];
            let trip = stream.write_all(&byte).and_then(|()| stream.read_exact(&mut byte));
            trip.map_err(|why| format!("echo: {why}"))?;
            trips.push(began.elapsed().as_nanos());
        }
        trips.sort_unstable();
        let index = (trips.len() * 99 / 100).min(trips.len().saturating_sub(1));
        Ok(trips.get(index).copied())
    }))
}

/// The other end may need a moment to listen.
fn connected(address: &str) -> Result<TcpStream, String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(why) if Instant::now() > deadline => return Err(format!("{address}: {why}")),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn answer(address: &str, voice: &mut Voice) -> Result<(), String> {
    let listener = TcpListener::bind(address).map_err(|why| format!("{address}: {why}"))?;
    voice.say("ready", &[1.0])?;
    for stream in listener.incoming() {
        let mut stream = stream.map_err(|why| format!("{address}: {why}"))?;
        stream.set_nodelay(true).map_err(|why| format!("{address}: {why}"))?;
        thread::spawn(move || {
            let mut byte = [0];
            while stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {}
        });
    }
    Ok(())
}
