//! An archive as a set of named files, whether it is a directory or a tar (itself gzip or zstd, perhaps).
//!
//! It knows where bytes lie; it refuses to know what they mean. What a newcomer would get wrong: `index.json` and
//! `manifest.json` may come last in a tar, so reading needs two passes: one over the headers, then straight to the
//! blobs. A compressed tar cannot be read at random and is unpacked once to a nameless file on the bundle's disk.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::image::codec::Decoder;
use crate::image::digest::{Digest, Hashing, unreadable};
use crate::image::progress::{Progress, Watched};
use crate::image::root::{Root, clean};
use crate::image::tar::{Node, Skip, Tar};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The largest index, manifest or image configuration read into memory, in bytes.
const LARGEST_JSON: u64 = 8 * 1024 * 1024;
/// How many links from one archive member to another are followed.
const LONGEST_LINK_CHAIN: u32 = 8;

/// A part of a file, read from a position of its own.
#[derive(Debug, Clone)]
pub struct Section {
    file: Rc<File>,
    at: u64,
    end: u64,
}

impl Section {
    fn whole(file: File) -> Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { file: Rc::new(file), at: 0, end })
    }

    /// Bytes left to read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.end - self.at
    }

    /// Everything, compared with `promised`.
    ///
    /// # Errors
    /// [`Kind::Archive`] for more than 8 MiB, or when the digest differs.
    pub fn small(self, promised: Option<Digest>, what: &str) -> Result<Vec<u8>> {
        let size = self.size();
        if size > LARGEST_JSON {
            let text = format!("{what} has {size} bytes (at most {LARGEST_JSON} are read)");
            return Err(Error::new(Kind::Archive, text));
        }
        let mut bytes = Vec::new();
        let mut hashing = Hashing::new(self, promised);
        hashing.read_to_end(&mut bytes).map_err(unreadable)?;
        hashing.verify(what)?;
        Ok(bytes)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.size()).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Skip for Section {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        if count > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count;
        Ok(())
    }
}

/// A member of a tar.
#[derive(Debug)]
pub enum Member {
    /// A file: where its bytes lie.
    File(Section),
    /// Another name of a member.
    Link(PathBuf),
}

/// The archive.
#[derive(Debug)]
pub enum Source {
    /// A directory.
    Directory(Root),
    /// The members of a tar.
    Tar(HashMap<PathBuf, Member>),
}

impl Source {
    /// Opens the archive at `path`; `scratch` is a directory with room for it, should it be compressed as a whole.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none, [`Kind::Archive`] when it is neither a directory nor a tar.
    pub fn open(path: &Path, scratch: &Path, progress: &mut Progress) -> Result<Self> {
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(Kind::NotFound, "no such archive"),
            _ => error.into(),
        };
        if std::fs::metadata(path).map_err(missing)?.is_dir() {
            return Root::open(path).map(Self::Directory);
        }
        // Without O_NONBLOCK, opening a fifo would wait for a writer for ever.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(Error::new(Kind::Archive, "neither a directory nor a regular file"));
        }
        let section = Section::whole(file)?;
        progress.begin("archive", section.size());
        let decoder = Decoder::new(Watched::new(section.clone(), progress))?;
        let section = if decoder.is_plain() { section } else { spool(decoder, scratch)? };
        index(section).map(Self::Tar)
    }

    /// The member called `name`, links to other members followed; `None` when there is none.
    ///
    /// # Errors
    /// [`Kind::Archive`] when the name climbs, the member is not a file, or links form a cycle.
    pub fn find(&self, name: &str) -> Result<Option<Section>> {
        let path = clean(name.as_bytes())?;
        let members = match self {
            Self::Directory(root) => return root.file(&path)?.map(Section::whole).transpose(),
            Self::Tar(members) => members,
        };
        let mut path = path.as_path();
        for _ in 0..=LONGEST_LINK_CHAIN {
            match members.get(path) {
                None => return Ok(None),
                Some(Member::File(section)) => return Ok(Some(section.clone())),
                Some(Member::Link(target)) => path = target,
            }
        }
        Err(Error::new(Kind::Archive, format!("{name}: links lead from one to the other")))
    }

    /// The member called `name`.
    ///
    /// # Errors
    /// As [`Self::find`], and [`Kind::Archive`] when there is none.
    pub fn get(&self, name: &str) -> Result<Section> {
        self.find(name)?
            .ok_or_else(|| Error::new(Kind::Archive, format!("the archive has no {name:?}")))
    }

    /// The blob of an image layout with this digest and size; the digest is compared by whoever reads it.
    ///
    /// # Errors
    /// [`Kind::Archive`] when it is missing or has another size.
    pub fn blob(&self, digest: &Digest, size: u64) -> Result<Section> {
        let section = self.get(&digest.blob_path().to_string_lossy())?;
        if section.size() == size {
            return Ok(section);
        }
        let found = section.size();
        Err(Error::new(
            Kind::Archive,
            format!("blob {digest} should have {size} bytes but has {found}"),
        ))
    }
}

/// Decompresses the whole archive into a file without a name.
fn spool(mut decoder: impl Read, scratch: &Path) -> Result<Section> {
    let path = scratch.join("archive.tar");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .context(|| format!("{}", path.display()))?;
    std::fs::remove_file(&path)?;
    io::copy(&mut decoder, &mut file).map_err(unreadable).context(|| "decompress the archive")?;
    file.rewind()?;
    Section::whole(file)
}

/// One pass over the headers of a tar. Of two members with one name, the later counts, as for tar(1).
fn index(section: Section) -> Result<HashMap<PathBuf, Member>> {
    let mut members = HashMap::new();
    let mut tar = Tar::new(section.clone());
    while let Some(entry) = tar.next_entry()? {
        let path = clean(&entry.name)?;
        let member = match &entry.node {
            Node::File => {
                let at = section.at + tar.position();
                let end = at.checked_add(entry.size).filter(|&end| end <= section.end);
                let end =
                    end.ok_or_else(|| Error::new(Kind::Archive, "the archive is cut short"))?;
                Member::File(Section { file: Rc::clone(&section.file), at, end })
            }
            // `docker save` before version 25 linked equal layers: `../<id>/layer.tar`.
            Node::Symlink(target) => Member::Link(link_target(&path, target)),
            Node::HardLink(target) => Member::Link(clean(target)?),
            _ => continue,
        };
        members.insert(path, member);
    }
    Ok(members)
}

/// Where a symbolic link leads, lexically: these are names in a table, not on a disk, so `..` cannot escape.
fn link_target(link: &Path, target: &[u8]) -> PathBuf {
    let mut path = link.parent().unwrap_or(Path::new("")).to_path_buf();
    if target.starts_with(b"/") {
        path.clear();
    }
    for component in target.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(path.pop()),
            name => path.push(OsStr::from_bytes(name)),
        }
    }
    path
}
