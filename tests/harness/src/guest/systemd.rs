//! The guest's other init: systemd, as the host has it installed, with a handful of units of our own.
//!
//! Knows what a test of the cgroup driver needs: the manager, a message bus, an ordinary user's manager with a bus of its
//! own, and the job as a service. Refuses everything else a distribution would start: generators, journal, logind, udev;
//! under emulation each costs seconds. A newcomer would forget the directories that systemd itself writes to: a unit whose
//! file is not on its search path is forgotten at the next reload.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::ORDINARY_USER;

/// Where units, job and the job's program lie in the guest.
pub const HOME: &str = "/run/rrun-init";

/// What init is called with.
pub const COMMAND: &[&str] = &["/lib/systemd/systemd", "--unit=rrun.target", "--show-status=no"];

/// What it finds in its environment.
#[must_use]
pub fn environment() -> Vec<(&'static str, String)> {
    vec![
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
        ("SYSTEMD_UNIT_PATH", unit_path("/run/systemd", "system", "system")),
        ("SYSTEMD_GENERATOR_PATH", format!("{HOME}/none")),
        ("SYSTEMD_ENVIRONMENT_GENERATOR_PATH", format!("{HOME}/none")),
        ("SYSTEMD_LOG_LEVEL", "notice".into()),
    ]
}

/// Properties set at run time, transient units, ours.
fn unit_path(run: &str, manager: &str, ours: &str) -> String {
    format!("{run}/{manager}.control:{run}/transient:{HOME}/{ours}")
}

const TARGET: &str = "[Unit]\nDefaultDependencies=no\nWants=job.service\n";

/// Its output goes where the job's program sends it.
const JOB: &str = "\
[Unit]
DefaultDependencies=no
Wants=user.service
Requires=dbus.socket
After=dbus.socket user.service
[Service]
ExecStart=/run/rrun-init/init job
KillMode=none
TasksMax=infinity
";

const BUS: &str = "\
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/dbus/system_bus_socket
";

const BUS_DAEMON: &str = "\
[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
";

const USER_TARGET: &str = "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n";

const USER_BUS: &str = "\
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=%t/bus
";

const USER_BUS_DAEMON: &str = "\
[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
";

/// The user's manager, named and placed as logind's users have it.
fn user(uid: u32, gid: u32) -> String {
    let run = format!("/run/user/{uid}");
    let path = unit_path(&format!("{run}/systemd"), "user", "user");
    format!(
        "\
[Unit]
DefaultDependencies=no
After=dbus.socket
[Service]
Type=notify
User={uid}
Group={gid}
Slice=user-{uid}.slice
Delegate=cpu cpuset io memory pids
Environment=XDG_RUNTIME_DIR={run} SYSTEMD_UNIT_PATH={path} DBUS_SESSION_BUS_ADDRESS=unix:path={run}/bus
Environment=SYSTEMD_GENERATOR_PATH={HOME}/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH={HOME}/none
ExecStart=/lib/systemd/systemd --user --unit=rrun-user.target
KillMode=mixed
"
    )
}

/// Puts the units, `program` and its `job` into the root file system at `root`, whose /run is mounted.
///
/// # Errors
/// What could not be written.
pub fn plant(root: &Path, program: &Path, job: &str) -> io::Result<()> {
    let (_, uid, gid) = ORDINARY_USER;
    let home = root.join(HOME.trim_start_matches('/'));
    let run = root.join(format!("run/user/{uid}"));
    for directory in [home.join("system"), home.join("user"), home.join("none"), run.clone()] {
        fs::create_dir_all(directory)?;
    }
    chown(&run, Some(uid), Some(gid))?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700))?;
    fs::copy(program, home.join("init"))?;
    fs::write(home.join("job.json"), job)?;
    let user_service = format!("user@{uid}.service");
    let job_service = JOB.replace("user.service", &user_service);
    for (name, text) in [
        ("system/rrun.target", TARGET),
        ("system/job.service", &*job_service),
        ("system/dbus.socket", BUS),
        ("system/dbus.service", BUS_DAEMON),
        (&*format!("system/{user_service}"), &*user(uid, gid)),
        ("user/rrun-user.target", USER_TARGET),
        ("user/dbus.socket", USER_BUS),
        ("user/dbus.service", USER_BUS_DAEMON),
    ] {
        fs::write(home.join(name), text)?;
    }
    Ok(())
}
