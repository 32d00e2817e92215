//! The guest's kernel: the distribution's package, downloaded, not installed.
//!
//! Knows apt and dpkg-deb, which need no privileges for this. Refuses to use the running kernel: the guest's worth is
//! that it is the same everywhere. A newcomer would look for `modules.dep` in the package; depmod makes it at install.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Result;

/// An unpacked kernel package.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// As `uname -r` will say.
    pub release: String,
    /// The bootable image.
    pub image: PathBuf,
    /// `…/lib/modules/RELEASE`.
    pub modules: PathBuf,
}

/// Metapackages in order of preference: Debian 12's 6.12, whatever Debian has, Ubuntu's.
const METAPACKAGES: &[&str] =
    &["linux-image-6.12-amd64", "linux-image-amd64", "linux-image-virtual"];

impl Kernel {
    /// The kernel cached in `directory`, or a fresh download.
    ///
    /// # Errors
    /// What failed; without apt, that it needs Debian or Ubuntu.
    pub fn obtain(directory: &Path) -> Result<Kernel> {
        Self::packaged(&directory.join("kernel"), METAPACKAGES)
    }

    /// The kernel unpacked in `tree`, or a fresh download of the first of `metapackages` that apt knows.
    ///
    /// # Errors
    /// What failed; without apt, that it needs Debian or Ubuntu.
    pub fn packaged(tree: &Path, metapackages: &[&str]) -> Result<Kernel> {
        if let Ok(kernel) = Self::find(tree) {
            return Ok(kernel);
        }
        let partial = tree.with_extension(std::process::id().to_string());
        fs::create_dir_all(&partial).map_err(|e| format!("make {}: {e}", partial.display()))?;
        let made = download_and_unpack(&partial, metapackages).and_then(|()| {
            // A rename, so that an interrupted download is never taken for a kernel.
            drop(fs::remove_dir_all(tree));
            fs::rename(&partial, tree).map_err(|e| format!("rename {}: {e}", partial.display()))
        });
        drop(fs::remove_dir_all(&partial));
        made?;
        Self::find(tree)
    }

    fn find(tree: &Path) -> Result<Kernel> {
        let boot = tree.join("boot");
        let mut names: Vec<String> =
            names(&boot).filter(|name| name.starts_with("vmlinuz-")).collect();
        names.sort();
        let name =
            names.pop().ok_or_else(|| format!("there is no kernel in {}", boot.display()))?;
        let release = name.trim_start_matches("vmlinuz-").to_owned();
        // Debian 13 and Ubuntu have moved /lib to /usr/lib inside their packages.
        let modules =
            ["lib/modules", "usr/lib/modules"].iter().map(|lib| tree.join(lib).join(&release));
        let modules = modules.into_iter().find(|path| path.join("kernel").is_dir());
        let modules = modules.ok_or_else(|| format!("the package of {release} has no modules"))?;
        Ok(Kernel { image: boot.join(name), release, modules })
    }
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn download_and_unpack(into: &Path, metapackages: &[&str]) -> Result<()> {
    let packages = packages(metapackages)?;
    eprintln!("guest: downloading {}", packages.join(", "));
    let mut apt = Command::new("apt-get");
    apt.arg("download").args(&packages).current_dir(into);
    quiet(&mut apt)?;
    for deb in names(into).filter(|name| name.ends_with(".deb")).collect::<Vec<_>>() {
        quiet(Command::new("dpkg-deb").arg("-x").arg(into.join(&deb)).arg(into))?;
        fs::remove_file(into.join(&deb)).map_err(|e| format!("remove {deb}: {e}"))?;
    }
    let kernel = Kernel::find(into)?;
    // For modprobe inside the guest; boot itself reads the dependencies from the modules.
    if let Some(depmod) = crate::on_path("depmod") {
        let lib = kernel.modules.ancestors().nth(3).unwrap_or(into);
        quiet(Command::new(depmod).arg("-b").arg(lib).arg(&kernel.release))?;
    }
    Ok(())
}

/// The real packages behind the first metapackage that apt knows.
fn packages(metapackages: &[&str]) -> Result<Vec<String>> {
    for meta in metapackages {
        let image = depends(meta).into_iter().find(|name| {
            name.starts_with("linux-image-") && name.bytes().any(|byte| byte.is_ascii_digit())
        });
        let Some(image) = image else { continue };
        // Ubuntu keeps the modules in packages of their own, and 9p in -extra on some releases.
        let mut all: Vec<String> =
            depends(&image).into_iter().filter(|name| name.starts_with("linux-modules-")).collect();
        let release = image.trim_start_matches("linux-image-");
        let extra = format!("linux-modules-extra-{release}");
        if !all.is_empty() && !depends(&extra).is_empty() {
            all.push(extra);
        }
        all.push(image);
        return Ok(all);
    }
    Err("no kernel package found: this needs Debian's or Ubuntu's apt (try `apt-get update`)"
        .into())
}

fn depends(package: &str) -> Vec<String> {
    let mut apt = Command::new("apt-cache");
    apt.args(["depends", "--important", package]).stderr(Stdio::null());
    let Ok(output) = apt.output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| Some(line.trim().strip_prefix("Depends: ")?.to_owned()))
        .collect()
}

fn quiet(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
