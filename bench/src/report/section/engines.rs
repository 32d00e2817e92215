//! What containerd's shims cost: ours, and containerd's own with rrun and with runc.

use super::{Section, by_subject, definitions, notes};
use crate::report::facts::Facts;
use crate::report::html::{Html, plain};
use crate::result::{Lane, Metric};

/// Questions, each with a heading, in the order in which they are read. Of M15 the cases with that word.
const READ: [(Metric, &[&str], &str); 7] = [
    (Metric::M15, &["ctr", "cri"], "Through containerd"),
    (Metric::M15, &["shim: "], "A pod of one container, its shim asked directly"),
    (Metric::M15, &["create+start"], "Create and start in a shim that is there, beside the floor"),
    (Metric::M15, &["create", "start", "delete", "second delete"], "Single calls"),
    (Metric::M16, &[], "Memory of idle shims"),
    (Metric::M17, &[], "Many pods at once"),
    (Metric::M18, &[], "Probes"),
];

/// A table for each question.
pub fn section(facts: &Facts) -> Section {
    let tables = READ.iter().enumerate().map(|(number, (metric, _, title))| {
        let cases = facts.cases(*metric, Lane::W);
        let cases: Vec<&str> =
            cases.into_iter().filter(|case| place(*metric, case) == Some(number)).collect();
        let table = by_subject(facts, *metric, Lane::W, &cases);
        if table.is_none() {
            return table;
        }
        let table =
            plain("h3", *title).then(table).then(definitions(facts, *metric, Lane::W, &cases));
        // Of M15 they would be repeated at each table.
        if *metric == Metric::M15 { table } else { table.then(notes(facts, *metric, Lane::W)) }
    });
    Section {
        id: "engines",
        title: "Engines",
        lead: "A container of containerd's has a shim: ours is the runtime itself, containerd's own starts a runtime for \
            every call. What containerd does besides is the same for all, so the shims are asked directly, too.",
        body: tables.collect::<Html>(),
    }
}

/// Which table a case is in, if any.
fn place(metric: Metric, case: &str) -> Option<usize> {
    READ.iter().position(|(of, words, _)| {
        let whole = *words == READ[3].1;
        *of == metric
            && (words.is_empty()
                || words.iter().any(|word| if whole { case == *word } else { case.contains(word) }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_one_table_and_the_control_none() {
        let title = |metric, case| place(metric, case).map(|at| READ[at].2);
        assert_eq!(title(Metric::M15, "ctr run --rm"), Some(READ[0].2));
        assert_eq!(title(Metric::M15, "shim: start"), Some(READ[1].2));
        assert_eq!(title(Metric::M15, "second create+start"), Some(READ[2].2));
        assert_eq!(title(Metric::M15, "start"), Some(READ[3].2));
        assert_eq!(title(Metric::M15, "spawn"), None);
        assert_eq!(title(Metric::M17, "all run"), Some(READ[5].2));
    }
}
