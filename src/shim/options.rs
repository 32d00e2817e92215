//! What containerd's configuration says about this runtime.
//!
//! It knows two messages of the same meaning: `containerd.runc.v1.Options`, and `runtimeoptions.v1.Options`, whose body is
//! TOML, which is what a runtime with a name of its own gets. It refuses what it would have to ignore.
//! What a newcomer would get wrong: the type's name may or may not have a host before it, and a runtime without options
//! has an empty message or none.

use crate::bundle;
use containerd_shim_protos::shim::oci;
use protobuf::{CodedInputStream, Message, well_known_types::any::Any};
use rrun::error::{Error, Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Where containers are kept when nothing else is said; containerd's namespace comes below.
const DEFAULT_ROOT: &str = "/run/containerd/rrun";

/// The options' name in a bundle: `delete` runs without being told them again.
const FILE: &str = "options.json";

/// The options of a runtime. The names in TOML and JSON are those of containerd's documentation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Options {
    /// `Root`: where the state of containers is kept.
    pub root: String,
    /// `BinaryName`: the runtime's program. This shim is the runtime, so it is read and not used.
    pub binary_name: String,
    /// `SystemdCgroup`: the containers' cgroups are systemd's scopes.
    pub systemd_cgroup: bool,
    /// `NoPivotRoot`.
    pub no_pivot_root: bool,
    /// `NoNewKeyring`.
    pub no_new_keyring: bool,
    /// `IoUid`: who owns the pipes of a container.
    pub io_uid: u32,
    /// `IoGid`.
    pub io_gid: u32,
    /// `CriuPath`: the program; the one on PATH without.
    pub criu_path: String,
    /// `ShimCgroup`: where the shim itself is put.
    pub shim_cgroup: String,
}

impl Options {
    /// Reads a message of either type; none means no options.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for another type; [`Kind::Spec`] for what cannot be read.
    pub fn decode(message: Option<&Any>) -> Result<Self> {
        let Some(any) = message.filter(|any| !any.type_url.is_empty() || !any.value.is_empty())
        else {
            return Ok(Self::default());
        };
        let options = match name(&any.type_url) {
            "containerd.runc.v1.Options" => Self::from_runc(&any.value),
            "runtimeoptions.v1.Options" => Self::from_runtime_options(&any.value),
            _ => {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("runtime options of type {:?}", any.type_url),
                )
                .hint("use containerd.runc.v1.Options or runtimeoptions.v1.Options"));
            }
        };
        options.context(|| format!("read runtime options of {:?}", any.type_url))
    }

    /// Whether a message is of a type that [`Options::decode`] reads.
    #[must_use]
    pub fn are_in(message: &Any) -> bool {
        ["containerd.runc.v1.Options", "runtimeoptions.v1.Options"]
            .contains(&name(&message.type_url))
    }

    fn from_runc(bytes: &[u8]) -> Result<Self> {
        let read = oci::Options::parse_from_bytes(bytes).map_err(unreadable)?;
        Ok(Self {
            root: read.root,
            binary_name: read.binary_name,
            systemd_cgroup: read.systemd_cgroup,
            no_pivot_root: read.no_pivot_root,
            no_new_keyring: read.no_new_keyring,
            io_uid: read.io_uid,
            io_gid: read.io_gid,
            // runc's message has lost it.
            criu_path: String::new(),
            shim_cgroup: read.shim_cgroup,
        })
    }

    fn from_runtime_options(bytes: &[u8]) -> Result<Self> {
        let RuntimeOptions { path, body } = RuntimeOptions::parse(bytes).map_err(unreadable)?;
        if !body.is_empty() {
            return Self::from_toml(&body).context(|| "config_body");
        }
        if path.is_empty() {
            return Ok(Self::default());
        }
        fs::read(&path)
            .map_err(Error::from)
            .and_then(|text| Self::from_toml(&text))
            .context(|| format!("config_path {path:?}"))
    }

    fn from_toml(text: &[u8]) -> Result<Self> {
        basic_toml::from_slice(text).map_err(|error| Error::new(Kind::Spec, error.to_string()))
    }

    /// Where the containers of one of containerd's namespaces are kept: what `rrun --root` takes.
    #[must_use]
    pub fn state_root(&self, namespace: &str) -> PathBuf {
        let root = if self.root.is_empty() { DEFAULT_ROOT } else { &self.root };
        Path::new(root).join(namespace)
    }

    /// Keeps them in the bundle, whole or not at all, for a `delete` in another process.
    ///
    /// # Errors
    /// [`Kind::Kernel`] when the bundle cannot be written.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        bundle::write(directory, FILE, &text)
    }

    /// What [`Options::save`] kept; the defaults where it was never called.
    ///
    /// # Errors
    /// [`Kind::Internal`] when it is not what was written.
    pub fn load(bundle: &Path) -> Result<Self> {
        let path = bundle.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| Error::new(Kind::Internal, error.to_string()))
                .context(|| format!("read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context(|| format!("read {}", path.display())),
        }
    }
}

/// A type's name without what may stand before it: `types.containerd.io/`, `type.googleapis.com/`.
fn name(type_url: &str) -> &str {
    type_url.rsplit('/').next().unwrap_or_default()
}

fn unreadable(error: protobuf::Error) -> Error {
    Error::new(Kind::Spec, error.to_string())
}

/// `runtimeoptions.v1.Options`: `type_url` = 1, `config_path` = 2, `config_body` = 3.
#[derive(Default)]
struct RuntimeOptions {
    path: String,
    body: Vec<u8>,
}

impl RuntimeOptions {
    fn parse(bytes: &[u8]) -> protobuf::Result<Self> {
        const CONFIG_PATH: u32 = 2 << 3 | 2;
        const CONFIG_BODY: u32 = 3 << 3 | 2;
        let mut input = CodedInputStream::from_bytes(bytes);
        let mut read = Self::default();
        while let Some(tag) = input.read_raw_tag_or_eof()? {
            match tag {
                CONFIG_PATH => read.path = input.read_string()?,
                CONFIG_BODY => read.body = input.read_bytes()?,
                tag => protobuf::rt::skip_field_for_tag(tag, &mut input)?,
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
