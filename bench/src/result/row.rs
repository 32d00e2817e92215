//! One cell of the results: who, what, in which case, and what was found.
//!
//! What a newcomer would get wrong: rows are compared by their samples' order when they share a *group*: sample *n* of
//! each was taken in round *n*, so the ratio of two rows is the median of the rounds' ratios, not of two medians.

use super::{Lane, Metric, Unit};
use crate::stats::{Estimate, Summary, rounded};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Measured, sample by sample, in the order in which they were taken.
    Samples(Vec<f64>),
    /// Counted: the same each time.
    Exact(f64),
    /// A fact that is no number.
    Text(String),
    /// It was still running when it was given up, which is a result: the sentence says after how long.
    DidNotFinish(String),
    /// It can't be measured here: the sentence says what is missing.
    Missing(String),
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The question.
    pub metric: Metric,
    /// The kind of truth.
    pub lane: Lane,
    /// Which case of the question, "k=16" or "getppid"; empty when there is one only.
    pub case: String,
    /// Who: a name of [`crate::subject`].
    pub subject: String,
    /// What the number is a number of.
    pub unit: Unit,
    /// From when to when, or what is counted: "t0→t1: …".
    pub interval: String,
    /// Rows of the same group were measured in the same rounds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// What was found.
    pub found: Found,
    /// Of the samples, with 95 % intervals.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub summary: Option<Summary>,
    /// Beside the samples, sample by sample: "cpu_ms", "disturbed".
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub beside: BTreeMap<String, Vec<f64>>,
    /// What a reader must know: a handicap, an advantage, a limit.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

impl Row {
    /// A row of the wall clock's lane without anything found yet.
    #[must_use]
    pub fn new(metric: Metric, case: &str, subject: &str, unit: Unit, interval: &str) -> Self {
        Self {
            metric,
            lane: Lane::W,
            case: case.to_owned(),
            subject: subject.to_owned(),
            unit,
            interval: interval.to_owned(),
            group: None,
            found: Found::Missing("not measured".to_owned()),
            summary: None,
            beside: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// In this lane.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// In this group of rounds.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// With these samples, [`rounded`], and what they say; none at all is a missing row.
    #[must_use]
    pub fn samples(mut self, mut samples: Vec<f64>) -> Self {
        samples.iter_mut().for_each(|sample| *sample = rounded(*sample));
        self.summary = Summary::of(&samples);
        self.found = match self.summary {
            Some(_) => Found::Samples(samples),
            None => Found::Missing("there are no samples".to_owned()),
        };
        self
    }

    /// With this count.
    #[must_use]
    pub fn exact(mut self, value: f64) -> Self {
        self.found = Found::Exact(value);
        self
    }

    /// With this fact.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.found = Found::Text(text.into());
        self
    }

    /// Given up; the sentence says after how long.
    #[must_use]
    pub fn did_not_finish(mut self, after: impl Into<String>) -> Self {
        self.found = Found::DidNotFinish(after.into());
        self
    }

    /// Not to be had here, for this reason.
    #[must_use]
    pub fn missing(mut self, why: impl Into<String>) -> Self {
        self.found = Found::Missing(why.into());
        self
    }

    /// With another series beside the samples.
    #[must_use]
    pub fn beside(mut self, name: &str, mut values: Vec<f64>) -> Self {
        values.iter_mut().for_each(|value| *value = rounded(*value));
        self.beside.insert(name.to_owned(), values);
        self
    }

    /// With a sentence for the reader.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The number that stands for the row: the median of its samples, or its count.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match &self.found {
            Found::Samples(_) => self.summary.as_ref().map(|summary| summary.p50),
            Found::Exact(value) => Some(*value),
            Found::Text(_) | Found::DidNotFinish(_) | Found::Missing(_) => None,
        }
    }

    /// How many times `base` this row is: round by round when both are of one group; otherwise of the medians, with
    /// both samples drawn anew; without an interval when both are counts.
    #[must_use]
    pub fn ratio(&self, base: &Self) -> Option<Estimate> {
        match (&self.found, &base.found) {
            (Found::Samples(ours), Found::Samples(theirs)) => {
                if self.group.is_some() && self.group == base.group && ours.len() == theirs.len() {
                    Estimate::of_paired_ratio(ours, theirs)
                } else {
                    Estimate::of_ratio(ours, theirs)
                }
            }
            _ => {
                let (ours, theirs) = (self.value()?, base.value()?);
                (theirs != 0.0).then(|| Estimate::exactly(ours / theirs))
            }
        }
    }
}
