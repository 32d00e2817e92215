//! The command line that containerd writes, in the manner of Go's flag package.
//!
//! It knows the flags and the actions, and refuses to read anything else. What a newcomer would get wrong: one dash and two
//! mean the same, a value follows `=` or stands in the next word, and flags end at the first word that is none. What
//! comes without an action is the server: it is what `start` makes of itself.

use rrun::error::{Error, Kind, Result};
use rrun::id::ContainerId;
use std::ffi::OsString;
use std::path::PathBuf;

/// What this process is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `start`: find or make the shim of a group, and print its address.
    Start,
    /// `delete`: clean up after a shim that may be gone.
    Delete,
    /// No action: the shim itself.
    Serve,
    /// `-info`: what the runtime can do.
    Describe,
    /// `-v`.
    Version,
}

/// The flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// `-namespace`: containerd's, not the kernel's.
    pub namespace: String,
    /// `-address`: containerd's own socket.
    pub address: String,
    /// `-id`: the container's.
    pub id: String,
    /// `-bundle`: its bundle, where it is not the working directory.
    pub bundle: Option<PathBuf>,
    /// `-debug`.
    pub debug: bool,
}

/// Reads the words after the program's name.
///
/// # Errors
/// [`Kind::Usage`], naming the word that is wrong or missing.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<(Action, Arguments)> {
    let mut words = words.into_iter().map(|word| {
        word.into_string()
            .map_err(|word| Error::new(Kind::Usage, format!("argument {word:?} is not UTF-8")))
    });
    let mut arguments = Arguments::default();
    let mut asked = None;
    let mut action = None;
    while let Some(word) = words.next() {
        let word = word?;
        let Some(flag) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
            action = Some(action_of(&word)?);
            break;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, attached) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        match name {
            "debug" => arguments.debug = truth(name, attached)?,
            "v" | "version" => asked = truth(name, attached)?.then_some(Action::Version).or(asked),
            "info" => asked = truth(name, attached)?.then_some(Action::Describe).or(asked),
            _ => {
                let field = field(&mut arguments, name)?;
                let value = match attached {
                    Some(value) => value,
                    None => words.next().ok_or_else(|| {
                        Error::new(Kind::Usage, format!("flag -{name} needs a value"))
                    })??,
                };
                field(value);
            }
        }
    }
    if let Some(extra) = words.next() {
        let text = format!("argument {:?} after the action", extra?);
        return Err(Error::new(Kind::Usage, text).hint("put flags before the action"));
    }
    let action = asked.or(action).unwrap_or(Action::Serve);
    if matches!(action, Action::Start | Action::Delete | Action::Serve) {
        check(&arguments)?;
    }
    Ok((action, arguments))
}

/// Where a flag's value goes.
fn field<'a>(arguments: &'a mut Arguments, name: &str) -> Result<Box<dyn FnOnce(String) + 'a>> {
    Ok(match name {
        "namespace" => Box::new(|value| arguments.namespace = value),
        "address" => Box::new(|value| arguments.address = value),
        "id" => Box::new(|value| arguments.id = value),
        "bundle" => Box::new(|value| {
            arguments.bundle = Some(value).filter(|path| !path.is_empty()).map(PathBuf::from);
        }),
        // Events go to TTRPC_ADDRESS, and the socket is where it always is: nothing is made of these two.
        "publish-binary" | "socket" => Box::new(drop),
        _ => {
            return Err(Error::new(Kind::Usage, format!("unknown flag -{name}"))
                .hint("containerd starts this program; \"-v\" and \"-info\" are for people"));
        }
    })
}

fn action_of(word: &str) -> Result<Action> {
    match word {
        "start" => Ok(Action::Start),
        "delete" => Ok(Action::Delete),
        _ => {
            Err(Error::new(Kind::Usage, format!("unknown action {word:?}"))
                .hint("use start or delete"))
        }
    }
}

/// A flag without a value, which Go lets have one.
fn truth(name: &str, value: Option<String>) -> Result<bool> {
    match value.as_deref() {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(Error::new(
            Kind::Usage,
            format!("flag -{name}: {other:?} is neither true nor false"),
        )),
    }
}

/// Both names become parts of paths.
fn check(arguments: &Arguments) -> Result<()> {
    ContainerId::new(&arguments.id).map_err(|error| error.context("flag -id"))?;
    ContainerId::new(&arguments.namespace).map_err(|_| {
        Error::new(Kind::Usage, format!("flag -namespace: invalid {:?}", arguments.namespace))
            .hint("use letters, digits, '_', '-' or '.'")
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Action, Arguments)> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn dashes_and_equal_signs_are_go_s() {
        let want = Arguments {
            namespace: "k8s.io".into(),
            address: "/run/c.sock".into(),
            id: "web".into(),
            bundle: Some("/b".into()),
            debug: true,
        };
        for line in [
            "-namespace k8s.io -address /run/c.sock -publish-binary /c -id web -bundle /b -debug start",
            "--namespace=k8s.io --address=/run/c.sock --id=web --debug=true --bundle /b start",
            "-namespace=k8s.io -address /run/c.sock -socket= -id=web -debug=1 -bundle=/b start",
        ] {
            assert_eq!(parsed(line).unwrap(), (Action::Start, want.clone()), "{line}");
        }
    }

    #[test]
    fn what_is_asked_for_decides_what_must_be_there() {
        let action = |line| parsed(line).unwrap().0;
        assert_eq!(action("-v"), Action::Version);
        assert_eq!(action("-info"), Action::Describe);
        assert_eq!(action("-namespace n -id i"), Action::Serve);
        assert_eq!(action("-namespace n -id i -v=false delete"), Action::Delete);
    }

    #[test]
    fn each_mistake_is_named() {
        for (line, text) in [
            ("start", "flag -id: invalid container id \"\""),
            ("-id web start", "flag -namespace: invalid \"\""),
            ("-id web -namespace .. start", "flag -namespace: invalid \"..\""),
            ("-id ../x -namespace n start", "flag -id: invalid container id"),
            ("-id", "flag -id needs a value"),
            ("-nope x start", "unknown flag -nope"),
            ("-debug=maybe start", "flag -debug: \"maybe\" is neither"),
            ("-id web -namespace n bogus", "unknown action \"bogus\""),
            ("-id web -namespace n start -debug", "argument \"-debug\" after the action"),
        ] {
            let said = parsed(line).unwrap_err().to_string();
            assert!(said.starts_with(text), "{line}: {said}");
        }
    }
}
