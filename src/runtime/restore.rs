//! A container comes back from files, by CRIU.
//!
//! ```text
//! bundle → reserve the id → cgroup with its limits → mount points → criu in mounts of its own
//!                                  setup-namespaces: record, prestart and createRuntime hooks
//!                                  orphan-pts-master: the terminal's master
//!                                  post-restore: devices guarded; then its processes go on
//! → record → pid file → container
//! ```
//! It knows what a container needs around its processes; namespaces, mounts, memory and filters come out of the images.
//! What a newcomer would get wrong: the mounts are the checkpoint's, the sources of those that were the host's are the
//! bundle's. And hooks that run inside before the program does have run long ago; they are not run again, nor are
//! those after a start.

use super::checkpoint::{NETWORK, PROCESSES, config_file, fill, utf8};
use super::create::{Born, cgroup_plan, draft};
use super::images::{Directories, Streams};
use super::{Bundle, Handover, abandon, write_pid_file};
use crate::container::process::{ProcStat, pidfd_of};
use crate::container::{Record, Reserved, Status, Store};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::ContainerId;
use crate::launch::cgroup::Cgroup;
use crate::launch::console::take_master;
use crate::launch::criu::message::Message;
use crate::launch::criu::mounts::{self, Mounted, OwnMounts};
use crate::launch::criu::options::{CgroupMode, Wishes, field};
use crate::launch::criu::{Call, Criu, Feature, Notice, Task};
use crate::launch::fault::point;
use crate::launch::hooks;
use crate::plan::cgroup::CgroupPlan;
use crate::plan::checkpoint::{Source, sources};
use crate::plan::{Plan, Request};
use crate::spec::{FsType, HookPhase, Namespace, Spec, Terminal};
use rrun_sys::create::{Create, resolve};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A container to come back.
#[derive(Debug)]
pub struct Restore<'a> {
    /// Where it is recorded.
    pub store: &'a Store,
    /// Its name; any.
    pub id: &'a ContainerId,
    /// The bundle it was made of, or one like it.
    pub bundle: &'a Bundle,
    /// What was asked for beside that.
    pub request: Request,
    /// Who does it.
    pub criu: &'a Criu,
    /// Where the images are.
    pub images: &'a Path,
    /// Where CRIU keeps its log; with the images without.
    pub work: Option<&'a Path>,
    /// What was asked for of CRIU.
    pub wishes: Wishes,
    /// What its first process gets.
    pub handover: Handover<'a>,
}

impl Restore<'_> {
    /// Brings it back; its processes run.
    ///
    /// # Errors
    /// Whatever any layer says, and what CRIU said; nothing is left behind but its log.
    pub fn perform(&self) -> Result<Born> {
        let Self { store, id, bundle, handover, .. } = self;
        if self.request.systemd_cgroup {
            // CRIU makes the processes where they shall be, and a scope takes only those that are there.
            return Err(Error::new(Kind::Unsupported, "rrun restores no container into a scope")
                .hint("restore without --systemd-cgroup, into a cgroup of rrun's own"));
        }
        // Before anything is made.
        Directories::open(self.images, self.work, false)?;
        let streams = Streams::load(self.images)?;
        let reserved = store.reserve(id)?;
        let plan = bundle.plan(id, &self.request).context(|| format!("restore {id}"))?;
        let cgroup = cgroup_plan(&plan)?;
        let record = Record { cgroup: Cgroup::planned(cgroup), ..draft(bundle, &plan) };
        reserved.draft(&record)?;
        let (made, directory) = Cgroup::make(cgroup)?;
        let mut reborn = Reborn {
            restore: self,
            reserved: &reserved,
            record: Record { cgroup: made.clone(), ..record },
            plan: cgroup,
            directory,
            pidfd: None,
            master: None,
        };
        let restored = self.by_criu(&plan, &streams, &mut reborn);
        let Reborn { record, pidfd, master, .. } = reborn;
        let restored = restored.and_then(|()| {
            pidfd.ok_or_else(|| Error::new(Kind::Child, "the restored process ended at once"))
        });
        let pidfd = match restored {
            Ok(pidfd) => pidfd,
            Err(error) => {
                if record.pid != 0 {
                    record.run_poststop_hooks();
                }
                // CRIU ends what it has begun.
                return Err(match made.kill_all().and_then(|()| made.remove()) {
                    Ok(()) => error,
                    Err(left) => error.while_undoing(left),
                });
            }
        };
        let pid = record.pid;
        let container = reserved.into_container(record)?;
        match handover.pid_file.map_or(Ok(()), |file| write_pid_file(file, pid)) {
            Ok(()) => Ok(Born { container, pidfd, master, notify: None }),
            Err(error) => Err(abandon(container, error)),
        }
    }

    fn by_criu(&self, plan: &Plan, streams: &Streams, reborn: &mut Reborn<'_>) -> Result<()> {
        point("restore")?;
        let Self { id, bundle, .. } = self;
        let spec = &bundle.spec;
        let root = reborn.reserved.directory().join("criu-root");
        std::fs::create_dir(&root).context(|| format!("make {}", root.display()))?;
        let resolved = mount_points(spec)?;
        let own_mounts = OwnMounts::make(spec.rootfs.as_path(), &root)?;
        let (images, work) = (absolute(self.images)?, self.work.map(absolute).transpose()?);
        let directories =
            own_mounts.within(|| Directories::open(&images, work.as_deref(), false))?;
        let mut wishes = self.wishes.clone();
        wishes.config_file = config_file(spec);
        let mut options = wishes.message();
        fill(&mut options, &directories);
        options.text(field::ROOT, &utf8(&root)?);
        options.flag(field::EVASIVE_DEVICES, true).flag(field::RST_SIBLING, true);
        let named = sources(spec, &bundle.host, cgroup_plan(plan)?);
        for (inside, outside) in mappings(&named, &mounts::of("self")?, &resolved) {
            options.pair(field::EXT_MNT, Some(&inside), &outside);
        }
        for (controller, path) in cgroup_roots(bundle, reborn.plan)? {
            options.pair(field::CG_ROOT, Some(&controller), &path);
        }
        let namespaces = open_namespaces(spec, &mut options)?;
        for (number, key) in streams.keys().filter(|_| spec_terminal(spec) == Terminal::None) {
            let mut inherited = Message::default();
            inherited.text(1, key).number(2, i64::from(number));
            options.message(field::INHERIT_FD, &inherited);
        }
        let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let own = [input.as_fd(), output.as_fd(), errors.as_fd()];
        let has_terminal = spec_terminal(spec) != Terminal::None && !wishes.shell_job;
        let call = Call {
            task: Task::Restore,
            what: &format!("restore {id}"),
            options: &options,
            features: if wishes.lazy_pages { &[Feature::LazyPages] } else { &[] },
            streams: (!has_terminal).then(|| self.handover.streams.unwrap_or(own)),
            mounts: Some(&own_mounts),
            kept: &namespaces,
            log: &directories.log,
        };
        self.criu.perform(&call, &mut |notice| reborn.told(notice))?;
        // In a mount namespace that is no more.
        std::fs::remove_dir(&root).context(|| format!("remove {}", root.display()))
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).context(|| "find the working directory")
}

fn spec_terminal(spec: &Spec) -> Terminal {
    spec.process.as_ref().map_or(Terminal::None, |process| process.terminal)
}

/// What becomes known while CRIU works.
struct Reborn<'a> {
    restore: &'a Restore<'a>,
    reserved: &'a Reserved,
    record: Record,
    plan: &'a CgroupPlan,
    directory: Option<OwnedFd>,
    pidfd: Option<OwnedFd>,
    master: Option<OwnedFd>,
}

impl Reborn<'_> {
    fn told(&mut self, notice: Notice) -> Result<()> {
        crate::log::debug(|| format!("criu: {}", notice.script));
        match (notice.script.as_str(), notice.pid, notice.descriptor) {
            ("setup-namespaces", Some(pid), _) => self.born(pid),
            ("post-restore", Some(pid), _) => self.complete(pid),
            ("orphan-pts-master", _, Some(master)) => {
                let socket = self.restore.handover.console_socket;
                self.master = take_master(master, 0, socket)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// There is a first process in its namespaces, and nothing else yet.
    fn born(&mut self, pid: i32) -> Result<()> {
        self.note(pid)?;
        if self.restore.wishes.cgroups == CgroupMode::Ignore {
            self.record.cgroup.enter(pid)?;
        }
        let hooks = &self.restore.bundle.spec.hooks;
        if hooks.prestart.is_empty() && hooks.create_runtime.is_empty() {
            return Ok(());
        }
        let state = self.record.state_json(Status::Created)?;
        hooks::run_all(&hooks.prestart, &state, HookPhase::Prestart)?;
        hooks::run_all(&hooks.create_runtime, &state, HookPhase::CreateRuntime)
    }

    /// Everything is restored; nothing runs yet.
    fn complete(&mut self, pid: i32) -> Result<()> {
        point("guard the restored")?;
        self.note(pid)?;
        self.record.cgroup.guard(self.plan, self.directory.as_ref().map(AsFd::as_fd))?;
        // CRIU gives it a clock that goes on where it stood, in a time namespace of its own.
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/time")).ok();
        if of(&pid.to_string()) != of("self") {
            self.record.namespaces.entered |= libc::CLONE_NEWTIME.cast_unsigned();
            self.record.namespaces.new |= libc::CLONE_NEWTIME.cast_unsigned();
        }
        self.reserved.draft(&self.record)?;
        self.pidfd = pidfd_of(pid, self.record.start_time)?;
        Ok(())
    }

    fn note(&mut self, pid: i32) -> Result<()> {
        let stat = ProcStat::read(pid)?
            .ok_or_else(|| Error::new(Kind::Child, "the restored process ended at once"))?;
        (self.record.pid, self.record.start_time) = (pid, stat.start_time);
        self.reserved.draft(&self.record)
    }
}

/// Makes the mount points that another copy of the root file system may lack, and tells where each is indeed. What is on
/// a tmpfs comes with it.
fn mount_points(spec: &Spec) -> Result<BTreeMap<String, String>> {
    let rootfs = spec.rootfs.as_path();
    let root = File::open(rootfs).context(|| format!("open {}", rootfs.display()))?;
    let base = std::fs::read_link(format!("/proc/self/fd/{}", root.as_raw_fd()));
    let base = base.context(|| "find the root file system")?;
    let mut found = BTreeMap::new();
    for mount in &spec.mounts {
        let at = mount.destination.as_str();
        let covered = spec.mounts.iter().any(|other| {
            let above = other.destination.as_str();
            at != above
                && mount.destination.is_within(above)
                && !matches!(other.kind, FsType::Remount)
        });
        if covered || at == "/" || matches!(mount.kind, FsType::Remount) {
            continue;
        }
        let create = match &mount.kind {
            FsType::Bind { source, .. } if !source.as_path().is_dir() => Create::File,
            _ => Create::Directory(0o755),
        };
        let relative = CString::new(mount.destination.relative()).map_err(|_| {
            Error::spec(format!("/mounts/{}/destination", mount.index), "has a NUL")
        })?;
        let made = resolve(root.as_raw_fd(), &relative, create)
            .map(OwnedFd::from)
            .map_err(|errno| Error::kernel(format!("make the mount point {at}"), errno.0))
            .map_err(|error| error.at(format!("/mounts/{}/destination", mount.index)))?;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", made.as_raw_fd()));
        let path = path.context(|| "find a mount point")?;
        if let Ok(inside) = path.strip_prefix(&base) {
            found.insert(at.to_owned(), format!("/{}", inside.display()));
        }
    }
    Ok(found)
}

/// What CRIU is told about the host's: every place inside, and its source.
fn mappings(
    named: &[Source],
    host: &[Mounted],
    resolved: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for Source { inside, outside, recursive, .. } in named {
        let places = [Some(inside), resolved.get(inside).filter(|other| *other != inside)];
        for place in places.into_iter().flatten() {
            all.push((place.clone(), outside.clone()));
            if *recursive {
                let below = mounts::below(host, outside).into_iter();
                all.extend(below.map(|(rest, at)| (format!("{place}{rest}"), at.to_owned())));
            }
        }
    }
    all
}

/// Where its cgroups are in each hierarchy: its own where it has one, else where we are.
fn cgroup_roots(bundle: &Bundle, plan: &CgroupPlan) -> Result<Vec<(String, String)>> {
    let file = "/proc/self/cgroup";
    let lines = std::fs::read_to_string(file).context(|| format!("read {file}"))?;
    let mut roots = Vec::new();
    for line in lines.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(own)) = (parts.next(), parts.next()) else { continue };
        for controller in controllers.split(',') {
            let place = match controller {
                "" => plan.unified.as_ref(),
                name => bundle.host.cgroup.v1_with(name).and_then(|hierarchy| {
                    let places = plan.v1.iter().map(|v1| &v1.place);
                    places.into_iter().find(|place| place.mount == hierarchy.mount)
                }),
            };
            let path = place.map_or(own, |place| place.path.as_str());
            roots.push((controller.to_owned(), path.to_owned()));
        }
    }
    Ok(roots)
}

/// The namespaces that it shared with others, as this bundle names them.
fn open_namespaces(spec: &Spec, options: &mut Message) -> Result<Vec<OwnedFd>> {
    let mut opened = Vec::new();
    let all = &spec.namespaces;
    for (namespace, key) in [(&all.network, NETWORK), (&all.pid, PROCESSES)] {
        if let Namespace::Join(join) = namespace {
            let path = join.as_path();
            let file = File::open(path).context(|| format!("open namespace {}", path.display()))?;
            let mut inherited = Message::default();
            inherited.text(1, key).number(2, i64::from(file.as_raw_fd()));
            options.message(field::INHERIT_FD, &inherited);
            opened.push(file.into());
        }
    }
    for (namespace, name) in [(&all.ipc, "ipc"), (&all.uts, "uts"), (&all.time, "time")] {
        if let Namespace::Join(join) = namespace {
            options.pair(field::JOIN_NS, Some(name), &utf8(join.as_path())?);
        }
    }
    Ok(opened)
}
