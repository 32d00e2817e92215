//! What extension records add to the entry that follows them.
//!
//! What a newcomer would get wrong: a record is `LENGTH KEY=VALUE\n` where LENGTH counts itself, and VALUE may hold any
//! byte, newlines and NULs included; only the length ends it.

use super::header::{Header, Type};
use super::{Entry, Node, malformed};
use crate::error::Result;

/// The records collected for one entry.
#[derive(Debug, Default)]
pub struct Extended {
    pub long_name: Option<Vec<u8>>,
    pub long_link: Option<Vec<u8>>,
    pub size: Option<u64>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, u32)>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extended {
    /// Adds the records of one pax header; unknown keys are ignored, as POSIX wants.
    pub fn add_pax(&mut self, mut records: &[u8]) -> Result<()> {
        while !records.is_empty() {
            let (key, value, rest) = record(records)?;
            records = rest;
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(key, value)?),
                b"uid" => self.uid = Some(decimal(key, value)?),
                b"gid" => self.gid = Some(decimal(key, value)?),
                b"mtime" => self.mtime = Some(time(value)?),
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err(malformed("GNU sparse files are not supported in layers"));
                }
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The entry that `header` and these records make together, with a body of `size` bytes.
    pub fn merge(self, header: Header, size: u64) -> Result<Entry> {
        let id = |value: u64| {
            // The last id means "leave it" to chown(2).
            u32::try_from(value)
                .ok()
                .filter(|&id| id != u32::MAX)
                .ok_or_else(|| malformed(format!("owner {value}")))
        };
        let link = self.long_link.or(self.link);
        let node = match header.kind {
            Type::Node(Node::Symlink(short)) => Node::Symlink(link.unwrap_or(short)),
            Type::Node(Node::HardLink(short)) => Node::HardLink(link.unwrap_or(short)),
            Type::Node(node) => node,
            _ => return Err(malformed("records describe records")),
        };
        Ok(Entry {
            name: self.long_name.or(self.path).unwrap_or(header.name),
            node,
            size,
            mode: header.mode,
            uid: id(self.uid.unwrap_or(header.uid))?,
            gid: id(self.gid.unwrap_or(header.gid))?,
            mtime: self.mtime.unwrap_or((header.mtime, 0)),
            xattrs: self.xattrs,
        })
    }
}

type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The first record: key, value, and what follows it.
fn record(records: &[u8]) -> Result<Record<'_>> {
    let parse = || {
        let space = records.iter().position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let body = records.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = body.iter().position(|&byte| byte == b'=')?;
        Some((&body[..equals], &body[equals + 1..], &records[length..]))
    };
    parse().ok_or_else(|| malformed("a pax record that is not LENGTH KEY=VALUE"))
}

fn decimal(key: &[u8], value: &[u8]) -> Result<u64> {
    std::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|&number| i64::try_from(number).is_ok())
        .ok_or_else(|| {
            malformed(format!("pax record {}={}", key.escape_ascii(), value.escape_ascii()))
        })
}

/// Decimal seconds with a fraction, possibly negative: `1700000000.25`, `-1.5`.
fn time(value: &[u8]) -> Result<(i64, u32)> {
    let parse = || {
        let text = std::str::from_utf8(value).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        // Nanoseconds count forward from the second below.
        Some(match (whole.starts_with('-'), nanos) {
            (true, 1..) => (seconds.checked_sub(1)?, 1_000_000_000 - nanos),
            _ => (seconds, nanos),
        })
    };
    parse().ok_or_else(|| malformed(format!("pax time {:?}", value.escape_ascii().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_it_says() {
        let (key, value, rest) = record(b"12 a=1\n\0\n\n\x32\n7 b=22\n").unwrap();
        assert_eq!((key, value, rest), (&b"a"[..], &b"1\n\0\n\n\x32"[..], &b"7 b=22\n"[..]));
        for bad in [
            &b"5 a=1\n"[..],
            b"99 a=1\n",
            b"0 a=1\n",
            b"2 a=1\n",
            b"x a=1\n",
            b"18446744073709551615 a=1\n",
            b"6 a=1",
            b"6 abc\n",
        ] {
            assert!(record(bad).is_err(), "{:?}", bad.escape_ascii().to_string());
        }
    }

    #[test]
    fn times_before_the_epoch_count_forward() {
        assert_eq!(time(b"1700000000.25").unwrap(), (1_700_000_000, 250_000_000));
        assert_eq!(time(b"-1.5").unwrap(), (-2, 500_000_000));
        assert_eq!(time(b"7").unwrap(), (7, 0));
        assert!(time(b"1.-5").is_err());
        assert!(time(b"nan").is_err());
    }
}
