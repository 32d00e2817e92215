//! Devices: `linux.devices` are nodes to make, `linux.resources.devices` are rules of access.
//!
//! It knows their fields and the kernel's ranges. It refuses to know the default nodes and rules of a container.
//! What a newcomer would get wrong: `type: "u"` is a character device too (mknod(1): unbuffered), and an absent number,
//! type or access of a *rule* means all.

use super::at::At;
use super::wire;
use super::wire::{Object, Text};
use crate::error::Result;
use crate::id::InnerPath;

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// `c` and `u`
    Char,
    /// `b`
    Block,
}

/// A number of a rule: one, or any (absent or `-1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceNumber {
    /// All.
    Any,
    /// This.
    Is(u32),
}

/// `access`: any of read, write, mknod; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAccess {
    /// `r`
    pub read: bool,
    /// `w`
    pub write: bool,
    /// `m`
    pub mknod: bool,
}

/// One of `resources.devices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// `allow`
    pub allow: bool,
    /// `type`; `None` is `a`, all
    pub kind: Option<DeviceKind>,
    /// `major`
    pub major: DeviceNumber,
    /// `minor`
    pub minor: DeviceNumber,
    /// `access`
    pub access: DeviceAccess,
}

/// One of `linux.devices`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where, inside.
    pub path: InnerPath,
    /// `None` is a FIFO (`p`).
    pub device: Option<(DeviceKind, u32, u32)>,
    /// Permission bits; 0o666 when absent.
    pub mode: u32,
    /// Owner in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
}

/// The words of `linux.devices[].type`; `None` is a FIFO.
const NODES: &[(&str, Option<DeviceKind>)] = &[
    ("b", Some(DeviceKind::Block)),
    ("c", Some(DeviceKind::Char)),
    ("p", None),
    ("u", Some(DeviceKind::Char)),
];

/// The words of `linux.resources.devices[].type`; `None` is all.
const RULES: &[(&str, Option<DeviceKind>)] =
    &[("a", None), ("b", Some(DeviceKind::Block)), ("c", Some(DeviceKind::Char))];

/// Twelve bits for the major number, `MINORBITS` (20) for the minor: linux/kdev_t.h.
pub(super) const MAX_MAJOR: i64 = 0xfff;
pub(super) const MAX_MINOR: i64 = 0xf_ffff;

/// A device number within the kernel's range.
pub(super) fn read_number(at: At<'_>, number: i64, most: i64) -> Result<u32> {
    u32::try_from(number).ok().filter(|_| number <= most).ok_or_else(|| {
        at.wrong(format!("{number} is out of range")).hint(format!("use 0 to {most}"))
    })
}

impl DeviceNode {
    /// All nodes. One device listed twice at one path is made once; two devices at one path are an error.
    pub(super) fn read_all(
        at: At<'_>,
        list: wire::Objects<wire::Device<'_>>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Self>> {
        let mut nodes: Vec<Self> = Vec::new();
        at.each(list, |at, Object(device)| {
            let node = Self::read(at, device)?;
            match nodes.iter().find(|earlier| earlier.path == node.path) {
                None => nodes.push(node),
                Some(earlier) if earlier.device == node.device => {
                    warnings.push(at.warning(format!("{} is listed twice", node.path)));
                }
                Some(_) => {
                    let message = format!("another device is listed at {}", node.path);
                    return Err(at.key("path").wrong(message).hint("remove one of the two"));
                }
            }
            Ok(())
        })?;
        Ok(nodes)
    }

    fn read(at: At<'_>, device: wire::Device<'_>) -> Result<Self> {
        let wire::Device { path, kind, major, minor, file_mode, uid, gid } = device;
        let path = at.required("path", path)?;
        let path = InnerPath::new(at.key("path").absolute(&path)?);
        if path.as_str() == "/" {
            let error = at.key("path").wrong("a device cannot be the root directory");
            return Err(error.hint("name a path below it, such as /dev/fuse"));
        }
        let kind = at.required("type", kind)?;
        let device = match at.key("type").one_of(&kind, "device type", NODES)? {
            None => None,
            Some(kind) => {
                let major = at.required("major", major)?;
                let minor = at.required("minor", minor)?;
                Some((
                    kind,
                    read_number(at.key("major"), major, MAX_MAJOR)?,
                    read_number(at.key("minor"), minor, MAX_MINOR)?,
                ))
            }
        };
        Ok(Self {
            path,
            device,
            mode: read_mode(at.key("fileMode"), file_mode)?,
            uid: uid.unwrap_or_default(),
            gid: gid.unwrap_or_default(),
        })
    }
}

/// Some engines copy `st_mode` whole, file type and all; the type is said elsewhere.
fn read_mode(at: At<'_>, mode: Option<u32>) -> Result<u32> {
    let Some(mode) = mode else { return Ok(0o666) };
    let bits = mode & !libc::S_IFMT;
    if bits > 0o777 {
        return Err(at
            .wrong(format!("{mode} has more than permission bits"))
            .hint("use 0 to 511: the number is decimal, 438 is octal 666"));
    }
    Ok(bits)
}

impl DeviceRule {
    pub(super) fn read(at: At<'_>, Object(rule): Object<wire::DeviceRule<'_>>) -> Result<Self> {
        let wire::DeviceRule { allow, kind, major, minor, access } = rule;
        let kind = match kind.filter(|kind| !kind.is_empty()) {
            None => None,
            Some(kind) => at.key("type").one_of(&kind, "device type of a rule", RULES)?,
        };
        Ok(Self {
            allow: at.required("allow", allow)?,
            kind,
            major: DeviceNumber::read(at.key("major"), major, MAX_MAJOR)?,
            minor: DeviceNumber::read(at.key("minor"), minor, MAX_MINOR)?,
            access: DeviceAccess::read(at.key("access"), access)?,
        })
    }
}

impl DeviceNumber {
    fn read(at: At<'_>, number: Option<i64>, most: i64) -> Result<Self> {
        match number {
            None | Some(-1) => Ok(Self::Any),
            Some(number) => read_number(at, number, most).map(Self::Is),
        }
    }
}

impl DeviceAccess {
    fn read(at: At<'_>, access: Option<Text<'_>>) -> Result<Self> {
        let Some(access) = access.filter(|access| !access.is_empty()) else {
            return Ok(Self { read: true, write: true, mknod: true });
        };
        if access.chars().any(|c| !"rwm".contains(c)) {
            return Err(at
                .wrong(format!("{:?} is no device access", &*access))
                .hint("use any of the letters r, w and m"));
        }
        let has = |letter: char| access.contains(letter);
        Ok(Self { read: has('r'), write: has('w'), mknod: has('m') })
    }
}
