//! `HOME`, where the configuration gives none: looked up in the image's passwd file, before the container exists.
//!
//! What a newcomer would get wrong: that file is the image's. It is opened in-root, must be a regular file, and is read
//! up to a bound.

use rrun_sys::path::open_in_root;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// More than any passwd file of an image.
const MOST: u64 = 1 << 20;

/// The home directory of `uid`, if the image names one.
#[must_use]
pub fn of(rootfs: &Path, uid: u32) -> Option<String> {
    let root = File::open(rootfs).ok()?;
    // O_NONBLOCK: a FIFO of that name would block the open for ever.
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let passwd = open_in_root(root.as_raw_fd(), c"etc/passwd", flags).ok()?;
    let passwd = File::from(OwnedFd::from(passwd));
    if !passwd.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    passwd.take(MOST).read_to_end(&mut text).ok()?;
    find(&String::from_utf8_lossy(&text), uid)
}

/// name:password:uid:gid:comment:home:shell, passwd(5).
fn find(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let home = fields.get(5).filter(|home| !home.is_empty())?;
        (fields.get(2)?.parse() == Ok(uid)).then(|| (*home).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_the_sixth_field_of_the_users_line() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/var/www:\nno:x:34:34:::\n";
        assert_eq!(find(text, 0).as_deref(), Some("/root"));
        assert_eq!(find(text, 33).as_deref(), Some("/var/www"));
        assert_eq!(find(text, 34), None);
        assert_eq!(find(text, 1), None);
    }
}
