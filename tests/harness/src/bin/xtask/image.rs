//! A real image for the demonstration: from a registry when one answers, else made of Debian's busybox.
//!
//! Knows the OCI image layout (image-spec, image-layout.md) as far as one layer needs it, written with tar and
//! sha256sum. Refuses to pretend: what it returns says where the image came from. A newcomer would forget that the
//! configuration's `diff_ids` name the *uncompressed* layer; this layer is not compressed, so both digests are the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rrun_harness::on_path;
use serde_json::{Value, json};

use crate::Result;

const REGISTRY_IMAGE: &str = "docker.io/library/busybox:stable";

const APPLETS: &[&str] = &[
    "cat", "echo", "grep", "head", "hostname", "id", "ls", "mount", "ps", "sh", "sleep", "true",
    "wc",
];

/// An OCI archive and where it came from, in words.
pub(crate) struct Image {
    pub(crate) archive: PathBuf,
    pub(crate) origin: String,
}

/// An image in `directory`.
pub(crate) fn obtain(directory: &Path) -> Result<Image> {
    let archive = directory.join("image.tar");
    match from_registry(&archive) {
        Ok(()) => Ok(Image { archive, origin: format!("skopeo copy docker://{REGISTRY_IMAGE}") }),
        Err(why) => {
            from_packages(directory, &archive)?;
            Ok(Image {
                archive,
                origin: format!("Debian's busybox-static as an OCI archive ({why})"),
            })
        }
    }
}

fn from_registry(archive: &Path) -> Result<()> {
    let skopeo = on_path("skopeo").ok_or("skopeo is not installed")?;
    let source = format!("docker://{REGISTRY_IMAGE}");
    let answers = |seconds: &str, args: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg(seconds).arg(&skopeo).args(args).stdin(Stdio::null());
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !answers("5", &["inspect", "--raw", &source]) {
        return Err("no registry answered within 5 s".into());
    }
    drop(fs::remove_file(archive));
    let target = format!("oci-archive:{}:demo", archive.display());
    if answers("120", &["copy", "--quiet", &source, &target]) {
        Ok(())
    } else {
        Err("the registry broke off".into())
    }
}

fn from_packages(directory: &Path, archive: &Path) -> Result<()> {
    let (root, layout) = (directory.join("image-root"), directory.join("image-layout"));
    for old in [&root, &layout] {
        drop(fs::remove_dir_all(old));
    }
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|e| format!("make {}: {e}", blobs.display()))?;
    plant(directory, &root)?;
    let layer = layout.join("layer");
    tar(&layer, &root)?;
    let layer = store(&blobs, &layer, "application/vnd.oci.image.layer.v1.tar")?;
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "WorkingDir": "/" },
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config = store_json(&blobs, &layout, &config, "application/vnd.oci.image.config.v1+json")?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] });
    let mut manifest = store_json(&blobs, &layout, &manifest, kind)?;
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "demo" });
    manifest["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    write(&layout.join("index.json"), &json!({ "schemaVersion": 2, "manifests": [manifest] }))?;
    write(&layout.join("oci-layout"), &json!({ "imageLayoutVersion": "1.0.0" }))?;
    tar(archive, &layout)
}

/// A root file system of the package's busybox.
fn plant(directory: &Path, root: &Path) -> Result<()> {
    let package = directory.join("package");
    drop(fs::remove_dir_all(&package));
    let told = |what: &'static str| move |e: std::io::Error| format!("{what}: {e}");
    fs::create_dir_all(&package).map_err(told("make a directory for the package"))?;
    run(Command::new("apt-get").args(["download", "busybox-static"]).current_dir(&package))?;
    let deb = fs::read_dir(&package)
        .map_err(told("list the download"))?
        .flatten()
        .map(|entry| entry.path())
        .next();
    let deb = deb.ok_or("apt-get downloaded nothing")?;
    let unpacked = package.join("root");
    run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))?;
    for name in ["bin", "dev", "etc", "proc", "root", "sys", "tmp"] {
        fs::create_dir_all(root.join(name)).map_err(told("make the root file system"))?;
    }
    let busybox = ["bin/busybox", "usr/bin/busybox"].iter().map(|path| unpacked.join(path));
    let busybox =
        busybox.into_iter().find(|path| path.is_file()).ok_or("the package has no busybox")?;
    fs::copy(busybox, root.join("bin/busybox")).map_err(told("copy busybox"))?;
    for name in APPLETS {
        symlink("busybox", root.join("bin").join(name)).map_err(told("link an applet"))?;
    }
    let users = "root:x:0:0:root:/root:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).map_err(told("write passwd"))
}

/// Everything below `from`, owned by root whoever makes it, in an order that does not depend on the machine.
fn tar(archive: &Path, from: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@0",
        "--file",
    ]);
    tar.arg(archive).arg("--directory").arg(from);
    let mut names: Vec<_> = fs::read_dir(from)
        .map_err(|e| format!("list {}: {e}", from.display()))?
        .flatten()
        .collect();
    names.sort_by_key(fs::DirEntry::file_name);
    run(tar.args(names.iter().map(fs::DirEntry::file_name)))
}

/// Moves a file among the blobs, under its digest; returns its descriptor.
fn store(blobs: &Path, file: &Path, media_type: &str) -> Result<Value> {
    let output =
        Command::new("sha256sum").arg(file).output().map_err(|e| format!("sha256sum: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest =
        text.split(' ').next().filter(|hex| hex.len() == 64).ok_or("sha256sum gave no digest")?;
    let size = fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?.len();
    fs::rename(file, blobs.join(digest)).map_err(|e| format!("store a blob: {e}"))?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size }))
}

fn store_json(blobs: &Path, scratch: &Path, value: &Value, media_type: &str) -> Result<Value> {
    let file = scratch.join("blob");
    write(&file, value)?;
    store(blobs, &file, media_type)
}

fn write(file: &Path, value: &Value) -> Result<()> {
    fs::write(file, value.to_string()).map_err(|e| format!("write {}: {e}", file.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
