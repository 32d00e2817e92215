//! Limits of a container that is there are changed: all of them, or, when one is refused, none.
//!
//! It knows how to write, and how to put back what a file held; the values and their order come decided from
//! [`crate::plan::cgroup`].
//! What a newcomer would get wrong: what a file shows is not always what it takes. `io.max` shows a line for each device
//! and takes one, `memory.oom_control` shows three words and takes a digit.

use super::directory::Directory;
use super::guard::{self, Others};
use super::told::Told;
use super::{Cgroup, late, make};
use crate::error::{Error, Kind, Result};
use crate::host::cgroup::below;
use crate::host::{Host, OwnCgroup};
use crate::launch::systemd::Unit;
use crate::log;
use crate::plan::cgroup::scope::leave_idle_unweighed;
use crate::plan::cgroup::{Absent, Change, Place, Setting, Standing, Write, change, sort};
use crate::plan::device_filter::DeviceProgram;
use crate::spec::{Limit, Resources};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

impl Cgroup {
    /// Changes what `resources` names and leaves the rest. The answer is this cgroup as it is then: on hybrid hosts, a
    /// limit in a hierarchy in which the container had none made one there.
    ///
    /// # Errors
    /// [`Kind::Host`], [`Kind::Spec`], [`Kind::State`] and [`Kind::Denied`] for what is refused, with the field; what had
    /// been written by then is put back, and what could not be is said.
    pub fn update(&self, resources: &Resources) -> Result<Self> {
        let host = Host::probe(OwnCgroup::Wanted)?;
        let whole = self.standing().complete(resources);
        let mut change = change(&whole, &host, self.unified.as_deref(), &self.v1)?;
        change.warnings.iter().for_each(|warning| log::warn(warning));
        let mut journal = Journal::default();
        let mut after = self.clone();
        if let Some(unit) = &self.unit {
            if let Some(place) = &mut change.unified {
                leave_idle_unweighed(&mut place.settings);
            }
            journal.tell(unit, &change, resources)?;
        }
        let done = journal.perform(&change, &mut after).and_then(|()| match &change.devices {
            // Last, because it is one call that happens or does not.
            Some(program) => self.replace_guard(program),
            None => Ok(()),
        });
        match done {
            Ok(()) => Ok(after),
            Err(error) => Err(journal.undo(error)),
        }
    }

    fn replace_guard(&self, program: &DeviceProgram) -> Result<()> {
        match self.directory()? {
            Some(directory) => {
                let others = match self.unit {
                    Some(_) => Others::StayButOurs,
                    None => Others::MakeWay,
                };
                guard::attach(directory.as_fd(), program, others)
            }
            None => Ok(()),
        }
    }

    /// The values of which a caller may give one half.
    fn standing(&self) -> Standing {
        let open = |path: &PathBuf| Directory::open_raw(path).ok();
        let directories: Vec<_> = self.unified.iter().chain(&self.v1).filter_map(open).collect();
        let read = |file: &str| directories.iter().find_map(|one| one.read(file).ok());
        let max = read("cpu.max").unwrap_or_default();
        let (v2_quota, v2_period) = max.trim().split_once(' ').unzip();
        let quota = read("cpu.cfs_quota_us");
        let period = read("cpu.cfs_period_us");
        let memory = read("memory.max").or_else(|| read("memory.limit_in_bytes"));
        Standing {
            memory: memory.as_deref().and_then(limit),
            quota: quota.as_deref().or(v2_quota).and_then(limit),
            period: period.as_deref().or(v2_period).and_then(|text| text.trim().parse().ok()),
        }
    }
}

/// A limit as either version shows it. Without one, v1's memory shows the highest number of whole pages.
fn limit(text: &str) -> Option<Limit> {
    const NEAR_ENOUGH: u64 = i64::MAX as u64 - (1 << 20);
    match text.trim() {
        "max" | "-1" => Some(Limit::Unlimited),
        number => match number.parse().ok()? {
            NEAR_ENOUGH.. => Some(Limit::Unlimited),
            number => Some(Limit::Max(number)),
        },
    }
}

/// What was written, and what it replaced.
#[derive(Default)]
struct Journal {
    entries: Vec<Entry>,
    /// Cgroups that were made and have processes now.
    late: Vec<late::Late>,
    /// All entries were made before the first write, because systemd was told.
    told: Option<Told>,
}

struct Entry {
    path: PathBuf,
    file: String,
    written: String,
    /// In the form in which the file takes it.
    before: Vec<String>,
}

impl Journal {
    /// Notes what stands, and tells systemd what will.
    fn tell(&mut self, unit: &Unit, change: &Change, resources: &Resources) -> Result<()> {
        if let Some(place) = &change.unified {
            let path = below(&place.mount, &place.path);
            let directory = open(&path)?;
            make::enable(place, &directory)?;
            let writes = place.settings.iter().filter_map(|setting| match setting {
                Setting::Write(write) => Entry::before(write, &path, &directory),
                Setting::RefuseIfUsed { .. } => None,
            });
            self.entries.extend(writes);
            for check in &place.settings {
                if matches!(check, Setting::RefuseIfUsed { .. }) {
                    make::apply_one(check, &path, &directory)?;
                }
            }
        }
        let before = self.entries.iter().map(|entry| (&*entry.file, &*entry.before));
        self.told = Some(Told::tell(unit, change, resources, before)?);
        Ok(())
    }

    fn perform(&mut self, change: &Change, after: &mut Cgroup) -> Result<()> {
        if let Some(place) = &change.unified {
            let path = below(&place.mount, &place.path);
            let directory = open(&path)?;
            make::enable(place, &directory)?;
            self.write(place, &path, &directory)?;
        }
        for v1 in &change.v1 {
            let path = below(&v1.place.mount, &v1.place.path);
            if after.v1.contains(&path) {
                self.write(&v1.place, &path, &open(&path)?)?;
            } else {
                let made = late::Late::make(v1, after)?;
                made.tell(after);
                self.late.push(made);
            }
        }
        Ok(())
    }

    fn write(&mut self, place: &Place, path: &Path, directory: &Directory) -> Result<()> {
        let mut settings = place.settings.clone();
        sort(&mut settings, |file| directory.read(file).ok());
        for setting in &settings {
            let entry = match setting {
                Setting::Write(write) => Entry::before(write, path, directory),
                Setting::RefuseIfUsed { .. } => None,
            };
            let written = make::apply_one(setting, path, directory);
            // Of several lines the first may stand though a later one was refused.
            let stands =
                written.is_ok() || entry.as_ref().is_some_and(|entry| entry.before.len() > 1);
            if stands && self.told.is_none() {
                self.entries.extend(entry);
            }
            written.map_err(|error| explain(error, setting, directory))?;
        }
        Ok(())
    }

    /// Puts back what was written, the last first. `error` stays the error, and says what could not be put back.
    fn undo(self, mut error: Error) -> Error {
        for late in self.late.into_iter().rev() {
            if let Err(failure) = late.undo() {
                error = error.while_undoing(failure);
            }
        }
        if let Some(told) = self.told {
            error = told.take_back(error);
        }
        for entry in self.entries.into_iter().rev() {
            if let Err(failure) = entry.put_back() {
                error = error.while_undoing(failure);
            }
        }
        error
    }
}

fn open(path: &Path) -> Result<Directory> {
    Directory::open_raw(path).map_err(|errno| match errno.0 {
        libc::ENOENT => Error::new(
            Kind::State,
            format!("container not running: its cgroup {} is gone", path.display()),
        ),
        _ => Error::kernel(format!("open({path:?}, O_DIRECTORY)"), errno.0),
    })
}

/// A memory limit above memory-and-swap is refused without a word of why.
fn explain(error: Error, setting: &Setting, directory: &Directory) -> Error {
    let is_memory =
        matches!(setting, Setting::Write(write) if write.file == "memory.limit_in_bytes");
    match directory.read("memory.memsw.limit_in_bytes") {
        Ok(both) if is_memory && error.errno() == Some(libc::EINVAL) => error.hint(format!(
            "memory and swap together are limited to {}; set swap, too",
            both.trim()
        )),
        _ => error,
    }
}

impl Entry {
    /// What `write` will replace; `None` where nothing will be written or nothing can be read.
    fn before(write: &Write, path: &Path, directory: &Directory) -> Option<Self> {
        let (file, written) = match (&write.absent, directory.read(&write.file)) {
            (Absent::Instead(file, value), Err(rrun_sys::Errno(libc::ENOENT))) => (file, value),
            _ => (&write.file, &write.value),
        };
        let text = directory.read(file).ok()?;
        let before = written.lines().map(|line| previous(file, line, &text)).collect();
        let (path, file) = (path.to_owned(), file.to_string());
        Some(Self { path, file, written: written.clone(), before })
    }

    fn put_back(&self) -> Result<()> {
        let Self { path, file, written, before } = self;
        let directory = open(path)?;
        for value in before.iter().rev() {
            directory.write(file, value).map_err(|errno| {
                let call = format!("write({}/{file}, {value:?})", path.display());
                Error::kernel(call, errno.0).context(format!("{file} stays {written:?}"))
            })?;
        }
        Ok(())
    }
}

/// What has to be written to `file`, which shows `text`, so that `written` is undone.
fn previous(file: &str, written: &str, text: &str) -> String {
    let key = written.split_once(' ').map(|(key, _)| key);
    let is_device = |key: &str| {
        key.split_once(':').is_some_and(|(major, minor)| {
            [major, minor].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    let keyed = ["rdma.max", "misc.max", "net_prio.ifpriomap"].contains(&file);
    if let Some(key) = key.filter(|key| keyed || is_device(key)) {
        let own = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(key));
        let none = match file {
            "io.max" => "rbps=max wbps=max riops=max wiops=max",
            "io.weight" | "io.bfq.weight" => "default",
            "rdma.max" => "hca_handle=max hca_object=max",
            "misc.max" => "max",
            _ => "0",
        };
        return own.map_or_else(|| format!("{key} {none}"), str::to_owned);
    }
    let first = text.lines().next().unwrap_or_default().trim();
    match file {
        "memory.oom_control" => {
            let digit = first.strip_prefix("oom_kill_disable ");
            digit.unwrap_or(first).to_owned()
        }
        // The weight of those devices that have none of their own.
        _ => first.strip_prefix("default ").unwrap_or(first).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_shows_becomes_what_it_takes() {
        let devices = "8:0 rbps=1048576 wbps=max riops=max wiops=max\n8:16 rbps=max wbps=5\n";
        for (file, written, text, before) in [
            ("pids.max", "10", "max\n", "max"),
            ("cpu.max", "50000 100000", "max 100000\n", "max 100000"),
            ("cpuset.cpus", "0", "\n", ""),
            ("io.max", "8:0 rbps=1", devices, "8:0 rbps=1048576 wbps=max riops=max wiops=max"),
            ("io.max", "8:1 rbps=1", devices, "8:1 rbps=max wbps=max riops=max wiops=max"),
            ("io.weight", "200", "default 100\n8:0 300\n", "100"),
            ("io.bfq.weight", "8:16 200", "default 100\n8:0 300\n", "8:16 default"),
            ("blkio.throttle.read_bps_device", "8:0 5", "8:0 1048576\n", "8:0 1048576"),
            ("blkio.throttle.read_bps_device", "8:0 5", "", "8:0 0"),
            ("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "0"),
            (
                "rdma.max",
                "mlx hca_handle=2",
                "mlx hca_handle=max hca_object=9\n",
                "mlx hca_handle=max hca_object=9",
            ),
            ("misc.max", "sev_es 5", "sev 10\nsev_es max\n", "sev_es max"),
            ("misc.max", "sev 5", "sev 10\nsev_es max\n", "sev 10"),
            ("net_prio.ifpriomap", "eth0 5", "lo 0\neth0 2\n", "eth0 2"),
        ] {
            assert_eq!(previous(file, written, text), before, "{file} {written:?}");
        }
    }

    #[test]
    fn no_limit_has_three_spellings() {
        for text in ["max\n", "-1\n", "9223372036854771712\n"] {
            assert_eq!(limit(text), Some(Limit::Unlimited), "{text:?}");
        }
        assert_eq!(limit("67108864\n"), Some(Limit::Max(67_108_864)));
        assert_eq!(limit("many"), None);
    }
}
