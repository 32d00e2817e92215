//! The program that looks around: it tells, line by line, what a process in its place could touch.
//!
//! | arguments | what it tells |
//! | --- | --- |
//! | `handle FILE` | the file's handle, in hexadecimal, for who looks from elsewhere |
//! | `around HANDLE SOCKET` | everything, as `name count` |
//! | `gently HANDLE SOCKET` | the same, but no device is opened or made: some act on being opened |
//!
//! It refuses to write: a file counts as writable when access(2) says so *and* it can be opened. What a newcomer would get
//! wrong: access(2) alone knows nothing of what a file's own open says, and open alone takes a directory for a refusal.

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{AccessFlags, faccessat};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::ExitCode;

/// Type and number of devices that a host's secrets are behind: memory, the kernel's log, KVM, disks, tun.
const DEVICES: [(SFlag, u64, u64); 7] = [
    (SFlag::S_IFCHR, 1, 1),
    (SFlag::S_IFCHR, 1, 11),
    (SFlag::S_IFCHR, 10, 232),
    (SFlag::S_IFCHR, 10, 200),
    (SFlag::S_IFBLK, 8, 0),
    (SFlag::S_IFBLK, 254, 0),
    (SFlag::S_IFBLK, 259, 0),
];

/// Left out of the walk: each process's own files, filesystems of their own, and what acts on being opened.
const APART: [&str; 5] =
    ["/sys/fs/cgroup", "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/fs/pstore", "/sys/fs/bpf"];

/// `struct file_handle` with room for the largest (`MAX_HANDLE_SZ`).
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    content: [u8; 128],
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["handle", file] => match handle_of(file) {
            Some(handle) => println!("{handle}"),
            None => return ExitCode::FAILURE,
        },
        ["around", handle, socket] => around(handle, socket, true),
        ["gently", handle, socket] => around(handle, socket, false),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn around(handle: &str, socket: &str, devices: bool) {
    let tell = |name: &str, count: usize| println!("{name} {count}");
    tell("processes", processes());
    tell("proc-writable", writable(Path::new("/proc")));
    tell("sys-writable", writable(Path::new("/sys")));
    tell("devices", openable(Path::new("/dev"), devices));
    if devices {
        tell("devices-made", made());
    }
    tell("kernel-log", kernel_log());
    tell("outside-handle", usize::from(opens_by(handle)));
    tell("outside-path", elsewhere());
    tell("socket", usize::from(connects(socket)));
}

fn processes() -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter(|entry| is_number(&entry.file_name().to_string_lossy())).count()
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Files below that can be opened for writing.
fn writable(directory: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let process =
            directory == Path::new("/proc") && is_number(&entry.file_name().to_string_lossy());
        if process || APART.iter().any(|apart| path == Path::new(apart)) {
            continue;
        }
        if kind.is_dir() {
            count += writable(&path);
        } else if kind.is_file() && may_write(&path) && can_open(&path, OFlag::O_WRONLY) {
            count += 1;
        }
    }
    count
}

fn may_write(path: &Path) -> bool {
    faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

fn can_open(path: &Path, how: OFlag) -> bool {
    let flags = how | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    open(path, flags, Mode::empty()).is_ok()
}

/// Device nodes below that can be opened, or may be by their permissions.
fn openable(directory: &Path, open: bool) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            count += openable(&path, open);
        } else if kind.is_char_device() || kind.is_block_device() {
            let can = if open { can_open(&path, OFlag::O_RDONLY) } else { may_write(&path) };
            count += usize::from(can);
        }
    }
    count
}

/// Of [`DEVICES`], those that can be made and then opened.
fn made() -> usize {
    let place = Path::new("/looked");
    let opened = DEVICES.iter().filter(|(kind, major, minor)| {
        let made = mknod(place, *kind, Mode::S_IRUSR, makedev(*major, *minor)).is_ok();
        // ENXIO is no refusal: the device rules let it pass, and this machine has no such device.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let passed = !matches!(
            open(place, flags, Mode::empty()),
            Err(nix::errno::Errno::EPERM | nix::errno::Errno::EACCES | nix::errno::Errno::ENOENT)
        );
        drop(fs::remove_file(place));
        made && passed
    });
    opened.count()
}

/// Ways to the kernel's log: /dev/kmsg, /proc/kmsg, syslog(2).
fn kernel_log() -> usize {
    let files = ["/dev/kmsg", "/proc/kmsg"];
    let files = files.iter().filter(|file| can_open(Path::new(file), OFlag::O_RDONLY)).count();
    /// `SYSLOG_ACTION_SIZE_BUFFER` asks for the same leave as reading does.
    const SIZE: libc::c_int = 10;
    // SAFETY: this action takes no buffer.
    let size = unsafe { libc::klogctl(SIZE, std::ptr::null_mut(), 0) };
    files + usize::from(size > 0)
}

/// Ways by path to a directory that is not below our root: its parent, process 1's root, descriptors that we were given.
fn elsewhere() -> usize {
    let Ok(root) = fs::metadata("/") else { return 0 };
    let is_root = |path: &str| {
        let Ok(found) = fs::metadata(path) else { return true };
        (found.dev(), found.ino()) == (root.dev(), root.ino())
    };
    let by_path = ["/..", "/../../..", "/proc/1/root", "/proc/1/root/.."];
    let by_path = by_path.iter().filter(|path| !is_root(path)).count();
    let given = (3..64).map(|number| format!("/proc/self/fd/{number}"));
    by_path + given.filter(|path| fs::metadata(path).is_ok_and(|found| found.is_dir())).count()
}

fn connects(name: &str) -> bool {
    let address = SocketAddr::from_abstract_name(name.as_bytes());
    address.and_then(|address| UnixStream::connect_addr(&address)).is_ok()
}

fn handle_of(file: &str) -> Option<String> {
    let path = std::ffi::CString::new(file).ok()?;
    let mut handle = Handle { bytes: 128, kind: 0, content: [0; 128] };
    let mut mount = 0;
    // SAFETY: a C string, a live handle that says how large it is, and a live number.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            0,
        )
    };
    let content = handle.content.get(..usize::try_from(handle.bytes).ok()?)?;
    let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
    (answer == 0).then(|| format!("{}-{hex}", handle.kind))
}

/// Whether the file of this handle opens, from our root's filesystem or that of /run.
fn opens_by(handle: &str) -> bool {
    let Some(mut handle) = parse(handle) else { return false };
    ["/", "/run"].iter().any(|place| {
        let Ok(place) = fs::File::open(place) else { return false };
        // SAFETY: an open descriptor, and a live handle of the size that it says.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                place.as_raw_fd(),
                &raw mut handle,
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        answer >= 0
    })
}

fn parse(handle: &str) -> Option<Handle> {
    let (kind, hex) = handle.split_once('-')?;
    let mut parsed = Handle { bytes: 0, kind: kind.parse().ok()?, content: [0; 128] };
    for (place, digits) in parsed.content.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *place = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        parsed.bytes += 1;
    }
    Some(parsed)
}
