//! Rounds: everyone once, in an order shuffled for each, so that a change of the machine's load meets all alike.

use crate::process::{Took, time};
use crate::subject::Subject;
use std::collections::VecDeque;

/// Runs rounds and keeps what nobody has asked for yet.
#[derive(Debug)]
pub struct Rounds {
    subjects: Vec<Subject>,
    waiting: Vec<VecDeque<Took>>,
    /// All that was measured: of each subject, round by round.
    pub samples: Vec<Vec<Took>>,
    random: u64,
}

impl Rounds {
    /// Rounds of these subjects.
    #[must_use]
    pub fn of(subjects: Vec<Subject>) -> Self {
        let waiting = subjects.iter().map(|_| VecDeque::new()).collect();
        let samples = subjects.iter().map(|_| Vec::new()).collect();
        Self { subjects, waiting, samples, random: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Who takes part.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// One round.
    pub fn turn(&mut self) {
        for index in shuffled(self.subjects.len(), &mut self.random) {
            let took = time(&mut self.subjects[index].command());
            self.samples[index].push(took);
            self.waiting[index].push_back(took);
        }
    }

    /// The next sample of one subject; a round is run when there is none left.
    pub fn next(&mut self, subject: usize) -> Took {
        loop {
            match self.waiting[subject].pop_front() {
                Some(took) => return took,
                None => self.turn(),
            }
        }
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
