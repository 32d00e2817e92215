//! Compression told by its first bytes, never by a name or a media type: plain, gzip or zstd.
//!
//! Streaming only; memory is bounded by the decoder's window whatever the archive claims. What a newcomer would get
//! wrong: both formats are *sequences* (gzip members, zstd frames): stopping at the end of the first one would silently
//! cut the layers that parallel and seekable compressors make.

use crate::error::Result;
use crate::image::digest::unreadable;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError as Frame, ReadFrameHeaderError as Header};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

/// How much is read from a file at once, in bytes.
pub const CHUNK: usize = 128 * 1024;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// A reader of the decompressed bytes.
pub enum Decoder<R: Read> {
    /// Not compressed.
    Plain(BufReader<R>),
    /// RFC 1952.
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    /// RFC 8878.
    Zstd(Box<Zstd<R>>),
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes of `input` and decodes accordingly.
    ///
    /// # Errors
    /// Reading `input`.
    pub fn new(input: R) -> Result<Self> {
        let mut input = BufReader::with_capacity(CHUNK, input);
        let start = input.fill_buf().map_err(unreadable)?;
        Ok(if start.starts_with(&GZIP) {
            Self::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if start.starts_with(&ZSTD) || is_skippable(start) {
            Self::Zstd(Box::new(Zstd { input, frame: FrameDecoder::new() }))
        } else {
            Self::Plain(input)
        })
    }

    /// Whether bytes come out as they went in.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// The input, positioned anywhere after what was decoded.
    pub fn into_inner(self) -> R {
        match self {
            Self::Plain(input) => input.into_inner(),
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
            Self::Zstd(decoder) => decoder.input.into_inner(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// Zstandard frames, one after another; skippable ones (zstd:chunked keeps its index there) are skipped.
pub struct Zstd<R: Read> {
    input: BufReader<R>,
    frame: FrameDecoder,
}

impl<R: Read> Zstd<R> {
    /// Starts the next frame; false at the end of the input.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            let length = match self.frame.init(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(Frame::ReadFrameHeaderError(Header::SkipFrame { length, .. })) => length.into(),
                Err(other) => return Err(damaged(&other)),
            };
            if io::copy(&mut self.input.by_ref().take(length), &mut io::sink())? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(false)
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && self.frame.can_collect() == 0 {
            if self.frame.is_finished() {
                if !self.next_frame()? {
                    return Ok(0);
                }
                continue;
            }
            self.frame
                .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| damaged(&error))?;
        }
        self.frame.read(buffer)
    }
}

fn is_skippable(start: &[u8]) -> bool {
    start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18]
}

/// The decoder's error as text: boxed itself, it would bring its Debug form into the program, 15 KB that nobody reads.
fn damaged(error: &Frame) -> io::Error {
    io::Error::other(format!("zstd: {error}"))
}
