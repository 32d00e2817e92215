//! The guest's files: programs with the libraries they name, bundles, and the order.
//!
//! What a newcomer would get wrong: a program of a distribution names its libraries, and the guest has none; `ldd` says
//! which. Everything lies in the initramfs, uncompressed, which is the guest's page cache: nothing is read from a disk.

use super::order;
use crate::programs::Programs;
use crate::scene::{self, Seccomp};
use rrun_harness::cpio::Cpio;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The containers' root.
const ROOTFS: &str = "rootfs";

/// An initramfs under construction.
#[derive(Debug, Default)]
pub struct Freight {
    /// By the guest's path, without the first slash.
    files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    directories: BTreeSet<PathBuf>,
}

impl Freight {
    /// With all programs, as /bin/NAME, and the containers' root.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn of(programs: &Programs) -> Result<Self, String> {
        let mut freight = Self::default();
        for directory in ["dev", "proc", "sys", "run", "tmp", "new", "etc"] {
            freight.directories.insert(directory.into());
        }
        for directory in ["dev", "proc", "sys", "tmp"] {
            freight.directories.insert(Path::new(ROOTFS).join(directory));
        }
        freight.program("init", &programs.lane_i_guest)?;
        freight.program("bin/floor", &programs.floor)?;
        freight.program("bin/payload", &programs.payload)?;
        freight.program("bin/workload", &programs.workload)?;
        freight.program("bin/rrun", &programs.rrun)?;
        freight.program(&format!("{ROOTFS}/bin/true"), &programs.payload)?;
        freight.program(&format!("{ROOTFS}/bin/workload"), &programs.workload)?;
        let references = [("bin/runc", &programs.runc), ("bin/crun", &programs.crun)];
        for (name, program) in references {
            let Some(program) = program else { continue };
            freight.program(name, program)?;
            for library in libraries(program)? {
                let content = read(&library)?;
                let name = library.strip_prefix("/").unwrap_or(&library).to_owned();
                freight.put(name, 0o755, content);
            }
        }
        Ok(freight)
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
        config["process"]["args"] = json!(args);
        config["root"]["path"] = json!(format!("/{ROOTFS}"));
        config["linux"]["cgroupsPath"] = json!(format!("/bench-{name}"));
        change(&mut config);
        let place = Path::new("bundles").join(name).join("config.json");
        self.put(place, 0o644, config.to_string().into_bytes());
    }

    /// The order.
    ///
    /// # Errors
    /// It can't be written as JSON.
    pub fn order(&mut self, order: &order::Order) -> Result<(), String> {
        let text = serde_json::to_vec(order).map_err(|why| format!("the order: {why}"))?;
        self.put(order::FILE.trim_start_matches('/').into(), 0o644, text);
        Ok(())
    }

    /// The archive, parents before what is in them.
    #[must_use]
    pub fn archive(&self) -> Vec<u8> {
        let mut archive = Cpio::new();
        for directory in &self.directories {
            archive.directory(&directory.to_string_lossy());
        }
        archive.character("dev/console", 5, 1);
        for (name, (mode, content)) in &self.files {
            archive.file(&name.to_string_lossy(), *mode, content);
        }
        archive.finish()
    }

    fn program(&mut self, name: &str, program: &Path) -> Result<(), String> {
        let content = read(program)?;
        self.put(name.into(), 0o755, content);
        Ok(())
    }

    fn put(&mut self, name: PathBuf, mode: u32, content: Vec<u8>) {
        let parents = name.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
        self.directories.extend(parents.map(Path::to_owned));
        self.files.insert(name, (mode, content));
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|why| format!("read {}: {why}", file.display()))
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

    #[test]
    fn parents_come_before_what_is_in_them() {
        let mut freight = Freight::default();
        freight.put("a/b/c".into(), 0o644, b"x".to_vec());
        let archive = freight.archive();
        let place = |name: &[u8]| archive.windows(name.len()).position(|window| window == name);
        assert!(place(b"a\0") < place(b"a/b\0") && place(b"a/b\0") < place(b"a/b/c\0"));
    }
}
