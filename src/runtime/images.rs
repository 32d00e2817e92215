//! What a checkpoint's directory holds beside CRIU's own files: which streams the first process had.
//!
//! It knows `descriptors.json`, a list of three texts that runc and crun write, too. What a newcomer would get wrong: these
//! are keys. Where one stands in the images, CRIU takes the descriptor that it is given for it, so a restored process
//! writes to whoever restored it.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::criu::mounts::Mounted;
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

const FILE: &str = "descriptors.json";

/// Beginnings of texts that CRIU knows as keys.
const KEYS: [&str; 3] = ["pipe:[", "socket:[", "file["];

/// The directories of a checkpoint or a restore, open.
#[derive(Debug)]
pub struct Directories {
    /// Where the images are.
    pub images: File,
    /// Where CRIU works, if that is elsewhere.
    pub work: Option<File>,
    /// Where it logs.
    pub log: PathBuf,
}

impl Directories {
    /// Opens them; those to write to are made where they are missing.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without images to read; [`Kind::Kernel`] for what can't be made or opened.
    pub fn open(images: &Path, work: Option<&Path>, write: bool) -> Result<Self> {
        if write {
            make(images)?;
        } else if !images.join("inventory.img").is_file() {
            let problem = format!("{} holds no checkpoint", images.display());
            return Err(Error::new(Kind::NotFound, problem)
                .hint("name the directory that rrun checkpoint wrote to with --image-path"));
        }
        work.map_or(Ok(()), make)?;
        let open = |path: &Path| File::open(path).context(|| format!("open {}", path.display()));
        let name = if write { "dump.log" } else { "restore.log" };
        let log = work.unwrap_or(images).join(name);
        // An earlier one's errors are not ours.
        if let Err(error) = std::fs::remove_file(&log)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).context(|| format!("remove {}", log.display()));
        }
        Ok(Self { images: open(images)?, work: work.map(open).transpose()?, log })
    }

    /// The log's name, which CRIU is told.
    #[must_use]
    pub fn log_name(&self) -> String {
        self.log.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn make(directory: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .context(|| format!("make {}", directory.display()))
}

/// The standard streams of a process, as keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams([String; 3]);

impl Streams {
    /// Those of `pid`, which sees the mounts `inside`.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when /proc does not tell.
    pub fn of(pid: i32, inside: &[Mounted]) -> Result<Self> {
        let one = |number: usize| -> Result<String> {
            let link = format!("/proc/{pid}/fd/{number}");
            let name = match std::fs::read_link(&link) {
                Ok(name) => name.to_string_lossy().into_owned(),
                // It has closed that one.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
                Err(error) => return Err(error).context(|| format!("read {link}")),
            };
            if !name.starts_with('/') {
                return Ok(name);
            }
            let info = format!("/proc/{pid}/fdinfo/{number}");
            let info = std::fs::read_to_string(&info).context(|| format!("read {info}"))?;
            let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
            let id: Option<u32> = id.and_then(|id| id.trim().parse().ok());
            match id.filter(|id| inside.iter().all(|mounted| mounted.id != *id)) {
                // A file of the host's, which CRIU could not find again.
                Some(id) => {
                    let inode = std::fs::metadata(&link).context(|| format!("stat {link}"))?.ino();
                    Ok(format!("file[{id:x}:{inode:x}]"))
                }
                None => Ok(name),
            }
        };
        Ok(Self([one(0)?, one(1)?, one(2)?]))
    }

    /// Those that CRIU must be told are somebody else's, once each.
    #[must_use]
    pub fn external(&self) -> Vec<&str> {
        let mut files: Vec<_> = self.keys().map(|(_, key)| key).collect();
        files.retain(|key| key.starts_with("file["));
        files.dedup();
        files
    }

    /// The stream's number and its key, of those that have one.
    pub fn keys(&self) -> impl Iterator<Item = (i32, &str)> {
        let keyed = |key: &&String| KEYS.iter().any(|start| key.starts_with(start));
        let mut seen = Vec::new();
        (0..).zip(&self.0).filter(move |(_, key)| keyed(key)).filter_map(move |(number, key)| {
            // The same file twice is one file to CRIU.
            let new = !seen.contains(&key);
            seen.push(key);
            new.then_some((number, key.as_str()))
        })
    }

    /// Writes them beside the images.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when they can't be written.
    pub fn save(&self, images: &Path) -> Result<()> {
        let file = images.join(FILE);
        let text = serde_json::to_string(&self.0)
            .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        std::fs::write(&file, text).context(|| format!("write {}", file.display()))
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without them; [`Kind::Usage`] for what is no such list.
    pub fn load(images: &Path) -> Result<Self> {
        let file = images.join(FILE);
        let text = std::fs::read(&file).map_err(|error| {
            let missing = error.kind() == ErrorKind::NotFound;
            let error = Error::from(error).context(format!("read {}", file.display()));
            if missing { error.with_kind(Kind::NotFound) } else { error }
        })?;
        serde_json::from_slice(&text).map(Self).map_err(|error| {
            Error::new(Kind::Usage, format!("{}: {error}", file.display()))
                .hint("it must be a list of three texts")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_files_of_the_host_are_keys_each_once_and_the_containers_own_are_not() {
        let streams = Streams(["/dev/pts/0".into(), "file[1f:2a]".into(), "file[1f:2a]".into()]);
        assert_eq!(streams.keys().collect::<Vec<_>>(), [(1, "file[1f:2a]")]);
        assert_eq!(streams.external(), ["file[1f:2a]"]);
        let streams = Streams(["pipe:[7]".into(), "pipe:[8]".into(), String::new()]);
        assert_eq!(streams.keys().collect::<Vec<_>>(), [(0, "pipe:[7]"), (1, "pipe:[8]")]);
        assert!(streams.external().is_empty());
    }
}
