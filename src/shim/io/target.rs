//! Where a stream goes, as containerd writes it: nothing, a fifo's path, or a URI.
//!
//! It touches no file. What a newcomer would get wrong: a binary's query is its argument list, `?format=json&flush` being
//! `format json flush`, in the order written; and of the two output streams it is started for once.

use rrun::error::{Error, Kind, Result};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What a stream's text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nobody is interested.
    Null,
    /// A fifo (or whatever is at the path), which exists.
    Path(PathBuf),
    /// A file to append to, made with its directories when missing.
    File(PathBuf),
    /// A program that reads both output streams.
    Binary { program: PathBuf, arguments: Vec<OsString> },
}

impl Target {
    /// Reads `text`, the value of the request's field `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::Null);
        }
        let refused = |kind, why: &str| {
            Error::new(kind, format!("{field} {text:?}: {why}"))
                .hint("give an absolute path, or fifo://, file:// or binary:// with one")
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (path, query) = match scheme {
            "" => (rest, ""),
            _ => rest.split_once('?').unwrap_or((rest, "")),
        };
        let decoded = match scheme {
            "" => Some(path.as_bytes().to_vec()),
            _ => decode(path, false),
        };
        let path = decoded.map(|bytes| PathBuf::from(OsString::from_vec(bytes)));
        let path = path
            .filter(|path| path.is_absolute())
            .ok_or_else(|| refused(Kind::Usage, "not an absolute path"))?;
        match scheme {
            "" | "fifo" => Ok(Self::Path(path)),
            "file" => Ok(Self::File(path)),
            "binary" => {
                let arguments = arguments(query)
                    .ok_or_else(|| refused(Kind::Usage, "a % without two hexadecimal digits"))?;
                Ok(Self::Binary { program: path, arguments })
            }
            _ => Err(refused(Kind::Unsupported, "an unknown scheme")),
        }
    }
}

/// The keys with their first values; an empty value is none.
fn arguments(query: &str) -> Option<Vec<OsString>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut arguments = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key, true)?, decode(value, true)?);
        if keys.contains(&key) {
            continue;
        }
        keys.push(key.clone());
        arguments.push(OsString::from_vec(key));
        if !value.is_empty() {
            arguments.push(OsString::from_vec(value));
        }
    }
    Some(arguments)
}

/// Undoes percent encoding; in a query a plus is a space.
fn decode(text: &str, is_query: bool) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            b'+' if is_query => b' ',
            other => other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_uris_are_told_apart() {
        let parse = |text| Target::parse("stdout", text).expect(text);
        assert_eq!(parse(""), Target::Null);
        assert_eq!(parse("/run/a%20b?c"), Target::Path("/run/a%20b?c".into()));
        assert_eq!(parse("fifo:///run/a%20b"), Target::Path("/run/a b".into()));
        assert_eq!(parse("file:///var/log/a+b.log"), Target::File("/var/log/a+b.log".into()));
        let binary = parse("binary:///bin/log?format=json&flush&x=a%2Fb+c&x=again");
        let arguments = ["format", "json", "flush", "x", "a/b c"].map(OsString::from).to_vec();
        assert_eq!(binary, Target::Binary { program: "/bin/log".into(), arguments });
    }

    #[test]
    fn what_is_refused_names_the_field_and_the_value() {
        for (text, kind) in [
            ("tcp:///a", Kind::Unsupported),
            ("relative", Kind::Usage),
            ("file://relative", Kind::Usage),
            ("binary:///bin/log?a=%4", Kind::Usage),
            ("file:///%zz", Kind::Usage),
        ] {
            let error = Target::parse("stderr", text).expect_err(text);
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().starts_with(&format!("stderr {text:?}: ")), "{error}");
        }
    }
}
