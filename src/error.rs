//! The one error type of rrun, its stable kinds, and the exit code each verb answers with.
//!
//! What a newcomer would get wrong: an [`Error`] is built where the *meaning* is known and gains context on the way
//! up, outermost first; nothing but `main` ever prints one. Either return an error or log it, never both.

use std::borrow::Cow;
use std::fmt;

/// The machine interface of an error: it appears as `"kind"` in the JSON log line. Stable; text is not.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line is wrong.
    Usage,
    /// config.json, process.json or an image's configuration is wrong.
    Spec,
    /// The field is valid, but this version of rrun does not do what it asks.
    Unsupported,
    /// No such container (or bundle, or archive).
    NotFound,
    /// The container id is taken.
    Exists,
    /// The verb does not fit the container's status.
    State,
    /// The caller lacks a permission.
    Denied,
    /// The kernel refused a call on the parent's side.
    Kernel,
    /// A step of the child failed.
    Child,
    /// A hook failed or timed out.
    Hook,
    /// The program of `process.args` is missing or cannot be executed.
    NoProgram,
    /// This host lacks something the configuration needs (a controller, a kernel feature).
    Host,
    /// An image archive is malformed or hostile.
    Archive,
    /// A broken invariant of rrun itself: a bug.
    Internal,
}

impl Kind {
    /// The stable name used in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Spec => "spec",
            Self::Unsupported => "unsupported",
            Self::NotFound => "not-found",
            Self::Exists => "exists",
            Self::State => "state",
            Self::Denied => "denied",
            Self::Kernel => "kernel",
            Self::Child => "child",
            Self::Hook => "hook",
            Self::NoProgram => "no-program",
            Self::Host => "host",
            Self::Archive => "archive",
            Self::Internal => "internal",
        }
    }

    /// The exit code of a failed verb: 255 for `exec` (runc's contract with its callers) and `wait`, whose own exit code
    /// is a process's; else 1.
    #[must_use]
    pub fn exit_code(self, verb: &str) -> u8 {
        if matches!(verb, "exec" | "wait") { 255 } else { 1 }
    }
}

/// What rrun's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// An error: one line of text, and the facts behind it as fields. One word wide.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    context: Vec<String>,
    pointer: Option<String>,
    step: Option<String>,
    call: Option<String>,
    errno: Option<i32>,
    hint: Option<Cow<'static, str>>,
    undo: Vec<String>,
}

impl Error {
    /// An error of `kind`. `message` is lower case, without "failed to" and without a full stop.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            context: Vec::new(),
            pointer: None,
            step: None,
            call: None,
            errno: None,
            hint: None,
            undo: Vec::new(),
        }))
    }

    /// A refused system call. `call` is the call with its arguments, as strace would print it.
    #[must_use]
    pub fn kernel(call: impl Into<String>, errno: i32) -> Self {
        let call = call.into();
        let mut error = Self::new(Kind::Kernel, format!("{call}: {}", describe_errno(errno)));
        error.0.call = Some(call);
        error.0.errno = Some(errno);
        error
    }

    /// A field of config.json that is wrong. `pointer` is an RFC 6901 JSON pointer such as `/linux/namespaces/2/path`.
    #[must_use]
    pub fn spec(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Spec, message).at(pointer)
    }

    /// A field that is valid but not done by this version, named by its JSON pointer.
    #[must_use]
    pub fn unsupported(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message).at(pointer)
    }

    /// Names the field of the configuration that asked for what failed.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    /// Says what to do about it, as an imperative sentence without a full stop.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Names the step of the plan that failed.
    #[must_use]
    pub fn step(mut self, step: impl Into<String>) -> Self {
        self.0.step = Some(step.into());
        self
    }

    /// Replaces the kind, where a caller knows better what the failure means.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Records the errno and the call of a failure that is described in other words.
    #[must_use]
    pub fn with_call(mut self, call: impl Into<String>, errno: i32) -> Self {
        self.0.call = Some(call.into());
        self.0.errno = Some(errno);
        self
    }

    /// Adds what was being done, outermost last.
    #[must_use]
    pub fn context(mut self, doing: impl Into<String>) -> Self {
        self.0.context.push(doing.into());
        self
    }

    /// Adds a failure met while undoing; the first error stays the error.
    #[must_use]
    pub fn while_undoing(mut self, failure: impl fmt::Display) -> Self {
        self.0.undo.push(failure.to_string());
        self
    }

    /// The stable kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
    /// The errno behind it, where a system call failed.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }
    /// The JSON pointer of the field behind it.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }
    /// The step of the plan that failed.
    #[must_use]
    pub fn step_name(&self) -> Option<&str> {
        self.0.step.as_deref()
    }
    /// The system call that failed, with its arguments.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        self.0.call.as_deref()
    }
    /// What to do about it.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    /// One line: context outermost first, message, field, hint, and what undoing met.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for doing in self.0.context.iter().rev() {
            write!(f, "{doing}: ")?;
        }
        write!(f, "{}", self.0.message)?;
        if let Some(pointer) = &self.0.pointer {
            // The document's author chose the keys in it.
            let printable = |c: char| {
                if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
            };
            write!(f, " (at {})", pointer.chars().map(printable).collect::<String>())?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        if !self.0.undo.is_empty() {
            write!(f, "; and while undoing: {}", self.0.undo.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

/// Adds context to a `Result` whose error is, or becomes, ours.
pub trait ResultExt<T> {
    /// Says what was being done; evaluated only on failure.
    ///
    /// # Errors
    /// The error it was called on, with the context added.
    fn context<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn context<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.into().context(doing()))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => {
                let mut this = Self::new(Kind::Kernel, describe_errno(errno));
                this.0.errno = Some(errno);
                this
            }
            None => Self::new(Kind::Kernel, error.to_string()),
        }
    }
}

impl From<nix::errno::Errno> for Error {
    fn from(errno: nix::errno::Errno) -> Self {
        std::io::Error::from(errno).into()
    }
}

impl From<rrun_sys::Errno> for Error {
    fn from(errno: rrun_sys::Errno) -> Self {
        std::io::Error::from_raw_os_error(errno.0).into()
    }
}

/// `no such file or directory (ENOENT)`: strerror's words in lower case (docker and podman match them, without case)
/// and the name that a manual page uses.
#[must_use]
pub fn describe_errno(errno: i32) -> String {
    let name = nix::errno::Errno::from_raw(errno);
    format!("{} ({name:?})", name.desc().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_left_to_right_and_ends_with_the_hint() {
        let error = Error::kernel("mount_setattr(\"/proc\", MOUNT_ATTR_RDONLY)", libc::EPERM)
            .at("/mounts/0")
            .hint("run as root")
            .context("mount /proc")
            .context("create web")
            .while_undoing("rmdir /x: busy");
        assert_eq!(
            error.to_string(),
            "create web: mount /proc: mount_setattr(\"/proc\", MOUNT_ATTR_RDONLY): \
             operation not permitted (EPERM) (at /mounts/0); run as root; and while undoing: rmdir /x: busy"
        );
    }

    #[test]
    fn exit_code_is_255_for_exec_and_1_elsewhere() {
        for kind in [Kind::Usage, Kind::Spec, Kind::Child, Kind::NoProgram] {
            assert_eq!(kind.exit_code("exec"), 255);
            assert_eq!(kind.exit_code("run"), 1);
            assert_eq!(kind.exit_code("create"), 1);
        }
    }
}
