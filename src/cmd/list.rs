//! `rrun list`: every container of one root.
//!
//! What a newcomer would get wrong: scripts cut the table into columns by runc's rule. A column is as wide as its widest
//! cell plus three, and at least twelve.

use super::args::{Globals, ListArgs, ListFormat};
use crate::container::{Container, State};
use crate::error::{Error, Kind, Result};
use crate::log;

const HEADING: [&str; 6] = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

/// Prints them as a table, as JSON, or only their ids.
///
/// # Errors
/// [`Kind::Kernel`] when the root directory cannot be read.
pub fn run(globals: &Globals, args: &ListArgs) -> Result<u8> {
    let containers = super::store(globals)?.list()?;
    if args.quiet {
        let ids: String = containers.iter().map(|c| format!("{}\n", c.record.id)).collect();
        return super::print(&ids);
    }
    let states: Vec<_> = containers.iter().filter_map(observe).collect();
    match args.format {
        ListFormat::Table => super::print(&table(&states)),
        ListFormat::Json => {
            let json = serde_json::to_string(&states).map_err(|error| {
                Error::new(Kind::Unsupported, format!("write the list: {error}"))
            })?;
            super::print(&(json + "\n"))
        }
    }
}

/// One that is deleted at this moment cannot be observed; that is no reason not to show the others.
fn observe(container: &Container) -> Option<State<'_>> {
    match container.state() {
        Ok(state) => Some(state),
        Err(error) => {
            log::debug(|| format!("container {} left out: {error}", container.record.id));
            None
        }
    }
}

fn table(states: &[State<'_>]) -> String {
    let mut rows = vec![HEADING.map(str::to_owned)];
    rows.extend(states.iter().map(State::cells));
    let mut widths = [0; HEADING.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (cell.chars().count() + 3).max(12).max(*width);
        }
    }
    let line = |row: &[String; HEADING.len()]| {
        let (last, padded) = row.split_last()?;
        let cells: String =
            padded.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        Some(format!("{cells}{last}\n"))
    };
    rows.iter().filter_map(line).collect()
}
