//! The words of `mounts[].options`, beside every kind of mount.
//!
//! The last of two words about the same thing counts, so a list said twice means what it means once: that holds for any
//! list, and a parser that toggles or forgets breaks it.

use super::is_one_line;
use rrun::spec::{FsType, Mount, Spec};
use serde_json::{Value, json};
use std::path::Path;

/// What is mounted, by the first byte.
const KINDS: [(&str, &str); 6] = [
    ("bind", "/source"),
    ("tmpfs", "tmpfs"),
    ("proc", "proc"),
    ("sysfs", "sysfs"),
    ("cgroup", "cgroup"),
    ("overlay", "overlay"),
];

/// Commas separate words; a list is an error of one line or attributes that saying it twice does not change.
pub fn check(data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (kind, source) = KINDS[usize::from(*which) % KINDS.len()];
    let mut words: Vec<&str> = text.split(',').collect();
    let once = mount(kind, source, &words);
    words.extend(words.clone());
    let twice = mount(kind, source, &words);
    match (once, twice) {
        (Ok(once), Ok(twice)) => {
            assert_eq!(without_data(&once), without_data(&twice), "{text:?} said twice");
        }
        (Err(once), Err(twice)) => [once, twice].iter().for_each(|error| is_one_line(error)),
        // Parameters of a file system may be refused for being said twice.
        (Ok(once), Err(_)) if has_data(&once) => {}
        (once, twice) => panic!("{text:?}: once {once:?}, twice {twice:?}"),
    }
}

fn mount(kind: &str, source: &str, words: &[&str]) -> Result<Mount, String> {
    let config: Value = json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["sh"]},
        "mounts": [{"destination": "/m", "type": kind, "source": source, "options": words}],
        "linux": {"namespaces": [{"type": "mount"}]},
    });
    let spec = Spec::parse(config.to_string().as_bytes(), Path::new("/bundle"));
    let mut spec = spec.map_err(|error| error.to_string())?;
    Ok(spec.mounts.remove(0))
}

fn has_data(mount: &Mount) -> bool {
    matches!(&mount.kind, FsType::New { data, .. } if !data.is_empty())
}

fn without_data(mount: &Mount) -> Mount {
    let mut mount = mount.clone();
    if let FsType::New { data, .. } = &mut mount.kind {
        data.clear();
    }
    mount
}
