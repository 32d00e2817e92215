//! `key=value` words.
//!
//! What a newcomer would get wrong: in a guest the words come through the kernel's command line, which splits at spaces
//! and takes quotes away; so values have neither.

use std::collections::BTreeMap;

/// What an op was asked for.
#[derive(Debug)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Of words that each have an equals sign.
    pub fn of(words: &[String]) -> Result<Self, String> {
        let pair = |word: &String| {
            let pair = word.split_once('=').ok_or_else(|| format!("{word:?} is no key=value"))?;
            Ok((pair.0.to_owned(), pair.1.to_owned()))
        };
        words.iter().map(pair).collect::<Result<_, String>>().map(Self)
    }

    /// A whole number, or what is taken when none is given.
    pub fn number(&self, key: &str, otherwise: u64) -> Result<u64, String> {
        match self.0.get(key) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|why| format!("{key}={text}: {why}")),
        }
    }

    /// [`Arguments::number`] as a count.
    pub fn count(&self, key: &str, otherwise: usize) -> Result<usize, String> {
        let number = self.number(key, otherwise as u64)?;
        usize::try_from(number).map_err(|why| format!("{key}={number}: {why}"))
    }

    /// A word, or what is taken when none is given.
    pub fn text<'a>(&'a self, key: &str, otherwise: &'a str) -> &'a str {
        self.0.get(key).map_or(otherwise, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_was_given_or_else_the_default() {
        let words = ["n=12".to_owned(), "path=/a=b".to_owned(), "bad=x".to_owned()];
        let arguments = Arguments::of(&words).expect("pairs");
        assert_eq!(arguments.number("n", 1), Ok(12));
        assert_eq!(arguments.number("m", 1), Ok(1));
        assert_eq!(arguments.text("path", ""), "/a=b");
        assert!(arguments.number("bad", 1).is_err());
        assert!(Arguments::of(&["lonely".to_owned()]).is_err());
    }
}
