//! An initramfs, written by hand: the "newc" format of the kernel's `usr/gen_init_cpio.c` and
//! Documentation/driver-api/early-userspace/buffer-format.rst.
//!
//! Knows directories, files and character devices; refuses links, owners and times, which an initramfs of ours does not
//! need. A newcomer would forget that the *name* is padded together with its header, so that data begins at a multiple
//! of four.

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER: u32 = 0o020_000;

impl Cpio {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Cpio {
        Cpio::default()
    }

    /// Adds a directory; parents must have been added before.
    pub fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY | 0o755, &[], (0, 0));
    }

    /// Adds a file with these permission bits.
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, REGULAR | mode, content, (0, 0));
    }

    /// Adds a character device.
    pub fn character(&mut self, name: &str, major: u32, minor: u32) {
        self.entry(name, CHARACTER | 0o600, &[], (major, minor));
    }

    /// The finished archive, padded to a block of 512 bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.pad(512);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields =
            [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        let length = self.bytes.len().next_multiple_of(to);
        self.bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_names_and_data_are_aligned() {
        let mut archive = Cpio::new();
        archive.directory("dev");
        archive.character("dev/console", 5, 1);
        archive.file("init", 0o755, b"hello");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 512, 0);
        let starts: Vec<usize> = bytes
            .windows(6)
            .enumerate()
            .filter(|(_, w)| w == b"070701")
            .map(|(at, _)| at)
            .collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        let hello = bytes.windows(5).position(|w| w == b"hello");
        assert_eq!(hello.map(|at| at % 4), Some(0));
    }

    #[test]
    fn a_file_keeps_its_permission_bits() {
        let mut archive = Cpio::new();
        archive.file("init", 0o755, b"");
        assert_eq!(&archive.finish()[14..22], b"000081ED");
    }
}
