//! The guest's files: programs with the libraries they name, bundles, and the order.
//!
//! What a newcomer would get wrong: a program of a distribution names its libraries, and the guest has none; `ldd` says
//! which. Everything lies in the initramfs, uncompressed, which is the guest's page cache: nothing is read from a disk.

use super::order;
use crate::programs::Programs;
use crate::scene::{self, Seccomp};
use crate::vm::Initramfs;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The containers' root.
const ROOTFS: &str = "rootfs";

/// What the guest boots with, under construction.
#[derive(Debug)]
pub struct Freight(Initramfs);

impl Freight {
    /// With all programs, as /bin/NAME, and the containers' root.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn of(programs: &Programs) -> Result<Self, String> {
        let mut files = Initramfs::new(&programs.lane_i_guest)?;
        for directory in ["proc", "sys", "run", "tmp", "new"] {
            files.directory(directory);
        }
        for directory in ["dev", "proc", "sys", "tmp"] {
            files.directory(&format!("{ROOTFS}/{directory}"));
        }
        files.copy(&programs.floor, "bin/floor")?.copy(&programs.rrun, "bin/rrun")?;
        // The same programs outside and inside.
        for root in ["", ROOTFS] {
            files.copy(&programs.payload, &format!("{root}/bin/true"))?;
            files.copy(&programs.workload, &format!("{root}/bin/workload"))?;
            files.copy(&programs.lane_i_guest, &format!("{root}/bin/aggressor"))?;
        }
        let mut there = BTreeSet::new();
        for (name, program) in [("bin/runc", &programs.runc), ("bin/crun", &programs.crun)] {
            let Some(program) = program else { continue };
            files.copy(program, name)?;
            for library in libraries(program)? {
                if there.insert(library.clone()) {
                    files.copy(&library, &library.to_string_lossy())?;
                }
            }
        }
        Ok(Self(files))
    }

    /// A bundle at /bundles/NAME, of Docker's configuration, as `change` leaves it.
    pub fn bundle(
        &mut self,
        name: &str,
        seccomp: Seccomp,
        args: &[&str],
        change: impl FnOnce(&mut Value),
    ) {
        let mut config = scene::configuration(name, seccomp);
        config["root"]["path"] = json!(format!("/{ROOTFS}"));
        config["process"]["args"] = json!(args);
        config["linux"]["cgroupsPath"] = json!(format!("/{}", cgroup(name)));
        change(&mut config);
        let place = format!("bundles/{name}/config.json");
        self.0.file(&place, 0o644, config.to_string().as_bytes());
    }

    /// Closes it with the order, and writes it.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write(mut self, order: &order::Order, place: &Path) -> Result<(), String> {
        let text = serde_json::to_vec(order).map_err(|why| format!("the order: {why}"))?;
        self.0.file(order::FILE, 0o644, &text);
        self.0.write(place)
    }
}

/// The cgroup of the bundle of this name.
#[must_use]
pub fn cgroup(bundle: &str) -> String {
    format!("bench-{bundle}")
}

/// The shared libraries of a program and its interpreter.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.map_err(|why| format!("ask ldd for libraries: {why}"))?;
    // Of a static program it says that it is none, and fails.
    Ok(paths(&String::from_utf8_lossy(&output.stdout)))
}

/// "libc.so.6 => /lib/libc.so.6 (0x…)", or the path alone: of each line the first word that is a path.
fn paths(said: &str) -> Vec<PathBuf> {
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(Into::into);
    said.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_the_interpreter_and_what_is_no_file() {
        let said = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f2f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f2f)\n";
        assert_eq!(
            paths(said),
            [Path::new("/lib/x/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")]
        );
        assert!(paths("\tstatically linked\n").is_empty());
    }
}
