//! From the answers of two boots to rows, if the boots agree.
//!
//! What a newcomer would get wrong: two boots are not two equal runs; the kernel draws random numbers in each. They agree
//! in their medians, and that is what is checked.

use super::order::Answer;
use super::{machines, neighbours, starts};
use crate::result::{Lane, Metric, Row, Unit};
use crate::stats::median;

/// How far apart the medians of two boots may be, in parts of the smaller.
pub const AGREE: f64 = 0.01;

/// A row in the making: its samples boot by boot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// "M1i".
    pub metric: String,
    /// The case.
    pub case: String,
    /// Who.
    pub subject: String,
    /// The samples of each boot.
    pub boots: Vec<Vec<f64>>,
    /// Why there are none in some boot.
    pub gave_up: Option<String>,
}

impl Cell {
    /// How far apart the boots' medians are, in parts of the smallest.
    #[must_use]
    pub fn apart(&self) -> Option<f64> {
        let medians: Option<Vec<f64>> = self.boots.iter().map(|boot| median(boot)).collect();
        let medians = medians.filter(|medians| medians.len() > 1)?;
        let (least, most) = (min(&medians), medians.iter().copied().fold(f64::MIN, f64::max));
        Some(if most == least { 0.0 } else { (most - least) / least })
    }

    /// Whether it is ours to vouch for: other people's runtimes have threads and timers that scatter as they like.
    fn is_strict(&self) -> bool {
        let strange = ["runc", "crun", "youki"].iter().any(|name| self.subject.starts_with(name));
        self.metric == "M1i" && !strange
    }

    fn says(&self) -> String {
        let medians: Vec<String> =
            self.boots.iter().filter_map(|boot| median(boot)).map(|m| format!("{m:.0}")).collect();
        format!("{} {} {}: {}", self.metric, self.case, self.subject, medians.join(" and "))
    }
}

fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Adds what boot number `boot` has said.
pub fn add(cells: &mut Vec<Cell>, boot: usize, answers: Vec<Answer>) {
    for answer in answers {
        let (metric, case, subject) = match &answer {
            Answer::Sample(metric, case, subject, _)
            | Answer::DidNotFinish(metric, case, subject, _) => (metric, case, subject),
            Answer::Failed(_) | Answer::Done => continue,
        };
        let same =
            |cell: &Cell| (&cell.metric, &cell.case, &cell.subject) == (metric, case, subject);
        let index = cells.iter().position(same).unwrap_or_else(|| {
            let (metric, case, subject) = (metric.clone(), case.clone(), subject.clone());
            cells.push(Cell { metric, case, subject, ..Cell::default() });
            cells.len() - 1
        });
        let cell = &mut cells[index];
        cell.boots.resize(cell.boots.len().max(boot + 1), Vec::new());
        match answer {
            Answer::Sample(.., value) => cell.boots[boot].push(value),
            Answer::DidNotFinish(.., why) => cell.gave_up = Some(why),
            Answer::Failed(_) | Answer::Done => {}
        }
    }
}

/// The rows.
///
/// # Errors
/// Two boots do not agree, which names every row of it; or one boot lacks what another has.
pub fn rows(cells: &[Cell]) -> Result<Vec<Row>, String> {
    let lacking =
        cells.iter().find(|cell| cell.gave_up.is_none() && cell.boots.iter().any(Vec::is_empty));
    if let Some(cell) = lacking {
        return Err(format!("lane I: one boot has samples that another lacks: {}", cell.says()));
    }
    let apart = |cell: &&Cell| cell.is_strict() && cell.apart().is_some_and(|apart| apart > AGREE);
    let wrong: Vec<String> = cells.iter().filter(apart).map(Cell::says).collect();
    if !wrong.is_empty() {
        return Err(format!(
            "lane I is not deterministic: two boots are more than {} % apart: {}",
            AGREE * 100.0,
            wrong.join("; ")
        ));
    }
    let alone: Vec<Option<f64>> = cells
        .iter()
        .find(|cell| cell.metric == "M12" && cell.case == "alone")
        .map(|cell| cell.boots.iter().map(|boot| median(boot)).collect())
        .unwrap_or_default();
    Ok(cells.iter().map(|cell| row(cell, &alone)).collect())
}

fn row(cell: &Cell, alone: &[Option<f64>]) -> Row {
    let (case, subject) = (cell.case.as_str(), cell.subject.as_str());
    let samples: Vec<f64> = cell.boots.iter().flatten().copied().collect();
    let row = match cell.metric.as_str() {
        "M1i" if subject.starts_with("vm ") => {
            Row::new(Metric::M1i, case, subject, Unit::Instructions, machines::INTERVAL)
                .samples(samples)
        }
        "M1i" => Row::new(Metric::M1i, case, subject, Unit::Instructions, starts::INTERVAL)
            .samples(samples),
        "M7" => {
            let interval =
                "the time stamp counter around many calls ÷ their number − an empty turn";
            Row::new(Metric::M7, case, subject, Unit::Instructions, interval).samples(samples)
        }
        _ if case == "alone" => {
            let interval = "instructions of the victim's fixed work with nobody beside it";
            Row::new(Metric::M12, case, subject, Unit::Instructions, interval).samples(samples)
        }
        _ if case.contains(": ") => {
            let interval = "counted by the kernel while the neighbour was at it, in each boot";
            Row::new(Metric::M12, case, subject, Unit::Count, interval).samples(samples)
        }
        _ => {
            let boots = cell.boots.iter().zip(alone);
            let ratios = boots.flat_map(|(boot, alone)| {
                boot.iter().filter_map(move |sample| Some(sample / (*alone)?))
            });
            let row = Row::new(Metric::M12, case, subject, Unit::Ratio, neighbours::INTERVAL);
            let row = row.samples(ratios.collect());
            match neighbours::theory(case, subject) {
                Some(theory) => row.note(theory),
                None => row,
            }
        }
    };
    let row = match (&cell.gave_up, cell.apart()) {
        (Some(why), _) => row.did_not_finish(why),
        (None, Some(apart)) if row.unit != Unit::Count => {
            row.note(format!("two boots: medians {:.2} % apart", apart * 100.0))
        }
        _ => row,
    };
    row.lane(Lane::I)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(metric: &str, case: &str, subject: &str, value: f64) -> Answer {
        Answer::Sample(metric.to_owned(), case.to_owned(), subject.to_owned(), value)
    }

    fn boots(metric: &str, case: &str, subject: &str, values: [f64; 2]) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (boot, value) in values.into_iter().enumerate() {
            add(&mut cells, boot, vec![sample(metric, case, subject, value)]);
        }
        cells
    }

    #[test]
    fn boots_that_agree_become_one_row_of_both() {
        let rows = rows(&boots("M1i", "run", "rrun", [1000.0, 1009.0]));
        let row = rows.ok().and_then(|mut rows| rows.pop());
        assert!(row.is_some_and(|row| row.lane == Lane::I && row.value() == Some(1004.5)));
    }

    #[test]
    fn boots_that_do_not_agree_are_an_error_that_names_the_row() {
        let why = rows(&boots("M1i", "run", "rrun", [1000.0, 1011.0])).err().unwrap_or_default();
        assert!(why.contains("M1i run rrun: 1000 and 1011"), "{why}");
    }

    #[test]
    fn what_one_boot_lacks_is_an_error() {
        let mut cells = Vec::new();
        add(&mut cells, 1, vec![sample("M1i", "run", "floor", 1.0)]);
        assert!(rows(&cells).is_err());
    }

    #[test]
    fn a_neighbour_is_divided_by_the_victim_alone_of_its_boot() {
        let mut cells = boots("M12", "alone", "bare", [100.0, 200.0]);
        cells.extend(boots("M12", "4 hogs", "rrun", [200.0, 400.0]));
        let rows = rows(&cells).unwrap();
        assert_eq!(rows[1].found, crate::result::Found::Samples(vec![2.0, 2.0]));
        assert_eq!(rows[1].unit, Unit::Ratio);
    }
}
