//! `linux.netDevices`: devices of our network namespace move into the container's, and back again when it is not to be.
//!
//! ```text
//!  asked    every device and every name, before anything is touched
//!  moved    by index, under a passing name; the kernel takes addresses, routes and "up" away
//!  named    a template is completed by the kernel, and the index still says which device that is
//!  given    its permanent addresses of global scope; set up
//! ```
//! It knows how; when, and what else a container is, others know. Nothing is moved back when a container ends: whoever
//! owns its network namespace does as they like, and the kernel returns hardware by itself.
//! What a newcomer would get wrong: a device may not keep its index either, if one there has the same. So a free one is
//! chosen *with* the move. And a namespace ends with its last process, and virtual devices with it; a socket in it is what
//! keeps them until the launch can't fail any more.

mod device;
mod message;
mod route;

use super::fault::point;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::spec::NetDevice;
use device::{Address, Link, MASTER, NAME, NAMESPACE_FD, NEW_INDEX};
use message::Message;
use route::{Refusal, Route};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

/// What a device is called between two names, none of which it can have in the other's namespace.
const PASSING: &str = "rrun%d";

/// Devices that are in the container.
#[derive(Debug)]
pub struct Moved {
    /// Our own network namespace, and a conversation in each of the two.
    home: File,
    here: Route,
    there: Route,
    devices: Vec<Device>,
}

/// One of them.
#[derive(Debug)]
struct Device {
    pointer: String,
    /// There.
    index: i32,
    before: Before,
}

/// As it was here.
#[derive(Debug)]
struct Before {
    link: Link,
    addresses: Vec<Address>,
    routes: Vec<Message>,
}

/// Moves `devices` into the network namespace of process `pid`: all of them or none.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::Exists`], [`Kind::Host`] or [`Kind::Denied`], with the field that names the device.
pub fn into_namespace_of(pid: i32, devices: &[NetDevice]) -> Result<Moved> {
    let open = |path: String| File::open(&path).context(|| format!("open {path}"));
    let home = open("/proc/thread-self/ns/net".into())?;
    let namespace = open(format!("/proc/{pid}/ns/net"))?;
    let identity = |file: &File| file.metadata().map(|file| (file.dev(), file.ino()));
    if identity(&home)? == identity(&namespace)? {
        return Err(Error::spec("/linux/netDevices", "the network namespace joined is rrun's own")
            .hint("name another one, or leave netDevices out: the devices are there already"));
    }
    let there = Route::open_in(&namespace, &home)?;
    let mut moved = Moved { here: Route::open()?, there, home, devices: Vec::new() };
    let found = moved.look(devices)?;
    for (device, before) in found {
        let done = point("move a device")
            .and_then(|()| moved.bring(device, before, &namespace))
            .and_then(|index| moved.settle(device, index));
        if let Err(error) = done {
            return Err(moved.put_back(error));
        }
    }
    Ok(moved)
}

impl Moved {
    /// Every device, those with a name before those with a template: else the kernel might complete one to the other.
    fn look<'a>(&mut self, devices: &'a [NetDevice]) -> Result<Vec<(&'a NetDevice, Before)>> {
        let taken = device::all(&mut self.there).map_err(|no| no.of("list the devices there"))?;
        let mut found: Vec<(&NetDevice, Before)> = Vec::new();
        for device in devices {
            let link = self.link(device)?;
            if let Some((other, _)) =
                found.iter().find(|(_, before)| before.link.index == link.index)
            {
                let message = format!("{:?} and {:?} are one device", other.host, device.host);
                return Err(Error::spec(key(device), message).hint("leave one of them out"));
            }
            if taken.iter().any(|one| one.has_name(&device.name)) {
                return Err(exists(device));
            }
            let ask = || format!("list the addresses and routes of {:?}", device.host);
            let addresses =
                device::addresses(&mut self.here, link.index).map_err(|no| no.of(ask()))?;
            let routes = device::routes(&mut self.here, link.index).map_err(|no| no.of(ask()))?;
            found.push((device, Before { link, addresses, routes }));
        }
        found.sort_by_key(|(device, _)| device.is_template());
        Ok(found)
    }

    fn link(&mut self, device: &NetDevice) -> Result<Link> {
        let host = &device.host;
        let link = device::find(&mut self.here, host)
            .map_err(|no| no.of(format!("look for network device {host:?}")).at(key(device)))?;
        let missing = || {
            let message =
                format!("there is no network device {host:?} in rrun's network namespace");
            Error::new(Kind::NotFound, message).at(key(device)).hint("make it, or correct the name")
        };
        let link = link.ok_or_else(missing)?;
        if link.is_loopback() {
            let message =
                format!("{host:?} is a loopback device, and each network namespace has its own");
            return Err(Error::spec(key(device), message).hint("leave it out"));
        }
        Ok(link)
    }

    /// From here to there; the answer is its index there.
    fn bring(&mut self, device: &NetDevice, before: Before, to: &File) -> Result<i32> {
        let call = format!("move network device {:?}", device.host);
        let from = before.link.index;
        // Somebody else may take the index between the look and the move.
        let mut attempts = 0..8;
        let (index, refused) = loop {
            attempts.next();
            let index = self.free_index(from).map_err(|no| no.of("list the devices there"))?;
            let go = device::change(from)
                .with(NAMESPACE_FD, &to.as_raw_fd().to_ne_bytes())
                .with(NEW_INDEX, &index.to_ne_bytes())
                .with_text(NAME, PASSING);
            match self.here.ask(&go) {
                Ok(_) => break (index, None),
                Err(Refusal { errno: libc::EBUSY, .. }) if !attempts.is_empty() => {}
                Err(no) => break (index, Some(no)),
            }
        };
        // A refusal may have come from the second half, the naming.
        if refused.is_none() || self.has_left(from) {
            self.devices.push(Device { pointer: device.pointer.clone(), index, before });
        }
        match refused {
            None => Ok(index),
            Some(no) => Err(not_moved(no, call).at(key(device))),
        }
    }

    fn free_index(&mut self, wanted: i32) -> std::result::Result<i32, Refusal> {
        let links = device::all(&mut self.there)?;
        let highest = links.iter().map(|link| link.index).max().unwrap_or_default();
        let is_free = links.iter().all(|link| link.index != wanted);
        Ok(if is_free { wanted } else { highest + 1 })
    }

    fn has_left(&mut self, index: i32) -> bool {
        device::all(&mut self.here).is_ok_and(|links| links.iter().all(|link| link.index != index))
    }

    /// Names it, and gives it what the move took away.
    fn settle(&mut self, device: &NetDevice, index: i32) -> Result<()> {
        point("settle a device")?;
        let name = device::change(index).with_text(NAME, &device.name);
        self.there.ask(&name).map_err(|no| match no.errno {
            libc::EEXIST => exists(device),
            _ => no.of(format!("name it {:?}", device.name)).at(device.pointer.clone()),
        })?;
        let links = device::all(&mut self.there).map_err(|no| no.of("list the devices there"))?;
        let name = links.into_iter().find(|link| link.index == index).map(|link| link.name);
        let name = name.ok_or_else(|| {
            let message = format!("network device {:?} vanished from the container", device.host);
            Error::new(Kind::Host, message).at(key(device))
        })?;
        let Some(Device { before, .. }) = self.devices.last() else { return Ok(()) };
        for address in before.addresses.iter().filter(|address| address.is_global()) {
            point("give an address")?;
            self.there.ask(&address.add(index, &before.link.name, &name)).map_err(|no| {
                no.of(format!("give network device {name:?} its address"))
                    .at(key(device))
                    .hint("let the network namespace have that family (net.ipv6.conf.all.disable_ipv6), or remove the address")
            })?;
        }
        point("set a device up")?;
        let up = self.there.ask(&device::up(index));
        up.map(drop).map_err(|no| no.of(format!("set network device {name:?} up")).at(key(device)))
    }

    /// Moves them back, the last first, and makes each what it was; `error` stays the error.
    #[must_use]
    pub fn put_back(mut self, mut error: Error) -> Error {
        while let Some(device) = self.devices.pop() {
            for left in self.return_one(&device) {
                error = error.while_undoing(left.at(device.pointer.clone()));
            }
        }
        error
    }

    /// What could not be done.
    fn return_one(&mut self, device: &Device) -> Vec<Error> {
        let Device { index, before: Before { link, addresses, routes }, .. } = device;
        let back = device::change(*index)
            .with(NAMESPACE_FD, &self.home.as_raw_fd().to_ne_bytes())
            .with_text(NAME, &link.name);
        let same_index = back.clone().with(NEW_INDEX, &link.index.to_ne_bytes());
        let returned = match self.there.ask(&same_index) {
            Err(Refusal { errno: libc::EBUSY, .. }) => self.there.ask(&back),
            other => other,
        };
        if let Err(no) = returned {
            return vec![no.of(format!("move network device {:?} back", link.name))];
        }
        let index = match device::find(&mut self.here, &link.name) {
            Ok(Some(found)) => found.index,
            _ => link.index,
        };
        let mut left = Vec::new();
        let here = &mut self.here;
        let mut tell = |what: &str, message: &Message| match here.ask(message) {
            Ok(_) | Err(Refusal { errno: libc::EEXIST, .. }) => {}
            Err(no) => left.push(no.of(format!("{what} of network device {:?}", link.name))),
        };
        if let Some(master) = link.master {
            tell("the bridge", &device::change(index).with(MASTER, &master.to_ne_bytes()));
        }
        for address in addresses.iter().filter(|address| !address.is_kernels()) {
            tell("an address", &address.add(index, &link.name, &link.name));
        }
        if link.is_up() {
            tell("the state", &device::up(index));
        }
        left.extend(self.restore_routes(routes, &link.name));
        left
    }

    /// A route's gateway may be reached through another one: what is refused is tried again as long as that helps.
    fn restore_routes(&mut self, routes: &[Message], name: &str) -> Vec<Error> {
        let mut refused: Vec<(&Message, Option<Refusal>)> =
            routes.iter().map(|route| (route, None)).collect();
        loop {
            let before = refused.len();
            refused = refused
                .into_iter()
                .filter_map(|(route, _)| match self.here.ask(route) {
                    Ok(_) | Err(Refusal { errno: libc::EEXIST, .. }) => None,
                    Err(no) => Some((route, Some(no))),
                })
                .collect();
            if refused.is_empty() || refused.len() == before {
                let last = refused.into_iter().filter_map(|(_, no)| no);
                return last
                    .map(|no| no.of(format!("a route of network device {name:?}")))
                    .collect();
            }
        }
    }
}

/// The pointer of the entry itself.
fn key(device: &NetDevice) -> String {
    device.pointer.strip_suffix("/name").unwrap_or(&device.pointer).to_owned()
}

fn exists(device: &NetDevice) -> Error {
    let message =
        format!("the container's network namespace has a device {:?} already", device.name);
    Error::new(Kind::Exists, message)
        .at(device.pointer.clone())
        .hint("give another \"name\", or a template such as \"eth%d\"")
}

fn not_moved(no: Refusal, call: String) -> Error {
    let errno = no.errno;
    let error = no.of(call);
    match errno {
        libc::EINVAL | libc::EOPNOTSUPP => error.with_kind(Kind::Host).hint(
            "devices such as bridges belong to the network namespace that they were made in: move another one, or make \
             it there",
        ),
        libc::EPERM => error.with_kind(Kind::Denied).hint(
            "moving a device takes CAP_NET_ADMIN over both network namespaces, which rootless users don't have over the \
             host's: run as root",
        ),
        libc::EEXIST => error
            .with_kind(Kind::Exists)
            .hint("one of its alternative names is taken in the container's network namespace"),
        _ => error,
    }
}
