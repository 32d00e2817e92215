//! Makes archives, honest and hostile, byte by byte.
//!
//! What a newcomer would get wrong: tar libraries refuse to write what an attacker writes, so headers are built here.

use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;

/// A tar under construction.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

/// The fields of a header that tests vary.
pub struct Fields<'a> {
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: u64,
    pub link: &'a str,
    pub device: (u32, u32),
    pub size: u64,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        let mode = 0o644;
        Self { mode, owner: (0, 0), mtime: 1_700_000_000, link: "", device: (0, 0), size: 0 }
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// Any header, followed by `body` whatever size the header claims.
    pub fn raw(mut self, name: &str, kind: u8, fields: &Fields<'_>, body: &[u8]) -> Self {
        let mut block = [0; 512];
        let mut put = |at: usize, text: &str| {
            block[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, &format!("{:07o}", fields.mode));
        put(108, &format!("{:07o}", fields.owner.0));
        put(116, &format!("{:07o}", fields.owner.1));
        put(124, &format!("{:011o}", fields.size));
        put(136, &format!("{:011o}", fields.mtime));
        put(148, "        ");
        put(157, fields.link);
        put(257, "ustar\x0000");
        put(329, &format!("{:07o}", fields.device.0));
        put(337, &format!("{:07o}", fields.device.1));
        block[156] = kind;
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(block);
        self.0.extend(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        self.raw(name, b'0', &Fields { size: body.len() as u64, ..Fields::default() }, body)
    }

    pub fn directory(self, name: &str) -> Self {
        self.raw(name, b'5', &Fields { mode: 0o755, ..Fields::default() }, b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name, b'2', &Fields { link: target, ..Fields::default() }, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(name, b'1', &Fields { link: target, ..Fields::default() }, b"")
    }

    /// Records for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..).find(|digits| (rest + digits).to_string().len() == *digits);
            let length = rest + length.unwrap();
            body.extend(format!("{length} {key}=").bytes().chain(value.iter().copied()));
            body.push(b'\n');
        }
        let size = body.len() as u64;
        self.raw("PaxHeaders/next", b'x', &Fields { size, ..Fields::default() }, &body)
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A layer as stored, and the digest of what it decompresses to.
pub struct Layer {
    pub stored: Vec<u8>,
    pub diff_id: String,
}

impl From<Tar> for Layer {
    fn from(tar: Tar) -> Self {
        Self::packed(tar, <[u8]>::to_vec)
    }
}

impl Layer {
    pub fn packed(tar: Tar, pack: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let tar = tar.finish();
        Self { stored: pack(&tar), diff_id: sha256(&tar) }
    }
}

/// An image configuration for `layers`, with `execution` as its `config`.
pub fn configuration(layers: &[Layer], execution: &Value) -> Vec<u8> {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    json!({"os": "linux", "rootfs": rootfs, "config": execution}).to_string().into_bytes()
}

/// Writes an OCI image layout and returns the digest of its manifest.
pub fn layout(at: &Path, layers: &[Layer], execution: &Value) -> String {
    let config = blob(at, &configuration(layers, execution));
    let layers: Vec<Value> = layers.iter().map(|layer| blob(at, &layer.stored)).collect();
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
    let mut manifest = blob(at, manifest.as_bytes());
    manifest["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    fs::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(at.join("index.json"), json!({"manifests": [manifest]}).to_string()).unwrap();
    manifest["digest"].as_str().unwrap().to_owned()
}

/// Writes a blob and returns its descriptor.
pub fn blob(at: &Path, bytes: &[u8]) -> Value {
    let digest = sha256(bytes);
    let directory = at.join("blobs/sha256");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(&digest[7..]), bytes).unwrap();
    json!({"digest": digest, "size": bytes.len()})
}

/// What `docker save` writes, as a tar.
pub fn docker(layers: &[Layer], execution: &Value, tag: &str) -> Vec<u8> {
    let config = configuration(layers, execution);
    let config_name = format!("{}.json", &sha256(&config)[7..]);
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let mut tar = Tar::new();
    for (name, layer) in names.iter().zip(layers) {
        tar = tar.file(name, &layer.stored);
    }
    let manifest = json!([{"Config": config_name, "RepoTags": [tag], "Layers": names}]);
    tar.file(&config_name, config).file("manifest.json", manifest.to_string()).finish()
}

/// A directory as a tar, in the order a hostile or careless writer may choose: the index last.
pub fn tar_of_layout(at: &Path) -> Vec<u8> {
    let mut tar = Tar::new();
    for blob in fs::read_dir(at.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        let name = format!("blobs/sha256/{}", blob.file_name().to_str().unwrap());
        tar = tar.file(&name, fs::read(blob.path()).unwrap());
    }
    tar.file("./index.json", fs::read(at.join("index.json")).unwrap()).finish()
}
