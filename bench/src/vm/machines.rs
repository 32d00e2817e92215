//! The virtual machines that everything is compared with: one entry, [`Machines::ready`].
//!
//! ```text
//! QEMU, kernel, payload ──► initramfs ──► which accelerator works? ──► recipes and starts
//!                           kept by hash    kept until the next boot
//! ```
//!
//! What a newcomer would get wrong: a tuned guest alone would flatter virtual machines, a stock one flatter us; so there
//! are both, and one that is not booted at all.

use super::boot::{Took, boot};
use super::proof::{DEVICE, KVM_ANSWERS, Proof, TCG_ANSWERS, prove};
use super::template::Template;
use super::{Accelerator, Initramfs, Kernel, Model, QEMU, Recipe, cache, hash};
use rrun_harness::on_path;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A way in which a virtual machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// A microvm, an unpacked kernel, no self-tests.
    Microvm,
    /// A PC, tuned likewise.
    Q35,
    /// A PC that boots the distribution's kernel as it is, with nothing but `quiet`.
    Stock,
    /// The microvm, gone on with where a template was stopped.
    Restored,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Microvm, Self::Q35, Self::Stock, Self::Restored];

    /// As tables call it.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Microvm => "vm microvm",
            Self::Q35 => "vm q35",
            Self::Stock => "vm stock",
            Self::Restored => "vm restored",
        }
    }
}

/// What virtual machines are made of here.
#[derive(Debug)]
pub struct Machines {
    /// What executes them, and why.
    pub proof: Proof,
    /// QEMU's version, in its words.
    pub qemu: String,
    /// What they boot.
    pub kernel: Kernel,
    /// The payload as /init.
    pub initramfs: PathBuf,
    template: Mutex<Option<Arc<Template>>>,
}

impl Machines {
    /// What is needed, made or found, with `payload` as /init. Cheap the second time.
    ///
    /// # Errors
    /// A sentence that says what is missing and what to install.
    pub fn ready(payload: &Path) -> Result<Self, String> {
        let mut machines = Self::unproven(payload, Kernel::find)?;
        match remembered(&machines.key()) {
            Some(proof) => machines.proof = proof,
            None => machines.prove()?,
        }
        Ok(machines)
    }

    /// Proves again, whatever is remembered: for the beginning of a run.
    ///
    /// # Errors
    /// As [`Machines::ready`].
    pub fn proven_afresh(payload: &Path) -> Result<Self, String> {
        let mut machines = Self::unproven(payload, Kernel::find)?;
        machines.prove()?;
        Ok(machines)
    }

    /// With this kernel, emulated, whatever the machine could do.
    ///
    /// # Errors
    /// As [`Machines::ready`].
    pub fn unproven(
        payload: &Path,
        kernel: impl FnOnce() -> Result<Kernel, String>,
    ) -> Result<Self, String> {
        if !cfg!(target_arch = "x86_64") {
            return Err("virtual machines are measured on x86_64 only".to_owned());
        }
        if on_path(QEMU).is_none() {
            return Err(format!("{QEMU} is missing: apt-get install qemu-system-x86"));
        }
        let because = "nobody has asked for KVM".to_owned();
        Ok(Self {
            proof: Proof { accelerator: Accelerator::Tcg, because },
            qemu: version()?,
            kernel: kernel()?,
            initramfs: initramfs(payload)?,
            template: Mutex::default(),
        })
    }

    fn prove(&mut self) -> Result<(), String> {
        self.proof = prove(&self.recipe(Flavour::Microvm), Path::new(DEVICE));
        remember(&self.key(), &self.proof)
    }

    /// What executes them.
    #[must_use]
    pub fn accelerator(&self) -> Accelerator {
        self.proof.accelerator
    }

    /// How long a start may take before it is given up.
    #[must_use]
    pub fn patience(&self) -> Duration {
        if self.accelerator() == Accelerator::Kvm { KVM_ANSWERS * 4 } else { TCG_ANSWERS }
    }

    /// A tuned microvm with another /init, which is given `arguments`.
    #[must_use]
    pub fn microvm(&self, initramfs: PathBuf, arguments: &str) -> Recipe {
        Recipe::microvm(self.accelerator(), self.kernel.best().to_owned(), initramfs, arguments)
    }

    /// The machine of this flavour; its /init is the payload, which powers off (a template's does not).
    #[must_use]
    pub fn recipe(&self, flavour: Flavour) -> Recipe {
        let argument = if flavour == Flavour::Restored { "template" } else { "vm" };
        let tuned = self.microvm(self.initramfs.clone(), argument);
        match flavour {
            Flavour::Microvm | Flavour::Restored => tuned,
            Flavour::Q35 => Recipe { model: Model::Q35, ..tuned },
            Flavour::Stock => Recipe {
                model: Model::Q35,
                kernel: self.kernel.bzimage.clone(),
                append: format!("quiet -- {argument}"),
                ..tuned
            },
        }
    }

    /// One start. The first of a restored machine makes the template, too, outside of what is timed.
    ///
    /// # Errors
    /// A sentence that begins with the subject.
    pub fn start(&self, flavour: Flavour) -> Result<Took, String> {
        let named = |why: String| format!("{}: {why}", flavour.subject());
        if flavour == Flavour::Restored {
            return self.template().and_then(|made| made.restore(self.patience())).map_err(named);
        }
        if flavour == Flavour::Stock && !self.kernel.is_as_shipped() {
            let what = "its kernel is unpacked already, which no distribution ships";
            return Err(named(format!("{what}: {}", self.kernel.bzimage.display())));
        }
        boot(flavour.subject(), &self.recipe(flavour), self.patience())
    }

    /// The stopped machine, made once.
    ///
    /// # Errors
    /// A sentence.
    pub fn template(&self) -> Result<Arc<Template>, String> {
        let mut made = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = &*made {
            return Ok(template.clone());
        }
        let template = Template::make(self.recipe(Flavour::Restored), self.patience());
        let template = Arc::new(template.map_err(|why| format!("its template: {why}"))?);
        *made = Some(template.clone());
        Ok(template)
    }

    /// What the proof depends on: another boot, kernel, QEMU, payload or user may prove another thing.
    fn key(&self) -> String {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let device = fs::metadata(DEVICE).map_or(0, |device| device.mode());
        let user = nix::unistd::geteuid();
        let recipe = format!("{:?}", self.recipe(Flavour::Microvm).append);
        let all = [&boot, &self.kernel.hash, &self.qemu, &recipe, &format!("{device} {user}")];
        hash(format!("{all:?}{}", self.initramfs.display()).as_bytes())[..16].to_owned()
    }
}

fn version() -> Result<String, String> {
    let output = Command::new(QEMU).arg("--version").output();
    let output = output.map_err(|why| format!("{QEMU} --version: {why}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next().filter(|_| output.status.success());
    line.map(str::to_owned).ok_or_else(|| format!("{QEMU} --version: {}", output.status))
}

fn initramfs(payload: &Path) -> Result<PathBuf, String> {
    let archive = Initramfs::new(payload)?.finish();
    let place = cache()?.join(format!("payload-{}.cpio", &hash(&archive)[..16]));
    if !place.is_file() {
        keep(&place, &archive)?;
    }
    Ok(place)
}

fn place_of(key: &str) -> Result<PathBuf, String> {
    Ok(cache()?.join(format!("accelerator-{key}.json")))
}

fn remembered(key: &str) -> Option<Proof> {
    serde_json::from_slice(&fs::read(place_of(key).ok()?).ok()?).ok()
}

fn remember(key: &str, proof: &Proof) -> Result<(), String> {
    let text = serde_json::to_vec(proof).map_err(|why| why.to_string())?;
    keep(&place_of(key)?, &text)
}

/// Writes a file that others may be reading.
fn keep(place: &Path, content: &[u8]) -> Result<(), String> {
    let draft = place.with_extension(std::process::id().to_string());
    let kept = fs::write(&draft, content).and_then(|()| fs::rename(&draft, place));
    kept.map_err(|why| format!("write {}: {why}", place.display()))
}
