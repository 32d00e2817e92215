//! Files: what a read, a flush, a name and a stream of bytes cost in a directory, call by call.
//!
//! `files disk=DIR overlay=DIR tmpfs=DIR`: the cases of each kind of directory that was named. `disk-files` is a guest's:
//! it mounts the disk first. It refuses to measure a read of what was never written: a hole, and an extent that was only
//! promised, cost no transfer; so whoever makes the directories has written [`DATA`]. What a newcomer would get wrong:
//! `O_DIRECT` wants the buffer's address aligned, too, not only its length.

use crate::arguments::Arguments;
use crate::voice::Voice;
use nix::mount::{MsFlags, mount};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// What is read and flushed at once.
const BLOCK: usize = 4096;

/// What is read and written at once in a stream.
const PIECE: usize = 1 << 20;

/// Threads that read at once in the case of eight requests under way.
const DEPTH: usize = 8;

/// The file that is read, in each directory: at least [`PIECE`] long, and on a disk as long as a stream.
const DATA: &str = "data";

/// Where a guest finds its disk, and mounts it.
const DISK: (&str, &str) = ("/dev/vda", "/disk");

/// How much is measured in one turn.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Calls of each kind.
    calls: usize,
    /// When a kind is left though it has fewer: a busy disk's flushes take a hundred times a quiet one's.
    time: Duration,
    /// MiB of each stream.
    stream: usize,
}

/// Calls of each kind that are made however long they take.
const AT_LEAST: usize = 10;

/// One turn in the directories that were named.
pub fn files(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let amount = Amount {
        calls: arguments.count("calls", 100)?,
        time: Duration::from_millis(arguments.number("ms", 100)?),
        stream: arguments.count("stream", 16)?,
    };
    for place in ["disk", "overlay", "tmpfs"] {
        let directory = arguments.text(place, "");
        if !directory.is_empty() {
            turn(place, Path::new(directory), amount, voice)
                .map_err(|why| format!("{directory}: {why}"))?;
        }
    }
    Ok(())
}

/// The same in a guest, whose disk has the directories that the host's places are made of.
pub fn disk_files(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let (device, disk) = DISK;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !Path::new(device).exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    place(device, disk, "ext4", "")?;
    let layers =
        "lowerdir=/disk/layers/lower,upperdir=/disk/layers/upper,workdir=/disk/layers/work";
    place("overlay", "/overlay", "overlay", layers)?;
    place("tmpfs", "/tmpfs", "tmpfs", "")?;
    let told = |why: io::Error| format!("fill the tmpfs: {why}");
    fs::copy("/disk/layers/lower/data", "/tmpfs/data").map_err(told)?;
    let worked = files(arguments, voice);
    // The next guest finds a clean disk.
    for mounted in ["/overlay", disk] {
        nix::mount::umount(mounted).map_err(|why| format!("unmount {mounted}: {why}"))?;
    }
    worked
}

fn place(source: &str, target: &str, kind: &str, options: &str) -> Result<(), String> {
    fs::create_dir_all(target).map_err(|why| format!("make {target}: {why}"))?;
    mount(Some(source), target, Some(kind), MsFlags::empty(), Some(options))
        .map_err(|why| format!("mount {target}: {why}"))
}

/// Every case that `place` has.
fn turn(place: &str, directory: &Path, amount: Amount, voice: &mut Voice) -> Result<(), String> {
    let mut say = |case: &str, found: io::Result<Vec<f64>>| {
        let name = format!("{place}.{case}");
        match found {
            Ok(samples) => voice.say(&name, &samples),
            Err(why) if why.kind() == io::ErrorKind::InvalidInput => {
                voice.missing(&name, &format!("the file system refuses O_DIRECT: {why}"))
            }
            Err(why) => Err(format!("{case}: {why}")),
        }
    };
    say("pread", cached(directory, amount))?;
    say("names", names(directory, amount))?;
    if place == "tmpfs" {
        return Ok(());
    }
    say("fsync", appends(directory, amount))?;
    if place == "overlay" {
        return Ok(());
    }
    say("write", written(directory, amount.stream))?;
    let opened = || {
        let name = directory.join(DATA);
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(name)
    };
    say("direct-1", opened().and_then(|file| direct(&file, amount, 1)))?;
    say("read", opened().and_then(|file| streamed(&file, amount.stream)))?;
    let began = Instant::now();
    let all = opened().and_then(|file| deep(&file, amount));
    let seconds = began.elapsed().as_secs_f64();
    let rate = all.as_ref().ok().map(|all| count(all.len()) / seconds);
    say("direct-8", all)?;
    match rate {
        Some(rate) => say("direct-8-rate", Ok(vec![rate])),
        None => say("direct-8-rate", Err(io::ErrorKind::InvalidInput.into())),
    }
}

/// Reads of a file that lies in the page cache.
fn cached(directory: &Path, amount: Amount) -> io::Result<Vec<f64>> {
    let file = File::open(directory.join(DATA))?;
    let mut buffer = vec![0; BLOCK];
    // A mebibyte, read once before: all of it is cached.
    let blocks = PIECE / BLOCK;
    for block in 0..blocks {
        file.read_exact_at(&mut buffer, (block * BLOCK) as u64)?;
    }
    let mut random = Random(2);
    samples(amount, || file.read_exact_at(&mut buffer, random.below(blocks as u64) * BLOCK as u64))
}

/// A name made and unmade.
fn names(directory: &Path, amount: Amount) -> io::Result<Vec<f64>> {
    let name = directory.join("name");
    samples(amount, || {
        drop(OpenOptions::new().write(true).create_new(true).open(&name)?);
        std::fs::remove_file(&name)
    })
}

/// A block at the end of a file, flushed to the disk.
fn appends(directory: &Path, amount: Amount) -> io::Result<Vec<f64>> {
    let name = directory.join("log");
    let mut file = File::create(&name)?;
    let block = vec![b'x'; BLOCK];
    let found = samples(amount, || {
        file.write_all(&block)?;
        file.sync_all()
    });
    drop(file);
    std::fs::remove_file(&name)?;
    found
}

/// Random reads beside the page cache, one after the other.
fn direct(file: &File, amount: Amount, seed: u64) -> io::Result<Vec<f64>> {
    let blocks = file.metadata()?.len() / BLOCK as u64;
    let mut space = Aligned::of(BLOCK);
    let mut random = Random(seed * 2 + 1);
    samples(amount, || file.read_exact_at(space.bytes(), random.below(blocks) * BLOCK as u64))
}

/// The same from eight threads at once.
fn deep(file: &File, amount: Amount) -> io::Result<Vec<f64>> {
    let each = Amount { calls: amount.calls.div_ceil(DEPTH), ..amount };
    let found: io::Result<Vec<Vec<f64>>> = thread::scope(|scope| {
        let read = |seed| scope.spawn(move || direct(file, each, seed + 10));
        let readers: Vec<_> = (0..DEPTH as u64).map(read).collect();
        let joined = readers.into_iter().map(|reader| {
            reader.join().unwrap_or_else(|_| Err(io::Error::other("a reader panicked")))
        });
        joined.collect()
    });
    Ok(found?.concat())
}

/// MiB/s of a file written from its beginning to its end, until the disk has it.
fn written(directory: &Path, mebibytes: usize) -> io::Result<Vec<f64>> {
    let name = directory.join("stream");
    let piece = vec![b'y'; PIECE];
    let began = Instant::now();
    let mut file = File::create(&name)?;
    for _ in 0..mebibytes {
        file.write_all(&piece)?;
    }
    file.sync_data()?;
    let seconds = began.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(&name)?;
    Ok(vec![count(mebibytes) / seconds])
}

/// MiB/s of a file read beside the page cache, from its beginning.
fn streamed(file: &File, mebibytes: usize) -> io::Result<Vec<f64>> {
    let mut space = Aligned::of(PIECE);
    let began = Instant::now();
    for piece in 0..mebibytes {
        file.read_exact_at(space.bytes(), (piece * PIECE) as u64)?;
    }
    Ok(vec![count(mebibytes) / began.elapsed().as_secs_f64()])
}

/// Microseconds of each call; the two readings of the clock are in them.
fn samples(amount: Amount, mut call: impl FnMut() -> io::Result<()>) -> io::Result<Vec<f64>> {
    let mut taken = Vec::with_capacity(amount.calls);
    let first = Instant::now();
    while taken.len() < amount.calls && (taken.len() < AT_LEAST || first.elapsed() < amount.time) {
        let began = Instant::now();
        call()?;
        taken.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(taken)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A buffer at a multiple of [`BLOCK`], cut out of a longer one.
struct Aligned {
    longer: Vec<u8>,
    length: usize,
}

impl Aligned {
    fn of(length: usize) -> Self {
        Self { longer: vec![0; length + BLOCK], length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        let from = self.longer.as_ptr().align_offset(BLOCK);
        &mut self.longer[from..from + self.length]
    }
}

/// xorshift64: the same places in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Amount = Amount { calls: 3, time: Duration::from_secs(9), stream: 1 };

    #[test]
    fn a_kind_that_takes_long_is_left_early_and_not_too_early() {
        let amount = Amount { calls: 1000, time: Duration::ZERO, stream: 1 };
        assert_eq!(samples(amount, || Ok(())).unwrap().len(), AT_LEAST);
        assert_eq!(samples(THREE, || Ok(())).unwrap().len(), 3);
    }

    #[test]
    fn a_buffer_for_direct_reads_is_aligned_and_long_enough() {
        for length in [BLOCK, PIECE] {
            let mut space = Aligned::of(length);
            assert_eq!(space.bytes().len(), length);
            assert!(space.bytes().as_ptr().addr().is_multiple_of(BLOCK));
        }
    }

    #[test]
    fn calls_are_counted_and_only_the_data_is_left() {
        let directory = std::env::temp_dir().join(format!("rrun-bench-{}-ops", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(DATA), vec![7; PIECE]).unwrap();
        let found = [cached, names, appends].map(|case| case(&directory, THREE).unwrap());
        let speed = written(&directory, 1).unwrap();
        let left: Vec<_> = fs::read_dir(&directory).unwrap().flatten().collect();
        fs::remove_dir_all(&directory).unwrap();
        assert!(found.iter().flatten().all(|microseconds| *microseconds > 0.0));
        assert_eq!(found.map(|samples| samples.len()), [3, 3, 3]);
        assert!(speed[0] > 0.0);
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn a_shorter_file_than_is_read_is_an_error() {
        let directory = std::env::temp_dir().join(format!("rrun-bench-{}-cut", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(DATA), b"short").unwrap();
        let found = cached(&directory, THREE);
        fs::remove_dir_all(&directory).unwrap();
        assert!(found.is_err());
    }
}
