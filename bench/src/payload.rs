//! The payload: the same program in a container and as a guest's /init, without a C library, so that what is measured is
//! what starts it and not its own start. Its first instruction reads the time stamp counter.
//!
//! | arguments | what it does |
//! | --- | --- |
//! | none | writes 24 bytes: what `CLOCK_MONOTONIC` says (a struct timespec), the counter of its first instruction; ends |
//! | `vm` | writes `READY tsc=<16 hexadecimal digits>` to port 0xe9, a byte at a time; powers off through port 0xf4 |
//! | `vm-pause` | writes READY likewise, then sleeps for ever |
//! | `template` | writes READY likewise, then empty lines for ever: it is what a restored machine goes on with |
//! | anything else | sleeps for ever |
//!
//! It refuses to do more. What a newcomer would get wrong: nothing of Rust runs here, the linker drops all of it; there
//! is only `_start`. And the ports need iopl(2), which a guest's /init may call and a container's payload may not.

#![no_main]

// The stack begins with argc and argv. r12 keeps the counter, rbx argv[1].
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl _start",
    "_start:",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mov r12, rax",
    "cmp qword ptr [rsp], 1",
    "jne 2f",
    "sub rsp, 24",
    "mov [rsp + 16], r12",
    "mov edi, 1", // CLOCK_MONOTONIC
    "mov rsi, rsp",
    "mov eax, 228", // clock_gettime
    "syscall",
    "mov edi, 1", // standard output
    "mov rsi, rsp",
    "mov edx, 24",
    "mov eax, 1", // write
    "syscall",
    "xor edi, edi",
    "mov eax, 231", // exit_group
    "syscall",
    "2: mov rbx, [rsp + 16]",
    "cmp word ptr [rbx], 0x6d76", // "vm"
    "je 3f",
    "cmp dword ptr [rbx], 0x706d6574", // "temp"
    "jne 9f",
    "3: mov edi, 3",
    "mov eax, 172", // iopl
    "syscall",
    "mov edx, 0xe9",
    "lea rsi, [rip + 10f]",
    "mov ecx, 10",
    "4: lodsb",
    "out dx, al",
    "dec ecx",
    "jnz 4b",
    "mov ecx, 16",
    "5: rol r12, 4",
    "mov eax, r12d",
    "and eax, 15",
    "cmp al, 10",
    "jb 6f",
    "add al, 39", // from behind '9' to 'a'
    "6: add al, 48",
    "out dx, al",
    "dec ecx",
    "jnz 5b",
    "7: mov al, 10",
    "out dx, al",
    "cmp byte ptr [rbx], 0x74", // "template"
    "jne 8f",
    // A breath between two bytes: a machine that only writes would keep both processors busy.
    "mov ecx, 256",
    "12: pause",
    "dec ecx",
    "jnz 12b",
    "jmp 7b",
    "8: cmp byte ptr [rbx + 2], 0", // "vm-pause" goes on
    "jne 9f",
    "mov al, 0x10",
    "mov edx, 0xf4",
    "out dx, al",
    "9: mov eax, 34", // pause
    "syscall",
    "jmp 9b",
    "10: .ascii \"READY tsc=\"",
);

// Guests are x86_64 only. aarch64 has no pause(2): ppoll(NULL, 0, NULL, NULL) waits as long.
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mrs x10, cntvct_el0",
    "ldr x9, [sp]",
    "cmp x9, #1",
    "b.ne 2f",
    "sub sp, sp, #32",
    "str x10, [sp, #16]",
    "mov x0, #1", // CLOCK_MONOTONIC
    "mov x1, sp",
    "mov x8, #113", // clock_gettime
    "svc #0",
    "mov x0, #1", // standard output
    "mov x1, sp",
    "mov x2, #24",
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
