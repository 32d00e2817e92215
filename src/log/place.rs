//! Where lines of the log go: a file, the journal or syslog.
//!
//! It knows the two datagram protocols. It refuses to know what is worth a line.
//! What a newcomer would get wrong: the journal takes fields, not text, and a value with a line break must be sent with
//! its length, or the rest of it would be the next field. syslog takes a line, and a timestamp is the daemon's business.

use super::Entry;
use crate::error::{Error, Kind, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

const JOURNAL: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";

/// `--log`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// Without the flag.
    #[default]
    StandardError,
    /// `FILE` or `file:FILE`.
    File(PathBuf),
    /// `journald:NAME`: systemd's journal, under this identifier.
    Journal(String),
    /// `syslog:NAME`: /dev/log, under this identifier.
    Syslog(String),
}

/// A place, open.
#[derive(Debug)]
pub(super) enum Open {
    StandardError,
    File(File),
    Journal(UnixDatagram, String),
    Syslog(UnixDatagram, String),
}

impl Place {
    /// Understands a place as crun writes it. A colon in another word belongs to the name of a file.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a place without a name.
    pub fn parse(text: &str) -> Result<Self> {
        let (place, name): (fn(&str) -> Self, &str) = match text.split_once(':') {
            Some(("file", file)) => (|file| Self::File(file.into()), file),
            Some(("journald", name)) => (|name| Self::Journal(name.into()), name),
            Some(("syslog", name)) => (|name| Self::Syslog(name.into()), name),
            Some(_) | None => (|file| Self::File(file.into()), text),
        };
        if name.is_empty() {
            return Err(Error::new(Kind::Usage, format!("--log: {text:?} names nothing"))
                .hint("write what is behind the colon, as in journald:rrun"));
        }
        Ok(place(name))
    }

    pub(super) fn open(&self) -> Result<Open> {
        let socket = |path: &str| {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path).map_err(|error| Error::from(error).context(path.to_owned()))?;
            Ok(socket)
        };
        let opened = match self {
            Self::StandardError => Ok(Open::StandardError),
            Self::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                file.map(Open::File).map_err(Error::from)
            }
            Self::Journal(name) => socket(JOURNAL).map(|open| Open::Journal(open, name.clone())),
            Self::Syslog(name) => socket(SYSLOG).map(|open| Open::Syslog(open, name.clone())),
        };
        opened.map_err(|error| error.with_kind(Kind::Usage).context(format!("open --log {self}")))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::StandardError => f.write_str("standard error"),
            Self::File(path) => Path::display(path).fmt(f),
            Self::Journal(name) => write!(f, "journald:{name}"),
            Self::Syslog(name) => write!(f, "syslog:{name}"),
        }
    }
}

impl Open {
    pub(super) fn is_standard_error(&self) -> bool {
        matches!(self, Self::StandardError)
    }

    /// Whether a reader takes all of it as one object.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Writes an entry, of which `line` is the text. A full disk or a daemon that has gone must not hide the failure
    /// itself, which standard error gets too.
    pub(super) fn write(&self, entry: &Entry<'_>, line: &str) {
        let sent = match self {
            Self::StandardError => return super::to_stderr(line),
            // One write: with O_APPEND, lines of several processes do not mix.
            Self::File(file) => {
                let mut file = file;
                return file.write_all(format!("{line}\n").as_bytes()).unwrap_or_default();
            }
            Self::Journal(socket, name) => socket.send(&fields(entry, name)),
            Self::Syslog(socket, name) => socket.send(message(entry, name, line).as_bytes()),
        };
        sent.map(drop).unwrap_or_default();
    }
}

/// As syslog(3) numbers them.
fn priority(entry: &Entry<'_>) -> u8 {
    match entry.level {
        "error" => 3,
        "warning" => 4,
        _ => 7,
    }
}

/// The journal's native protocol: `KEY=value`, or `KEY`, the length and the value.
fn fields(entry: &Entry<'_>, name: &str) -> Vec<u8> {
    let errno = entry.errno.map(|errno| errno.to_string());
    let priority = priority(entry).to_string();
    let fields = [
        ("MESSAGE", Some(entry.msg)),
        ("PRIORITY", Some(&*priority)),
        ("SYSLOG_IDENTIFIER", Some(name)),
        ("ERRNO", errno.as_deref()),
        ("RRUN_KIND", entry.kind),
        ("RRUN_POINTER", entry.pointer),
        ("RRUN_STEP", entry.step),
        ("RRUN_CALL", entry.call),
        ("RRUN_HINT", entry.hint),
    ];
    let mut bytes = Vec::new();
    for (key, value) in fields {
        let Some(value) = value else { continue };
        bytes.extend_from_slice(key.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// RFC 3164 without its timestamp, facility `daemon`.
fn message(entry: &Entry<'_>, name: &str, line: &str) -> String {
    const DAEMON: u8 = 3 << 3;
    format!("<{}>{name}[{}]: {line}", DAEMON | priority(entry), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_crun_writes_it() {
        for (text, place) in [
            ("/l", Place::File("/l".into())),
            ("file:/l", Place::File("/l".into())),
            ("/a:b", Place::File("/a:b".into())),
            ("journald:web", Place::Journal("web".into())),
            ("syslog:web", Place::Syslog("web".into())),
        ] {
            assert_eq!(Place::parse(text).unwrap(), place, "{text}");
        }
        for text in ["file:", "journald:", "syslog:"] {
            assert_eq!(Place::parse(text).unwrap_err().kind(), Kind::Usage, "{text}");
        }
    }

    #[test]
    fn a_line_break_in_a_value_starts_no_field_of_the_journal() {
        let entry = Entry { kind: Some("state"), ..Entry::new("error", "a\nPRIORITY=0") };
        let expected = b"MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\nPRIORITY=3\nSYSLOG_IDENTIFIER=web\nRRUN_KIND=state\n";
        assert_eq!(fields(&entry, "web"), expected);
    }

    #[test]
    fn syslog_gets_facility_and_severity_in_one_number() {
        let text = message(&Entry::new("warning", "odd"), "web", "odd");
        assert_eq!(text, format!("<28>web[{}]: odd", std::process::id()));
    }
}
