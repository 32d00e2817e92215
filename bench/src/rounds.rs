//! Rounds: everyone once, in an order shuffled for each, so that a change of the machine's load meets all alike.
//!
//! It refuses to drop a sample: a round that something disturbed is marked, beside its samples. What a newcomer would
//! get wrong: one who hangs is given up for the rest, and reported; one who *fails* ends the rounds, because what the
//! others gave beside it would be compared with nothing.

use crate::process::{Ended, Wrong, milliseconds};
use crate::result::Row;
use crate::stats::median;
use std::fmt;

/// The subject whose work never changes, a bare process: when it takes long, something else was going on.
pub const CONTROL: &str = "spawn";

/// How many times its median the control takes in a disturbed round.
const DISTURBED: f64 = 2.0;

/// One number of one turn, and what it took beside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// In the unit of its row.
    pub value: f64,
    /// Milliseconds of the processors and involuntary switches, where they are known.
    pub cost: Option<(f64, u32)>,
}

impl Figure {
    /// `value`, which these processes have cost.
    #[must_use]
    pub fn new(value: f64, processes: &[Ended]) -> Self {
        let cpu = processes.iter().map(|ended| milliseconds(ended.cpu)).sum();
        Self { value, cost: Some((cpu, processes.iter().map(|ended| ended.switches).sum())) }
    }

    /// `value`, of which nothing else is known.
    #[must_use]
    pub const fn bare(value: f64) -> Self {
        Self { value, cost: None }
    }
}

/// A turn: one figure for each row.
type Turn = Box<dyn FnMut() -> Result<Vec<Figure>, Wrong>>;

/// Who has turns, and which rows these fill.
pub struct Contestant {
    /// Without anything found yet.
    rows: Vec<Row>,
    /// It has a turn in every n-th round.
    every: usize,
    turn: Turn,
    /// With the number of the round.
    taken: Vec<(usize, Vec<Figure>)>,
    given_up: Option<String>,
    /// Of each row, how many figures were handed out.
    handed_out: Vec<usize>,
}

impl Contestant {
    /// One whose `turn` gives a figure for each of `rows`.
    #[must_use]
    pub fn new(rows: Vec<Row>, turn: impl FnMut() -> Result<Vec<Figure>, Wrong> + 'static) -> Self {
        let handed_out = vec![0; rows.len()];
        let turn = Box::new(turn);
        Self { rows, every: 1, turn, taken: Vec::new(), given_up: None, handed_out }
    }

    /// With a turn in every n-th round only, beginning with the first.
    #[must_use]
    pub fn every(mut self, rounds: usize) -> Self {
        self.every = rounds.max(1);
        self
    }

    /// Its rows, without what was found.
    #[must_use]
    pub fn templates(&self) -> &[Row] {
        &self.rows
    }

    fn name(&self) -> String {
        self.rows.first().map(name).unwrap_or_default()
    }

    fn take(&mut self, round: usize) -> Result<(), String> {
        match (self.turn)() {
            Ok(figures) if figures.len() == self.rows.len() => self.taken.push((round, figures)),
            Ok(figures) => {
                let (given, rows) = (figures.len(), self.rows.len());
                return Err(format!("{}: {given} figures for {rows} rows", self.name()));
            }
            Err(Wrong::Hung(sentence)) => {
                eprintln!("    {}: {sentence}", self.name());
                self.given_up = Some(sentence);
            }
            Err(Wrong::Failed(sentence)) => return Err(format!("{}: {sentence}", self.name())),
        }
        Ok(())
    }

    fn filled(&self, number: usize, disturbed: &[bool], every: usize) -> Row {
        let row = self.rows[number].clone();
        if let Some(sentence) = &self.given_up {
            return row.did_not_finish(sentence.clone());
        }
        let taken = || self.taken.iter().filter(|(round, _)| round.is_multiple_of(every));
        let figures = || taken().map(|(_, figures)| figures[number]);
        let marks = taken().map(|(round, _)| f64::from(u8::from(disturbed[*round]))).collect();
        let row = row.samples(figures().map(|figure| figure.value).collect());
        let row = row.beside("disturbed", marks);
        let costs: Option<Vec<_>> = figures().map(|figure| figure.cost).collect();
        match costs {
            None => row,
            Some(costs) => row
                .beside("cpu_ms", costs.iter().map(|cost| cost.0).collect())
                .beside("nivcsw", costs.iter().map(|cost| f64::from(cost.1)).collect()),
        }
    }
}

/// "run: rrun", or who alone where there is one case only.
#[must_use]
pub fn name(row: &Row) -> String {
    if row.case.is_empty() { row.subject.clone() } else { format!("{}: {}", row.case, row.subject) }
}

impl fmt::Debug for Contestant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Contestant").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Runs rounds and keeps what they say.
#[derive(Debug)]
pub struct Rounds {
    contestants: Vec<Contestant>,
    random: u64,
    /// Of each round, whether the hypervisor has run others meanwhile.
    stolen: Vec<bool>,
}

impl Rounds {
    /// Rounds of these.
    #[must_use]
    pub fn of(contestants: Vec<Contestant>) -> Self {
        Self { contestants, random: 1, stolen: Vec::new() }
    }

    /// How many rounds there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.stolen.len()
    }

    /// Who takes part.
    #[must_use]
    pub fn contestants(&self) -> &[Contestant] {
        &self.contestants
    }

    /// Why this one was given up, if it was.
    #[must_use]
    pub fn given_up(&self, contestant: usize) -> Option<&str> {
        self.contestants.get(contestant)?.given_up.as_deref()
    }

    /// Everyone of every round once, for nothing: files come into the page cache, and who can't run says so early.
    ///
    /// # Errors
    /// Who failed, and how.
    pub fn warm_up(&mut self) -> Result<(), String> {
        for contestant in self.contestants.iter_mut().filter(|contestant| contestant.every == 1) {
            contestant.take(0)?;
            contestant.taken.clear();
        }
        Ok(())
    }

    /// One round.
    ///
    /// # Errors
    /// Who failed, and how.
    pub fn turn(&mut self) -> Result<(), String> {
        let (round, before) = (self.stolen.len(), stolen());
        for index in shuffled(self.contestants.len(), &mut self.random) {
            let contestant = &mut self.contestants[index];
            if contestant.given_up.is_none() && round.is_multiple_of(contestant.every) {
                contestant.take(round)?;
            }
        }
        self.stolen.push(stolen() > before);
        Ok(())
    }

    /// The next figure of one row that was not handed out; rounds are run when there is none left. `None` when its
    /// contestant was given up.
    ///
    /// # Errors
    /// As [`Rounds::turn`].
    pub fn next(&mut self, contestant: usize, row: usize) -> Result<Option<Figure>, String> {
        loop {
            let this = &mut self.contestants[contestant];
            if this.given_up.is_some() {
                return Ok(None);
            }
            if let Some((_, figures)) = this.taken.get(this.handed_out[row]) {
                this.handed_out[row] += 1;
                return Ok(Some(figures[row]));
            }
            self.turn()?;
        }
    }

    /// What was measured until now.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.rows_of(1)
    }

    /// The same of every n-th round.
    #[must_use]
    pub fn rows_of(&self, every: usize) -> Vec<Row> {
        let disturbed = self.disturbed();
        let of = |contestant: &Contestant| {
            let rows = 0..contestant.rows.len();
            rows.map(|number| contestant.filled(number, &disturbed, every)).collect::<Vec<_>>()
        };
        self.contestants.iter().flat_map(of).collect()
    }

    /// Of each round, whether something else was going on.
    #[must_use]
    pub fn disturbed(&self) -> Vec<bool> {
        let mut marks = self.stolen.clone();
        let is_control = |contestant: &&Contestant| {
            contestant.rows.first().is_some_and(|row| row.subject == CONTROL)
        };
        let Some(control) = self.contestants.iter().find(is_control) else { return marks };
        let more_is_better = control.rows.first().is_some_and(|row| row.unit.more_is_better());
        let taken: Vec<(usize, f64)> = control
            .taken
            .iter()
            .filter_map(|(round, figures)| Some((*round, figures.first()?.value)))
            .collect();
        let values: Vec<f64> = taken.iter().map(|(_, value)| *value).collect();
        let Some(usual) = median(&values) else { return marks };
        for (round, value) in taken {
            let slower = if more_is_better { usual / value } else { value / usual };
            marks[round] |= slower > DISTURBED;
        }
        marks
    }
}

/// Ticks that a hypervisor has kept from this machine (proc_stat(5)); zero where nobody counts them.
fn stolen() -> u64 {
    stolen_of(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The eighth number of the first line: user nice system idle iowait irq softirq steal.
fn stolen_of(stat: &str) -> u64 {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let number = line.and_then(|line| line.split_whitespace().nth(7));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
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
    use crate::result::{Found, Metric, Unit};
    use rrun_harness::Must;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn row(case: &str, subject: &str) -> Row {
        Row::new(Metric::M1, case, subject, Unit::Milliseconds, "of a test")
    }

    /// Says `values` one after the other, and then zeros.
    fn says(subject: &str, values: &'static [f64]) -> Contestant {
        let mut values = values.iter().copied();
        let turn = move || Ok(vec![Figure::bare(values.next().unwrap_or(0.0))]);
        Contestant::new(vec![row("run", subject)], turn)
    }

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

    #[test]
    fn a_pool_hands_out_each_figure_once_and_runs_everyone_to_have_one() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let contestant = |who: usize| {
            let log = Rc::clone(&log);
            Contestant::new(vec![row("a", "x"), row("b", "x")], move || {
                log.borrow_mut().push(who);
                let value = f64::from(u32::try_from(log.borrow().len()).unwrap_or(0));
                Ok(vec![Figure::bare(value), Figure::bare(-value)])
            })
        };
        let mut rounds = Rounds::of(vec![contestant(0), contestant(1)]);
        let mut next =
            |who, row| rounds.next(who, row).must("take a figure").must("have one").value;
        let (first, second) = (next(0, 0), next(0, 0));
        assert!(first < second, "{first} {second}");
        assert_eq!(next(0, 1), -first, "of the other row of the same turn");
        assert!(next(1, 0) <= 2.0, "taken in the first round");
        assert_eq!(log.borrow().len(), 4, "two rounds, no more");
    }

    #[test]
    fn a_slow_one_has_turns_in_some_rounds_only() {
        let mut rounds = Rounds::of(vec![says("rrun", &[]), says("vm q35", &[]).every(3)]);
        for _ in 0..7 {
            rounds.turn().must("run a round");
        }
        let counts = rounds.rows().into_iter().map(|row| row.summary.map_or(0, |all| all.n));
        assert_eq!(counts.collect::<Vec<_>>(), [7, 3]);
        let beside = rounds.rows_of(3).into_iter().map(|row| row.summary.map_or(0, |all| all.n));
        assert_eq!(beside.collect::<Vec<_>>(), [3, 3]);
    }

    #[test]
    fn a_round_is_disturbed_when_its_control_is_and_keeps_its_samples() {
        let control = says(CONTROL, &[1.0, 1.1, 5.0, 0.9, 1.0]);
        let mut rounds = Rounds::of(vec![says("rrun", &[7.0, 7.0, 70.0, 7.0, 7.0]), control]);
        for _ in 0..5 {
            rounds.turn().must("run a round");
        }
        // What the machine of the test has stolen is not this test's.
        rounds.stolen = vec![false, false, false, false, true];
        assert_eq!(rounds.disturbed(), [false, false, true, false, true]);
        let rows = rounds.rows();
        assert_eq!(rows[0].beside["disturbed"], [0.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(rows[0].found, Found::Samples(vec![7.0, 7.0, 70.0, 7.0, 7.0]));
    }

    #[test]
    fn one_who_hangs_is_given_up_and_the_others_go_on() {
        let mut turns = 0;
        let hangs = Contestant::new(vec![row("run", "youki")], move || {
            turns += 1;
            assert!(turns <= 2, "asked again after it hung");
            let hung = Wrong::Hung("given up: not done after 10 s".to_owned());
            if turns == 2 { Err(hung) } else { Ok(vec![Figure::bare(1.0)]) }
        });
        let mut rounds = Rounds::of(vec![hangs, says("rrun", &[])]);
        for _ in 0..4 {
            rounds.turn().must("run a round");
        }
        let rows = rounds.rows();
        let hung = Found::DidNotFinish("given up: not done after 10 s".to_owned());
        assert_eq!(rows[0].found, hung);
        assert_eq!(rows[1].summary.as_ref().map(|all| all.n), Some(4));
        assert_eq!(rounds.next(0, 0), Ok(None));
    }

    #[test]
    fn one_who_fails_ends_the_rounds_by_name() {
        let fails = || Err(Wrong::Failed("runc run: wait status 0x100: no cgroup".to_owned()));
        let fails = Contestant::new(vec![row("run", "runc")], fails);
        let told = Rounds::of(vec![fails]).turn();
        assert_eq!(told, Err("run: runc: runc run: wait status 0x100: no cgroup".to_owned()));
    }

    #[test]
    fn steal_is_the_eighth_number() {
        assert_eq!(stolen_of("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 0 0 0 0 0 0 0 99 0 0\n"), 8);
        assert_eq!(stolen_of("cpu  1 2 3\n"), 0);
    }
}
