//! The 512-byte header block: fixed fields, octal or base-256 numbers, and a checksum.
//!
//! What a newcomer would get wrong: three dialects share the block. The prefix field is a name only where the magic says
//! ustar; GNU keeps times in the same bytes.

use super::{BLOCK, Node, malformed};
use crate::error::Result;

/// What the type byte says.
#[derive(Debug, PartialEq, Eq)]
pub enum Type {
    /// Something to make.
    Node(Node),
    /// Records for the next entry.
    Pax,
    /// Records for all entries; nothing in them concerns a layer.
    PaxGlobal,
    /// The next entry's name.
    LongName,
    /// The next entry's link target.
    LongLink,
}

impl Type {
    /// Whether it describes the entry that follows rather than being one.
    pub fn is_extension(&self) -> bool {
        !matches!(self, Self::Node(_))
    }

    /// Whether bytes follow the header. Links and devices may claim a size (some archivers store the target's); they
    /// have no body.
    pub fn has_body(&self) -> bool {
        self.is_extension() || *self == Self::Node(Node::File)
    }
}

/// The fields of one header.
#[derive(Debug)]
pub struct Header {
    pub name: Vec<u8>,
    pub kind: Type,
    pub size: u64,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: i64,
}

impl Header {
    /// Checks and takes apart a block that is not all zeros.
    pub fn parse(block: &[u8; BLOCK]) -> Result<Self> {
        check_sum(block)?;
        let name = full_name(block);
        let kind = kind(block, &name)?;
        let size = unsigned(&block[124..136], "size")?;
        Ok(Self {
            mode: (number(&block[100..108], "mode")? & 0o7777) as u32,
            uid: unsigned(&block[108..116], "uid")?,
            gid: unsigned(&block[116..124], "gid")?,
            mtime: number(&block[136..148], "mtime")?,
            size,
            name,
            kind,
        })
    }
}

fn full_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&block[0..100]);
    let prefix = text(&block[345..500]);
    if &block[257..263] != b"ustar\0" || prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

fn kind(block: &[u8; BLOCK], name: &[u8]) -> Result<Type> {
    let link = || text(&block[157..257]).to_vec();
    let device = || -> Result<(u32, u32)> {
        let major = unsigned(&block[329..337], "device major")?;
        let minor = unsigned(&block[337..345], "device minor")?;
        // Wider numbers would be cut to another device's by the kernel's encoding: 12 and 20 bits.
        match (u32::try_from(major), u32::try_from(minor)) {
            (Ok(major @ ..=0xfff), Ok(minor @ ..=0xf_ffff)) => Ok((major, minor)),
            _ => Err(malformed(format!("device number {major}:{minor} does not exist"))),
        }
    };
    Ok(match block[156] {
        // Before ustar, a directory was a file whose name ends with a slash.
        0 if name.ends_with(b"/") => Type::Node(Node::Directory),
        b'0' | b'7' | 0 => Type::Node(Node::File),
        b'1' => Type::Node(Node::HardLink(link())),
        b'2' => Type::Node(Node::Symlink(link())),
        b'3' => device().map(|(major, minor)| Type::Node(Node::Character(major, minor)))?,
        b'4' => device().map(|(major, minor)| Type::Node(Node::Block(major, minor)))?,
        b'5' => Type::Node(Node::Directory),
        b'6' => Type::Node(Node::Fifo),
        b'x' => Type::Pax,
        b'g' => Type::PaxGlobal,
        b'L' => Type::LongName,
        b'K' => Type::LongLink,
        // The image specification: "Sparse files SHOULD NOT be used".
        b'S' => return Err(malformed("GNU sparse files are not supported in layers")),
        other => {
            let other = other.escape_ascii();
            return Err(malformed(format!("entry of unknown type '{other}'")));
        }
    })
}

/// The sum of all bytes with the checksum field taken as spaces; old writers summed signed bytes.
fn check_sum(block: &[u8; BLOCK]) -> Result<()> {
    let stored = number(&block[148..156], "checksum")?;
    let bytes = || {
        let field = |at| (148..156).contains(&at);
        block.iter().enumerate().map(move |(at, &byte)| if field(at) { b' ' } else { byte })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if stored == unsigned || stored == signed {
        return Ok(());
    }
    Err(malformed("a header's checksum is wrong"))
}

/// A text field: up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or(field)
}

fn unsigned(field: &[u8], what: &str) -> Result<u64> {
    u64::try_from(number(field, what)?).map_err(|_| malformed(format!("negative {what}")))
}

/// A number: octal digits between spaces and NULs, or base 256 in two's complement when the first bit is set.
fn number(field: &[u8], what: &str) -> Result<i64> {
    let invalid = || malformed(format!("{what} {:?}", field.escape_ascii().to_string()));
    if field[0] & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let first =
            if negative { i128::from(field[0]) - 0x100 } else { i128::from(field[0] & 0x7f) };
        let value = field[1..].iter().fold(first, |value, &byte| value << 8 | i128::from(byte));
        return i64::try_from(value).map_err(|_| invalid());
    }
    let digits = text(field).trim_ascii();
    if digits.is_empty() {
        return Ok(0);
    }
    if digits.iter().any(|byte| !(b'0'..=b'7').contains(byte)) {
        return Err(invalid());
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| i64::from_str_radix(digits, 8).ok())
        .ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256_and_nothing_else() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"\x80\0\0\0\0\0\x01\0", 256),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", -1),
        ] {
            assert_eq!(number(field, "n").unwrap(), value, "{field:?}");
        }
        for field in [&b"0000648\0"[..], b"-1\0\0\0\0\0\0", b"\x90\0\0\0\0\0\0\0\0\0\0\0"] {
            assert!(number(field, "n").is_err(), "{field:?}");
        }
    }
}
