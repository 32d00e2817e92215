//! The difference of two texts, line by line, as a person reads it.

/// Lines only in `old` begin with `-`, those only in `new` with `+`; of the lines in both only those beside a change are
/// shown, and `…` stands for the others. Empty when the texts are equal.
pub fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let common = common(&old, &new);
    let mut rows = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let length = |i: usize, j: usize| common[i * (new.len() + 1) + j];
        if i < old.len() && j < new.len() && old[i] == new[j] {
            rows.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && length(i + 1, j) >= length(i, j + 1) {
            rows.push(('-', old[i]));
            i += 1;
        } else {
            rows.push(('+', new[j]));
            j += 1;
        }
    }
    around_changes(&rows)
}

/// How many lines the tails from (i, j) have in common, for each i and j.
fn common(old: &[&str], new: &[&str]) -> Vec<usize> {
    let width = new.len() + 1;
    let mut lengths = vec![0; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    lengths
}

fn around_changes(rows: &[(char, &str)]) -> String {
    let changed = |at: usize| rows.get(at).is_some_and(|(mark, _)| *mark != ' ');
    let mut out = String::new();
    let mut skipping = false;
    for (at, (mark, line)) in rows.iter().enumerate() {
        if changed(at) || changed(at + 1) || at > 0 && changed(at - 1) {
            out.push_str(&format!("{mark} {line}\n"));
            skipping = false;
        } else if !skipping {
            out.push_str("  …\n");
            skipping = true;
        }
    }
    if rows.iter().all(|(mark, _)| *mark == ' ') { String::new() } else { out }
}

#[test]
fn equal_texts_have_no_difference_and_others_the_shortest() {
    assert_eq!(diff("a\nb\n", "a\nb\n"), "");
    assert_eq!(diff("a\nb\nc\nd\ne\n", "a\nb\nx\nd\ne\n"), "  …\n  b\n- c\n+ x\n  d\n  …\n");
    assert_eq!(diff("", "a\n"), "+ a\n");
}
