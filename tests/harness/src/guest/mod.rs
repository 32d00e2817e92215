//! The guest: a virtual machine with a kernel and cgroups of our own, and the host's files.
//!
//! Knows how to make it from the distribution's kernel package and to run one command in it. Refuses disks, networks
//! and images: the root is the host's `/`, read-only over 9p, under a tmpfs overlay. A newcomer would trust /dev/kvm;
//! here it counts only after a real guest has answered under it.
//!
//! ```text
//! host: cargo xtask                               guest: guest-init, pid 1
//!   initramfs = init + modules + job.json  ─────►   loads modules, mounts, switches root
//!   QEMU's stdout  ◄── virtio-serial ────────────   RS "ready" RS, the command's output, RS "exit N" RS
//!   QEMU's stdin   ─── one byte ─────────────────►  everything was received: off through isa-debug-exit
//! ```

mod kernel;
mod modules;
mod qemu;
pub mod systemd;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cpio::Cpio;
use crate::harness_binary;
use crate::runtime::unique;

pub use kernel::Kernel;
pub use modules::{Module, load_order};
pub use qemu::Accelerator;

/// What separates the guest's own words from the command's output: ASCII "record separator", never in test output.
pub const RECORD: u8 = 0x1e;

/// The result of guest operations; errors are sentences for a person.
pub type Result<T> = std::result::Result<T, String>;

/// Modules without which the guest has no root file system and no voice.
const WANTED: &[&str] = &["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// Modules the container tests use; a kernel that has one built in, or not at all, is fine.
const WELCOME: &[&str] = &["veth", "dummy", "tun", "loop", "fuse", "virtio_rng"];

/// What the kernel's defaults would spoil: an interface that no test asked for.
const PARAMETERS: &[(&str, &str)] = &[("dummy", "numdummies=0")];

/// What the kernel is told for a file of tests: of the security modules that exclude each other AppArmor is the
/// distribution's choice, and each of the others needs a boot of its own.
#[must_use]
pub fn parameters(file: &str) -> &'static str {
    if file == "selinux" { "security=selinux selinux=1 enforcing=0" } else { "" }
}

/// A command for the guest.
#[derive(Debug, Clone)]
pub struct Job {
    /// The program and its arguments, found in the host's files.
    pub argv: Vec<String>,
    /// Variables beside the guest's own `PATH`, `HOME` and `TMPDIR`.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// Words for the kernel's command line, beside the guest's own.
    pub kernel: String,
    /// How long boot and command may take together.
    pub deadline: Duration,
    /// Whether init is systemd, and the command a service.
    pub systemd: bool,
}

impl Job {
    /// This command in the current directory, with five minutes.
    #[must_use]
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Job {
        Job {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            kernel: String::new(),
            deadline: Duration::from_secs(300),
            systemd: false,
        }
    }
}

/// How a job went.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// The command's exit code, 128 + n for a signal.
    pub code: i32,
    /// From QEMU's start to the command's start.
    pub boot: Duration,
}

/// A guest that can be started any number of times, also at the same time.
#[derive(Debug)]
pub struct Guest {
    kernel: Kernel,
    directory: PathBuf,
    accelerator: Accelerator,
    /// Why the accelerator is what it is, for the person reading.
    pub because: String,
}

impl Guest {
    /// Gets the kernel (cached in `directory`) and finds out what QEMU can use.
    ///
    /// # Errors
    /// A sentence saying what is missing and what to install.
    pub fn prepare(directory: &Path) -> Result<Guest> {
        fs::create_dir_all(directory).map_err(|e| format!("make {}: {e}", directory.display()))?;
        // Absolute, because the guest looks for its modules there.
        let directory =
            &directory.canonicalize().map_err(|e| format!("{}: {e}", directory.display()))?;
        let kernel = Kernel::obtain(directory)?;
        let mut guest = Guest {
            kernel,
            directory: directory.to_path_buf(),
            accelerator: Accelerator::Tcg,
            because: String::new(),
        };
        guest.because = match guest.try_kvm() {
            Ok(boot) => format!("KVM: a guest answered under it after {:.1} s", boot.as_secs_f64()),
            Err(why) => {
                guest.accelerator = Accelerator::Tcg;
                format!("TCG (emulation): KVM is not usable: {why}")
            }
        };
        Ok(guest)
    }

    /// The release of the guest's kernel.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.kernel.release
    }

    /// Boots, runs the job, and returns how it ended; its output goes to `sink` as it comes.
    ///
    /// # Errors
    /// The guest died, hung or could not be started; the sentence ends with the last lines of its console.
    pub fn run(&self, job: &Job, sink: &mut dyn Write) -> Result<Finished> {
        let own = self.directory.join(unique("boot"));
        fs::create_dir_all(&own).map_err(|e| format!("make {}: {e}", own.display()))?;
        let initramfs = own.join("initramfs");
        fs::write(&initramfs, self.initramfs(job)?)
            .map_err(|e| format!("write the initramfs: {e}"))?;
        let machine = qemu::Machine {
            accelerator: self.accelerator,
            kernel: &self.kernel.image,
            initramfs: &initramfs,
            parameters: &job.kernel,
            console: &own.join("console"),
        };
        let ended = machine.run(Instant::now() + job.deadline, sink);
        drop(fs::remove_dir_all(&own));
        ended
    }

    /// /dev/kvm that opens and even a QEMU that starts prove nothing on nested machines: a guest has to answer.
    fn try_kvm(&mut self) -> Result<Duration> {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .map_err(|error| format!("/dev/kvm: {error}"))?;
        self.accelerator = Accelerator::Kvm;
        let mut job = Job::new(["/bin/true"]);
        job.deadline = Duration::from_secs(12);
        self.run(&job, &mut std::io::sink())
            .map(|finished| finished.boot)
            .map_err(|why| why.lines().take(2).collect::<Vec<_>>().join(": "))
    }

    fn initramfs(&self, job: &Job) -> Result<Vec<u8>> {
        let init = harness_binary("guest-init");
        let init = fs::read(&init).map_err(|e| format!("read {}: {e}", init.display()))?;
        let mut archive = Cpio::new();
        for directory in ["dev", "proc", "sys", "host", "over", "new", "modules"] {
            archive.directory(directory);
        }
        archive.character("dev/console", 5, 1);
        archive.file("init", 0o755, &init);
        let mut order = Vec::new();
        for module in load_order(&self.kernel.modules, WANTED, WELCOME)? {
            let name = format!("modules/{:02}-{}.ko", order.len(), module.name);
            archive.file(&name, 0o644, &module.content);
            let parameters =
                PARAMETERS.iter().find(|(of, _)| *of == module.name).map_or("", |(_, text)| text);
            order.push(json!([format!("/{name}"), parameters]));
        }
        let job = json!({
            "modules": order,
            "modules_directory": self.kernel.modules.to_string_lossy(),
            "argv": job.argv,
            "env": job.env,
            "cwd": job.cwd.to_string_lossy(),
            "systemd": job.systemd,
        });
        archive.file("job.json", 0o644, job.to_string().as_bytes());
        Ok(archive.finish())
    }
}
