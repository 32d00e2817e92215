//! The floor: the least that the kernel can be asked for a container, so that every runtime has something to be measured
//! against. `floor ROOTFS`: six namespaces, seven mounts, six device nodes, pivot_root, exec of /bin/true, wait.
//!
//! It refuses everything else: no configuration, no cgroup, no state, no masks, no seccomp, no protection of itself, and
//! of an error only its step. What a newcomer would get wrong: the old mount API is chosen for its one call where the
//! new one takes four. Whoever cleans up does it by ending: the namespaces take the mounts with them.

#![no_main]

use libc::{c_char, c_int, c_ulong, c_void};
use std::ffi::CStr;
use std::ptr::null;

const NAMESPACES: c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

const QUIET: c_ulong = libc::MS_NOSUID | libc::MS_NOEXEC | libc::MS_NODEV;

/// Type, place and flags, options: Docker's seven.
const MOUNTS: [(&CStr, &CStr, c_ulong, &CStr); 7] = [
    (c"proc", c"proc", QUIET, c""),
    (c"tmpfs", c"dev", libc::MS_NOSUID | libc::MS_STRICTATIME, c"mode=755,size=65536k"),
    (c"devpts", c"dev/pts", libc::MS_NOSUID | libc::MS_NOEXEC, c"newinstance,ptmxmode=0666"),
    (c"sysfs", c"sys", QUIET | libc::MS_RDONLY, c""),
    (c"cgroup2", c"sys/fs/cgroup", QUIET | libc::MS_RDONLY, c""),
    (c"mqueue", c"dev/mqueue", QUIET, c""),
    (c"tmpfs", c"dev/shm", QUIET, c"mode=1777,size=65536k"),
];

/// Directories in the new /dev that mounts need.
const DIRECTORIES: [&CStr; 3] = [c"dev/pts", c"dev/mqueue", c"dev/shm"];

const NODES: [(&CStr, u32, u32); 6] = [
    (c"dev/null", 1, 3),
    (c"dev/zero", 1, 5),
    (c"dev/full", 1, 7),
    (c"dev/random", 1, 8),
    (c"dev/urandom", 1, 9),
    (c"dev/tty", 5, 0),
];

/// Ends with the number of the step that failed.
fn check(answer: libc::c_long, step: c_int) {
    if answer < 0 {
        // SAFETY: a number; the call does not return.
        unsafe { libc::_exit(step) }
    }
}

/// The C library calls this one; Rust's own start-up would be no part of the floor.
///
/// # Safety
/// `arguments` points to `count` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    if count != 2 {
        return 2;
    }
    // SAFETY: there are two.
    let rootfs = unsafe { *arguments.add(1) };
    let request: [u64; 8] = [NAMESPACES as u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
    // SAFETY: a live struct clone_args of the size given, without CLONE_VM: the child has this memory for itself, and
    // this process has one thread, so the child may call anything.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, request.as_ptr(), size_of_val(&request)) };
    check(pid, 3);
    if pid == 0 {
        // SAFETY: a C string of the arguments.
        unsafe { contained(rootfs) }
    }
    let mut status = 0;
    // SAFETY: a live number that the call fills.
    check(unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, 0) }.into(), 4);
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 5 }
}

/// The child's life.
///
/// # Safety
/// `rootfs` is a C string.
unsafe fn contained(rootfs: *const c_char) -> ! {
    // SAFETY: every pointer is a C string constant, `rootfs`, null where the call takes null, or an
    // array that ends with null; the calls read them.
    unsafe {
        let none: *const c_char = null();
        let mount = |source, target, kind, flags, options: *const c_void| {
            check(libc::mount(source, target, kind, flags, options).into(), 10);
        };
        mount(none, c"/".as_ptr(), none, libc::MS_PRIVATE | libc::MS_REC, null());
        mount(rootfs, rootfs, none, libc::MS_BIND, null());
        check(libc::chdir(rootfs).into(), 11);
        for (kind, place, flags, options) in MOUNTS {
            if DIRECTORIES.contains(&place) {
                check(libc::mkdir(place.as_ptr(), 0o755).into(), 12);
            }
            mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast());
        }
        for (path, major, minor) in NODES {
            let device = libc::makedev(major, minor);
            check(libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, device).into(), 13);
        }
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()), 14);
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into(), 15);
        check(libc::chdir(c"/".as_ptr()).into(), 16);
        let program = c"/bin/true".as_ptr();
        libc::execve(program, [program, null()].as_ptr(), [null()].as_ptr());
        libc::_exit(17)
    }
}
