//! TCP: how long a byte takes to and fro, and how many bytes go in a second.
//!
//! ```text
//! client: 'r'            server echoes byte by byte
//! client: 's', bytes …   server swallows them until the end, and answers how many there were (8 bytes)
//! ```
//!
//! `network-serve` serves; `network server=ADDRESS` measures the loopback and the way to that server. In a guest,
//! `interface=eth0 address=ADDRESS` make a way first. It refuses to believe its own writes: what was sent lies in
//! buffers, so a stream ends when the server has counted it. What a newcomer would get wrong: without `TCP_NODELAY` the second byte waits for the first one's acknowledgement.

use crate::arguments::Arguments;
use crate::netlink;
use crate::voice::Voice;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Where a server listens: a number of our own below the range that the kernel gives to clients.
const PORT: u16 = 7911;

/// Bytes that are written at once in a stream.
const PIECE: usize = 128 << 10;

const PIECES_OF_A_MEBIBYTE: f64 = 8.0;

/// Round trips before the first that counts: the path's caches are filled, the neighbour's address is known.
const WARM: usize = 20;

/// How long the server may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves one connection after the other, for ever; says `listening 1` first.
pub fn serve(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let address = address(arguments.text("address", "0.0.0.0"))?;
    let listener = TcpListener::bind((address, PORT)).map_err(|why| format!("listen: {why}"))?;
    voice.say("listening", &[1.0])?;
    answer_all(&listener).map_err(|why| format!("serve: {why}"))
}

/// One turn.
pub fn network(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let interface = arguments.text("interface", "");
    if !interface.is_empty() {
        let ours = address(arguments.text("address", ""))?;
        let prepared = netlink::up("lo")
            .and_then(|()| netlink::up(interface))
            .and_then(|()| netlink::address(interface, ours));
        prepared.map_err(|why| format!("{interface}: {why}"))?;
    }
    measure("loopback", at_home()?, arguments, voice)?;
    measure("away", address(arguments.text("server", ""))?, arguments, voice)
}

fn measure(
    way: &str,
    server: Ipv4Addr,
    arguments: &Arguments,
    voice: &mut Voice,
) -> Result<(), String> {
    let trips = arguments.count("trips", 200)?;
    let length = Duration::from_millis(arguments.number("stream", 300)?);
    let server = SocketAddr::from((server, PORT));
    let told = |what: &str, why: io::Error| format!("{way}: {what}: {why}");
    let trips = round_trips(server, trips).map_err(|why| told("round trips", why))?;
    voice.say(&format!("{way}.rtt"), &trips)?;
    let speed = stream(server, length).map_err(|why| told("stream", why))?;
    voice.say(&format!("{way}.stream"), &[speed])
}

fn address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|why| format!("address {text:?}: {why}"))
}

/// A server in this process, which ends with it.
fn at_home() -> Result<Ipv4Addr, String> {
    let home = Ipv4Addr::LOCALHOST;
    let listener = TcpListener::bind((home, PORT)).map_err(|why| format!("listen: {why}"))?;
    thread::spawn(move || answer_all(&listener));
    Ok(home)
}

fn answer_all(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        // A client that went away in the middle is that client's failure.
        answer(stream).ok();
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind == *b"r" {
        let mut byte = [0];
        while stream.read(&mut byte)? == 1 {
            stream.write_all(&byte)?;
        }
        return Ok(());
    }
    let mut buffer = vec![0; PIECE];
    let mut swallowed: u64 = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return stream.write_all(&swallowed.to_be_bytes()),
            count => swallowed += count as u64,
        }
    }
}

fn connect(address: SocketAddr, kind: u8) -> io::Result<TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.write_all(&[kind])?;
                return Ok(stream);
            }
            Err(why) if Instant::now() > deadline => {
                return Err(io::Error::new(why.kind(), format!("connect to {address}: {why}")));
            }
            // The server is being started, or the network is.
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Microseconds of each.
fn round_trips(address: SocketAddr, trips: usize) -> io::Result<Vec<f64>> {
    let mut stream = connect(address, b'r')?;
    let mut taken = Vec::with_capacity(trips);
    for number in 0..WARM + trips {
        let sent = [u8::try_from(number % 251).unwrap_or_default()];
        let mut back = [0];
        let began = Instant::now();
        stream.write_all(&sent)?;
        stream.read_exact(&mut back)?;
        let microseconds = began.elapsed().as_secs_f64() * 1e6;
        if back != sent {
            return Err(io::Error::other("another byte came back than was sent"));
        }
        if number >= WARM {
            taken.push(microseconds);
        }
    }
    Ok(taken)
}

/// MiB/s that have arrived.
fn stream(address: SocketAddr, length: Duration) -> io::Result<f64> {
    let mut stream = connect(address, b's')?;
    let piece = vec![b'z'; PIECE];
    let (began, mut pieces) = (Instant::now(), 0_u32);
    while began.elapsed() < length {
        stream.write_all(&piece)?;
        pieces += 1;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut arrived = [0; 8];
    stream.read_exact(&mut arrived)?;
    let seconds = began.elapsed().as_secs_f64();
    if u64::from_be_bytes(arrived) != u64::from(pieces) * PIECE as u64 {
        return Err(io::Error::other("the server counted other bytes than were sent"));
    }
    Ok(f64::from(pieces) / PIECES_OF_A_MEBIBYTE / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server at a port that the kernel chose.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || answer_all(&listener));
        address
    }

    #[test]
    fn every_round_trip_is_a_sample_and_the_first_ones_are_not() {
        let trips = round_trips(server(), 30).unwrap();
        assert_eq!(trips.len(), 30);
        assert!(trips.iter().all(|trip| *trip > 0.0));
    }

    #[test]
    fn a_stream_counts_what_has_arrived() {
        let speed = stream(server(), Duration::from_millis(1)).unwrap();
        assert!(speed.is_finite() && speed > 0.0);
    }

    #[test]
    fn a_server_that_counts_wrongly_is_not_believed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            io::copy(&mut client, &mut io::sink()).unwrap();
            client.write_all(&1_u64.to_be_bytes()).unwrap();
        });
        let told = stream(address, Duration::from_millis(1)).unwrap_err();
        assert!(told.to_string().contains("counted other bytes"), "{told}");
    }
}
