//! A subject's samples, round by round.
//!
//! What a newcomer would get wrong: a figure that a subject forgot would make its row shorter than the others', and
//! samples of different rounds would be compared; so a forgotten figure is an error.

use super::cases::{CASES, Case};
use crate::inside::Answer;
use crate::result::Row;
use crate::stats::median;
use std::collections::BTreeMap;

/// What one subject has said until now.
#[derive(Debug)]
pub struct Series {
    subject: String,
    samples: BTreeMap<&'static str, Vec<f64>>,
    missing: BTreeMap<&'static str, String>,
}

impl Series {
    /// Of this subject, nothing yet.
    #[must_use]
    pub fn of(subject: &str) -> Self {
        let subject = subject.to_owned();
        Self { subject, samples: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Adds what it said in one round.
    ///
    /// # Errors
    /// It said nothing of a figure, not even why, or its clock is too coarse for what it timed.
    pub fn add(&mut self, answer: &Answer) -> Result<(), String> {
        for case in CASES {
            if let Some(why) = answer.missing.get(case.said) {
                self.missing.insert(case.said, why.clone());
                continue;
            }
            let values: Vec<f64> = answer.of(case.said).iter().map(|v| case.in_unit(*v)).collect();
            let said_nothing = || format!("{}: it said nothing of {}", self.subject, case.said);
            let middle = median(&values).ok_or_else(said_nothing)?;
            if values.iter().any(|value| *value <= 0.0) {
                return Err(format!(
                    "{}: its clock stood still during {}",
                    self.subject, case.said
                ));
            }
            let samples = self.samples.entry(case.said).or_default();
            samples.extend(if case.every { values } else { vec![middle] });
        }
        Ok(())
    }

    /// A row of each case, which `finish` completes.
    pub fn rows<'a>(
        &'a self,
        finish: impl Fn(Row, &Case) -> Row + 'a,
    ) -> impl Iterator<Item = Row> + 'a {
        CASES.iter().map(move |case| {
            let row = case.row(&self.subject);
            let row = match self.missing.get(case.said) {
                Some(why) => row.missing(why.as_str()),
                None => row.samples(self.samples.get(case.said).cloned().unwrap_or_default()),
            };
            finish(row, case)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Found;

    fn answer(without: &str) -> Answer {
        let mut answer = Answer::default();
        for case in CASES.iter().filter(|case| case.said != without) {
            answer.samples.insert(case.said.to_owned(), vec![1e6, 9e6, 2e6]);
        }
        answer
    }

    fn found(series: &Series, said: &str) -> Found {
        let rows: Vec<Row> = series.rows(|row, _| row).collect();
        let at = CASES.iter().position(|case| case.said == said).expect("a case");
        rows[at].found.clone()
    }

    #[test]
    fn a_round_is_one_sample_but_every_unit_is_one() {
        let mut series = Series::of("bare");
        for _ in 0..2 {
            series.add(&answer("")).expect("whole answers");
        }
        assert_eq!(found(&series, "getppid"), Found::Samples(vec![2e6, 2e6]));
        assert_eq!(found(&series, "unit"), Found::Samples(vec![1.0, 9.0, 2.0, 1.0, 9.0, 2.0]));
    }

    #[test]
    fn what_is_missing_has_its_reason_and_what_is_forgotten_is_an_error() {
        let mut series = Series::of("vm");
        let mut one_processor = answer("pipe@two");
        one_processor.missing.insert("pipe@two".to_owned(), "one processor".to_owned());
        series.add(&one_processor).expect("a whole answer");
        assert_eq!(found(&series, "pipe@two"), Found::Missing("one processor".to_owned()));
        let why = series.add(&answer("stat")).expect_err("a forgotten figure");
        assert_eq!(why, "vm: it said nothing of stat");
    }

    #[test]
    fn a_clock_that_stands_still_is_no_clock() {
        let mut answer = answer("");
        answer.samples.insert("stat".to_owned(), vec![0.0, 4e6]);
        let why = Series::of("vm").add(&answer).expect_err("a coarse clock");
        assert_eq!(why, "vm: its clock stood still during stat");
    }
}
