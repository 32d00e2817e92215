//! Which mounts of a container CRIU shall not look into, because what is there is the host's; and a mount namespace for
//! CRIU alone.
//!
//! It knows mountinfo. What a newcomer would get wrong: the configuration does not tell. A masked file is the host's
//! /dev/null, a recursive bind brings mounts along that nobody named, and a destination may be a symbolic link; so what
//! there is is asked of the kernel.

use crate::error::{Error, Kind, Result, ResultExt};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Its id, as fdinfo names it.
    pub id: u32,
    /// `major:minor` of its superblock.
    device: String,
    /// What of the file system is mounted.
    root: String,
    /// Where.
    pub at: String,
    kind: String,
    /// It maps ids.
    idmapped: bool,
}

/// File systems that CRIU mounts anew: they show what the kernel has, not what is stored.
const REMADE: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup2",
    "debugfs",
    "fusectl",
    "mqueue",
    "proc",
    "pstore",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// The mounts that `process` (a pid or `self`) sees, in their order.
///
/// # Errors
/// [`Kind::Kernel`] when /proc does not tell.
pub fn of(process: &str) -> Result<Vec<Mounted>> {
    let file = format!("/proc/{process}/mountinfo");
    let text = std::fs::read(&file).context(|| format!("read {file}"))?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(parse).collect())
}

/// ID PARENT MAJOR:MINOR ROOT AT OPTIONS [OPTIONAL…] - TYPE SOURCE OPTIONS
fn parse(line: &str) -> Option<Mounted> {
    let (own, file_system) = line.split_once(" - ")?;
    let mut own = own.split(' ');
    let id = own.next()?.parse().ok()?;
    let device = own.nth(1)?.to_owned();
    let (root, at) = (unescape(own.next()?), unescape(own.next()?));
    let idmapped = own.next()?.split(',').any(|word| word == "idmapped");
    let kind = file_system.split(' ').next()?.to_owned();
    Some(Mounted { id, device, root, at, kind, idmapped })
}

/// Blanks and backslashes are octal in mountinfo.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(3).unwrap_or(("", part));
        plain.extend(u8::from_str_radix(code, 8).ok());
        plain.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Where, of a container's mounts, something of the host's is: `binds` are the configuration's, `host` what the host has.
///
/// # Errors
/// [`Kind::Unsupported`] for a mount that maps ids: it would come back without.
pub fn external(inside: &[Mounted], host: &[Mounted], binds: &[String]) -> Result<Vec<String>> {
    let shared: BTreeSet<&str> = host.iter().map(|mounted| mounted.device.as_str()).collect();
    let root = inside.iter().rev().find(|mounted| mounted.at == "/");
    let own = |mounted: &Mounted| {
        // A part of the root file system that is mounted once more, read-only for example.
        root.is_some_and(|root| {
            root.device == mounted.device && is_within(&mounted.root, &root.root)
        })
    };
    let mut found = Vec::new();
    for mounted in inside.iter().filter(|mounted| mounted.at != "/") {
        let named = binds.contains(&mounted.at);
        let foreign = shared.contains(mounted.device.as_str())
            && !REMADE.contains(&mounted.kind.as_str())
            && !own(mounted);
        if !(named || foreign) {
            continue;
        }
        if mounted.idmapped {
            let problem =
                format!("the mount at {} maps ids, which CRIU does not restore", mounted.at);
            return Err(Error::new(Kind::Unsupported, problem)
                .hint("leave uidMappings, gidMappings and idmap away"));
        }
        if !found.contains(&mounted.at) {
            found.push(mounted.at.clone());
        }
    }
    Ok(found)
}

/// What of the host is mounted below `source`, by the rest of the path.
#[must_use]
pub fn below<'a>(host: &'a [Mounted], source: &str) -> Vec<(&'a str, &'a str)> {
    let rest = |mounted: &'a Mounted| {
        let rest = mounted.at.strip_prefix(source.trim_end_matches('/'))?;
        (rest.starts_with('/') && rest.len() > 1).then_some((rest, mounted.at.as_str()))
    };
    host.iter().filter_map(rest).collect()
}

fn is_within(path: &str, directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A mount namespace with a root file system mounted as CRIU wants it, which nobody else sees: it goes with the last of
/// its processes, whatever becomes of us.
#[derive(Debug)]
pub struct OwnMounts(File);

impl OwnMounts {
    /// Makes one with `rootfs` at the directory `at`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make(rootfs: &Path, at: &Path) -> Result<Self> {
        let none = None::<&str>;
        on_a_thread(|| {
            // What this thread does to its own mounts, no other thread of ours sees.
            unshare(CloneFlags::CLONE_NEWNS).context(|| "unshare the mount namespace")?;
            mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)
                .context(|| "make every mount a slave")?;
            mount(Some(rootfs), at, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
                .context(|| format!("bind {} to {}", rootfs.display(), at.display()))?;
            let own = "/proc/thread-self/ns/mnt";
            Ok(Self(File::open(own).context(|| format!("open {own}"))?))
        })
    }

    /// Does `work` there: a directory opened there is one to mount below.
    ///
    /// # Errors
    /// When the kernel refuses, or that of `work`.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_FS).context(|| "unshare the working directory")?;
            setns(&self.0, CloneFlags::CLONE_NEWNS).context(|| "join the mount namespace")?;
            work()
        })
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work);
        match thread.context(|| "start a thread for mounts")?.join() {
            Ok(done) => done,
            Err(_) => Err(Error::new(Kind::Internal, "the thread for mounts ended")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "\
21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw
22 21 0:5 / /dev rw shared:2 - devtmpfs dev rw
23 21 0:20 / /proc rw - proc proc rw
24 21 0:21 / /srv/a\\040b rw - tmpfs tmpfs rw
25 24 0:22 / /srv/a\\040b/deep rw - tmpfs tmpfs rw
26 21 0:23 / /sys rw - sysfs sysfs rw";

    const INSIDE: &str = "\
40 30 254:1 /b/rootfs / rw - ext4 /dev/root rw
41 40 0:50 / /proc rw - proc proc rw
42 40 0:51 / /dev rw - tmpfs tmpfs rw
43 40 0:23 / /sys ro - sysfs sysfs rw
44 41 0:5 /null /proc/kcore rw - devtmpfs dev rw
45 41 0:50 /sys /proc/sys ro - proc proc rw
46 40 254:1 /b/rootfs/etc /etc ro - ext4 /dev/root rw
47 40 254:1 /home/data /data rw - ext4 /dev/root rw
48 40 0:21 / /mnt rw - tmpfs tmpfs rw
49 48 0:22 / /mnt/deep rw - tmpfs tmpfs rw
50 47 0:60 / /data/tmp rw - tmpfs tmpfs rw
51 40 0:70 / /fresh rw,idmapped - tmpfs tmpfs rw";

    fn lines(text: &str) -> Vec<Mounted> {
        text.lines().map(|line| parse(line).expect("a line of mountinfo")).collect()
    }

    #[test]
    fn what_the_host_has_is_external_and_what_is_the_containers_own_is_not() {
        let found =
            external(&lines(INSIDE), &lines(HOST), &["/data".into()]).expect("none refused");
        assert_eq!(found, ["/proc/kcore", "/data", "/mnt", "/mnt/deep"]);
    }

    #[test]
    fn a_bind_that_maps_ids_is_refused() {
        let error =
            external(&lines(INSIDE), &lines(HOST), &["/fresh".into()]).expect_err("refused");
        assert!(error.to_string().contains("the mount at /fresh maps ids"), "{error}");
    }

    #[test]
    fn what_is_mounted_below_a_source_is_found_by_the_rest_of_its_path() {
        assert_eq!(below(&lines(HOST), "/srv/a b"), [("/deep", "/srv/a b/deep")]);
        assert_eq!(below(&lines(HOST), "/de"), []);
    }
}
