//! The kernel that guests boot.
//!
//! ```text
//! $RRUN_BENCH_KERNEL        a bzImage or a vmlinux; missing or no kernel: an error, never another kernel instead
//! the distribution's        linux-image-cloud-amd64, linux-image-virtual: downloaded, not installed; with its modules
//! /boot/vmlinuz-*           the newest that we may read
//!       │
//!       └─► unpacked to an ELF vmlinux, kept by its hash
//! ```
//!
//! What a newcomer would get wrong: Ubuntu's kernels in /boot are readable for root alone, and a kernel without its
//! modules is good for a start, but has neither disk nor network.

use super::bzimage;
use rrun_harness::guest;
use rrun_harness::workspace;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The variable that names a kernel.
pub const NAMED: &str = "RRUN_BENCH_KERNEL";

/// What distributions call the kernel that they build for virtual machines, and then the one for everything.
const METAPACKAGES: &[&str] =
    &["linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64"];

/// A kernel for guests.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// As `uname -r` will say.
    pub release: String,
    /// As it was found: packed, unless a vmlinux was named.
    pub bzimage: PathBuf,
    /// Unpacked, if that is possible and QEMU can enter it.
    pub vmlinux: Option<PathBuf>,
    /// Why there is no `vmlinux`.
    pub packed_because: Option<String>,
    /// `…/lib/modules/RELEASE`, if they are at hand.
    pub modules: Option<PathBuf>,
    /// SHA-256 of the file that was found.
    pub hash: String,
    /// Where it came from, for the person reading.
    pub source: String,
}

impl Kernel {
    /// The kernel of this machine.
    ///
    /// # Errors
    /// A sentence that lists what was looked for.
    pub fn find() -> Result<Self, String> {
        if let Some(named) = std::env::var_os(NAMED) {
            return Self::named(Path::new(&named));
        }
        let cache = cache()?;
        let refused = match guest::Kernel::packaged(&cache.join("kernel"), METAPACKAGES) {
            Ok(package) => {
                let mut kernel = Self::of(&package.image, &cache)?;
                kernel.release = package.release;
                kernel.modules = Some(package.modules);
                kernel.source = "the distribution's package".to_owned();
                return Ok(kernel);
            }
            Err(why) => why,
        };
        let installed = newest_readable(Path::new("/boot"));
        let installed = installed.ok_or_else(|| {
            format!(
                "there is no kernel for guests: ${NAMED} is not set, no package could be had \
                 ({refused}), and no /boot/vmlinuz-* is readable"
            )
        })?;
        Self::of(&installed, &cache)
    }

    /// The kernel in this file, and no other.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn named(file: &Path) -> Result<Self, String> {
        Self::of(file, &cache()?).map_err(|why| format!("${NAMED}: {why}"))
    }

    /// What QEMU is given: the unpacked kernel if there is one.
    #[must_use]
    pub fn best(&self) -> &Path {
        self.vmlinux.as_deref().unwrap_or(&self.bzimage)
    }

    /// Whether it was found as distributions ship it, and not unpacked already.
    #[must_use]
    pub fn is_as_shipped(&self) -> bool {
        self.vmlinux.as_ref() != Some(&self.bzimage)
    }

    fn of(file: &Path, cache: &Path) -> Result<Self, String> {
        let told = |what: String| format!("{}: {what}", file.display());
        let image = fs::read(file).map_err(|why| told(why.to_string()))?;
        let packed = bzimage::is_bzimage(&image);
        if !packed && !bzimage::has_pvh_entry(&image) {
            let what = "neither a bzImage nor a vmlinux that QEMU could enter: no kernel";
            return Err(told(what.to_owned()));
        }
        let hash = hash(&image);
        let vmlinux = if packed { unpacked(&image, &hash, cache) } else { Ok(file.to_owned()) };
        let release = bzimage::release(&image);
        let release = release.unwrap_or_else(|| "unknown".to_owned());
        let modules = Path::new("/lib/modules").join(&release);
        Ok(Self {
            modules: modules.is_dir().then_some(modules),
            release,
            bzimage: file.to_owned(),
            packed_because: vmlinux.as_ref().err().cloned(),
            vmlinux: vmlinux.ok(),
            hash,
            source: file.display().to_string(),
        })
    }
}

/// Where kernels and what is known of them are kept between runs: beside the tests' guest, in cargo's target directory.
///
/// # Errors
/// It can't be made.
pub fn cache() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |target| workspace().join(target));
    let cache = target.join("guest").join("bench");
    fs::create_dir_all(&cache).map_err(|why| format!("make {}: {why}", cache.display()))?;
    cache.canonicalize().map_err(|why| format!("{}: {why}", cache.display()))
}

/// SHA-256, in hexadecimal.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The vmlinux of `image`, unpacked once.
fn unpacked(image: &[u8], hash: &str, cache: &Path) -> Result<PathBuf, String> {
    let place = cache.join(format!("vmlinux-{}", &hash[..16]));
    if place.is_file() {
        return Ok(place);
    }
    let elf = bzimage::unpack(image)?;
    if !bzimage::has_pvh_entry(&elf) {
        return Err("the kernel has no PVH entry (CONFIG_PVH)".to_owned());
    }
    // A rename, so that an interrupted run leaves no half kernel behind.
    let draft = cache.join(format!("vmlinux.{}", std::process::id()));
    let kept = fs::write(&draft, elf).and_then(|()| fs::rename(&draft, &place));
    kept.map_err(|why| format!("write {}: {why}", place.display()))?;
    Ok(place)
}

fn newest_readable(boot: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(boot).into_iter().flatten().flatten();
    let images = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with("vmlinuz-")) && fs::File::open(path).is_ok()
    });
    images.max_by_key(|path| numbers(&path.to_string_lossy()))
}

/// The numbers in a name: 6.10 is newer than 6.9.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_missing_is_named() {
        let why = Kernel::named(Path::new("/nowhere/vmlinuz")).unwrap_err();
        assert!(why.starts_with("$RRUN_BENCH_KERNEL: /nowhere/vmlinuz: "), "{why}");
    }

    #[test]
    fn a_file_that_is_no_kernel_is_named() {
        let why = Kernel::named(Path::new("/proc/self/exe")).unwrap_err();
        assert!(why.contains("/proc/self/exe: neither a bzImage nor a vmlinux"), "{why}");
    }

    #[test]
    fn the_newest_has_the_highest_numbers() {
        assert!(numbers("vmlinuz-6.10.1-amd64") > numbers("vmlinuz-6.9.12-amd64"));
    }
}
