//! mount(2), the call of before Linux 5.2: it does in one step what the new calls do in seven.
//!
//! It knows how the parameters of a new file system become one string, and which can't. It refuses to report: what it
//! does not know how to do, or the kernel refuses, is left to the calls of `mount`, which name the parameter at fault.
//! What a newcomer would get wrong: the target is no name. It is `.`, after the working directory became the descriptor
//! that was resolved; nothing can be swapped for it (CVE-2021-30465). So it is for a child that starts nothing in its
//! working directory before it leaves it again, and it looks nothing up there.

use crate::mount::{ATTR_NODEV, ATTR_NOEXEC, ATTR_NOSUID, change_directory_to};
use crate::script::FileSystem;
use crate::{Errno, Fd};
use core::ffi::CStr;

/// What costs nothing to try and makes the same of a parameter in both interfaces: file systems without a device or a
/// server behind them.
const TYPES: [&CStr; 4] = [c"proc", c"tmpfs", c"devpts", c"mqueue"];

/// Room for the data string, its NUL included.
const ROOM: usize = 256;

/// `MOUNT_ATTR_STRICTATIME`, the one value of that field which is neither the default nor rare.
const ATTR_STRICTATIME: u64 = 0x20;

/// Mounts a new file system on the directory `place`, and says whether it did.
pub(crate) fn mount(place: Fd, fs: &FileSystem<'_>, mode: Option<u32>) -> bool {
    let Some(flags) = flags(fs.attrs).filter(|_| TYPES.contains(&fs.fs_type)) else {
        return false;
    };
    let mut data = Data { bytes: [0; ROOM], length: 0 };
    let mut source: Option<&CStr> = None;
    for (key, value) in fs.parameters {
        match *value {
            Some(value) if *key == c"source" && source.is_none() => source = Some(value),
            value => {
                if data.parameter(key, value).is_none() {
                    return false;
                }
            }
        }
    }
    let octal = mode.map(crate::rootfs::octal);
    if let Some(octal) = &octal {
        let Ok(text) = CStr::from_bytes_until_nul(octal) else { return false };
        if data.parameter(c"mode", Some(text)).is_none() {
            return false;
        }
    }
    let source = source.map_or(core::ptr::null(), CStr::as_ptr);
    let text = if data.length == 0 { core::ptr::null() } else { data.bytes.as_ptr() };
    if change_directory_to(place).is_err() {
        return false;
    }
    // SAFETY: source, target, type and data are NUL-terminated, or null, and only read; the kernel stops reading where
    // memory ends.
    let answer = unsafe {
        let (target, fs_type) = (c".".as_ptr(), fs.fs_type.as_ptr());
        libc::syscall(libc::SYS_mount, source, target, fs_type, flags, text)
    };
    Errno::check(answer).is_ok()
}

/// `MS_*` for `MOUNT_ATTR_*`: three are the same bits, and /dev is often `strictatime`; the rest is rare. Read-only is
/// another thing here: mount(2) makes the superblock so, too, fsmount(2) the mount alone.
fn flags(attrs: u64) -> Option<u64> {
    let same = attrs & (ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC);
    match attrs ^ same {
        0 => Some(same),
        ATTR_STRICTATIME => Some(same | libc::MS_STRICTATIME),
        _ => None,
    }
}

/// `NAME=VALUE,NAME`, as mount(2) takes it.
struct Data {
    bytes: [u8; ROOM],
    length: usize,
}

impl Data {
    /// `None`: there is no room, or it can't be said in one string.
    fn parameter(&mut self, key: &CStr, value: Option<&CStr>) -> Option<()> {
        if self.length > 0 {
            self.push(b",")?;
        }
        self.plain(key)?;
        if let Some(value) = value {
            self.push(b"=")?;
            self.plain(value)?;
        }
        Some(())
    }

    /// Text without what ends a parameter or protects such a sign. No text at all would be skipped, not refused.
    fn plain(&mut self, text: &CStr) -> Option<()> {
        let text = Some(text.to_bytes()).filter(|text| !text.is_empty())?;
        let special = text.iter().any(|byte| matches!(byte, b',' | b'\\' | b'"'));
        if special { None } else { self.push(text) }
    }

    fn push(&mut self, text: &[u8]) -> Option<()> {
        let end = self.length.saturating_add(text.len());
        // The last byte stays zero.
        let place = self.bytes.get_mut(self.length..end).filter(|_| end < ROOM)?;
        place.copy_from_slice(text);
        self.length = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    fn joined(parameters: &[(&CStr, Option<&CStr>)]) -> Option<Vec<u8>> {
        let mut data = Data { bytes: [0; ROOM], length: 0 };
        for (key, value) in parameters {
            data.parameter(key, *value)?;
        }
        Some(data.bytes.iter().copied().take(data.length).collect())
    }

    #[test]
    fn parameters_become_one_string() {
        let joined = joined(&[(c"newinstance", None), (c"ptmxmode", Some(c"0666"))]);
        assert_eq!(joined.as_deref(), Some(&b"newinstance,ptmxmode=0666"[..]));
    }

    #[test]
    fn what_would_mean_something_else_in_one_string_is_left_to_the_new_calls() {
        for text in [c"a,b", c"a\\", c"\"a\"", c""] {
            assert_eq!(joined(&[(c"key", Some(text))]), None, "{text:?}");
            assert_eq!(joined(&[(text, None)]), None, "{text:?}");
        }
    }

    #[test]
    fn a_mount_is_never_read_only_by_its_superblock() {
        assert_eq!(flags(ATTR_NOSUID | ATTR_STRICTATIME), Some(2 | 1 << 24));
        assert_eq!(flags(crate::mount::ATTR_RDONLY), None);
        // nodiratime, and noatime beside another value of the same field.
        assert_eq!([flags(0x80), flags(0x30)], [None, None]);
    }

    #[test]
    fn the_string_ends_inside_its_room() {
        let long = std::ffi::CString::new(vec![b'x'; ROOM - 2]).unwrap();
        assert!(joined(&[(&long, None)]).is_some());
        assert_eq!(joined(&[(&long, None), (c"x", None)]), None);
        let longer = std::ffi::CString::new(vec![b'x'; ROOM]).unwrap();
        assert_eq!(joined(&[(&longer, None)]), None);
    }
}
