//! Images for engines: one archive that `ctr images import`, `docker load` and `podman load` all take.
//!
//! Knows both layouts, which share their blobs: `index.json` is OCI's, `manifest.json` docker's. Refuses compression and
//! registries: an image goes from a directory to an engine. A newcomer would compress the layer, whose digest then
//! differs from its diff id.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::runtime::unique;
use crate::{Must, tree};

/// An image in the making.
#[derive(Debug, Clone)]
pub struct Image {
    name: String,
    layers: Vec<PathBuf>,
    config: Value,
}

impl Image {
    /// No layer yet; `name` as in `docker run NAME`.
    #[must_use]
    pub fn new(name: &str) -> Image {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Image { name: name.into(), layers: Vec::new(), config: json!({ "Env": [path] }) }
    }

    /// The tree that most tests run in: busybox and the probe.
    #[must_use]
    pub fn busybox(name: &str) -> Image {
        Image::new(name).config("Cmd", json!(["/bin/sh"]))
    }

    /// A layer with what is below `directory`.
    #[must_use]
    pub fn layer(mut self, directory: &Path) -> Image {
        self.layers.push(directory.to_owned());
        self
    }

    /// One field of the configuration's `config`: `Cmd`, `Entrypoint`, `User`, `ExposedPorts`, `Volumes`, …
    #[must_use]
    pub fn config(mut self, field: &str, value: Value) -> Image {
        self.config[field] = value;
        self
    }

    /// One more variable.
    #[must_use]
    #[track_caller]
    pub fn env(mut self, variable: &str) -> Image {
        self.config["Env"].as_array_mut().must("the variables").push(json!(variable));
        self
    }

    /// Its name in full, with registry and tag, as engines list it.
    #[must_use]
    pub fn reference(&self) -> String {
        let tagged = if self.name.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            self.name.clone()
        } else {
            format!("{}:latest", self.name)
        };
        // What has a dot, a colon or `localhost` before its first slash names a registry.
        let registry = self.name.split_once('/').is_some_and(|(first, _)| {
            first == "localhost" || first.contains('.') || first.contains(':')
        });
        match (registry, self.name.contains('/')) {
            (true, _) => tagged,
            (false, true) => format!("docker.io/{tagged}"),
            (false, false) => format!("docker.io/library/{tagged}"),
        }
    }

    /// Writes the archive in `directory`; returns its path.
    #[must_use]
    #[track_caller]
    pub fn write(&self, directory: &Path) -> PathBuf {
        let archive = directory.join(format!("{}.tar", unique("image")));
        self.pack(directory, &archive).must(&format!("write {}", archive.display()));
        archive
    }

    fn pack(&self, directory: &Path, archive: &Path) -> io::Result<()> {
        let layout = directory.join(unique("layout"));
        let blobs = Blobs(layout.join("blobs/sha256"));
        fs::create_dir_all(&blobs.0)?;
        let mut layers = Vec::new();
        if self.layers.is_empty() {
            let root = directory.join(unique("tree"));
            tree::plant("default", &root);
            layers.push(blobs.layer(&root)?);
            fs::remove_dir_all(root)?;
        }
        for layer in &self.layers {
            layers.push(blobs.layer(layer)?);
        }
        let digests: Vec<String> = layers.iter().map(|(digest, _)| digest.clone()).collect();
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let platform = json!({ "architecture": architecture, "os": "linux" });
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": digests },
            "history": layers.iter().map(|_| json!({ "created_by": "rrun's harness" })).collect::<Vec<_>>(),
        });
        let (config, config_size) = blobs.json(&config)?;
        let kind = "application/vnd.oci.image";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": format!("{kind}.manifest.v1+json"),
            "config": { "mediaType": format!("{kind}.config.v1+json"), "digest": config, "size": config_size },
            "layers": layers.iter().map(|(digest, size)| json!({
                "mediaType": format!("{kind}.layer.v1.tar"), "digest": digest, "size": size,
            })).collect::<Vec<_>>(),
        });
        let (manifest, manifest_size) = blobs.json(&manifest)?;
        let reference = self.reference();
        let tag = reference.rsplit(':').next().unwrap_or("latest");
        let index = json!({ "schemaVersion": 2, "manifests": [{
            "mediaType": format!("{kind}.manifest.v1+json"),
            "digest": manifest, "size": manifest_size, "platform": platform,
            "annotations": { "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag },
        }] });
        let path =
            |digest: &String| format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
        let docker = json!([{
            "Config": path(&config),
            "RepoTags": [reference.trim_start_matches("docker.io/library/").trim_start_matches("docker.io/")],
            "Layers": digests.iter().map(path).collect::<Vec<_>>(),
        }]);
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        fs::write(layout.join("index.json"), index.to_string())?;
        fs::write(layout.join("manifest.json"), docker.to_string())?;
        bundle(&layout, archive)?;
        fs::remove_dir_all(layout)
    }
}

/// The directory of a layout's blobs; each is a file named by its digest.
struct Blobs(PathBuf);

impl Blobs {
    fn layer(&self, directory: &Path) -> io::Result<(String, u64)> {
        let partial = self.0.join(unique("layer"));
        bundle(directory, &partial)?;
        let mut hash = Sha256::new();
        let size = io::copy(&mut File::open(&partial)?, &mut Hashing(&mut hash))?;
        let digest = hex(&hash.finalize());
        fs::rename(partial, self.0.join(&digest))?;
        Ok((format!("sha256:{digest}"), size))
    }

    fn json(&self, value: &Value) -> io::Result<(String, usize)> {
        let text = value.to_string();
        let digest = hex(&Sha256::digest(text.as_bytes()));
        fs::write(self.0.join(&digest), &text)?;
        Ok((format!("sha256:{digest}"), text.len()))
    }
}

/// A hash that is written to.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tar of what is below `directory`, links as links.
fn bundle(directory: &Path, archive: &Path) -> io::Result<()> {
    let mut builder = tar::Builder::new(io::BufWriter::new(File::create(archive)?));
    builder.follow_symlinks(false);
    builder.append_dir_all("", directory)?;
    io::Write::flush(&mut builder.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_completed_and_a_full_one_kept() {
        assert_eq!(Image::new("bb").reference(), "docker.io/library/bb:latest");
        assert_eq!(Image::new("me/api:2").reference(), "docker.io/me/api:2");
        assert_eq!(Image::new("localhost/pause:1").reference(), "localhost/pause:1");
        assert_eq!(Image::new("localhost:5000/a").reference(), "localhost:5000/a:latest");
    }

    #[test]
    fn the_archive_has_both_layouts_and_every_blob_is_named_by_its_digest() {
        let home = std::env::temp_dir().join(unique("image-test"));
        fs::create_dir_all(home.join("tree/bin")).must("make a tree");
        fs::write(home.join("tree/bin/a"), "a").must("write a file");
        let archive = Image::new("x").layer(&home.join("tree")).write(&home);
        let mut names = Vec::new();
        for entry in tar::Archive::new(File::open(&archive).must("open it")).entries().must("read")
        {
            let mut entry = entry.must("read an entry");
            let name = entry.path().must("its path").to_string_lossy().into_owned();
            if let Some(digest) = name.strip_prefix("blobs/sha256/").filter(|name| !name.is_empty())
            {
                let mut hash = Sha256::new();
                io::copy(&mut entry, &mut Hashing(&mut hash)).must("read a blob");
                assert_eq!(hex(&hash.finalize()), digest);
            }
            names.push(name);
        }
        fs::remove_dir_all(&home).must("remove it");
        for name in ["index.json", "manifest.json", "oci-layout"] {
            assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
        }
    }
}
