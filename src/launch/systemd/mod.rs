//! systemd makes, changes and ends the scope of a container: the few calls that takes, over D-Bus.
//!
//! It knows the calls, and what systemd's refusals mean. Which unit and which properties, the plan has decided.
//! A D-Bus client of our own: the calls are five, and the library that the field uses (zbus 5) was measured at 0.96 MB,
//! more than a third of this program.
//! What a newcomer would get wrong: the answer to a start is only that there is a job. Whether it was done comes later, as
//! a signal, which must have been asked for before.

mod bus;
mod message;

use crate::error::{Error, Kind, Result};
use crate::plan::cgroup::scope::{Manager, Property, Scope, Value};
use bus::{Bus, Refusal};
use message::Writer;
use serde::{Deserialize, Serialize};

/// A unit that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    manager: Manager,
    name: String,
}

impl Unit {
    /// Whose it is.
    #[must_use]
    pub fn manager(&self) -> Manager {
        self.manager
    }

    /// Starts `scope` with the process `pid` in it, and waits until it is there.
    ///
    /// # Errors
    /// [`Kind::Exists`] for a unit of that name; [`Kind::Host`], [`Kind::Spec`] and [`Kind::Denied`] for what systemd
    /// refuses, with the field when it names a property. No unit is left then.
    pub fn start(scope: &Scope, pid: i32) -> Result<Self> {
        let mut bus = Bus::connect(scope.manager)?;
        let unit = Self { manager: scope.manager, name: scope.unit.clone() };
        bus.listen()?;
        let mut properties = scope.properties.clone();
        properties.push(plain("PIDs", Value::Pids(vec![pid.unsigned_abs()])));
        if !bus.is_direct {
            // A unit that failed stays as long as we do, to be asked why.
            properties.push(plain("AddRef", Value::Bool(true)));
        }
        let mut answer = unit.ask_for(&mut bus, &properties)?;
        if matches!(&answer, Err(refusal) if refusal.name == UNIT_EXISTS) {
            // One that failed stays until it is told to go.
            unit.reset(&mut bus)?;
            answer = unit.ask_for(&mut bus, &properties)?;
        }
        let job = answer.map_err(|refusal| unit.refused("start", refusal, &properties))?;
        match bus.wait_for(&job) {
            Ok(result) if result == "done" => Ok(unit),
            Ok(result) => Err(unit.explain(&mut bus, &result)),
            // What it waits for may still come.
            Err(error) => Err(match unit.cancel(&mut bus) {
                Ok(()) => error,
                Err(failure) => error.while_undoing(failure),
            }),
        }
    }

    fn cancel(&self, bus: &mut Bus) -> Result<()> {
        let answer = bus.call("StopUnit", "ss", &self.named_replace())?;
        answer.map(drop).map_err(|refusal| self.refused("stop", refusal, &[]))
    }

    fn named_replace(&self) -> Writer {
        let mut body = Writer::default();
        body.string(&self.name);
        body.string("replace");
        body
    }

    /// The answer is the job.
    fn ask_for(
        &self,
        bus: &mut Bus,
        properties: &[Property],
    ) -> Result<std::result::Result<String, Refusal>> {
        let mut body = Writer::default();
        body.string(&self.name);
        body.string("fail");
        write(&mut body, properties);
        // No further units.
        body.array(8, std::iter::empty::<()>(), |_, ()| {});
        let answer = bus.call("StartTransientUnit", "ssa(sv)a(sa(sv))", &body)?;
        Ok(answer.map(|reply| reply.body().string().unwrap_or_default().to_owned()))
    }

    /// Changes properties, until the machine's next boot; all or none.
    ///
    /// # Errors
    /// As [`Unit::start`].
    pub fn set(&self, properties: &[Property]) -> Result<()> {
        if properties.is_empty() {
            return Ok(());
        }
        let mut bus = Bus::connect(self.manager)?;
        let mut body = Writer::default();
        body.string(&self.name);
        body.u32(1);
        write(&mut body, properties);
        let answer = bus.call("SetUnitProperties", "sba(sv)", &body)?;
        answer.map(drop).map_err(|refusal| self.refused("change", refusal, properties))?;
        // It answers before it writes, and would overwrite what we write: its queue of cgroups is emptied before it reads
        // the next message. Whether the unit is still there is not the question.
        let mut body = Writer::default();
        body.string(&self.name);
        bus.call("GetUnit", "s", &body).map(drop)
    }

    /// Moves a process into its cgroup: for who may not do so itself.
    ///
    /// # Errors
    /// As [`Unit::start`].
    pub fn attach(&self, pid: i32) -> Result<()> {
        let mut bus = Bus::connect(self.manager)?;
        let mut body = Writer::default();
        body.string(&self.name);
        body.string("");
        body.array(4, [pid.unsigned_abs()], Writer::u32);
        let answer = bus.call("AttachProcessesToUnit", "ssau", &body)?;
        answer.map(drop).map_err(|refusal| self.refused("join", refusal, &[]))
    }

    /// Ends it, and forgets it if it failed. Its processes have ended; one that systemd has dropped by itself is fine.
    ///
    /// # Errors
    /// [`Kind::Host`] and [`Kind::Denied`].
    pub fn stop(&self) -> Result<()> {
        let mut bus = Bus::connect(self.manager)?;
        bus.listen()?;
        match bus.call("StopUnit", "ss", &self.named_replace())? {
            Ok(reply) => drop(bus.wait_for(reply.body().string().unwrap_or_default())?),
            Err(refusal) if refusal.name == NO_SUCH_UNIT => return Ok(()),
            Err(refusal) => return Err(self.refused("stop", refusal, &[])),
        }
        self.reset(&mut bus)
    }

    fn reset(&self, bus: &mut Bus) -> Result<()> {
        let mut body = Writer::default();
        body.string(&self.name);
        match bus.call("ResetFailedUnit", "s", &body)? {
            Err(refusal) if refusal.name != NO_SUCH_UNIT => {
                Err(self.refused("reset", refusal, &[]))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A job that was not done, and a unit that knows why.
    fn explain(&self, bus: &mut Bus, result: &str) -> Error {
        let facts = [
            ("org.freedesktop.systemd1.Unit", "ActiveState"),
            ("org.freedesktop.systemd1.Scope", "Result"),
        ];
        let facts = facts.map(|(interface, name)| {
            let value = self.property(bus, interface, name).ok().flatten();
            format!("{name}={}", value.as_deref().unwrap_or("unknown"))
        });
        let why = match result {
            "failed" => "the unit failed",
            "canceled" => "somebody cancelled it",
            "timeout" => "it took too long",
            "dependency" => "a unit that it needs did not start",
            _ => result,
        };
        let whose = if self.manager == Manager::User { "--user " } else { "" };
        let error = Error::new(
            Kind::Host,
            format!("systemd did not start {}: {why} ({})", self.name, facts.join(", ")),
        )
        .hint(format!("systemd's log says more: journalctl {whose}-u {}", self.name));
        match self.reset(bus) {
            Ok(()) => error,
            Err(left) => error.while_undoing(left),
        }
    }

    fn property(&self, bus: &mut Bus, interface: &str, name: &str) -> Result<Option<String>> {
        let path = object_path(&self.name);
        let mut body = Writer::default();
        body.string(interface);
        body.string(name);
        let answer = bus.call_at(&path, "org.freedesktop.DBus.Properties", "Get", "ss", &body)?;
        Ok(answer.ok().and_then(|reply| {
            let mut body = reply.body();
            let signature = body.signature()?;
            (signature == "s").then(|| body.string().map(str::to_owned)).flatten()
        }))
    }

    fn refused(&self, doing: &str, refusal: Refusal, properties: &[Property]) -> Error {
        let Refusal { name, text } = refusal;
        let (kind, hint) = match name.as_str() {
            UNIT_EXISTS => (
                Kind::Exists,
                "another container has that unit; give this one another id or linux.cgroupsPath",
            ),
            "org.freedesktop.DBus.Error.AccessDenied"
            | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => (
                Kind::Denied,
                "only root may ask the machine's systemd; an ordinary user's containers ask the user's",
            ),
            "org.freedesktop.DBus.Error.PropertyReadOnly"
            | "org.freedesktop.DBus.Error.UnknownProperty" => (
                Kind::Host,
                "this systemd is too old for it; remove the field, or use the cgroupfs driver",
            ),
            "org.freedesktop.DBus.Error.InvalidArgs" => {
                (Kind::Spec, "systemd takes no such value; correct it")
            }
            _ => {
                (Kind::Host, "systemctl status and journalctl -b _PID=1 say what systemd is doing")
            }
        };
        let error = Error::new(kind, format!("systemd refused to {doing} {}: {text}", self.name))
            .hint(hint);
        let named = |one: &&Property| {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            !one.pointer.is_empty() && words.any(|word| word == one.name)
        };
        match (properties.iter().find(named), kind) {
            (Some(property), _) => error.at(property.pointer.clone()),
            (None, Kind::Exists) => error.at("/linux/cgroupsPath"),
            (None, _) => error,
        }
    }
}

const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

fn plain(name: &'static str, value: Value) -> Property {
    Property { name: name.into(), value, pointer: "".into() }
}

/// `a(sv)`
fn write(body: &mut Writer, properties: &[Property]) {
    body.array(8, properties, |to, property| {
        to.string(&property.name);
        to.variant(&property.value);
    });
}

/// The object of a unit: whatever is not a letter or a digit, and a digit that comes first, is `_` and two digits.
fn object_path(unit: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_an_object_of_its_name() {
        assert_eq!(
            object_path(r"rrun-1\x2b.scope"),
            "/org/freedesktop/systemd1/unit/rrun_2d1_5cx2b_2escope"
        );
        assert_eq!(object_path("1a"), "/org/freedesktop/systemd1/unit/_31a");
    }

    #[test]
    fn a_refused_property_is_named_by_its_field() {
        let unit = Unit { manager: Manager::System, name: "a.scope".into() };
        let limit = |name: &'static str, field: &'static str| Property {
            pointer: field.into(),
            ..plain(name, Value::U64(1))
        };
        let properties =
            [plain("Slice", Value::Bool(true)), limit("CPUWeight", "/a"), limit("MemoryMax", "/b")];
        for (name, text, kind, pointer) in [
            (
                "org.freedesktop.DBus.Error.PropertyReadOnly",
                "Cannot set property MemoryMax, or unknown property.",
                Kind::Host,
                Some("/b"),
            ),
            (
                "org.freedesktop.DBus.Error.InvalidArgs",
                "Value specified in CPUWeight is out of range",
                Kind::Spec,
                Some("/a"),
            ),
            (UNIT_EXISTS, "Unit a.scope already exists.", Kind::Exists, Some("/linux/cgroupsPath")),
            ("org.freedesktop.DBus.Error.AccessDenied", "no", Kind::Denied, None),
        ] {
            let refusal = Refusal { name: name.into(), text: text.into() };
            let error = unit.refused("start", refusal, &properties);
            assert_eq!((error.kind(), error.pointer()), (kind, pointer), "{error}");
        }
    }
}
