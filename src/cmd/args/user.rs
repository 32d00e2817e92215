//! `exec --user uid[:gid]`, and `--additional-gids`.
//!
//! Numbers only, as runc has it: names would mean whatever the *container's* /etc/passwd says. What a newcomer would get
//! wrong: a lenient number parser is a privilege bug here. A leading sign, blank or zero byte, an overflow or trailing junk
//! must never come out as another user, least of all as 0 (CVE-2026-30892).

use super::taken::{decimal, wrong};
use crate::error;

/// Who an exec'd program is, in the container's user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecUser {
    /// The user.
    pub uid: u32,
    /// The group; 0 when it was left away, as in runc.
    pub gid: Option<u32>,
}

impl ExecUser {
    /// Understands `uid` or `uid:gid`; on failure, how it should be written.
    ///
    /// # Errors
    /// The fix, for anything but decimal digits below 4294967295 (which means "nobody" to the kernel).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FIX: &str =
            "write UID or UID:GID with decimal numbers below 4294967295, as in 1000:1000";
        let id = |digits: &str| id(digits).ok_or(FIX);
        match text.split_once(':') {
            None => Ok(Self { uid: id(text)?, gid: None }),
            Some((uid, gid)) => Ok(Self { uid: id(uid)?, gid: Some(id(gid)?) }),
        }
    }
}

/// A user or group; the highest number means "nobody" to the kernel.
fn id(digits: &str) -> Option<u32> {
    decimal(digits).filter(|id| *id != u32::MAX)
}

/// The groups of `--additional-gids`.
///
/// # Errors
/// For what is no group.
pub fn gids(texts: &[String]) -> error::Result<Vec<u32>> {
    let gid = |text: &String| {
        id(text).ok_or_else(|| {
            wrong("additional-gids", text, "is not a group")
                .hint("give a decimal number below 4294967295, and repeat the flag for more")
        })
    };
    texts.iter().map(gid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_decimal_numbers_are_users() {
        let user = |uid, gid| Ok(ExecUser { uid, gid });
        assert_eq!(ExecUser::parse("0"), user(0, None));
        assert_eq!(ExecUser::parse("1"), user(1, None));
        assert_eq!(ExecUser::parse("1000:0"), user(1000, Some(0)));
        assert_eq!(ExecUser::parse("007:4294967294"), user(7, Some(4_294_967_294)));
        for bad in [
            "",
            ":",
            "1:",
            ":1",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1\n",
            "1x",
            "x1",
            "0x1",
            "1.0",
            "1:2:3",
            "root",
            "root:root",
            "1:root",
            "4294967295",
            "4294967296",
            "1:4294967295",
            "99999999999999999999",
            "1\0",
            "١",
        ] {
            assert!(ExecUser::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_was_written(text in "[0-9a-z:+\\- ]{0,12}") {
            if let Ok(ExecUser { uid, gid }) = ExecUser::parse(&text) {
                let mut parts = text.splitn(2, ':');
                let same = |part: Option<&str>, id: u32| {
                    let digits = part.unwrap().trim_start_matches('0');
                    digits == if id == 0 { String::new() } else { id.to_string() }
                };
                prop_assert!(same(parts.next(), uid));
                match gid {
                    Some(gid) => prop_assert!(same(parts.next(), gid)),
                    None => prop_assert_eq!(parts.next(), None),
                }
            }
        }

        #[test]
        fn every_pair_of_ids_survives(uid in 0..u32::MAX, gid in 0..u32::MAX) {
            prop_assert_eq!(
                ExecUser::parse(&format!("{uid}:{gid}")),
                Ok(ExecUser { uid, gid: Some(gid) })
            );
        }
    }
}
