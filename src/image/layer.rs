//! Applies one layer to the rootfs, in one pass over its bytes, and only then says whether they were the right ones.
//!
//! ```text
//! section ─► progress ─► sha256 (as stored) ─► gunzip/unzstd ─► sha256 (diff_id) ─► tar ─► rootfs
//! ```
//!
//! What a newcomer would get wrong: digests are known at the end, when the files are already on disk. That is safe
//! because no entry can leave the rootfs whoever wrote it, and because a mismatch discards the whole bundle.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::image::archive::Layer;
use crate::image::codec::{CHUNK, Decoder};
use crate::image::digest::Hashing;
use crate::image::metadata::set_time;
use crate::image::progress::{Progress, Watched};
use crate::image::root::{Root, clean};
use crate::image::rootfs::Rootfs;
use crate::image::tar::{Entry, Node, Skip, Tar};
use crate::image::whiteout::{Made, Meaning, meaning};
use nix::fcntl::AtFlags;
use nix::sys::stat::{fstat, fstatat};
use std::io::{BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

impl<R: Read> Skip for BufReader<R> {}

/// Applies `layer` to `rootfs`; `lowest` says that nothing lies below it.
///
/// # Errors
/// [`Kind::Archive`] for a malformed or hostile layer, or one with another digest than promised; the kernel's.
pub fn apply(
    layer: Layer,
    lowest: bool,
    rootfs: &mut Rootfs,
    progress: &mut Progress,
) -> Result<()> {
    let Layer { section, digest, diff_id } = layer;
    let name = format!("layer {diff_id}");
    let stored = Hashing::new(Watched::new(section, progress), digest.clone());
    let decoder = Decoder::new(stored).context(|| &name)?;
    // A layer that is stored plainly has the same digest twice; once is enough.
    let again = !(decoder.is_plain() && digest.as_ref() == Some(&diff_id));
    let plain = Hashing::new(decoder, again.then_some(diff_id));
    let mut tar = Tar::new(BufReader::with_capacity(CHUNK, plain));

    entries(&mut tar, lowest, rootfs).context(|| &name)?;
    rootfs.forget_parent();
    let plain = tar.into_inner().into_inner();
    let decoder = plain.verify("the decompressed layer").context(|| &name)?;
    let blob = digest.map_or_else(String::new, |digest| format!("blob {digest}"));
    decoder.into_inner().verify(&blob).context(|| &name)?;
    Ok(())
}

/// A directory's modification time, to be set once nothing more is made in it.
struct Stamp {
    path: PathBuf,
    inode: u64,
    mtime: (i64, u32),
}

fn entries<R: Skip>(tar: &mut Tar<R>, lowest: bool, rootfs: &mut Rootfs) -> Result<()> {
    let mut made = Made::by_layer(lowest);
    let mut stamps = Vec::new();
    while let Some(entry) = tar.next_entry()? {
        one(&entry, tar, rootfs, &mut made, &mut stamps)
            .context(|| format!("entry {:?}", entry.name.escape_ascii().to_string()))?;
    }
    // In any order: setting a time does not change the parent's.
    for stamp in stamps {
        set_stamp(rootfs.root(), &stamp)?;
    }
    Ok(())
}

fn one<R: Skip>(
    entry: &Entry,
    tar: &mut Tar<R>,
    rootfs: &mut Rootfs,
    made: &mut Made,
    stamps: &mut Vec<Stamp>,
) -> Result<()> {
    let path = clean(&entry.name)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    match meaning(&path)? {
        Meaning::Bookkeeping => return Ok(()),
        Meaning::Hides(hidden) => {
            if let Some(dir) = rootfs.root().directory(directory)? {
                rootfs.forget_parent();
                made.hide(dir.as_fd(), hidden)?;
            }
            return Ok(());
        }
        Meaning::Opaque => {
            let parent = rootfs.parent(directory)?;
            rootfs.forget_parent();
            return made.hide_all(parent.as_fd());
        }
        Meaning::Name => {}
    }
    let is_directory = entry.node == Node::Directory;
    let Some(name) = path.file_name() else {
        if !is_directory {
            return Err(Error::new(Kind::Archive, "the root is not a directory"));
        }
        let inode = fstat(rootfs.root())?.st_ino;
        stamps.push(Stamp { path, inode, mtime: entry.mtime });
        return rootfs.settle_root(entry);
    };
    let parent = rootfs.parent(directory)?;
    rootfs.make(&parent, name, entry, tar)?;
    made.note(parent.inode, name);
    if is_directory {
        let inode = fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_ino;
        stamps.push(Stamp { path, inode, mtime: entry.mtime });
    }
    Ok(())
}

/// Sets a directory's time, unless a later entry of the layer has replaced it.
fn set_stamp(root: &Root, stamp: &Stamp) -> Result<()> {
    let directory = stamp.path.parent().unwrap_or(Path::new(""));
    let name = stamp.path.file_name().unwrap_or(".".as_ref());
    let Ok(Some(dir)) = root.directory(directory) else { return Ok(()) };
    match fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) if stat.st_ino == stamp.inode => set_time(dir.as_fd(), name, stamp.mtime),
        _ => Ok(()),
    }
}
