//! Rounds: everyone once, in an order shuffled for each, so that a change of the machine's load meets all alike.

use crate::figures::Row;
use crate::process::Took;
use std::fmt;

/// What one round does: it adds a sample to each row.
type Turn = Box<dyn FnMut(&mut [Vec<Took>])>;

/// Runs rounds and keeps what they say, row by row.
pub struct Rounds {
    labels: Vec<String>,
    samples: Vec<Vec<Took>>,
    /// How many of each row have been taken.
    taken: Vec<usize>,
    turn: Turn,
}

impl fmt::Debug for Rounds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rounds").field("labels", &self.labels).finish_non_exhaustive()
    }
}

impl Rounds {
    /// Rounds of rows with these labels. `turn` runs one: a sample for each, by `labels`' order.
    #[must_use]
    pub fn of(labels: Vec<String>, turn: impl FnMut(&mut [Vec<Took>]) + 'static) -> Self {
        let samples = vec![Vec::new(); labels.len()];
        let taken = vec![0; labels.len()];
        Self { labels, samples, taken, turn: Box::new(turn) }
    }

    /// The rows' names.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What was measured until now.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let all = self.labels.iter().zip(&self.samples);
        all.map(|(label, samples)| Row::new(label, samples)).collect()
    }

    /// One round.
    pub fn turn(&mut self) {
        (self.turn)(&mut self.samples);
    }

    /// The next sample of one row; a round is run when there is none left.
    pub fn next(&mut self, row: usize) -> Took {
        while self.taken[row] == self.samples[row].len() {
            self.turn();
        }
        self.taken[row] += 1;
        self.samples[row][self.taken[row] - 1]
    }
}

/// 0..count in a random order (Fisher and Yates, xorshift64): the same orders in every run of the bench.
#[must_use]
pub fn shuffled(count: usize, random: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let other = usize::try_from(*random % (last as u64 + 1)).unwrap_or_default();
        order.swap(last, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_its_turn_in_every_round_and_the_order_changes() {
        let mut random = 1;
        let orders: Vec<_> = (0..20).map(|_| shuffled(5, &mut random)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(orders.iter().any(|order| order != &orders[0]));
    }
}
