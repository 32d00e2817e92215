//! The command line of a QEMU.
//!
//! What a newcomer would get wrong: a microvm loads SeaBIOS and tables that Debian's kernel hangs on under emulation,
//! unless `acpi=off` takes them away, and with `rtc=off` it hangs again.

use crate::process;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The processor, through /dev/kvm.
    Kvm,
    /// QEMU's emulation.
    Tcg,
    /// QEMU's emulation, which counts: the time stamp counter is the number of instructions that were executed.
    Icount,
}

/// The machine that is emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// QEMU's smallest: no PCI, no ACPI, qboot as its firmware.
    Microvm,
    /// A PC.
    Q35,
}

/// Everything that makes a guest what it is.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The program; [`QEMU`], unless a test has another.
    pub qemu: PathBuf,
    /// What executes it.
    pub accelerator: Accelerator,
    /// The machine.
    pub model: Model,
    /// A bzImage, or an ELF vmlinux that QEMU enters directly (PVH).
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The kernel's command line; what follows `--` are /init's arguments.
    pub append: String,
    /// MiB; Debian's kernel panics below 128.
    pub memory: u32,
    /// Virtual processors.
    pub processors: u32,
    /// Further arguments: disks, networks, a template of the memory.
    pub extra: Vec<String>,
    /// Joined to `-M`: ",memory-backend=mem".
    pub machine: String,
}

/// The program.
pub const QEMU: &str = "qemu-system-x86_64";

/// What every tuned guest is booted with. `cryptomgr.notests`: the distribution kernel's self-tests of its ciphers are
/// two thirds of a boot's instructions; nothing else on the command line is worth a hundredth.
pub const TUNED: &str = "panic=-1 reboot=t quiet cryptomgr.notests";

impl Recipe {
    /// A microvm of one processor and 128 MiB with the tuned command line, whose /init is given `arguments`.
    #[must_use]
    pub fn microvm(
        accelerator: Accelerator,
        kernel: PathBuf,
        initramfs: PathBuf,
        arguments: &str,
    ) -> Self {
        Self {
            qemu: QEMU.into(),
            accelerator,
            model: Model::Microvm,
            kernel,
            initramfs,
            append: format!("{TUNED} -- {arguments}"),
            memory: 128,
            processors: 1,
            extra: Vec::new(),
            machine: String::new(),
        }
    }

    /// The whole command line; stdin is empty, stdout is the guest's voice, stderr is QEMU's.
    #[must_use]
    pub fn command(&self) -> Command {
        // It would emulate an idle machine for ever.
        let mut command = Command::new(&self.qemu);
        process::bound_to_us(&mut command);
        let model = match self.model {
            Model::Microvm => "microvm,acpi=off,isa-serial=off,x-option-roms=off",
            Model::Q35 => "q35",
        };
        command.arg("-M").arg(format!("{model}{}", self.machine));
        match self.accelerator {
            Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
            Accelerator::Tcg => command.args(["-accel", "tcg,thread=single"]),
            Accelerator::Icount => {
                command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"])
            }
        };
        command.arg("-m").arg(self.memory.to_string());
        command.arg("-smp").arg(self.processors.to_string());
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.args(["-chardev", "stdio,id=voice,signal=off"]);
        command.args(["-device", "isa-debugcon,iobase=0xe9,chardev=voice"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        command.arg("-append").arg(&self.append).args(&self.extra);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}
