//! systemd is told of changed limits before they are written, and of the old ones when they are taken back.
//!
//! It knows what stood before. What a newcomer would get wrong: systemd writes the files, too, and rounds. So it is told
//! first, and the exact value is written over its own.

use crate::error::{Error, Result};
use crate::launch::systemd::Unit;
use crate::plan::cgroup::scope::{self, Manager, Property, Value};
use crate::plan::cgroup::{Change, Setting};
use crate::spec::Resources;

/// A file, and the lines that it takes to be as it was.
pub type Before<'a> = (&'a str, &'a [String]);

/// A unit whose properties were changed.
pub struct Told {
    unit: Unit,
    before: Vec<Property>,
}

impl Told {
    /// Tells `unit` what `change` is about to write; `before` is what stands.
    pub fn tell<'a>(
        unit: &Unit,
        change: &Change,
        resources: &Resources,
        before: impl Iterator<Item = Before<'a>>,
    ) -> Result<Self> {
        let mut old = Vec::new();
        for (file, lines) in before {
            for (name, value) in lines.iter().flat_map(|line| scope::of_file(file, line)) {
                scope::add(&mut old, Property { name: name.into(), value, pointer: "".into() });
            }
        }
        let settings: &[Setting] = change.unified.as_ref().map_or(&[], |place| &place.settings);
        let mut new = scope::of_settings(settings);
        if change.devices.is_some() && unit.manager() == Manager::System {
            // Emptied first: a list is appended to the one before.
            let clear = |pointer: &Property| Property {
                value: Value::Accesses(Vec::new()),
                ..pointer.clone()
            };
            let devices = scope::device_properties(&resources.devices);
            new.extend(devices.first().map(clear));
            new.extend(devices);
            // Taken back, our old program decides alone.
            old.extend(scope::device_properties(&[]).first().map(clear));
            old.push(Property {
                name: "DevicePolicy".into(),
                value: Value::Text("auto".into()),
                pointer: "".into(),
            });
        }
        unit.set(&new)?;
        Ok(Self { unit: unit.clone(), before: old })
    }

    /// Tells it what stood before. `error` stays the error.
    pub fn take_back(self, error: Error) -> Error {
        match self.unit.set(&self.before) {
            Ok(()) => error,
            Err(failure) => error.while_undoing(failure),
        }
    }
}
