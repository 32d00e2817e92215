//! Pid 1 of the guest: modules, mounts, the job, off. With systemd as init it makes way after the mounts, and is called
//! again, with the word `job`, as a service.
//!
//! Knows `job.json` of its initramfs and nothing else. Refuses to go on after a failure: it says what failed and powers
//! off. A newcomer would use pivot_root; the initramfs cannot be pivoted away, so the new root is moved over it, as
//! switch_root(8) does.

#![forbid(unsafe_code)]

use std::error::Error;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, chdir, chroot, sethostname};
use rrun_harness::guest::systemd;
use serde_json::Value;

const RECORD: char = '\x1e';
/// What the isa-debug-exit device takes; QEMU's exit status becomes 2 × 0x10 + 1.
const POWER_OFF: u8 = 0x10;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    let mut voice = None;
    let lived = match std::env::args().nth(1).as_deref() {
        Some("job") => serve(&mut voice),
        _ => live(&mut voice),
    };
    let last_word = match lived {
        Ok(code) => format!("exit {code}"),
        Err(error) => error.to_string(),
    };
    // Nothing below can be reported anywhere but on the console.
    if let Err(error) = say_and_listen(voice, &last_word) {
        eprintln!("guest-init: {last_word}; and it could not be said: {error}");
    }
    if let Err(error) = power_off() {
        eprintln!("guest-init: power off: {error}");
    }
    // The end of pid 1 is a kernel panic, which `panic=-1` and `-no-reboot` turn into QEMU's end.
}

fn live(voice: &mut Option<File>) -> Result<i32> {
    let none = MsFlags::empty();
    attach("devtmpfs", "/dev", "devtmpfs", none, "")?;
    attach("proc", "/proc", "proc", none, "")?;
    attach("sysfs", "/sys", "sysfs", none, "")?;
    let job: Value = serde_json::from_str(&fs::read_to_string("/job.json")?)?;
    for module in job["modules"].as_array().into_iter().flatten() {
        let (path, parameters) = (text(&module[0]), CString::new(text(&module[1]))?);
        finit_module(File::open(path)?, &parameters, ModuleInitFlags::empty())
            .map_err(|e| format!("load {path}: {e}"))?;
    }
    *voice = Some(find_voice()?);
    furnish(&job)?;
    if job["systemd"].as_bool() == Some(true) {
        return Err(make_way().into());
    }
    begin(&job, voice)
}

/// The job, as a service of systemd's.
fn serve(voice: &mut Option<File>) -> Result<i32> {
    *voice = Some(find_voice()?);
    let job = fs::read_to_string(Path::new(systemd::HOME).join("job.json"))?;
    begin(&serde_json::from_str(&job)?, voice)
}

/// Becomes systemd; what is returned is why not. Our voice, which only one may hold, ends with us.
fn make_way() -> std::io::Error {
    let mut command = Command::new(systemd::COMMAND[0]);
    command.args(&systemd::COMMAND[1..]).env_clear().envs(systemd::environment());
    command.exec()
}

fn begin(job: &Value, voice: &mut Option<File>) -> Result<i32> {
    let Some(file) = voice else { return Err("no voice".into()) };
    write!(file, "{RECORD}ready{RECORD}")?;
    perform(job, file)
}

/// The virtio port named "rrun"; devtmpfs calls it /dev/vport1p1 or so.
fn find_voice() -> Result<File> {
    for entry in fs::read_dir("/sys/class/virtio-ports")? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("name"))?.trim() == "rrun" {
            let device = Path::new("/dev").join(entry.file_name());
            return Ok(OpenOptions::new().read(true).write(true).open(device)?);
        }
    }
    Err("there is no virtio port named rrun".into())
}

/// The host's files under a tmpfs, and everything a Debian system would have mounted over them.
fn furnish(job: &Value) -> Result<()> {
    let none = MsFlags::empty();
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // The host must not change under us, so its pages may be cached; without that every exec reads through QEMU again.
    let options = "trans=virtio,version=9p2000.L,msize=512000,cache=loose,access=any";
    attach("host", "/host", "9p", MsFlags::MS_RDONLY, options)?;
    attach("over", "/over", "tmpfs", none, "mode=755,size=75%")?;
    fs::create_dir("/over/upper")?;
    fs::create_dir("/over/work")?;
    attach(
        "overlay",
        "/new",
        "overlay",
        none,
        "lowerdir=/host,upperdir=/over/upper,workdir=/over/work",
    )?;
    attach("proc", "/new/proc", "proc", safe, "")?;
    attach("sysfs", "/new/sys", "sysfs", safe, "")?;
    attach("securityfs", "/new/sys/kernel/security", "securityfs", safe, "")?;
    attach("devtmpfs", "/new/dev", "devtmpfs", MsFlags::MS_NOSUID, "mode=755")?;
    attach("devpts", "/new/dev/pts", "devpts", MsFlags::MS_NOSUID, "gid=5,mode=620,ptmxmode=666")?;
    attach("shm", "/new/dev/shm", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, "mode=1777")?;
    attach("mqueue", "/new/dev/mqueue", "mqueue", safe, "")?;
    attach("cgroup2", "/new/sys/fs/cgroup", "cgroup2", safe, "nsdelegate")?;
    // A tmpfs, because overlayfs can be neither the source of an idmapped mount nor the upper layer of another overlay.
    attach(
        "run",
        "/new/run",
        "tmpfs",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=755,size=75%",
    )?;
    fs::create_dir("/new/run/tmp")?;
    fs::set_permissions("/new/run/tmp", fs::Permissions::from_mode(0o1777))?;
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        // devtmpfs is the kernel's only one, so the link may be there from an earlier mount of it.
        drop(symlink(target, Path::new("/new/dev").join(link)));
    }
    modules(job)?;
    people()?;
    if job["systemd"].as_bool() == Some(true) {
        systemd::plant(Path::new("/new"), Path::new("/init"), &job.to_string())?;
    }
    chdir("/new")?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)?;
    chroot(".")?;
    chdir("/")?;
    // Shared, as systemd leaves every mount: runtimes must cope with it.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>)?;
    sethostname("rrun-guest")?;
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")?;
    for name in controllers.split_whitespace() {
        fs::write("/sys/fs/cgroup/cgroup.subtree_control", format!("+{name}"))
            .map_err(|e| format!("enable the controller {name}: {e}"))?;
    }
    loopback()
}

/// Binds the guest's modules over /lib/modules, for modprobe.
fn modules(job: &Value) -> Result<()> {
    let source = text(&job["modules_directory"]);
    let release = Path::new(source).file_name().unwrap_or_default();
    let target = Path::new("/new/lib/modules").join(release);
    fs::create_dir_all(&target)?;
    let source = PathBuf::from(format!("/new{source}"));
    mount(Some(&source), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| format!("bind {}: {e}", source.display()).into())
}

/// An ordinary user with subordinate ids, for rootless tests; the library calls it `ORDINARY_USER`.
fn people() -> Result<()> {
    let append = |file: &str, line: &str| -> Result<()> {
        let mut file =
            OpenOptions::new().append(true).create(true).open(Path::new("/new/etc").join(file))?;
        Ok(writeln!(file, "{line}")?)
    };
    append("passwd", "rrun-user:x:4242:4242::/run/tmp:/bin/sh")?;
    append("group", "rrun-user:x:4242:")?;
    append("subuid", "rrun-user:300000:65536")?;
    append("subgid", "rrun-user:300000:65536")
}

fn loopback() -> Result<()> {
    let status = Command::new("/bin/busybox").args(["ip", "link", "set", "lo", "up"]).status();
    let status = status.map_err(|e| format!("busybox: {e} (package busybox-static)"))?;
    if status.success() { Ok(()) } else { Err("the loopback interface did not come up".into()) }
}

fn perform(job: &Value, voice: &File) -> Result<i32> {
    let argv: Vec<&str> = job["argv"].as_array().into_iter().flatten().map(text).collect();
    let (program, args) = argv.split_first().ok_or("the job has no command")?;
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir(text(&job["cwd"]));
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", "/root").env("TMPDIR", "/run/tmp").env("LANG", "C.UTF-8");
    for pair in job["env"].as_array().into_iter().flatten() {
        command.env(text(&pair[0]), text(&pair[1]));
    }
    command.stdin(Stdio::null()).stdout(voice.try_clone()?).stderr(voice.try_clone()?);
    let child = command.spawn().map_err(|e| format!("start {program}: {e}"))?;
    let child = Pid::from_raw(i32::try_from(child.id())?);
    // Pid 1 inherits every orphan; those are reaped and forgotten.
    loop {
        match waitpid(None::<Pid>, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Ok(128 + signal as i32);
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Says the last word and waits for the host's byte, which proves that everything before it has arrived.
fn say_and_listen(voice: Option<File>, word: &str) -> Result<()> {
    let Some(mut voice) = voice else { return Err("there is no voice".into()) };
    write!(voice, "{RECORD}{word}{RECORD}")?;
    voice.read_exact(&mut [0])?;
    Ok(())
}

/// Writes to the I/O port of isa-debug-exit through /dev/port, which needs no unsafe instruction of ours.
fn power_off() -> Result<()> {
    let mut port = OpenOptions::new().write(true).open("/dev/port")?;
    port.seek(SeekFrom::Start(0xf4))?;
    port.write_all(&[POWER_OFF])?;
    Ok(())
}

fn attach(source: &str, target: &str, kind: &str, flags: MsFlags, options: &str) -> Result<()> {
    fs::create_dir_all(target)?;
    let done = mount(Some(source), target, Some(kind), flags, Some(options));
    done.map_err(|e| format!("mount {kind} on {target}: {e}").into())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
