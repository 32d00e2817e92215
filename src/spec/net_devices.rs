//! `linux.netDevices`: network devices of the host that become the container's.
//!
//! It knows the kernel's rules for names, which hold on every host. It refuses to know which devices there are.
//! What a newcomer would get wrong: `eth%d` is no name but a template. The kernel picks the number, so two devices may ask
//! for the same one, and nobody may look for a device under it afterwards.

use super::at::At;
use super::namespaces::{NamespaceKind, Namespaces};
use super::wire;
use super::wire::{Entries, Object};
use crate::error::Result;

/// A device to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetDevice {
    /// Its name on the host.
    pub host: String,
    /// What it is called in the container: a name, or a template with one `%d`.
    pub name: String,
    /// The field that gives that name.
    pub pointer: String,
}

impl NetDevice {
    /// Whether the kernel completes the name.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.name.contains('%')
    }

    pub(super) fn read_all(
        at: At<'_>,
        devices: Option<Entries<Object<wire::NetDevice<'_>>>>,
        namespaces: &Namespaces,
    ) -> Result<Vec<Self>> {
        let mut read: Vec<Self> = Vec::new();
        for (host, Object(wire::NetDevice { name })) in devices.unwrap_or_default().0 {
            let at = at.key(&host);
            check(&at, &host)?;
            if host.contains('%') {
                return Err(at
                    .wrong(format!("{host:?} is a template, not the name of a device"))
                    .hint("name a device of the host; a template goes into \"name\""));
            }
            let name = name.filter(|name| !name.is_empty());
            let (at, name) = match &name {
                Some(name) => (at.key("name"), &**name),
                None => (at, host.as_str()),
            };
            check(&at, name)?;
            check_template(&at, name)?;
            let twice = |other: &&Self| !other.is_template() && other.name == name;
            if let Some(other) = read.iter().find(twice) {
                return Err(at
                    .wrong(format!(
                        "{name:?} is the name of {:?} in the container, too",
                        other.host
                    ))
                    .hint("give one of them another name, or both a template such as \"eth%d\""));
            }
            read.push(Self { name: name.to_owned(), pointer: at.pointer(), host });
        }
        if !read.is_empty() {
            namespaces.require(NamespaceKind::Network, &at)?;
        }
        Ok(read)
    }
}

/// `IFNAMSIZ` without the NUL byte.
const LONGEST: usize = 15;

/// The kernel's `dev_valid_name`, and the two names that its sysctl directories have taken.
fn check(at: &At<'_>, name: &str) -> Result<()> {
    if name.len() > LONGEST {
        let message = format!("{name:?} has {} bytes; {LONGEST} are the most", name.len());
        return Err(at.wrong(message).hint("shorten it"));
    }
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name.chars().any(wrong) || ["", ".", "..", "all", "default"].contains(&name) {
        return Err(at
            .wrong(format!("{name:?} is no name for a network device"))
            .hint("use letters, digits, '.', '-' and '_'"));
    }
    Ok(())
}

fn check_template(at: &At<'_>, name: &str) -> Result<()> {
    match name.split_once('%') {
        None => Ok(()),
        Some((_, rest)) if rest.starts_with('d') && !rest.contains('%') => Ok(()),
        Some(_) => Err(at
            .wrong(format!("{name:?} is no template for names"))
            .hint("write one %d where the number goes, and no other '%'")),
    }
}
