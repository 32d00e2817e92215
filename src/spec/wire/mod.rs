//! The JSON of config.json, mirrored field by field for serde. Never leaves `spec/`.
//!
//! It knows names and JSON types: unknown fields are ignored, `null` is absent, a key given twice is an error, keys are
//! case sensitive. It refuses to know what is required, which words are valid and what anything means; that is why every
//! field is an `Option` and every word a string.
//! What a newcomer would get wrong: adding a field here is not enough. Who reads a struct destructures it without `..`,
//! so the compiler asks for an answer to each.

mod linux;
mod locate;
mod process;
mod resources;
mod scheduling;
mod seccomp;
mod text;

pub use linux::{
    Device, IdMapping, IntelRdt, Linux, Namespace, NetDevice, Personality, TimeOffset,
};
pub use process::{Capabilities, ConsoleSize, Hook, Hooks, Mount, Process, Rlimit, User};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugePageLimit, InterfacePriority, Memory, Network, Pids, Rdma,
    Resources, ThrottleDevice, WeightDevice,
};
pub use scheduling::{ExecCpuAffinity, IoPriority, MemoryPolicy, Scheduler};
pub use seccomp::{Argument, Seccomp, Syscall};
pub use text::{Entries, Object, Text};

use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A list of objects, or none.
pub type Objects<T> = Option<Vec<Object<T>>>;
/// A list of strings, or none.
pub type Texts<'a> = Option<Vec<Text<'a>>>;

/// The whole document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Config<'a> {
    pub oci_version: Option<Text<'a>>,
    pub root: Option<Object<Root<'a>>>,
    pub process: Option<Object<Process<'a>>>,
    pub hostname: Option<Text<'a>>,
    pub domainname: Option<Text<'a>>,
    pub mounts: Objects<Mount<'a>>,
    pub hooks: Option<Object<Hooks<'a>>>,
    pub annotations: Option<Entries<String>>,
    pub linux: Option<Object<Linux<'a>>>,
    pub vm: Option<IgnoredAny>,
    pub windows: Option<IgnoredAny>,
    pub solaris: Option<IgnoredAny>,
    pub freebsd: Option<IgnoredAny>,
    pub zos: Option<IgnoredAny>,
}

/// `mounts` alone.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct MountList<'a> {
    pub mounts: Objects<Mount<'a>>,
}

/// `root`
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Root<'a> {
    pub path: Option<Text<'a>>,
    pub readonly: Option<bool>,
}

/// Reads one object of JSON.
///
/// # Errors
/// [`Kind::Spec`]: with a line and a column when the text is no JSON, with a JSON pointer when a value has the wrong type.
pub fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T> {
    if [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| json.starts_with(mark)) {
        return Err(Error::new(Kind::Spec, "the text begins with a byte order mark")
            .hint("save it as UTF-8 without one"));
    }
    // Once for all, instead of string by string.
    let text = std::str::from_utf8(json).map_err(|error| {
        let message = format!("not UTF-8: byte {} cannot be decoded", error.valid_up_to());
        Error::new(Kind::Spec, message).hint("save it as UTF-8")
    })?;
    match serde_json::from_str(text) {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(describe(json, &error)),
    }
}

/// Our words for serde_json's error.
fn describe(json: &[u8], error: &serde_json::Error) -> Error {
    let text = error.to_string();
    if !error.is_data() {
        return Error::new(Kind::Spec, format!("not valid JSON: {text}")).hint("correct it there");
    }
    // serde_json appends the position, which the pointer replaces.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let message = match message.strip_prefix("duplicate field") {
        Some(_) => "this key is given twice",
        None => message,
    };
    let pointer = locate::pointer_at(json, offset(json, error.line(), error.column()));
    let error = Error::new(Kind::Spec, message).hint(fix(message));
    if pointer.is_empty() { error } else { error.at(pointer) }
}

/// What to do about a value of a wrong type, which the message ends with, or about another of serde_json's complaints.
fn fix(message: &str) -> &'static str {
    match message.rsplit_once("expected ").map_or(message, |(_, expected)| expected) {
        "u8" => "write a whole number from 0 to 255, without quotes",
        "u16" => "write a whole number from 0 to 65535, without quotes",
        "u32" => "write a whole number from 0 to 4294967295, without quotes",
        "u64" => "write a whole number that is not negative, without quotes",
        "i8" | "i16" | "i32" | "i64" => "write a whole number in range, without quotes",
        "a boolean" => "write true or false, without quotes",
        "a string" => "write it in quotes, or leave the field out",
        "a sequence" => "write it in brackets, [ ]",
        "an object" => "write it in braces, { }",
        "this key is given twice" => "remove one of the two",
        other if other.ends_with("has a NUL byte") => "remove the byte",
        _ => "write what the runtime-spec has there",
    }
}

/// The byte offset of a line and column as serde_json counts them: lines from 1, columns in bytes from the line's start.
fn offset(json: &[u8], line: usize, column: usize) -> usize {
    let line_start: usize = json
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    line_start.saturating_add(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        parse::<Config<'_>>(json.as_bytes()).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_wrong_type_is_named_by_its_pointer() {
        for (json, message) in [
            (
                r#"{"root": {"path": 5}}"#,
                "invalid type: integer `5`, expected a string (at /root/path)",
            ),
            (r#"{"root": "x"}"#, "invalid type: string \"x\", expected an object (at /root)"),
            (
                r#"{"root": ["rootfs", true]}"#,
                "invalid type: sequence, expected an object (at /root)",
            ),
            (r#"[]"#, "invalid type: sequence, expected an object"),
            (
                "{\"process\":\n {\"user\": {\n\"additionalGids\": [1,\n  -2, 3]}}}",
                "invalid value: integer `-2`, expected u32 (at /process/user/additionalGids/1)",
            ),
            (
                r#"{"mounts": [{}, {"options": ["ro", null]}]}"#,
                "invalid type: null, expected a string (at /mounts/1/options/1)",
            ),
            (
                r#"{"linux": {"resources": {"memory": {"limit": 1.5}}}}"#,
                "invalid type: floating point `1.5`, expected i64 (at /linux/resources/memory/limit)",
            ),
            (
                r#"{"annotations": {"a/b": "x", "a~": {}}}"#,
                "invalid type: map, expected a string (at /annotations/a~0)",
            ),
            (r#"{"hostname": "a\u0000b"}"#, "\"a\\0b\" has a NUL byte (at /hostname)"),
        ] {
            let said = error(json);
            assert!(said.starts_with(message), "{json}: {said}");
            assert!(said.len() > message.len() + 5, "{json}: what then? {said}");
        }
    }

    #[test]
    fn a_key_given_twice_is_an_error_wherever_it_is() {
        for (json, pointer) in [
            (r#"{"ociVersion": "1.0.0", "ociVersion": "1.1.0"}"#, "/ociVersion"),
            (r#"{"linux": {"sysctl": {"a": "1", "a": "2"}}}"#, "/linux/sysctl/a"),
            (r#"{"process": {"user": {"uid": 1, "gid": 1, "uid": 0}}}"#, "/process/user/uid"),
        ] {
            let expected = format!("this key is given twice (at {pointer}); remove one of the two");
            assert_eq!(error(json), expected, "{json}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_named_by_line_and_column() {
        assert_eq!(
            error("{\n\"root\": }"),
            "not valid JSON: expected value at line 2 column 9; correct it there"
        );
        assert_eq!(
            error(""),
            "not valid JSON: EOF while parsing a value at line 1 column 0; correct it there"
        );
        assert_eq!(
            error("\u{feff}{}"),
            "the text begins with a byte order mark; save it as UTF-8 without one"
        );
        let latin = parse::<Config<'_>>(b"{\"hostname\": \"\xe4\"}").err().map(|e| e.to_string());
        assert_eq!(
            latin.as_deref(),
            Some("not UTF-8: byte 14 cannot be decoded; save it as UTF-8")
        );
    }
}
