//! What rrun reads from others, as properties of arbitrary bytes: each module has one `check`, which panics when a
//! property does not hold.
//!
//! It knows what must be true of *any* input, beside "it does not crash"; what is true of a particular one is a test
//! elsewhere. Seeds lie in `seeds/`; `cargo test -p rrun-fuzz` replays them, `cargo xtask fuzz` goes on from them.
//! What a newcomer would get wrong: a finding is kept as a seed, under a name that says what it found, so that it stays
//! found.

pub mod archive;
pub mod config;
pub mod options;
mod reading;
pub mod seccomp;
pub mod user;

// Where the reading looks for it.
use rrun::spec;

/// What any error must be: one line, for a person, at a terminal.
fn is_one_line(text: &str) {
    let odd = text.chars().find(|each| each.is_control());
    assert!(odd.is_none(), "an error with {odd:?}: {text:?}");
    assert!(!text.is_empty(), "an empty error");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    fn replay(target: &str, check: fn(&[u8])) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            // Told only if it fails.
            println!("{}", path.display());
            check(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count >= 3, "{} has {count} seeds", directory.display());
    }

    #[test]
    fn seeds_of_configurations_hold() {
        replay("config", super::config::check);
    }

    #[test]
    fn seeds_of_options_hold() {
        replay("options", super::options::check);
    }

    #[test]
    fn seeds_of_archives_hold() {
        replay("archive", super::archive::check);
    }

    #[test]
    fn seeds_of_users_hold() {
        replay("user", super::user::check);
    }

    #[test]
    fn seeds_of_filters_hold() {
        replay("seccomp", super::seccomp::check);
    }
}
