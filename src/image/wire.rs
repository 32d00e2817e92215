//! The documents of an image as JSON: index, manifest, configuration, and Docker's `manifest.json`.
//!
//! Only the fields that unpacking needs; the rest is ignored, as the image specification wants. What a newcomer would
//! get wrong: Docker writes `null` where a list or map is empty, so nearly everything is an `Option`.

use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;

/// Reads a document; `what` names it for the error.
///
/// # Errors
/// [`Kind::Archive`] with serde's line and column.
pub fn parse<T: DeserializeOwned>(json: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| Error::new(Kind::Archive, format!("{what}: {e}")))
}

/// A pointer to a blob.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Unchecked text.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// Names, among other things.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Where its program runs.
    pub platform: Option<Platform>,
}

/// Where a program runs, in Go's words.
#[derive(Debug, Clone, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    #[serde(default)]
    pub architecture: String,
    /// `linux`
    #[serde(default)]
    pub os: String,
    /// `v7`, `v8`
    pub variant: Option<String>,
}

/// `index.json`, and the image index blob.
#[derive(Debug, Deserialize)]
pub struct Index {
    /// One per image or platform.
    pub manifests: Vec<Descriptor>,
}

/// The manifest of one image for one platform.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// The image configuration.
    pub config: Descriptor,
    /// Lowest first.
    pub layers: Vec<Descriptor>,
}

/// One image of a docker archive's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerImage {
    /// The member that is the image configuration.
    pub config: String,
    /// `name:tag`
    pub repo_tags: Option<Vec<String>>,
    /// The members that are layers, lowest first.
    pub layers: Option<Vec<String>>,
}

/// The image configuration.
#[derive(Debug, Deserialize)]
pub struct ImageConfig {
    /// RFC 3339.
    pub created: Option<String>,
    /// Name or address.
    pub author: Option<String>,
    /// In Go's words.
    #[serde(default)]
    pub architecture: String,
    /// In Go's words.
    #[serde(default)]
    pub os: String,
    /// Of the architecture.
    pub variant: Option<String>,
    /// Of a Windows host.
    #[serde(rename = "os.version")]
    pub os_version: Option<String>,
    /// Of a Windows host.
    #[serde(rename = "os.features")]
    pub os_features: Option<Vec<String>>,
    /// What to run, and how.
    pub config: Option<Execution>,
    /// The layers once decompressed.
    pub rootfs: RootFs,
}

/// The layers once decompressed.
#[derive(Debug, Deserialize)]
pub struct RootFs {
    /// Digests of the decompressed tars, lowest first; unchecked text.
    pub diff_ids: Option<Vec<String>>,
}

/// What to run, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// `name`, `uid`, `name:group`, …
    pub user: Option<String>,
    /// `80/tcp`
    pub exposed_ports: Option<BTreeMap<String, IgnoredAny>>,
    /// `NAME=value`
    pub env: Option<Vec<String>>,
    /// Before the arguments.
    pub entrypoint: Option<Vec<String>>,
    /// The arguments.
    pub cmd: Option<Vec<String>>,
    /// Paths with data that should outlive the container.
    pub volumes: Option<BTreeMap<String, IgnoredAny>>,
    /// Absolute.
    pub working_dir: Option<String>,
    /// For people and tools.
    pub labels: Option<BTreeMap<String, String>>,
    /// `SIGTERM`
    pub stop_signal: Option<String>,
}
