//! The few files of a bundle that the shim itself reads and writes.
//!
//! What a newcomer would get wrong: the bundle belongs to containerd, which reads `address` and may do so at any moment. So
//! a file appears whole or not at all.

use rrun::error::{Error, Kind, Result, ResultExt};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Which pod a container belongs to, in the order they count.
const GROUPS: [&str; 2] = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];

/// Writes a file of the bundle.
///
/// # Errors
/// [`Kind::Kernel`] when the bundle cannot be written.
pub fn write(bundle: &Path, name: &str, text: &str) -> Result<()> {
    let path = bundle.join(name);
    let draft = bundle.join(format!(".{name}"));
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, &path))
        .context(|| format!("write {}", path.display()))
}

/// What the containers of one shim have in common: an annotation of config.json, else the id.
///
/// # Errors
/// [`Kind::Spec`] when config.json is none. A bundle without one is a group of its own.
pub fn group(bundle: &Path, id: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let path = bundle.join("config.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(id.to_owned()),
        Err(error) => return Err(error).context(|| format!("read {}", path.display())),
    };
    let mut config: Config = serde_json::from_slice(&text)
        .map_err(|error| Error::new(Kind::Spec, error.to_string()))
        .context(|| format!("read {}", path.display()))?;
    let named = GROUPS.iter().find_map(|name| config.annotations.remove(*name));
    Ok(named.filter(|group| !group.is_empty()).unwrap_or_else(|| id.to_owned()))
}
