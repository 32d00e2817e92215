//! What a run found: one schema for the report, the comparison and the gate, written as `isobench.json`.
//!
//! Everything that was measured is a [`Row`]: a metric, a case of it, a subject, and what was found. It refuses
//! numbers without their definition: each row says its unit and its interval. What a newcomer would get wrong: a tool
//! that this machine lacks is a row, too, with the reason; only a measurement that went wrong is a [`Problem`], and fails
//! the run.

mod metric;
mod row;
mod table;

pub use metric::{Lane, Metric, Unit};
pub use row::{Found, Row};
pub use table::{beside, table};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of the file's layout; a reader refuses another one.
pub const SCHEMA: u32 = 1;

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isobench {
    /// [`SCHEMA`] when it was written.
    pub schema: u32,
    /// The machine, the versions and the files, by name, for the report's header.
    pub run: Value,
    /// In the order in which the parts ran.
    pub rows: Vec<Row>,
    /// What should have been measured and could not be, though nothing was missing.
    pub problems: Vec<Problem>,
}

/// A measurement that went wrong. It fails the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The part of the suite.
    pub part: String,
    /// A sentence.
    pub what: String,
}

impl Isobench {
    /// The row of a metric, a case and a subject, if there is one.
    #[must_use]
    pub fn row(&self, metric: Metric, case: &str, subject: &str) -> Option<&Row> {
        let wanted =
            |row: &&Row| row.metric == metric && row.case == case && row.subject == subject;
        self.rows.iter().find(wanted)
    }

    /// The rows of a metric, in the order in which they were measured.
    pub fn of(&self, metric: Metric) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.metric == metric)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// A sentence: it is no such file, or of another schema.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|why| format!("no JSON: {why}"))?;
        match value.get("schema").and_then(Value::as_u64) {
            Some(found) if found == u64::from(SCHEMA) => {}
            Some(found) => return Err(format!("schema {found}; this build reads {SCHEMA}")),
            None => return Err("no isobench.json: it has no schema".to_owned()),
        }
        serde_json::from_value(value).map_err(|why| format!("no isobench.json: {why}"))
    }
}
