//! `update`'s flags: each is one field of the runtime-spec's `linux.resources`.
//!
//! It knows which flag is which field, and sizes as docker writes them. It refuses to know what a field may hold: the
//! flags become the JSON that `--resources` would have had, and are read as that is.
//! What a newcomer would get wrong: a flag left out and a flag of 0 are two things; only the first leaves a limit alone.

use super::taken::{Taken, decimal, wrong};
use crate::error::{Error, Kind, Result};
use crate::id::ContainerId;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// `update`.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateArgs {
    /// Which container.
    pub id: ContainerId,
    /// What to change.
    pub source: UpdateSource,
    /// `--l3-cache-schema` and `--mem-bw-schema`: fields of `linux.intelRdt`, which is beside `linux.resources`.
    pub schemata: [Option<String>; 2],
}

/// Where the new limits are written.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateSource {
    /// `--resources -`: a LinuxResources object on standard input.
    StandardInput,
    /// `--resources FILE`: the same in a file.
    File(PathBuf),
    /// The other flags, as that object.
    Flags(Value),
}

/// How a flag's text becomes a value.
#[derive(Debug, Clone, Copy)]
enum As {
    Number,
    /// Bytes, with or without a unit.
    Size,
    Text,
}

/// A flag, the object of `linux.resources` and the key in it.
const FIELDS: [(&str, &str, &str, As); 16] = [
    ("blkio-weight", "blockIO", "weight", As::Number),
    ("cpu-period", "cpu", "period", As::Number),
    ("cpu-quota", "cpu", "quota", As::Number),
    ("cpu-burst", "cpu", "burst", As::Number),
    ("cpu-share", "cpu", "shares", As::Number),
    ("cpu-rt-period", "cpu", "realtimePeriod", As::Number),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime", As::Number),
    ("cpuset-cpus", "cpu", "cpus", As::Text),
    ("cpuset-mems", "cpu", "mems", As::Text),
    ("cpu-idle", "cpu", "idle", As::Number),
    ("kernel-memory", "memory", "kernel", As::Size),
    ("kernel-memory-tcp", "memory", "kernelTCP", As::Size),
    ("memory", "memory", "limit", As::Size),
    ("memory-reservation", "memory", "reservation", As::Size),
    ("memory-swap", "memory", "swap", As::Size),
    ("pids-limit", "pids", "limit", As::Number),
];

/// A flag and its field.
const SCHEMATA: [(&str, &str); 2] = [
    ("l3-cache-schema", "/linux/intelRdt/l3CacheSchema"),
    ("mem-bw-schema", "/linux/intelRdt/memBwSchema"),
];

/// The flag that is this field of `linux.intelRdt`.
#[must_use]
pub fn schema_flag_of(pointer: &str) -> Option<&'static str> {
    SCHEMATA.iter().find(|(_, field)| *field == pointer).map(|(flag, _)| *flag)
}

/// The flag that is the field at `pointer` of `linux.resources`.
#[must_use]
pub fn flag_of(pointer: &str) -> Option<&'static str> {
    let mut parts = pointer.trim_start_matches('/').split('/');
    let (object, key) = (parts.next()?, parts.next()?);
    FIELDS.iter().find(|(_, o, k, _)| (*o, *k) == (object, key)).map(|(flag, ..)| *flag)
}

impl UpdateArgs {
    pub(super) fn take(taken: &mut Taken) -> Result<Self> {
        let mut schema = |flag| -> Result<Option<String>> {
            Ok(taken.text(flag)?.filter(|text| !text.is_empty()))
        };
        let schemata = [schema(SCHEMATA[0].0)?, schema(SCHEMATA[1].0)?];
        let divides = schemata.iter().any(Option::is_some);
        let (id, resources) = (taken.id()?, taken.path("resources")?);
        let mut fields = Map::new();
        let mut given = None;
        for (flag, object, key, how) in FIELDS {
            // Empty is not given, as callers with an unset variable mean it.
            let Some(text) = taken.text(flag)?.filter(|text| !text.is_empty()) else { continue };
            let value = how.understand(flag, &text)?;
            let object = fields.entry(object).or_insert_with(|| Map::new().into());
            if let Some(object) = object.as_object_mut() {
                object.insert(key.to_owned(), value);
            }
            given = Some(flag);
        }
        let source = match (resources, given) {
            (Some(_), Some(flag)) => {
                let problem = format!("--{flag} is given, and --resources too");
                return Err(Error::new(Kind::Usage, problem).hint("leave one of them away"));
            }
            (Some(path), None) if path.as_os_str() == "-" => UpdateSource::StandardInput,
            (Some(path), None) => UpdateSource::File(path),
            (None, given) if given.is_some() || divides => UpdateSource::Flags(fields.into()),
            (None, _) => {
                return Err(Error::new(Kind::Usage, "nothing to change")
                    .hint("give a limit such as --memory 64m, or --resources FILE"));
            }
        };
        Ok(Self { id, source, schemata })
    }
}

impl As {
    fn understand(self, flag: &str, text: &str) -> Result<Value> {
        let (value, fix) = match self {
            Self::Text => return Ok(text.into()),
            Self::Number => {
                (signed(text), "give a number, or -1 for no limit where there may be none")
            }
            Self::Size => {
                (size(text), "write bytes, or k, m, g or t behind a number, or -1 for no limit")
            }
        };
        value.map(Value::from).ok_or_else(|| wrong(flag, text, "is not understood").hint(fix))
    }
}

fn signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(digits) => decimal::<i64>(digits).map(|number| -number),
        None => decimal(text),
    }
}

/// `64m`, `64MB`, `64MiB`, `1.5g`, `67108864`: units are powers of 1024, whatever they are called.
fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let shift = match unit.strip_suffix('i').unwrap_or(unit) {
        "" if unit.is_empty() => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let of_unit = 1i64 << shift;
    let whole = decimal::<i64>(Some(whole).filter(|digits| !digits.is_empty())?)?;
    let digits = fraction.get(..fraction.len().min(9)).filter(|digits| !digits.is_empty())?;
    // What is left of a byte is no byte.
    let rest = i128::from(decimal::<i64>(digits)?) * i128::from(of_unit)
        / 10i128.pow(u32::try_from(digits.len()).ok()?);
    whole.checked_mul(of_unit)?.checked_add(i64::try_from(rest).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("67108864", 64 << 20),
            ("64m", 64 << 20),
            ("64M", 64 << 20),
            ("64MB", 64 << 20),
            ("64MiB", 64 << 20),
            ("64 mb", 64 << 20),
            ("512b", 512),
            ("1.5g", 3 << 29),
            ("0.5k", 512),
            ("1t", 1 << 40),
            ("0", 0),
            ("-1", -1),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in [
            "", "m", "x", "-2", "-1m", "1x", "1mm", "64ib", "1..5g", "1.g", ".5g", "+1", "64mi b",
            "9999999p",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_may_be_negative_and_nothing_else() {
        assert_eq!([signed("-1"), signed("0"), signed("50000")], [Some(-1), Some(0), Some(50_000)]);
        for text in ["", "-", "--1", "1.5", "0x1", "1k"] {
            assert_eq!(signed(text), None, "{text}");
        }
    }

    #[test]
    fn a_field_is_named_by_its_flag() {
        assert_eq!(flag_of("/memory/limit"), Some("memory"));
        assert_eq!(flag_of("/linux/resources/memory/limit"), None);
        assert_eq!(flag_of("/devices/0"), None);
    }
}
