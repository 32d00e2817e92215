//! The container's cgroup as a plan: its place, the controllers to enable on the way there, and each write with the field
//! of config.json that asked for it.
//!
//! It decides, purely, from `linux.resources`, `linux.cgroupsPath` and the host's facts. It refuses to apply a part of
//! what was asked: a limit that no hierarchy of this host can enforce is an error here, before anything is made.
//! What a newcomer would get wrong: on a hybrid host one container has cgroups in several hierarchies. The unified one
//! (cgroup2) always tracks, kills, freezes and guards the devices; a controller sits wherever the host put it, and its
//! values are spelled as that hierarchy wants them.
//!
//! Three decisions, where the runtime-spec leaves room:
//! * A zero from a caller that cannot leave a number out (Docker sends `shares: 0`, `weight: 0`) is no limit, except for
//!   `pids.limit`, where zero is one; so do runc and crun.
//! * A field that only v1 knows, asked of cgroup2, is an error that names it. crun does so, runc drops some in silence.
//! * Without `linux.resources.devices` the device program is loaded all the same, as runc does: a container whose
//!   configuration says nothing about devices does not get all of them.

mod change;
mod place;
pub mod scope;
mod show;
#[cfg(test)]
mod tests;
mod v1;
mod v2;
mod weight;

pub use change::{Change, Standing, change, sort};
pub use weight::{io_weight, weight_of_shares};

use crate::error::{Error, Kind, Result};
use crate::host::{CgroupHost, Host, Unified};
use crate::id::ContainerId;
use crate::plan::device_filter::{self, DeviceProgram};
use crate::spec::{Resources, Spec};
use serde::Serialize;
use std::borrow::Cow;
use std::path::PathBuf;

type Text = Cow<'static, str>;

/// What `launch::cgroup` makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupPlan {
    /// Its place in cgroup2; `None` when this user can have none, and no limit needs one.
    pub unified: Option<Place>,
    /// Its places in v1 hierarchies; empty on a cgroup2 host.
    pub v1: Vec<V1Place>,
    /// The guard of the devices.
    pub devices: Devices,
    /// Who makes it, if that is systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<scope::Scope>,
    /// What is odd but no error: one lower-case line each.
    pub warnings: Vec<String>,
}

/// A cgroup to be, and what to write into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Where the hierarchy is mounted.
    pub mount: PathBuf,
    /// Below the mount: clean, absolute, never the root.
    pub path: String,
    /// Controllers that every ancestor must hand down; of cgroup2 only.
    pub enable: Vec<Enable>,
    /// In the order of performing.
    pub settings: Vec<Setting>,
    /// The host uid that gets the directory and the files in it that the kernel names as harmless to delegate; of cgroup2
    /// only.
    pub owner: Option<u32>,
}

/// A cgroup in a v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct V1Place {
    /// The cgroup; `enable` is empty.
    #[serde(flatten)]
    pub place: Place,
    /// A cpuset is born empty and takes no process: cpus and mems are first copied down from the ancestors.
    pub inherits_cpuset: bool,
}

/// A controller to enable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enable {
    /// Its name in `cgroup.subtree_control`.
    pub controller: String,
    /// The field that needs it. `None`: enabled for figures and later updates, and not missed if it can't be.
    pub pointer: Option<Text>,
}

/// One thing to do in the cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Setting {
    /// Write a file.
    Write(Write),
    /// `checkBeforeUpdate`: refuse the limit when `file` already counts as much.
    RefuseIfUsed {
        /// Where the usage is read.
        file: Text,
        /// Bytes.
        limit: u64,
        /// The field.
        pointer: Text,
    },
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    /// Its name, without a slash.
    pub file: Text,
    /// What to write, in one write(2) for each line.
    pub value: String,
    /// The field of config.json that asked for it.
    pub pointer: Text,
    /// What to do on a kernel that has no such file.
    pub absent: Absent,
}

/// What the absence of a file means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Absent {
    /// The limit cannot be enforced.
    Fails,
    /// There is nothing to limit: no swap, say, and none is allowed.
    Ignored,
    /// Another file takes the value in another form.
    Instead(Text, String),
}

/// The guard of the devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Devices {
    /// A program decides.
    Program(DeviceProgram),
    /// The rules allow all, so nothing need decide.
    All,
    /// Nobody may load a program here; a user namespace can't open or make what its owner could not.
    Unguarded,
}

impl Setting {
    fn write(file: impl Into<Text>, value: impl ToString, pointer: impl Into<Text>) -> Self {
        let (file, value, pointer) = (file.into(), value.to_string(), pointer.into());
        Self::Write(Write { file, value, pointer, absent: Absent::Fails })
    }

    fn or(self, absent: Absent) -> Self {
        match self {
            Self::Write(write) => Self::Write(Write { absent, ..write }),
            check @ Self::RefuseIfUsed { .. } => check,
        }
    }

    /// The field that asked for it.
    #[must_use]
    pub fn pointer(&self) -> &Text {
        match self {
            Self::Write(write) => &write.pointer,
            Self::RefuseIfUsed { pointer, .. } => pointer,
        }
    }
}

/// Decides where the container's cgroup is and what it limits. `rootless` when the caller wants it treated as such even
/// though we are root.
///
/// # Errors
/// [`Kind::Host`] for a limit that nothing here can enforce, or a host without cgroup2; [`Kind::Spec`] for values that
/// contradict each other; [`Kind::Unsupported`] for fields that only v1 knows. Each names its field.
pub fn plan(spec: &Spec, host: &Host, id: &ContainerId, rootless: bool) -> Result<CgroupPlan> {
    let resources = &spec.resources;
    let unprivileged = rootless || !host.is_machine_root();
    let Some(unified) = &host.cgroup.unified else {
        return without_unified(&host.cgroup, resources, unprivileged);
    };
    let path = place::unified(spec.cgroups_path.as_ref(), unified, id)?;
    if unprivileged && !place::is_ours(&path, unified) {
        refuse_limits(resources, "no cgroup is delegated to this user")?;
        return Ok(CgroupPlan::nothing(resources));
    }

    let v1_hosts: &[_] = if unprivileged { &[] } else { &host.cgroup.v1 };
    let mut here =
        Place { mount: unified.mount.clone(), path, enable: vec![], settings: vec![], owner: None };
    if host.is_machine_root() {
        here.owner = place::owner(spec);
    }
    let mut v1 = v1::places(v1_hosts, spec.cgroups_path.as_ref(), id)?;
    for controller in &CONTROLLERS {
        controller.settle(resources, unified, &mut here, &mut v1, unprivileged)?;
    }
    here.settings.extend(v2::unified_map(resources, unified, &mut here.enable)?);
    v1.retain(v1::V1Candidate::is_wanted);

    let (devices, warnings) = guard(resources, host.is_machine_root())?;
    let v1 = v1.into_iter().map(v1::V1Candidate::into_place).collect();
    Ok(CgroupPlan { unified: Some(here), v1, devices, scope: None, warnings })
}

/// Decides for none: the container stays in its caller's.
///
/// # Errors
/// [`Kind::Host`] for a limit, which nothing would enforce.
pub fn none(resources: &Resources) -> Result<CgroupPlan> {
    refuse_limits(resources, "cgroups are disabled")
        .map_err(|error| error.hint("remove the limit, or leave --cgroup-manager disabled away"))?;
    Ok(CgroupPlan::nothing(resources))
}

impl CgroupPlan {
    /// No cgroup at all.
    fn nothing(resources: &Resources) -> Self {
        let warnings = unguarded_warning(resources).into_iter().collect();
        Self { unified: None, v1: Vec::new(), devices: Devices::Unguarded, scope: None, warnings }
    }
}

/// A controller under its two names, and how its part of `linux.resources` is written in each hierarchy.
struct Controller {
    /// Its name in cgroup2, empty when it has none.
    v2: &'static str,
    v1: &'static str,
    v2_settings: fn(&Resources) -> Result<Vec<Setting>>,
    v1_settings: fn(&Resources) -> Result<Vec<Setting>>,
    /// Enabled wherever it can be, for its figures and for `update`.
    always: bool,
}

/// In the order of writing.
#[rustfmt::skip]
const CONTROLLERS: [Controller; 9] = [
    Controller { v2: "cpu", v1: "cpu", v2_settings: v2::cpu, v1_settings: v1::cpu, always: true },
    Controller { v2: "cpuset", v1: "cpuset", v2_settings: v2::cpuset, v1_settings: v1::cpuset, always: true },
    Controller { v2: "io", v1: "blkio", v2_settings: v2::io, v1_settings: v1::blkio, always: true },
    Controller { v2: "memory", v1: "memory", v2_settings: v2::memory, v1_settings: v1::memory, always: true },
    Controller { v2: "pids", v1: "pids", v2_settings: v2::pids, v1_settings: v2::pids, always: true },
    Controller { v2: "hugetlb", v1: "hugetlb", v2_settings: v2::hugetlb, v1_settings: v1::hugetlb, always: false },
    Controller { v2: "rdma", v1: "rdma", v2_settings: v2::rdma, v1_settings: v2::rdma, always: false },
    Controller { v2: "", v1: "net_cls", v2_settings: v2::no_class_id, v1_settings: v1::net_cls, always: false },
    Controller { v2: "", v1: "net_prio", v2_settings: v2::no_priorities, v1_settings: v1::net_prio, always: false },
];

impl Controller {
    /// Puts its settings where this host has it: the unified hierarchy first, then a v1 one.
    fn settle(
        &self,
        resources: &Resources,
        unified: &Unified,
        here: &mut Place,
        v1: &mut [v1::V1Candidate],
        unprivileged: bool,
    ) -> Result<()> {
        if unified.has(self.v2) {
            let settings = (self.v2_settings)(resources)?;
            let pointer = settings.first().map(|setting| setting.pointer().clone());
            if pointer.is_some() || self.always {
                here.enable.push(Enable { controller: self.v2.to_owned(), pointer });
            }
            here.settings.extend(settings);
            return Ok(());
        }
        if let Some(candidate) = v1.iter_mut().find(|one| one.has(self.v1)) {
            candidate.settings.extend((self.v1_settings)(resources)?);
            return Ok(());
        }
        match (self.v2_settings)(resources)?.first() {
            None => Ok(()),
            Some(setting) => Err(self.missing(setting, unprivileged)),
        }
    }

    fn missing(&self, setting: &Setting, unprivileged: bool) -> Error {
        let name = self.v2;
        let hint = if unprivileged {
            DELEGATE.to_owned()
        } else {
            format!(
                "remove the field, or give {name} to cgroup v2: no cgroup_disable={name} on the kernel's command \
                 line, and no v1 hierarchy that holds it"
            )
        };
        let what =
            if unprivileged { "is not delegated to this user" } else { "is not on this host" };
        Error::new(Kind::Host, format!("the limit can't be enforced: the {name} controller {what}"))
            .at(setting.pointer().clone())
            .hint(hint)
    }
}

const DELEGATE: &str = "remove the limit, or delegate: put \"[Service]\" and \"Delegate=cpu cpuset io memory pids\" as two \
    lines into /etc/systemd/system/user@.service.d/delegate.conf, run systemctl daemon-reload, log in again and start \
    with systemd-run --user --scope";

/// Answers every limit with the same reason.
fn refuse_limits(resources: &Resources, why: &str) -> Result<()> {
    for controller in &CONTROLLERS {
        if let Some(setting) = (controller.v2_settings)(resources)?.first() {
            return Err(Error::new(
                Kind::Host,
                format!("the limit needs the {} controller: {why}", controller.v2),
            )
            .at(setting.pointer().clone())
            .hint(DELEGATE));
        }
    }
    match resources.unified.keys().next() {
        None => Ok(()),
        Some(key) => Err(Error::new(Kind::Host, format!("{key} can't be written: {why}"))
            .at(v2::unified_pointer(key))
            .hint(DELEGATE)),
    }
}

/// A host without cgroup2 anywhere: tracking, killing and freezing rest on it, so root is told how to mount it.
fn without_unified(
    host: &CgroupHost,
    resources: &Resources,
    unprivileged: bool,
) -> Result<CgroupPlan> {
    let fix = if host.v1.is_empty() {
        "mount it: mount -t cgroup2 none /sys/fs/cgroup"
    } else {
        "mount it beside the v1 hierarchies: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none \
         /sys/fs/cgroup/unified"
    };
    if !unprivileged {
        return Err(Error::new(Kind::Host, "no cgroup v2 hierarchy is mounted").hint(fix));
    }
    refuse_limits(resources, "no cgroup v2 hierarchy is mounted")?;
    Ok(CgroupPlan::nothing(resources))
}

/// The device program, where we may load one.
fn guard(resources: &Resources, may_load: bool) -> Result<(Devices, Vec<String>)> {
    if !may_load {
        return Ok((Devices::Unguarded, unguarded_warning(resources).into_iter().collect()));
    }
    let program = device_filter::compile(&resources.devices)?;
    Ok((program.map_or(Devices::All, Devices::Program), Vec::new()))
}

/// Every generated configuration denies all devices first; a warning at each rootless start about that would teach people
/// to ignore warnings. A rule beyond it meant something.
fn unguarded_warning(resources: &Resources) -> Option<String> {
    use crate::spec::DeviceNumber::Any;
    let deny_all = |rule: &crate::spec::DeviceRule| {
        !rule.allow && rule.kind.is_none() && rule.major == Any && rule.minor == Any
    };
    let meant = resources.devices.iter().any(|rule| !rule.allow && !deny_all(rule));
    meant.then(|| {
        "linux.resources.devices is not enforced: only root of the first user namespace may load a device program"
            .to_owned()
    })
}
