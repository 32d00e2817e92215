//! A container is written to files, by CRIU.
//!
//! It knows which of its parts are not its own, and leaves the rest to CRIU. What a newcomer would get wrong: CRIU sees
//! the first process and those that descend from it. One of `exec` descends from nobody in the container; it would be
//! missing from the images, and end with the others, without a word. So that is refused.

use super::Bundle;
use super::images::{Directories, Streams};
use crate::container::process::parent_of;
use crate::container::{Claimed, Container, Status, Verb};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::launch::criu::message::Message;
use crate::launch::criu::options::{Wishes, field};
use crate::launch::criu::{Call, Criu, Feature, Notice, Task, mounts};
use crate::log;
use crate::plan::checkpoint::sources;
use crate::spec::{Links, Namespace, Spec};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The keys by which namespaces of others are found again; runc and crun use the same.
pub(super) const NETWORK: &str = "extRootNetNS";
pub(super) const PROCESSES: &str = "extRootPidNS";

/// The annotation that names a file with options of CRIU's.
pub const CONFIG_ANNOTATION: &str = "org.criu.config";

/// Where it is looked for without one.
const CONFIG_FILES: [&str; 2] = ["/etc/criu/rrun.conf", "/etc/criu/runc.conf"];

/// A checkpoint to be.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    /// Who does it.
    pub criu: &'a Criu,
    /// Where to.
    pub images: &'a Path,
    /// Where CRIU keeps its log and what it needs for a while; with the images without.
    pub work: Option<&'a Path>,
    /// What was asked for.
    pub wishes: Wishes,
    /// Who is told, by a byte, that memory can be fetched.
    pub status: Option<File>,
}

impl Checkpoint<'_> {
    /// Performs it. Unless it shall go on, the container has ended then, and is still to be deleted.
    ///
    /// # Errors
    /// [`Kind::State`] when it does not run; what CRIU said. The container goes on then.
    pub fn perform(mut self, container: Container) -> Result<()> {
        let what = format!("checkpoint {}", container.record.id);
        let container = container.claim(Verb::Checkpoint)?;
        let bundle = Bundle::load(Some(&container.record.bundle))?;
        self.refuse_strangers(&container)?;
        refuse_links(&bundle.spec)?;
        let directories = Directories::open(self.images, self.work, true)?;
        self.check_parent()?;
        self.wishes.config_file = config_file(&bundle.spec);
        let options = self.options(&container, &bundle, &directories)?;
        let mut features = Vec::new();
        if self.wishes.pre_dump || self.wishes.parent.is_some() {
            features.push(Feature::MemoryTracking);
        }
        if self.wishes.lazy_pages {
            features.push(Feature::LazyPages);
        }
        let task = if self.wishes.pre_dump { Task::PreDump } else { Task::Dump };
        let call = Call {
            task,
            what: &what,
            options: &options,
            features: &features,
            streams: None,
            mounts: None,
            kept: &[],
            log: &directories.log,
        };
        // What CRIU can't thaw by itself would hang under it.
        let thawed = container.status == Status::Paused && freezer(&container, &bundle).is_none();
        if thawed {
            container.record.cgroup.thaw()?;
        }
        let status = &mut self.status;
        let done = self.criu.perform(&call, &mut |notice| told(status, &notice));
        if thawed && (done.is_err() || self.wishes.leave_running || self.wishes.pre_dump) {
            return match (done, container.record.cgroup.freeze()) {
                (Err(error), Err(left)) => Err(error.while_undoing(left)),
                (done, frozen) => done.and(frozen),
            };
        }
        done
    }

    /// As seen from the images, which are there by now.
    fn check_parent(&self) -> Result<()> {
        if let Some(parent) = &self.wishes.parent
            && !self.images.join(parent).is_dir()
        {
            let problem = format!("{} has no earlier images", self.images.join(parent).display());
            return Err(Error::new(Kind::NotFound, problem)
                .hint("give --parent-path as seen from the directory of --image-path"));
        }
        Ok(())
    }

    fn refuse_strangers(&self, container: &Claimed) -> Result<()> {
        let strangers = strangers(container)?;
        if self.wishes.pre_dump || strangers.is_empty() {
            return Ok(());
        }
        let id = &container.record.id;
        let problem = format!("cannot checkpoint {id}: it has processes of exec ({strangers})");
        Err(Error::new(Kind::State, problem).hint("wait for their end, or end them first"))
    }

    fn options(
        &self,
        container: &Claimed,
        bundle: &Bundle,
        directories: &Directories,
    ) -> Result<Message> {
        let record = &container.record;
        let mut options = self.wishes.message();
        fill(&mut options, directories);
        let rootfs = utf8(&record.rootfs)?;
        options.number(field::PID, i64::from(record.pid)).text(field::ROOT, &rootfs);
        if let Some(path) = freezer(container, bundle) {
            options.text(field::FREEZE_CGROUP, &utf8(path)?);
        }
        for (namespace, kind, key) in [
            (&bundle.spec.namespaces.network, "net", NETWORK),
            (&bundle.spec.namespaces.pid, "pid", PROCESSES),
        ] {
            if matches!(namespace, Namespace::Join(_)) {
                let file = format!("/proc/{}/ns/{kind}", record.pid);
                let inode = std::fs::metadata(&file).context(|| format!("stat {file}"))?.ino();
                options.text(field::EXTERNAL, &format!("{kind}[{inode}]:{key}"));
            }
        }
        if self.wishes.pre_dump {
            return Ok(options);
        }
        // Who asked for limits that can't be had has been refused by now.
        let rootless = record.cgroup.unified_path().is_none();
        let request = crate::plan::Request { rootless, ..bundle.request() };
        let plan = bundle.plan(&record.id, &request)?;
        let cgroup = super::create::cgroup_plan(&plan)?;
        let named = sources(&bundle.spec, &bundle.host, cgroup);
        let certain = named.into_iter().filter(|one| one.certain).map(|one| one.inside);
        let inside = mounts::of(&record.pid.to_string())?;
        let external =
            mounts::external(&inside, &mounts::of("self")?, &certain.collect::<Vec<_>>());
        for at in external? {
            options.pair(field::EXT_MNT, Some(&at), &at);
        }
        let streams = Streams::of(record.pid, &inside)?;
        for key in streams.external() {
            options.text(field::EXTERNAL, key);
        }
        streams.save(self.images)?;
        Ok(options)
    }
}

/// CRIU is told of mounts by paths, and follows links on them.
fn refuse_links(spec: &Spec) -> Result<()> {
    match spec.mounts.iter().find(|mount| mount.links != Links::default()) {
        None => Ok(()),
        Some(mount) => {
            let message = "a bind that leaves symbolic links alone can't be restored";
            Err(Error::unsupported(format!("/mounts/{}/options", mount.index), message).hint(
                "name where the links lead, without copy-symlink, src-nofollow and dest-nofollow",
            ))
        }
    }
}

/// What every dump and every restore is told.
pub(super) fn fill(options: &mut Message, directories: &Directories) {
    options
        .number(field::IMAGES_DIR_FD, i64::from(directories.images.as_raw_fd()))
        .number(field::LOG_LEVEL, 4)
        .text(field::LOG_FILE, &directories.log_name())
        .flag(field::NOTIFY_SCRIPTS, true)
        .flag(field::ORPHAN_PTS_MASTER, true);
    if let Some(work) = &directories.work {
        options.number(field::WORK_DIR_FD, i64::from(work.as_raw_fd()));
    }
}

/// CRIU's options of this container, or of this machine.
pub(super) fn config_file(spec: &Spec) -> Option<String> {
    let machine = CONFIG_FILES.iter().find(|file| Path::new(file).is_file());
    spec.annotations.get(CONFIG_ANNOTATION).cloned().or_else(|| machine.map(|&file| file.into()))
}

/// A path as CRIU's messages have it.
pub(super) fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("{path:?} is not UTF-8, which CRIU's messages are"))
    })
}

/// The cgroup that CRIU freezes. It looks for cgroup2 at /sys/fs/cgroup only; without, it stops one process after another.
fn freezer<'a>(container: &'a Claimed, bundle: &Bundle) -> Option<&'a Path> {
    let is_pure = bundle.host.cgroup.v1.is_empty();
    container.record.cgroup.unified_path().filter(|_| is_pure)
}

fn told(status: &mut Option<File>, notice: &Notice) -> Result<()> {
    log::debug(|| format!("criu: {}", notice.script));
    if notice.script == "status-ready"
        && let Some(mut file) = status.take()
    {
        file.write_all(&[0]).context(|| "write to --status-fd")?;
    }
    Ok(())
}

/// The processes that do not descend from the first, as a text.
fn strangers(container: &Claimed) -> Result<String> {
    let init = container.record.pid;
    let mut family = BTreeSet::from([init]);
    let mut others = Vec::new();
    for pid in container.record.cgroup.pids()? {
        let mut line = vec![pid];
        let mut at = pid;
        // Up to somebody who is known, or to the top.
        while !family.contains(&at) {
            match parent_of(at)? {
                Some(parent) if parent > 1 && line.len() < 4096 => {
                    line.push(parent);
                    at = parent;
                }
                _ => break,
            }
        }
        if family.contains(&at) {
            family.extend(line);
        } else if parent_of(pid)?.is_some() {
            others.push(pid.to_string());
        }
    }
    Ok(others.join(", "))
}
