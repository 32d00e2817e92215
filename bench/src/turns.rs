//! Turns: subjects that each do a task in shuffled rounds, and the rows that their answers make.
//!
//! Used by the parts whose workload measures many cases in one run. It refuses a case that nobody has spoken of: what the
//! workload says neither samples of nor a reason for is an error. What a newcomer would get wrong: a subject that has
//! fewer turns than there are rounds shares no rounds with the others, so it isn't compared round by round.

use crate::inside::{Answer, Subject, Task};
use crate::result::{Metric, Row, Unit};
use crate::rounds::shuffled;
use std::time::Duration;

/// One case of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// As the workload calls it.
    pub name: &'static str,
    /// As a row calls it.
    pub case: &'static str,
    /// What the samples are samples of.
    pub unit: Unit,
    /// From when to when.
    pub interval: &'static str,
}

/// Somebody who has turns.
#[derive(Debug)]
pub struct Player {
    subject: Subject,
    task: Task,
    turns: usize,
    notes: Vec<String>,
    answer: Answer,
}

impl Player {
    /// Who does what, and in how many of the rounds.
    #[must_use]
    pub fn new(subject: Subject, task: Task, turns: usize) -> Self {
        Self { subject, task, turns, notes: Vec::new(), answer: Answer::default() }
    }

    /// With a sentence for each of its rows.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn turn(&mut self, patience: Duration) -> Result<(), String> {
        let answer = self.subject.run(&self.task, patience)?;
        for (name, samples) in answer.samples {
            self.answer.samples.entry(name).or_default().extend(samples);
        }
        self.answer.missing.extend(answer.missing);
        Ok(())
    }

    fn row(&self, metric: Metric, case: &Case, group: Option<&str>) -> Result<Row, String> {
        let subject = self.subject.name();
        let mut row = Row::new(metric, case.case, subject, case.unit, case.interval);
        if let Some(group) = group {
            row = row.group(group);
        }
        for note in &self.notes {
            row = row.note(note);
        }
        match (self.answer.of(case.name), self.answer.missing.get(case.name)) {
            (_, Some(why)) => Ok(row.missing(why)),
            ([], None) => Err(format!("{subject}: it said nothing of {}", case.name)),
            (samples, None) => Ok(row.samples(samples.to_vec())),
        }
    }
}

/// Everyone's turns, in `rounds` rounds; who has fewer turns has them spread evenly.
///
/// # Errors
/// The sentence of the first who fails.
pub fn play(players: &mut [Player], rounds: usize, patience: Duration) -> Result<(), String> {
    let mut random = 1;
    for round in 0..rounds {
        for index in shuffled(players.len(), &mut random) {
            let player = &mut players[index];
            if has_turn(round, rounds, player.turns) {
                player.turn(patience)?;
            }
        }
    }
    Ok(())
}

/// Whether this is one of `turns` rounds.
fn has_turn(round: usize, rounds: usize, turns: usize) -> bool {
    (round + 1) * turns / rounds > round * turns / rounds
}

/// A row for each case of each player.
///
/// # Errors
/// A case that a player has said nothing of.
pub fn rows(
    metric: Metric,
    cases: &[Case],
    players: &[Player],
    rounds: usize,
    group: &str,
) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for case in cases {
        for player in players {
            let group = (player.turns == rounds).then_some(group);
            rows.push(player.row(metric, case, group)?);
        }
    }
    Ok(rows)
}

/// A row of each case for a subject that can't be had.
#[must_use]
pub fn missing(metric: Metric, cases: &[Case], subject: &str, why: &str) -> Vec<Row> {
    let row =
        |case: &Case| Row::new(metric, case.case, subject, case.unit, case.interval).missing(why);
    cases.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::Bare;
    use crate::result::Found;

    const CASE: Case =
        Case { name: "a", case: "an a", unit: Unit::Microseconds, interval: "one a" };

    /// A subject that says this, whatever it is asked for.
    fn player(script: &str, turns: usize) -> Player {
        let mut bare = Bare::new("fake".into());
        bare.before = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Player::new(Subject::Bare(bare), Task::new("files"), turns)
    }

    fn played(script: &str, turns: usize, rounds: usize) -> Result<Vec<Row>, String> {
        let mut players = [player(script, turns).note("a note")];
        play(&mut players, rounds, Duration::from_secs(10))?;
        rows(Metric::M9, &[CASE], &players, rounds, "group")
    }

    #[test]
    fn turns_are_spread_evenly() {
        let of = |turns| (0..6).filter(|round| has_turn(*round, 6, turns)).collect::<Vec<_>>();
        assert_eq!(of(6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(of(2), [2, 5]);
        assert_eq!(of(1), [5]);
    }

    #[test]
    fn the_samples_of_all_turns_are_one_row() {
        let rows = played("echo a 1 2; echo done", 3, 3).unwrap();
        assert_eq!(rows[0].found, Found::Samples(vec![1.0, 2.0, 1.0, 2.0, 1.0, 2.0]));
        assert_eq!(rows[0].group.as_deref(), Some("group"));
        assert_eq!(rows[0].notes, ["a note"]);
    }

    #[test]
    fn who_has_fewer_turns_is_not_compared_round_by_round() {
        let rows = played("echo a 1; echo done", 1, 3).unwrap();
        assert_eq!(rows[0].group, None);
    }

    #[test]
    fn a_reason_is_a_row_and_silence_is_an_error() {
        let rows = played("echo missing a no disk; echo done", 1, 1).unwrap();
        assert_eq!(rows[0].found, Found::Missing("no disk".to_owned()));
        let why = played("echo b 1; echo done", 1, 1).unwrap_err();
        assert_eq!(why, "bare: it said nothing of a");
    }
}
