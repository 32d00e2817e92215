//! `kill`'s SIGNAL: names with or without `SIG`, in either case, or numbers.
//!
//! It knows signal(7)'s names. What a newcomer would get wrong: containerd sends numbers, CRI-O and podman names, and
//! images name their stop signal as `SIGRTMIN+3` (systemd's).

use std::str::FromStr;

/// A signal's number, 0 (only ask) to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub i32);

/// The real-time signals as programs see them: the C library keeps 32 and 33 for itself.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

impl Signal {
    /// SIGTERM.
    pub const TERM: Self = Self(libc::SIGTERM);

    /// Understands a name or a number; on failure, how it should be written.
    ///
    /// # Errors
    /// The fix, for what is no signal on Linux.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fix = "give a name such as TERM or SIGKILL, or a number from 0 to 64, without a dash";
        if let Some(number) = super::taken::decimal::<i32>(text) {
            return if number <= *REAL_TIME.end() { Ok(Self(number)) } else { Err(fix) };
        }
        let upper = text.to_ascii_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = match short {
            "IOT" => Some(libc::SIGABRT),
            "CLD" => Some(libc::SIGCHLD),
            "POLL" => Some(libc::SIGIO),
            _ => nix::sys::signal::Signal::from_str(&format!("SIG{short}")).ok().map(|s| s as i32),
        };
        number.or_else(|| real_time(short)).map(Self).ok_or(fix)
    }
}

/// `RTMIN`, `RTMIN+3`, `RTMAX-1`.
fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign| match text.strip_prefix(sign) {
        Some(digits) => super::taken::decimal::<i32>(digits),
        None => text.is_empty().then_some(0),
    };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        REAL_TIME.start().checked_add(offset(rest, '+')?)?
    } else {
        REAL_TIME.end().checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)?
    };
    REAL_TIME.contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_understood_as_runc_and_its_callers_write_them() {
        for (text, number) in [
            ("9", 9),
            ("0", 0),
            ("64", 64),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigkill", 9),
            ("Term", 15),
            ("HUP", 1),
            ("USR1", 10),
            ("WINCH", 28),
            ("POLL", 29),
            ("SIGIOT", 6),
            ("CLD", 17),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(Signal::parse(text), Ok(Signal(number)), "{text}");
        }
        for bad in [
            "",
            "65",
            "-9",
            "+9",
            "9 ",
            "SIG",
            "SIGSIGKILL",
            "BOGUS",
            "RTMIN+31",
            "RTMAX+1",
            "RTMIN-1",
            "RTMIN+",
        ] {
            assert!(Signal::parse(bad).is_err(), "{bad:?}");
        }
    }
}
