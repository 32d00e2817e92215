//! Root file systems as text: `rootfs-fixtures/trees/*.tree`.
//!
//! Knows one line per entry (the format is in `rootfs-fixtures/README.md`); refuses archives, which nobody can review.
//! A newcomer would get wrong that links are made last-write-wins and never followed: a hostile tree must not be able
//! to make this code write outside of it, so every parent is checked to be a real directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::Must;
use crate::place::{busybox, harness_binary, workspace};

const APPLETS: &[&str] = &[
    "cat", "chmod", "chown", "dd", "echo", "env", "false", "grep", "head", "hostname", "httpd",
    "id", "ip", "kill", "ln", "ls", "mkdir", "mknod", "mount", "nc", "ps", "pwd", "rm", "sh",
    "sleep", "stat", "stty", "test", "touch", "true", "tty", "umount", "wc", "wget",
];

/// Makes the tree `name` of the fixtures at `root`.
#[track_caller]
pub(crate) fn plant(name: &str, root: &Path) {
    let file = workspace().join("rootfs-fixtures/trees").join(format!("{name}.tree"));
    let text = fs::read_to_string(&file).must(&format!("read {}", file.display()));
    fs::create_dir_all(root).must("make the rootfs");
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(why) = entry(line, root) {
            panic!("{}:{}: {why}: {line:?}", file.display(), n + 1);
        }
    }
}

fn entry(line: &str, root: &Path) -> Result<(), String> {
    let mut words = line.splitn(3, ' ');
    let (kind, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let rest = words.next().unwrap_or_default();
    let at = inside(root, path)?;
    let told = |error: std::io::Error| error.to_string();
    match kind {
        "dir" => fs::create_dir_all(&at).and_then(|()| mode(&at, rest, 0o755)).map_err(told),
        "file" => {
            let (bits, content) = rest.split_once(' ').unwrap_or((rest, ""));
            fs::write(&at, content.replace("\\n", "\n"))
                .and_then(|()| mode(&at, bits, 0o644))
                .map_err(told)
        }
        "link" => symlink(rest, &at).map_err(told),
        "fifo" => mkfifo(&at, Mode::from_bits_truncate(0o644)).map_err(|e| e.to_string()),
        "probe" => program(&harness_binary("probe"), &at).map_err(told),
        "busybox" => match busybox() {
            // Without it the tree is poorer; the tests that need a shell say so with `requires!(busybox)`.
            None => Ok(()),
            Some(found) => program(&found, &at.join("busybox")).map_err(told).and_then(|()| {
                APPLETS.iter().try_for_each(|name| symlink("busybox", at.join(name)).map_err(told))
            }),
        },
        other => Err(format!("unknown kind {other:?}")),
    }
}

fn program(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))
}

fn mode(at: &Path, octal: &str, default: u32) -> std::io::Result<()> {
    let bits = u32::from_str_radix(octal, 8).unwrap_or(default);
    fs::set_permissions(at, Permissions::from_mode(bits))
}

/// `path` below `root`, when no component leads out of it and no parent is a link.
fn inside(root: &Path, path: &str) -> Result<PathBuf, String> {
    let mut at = root.to_path_buf();
    for part in Path::new(path).components() {
        let Component::Normal(name) = part else { return Err("not a plain relative path".into()) };
        if fs::symlink_metadata(&at).is_ok_and(|found| found.is_symlink()) {
            return Err("a parent of the entry is a link".into());
        }
        at.push(name);
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_never_leave_the_tree() {
        let root = std::env::temp_dir().join(format!("rrun-tree-{}", std::process::id()));
        fs::create_dir_all(&root).must("make a directory");
        entry("link out /etc", &root).must("make a link");
        assert!(entry("file out/passwd 644 x", &root).is_err());
        assert!(entry("dir ../up 755", &root).is_err());
        fs::remove_dir_all(&root).must("remove it");
    }
}
