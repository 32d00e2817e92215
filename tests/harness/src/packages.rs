//! Real services: root file systems unpacked from the distribution's packages.
//!
//! Knows apt and dpkg-deb, which need no privileges for this, and keeps what it made in cargo's target directory, where
//! the guest finds it, too. Refuses to run maintainers' scripts: a test brings its own user and configuration.
//! A newcomer would take a package's whole closure; half of it is there to *install* things.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::busybox;
use crate::runtime::unique;

/// What a service runs with, beside itself: libraries, and the time zones that several ask for.
const TAKEN: &[&str] = &["lib", "zlib", "tzdata"];

/// Large libraries that are optional (LLVM and its solver compile queries), or serve maintainers' scripts only.
const LEFT_OUT: &[&str] = &["libllvm", "libz3", "libperl"];

/// Where a container's mounts go, and what its own user gets a tmpfs on.
const DIRECTORIES: &[&str] =
    &["bin", "dev", "etc", "proc", "root", "run", "srv", "sys", "tmp", "var/lib", "var/log"];

/// A tree with `package`, the libraries it needs and busybox as its shell; made at the first call, read-only by custom.
///
/// # Errors
/// A sentence saying what is missing: the network, apt, a busybox.
pub fn service_tree(package: &str) -> Result<PathBuf, String> {
    let cache = target_directory()?.join("services");
    let tree = cache.join(package);
    if tree.is_dir() {
        return Ok(tree);
    }
    let partial = cache.join(unique("partial"));
    fs::create_dir_all(&partial).map_err(|e| format!("make {}: {e}", partial.display()))?;
    let root = partial.join("root");
    // A rename, so that an interrupted download is never taken for a tree; who comes second finds it made.
    let made = unpack(package, &partial, &root).and_then(|()| furnish(&root)).and_then(|()| {
        fs::rename(&root, &tree)
            .or_else(|e| if tree.is_dir() { Ok(()) } else { Err(e.to_string()) })
    });
    drop(fs::remove_dir_all(&partial));
    made.map(|()| tree).map_err(|why| format!("{package} from the distribution's packages: {why}"))
}

/// The directory that cargo marks as its own, above the running executable.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let exe = env::current_exe().map_err(|e| format!("find the running executable: {e}"))?;
    let marked = exe.ancestors().find(|directory| directory.join("CACHEDIR.TAG").is_file());
    marked.map(Path::to_owned).ok_or_else(|| format!("{} is in no target directory", exe.display()))
}

fn unpack(package: &str, partial: &Path, root: &Path) -> Result<(), String> {
    let names = closure(package)?;
    eprintln!("unpacking {} packages for {package}", names.len());
    output(Command::new("apt-get").arg("-q").arg("download").args(&names).current_dir(partial))?;
    let entries = fs::read_dir(partial).map_err(|e| e.to_string())?;
    let debs = entries.flatten().map(|entry| entry.path());
    for deb in debs.filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
        output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
    }
    Ok(())
}

/// The names of the packages, as if nothing were installed.
fn closure(package: &str) -> Result<Vec<String>, String> {
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-qq", "--print-uris", "--no-install-recommends"]);
    apt.args(["-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache::archives=/nonexistent/"]);
    let listed = output(apt.args(["-o", "Debug::NoLocking=1", package]))?;
    // 'URI' NAME_VERSION_ARCH.deb SIZE HASH
    let names = listed.lines().filter_map(|line| line.split(' ').nth(1)?.split('_').next());
    let starts = |name: &str, any: &[&str]| any.iter().any(|start| name.starts_with(start));
    let names = names.filter(|name| starts(name, TAKEN) || name.starts_with(package));
    let names: Vec<_> = names.filter(|name| !starts(name, LEFT_OUT)).map(str::to_owned).collect();
    if names.is_empty() { Err("apt knows no such package".into()) } else { Ok(names) }
}

/// Mount points, a shell, and the links of a merged /usr where the packages rely on them.
fn furnish(root: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let shell = busybox().ok_or("there is no static busybox (package busybox-static)")?;
    for directory in DIRECTORIES {
        fs::create_dir_all(root.join(directory)).map_err(told)?;
    }
    for name in ["lib", "lib64", "sbin"] {
        if fs::symlink_metadata(root.join(name)).is_err() {
            symlink(format!("usr/{name}"), root.join(name)).map_err(told)?;
        }
    }
    let busybox = root.join("bin/busybox");
    fs::copy(shell, &busybox).map_err(told)?;
    fs::set_permissions(&busybox, Permissions::from_mode(0o755)).map_err(told)?;
    symlink("busybox", root.join("bin/sh")).map_err(told)
}

/// What a program wrote to its end; an error is its name, its status and its own words.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{program}: {}: {}", output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
