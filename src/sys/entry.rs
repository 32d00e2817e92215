//! How the program begins: protected before the C library has started, and without the standard library's start-up.
//!
//! Two things cost more at the start of a short-lived program than they give. The protection of our executable
//! (`sealed`) executes it a second time; done from `rrun_start`, the ELF entry point, before the C library looks at
//! the processor (some forty CPUID instructions, each an exit to the hypervisor in a virtual machine), the first pass
//! costs five system calls. And std's `lang_start` reads /proc/self/maps to find a guard page that a program without
//! deep recursion does not miss; the macro [`crate::entry!`] makes the C `main` instead.
//!
//! What a newcomer would get wrong: code that runs before the C library may call nothing of it, not even `memcpy`: the
//! addresses of such functions are chosen at start-up and not yet known. `seal_early` is only a shortcut: whatever it
//! can't do it leaves to `sealed`, which checks and reports.

/// Makes the C `main` of a program from a function `fn() -> u8`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// The C entry point: prepares what std's start-up would, then calls the program's own.
        #[unsafe(no_mangle)]
        pub extern "C" fn main(_argc: i32, _argv: *const *const u8) -> i32 {
            let main: fn() -> u8 = $main;
            $crate::entry::prepare();
            i32::from(main())
        }
    };
}

/// What a program of ours relies on: descriptors 0 to 2 are open (or the next file opened would become a standard
/// stream), and a reader who has gone is an error, not a signal.
pub fn prepare() {
    let mut streams = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: three live pollfds; no timeout to wait for.
    unsafe { libc::poll(streams.as_mut_ptr(), 3, 0) };
    for stream in streams {
        if stream.revents & libc::POLLNVAL != 0 {
            // SAFETY: a static string. The lowest free number is the one that is missing.
            unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        }
    }
    // SAFETY: installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

#[cfg(target_arch = "x86_64")]
mod early {
    use core::arch::{asm, global_asm};

    // The kernel enters with the stack pointer at argc, argv, envp, and nothing else defined. They are shown to
    // `seal_early`; if it returns, the C library's own entry point finds everything as the kernel left it.
    global_asm!(
        ".globl rrun_start",
        ".type rrun_start, @function",
        "rrun_start:",
        "endbr64",
        "mov rbx, rsp",
        "mov r12, rdx",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {seal_early}",
        "mov rsp, rbx",
        "mov rdx, r12",
        "jmp _start",
        seal_early = sym seal_early,
    );

    /// The word of `struct statfs` that holds the flags, on x86-64.
    const STATFS_FLAGS: usize = 10;
    const ST_RDONLY: u64 = 1;
    static READ_ONLY: crate::mount::Attr =
        crate::mount::Attr { set: crate::mount::ATTR_RDONLY, clear: 0, propagation: 0, user_ns: 0 };

    /// # Safety
    /// As the call of this number.
    unsafe fn syscall(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
        let answer: isize;
        // SAFETY: the caller's, who names the call; the clobbers are those of the instruction.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") number as isize => answer,
                in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
                lateout("rcx") _, lateout("r11") _,
                options(nostack),
            );
        }
        answer
    }

    /// Executes this program again from a read-only mount of it, if a container is to be entered and it is not done yet.
    extern "C" fn seal_early(stack: *const usize) {
        // SAFETY: the kernel put argc there, and behind it argc pointers, a null, and the environment's.
        let (count, argv) = unsafe { (*stack, stack.add(1)) };
        let mut index = 1;
        // SAFETY: argv[1..argc] are NUL-terminated strings.
        while index < count && !unsafe { names_a_launch(*argv.add(index) as *const u8) } {
            index += 1;
        }
        if index >= count {
            return;
        }
        let exe = c"/proc/self/exe".as_ptr() as usize;
        let mut statfs = core::mem::MaybeUninit::<libc::statfs>::uninit();
        let words = statfs.as_mut_ptr().cast::<u64>();
        // SAFETY: a path, and room for the answer.
        let known = unsafe { syscall(libc::SYS_statfs, exe, words as usize, 0, 0, 0) };
        // SAFETY: the call succeeded, so it filled the struct, which is larger than eleven words.
        if known != 0 || unsafe { *words.add(STATFS_FLAGS) } & ST_RDONLY != 0 {
            return;
        }
        let (here, clone) = (libc::AT_FDCWD as usize, 1 | libc::O_CLOEXEC as usize);
        // SAFETY: a path; the answer is a descriptor.
        let tree = unsafe { syscall(libc::SYS_open_tree, here, exe, clone, 0, 0) };
        if tree < 0 {
            return;
        }
        let (tree, empty, itself) =
            (tree as usize, c"".as_ptr() as usize, libc::AT_EMPTY_PATH as usize);
        let (attr, size) = (&raw const READ_ONLY as usize, size_of::<crate::mount::Attr>());
        // SAFETY: a live struct mount_attr of this size.
        if unsafe { syscall(libc::SYS_mount_setattr, tree, empty, itself, attr, size) } == 0 {
            // SAFETY: argc pointers and a null; the environment follows that null, up to its own.
            let environment = unsafe { argv.add(count).add(1) } as usize;
            // SAFETY: both arrays as the kernel itself passed them.
            unsafe {
                syscall(libc::SYS_execveat, tree, empty, argv as usize, environment, itself);
            }
        }
        // SAFETY: the descriptor is ours. Whatever was refused is tried again, and reported, by `sealed`.
        unsafe { syscall(libc::SYS_close, tree, 0, 0, 0, 0) };
    }

    /// Whether an argument is the name of a verb that enters a container. One of that name that is no verb (an id, a
    /// path) costs the protection and nothing else.
    ///
    /// # Safety
    /// `text` is NUL-terminated.
    unsafe fn names_a_launch(text: *const u8) -> bool {
        // SAFETY: the caller's; comparing stops at the first difference, so at the latest at the end.
        unsafe {
            is(text, c"run".as_ptr().cast())
                || is(text, c"create".as_ptr().cast())
                || is(text, c"exec".as_ptr().cast())
        }
    }

    /// # Safety
    /// Both are NUL-terminated.
    unsafe fn is(text: *const u8, name: *const u8) -> bool {
        let mut index = 0;
        loop {
            // Volatile: a loop that the compiler understood would become a call of the C library.
            // SAFETY: every byte before this one was equal and not NUL, so neither text has ended.
            let (a, b) =
                unsafe { (text.add(index).read_volatile(), name.add(index).read_volatile()) };
            if a != b {
                return false;
            }
            if a == 0 {
                return true;
            }
            index += 1;
        }
    }
}
