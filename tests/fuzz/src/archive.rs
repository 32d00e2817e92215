//! Image archives, and layers of images: what a registry sends.
//!
//! Digests and checksums would stop nearly every random change at the door, so they are mended first: an attacker mends
//! them, too. Whatever is unpacked, nothing appears beside the bundle, a failure leaves none, and what lies beside it
//! keeps its content.

use super::is_one_line;
use rrun::image::{Caller, Progress, Request, unpack};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

const CANARY: &str = "as it was";
const BLOCK: usize = 512;

/// By the first byte: an archive as it is, or one or two layers with all sums mended.
pub fn check(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let place = Place::new();
    let archive = place.0.join("archive");
    match mode % 3 {
        0 => fs::write(&archive, bytes).unwrap(),
        1 => layout(&archive, &[bytes]),
        _ => {
            let half = (bytes.len() / 2).next_multiple_of(BLOCK).min(bytes.len());
            let (lower, upper) = bytes.split_at(half);
            layout(&archive, &[lower, upper]);
        }
    }
    let bundle = place.0.join("bundle");
    let base = json!({"ociVersion": "1.0.2", "process": {"cwd": "/", "args": ["sh"]}});
    let (archive, bundle) = (archive.as_path(), bundle.as_path());
    let request = Request { archive, bundle, image: None, base, caller: Caller::Root };
    match unpack(request, &mut Progress::silent()) {
        Ok(warnings) => {
            assert!(bundle.join("config.json").is_file(), "a bundle without a configuration");
            warnings.iter().for_each(|warning| is_one_line(warning));
        }
        Err(error) => {
            is_one_line(&error.to_string());
            assert!(!bundle.exists(), "a bundle after {error}");
        }
    }
    place.check();
}

/// A directory of one run, with something beside the bundle that must stay.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("rrun-fuzz-{}-{count}", process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("canary"), CANARY).unwrap();
        Self(path)
    }

    fn check(&self) {
        for entry in fs::read_dir(&self.0).unwrap() {
            let name = entry.unwrap().file_name();
            let ours = ["archive", "bundle", "canary"].iter().any(|known| name == *known);
            assert!(ours, "{} appeared beside the bundle", name.display());
        }
        assert_eq!(fs::read_to_string(self.0.join("canary")).unwrap(), CANARY);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // An assertion may be on its way out: the directory it speaks of is kept for whoever looks into it.
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// An OCI image layout of these layers.
fn layout(at: &Path, layers: &[&[u8]]) {
    fs::create_dir_all(at.join("blobs/sha256")).unwrap();
    let tars: Vec<Vec<u8>> = layers.iter().map(|layer| mended(layer)).collect();
    let diff_ids: Vec<String> = tars.iter().map(|tar| digest(tar)).collect();
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    let config = json!({"os": "linux", "rootfs": rootfs, "config": {"Cmd": ["sh"]}});
    let config = blob(at, config.to_string().as_bytes());
    let layers: Vec<Value> = tars.iter().map(|tar| blob(at, tar)).collect();
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
    let mut manifest = blob(at, manifest.as_bytes());
    manifest["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    fs::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(at.join("index.json"), json!({"manifests": [manifest]}).to_string()).unwrap();
}

fn blob(at: &Path, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    fs::write(at.join("blobs/sha256").join(&digest[7..]), bytes).unwrap();
    json!({"digest": digest, "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A tar whose headers have their magic and their sums.
fn mended(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let size = std::str::from_utf8(&header[124..135]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 8).ok()).unwrap_or(0);
        at = at.saturating_add(BLOCK).saturating_add(size.min(tar.len()).next_multiple_of(BLOCK));
    }
    tar
}
