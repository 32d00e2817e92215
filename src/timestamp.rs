//! Points in time as RFC 3339 text, in UTC.
//!
//! It knows the Gregorian calendar and nothing of time zones or locales. What a newcomer would get wrong: Go's
//! `RFC3339Nano` drops trailing zeros of the fraction (and the fraction itself when it is zero); callers parse both.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time since 1970, UTC, leap seconds not counted, as the kernel's realtime clock gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    seconds: u64,
    nanos: u32,
}

impl Timestamp {
    /// The realtime clock's present; a clock set before 1970 reads as 1970.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seconds: since.as_secs(), nanos: since.subsec_nanos() }
    }

    /// To the second, as log lines carry it: `2026-11-22T07:59:21Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        format!("{}Z", self.without_zone())
    }

    /// With up to nine digits of fraction, as `created` carries it: `2026-11-22T07:59:21.0451Z`.
    #[must_use]
    pub fn rfc3339_nano(self) -> String {
        let fraction = format!(".{:09}", self.nanos);
        format!("{}{}Z", self.without_zone(), fraction.trim_end_matches('0').trim_end_matches('.'))
    }

    fn without_zone(self) -> String {
        let (year, month, day) = civil(self.seconds / 86_400);
        let second = self.seconds % 86_400;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60)
    }
}

/// Year, month and day of a count of days since 1970-01-01. Years begin in March here, so that the leap day is the
/// last of its year and months have a closed form.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_days_centuries_and_year_ends_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp { seconds, nanos: 7 }.rfc3339(), text);
        }
    }

    #[test]
    fn fractions_lose_their_trailing_zeros_as_in_go() {
        let at = |nanos| Timestamp { seconds: 1, nanos }.rfc3339_nano();
        assert_eq!(at(0), "1970-01-01T00:00:01Z");
        assert_eq!(at(120_000_000), "1970-01-01T00:00:01.12Z");
        assert_eq!(at(1), "1970-01-01T00:00:01.000000001Z");
    }
}
