//! Digests, and a reader that computes one on the way through.
//!
//! What a newcomer would get wrong: a digest is also a file name (`blobs/sha256/<hex>`), so its text is checked letter
//! by letter before it is one; `sha256:../../etc/passwd` never reaches a path.

use crate::error::{Error, Kind, Result};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

/// An OCI digest, `sha256:<64 hex digits>`. SHA-512 is registered too, but optional, and no builder uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// Checks the text of a digest.
    ///
    /// # Errors
    /// [`Kind::Archive`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() == 64 && hex.chars().all(is_hex) => Ok(Self(text.to_owned())),
            _ => Err(Error::new(Kind::Archive, format!("invalid digest {text:?}"))
                .hint("a digest is sha256: and 64 lower-case hex digits")),
        }
    }

    /// Where an image layout keeps the blob.
    #[must_use]
    pub fn blob_path(&self) -> PathBuf {
        PathBuf::from("blobs").join(self.0.replacen(':', "/", 1))
    }

    /// The first twelve digits, for eyes.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hands bytes through, hashing them, until they are compared with the digest that was promised.
#[derive(Debug)]
pub struct Hashing<R> {
    inner: R,
    promised: Option<Digest>,
    hasher: Sha256,
}

impl<R: Read> Hashing<R> {
    /// Will compare what `inner` yields with `promised`; without a promise nothing is hashed.
    pub fn new(inner: R, promised: Option<Digest>) -> Self {
        Self { inner, promised, hasher: Sha256::new() }
    }

    /// Reads what is left and compares; `what` names the thing for the error. Gives the inner reader back.
    ///
    /// # Errors
    /// [`Kind::Archive`] naming both digests when they differ.
    pub fn verify(mut self, what: &str) -> Result<R> {
        io::copy(&mut self, &mut io::sink()).map_err(unreadable)?;
        let Some(promised) = self.promised else { return Ok(self.inner) };
        let found = format!("sha256:{}", hex(&self.hasher.finalize()));
        if found == promised.0 {
            return Ok(self.inner);
        }
        Err(Error::new(Kind::Archive, format!("{what} should be {promised} but is {found}"))
            .hint("the archive is damaged or was altered; fetch it again"))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if self.promised.is_some() {
            self.hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// An error met while reading an archive: the kernel's if the disk refused, ours if a reader below said so, else the
/// archive's fault.
#[must_use]
pub fn unreadable(error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return error.into();
    }
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(other) => Error::new(Kind::Archive, other.to_string()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_hex_of_the_right_length_is_a_digest() {
        assert_eq!(
            Digest::parse(EMPTY).unwrap().blob_path(),
            PathBuf::from("blobs/sha256").join(&EMPTY[7..])
        );
        let climbing = format!("sha256:../../{}", &EMPTY[13..]);
        for bad in ["", "sha256:", "sha256:../../x", "md5:00", &climbing, &EMPTY.to_uppercase()] {
            assert_eq!(Digest::parse(bad).unwrap_err().kind(), Kind::Archive, "{bad}");
        }
    }

    #[test]
    fn a_mismatch_names_both_digests() {
        let promised = Digest::parse(EMPTY).unwrap();
        assert!(Hashing::new(&b""[..], Some(promised.clone())).verify("it").is_ok());
        let error = Hashing::new(&b"x"[..], Some(promised)).verify("it").unwrap_err().to_string();
        assert!(error.contains(EMPTY), "{error}");
        assert!(error.contains("is sha256:2d711642b726b044"), "{error}");
    }
}
