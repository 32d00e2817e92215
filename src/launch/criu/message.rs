//! Protocol buffers as far as CRIU's messages need them: numbers, texts and messages in messages.
//!
//! It knows the wire's two shapes (varint, length and bytes). It refuses to know what a field means, and on reading any
//! other shape. What a newcomer would get wrong: a negative int32 is sign-extended to 64 bits and takes ten bytes; a
//! false or empty field may be left away, but not one whose default is something else.

/// A message being written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message(Vec<u8>);

const VARINT: u64 = 0;
const BYTES: u64 = 2;

impl Message {
    /// A number, an enum's value, or a boolean as 0 or 1.
    pub fn number(&mut self, field: u32, value: i64) -> &mut Self {
        self.varint(u64::from(field) << 3 | VARINT);
        self.varint(value.cast_unsigned());
        self
    }

    /// A boolean, if it is true.
    pub fn flag(&mut self, field: u32, on: bool) -> &mut Self {
        if on { self.number(field, 1) } else { self }
    }

    /// A text.
    pub fn text(&mut self, field: u32, text: &str) -> &mut Self {
        self.bytes(field, text.as_bytes())
    }

    /// A text, if there is one.
    pub fn optional(&mut self, field: u32, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(field, text),
            None => self,
        }
    }

    /// A message.
    pub fn message(&mut self, field: u32, inner: &Self) -> &mut Self {
        self.bytes(field, &inner.0)
    }

    /// A message of a text in field 1 and one in field 2, the first left away when there is none.
    pub fn pair(&mut self, field: u32, first: Option<&str>, second: &str) -> &mut Self {
        let mut inner = Self::default();
        inner.optional(1, first).text(2, second);
        self.message(field, &inner)
    }

    /// What goes over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        self.varint(u64::from(field) << 3 | BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A field that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A varint.
    Number(u64),
    /// A text or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The number, as int32 and enums have it.
    #[must_use]
    pub fn int(self) -> Option<i32> {
        match self {
            // The upper half is the sign's, or nothing.
            Self::Number(number) => Some(number as u32 as i32),
            Self::Bytes(_) => None,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    /// The bytes as text, whatever is no UTF-8 replaced.
    #[must_use]
    pub fn text(self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// The fields of a message in their order; `None` when it is cut short or of another shape.
#[must_use]
pub fn read(mut bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let number = take_varint(&mut bytes)?;
        let value = match key & 7 {
            VARINT => Value::Number(number),
            BYTES => {
                let (inner, rest) = bytes.split_at_checked(usize::try_from(number).ok()?)?;
                bytes = rest;
                Value::Bytes(inner)
            }
            _ => return None,
        };
        fields.push((u32::try_from(key >> 3).ok()?, value));
    }
    Some(fields)
}

/// The last value of `field`, which is the one that counts.
#[must_use]
pub fn last<'a>(fields: &[(u32, Value<'a>)], field: u32) -> Option<Value<'a>> {
    fields.iter().rev().find(|(number, _)| *number == field).map(|(_, value)| *value)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut message = Message::default();
        message.number(1, 300).number(2, -1).text(37, "net[1]:x").flag(3, false);
        message.pair(23, Some("/a"), "/b").pair(25, None, "/c");
        let fields = read(message.as_bytes()).expect("a message");
        assert_eq!(fields.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 37, 23, 25]);
        assert_eq!(last(&fields, 1).and_then(Value::int), Some(300));
        assert_eq!(last(&fields, 2).and_then(Value::int), Some(-1));
        assert_eq!(last(&fields, 37).and_then(Value::text).as_deref(), Some("net[1]:x"));
        let pair = last(&fields, 23).and_then(Value::bytes).and_then(read).expect("a pair");
        assert_eq!(pair, [(1, Value::Bytes(b"/a")), (2, Value::Bytes(b"/b"))]);
    }

    #[test]
    fn the_bytes_are_those_of_the_encoding_guide() {
        // Field 1 = 150 and field 2 = "testing" are the guide's own examples.
        let mut message = Message::default();
        message.number(1, 150).text(2, "testing");
        let expected = [0x08, 0x96, 0x01, 0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'];
        assert_eq!(message.as_bytes(), expected);
    }

    #[test]
    fn what_is_cut_short_is_no_message() {
        let mut message = Message::default();
        message.text(10, "dump.log").number(300, 70_000);
        let whole = message.as_bytes();
        for end in 1..whole.len() {
            // One end falls between the two fields.
            assert_eq!(read(&whole[..end]).is_some(), end == 10, "{end}");
        }
        assert_eq!(read(&[0x80; 11]), None);
        assert_eq!(read(&[0x0d, 0, 0, 0, 0]), None, "a shape that CRIU does not use");
    }
}
