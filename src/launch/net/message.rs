//! rtnetlink's messages: made, and taken apart (netlink(7), rtnetlink(7)).
//!
//! It knows lengths and padding; it refuses to know what a message means. Nothing here trusts a length: what does not fit
//! ends the walk.
//! What a newcomer would get wrong: numbers are in the machine's own byte order, and every part starts at a multiple of
//! four.

/// `struct nlmsghdr`: length, type, flags, sequence number, port.
const HEADER: usize = 16;

/// A request: the kind, and what follows netlink's own header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: u16,
    pub flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// `fixed` is the struct that each kind of message begins with.
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut this = Self { kind, flags, body: fixed.to_vec() };
        this.pad();
        this
    }

    #[must_use]
    pub fn with(mut self, attribute: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.body.extend(length.to_ne_bytes());
        self.body.extend(attribute.to_ne_bytes());
        self.body.extend(value);
        self.pad();
        self
    }

    /// A string with the NUL byte that ends it.
    #[must_use]
    pub fn with_text(self, attribute: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.with(attribute, &bytes)
    }

    fn pad(&mut self) {
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    pub fn to_bytes(&self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// One message of what was read.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// Those in `bytes`.
pub fn parts(mut bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let part = Part {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            body: bytes.get(HEADER..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(part)
    })
}

/// The attributes in `bytes`: kind, without the flag that says "nested", and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let one = (u16_at(bytes, 2)? & 0x3fff, bytes.get(4..length)?);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(one)
    })
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A string, up to its NUL byte.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_taken_apart_again() {
        let message = Message::new(16, 5, &[1, 2, 3, 4]).with_text(3, "eth0").with(10, &[7, 0, 0]);
        let bytes = message.to_bytes(42);
        let all: Vec<_> = parts(&bytes).collect();
        assert_eq!((all.len(), all[0].kind, all[0].flags, all[0].sequence), (1, 16, 5, 42));
        let (fixed, rest) = all[0].body.split_at(4);
        assert_eq!(fixed, [1, 2, 3, 4]);
        let found: Vec<_> = attributes(rest).collect();
        assert_eq!(found, [(3, &b"eth0\0"[..]), (10, &[7, 0, 0][..])]);
        assert_eq!(text(found[0].1), "eth0");
    }

    #[test]
    fn a_length_that_lies_ends_the_walk() {
        let bytes = Message::new(16, 0, &[0; 4]).with(1, &[9; 4]).to_bytes(1);
        for end in 0..bytes.len() {
            assert_eq!(parts(&bytes[..end]).count(), 0, "cut after {end} bytes");
        }
        for length in [0u32, 3, 15, 4000, u32::MAX] {
            let mut wrong = bytes.clone();
            wrong[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parts(&wrong).count(), 0, "length {length}");
        }
        for length in [0u16, 1, 3, 9, u16::MAX] {
            let mut wrong = [8, 0, 1, 0, 9, 9, 9, 9];
            wrong[..2].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(attributes(&wrong).count(), 0, "length {length}");
        }
    }
}
