//! What CRIU wrote into its log when it failed, and what helps.
//!
//! It knows the log's lines and the refusals that a flag would lift. What a newcomer would get wrong: CRIU's last error is
//! "Dumping FAILED.", its first may be one that it lives with; what matters lies between.

use crate::error::{Error, Kind};
use std::path::Path;

/// How many of its errors are repeated; the rest is in the log.
const LINES: usize = 3;

/// Errors that every failure has, or that CRIU gets over.
const EMPTY_WORDS: &[&str] =
    &["Dumping FAILED", "Restoring FAILED", "Pre-dumping FAILED", "rlimit: Can't setup"];

/// What helps where CRIU says so.
const REMEDIES: &[(&str, &str)] = &[
    ("Connected TCP socket", "give --tcp-established"),
    ("TCP connection", "give --tcp-established"),
    ("--tcp-established", "give --tcp-established"),
    ("xternal socket is used", "give --ext-unix-sk"),
    ("ext-unix-sk", "give --ext-unix-sk"),
    ("ome file locks are hold", "give --file-locks"),
    ("file-locks", "give --file-locks"),
    ("shell-job", "give --shell-job"),
    ("link-remap", "give --link-remap"),
    ("irty track", "pre-dumps need a kernel with CONFIG_MEM_SOFT_DIRTY"),
    ("mem dirty tracking", "pre-dumps need a kernel with CONFIG_MEM_SOFT_DIRTY"),
    (
        "vdso: Unexpected rt vDSO area bounds",
        "this CRIU is older than this kernel; install CRIU 4.1 or later",
    ),
    ("has bad size", "files outside the container must be as they were; give its streams as pipes"),
    ("No mapping for", "name the same mounts in the bundle's config.json as at the checkpoint"),
    ("Can't lookup mount", "the file is not the container's; keep it open on a pipe instead"),
    ("iptables", "install iptables, or give --network-lock nftables or skip"),
    ("Operation not permitted", "run as root, with every capability"),
];

/// The error of a failed `what`, from the log at `log` and from what CRIU wrote to standard error before it had one.
pub fn failure(what: &str, answer: Option<String>, log: &Path, stderr: &str) -> Error {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = errors_of(&text);
    if lines.is_empty() {
        lines = errors_of(stderr);
    }
    let said = match (lines.is_empty(), answer) {
        (false, _) => lines.join("; "),
        (true, Some(answer)) => answer,
        (true, None) => "it gave no reason".into(),
    };
    let error = Error::new(Kind::Kernel, format!("criu could not {what}: {said}"));
    let remedy = REMEDIES.iter().find(|(words, _)| {
        let anywhere = |from: &str| from.lines().any(|line| line.contains(words));
        anywhere(&said) || errors_and_warnings(&text).any(|line| line.contains(words))
    });
    let log = log.display();
    match remedy {
        Some((_, remedy)) => error.hint(format!("{remedy}; {log} has the details")),
        None => error.hint(format!("{log} has the details")),
    }
}

/// The last few that mean something.
fn errors_of(text: &str) -> Vec<String> {
    let all = text.lines().filter_map(|line| {
        let (_, said) = line.split_once("Error (")?;
        // criu/files-reg.c:1790): Can't lookup mount=27 …
        let (_, said) = said.split_once("): ")?;
        Some(said.trim().to_owned())
    });
    let mut all: Vec<_> =
        all.filter(|said| !EMPTY_WORDS.iter().any(|words| said.starts_with(words))).collect();
    all.dedup();
    // The first is the cause; what follows are those who gave up because of it.
    all.truncate(LINES);
    all
}

fn errors_and_warnings(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.contains("Error (") || line.contains("Warn  ("))
        .filter(|line| !EMPTY_WORDS.iter().any(|words| line.contains(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
(00.0500) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
(00.0719) pie: fine
(00.0719) Error (criu/sk-inet.c:188): inet: Connected TCP socket, consider using --tcp-established option.
(00.0719) Error (criu/cr-dump.c:1545): Dump files (pid: 31055) failed with -1
(00.1117) Error (criu/cr-dump.c:1975): Dumping FAILED.
";

    #[test]
    fn the_cause_is_repeated_with_its_remedy_and_the_log() {
        let directory = std::env::temp_dir().join(format!("rrun-said-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let log = directory.join("dump.log");
        std::fs::write(&log, LOG).expect("a log");
        let error = failure("checkpoint web", Some("errno 0".into()), &log, "");
        std::fs::remove_dir_all(&directory).expect("removed");
        let text = error.to_string();
        assert!(text.contains("inet: Connected TCP socket"), "{text}");
        assert!(text.contains("Dump files (pid: 31055)"), "{text}");
        assert!(!text.contains("FAILED") && !text.contains("rlimit"), "{text}");
        let hint = error.hint_text().expect("a hint");
        assert!(hint.starts_with("give --tcp-established; "), "{hint}");
        assert!(hint.contains(&*log.to_string_lossy()), "{hint}");
    }

    #[test]
    fn without_a_log_its_answer_is_all_there_is() {
        let error = failure("restore web", None, Path::new("/nonexistent/restore.log"), "");
        assert!(error.to_string().contains("criu could not restore web: it gave no reason"));
    }
}
