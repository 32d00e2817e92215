//! A network device as rtnetlink tells of it, and all that moving it takes away.
//!
//! It knows which addresses and routes a device has and how they are given back. It refuses to know why it moves.
//! What a newcomer would get wrong: the kernel's own answer to "list" is also its language for "add". What was read is
//! written again, byte for byte but for the index, so no attribute is lost that this program has never heard of.

use super::message::{Message, attributes, i32_at, text, u32_at};
use super::route::{ACK, Answer, CREATE, DUMP, REPLACE, REQUEST, Refusal, Route};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

/// Attributes of a link (if_link.h).
pub const NAME: u16 = 3;
pub const MASTER: u16 = 10;
pub const NAMESPACE_FD: u16 = 28;
pub const NEW_INDEX: u16 = 49;
const EXT_MASK: u16 = 29;
const PROPERTIES: u16 = 52;
const ALTERNATIVE_NAME: u16 = 53;
/// `RTEXT_FILTER_SKIP_STATS`: nobody reads the counters here.
const SKIP_STATS: u32 = 8;

/// Attributes of an address (if_addr.h).
const LABEL: u16 = 3;
const ADDRESS_FLAGS: u16 = 8;
const ADDRESS_PROTOCOL: u16 = 11;
const PERMANENT: u32 = 0x80;
const NO_DUPLICATE_DETECTION: u32 = 0x02;
/// `IFA_F_TENTATIVE` and `IFA_F_DADFAILED`.
const UNPROVEN: u32 = 0x48;
/// What may be asked for: home address, managed temporaries, no prefix route, automatic multicast.
const KEPT_FLAGS: u32 = 0x10 | 0x100 | 0x200 | 0x400;

/// Attributes of a route (rtnetlink.h).
const OUTPUT: u16 = 4;
const CACHE_INFO: u16 = 12;
const BY_KERNEL: u8 = 2;
const CLONED: u32 = 0x200;
/// `RTNH_F_PERVASIVE` and `RTNH_F_ONLINK`: the others tell of the device's state.
const ROUTE_FLAGS: u32 = 2 | 4;

/// A device of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: i32,
    pub flags: u32,
    pub name: String,
    /// The bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// Other names that nobody else there may have.
    pub other_names: Vec<String>,
}

impl Link {
    fn read((kind, body): &Answer) -> Option<Self> {
        let mut link = Self {
            index: i32_at(body, 4).filter(|_| *kind == NEW_LINK)?,
            flags: u32_at(body, 8)?,
            name: String::new(),
            master: None,
            other_names: Vec::new(),
        };
        for (attribute, value) in attributes(body.get(16..)?) {
            match attribute {
                NAME => link.name = text(value),
                MASTER => link.master = u32_at(value, 0),
                PROPERTIES => {
                    let names = attributes(value).filter(|(kind, _)| *kind == ALTERNATIVE_NAME);
                    link.other_names.extend(names.map(|(_, name)| text(name)));
                }
                _ => {}
            }
        }
        Some(link)
    }

    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP.unsigned_abs() != 0
    }

    pub fn is_loopback(&self) -> bool {
        self.flags & libc::IFF_LOOPBACK.unsigned_abs() != 0
    }

    pub fn has_name(&self, name: &str) -> bool {
        self.name == name || self.other_names.iter().any(|other| other == name)
    }
}

/// `struct ifinfomsg`: family, padding, type, index, flags, which of them change.
fn link_message(kind: u16, flags: u16, index: i32, set: u32) -> Message {
    let mut fixed = vec![0; 4];
    fixed.extend(index.to_ne_bytes());
    fixed.extend(set.to_ne_bytes());
    fixed.extend(set.to_ne_bytes());
    Message::new(kind, REQUEST | flags, &fixed)
}

/// A change of the device with this index.
pub fn change(index: i32) -> Message {
    link_message(SET_LINK, ACK, index, 0)
}

/// Brings it up.
pub fn up(index: i32) -> Message {
    link_message(SET_LINK, ACK, index, libc::IFF_UP.unsigned_abs())
}

/// The device of that name; `None` when there is none.
pub fn find(route: &mut Route, name: &str) -> Result<Option<Link>, Refusal> {
    let ask = link_message(GET_LINK, ACK, 0, 0)
        .with_text(NAME, name)
        .with(EXT_MASK, &SKIP_STATS.to_ne_bytes());
    match route.ask(&ask) {
        Ok(answers) => Ok(answers.iter().find_map(Link::read)),
        Err(Refusal { errno: libc::ENODEV, .. }) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Every device.
pub fn all(route: &mut Route) -> Result<Vec<Link>, Refusal> {
    let ask = link_message(GET_LINK, DUMP, 0, 0).with(EXT_MASK, &SKIP_STATS.to_ne_bytes());
    Ok(route.ask(&ask)?.iter().filter_map(Link::read).collect())
}

/// An address of a device, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    body: Vec<u8>,
    flags: u32,
}

/// The permanent addresses of a device, of every family and scope, in the kernel's order: the first of a subnet is primary.
pub fn addresses(route: &mut Route, index: i32) -> Result<Vec<Address>, Refusal> {
    let answers = route.ask(&Message::new(GET_ADDRESS, REQUEST | DUMP, &[0; 8]))?;
    let own = answers
        .into_iter()
        .filter(|(kind, body)| *kind == NEW_ADDRESS && i32_at(body, 4) == Some(index));
    let read = own.filter_map(|(_, body)| {
        let all = attributes(body.get(8..)?).find(|(kind, _)| *kind == ADDRESS_FLAGS);
        let flags = all.and_then(|(_, value)| u32_at(value, 0));
        let flags = flags.unwrap_or_else(|| body.get(2).copied().unwrap_or_default().into());
        Some(Address { flags, body })
    });
    Ok(read.filter(|address| address.flags & PERMANENT != 0).collect())
}

impl Address {
    /// Valid wherever the device is.
    pub fn is_global(&self) -> bool {
        self.body.get(3) == Some(&libc::RT_SCOPE_UNIVERSE)
    }

    /// Made by the kernel when the device comes up, and again then.
    pub fn is_kernels(&self) -> bool {
        let attributes = attributes(self.body.get(8..).unwrap_or_default());
        let mut by = attributes.filter(|(kind, _)| *kind == ADDRESS_PROTOCOL);
        by.next().is_some_and(|(_, value)| value.first().is_some_and(|one| (1..=3).contains(one)))
    }

    /// Adds it to a device that was called `old` and is `new` now. What had been proven to be nobody else's on this link
    /// is so still, and is usable at once.
    pub fn add(&self, index: i32, old: &str, new: &str) -> Message {
        let mut flags = self.flags & KEPT_FLAGS;
        let is_v6 = self.body.first().map(|one| i32::from(*one)) == Some(libc::AF_INET6);
        if is_v6 && self.flags & UNPROVEN == 0 {
            flags |= NO_DUPLICATE_DETECTION;
        }
        let mut fixed = self.body.get(..4).unwrap_or_default().to_vec();
        if let Some(short) = fixed.get_mut(2) {
            *short = flags.to_ne_bytes()[if cfg!(target_endian = "little") { 0 } else { 3 }];
        }
        fixed.extend(index.to_ne_bytes());
        let mut message = Message::new(NEW_ADDRESS, REQUEST | ACK | CREATE | REPLACE, &fixed)
            .with(ADDRESS_FLAGS, &flags.to_ne_bytes());
        for (kind, value) in attributes(self.body.get(8..).unwrap_or_default()) {
            message = match kind {
                ADDRESS_FLAGS => message,
                LABEL => match renamed(&text(value), old, new) {
                    Some(label) => message.with_text(LABEL, &label),
                    None => message,
                },
                _ => message.with(kind, value),
            };
        }
        message
    }
}

/// By custom a label is the device's name, or begins with it: `eth0:1`. `None` when there is no room for it.
fn renamed(label: &str, old: &str, new: &str) -> Option<String> {
    let label = match label.strip_prefix(old) {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => format!("{new}{rest}"),
        _ => label.to_owned(),
    };
    (label.len() < libc::IFNAMSIZ).then_some(label)
}

/// The routes through a device that somebody gave it; those that come with an address are the kernel's.
pub fn routes(route: &mut Route, index: i32) -> Result<Vec<Message>, Refusal> {
    let answers = route.ask(&Message::new(GET_ROUTE, REQUEST | DUMP, &[0; 12]))?;
    let ours = answers.into_iter().filter(|(kind, body)| {
        let leads = |(kind, value): (u16, &[u8])| kind == OUTPUT && i32_at(value, 0) == Some(index);
        *kind == NEW_ROUTE
            && body.get(5) != Some(&BY_KERNEL)
            && u32_at(body, 8).is_some_and(|flags| flags & CLONED == 0)
            && attributes(body.get(12..).unwrap_or_default()).any(leads)
    });
    Ok(ours.filter_map(|(_, body)| again(&body)).collect())
}

fn again(body: &[u8]) -> Option<Message> {
    let mut fixed = body.get(..8)?.to_vec();
    fixed.extend((u32_at(body, 8)? & ROUTE_FLAGS).to_ne_bytes());
    let kept = attributes(body.get(12..)?).filter(|(kind, _)| *kind != CACHE_INFO);
    let message = Message::new(NEW_ROUTE, REQUEST | ACK | CREATE, &fixed);
    Some(kept.fold(message, |message, (kind, value)| message.with(kind, value)))
}
