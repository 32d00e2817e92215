//! Reads a tar stream: ustar, GNU long names, and pax records, one entry at a time.
//!
//! It knows the format and its lies; it refuses to know file systems. Our own because a layer is hostile input and the
//! details decide: extension records are bounded, sizes are 64-bit and pax's size wins over the header's (the two
//! disagreeing is how CVE-2025-62518 smuggled entries), header-only kinds have no body whatever they claim, as in the
//! Go reader that made most layers. What a newcomer would get wrong: the body of an entry must be skipped *by the
//! reader* when the caller did not read it, padding included.

mod header;
mod pax;

use crate::error::{Error, Kind, Result};
use crate::image::digest::unreadable;
use header::{Header, Type};
use pax::Extended;
use std::io::{self, Read};

/// The unit of the format, in bytes.
const BLOCK: usize = 512;
/// The longest extension record read into memory, in bytes; Go's archive/tar has the same bound.
const LONGEST_EXTENSION: u64 = 1024 * 1024;

/// What an entry makes. Names and link targets are the archive's, byte for byte, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file; its body follows.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to any text.
    Symlink(Vec<u8>),
    /// A second name of an earlier entry.
    HardLink(Vec<u8>),
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// One entry, extensions merged.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name as stored.
    pub name: Vec<u8>,
    /// What it makes.
    pub node: Node,
    /// Bytes of the body; 0 unless [`Node::File`].
    pub size: u64,
    /// Permission bits, with set-id and sticky: 12 bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time: seconds since the epoch, nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes: name, value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A reader that can also pass over bytes, cheaply where it is a file.
pub trait Skip: Read + Sized {
    /// Passes over `count` bytes.
    ///
    /// # Errors
    /// UnexpectedEof when there are fewer.
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.by_ref().take(count), &mut io::sink())?;
        if skipped < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// The stream, positioned in or after an entry.
pub struct Tar<R> {
    input: R,
    /// Of the current entry's body.
    left: u64,
    /// After the body, up to the next block.
    padding: u64,
    /// Bytes consumed so far.
    position: u64,
}

impl<R: Skip> Tar<R> {
    /// A stream from its first byte on.
    pub fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0, position: 0 }
    }

    /// Where the body of the current entry begins, in bytes from the start, if nothing of it was read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The input, positioned anywhere.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next entry, or `None` at the end of the archive.
    ///
    /// # Errors
    /// [`Kind::Archive`] for a malformed header or a truncated stream.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            self.skip_body()?;
            let Some(block) = self.block()? else { return Ok(None) };
            let header = Header::parse(&block)?;
            let size = match extended.size {
                Some(size) if !header.kind.is_extension() => size,
                _ => header.size,
            };
            let size = if header.kind.has_body() { size } else { 0 };
            self.left = size;
            self.padding = size.wrapping_neg() % BLOCK as u64;
            match header.kind {
                Type::PaxGlobal => drop(self.extension("global pax header")?),
                Type::Pax => extended.add_pax(&self.extension("pax header")?)?,
                Type::LongName => extended.long_name = Some(self.long("long name")?),
                Type::LongLink => extended.long_link = Some(self.long("long link")?),
                Type::Node(_) => return extended.merge(header, size).map(Some),
            }
        }
    }

    fn skip_body(&mut self) -> Result<()> {
        let rest =
            self.left.checked_add(self.padding).ok_or_else(|| malformed("size is absurd"))?;
        self.input.skip(rest).map_err(unreadable)?;
        self.position += rest;
        self.left = 0;
        self.padding = 0;
        Ok(())
    }

    /// The next header block; `None` at a block of zeros or at the end of the stream between entries.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]).map_err(unreadable)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(malformed("the archive ends in the middle of a header")),
                count => filled += count,
            }
        }
        self.position += BLOCK as u64;
        Ok(block.iter().any(|&byte| byte != 0).then_some(block))
    }

    fn extension(&mut self, what: &str) -> Result<Vec<u8>> {
        if self.left > LONGEST_EXTENSION {
            return Err(malformed(format!(
                "a {what} of {} bytes (at most {LONGEST_EXTENSION} are read)",
                self.left
            )));
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    /// A GNU long name: NUL-terminated.
    fn long(&mut self, what: &str) -> Result<Vec<u8>> {
        let mut bytes = self.extension(what)?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes)
    }
}

impl<R: Skip> Read for Tar<R> {
    /// Reads from the body of the current entry.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::other(malformed("the archive ends in the middle of a file")));
        }
        self.left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

fn malformed(what: impl Into<String>) -> Error {
    Error::new(Kind::Archive, format!("malformed tar: {}", what.into()))
}

#[cfg(test)]
mod tests;
