//! Starts and lives of containers, in criterion: everyone's samples come from the same shuffled rounds.
//!
//! What a newcomer would get wrong: criterion measures one subject after the other; here it only *takes*, one after
//! the other, what was measured together. Its line says the mean; the tables at the end have the quantiles.

fn main() {}
