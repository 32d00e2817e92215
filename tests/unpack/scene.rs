//! A directory per test, `rrun unpack` run in it, and what must be true afterwards.

use crate::archive::{Layer, Tar, layout};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A scratch directory with a file that no archive may touch; removed with the test.
pub struct Scene {
    pub at: PathBuf,
}

impl Scene {
    pub fn new(name: &str) -> Self {
        let at = std::env::temp_dir().join(format!("rrun-unpack-{name}-{}", std::process::id()));
        fs::create_dir_all(at.join("archive")).unwrap();
        fs::write(at.join("canary"), "alive").unwrap();
        Self { at }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// A path in the unpacked rootfs.
    pub fn inner(&self, name: &str) -> PathBuf {
        self.at.join("bundle/rootfs").join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.inner(name)).unwrap()
    }

    pub fn config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("bundle/config.json")).unwrap()).unwrap()
    }

    pub fn is_there(&self, name: &str) -> bool {
        fs::symlink_metadata(self.inner(name)).is_ok()
    }

    /// Writes an image layout of plain layers to `archive`.
    pub fn image(&self, layers: Vec<Tar>) -> &Self {
        let layers: Vec<Layer> = layers.into_iter().map(Layer::from).collect();
        layout(&self.path("archive"), &layers, &json!({"Cmd": ["sh"]}));
        self
    }

    pub fn unpack(&self, archive: &str) -> Output {
        self.command()
            .arg("unpack")
            .args([self.path(archive), self.path("bundle")])
            .output()
            .unwrap()
    }

    pub fn command(&self) -> Command {
        Command::new(env!("CARGO_BIN_EXE_rrun"))
    }

    /// Unpacks `archive`, which must work without a word.
    pub fn unpacked(&self, archive: &str) -> &Self {
        let output = self.unpack(archive);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
        self.assert_contained();
        self
    }

    /// Unpacks `archive`, which must fail with exactly one line that has `text`, and leave nothing.
    pub fn refused(&self, text: &str) {
        self.assert_refused(&self.unpack("archive"), text);
    }

    pub fn assert_refused(&self, output: &Output, text: &str) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(text), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(output.status.code(), Some(1));
        self.assert_nothing_left();
    }

    pub fn assert_nothing_left(&self) {
        for entry in fs::read_dir(&self.at).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.contains("bundle"), "{name} is left behind");
        }
        self.assert_contained();
    }

    /// Nothing outside the bundle was touched.
    pub fn assert_contained(&self) {
        assert_eq!(fs::read_to_string(self.path("canary")).unwrap(), "alive");
        for name in ["escaped", "archive/escaped"] {
            assert!(!self.path(name).try_exists().unwrap(), "{name}");
        }
        assert!(!Path::new("/escaped").try_exists().unwrap());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.at);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// Whether `what` can be tested here. If not, that is said aloud; under RRUN_TEST_STRICT it is a failure.
pub fn possible(what: &str, is_possible: bool) -> bool {
    if !is_possible {
        assert!(std::env::var_os("RRUN_TEST_STRICT").is_none(), "cannot test here: needs {what}");
        // Straight to the descriptor: libtest would swallow what a passing test prints.
        writeln!(std::io::stderr().lock(), "SKIPPED: needs {what}").unwrap();
    }
    is_possible
}

pub fn is_root() -> bool {
    possible("root", nix::unistd::Uid::effective().is_root())
}

/// Whether a program of the host can be run; `package` is what Debian calls it.
pub fn has(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    possible(&format!("{program}: apt-get install {package}"), found)
}
