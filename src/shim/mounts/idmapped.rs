//! Mounts whose files belong to the ids of a user namespace: `uidmap=0:1000000:65536`, as containerd's snapshotter asks
//! for a pod that has users of its own.
//!
//! It knows that only the layers below are mapped: the snapshotter has given the upper one to those ids already. It
//! refuses to put the mapped layers where anybody sees them: they are attached in a mount namespace that ends with the
//! thread, and the overlay, which has its own copies by then, is moved out of it as a descriptor. What a newcomer would
//! get wrong: an overlay takes no mount as a layer that is not attached (before Linux 6.15).

use super::{Options, attach, on_a_thread};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rrun::error::{Error, Kind, Result, ResultExt};
use rrun::launch::idmap;
use rrun::plan::DetachedTree;
use rrun::spec::IdMap;
use rrun_sys::mount::{ATTR_RDONLY, Attr, Reach, fs_create, fs_mount, fs_open, fs_set, set_attr};
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// The flags that mount(2) and fsmount(2) have the same numbers for.
const KEPT: MsFlags =
    MsFlags::MS_RDONLY.union(MsFlags::MS_NOSUID).union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Which ids inside are which outside: users, groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids(Vec<IdMap>, Vec<IdMap>);

impl Ids {
    /// Takes both out of a mount's data; `None` where there is none.
    ///
    /// # Errors
    /// [`Kind::Usage`] for one without the other, or for what is no mapping.
    pub(super) fn taken_from(data: &mut Vec<String>) -> Result<Option<Self>> {
        let mut taken = |name: &str| -> Result<Option<Vec<IdMap>>> {
            let Some(at) = data.iter().position(|word| word.starts_with(name)) else {
                return Ok(None);
            };
            let word = data.remove(at);
            let lines = word.strip_prefix(name).unwrap_or_default().split(',').map(mapping);
            let lines: Option<Vec<_>> = lines.collect();
            let refused = || Error::new(Kind::Usage, format!("the mount option {word:?}"));
            Ok(Some(lines.ok_or_else(|| refused().hint("write INSIDE:OUTSIDE:COUNT"))?))
        };
        match (taken("uidmap=")?, taken("gidmap=")?) {
            (None, None) => Ok(None),
            (Some(uid), Some(gid)) => Ok(Some(Self(uid, gid))),
            _ => Err(Error::new(Kind::Usage, "uidmap= and gidmap= come together")),
        }
    }

    /// A detached copy of what is at `source`, its files those of these ids.
    fn applied_to(&self, source: &Path, recursive: bool) -> Result<OwnedFd> {
        idmap::detach(&DetachedTree {
            source: text(&source.to_string_lossy())?,
            recursive,
            idmap: Some((self.0.clone(), self.1.clone(), recursive)),
            propagation: 0,
            keeps_link: false,
            pointer: "rootfs".into(),
        })
    }
}

/// `0:1000000:65536`
fn mapping(text: &str) -> Option<IdMap> {
    let mut numbers = text.split(':').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let line = IdMap { container_id: next()?, host_id: next()?, size: next()? };
    (numbers.next().is_none() && line.size > 0).then_some(line)
}

/// A bind mount on `at`; its flags are set afterwards, as those of any other.
pub(super) fn bind(ids: &Ids, source: &Path, recursive: bool, at: &Path) -> Result<()> {
    attach(&ids.applied_to(source, recursive)?, at)
}

/// An overlay on `at` whose lower layers are mapped.
pub(super) fn overlay(ids: &Ids, source: &str, options: &Options, at: &Path) -> Result<()> {
    let unknown = options.flags - KEPT;
    if !unknown.is_empty() {
        return Err(Error::new(Kind::Unsupported, format!("{unknown:?} of a mapped overlay")));
    }
    let made = || -> Result<OwnedFd> {
        unshare(CloneFlags::CLONE_NEWNS).context(|| "unshare the mount namespace")?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let none = None::<&str>;
        mount(none, "/", none, private, none).context(|| "make every mount private")?;
        // In here the rootfs' directory is only a place for the layers.
        mount(Some("layers"), at, Some("tmpfs"), MsFlags::empty(), none)
            .context(|| "mount a tmpfs")?;
        nix::unistd::chdir(at).context(|| format!("chdir {}", at.display()))?;
        let context = OwnedFd::from(fs_open(c"overlay").context(|| "fsopen(overlay)")?);
        let set = |key: &str, value: Option<&str>| -> Result<()> {
            let value = value.map(text).transpose()?;
            fs_set(context.as_raw_fd(), &text(key)?, value.as_deref())
                .context(|| format!("fsconfig({key:?})"))
        };
        set("source", Some(source))?;
        for word in &options.data {
            match word.split_once('=') {
                Some(("lowerdir", layers)) => set("lowerdir", Some(&mapped(ids, layers)?))?,
                Some((key, value)) => set(key, Some(value))?,
                None => set(word, None)?,
            }
        }
        fs_create(context.as_raw_fd()).context(|| "fsconfig(CMD_CREATE)")?;
        let mounted = fs_mount(context.as_raw_fd(), options.flags.bits());
        Ok(OwnedFd::from(mounted.context(|| "fsmount(overlay)")?))
    };
    attach(&on_a_thread(made)?, at)
}

/// Attaches every layer below the working directory; the value of `lowerdir=` with their new names.
fn mapped(ids: &Ids, layers: &str) -> Result<String> {
    let mut names = Vec::new();
    for (number, layer) in layers.split(':').enumerate() {
        let name = number.to_string();
        fs::create_dir(&name).context(|| format!("make a place for layer {number}"))?;
        let copy = ids.applied_to(Path::new(layer), false)?;
        let read_only = Attr { set: ATTR_RDONLY, ..Attr::default() };
        set_attr(copy.as_raw_fd(), c"", Reach::One, &read_only)
            .context(|| format!("make {layer} read-only"))?;
        attach(&copy, Path::new(&name))?;
        names.push(name);
    }
    Ok(names.join(":"))
}

fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Kind::Usage, format!("{text:?} has a NUL byte")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::mount::{MntFlags, umount2};
    use std::os::unix::fs::{MetadataExt, lchown};

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn line(container_id: u32, host_id: u32, size: u32) -> IdMap {
        IdMap { container_id, host_id, size }
    }

    #[test]
    fn mappings_are_taken_out_of_the_options() {
        let mut data = words("index=off uidmap=0:1000000:65536 gidmap=0:5:1,1:100:9 lowerdir=/a");
        let ids = Ids::taken_from(&mut data).expect("two mappings").expect("they are there");
        assert_eq!(ids.0, [line(0, 1_000_000, 65_536)]);
        assert_eq!(ids.1, [line(0, 5, 1), line(1, 100, 9)]);
        assert_eq!(data, ["index=off", "lowerdir=/a"]);
        assert_eq!(Ids::taken_from(&mut data).expect("no mappings"), None);
        for wrong in ["uidmap=0:1:2", "uidmap=0:1 gidmap=0:1:2", "uidmap=a:1:2 gidmap=0:1:2"] {
            assert_eq!(Ids::taken_from(&mut words(wrong)).expect_err(wrong).kind(), Kind::Usage);
        }
        assert_eq!(mapping("0:1:0"), None);
        assert_eq!(mapping("0:1:2:3"), None);
    }

    #[test]
    fn layers_are_mapped_and_what_is_written_belongs_to_the_mapped_ids() {
        rrun_harness::requires!(root);
        let base = std::env::temp_dir().join(format!("rrun-idmapped-{}", std::process::id()));
        let [one, two, upper, work, at] = ["one", "two", "upper", "work", "at"].map(|name| {
            let directory = base.join(name);
            fs::create_dir_all(&directory).expect("a directory");
            directory
        });
        fs::write(one.join("roots"), "one").expect("a file");
        fs::write(two.join("users"), "two").expect("a file");
        lchown(two.join("users"), Some(7), Some(8)).expect("an owner");
        // As the snapshotter does.
        lchown(&upper, Some(1_000_000), Some(2_000_000)).expect("an owner");
        let ids = Ids(vec![line(0, 1_000_000, 65_536)], vec![line(0, 2_000_000, 65_536)]);
        let layers = format!("lowerdir={}:{}", one.display(), two.display());
        let [upper, work] = [("upperdir", upper), ("workdir", work)]
            .map(|(name, path)| format!("{name}={}", path.display()));
        let options = Options {
            flags: MsFlags::MS_NOSUID,
            propagation: MsFlags::empty(),
            data: vec![upper, layers, work, "index=off".into()],
        };
        let mounted = overlay(&ids, "overlay", &options, &at);
        let owner = |name: &str| fs::metadata(at.join(name)).map(|it| (it.uid(), it.gid())).ok();
        let owners = [owner("roots"), owner("users"), owner("")];
        let table = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
        let ours = table.lines().filter(|line| line.contains(&*base.to_string_lossy())).count();
        let gone = umount2(&at, MntFlags::MNT_DETACH);
        let bound = bind(&ids, &two, false, &at);
        let again = owner("users");
        let gone = gone.and(umount2(&at, MntFlags::MNT_DETACH));
        fs::remove_dir_all(&base).expect("remove the directory");
        mounted.expect("an overlay");
        bound.expect("a bind mount");
        gone.expect("nothing left mounted");
        let user = Some((1_000_007, 2_000_008));
        assert_eq!(owners, [Some((1_000_000, 2_000_000)), user, Some((1_000_000, 2_000_000))]);
        assert_eq!((ours, again), (1, user), "{table}");
    }
}
