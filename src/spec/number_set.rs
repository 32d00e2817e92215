//! Lists of processors and memory nodes: `0-3,7` as the kernel's bit masks.
//!
//! It knows the syntax, which is that of the kernel's own lists: ranges, spaces around them, commas too many. It refuses to
//! know which numbers this machine has.
//! What a newcomer would get wrong: there is no 1024 here. A mask is as long as its highest number needs; `cpu_set_t`,
//! which is not, is the C library's.

use super::at::At;
use crate::error::Result;
use std::fmt;

/// A set of small numbers, one bit each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSet {
    words: Vec<u64>,
}

/// More than any kernel has of either; what a slip of the keyboard may cost is 8 KiB.
const MOST: u32 = 65_535;

impl NumberSet {
    /// The mask as `unsigned long`s; an empty set has none.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Reads a list; an empty one, or one of commas, is the empty set.
    pub(super) fn read(at: At<'_>, list: &str) -> Result<Self> {
        let mut this = Self::default();
        for range in list.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(at, range, first)?, number(at, range, last)?);
            if first > last {
                let message = format!("the range {range:?} ends before it begins");
                return Err(at.wrong(message).hint("write the lower number first"));
            }
            (first..=last).for_each(|number| this.insert(number));
        }
        Ok(this)
    }

    fn insert(&mut self, number: u32) {
        let (word, bit) = ((number / 64) as usize, number % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    fn has(&self, number: u32) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

fn number(at: At<'_>, range: &str, text: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    match number {
        Some(number) if number <= MOST => Ok(number),
        None if !digits => Err(at
            .wrong(format!("{range:?} is no number and no range"))
            .hint("write a list like 0-3,7")),
        _ => Err(at
            .wrong(format!("{text} is too large, {MOST} is the most"))
            .hint("name numbers that this machine has")),
    }
}

/// As the kernel prints it: ranges, in order.
impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = u32::try_from(self.words.len() * 64).unwrap_or(u32::MAX);
        let mut comma = "";
        let mut next = 0;
        while next < end {
            let first = next;
            while self.has(next) {
                next += 1;
            }
            match next - first {
                0 => {}
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{}", next - 1)?,
            }
            if next > first {
                comma = ",";
            }
            next += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> std::result::Result<String, String> {
        let set = NumberSet::read(At::DOCUMENT.key("x"), list);
        set.map(|set| set.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_reads_as_the_kernel_prints_it() {
        for (list, printed) in [
            ("0-3,7", "0-3,7"),
            ("7,0,1,2,3", "0-3,7"),
            (" 63 , 64 ", "63-64"),
            ("1500,,", "1500"),
            ("0-127", "0-127"),
            ("", ""),
            (",", ""),
        ] {
            assert_eq!(read(list).as_deref(), Ok(printed), "{list:?}");
        }
    }

    #[test]
    fn beyond_1024_the_mask_is_as_long_as_it_must_be() {
        let set = NumberSet::read(At::DOCUMENT, "2049").expect("a set");
        assert_eq!(set.words().len(), 33);
        assert_eq!(set.words().last(), Some(&2));
    }

    #[test]
    fn what_is_no_list_is_said_so() {
        for (list, error) in [
            (
                "3-1",
                "the range \"3-1\" ends before it begins (at /x); write the lower number first",
            ),
            ("a", "\"a\" is no number and no range (at /x); write a list like 0-3,7"),
            ("+1", "\"+1\" is no number and no range (at /x); write a list like 0-3,7"),
            ("1-", "\"1-\" is no number and no range (at /x); write a list like 0-3,7"),
            ("-1", "\"-1\" is no number and no range (at /x); write a list like 0-3,7"),
            ("0x1", "\"0x1\" is no number and no range (at /x); write a list like 0-3,7"),
            (
                "65536",
                "65536 is too large, 65535 is the most (at /x); name numbers that this machine has",
            ),
            (
                "0-99999999999",
                "99999999999 is too large, 65535 is the most (at /x); name numbers that this machine has",
            ),
        ] {
            assert_eq!(read(list), Err(error.to_owned()), "{list:?}");
        }
    }
}
