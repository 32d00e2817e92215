//! A connection to a service manager: through the message bus, or, where no bus runs, its private socket.
//!
//! It knows sockets, the handshake and who answers whom. It refuses to know what is asked.
//! What a newcomer would get wrong: who we are is told by the socket, not by us. In a user namespace we don't know our own
//! uid as the bus sees it, so the handshake leaves it out.

use super::message::{self, ERROR, Message, PROLOGUE, REPLY, SIGNAL, Target, Writer};
use crate::error::{Error, Kind, Result, ResultExt, describe_errno};
use crate::plan::cgroup::scope::Manager;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// A start of a unit may wait for others; longer than this, for something that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";

/// What systemd refused: the error's name on D-Bus, and its sentence.
#[derive(Debug)]
pub struct Refusal {
    pub name: String,
    pub text: String,
}

/// An answer.
pub type Answer = std::result::Result<Message, Refusal>;

/// A connection, ready for calls.
#[derive(Debug)]
pub struct Bus {
    stream: UnixStream,
    serial: u32,
    /// Nobody is between: there are no names, and every signal comes.
    pub is_direct: bool,
    signals: VecDeque<Message>,
}

impl Bus {
    /// # Errors
    /// [`Kind::Host`] when no systemd answers, [`Kind::Denied`] when it will not have us.
    pub fn connect(manager: Manager) -> Result<Self> {
        let mut tried = Vec::new();
        for (address, is_direct) in addresses(manager) {
            match address.connect() {
                Ok(stream) => return Self::greet(stream, is_direct),
                Err(error) => {
                    let why = describe_errno(error.raw_os_error().unwrap_or(libc::EIO));
                    tried.push(format!("{}: {why}", address.text()));
                }
            }
        }
        let whose = if manager == Manager::User { "the user's systemd" } else { "systemd" };
        let message = format!("{whose} can't be reached ({})", tried.join("; "));
        Err(Error::new(Kind::Host, message).hint(match manager {
            Manager::System => {
                "is it the init of this machine? If not, let the engine manage cgroups itself: the cgroupfs driver"
            }
            Manager::User => {
                "log in through systemd, or run \"loginctl enable-linger\"; XDG_RUNTIME_DIR and \
                 DBUS_SESSION_BUS_ADDRESS say where it is. Without it: the cgroupfs driver"
            }
        }))
    }

    fn greet(stream: UnixStream, is_direct: bool) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Self { stream, serial: 0, is_direct, signals: VecDeque::new() };
        bus.authenticate().context(|| "authenticate with D-Bus")?;
        if !is_direct {
            let hello = bus.call_bus("Hello", "", &Writer::default())?;
            hello.map_err(|refusal| Error::new(Kind::Denied, refusal.text))?;
        }
        Ok(bus)
    }

    /// `EXTERNAL`, all of our half at once: the answers are what they are.
    fn authenticate(&mut self) -> Result<()> {
        self.stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n").map_err(silence)?;
        for expected in ["DATA", "OK"] {
            let line = self.line()?;
            if line.split_ascii_whitespace().next() != Some(expected) {
                return Err(Error::new(Kind::Denied, format!("refused: {line}"))
                    .hint("D-Bus takes the user it sees behind the socket; is it mapped there?"));
            }
        }
        Ok(())
    }

    /// Byte by byte: what follows the last line is a message.
    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 1024 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).map_err(silence)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Calls `member` of the manager.
    ///
    /// # Errors
    /// [`Kind::Host`] when nobody answers.
    pub fn call(&mut self, member: &str, signature: &str, body: &Writer) -> Result<Answer> {
        self.call_at(MANAGER_PATH, "org.freedesktop.systemd1.Manager", member, signature, body)
    }

    /// Calls `member` of an object of systemd's.
    ///
    /// # Errors
    /// As [`Bus::call`].
    pub fn call_at(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        body: &Writer,
    ) -> Result<Answer> {
        let destination = if self.is_direct { None } else { Some(SYSTEMD) };
        self.ask(Target { destination, path, interface, member }, signature, body)
    }

    fn call_bus(&mut self, member: &str, signature: &str, body: &Writer) -> Result<Answer> {
        let name = "org.freedesktop.DBus";
        let path = "/org/freedesktop/DBus";
        self.ask(Target { destination: Some(name), path, interface: name, member }, signature, body)
    }

    fn ask(&mut self, target: Target<'_>, signature: &str, body: &Writer) -> Result<Answer> {
        self.serial += 1;
        let serial = self.serial;
        let call = message::call(serial, target, signature, body);
        self.stream.write_all(&call).map_err(silence).context(|| target.member.to_owned())?;
        loop {
            let message = self.receive().context(|| target.member.to_owned())?;
            match message.kind {
                REPLY if message.answers == serial => return Ok(Ok(message)),
                ERROR if message.answers == serial => {
                    let text = message.body().string().unwrap_or_default().to_owned();
                    return Ok(Err(Refusal { name: message.error, text }));
                }
                SIGNAL => self.signals.push_back(message),
                _ => {}
            }
        }
    }

    /// Has the manager's ends of jobs sent to us.
    ///
    /// # Errors
    /// As [`Bus::call`]; [`Kind::Denied`].
    pub fn listen(&mut self) -> Result<()> {
        if self.is_direct {
            return Ok(());
        }
        let mut rule = Writer::default();
        rule.string(
            "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',\
             interface='org.freedesktop.systemd1.Manager',member='JobRemoved'",
        );
        let answer = self.call_bus("AddMatch", "s", &rule)?;
        answer.map(drop).map_err(|refusal| Error::new(Kind::Denied, refusal.text))
    }

    /// Waits for the end of `job`; the answer is its result, `done` or another word.
    ///
    /// # Errors
    /// [`Kind::Host`] when it does not end in time.
    pub fn wait_for(&mut self, job: &str) -> Result<String> {
        loop {
            let signal = match self.signals.pop_front() {
                Some(signal) => signal,
                None => self.receive().context(|| format!("wait for {job}"))?,
            };
            if let Some(result) = result_of(&signal, job) {
                return Ok(result);
            }
        }
    }

    fn receive(&mut self) -> Result<Message> {
        let mut bytes = vec![0; PROLOGUE];
        self.stream.read_exact(&mut bytes).map_err(silence)?;
        let prologue = bytes.as_slice().try_into().ok();
        let rest = prologue.and_then(message::rest_of).ok_or_else(garbled)?;
        bytes.resize(PROLOGUE + rest, 0);
        self.stream.read_exact(&mut bytes[PROLOGUE..]).map_err(silence)?;
        Message::parse(&bytes).ok_or_else(garbled)
    }
}

/// `JobRemoved(id, job, unit, result)`
fn result_of(signal: &Message, job: &str) -> Option<String> {
    if signal.kind != SIGNAL || signal.member != "JobRemoved" {
        return None;
    }
    let mut body = signal.body();
    body.u32()?;
    let which = body.string()?;
    body.string()?;
    let result = body.string()?;
    (which == job).then(|| result.to_owned())
}

fn silence(error: std::io::Error) -> Error {
    let late = matches!(error.raw_os_error(), Some(libc::EAGAIN));
    let message = if late {
        format!("systemd did not answer in {} s", PATIENCE.as_secs())
    } else {
        format!("the connection to systemd broke: {error}")
    };
    Error::new(Kind::Host, message)
        .hint("see its log: journalctl -b _PID=1; a manager that hangs is restarted with systemctl daemon-reexec")
}

fn garbled() -> Error {
    Error::new(Kind::Host, "systemd sent what is no D-Bus message")
}

/// Where something listens.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

impl Address {
    fn connect(&self) -> std::io::Result<UnixStream> {
        match self {
            Self::Path(path) => UnixStream::connect(path),
            Self::Abstract(name) => {
                UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Abstract(name) => format!("@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// In the order of trying; the second value is whether it is a private socket.
fn addresses(manager: Manager) -> Vec<(Address, bool)> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    match manager {
        Manager::System => {
            let mut all = parse(&variable("DBUS_SYSTEM_BUS_ADDRESS"));
            if all.is_empty() {
                all.push(Address::Path("/run/dbus/system_bus_socket".into()));
            }
            let private = Address::Path("/run/systemd/private".into());
            all.into_iter().map(|one| (one, false)).chain([(private, true)]).collect()
        }
        Manager::User => {
            let mut home = PathBuf::from(variable("XDG_RUNTIME_DIR"));
            if home.as_os_str().is_empty() {
                home = format!("/run/user/{}", nix::unistd::geteuid()).into();
            }
            let mut all = parse(&variable("DBUS_SESSION_BUS_ADDRESS"));
            if all.is_empty() {
                all.push(Address::Path(home.join("bus")));
            }
            let private = Address::Path(home.join("systemd/private"));
            all.into_iter().map(|one| (one, false)).chain([(private, true)]).collect()
        }
    }
}

/// `unix:path=/a%20b,guid=…;unix:abstract=c`; what is not a Unix socket is left out.
fn parse(addresses: &str) -> Vec<Address> {
    let one = |address: &str| {
        let mut pairs = address.strip_prefix("unix:")?.split(',');
        pairs.find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let value = unescape(value)?;
            match key {
                "path" => Some(Address::Path(String::from_utf8(value).ok()?.into())),
                "abstract" => Some(Address::Abstract(value)),
                _ => None,
            }
        })
    };
    addresses.split(';').filter_map(one).collect()
}

fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut parts = value.split('%');
    let mut plain = parts.next()?.as_bytes().to_vec();
    for part in parts {
        plain.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        plain.extend(&part.as_bytes()[2..]);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_specification_writes_them() {
        let path = |path: &str| Address::Path(path.into());
        for (text, all) in [
            ("unix:path=/run/user/1000/bus", vec![path("/run/user/1000/bus")]),
            ("unix:path=/a%20b,guid=12", vec![path("/a b")]),
            ("tcp:host=h,port=1;unix:guid=1,abstract=/x", vec![Address::Abstract(b"/x".to_vec())]),
            ("unix:path=/a;unix:path=/b", vec![path("/a"), path("/b")]),
            ("unix:path=/a%2", vec![]),
            ("unix:path=/a%é", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(parse(text), all, "{text}");
        }
    }
}
