//! `exec --user`: what is no user must never come out as one (CVE-2026-30892).
//!
//! The other reading here shares nothing with the parser: it compares texts, not numbers.

use rrun::cmd::args::ExecUser;

/// The largest id there is; the next number means "nobody".
const LAST: &str = "4294967294";

/// A text is a user if, and only if, it is one or two canonical-or-zero-padded decimal numbers that fit.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(2, ':');
    let uid = parts.next().and_then(canonical);
    let gid = parts.next().map(canonical);
    let expected = match (uid, gid) {
        (Some(uid), None) => Some((uid, None)),
        (Some(uid), Some(Some(gid))) => Some((uid, Some(gid))),
        _ => None,
    };
    let got = ExecUser::parse(text).ok();
    let got = got.map(|user| (user.uid.to_string(), user.gid.map(|gid| gid.to_string())));
    assert_eq!(got, expected, "{text:?}");
}

/// The digits without leading zeros, if it is nothing but digits and not above the last id.
fn canonical(text: &str) -> Option<String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match text.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fits = digits.len() < LAST.len() || (digits.len() == LAST.len() && digits <= LAST);
    fits.then(|| digits.to_owned())
}
