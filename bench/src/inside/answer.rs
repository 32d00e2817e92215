//! What `workload` says, line by line.
//!
//! What a newcomer would get wrong: a runtime's own warning in between would be read as samples by a parser that is
//! lenient, so this one is not.

use std::collections::BTreeMap;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Samples of a name.
    Samples(String, Vec<f64>),
    /// A name has no samples, and why.
    Missing(String, String),
    /// The work is done.
    Done,
}

impl Said {
    /// Reads a line.
    ///
    /// # Errors
    /// A sentence: the work went wrong, or this is no line of `workload`.
    pub fn parse(line: &str) -> Result<Self, String> {
        let garbage = || format!("said what is no sample: {line:?}");
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "done" if rest.is_empty() => return Ok(Self::Done),
            "done" => return Err(garbage()),
            "error" => return Err(format!("went wrong: {rest}")),
            "missing" => {
                let (name, why) = rest.split_once(' ').ok_or_else(garbage)?;
                return Ok(Self::Missing(name.to_owned(), why.to_owned()));
            }
            _ => {}
        }
        let mut letters = first.chars();
        let named = letters.next().is_some_and(|letter| letter.is_ascii_lowercase())
            && letters.all(|letter| letter.is_ascii_alphanumeric() || "-_.,+=@".contains(letter));
        let values: Option<Vec<f64>> = rest.split(' ').map(number).collect();
        match values {
            Some(values) if named => Ok(Self::Samples(first.to_owned(), values)),
            _ => Err(garbage()),
        }
    }
}

fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Everything that was said until `done`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// In the order in which they were said; a name that was said twice has the samples of both.
    pub samples: BTreeMap<String, Vec<f64>>,
    /// What is not to be had there, and why.
    pub missing: BTreeMap<String, String>,
}

impl Answer {
    /// The samples of a name; none when nothing was said of it.
    #[must_use]
    pub fn of(&self, name: &str) -> &[f64] {
        self.samples.get(name).map_or(&[], Vec::as_slice)
    }

    /// Adds what was said; true when that was the end.
    pub(super) fn add(&mut self, said: Said) -> bool {
        match said {
            Said::Samples(name, values) => self.samples.entry(name).or_default().extend(values),
            Said::Missing(name, why) => drop(self.missing.insert(name, why)),
            Said::Done => return true,
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_a_name_and_numbers() {
        let samples = Said::Samples("stat-4k".to_owned(), vec![1.5, 2.0]);
        assert_eq!(Said::parse("stat-4k 1.5 2"), Ok(samples));
        assert_eq!(Said::parse("done"), Ok(Said::Done));
        let missing = Said::Missing("two".to_owned(), "one CPU only".to_owned());
        assert_eq!(Said::parse("missing two one CPU only"), Ok(missing));
    }

    #[test]
    fn anything_else_is_garbage() {
        for line in ["", "stat", "stat ", "stat 1 x", "stat NaN", "WARN 1", "stat  1", "done 1"] {
            let said = Said::parse(line);
            assert!(
                said.as_ref().is_err_and(|why| why.contains("no sample")),
                "{line:?}: {said:?}"
            );
        }
        assert_eq!(Said::parse("error no disk"), Err("went wrong: no disk".to_owned()));
    }

    #[test]
    fn a_name_said_twice_has_the_samples_of_both() {
        let mut answer = Answer::default();
        assert!(!answer.add(Said::Samples("a".to_owned(), vec![1.0])));
        assert!(!answer.add(Said::Samples("a".to_owned(), vec![2.0])));
        assert!(answer.add(Said::Done));
        assert_eq!(answer.of("a"), [1.0, 2.0]);
        assert!(answer.of("b").is_empty());
    }
}
