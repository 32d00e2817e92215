//! From a number to its verdict in few steps and few instructions.
//!
//! It knows ranges of numbers with one verdict each, and makes a balanced search of them. It refuses to know whose
//! numbers they are. What a newcomer would get wrong: a lone number inside a range of another verdict costs one test for
//! equality, not two cuts; so the search runs over [`Cell`]s, ranges with up to two such holes, and not over ranges.

use super::graph::{Graph, NodeId, Test};

/// Numbers from `first` up to the next range's, with one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub first: u32,
    pub verdict: NodeId,
}

/// Ranges in ascending order, merged while they are added.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<Range>);

impl Ranges {
    /// From `first` on, the verdict is `verdict`.
    pub(super) fn from(&mut self, first: u32, verdict: NodeId) {
        match self.0.last_mut() {
            Some(last) if last.verdict == verdict => {}
            // Nothing of the range before is left.
            Some(last) if last.first == first => last.verdict = verdict,
            _ => self.0.push(Range { first, verdict }),
        }
    }

    /// Number 0 gets a verdict of its own.
    pub(super) fn begin_with(&mut self, verdict: NodeId) {
        if let Some(zero) = self.0.first().copied() {
            self.0[0].first = 1;
            if self.0.get(1).is_some_and(|next| next.first == 1) {
                self.0.remove(0);
            }
            self.0.insert(0, Range { first: zero.first, verdict });
        }
    }

    /// The search, to be entered with the number in the accumulator. `None` when there are no ranges.
    pub(super) fn search(&self, graph: &mut Graph) -> Option<NodeId> {
        let cells = cells(&self.0);
        (!cells.is_empty()).then(|| bisect(graph, &cells))
    }
}

/// The most holes of a cell: with three, a cut between them would be shorter on average.
const HOLES: usize = 2;

/// A wider range than this is a gap that programs do not call into and the kernel's prover does not walk.
const WIDEST_BUSY: u32 = 1024;

/// Numbers with one verdict, but for a few.
#[derive(Debug)]
struct Cell {
    first: u32,
    verdict: NodeId,
    holes: [Option<Range>; HOLES],
    /// How many numbers come here.
    weight: u32,
}

fn cells(ranges: &[Range]) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(ranges.len() / 2 + 1);
    let mut rest = ranges;
    while let Some(&[first, ..]) = rest.first_chunk::<1>() {
        let mut reach = extent(rest, first.verdict);
        let mut verdict = first.verdict;
        // A cell may begin with a hole.
        if let [_, second, ..] = rest {
            let other = extent(rest, second.verdict);
            if other > reach {
                (reach, verdict) = (other, second.verdict);
            }
        }
        let (inside, after) = rest.split_at(reach);
        let mut holes = inside.iter().copied().filter(|range| range.verdict != verdict);
        let end = after.first().map_or(u32::MAX, |range| range.first);
        cells.push(Cell {
            first: first.first,
            verdict,
            holes: [holes.next(), holes.next()],
            weight: if end - first.first > WIDEST_BUSY { 1 } else { end - first.first },
        });
        rest = after;
    }
    cells
}

/// How many of `ranges` one cell of `verdict` covers.
fn extent(ranges: &[Range], verdict: NodeId) -> usize {
    let mut holes = 0;
    for (index, range) in ranges.iter().enumerate() {
        if range.verdict == verdict {
            continue;
        }
        let lone = ranges.get(index + 1).is_some_and(|next| next.first - range.first == 1);
        holes += 1;
        // A hole at the end is only a cut in another place.
        let closed = ranges.get(index + 1).is_some_and(|next| next.verdict == verdict);
        if !lone || !closed || holes > HOLES {
            return index;
        }
    }
    ranges.len()
}

/// A search that halves the numbers at each step.
fn bisect(graph: &mut Graph, cells: &[Cell]) -> NodeId {
    if let [cell] = cells {
        return cell.holes.iter().flatten().fold(cell.verdict, |no, hole| {
            graph.new_branch(Test::Equal, hole.first, hole.verdict, no)
        });
    }
    let (below, above) = cells.split_at(middle(cells));
    let cut = above[0].first;
    let (below, above) = (bisect(graph, below), bisect(graph, above));
    graph.new_branch(Test::AtLeast, cut, above, below)
}

/// Where the two sides weigh most nearly the same; neither is empty.
fn middle(cells: &[Cell]) -> usize {
    let total: u32 = cells.iter().map(|cell| cell.weight).sum();
    let mut below = 0;
    let mut best = (u32::MAX, 1);
    for (index, cell) in cells.iter().enumerate().take(cells.len() - 1) {
        below += cell.weight;
        let lean = total.abs_diff(2 * below);
        if lean < best.0 {
            best = (lean, index + 1);
        }
    }
    best.1
}
