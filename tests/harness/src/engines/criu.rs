//! CRIU from Debian's sid, with the libraries it was built for.
//!
//! Knows that the distribution's may be older than the kernel, whose vDSO it then does not recognise. Refuses to install.
//! A newcomer would unpack the program alone: it asks for a C library newer than this machine's, so it is started by the
//! loader that comes with that one.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::sets::Apt;
use crate::packages::target_directory;
use crate::runtime::unique;

/// The directory with the program `criu`, made at the first call.
///
/// # Errors
/// A sentence saying what is missing: the network, apt.
pub fn criu_directory() -> Result<PathBuf, String> {
    let cache = target_directory()?.join("engines");
    let tree = cache.join("criu");
    let made = || tree.join("bin/criu").is_file();
    if made() {
        return Ok(tree.join("bin"));
    }
    let told = |what: &str, e: std::io::Error| format!("criu from sid: {what}: {e}");
    fs::create_dir_all(&cache).map_err(|e| told("make the cache", e))?;
    // Tests ask at once; each would fetch all of it. Released with the file.
    let lock = File::create(cache.join("criu.lock"));
    let _lock =
        lock.and_then(|file| file.lock().map(|()| file)).map_err(|e| told("lock the cache", e))?;
    if made() {
        return Ok(tree.join("bin"));
    }
    let partial = cache.join(unique("partial"));
    let root = partial.join("root");
    let unpacked = fs::create_dir_all(root.join("bin"))
        .map_err(|e| told("make a directory", e))
        .and_then(|()| Apt::of("sid", &partial))
        .and_then(|apt| {
            let names = apt.everything(&["criu"])?;
            eprintln!("unpacking {} packages of sid for criu", names.len());
            apt.unpack(&names, &partial, &root)
        })
        .and_then(|()| {
            let libraries = format!("{}/usr/lib/{}-linux-gnu", tree.display(), std::env::consts::ARCH);
            let loader = fs::read_dir(root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH)))
                .map_err(|e| told("find the libraries", e))?
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .find(|name| name.starts_with("ld-linux"))
                .ok_or("criu from sid: there is no loader")?;
            let script = format!(
                "#!/bin/sh\nexec {libraries}/{loader} --library-path {libraries} {}/usr/sbin/criu \"$@\"\n",
                tree.display()
            );
            let program = root.join("bin/criu");
            fs::write(&program, script).map_err(|e| told("write a script", e))?;
            fs::set_permissions(&program, Permissions::from_mode(0o755))
                .map_err(|e| told("make it executable", e))?;
            fs::rename(&root, &tree).map_err(|e| told("keep it", e))
        });
    drop(fs::remove_dir_all(&partial));
    unpacked.map(|()| tree.join("bin"))
}

/// What CRIU lacks here, if it lacks something: `None` asks whether it works at all.
#[must_use]
pub fn criu_lacks(feature: Option<&str>) -> Option<String> {
    let directory = match criu_directory() {
        Ok(directory) => directory,
        Err(why) => return Some(why),
    };
    let mut command = Command::new(directory.join("criu"));
    command.arg("check");
    if let Some(feature) = feature {
        command.args(["--feature", feature]);
    }
    let output = command.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = said.lines().last().unwrap_or_default().to_owned();
            Some(format!("needs criu check {}: {last}", feature.unwrap_or_default()))
        }
        Err(error) => Some(format!("needs criu: {error}")),
    }
}
