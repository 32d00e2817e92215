//! `rrun ps`: a container's processes, as numbers or as ps(1) shows them.
//!
//! It knows how to pick lines of ps. It refuses to write a table of its own: the options are ps's, and so are the columns.
//! What a newcomer would get wrong: the numbers are the host's. ps in the container would show others, if it is there.

use super::args::{Globals, ListFormat, PsArgs};
use crate::error::{Error, Kind, Result, ResultExt};
use std::process::{Command, Stdio};

/// Prints them.
///
/// # Errors
/// `container does not exist`, `container not running`; a ps that is missing, fails or has no column `PID`.
pub fn run(globals: &Globals, args: &PsArgs) -> Result<u8> {
    let pids = super::store(globals)?.open(&args.id)?.pids()?;
    match args.format {
        ListFormat::Json => {
            let numbers: Vec<_> = pids.iter().map(ToString::to_string).collect();
            super::print(&format!("[{}]\n", numbers.join(",")))
        }
        ListFormat::Table => super::print(&pick(&ps(args)?, &pids)?),
    }
}

fn ps(args: &PsArgs) -> Result<String> {
    let mut command = Command::new("ps");
    match args.options.is_empty() {
        true => command.arg("-ef"),
        false => command.args(&args.options),
    };
    let output = command.stdin(Stdio::null()).output().context(|| "run ps")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it said nothing").to_owned();
        return Err(Error::new(Kind::Usage, format!("ps: {said}"))
            .hint("what follows the id are ps's own options"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The heading of `table`, and the lines of `pids`.
fn pick(table: &str, pids: &[i32]) -> Result<String> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let Some(column) = heading.split_whitespace().position(|word| word == "PID") else {
        return Err(Error::new(Kind::Usage, format!("ps shows no column PID, but {heading:?}"))
            .hint("give ps options that show it, such as -o pid,comm"));
    };
    let is_ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    let picked = std::iter::once(heading).chain(lines.filter(is_ours));
    Ok(picked.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_picked_by_the_column_that_the_heading_names() {
        let table = "UID   PID  PPID CMD\nroot    7     1 sleep 12\nroot   12     7 ps\n";
        assert_eq!(pick(table, &[12, 99]).unwrap(), "UID   PID  PPID CMD\nroot   12     7 ps\n");
        assert_eq!(pick(table, &[]).unwrap(), "UID   PID  PPID CMD\n");
        let error = pick("PPID CMD\n1 sh\n", &[1]).unwrap_err();
        assert!(error.to_string().contains("no column PID"), "{error}");
    }
}
