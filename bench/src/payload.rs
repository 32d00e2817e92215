//! The payload: /bin/true without a C library, so that what is measured is the runtime and not the program's start.
//!
//! `true` writes what CLOCK_MONOTONIC says, a struct timespec, and ends; `true pause` never ends. It refuses to do more.
//! What a newcomer would get wrong: nothing of Rust runs here, the linker drops all of it; there is only `_start`.

#![no_main]

// The stack begins with argc.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl _start",
    "_start:",
    "cmp qword ptr [rsp], 1",
    "jne 2f",
    "sub rsp, 16",
    "mov edi, 1", // CLOCK_MONOTONIC
    "mov rsi, rsp",
    "mov eax, 228", // clock_gettime
    "syscall",
    "mov edi, 1", // standard output
    "mov rsi, rsp",
    "mov edx, 16",
    "mov eax, 1", // write
    "syscall",
    "xor edi, edi",
    "mov eax, 231", // exit_group
    "syscall",
    "2: mov eax, 34", // pause
    "syscall",
    "jmp 2b",
);

// aarch64 has no pause(2): ppoll(NULL, 0, NULL, NULL) waits as long.
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".globl _start",
    "_start:",
    "ldr x9, [sp]",
    "cmp x9, #1",
    "b.ne 2f",
    "sub sp, sp, #16",
    "mov x0, #1", // CLOCK_MONOTONIC
    "mov x1, sp",
    "mov x8, #113", // clock_gettime
    "svc #0",
    "mov x0, #1", // standard output
    "mov x1, sp",
    "mov x2, #16",
    "mov x8, #64", // write
    "svc #0",
    "mov x0, #0",
    "mov x8, #94", // exit_group
    "svc #0",
    "2: mov x0, #0",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x8, #73", // ppoll
    "svc #0",
    "b 2b",
);
