//! D-Bus messages: as many of the types as calls to systemd and its answers have, in this machine's byte order.
//!
//! It knows how bytes are laid out; it refuses to send them. Who sends is not trusted to have sent whole ones: whatever is
//! read beyond the end is nothing.
//! What a newcomer would get wrong: each type is aligned to its own size, counted from the message's start; a struct, and
//! an array of structs even when it is empty, to eight.

use crate::plan::cgroup::scope::Value;

/// The kinds of message.
pub const CALL: u8 = 1;
pub const REPLY: u8 = 2;
pub const ERROR: u8 = 3;
pub const SIGNAL: u8 = 4;

/// The first bytes of a message, of fixed length: they say how long the rest is.
pub const PROLOGUE: usize = 16;

/// No message to or from systemd is as long.
const LONGEST: usize = 1 << 24;

const ORDER: u8 = if cfg!(target_endian = "little") { b'l' } else { b'B' };

/// Bytes in the making.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    /// `y`
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// `u`, `i` and `b`
    pub fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_ne_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.align(8);
        self.0.extend(number.to_ne_bytes());
    }

    /// `s` and `o`
    pub fn string(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.bytes());
        self.0.push(0);
    }

    /// `g`
    fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend(text.bytes());
        self.0.push(0);
    }

    fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// An array of elements that are aligned to `to`.
    pub fn array<T>(
        &mut self,
        to: usize,
        items: impl IntoIterator<Item = T>,
        one: impl Fn(&mut Self, T),
    ) {
        self.u32(0);
        let at = self.0.len() - 4;
        self.align(to);
        let start = self.0.len();
        for item in items {
            self.align(to);
            one(self, item);
        }
        let length = u32::try_from(self.0.len() - start).unwrap_or(u32::MAX);
        self.0[at..at + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// `v`
    pub fn variant(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => {
                self.signature("b");
                self.u32(u32::from(*value));
            }
            Value::I32(value) => {
                self.signature("i");
                self.u32(value.cast_unsigned());
            }
            Value::U32(value) => {
                self.signature("u");
                self.u32(*value);
            }
            Value::U64(value) => {
                self.signature("t");
                self.u64(*value);
            }
            Value::Text(text) => {
                self.signature("s");
                self.string(text);
            }
            Value::Texts(texts) => {
                self.signature("as");
                self.array(4, texts, |to, text| to.string(text));
            }
            Value::Bytes(bytes) => {
                self.signature("ay");
                self.array(1, bytes, |to, byte| to.byte(*byte));
            }
            Value::Pids(pids) => {
                self.signature("au");
                self.array(4, pids, |to, pid| to.u32(*pid));
            }
            Value::Rates(rates) => {
                self.signature("a(st)");
                self.array(8, rates, |to, (device, rate)| {
                    to.string(device);
                    to.u64(*rate);
                });
            }
            Value::Accesses(list) => {
                self.signature("a(ss)");
                self.array(8, list, |to, (device, access)| {
                    to.string(device);
                    to.string(access);
                });
            }
        }
    }

    fn field(&mut self, code: u8, signature: &str, text: &str) {
        self.align(8);
        self.byte(code);
        self.signature(signature);
        match signature {
            "g" => self.signature(text),
            _ => self.string(text),
        }
    }
}

/// What is called.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// None on a connection that has no bus between.
    pub destination: Option<&'a str>,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
}

/// A call as bytes; `body` is of type `signature`.
pub fn call(serial: u32, target: Target<'_>, signature: &str, body: &Writer) -> Vec<u8> {
    let mut head = Writer::default();
    head.0.extend([ORDER, CALL, 0, 1]);
    head.length(body.0.len());
    head.u32(serial);
    let destination = target.destination.map(|name| (6, "s", name));
    let body_type = Some((8, "g", signature)).filter(|_| !signature.is_empty());
    let fields = [(1, "o", target.path), (2, "s", target.interface), (3, "s", target.member)];
    let fields = fields.into_iter().chain(destination).chain(body_type);
    head.array(8, fields, |to, (code, signature, text)| to.field(code, signature, text));
    head.align(8);
    head.0.extend(&body.0);
    head.0
}

/// A message that came.
#[derive(Debug, Default)]
pub struct Message {
    pub kind: u8,
    /// The call it answers.
    pub answers: u32,
    pub member: String,
    pub error: String,
    body: Vec<u8>,
}

/// How many bytes follow the prologue; `None` when it is none.
pub fn rest_of(prologue: &[u8; PROLOGUE]) -> Option<usize> {
    let number = |at: usize| {
        let bytes = prologue.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    if prologue[0] != ORDER || prologue[3] != 1 {
        return None;
    }
    let fields = number(12)?.checked_next_multiple_of(8)?;
    Some(fields.checked_add(number(4)?)?).filter(|length| *length <= LONGEST)
}

impl Message {
    /// `bytes` are a whole message.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut message = Self { kind: *bytes.get(1)?, ..Self::default() };
        let mut reader = Reader { bytes, at: 12 };
        let end = usize::try_from(reader.u32()?).ok()?.checked_add(PROLOGUE)?;
        while reader.at < end {
            reader.align(8);
            let code = reader.byte()?;
            let signature = reader.signature()?;
            match (code, signature) {
                (5, "u") => message.answers = reader.u32()?,
                (3, "s") => message.member = reader.string()?.to_owned(),
                (4, "s") => message.error = reader.string()?.to_owned(),
                (_, "u") => drop(reader.u32()?),
                (_, "g") => drop(reader.signature()?),
                (_, "s" | "o") => drop(reader.string()?),
                _ => return None,
            }
        }
        message.body = bytes.get(end.checked_next_multiple_of(8)?..)?.to_vec();
        Some(message)
    }

    /// Its content.
    pub fn body(&self) -> Reader<'_> {
        Reader { bytes: &self.body, at: 0 }
    }
}

/// A place in a message.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// `u`
    pub fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    /// `s` and `o`
    pub fn string(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.text(length)
    }

    /// `g`
    pub fn signature(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        (self.byte()? == 0).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> =
        Target { destination: Some("a.b"), path: "/a", interface: "a.b.C", member: "D" };

    fn whole() -> Vec<u8> {
        let mut body = Writer::default();
        body.string("x");
        body.array(8, [("n", Value::U64(7)), ("m", Value::Rates(vec![]))], |to, (name, value)| {
            to.string(name);
            to.variant(&value);
        });
        call(3, TARGET, "sa(sv)", &body)
    }

    #[test]
    fn a_message_is_laid_out_as_the_specification_has_it() {
        let bytes = whole();
        let fields = 16 + u32::from_ne_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let body = &bytes[fields.next_multiple_of(8)..];
        let mut expected = vec![1, 0, 0, 0, b'x', 0, 0, 0];
        // Its length without the padding before the first struct.
        expected.extend([48, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([1, 0, 0, 0, b'n', 0, 1, b't', 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([7, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([1, 0, 0, 0, b'm', 0, 5, b'a', b'(', b's', b't', b')', 0, 0, 0, 0]);
        expected.extend([0; 8]);
        if cfg!(target_endian = "little") {
            assert_eq!(body, expected);
        }
        assert_eq!(rest_of(bytes[..16].try_into().unwrap()), Some(bytes.len() - 16));
        let read = Message::parse(&bytes).unwrap();
        assert_eq!((read.kind, &*read.member), (CALL, "D"));
        assert_eq!(read.body().string(), Some("x"));
    }

    #[test]
    fn a_message_cut_or_changed_anywhere_is_no_panic() {
        let bytes = whole();
        for cut in 0..bytes.len() {
            if let Some(message) = Message::parse(&bytes[..cut]) {
                let mut body = message.body();
                assert!(body.u32().is_none() || body.string().is_none_or(|text| text.len() < cut));
            }
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[cut] = value;
                if let Some(message) = Message::parse(&changed) {
                    let text = message.body().string().unwrap_or_default();
                    assert!(text.len() < bytes.len());
                }
            }
        }
        assert_eq!(rest_of(&[0xff; 16]), None);
    }
}
