//! Short files of proc and cgroupfs, which the kernel writes in one piece at the first read.
//!
//! What a newcomer would get wrong: std asks for such a file's size, which is 0, and then feels its way with small reads.
//! Here it is one call. A file that fills the buffer may be longer; it is then read again, the ordinary way.

use std::fs::File;
use std::io::{Read, Result};
use std::path::Path;

/// Longer than any of them, unless a machine has dozens of hierarchies.
const USUAL: usize = 1024;

/// Reads `path`.
///
/// # Errors
/// Of open(2) and read(2).
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![0; USUAL];
    let count = loop {
        match File::open(path)?.read(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if count == USUAL {
        return std::fs::read(path);
    }
    bytes.truncate(count);
    Ok(bytes)
}

/// The same, as text.
///
/// # Errors
/// As [`read`], and `InvalidData` when it is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_shorter_and_longer_than_the_buffer_are_read_whole() {
        for path in ["/proc/self/cgroup", "/proc/sys/kernel/ostype", "/proc/cpuinfo"] {
            let path = Path::new(path);
            assert_eq!(read_text(path).ok().map(|text| text.lines().count()), Some(lines(path)));
        }
        assert!(read(Path::new("/proc/self/no such file")).is_err());
    }

    fn lines(path: &Path) -> usize {
        std::fs::read_to_string(path).expect("a file of proc").lines().count()
    }
}
