//! A seccomp filter that comes ready-made, in an annotation: instructions of classic BPF, base64.
//!
//! ```text
//!  org.rrun.seccomp.bpf        ours
//!  run.oci.seccomp_bpf_data    crun's name for the same
//! ```
//! It knows base64, and that there is one filter or none. It refuses to know instructions: those are `plan::seccomp`'s.
//! What a newcomer would get wrong: crun lets the annotation win over `linux.seccomp`, so who may write annotations can
//! take the profile of an engine away. Here both together are an error.

use super::at::At;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

const OURS: (&str, &str) = ("org.rrun.seccomp.bpf", "/annotations/org.rrun.seccomp.bpf");
/// crun's name, which [`super::crun`] leaves to this module.
const CRUNS: &str = "run.oci.seccomp_bpf_data";
const NAMES: [(&str, &str); 2] = [OURS, (CRUNS, "/annotations/run.oci.seccomp_bpf_data")];

/// `struct sock_filter`.
const INSTRUCTION: usize = 8;

/// A program as the kernel takes it, its instructions not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFilter {
    /// The annotation that holds it.
    pub pointer: &'static str,
    /// `struct sock_filter`, in this machine's order of bytes.
    pub instructions: Vec<[u8; INSTRUCTION]>,
}

impl RawFilter {
    /// Whether an annotation of this name is one.
    pub(super) fn is_named(name: &str) -> bool {
        NAMES.iter().any(|(known, _)| *known == name)
    }

    /// The one that the annotations have, if any.
    pub(super) fn read(
        at: &At<'_>,
        annotations: &BTreeMap<String, String>,
        has_profile: bool,
    ) -> Result<Option<Self>> {
        let mut given = NAMES
            .iter()
            .filter_map(|(name, pointer)| Some((*name, *pointer, annotations.get(*name)?)));
        let Some((name, pointer, text)) = given.next() else { return Ok(None) };
        let at = at.key(name);
        let twice = |other: &str| -> Error {
            at.wrong(format!("this is a whole seccomp filter, and {other} is given, too"))
                .hint("leave one of them away: neither is to win in silence")
        };
        if let Some((other, ..)) = given.next() {
            return Err(twice(other));
        }
        if has_profile {
            return Err(twice("/linux/seccomp"));
        }
        let bytes = decode(text).ok_or_else(|| {
            at.wrong(format!("{:?} is no base64", shortened(text)))
                .hint("write it with A-Z, a-z, 0-9, + and / alone, filled up with = to four")
        })?;
        let (instructions, rest) = bytes.as_chunks::<INSTRUCTION>();
        if instructions.is_empty() || !rest.is_empty() {
            let message = format!("{} bytes are no filter", bytes.len());
            return Err(at.wrong(message).hint("give 8 bytes for each instruction (sock_filter)"));
        }
        Ok(Some(Self { pointer, instructions: instructions.to_vec() }))
    }
}

/// Enough to find it again.
fn shortened(text: &str) -> String {
    let mut start: String = text.chars().take(20).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// RFC 4648, section 4: four signs for three bytes, and no second way to write any.
fn decode(text: &str) -> Option<Vec<u8>> {
    let signs = text.as_bytes();
    let (quads, rest) = signs.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(signs.len() / 4 * 3);
    for (index, quad) in quads.iter().enumerate() {
        let filled = quad.iter().rev().take_while(|sign| **sign == b'=').count();
        if filled > 2 || filled > 0 && index + 1 != quads.len() {
            return None;
        }
        let mut bits = 0_u32;
        for sign in &quad[..4 - filled] {
            bits = bits << 6 | value(*sign)?;
        }
        bits <<= 6 * filled;
        let [_, three @ ..] = bits.to_be_bytes();
        let (kept, lost) = three.split_at(3 - filled);
        if lost.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

fn value(sign: u8) -> Option<u32> {
    let value = match sign {
        b'A'..=b'Z' => sign - b'A',
        b'a'..=b'z' => sign - b'a' + 26,
        b'0'..=b'9' => sign - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;
    use serde_json::{Value, json};
    use std::path::Path;

    fn parsed(annotations: Value, seccomp: Value) -> Result<Spec> {
        let mut config = json!({
            "ociVersion": "1.3.0", "root": {"path": "rootfs"}, "annotations": annotations,
            "linux": {"namespaces": [{"type": "mount"}]},
        });
        if !seccomp.is_null() {
            config["linux"]["seccomp"] = seccomp;
        }
        Spec::parse(config.to_string().as_bytes(), Path::new("/b"))
    }

    /// `ret ALLOW`.
    const ALLOW: &str = "BgAAAAAA/38=";

    #[test]
    fn base64_is_read_in_the_one_way_that_it_is_written() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for text in [
            "Zg", "Zg=", "Zg=a", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "-_-_", "é=",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_ready_made_filter_has_our_name_or_cruns() {
        for (name, pointer) in NAMES {
            let spec = parsed(json!({ (name): ALLOW }), Value::Null).unwrap();
            let filter = spec.hardening.filter.unwrap();
            assert_eq!(filter.pointer, pointer);
            assert_eq!(filter.instructions, [[6, 0, 0, 0, 0, 0, 0xff, 0x7f]]);
            assert!(spec.warnings.is_empty(), "{:?}", spec.warnings);
        }
    }

    #[test]
    fn a_filter_that_is_none_is_named_by_its_annotation() {
        for (text, says) in [
            ("", "0 bytes"),
            ("Zg==", "1 bytes"),
            ("BgAAAAAA/39CQUQ=", "11 bytes"),
            ("not base64 but a long sentence", "\"not base64 but a lon…\" is no base64"),
        ] {
            let error =
                parsed(json!({ "org.rrun.seccomp.bpf": text }), Value::Null).expect_err(text);
            assert_eq!(error.pointer(), Some(OURS.1));
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn a_filter_and_a_profile_or_two_filters_are_refused_together() {
        let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
        for (name, pointer) in NAMES {
            let error = parsed(json!({ (name): ALLOW }), profile.clone()).expect_err(name);
            assert_eq!(error.pointer(), Some(pointer));
            assert!(error.to_string().contains("/linux/seccomp is given, too"), "{error}");
        }
        let both = json!({ "org.rrun.seccomp.bpf": ALLOW, (CRUNS): ALLOW });
        let error = parsed(both, Value::Null).expect_err("two");
        assert!(error.to_string().contains(CRUNS), "{error}");
    }
}
