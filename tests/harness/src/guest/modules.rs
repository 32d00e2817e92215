//! Kernel modules in an order in which they load.
//!
//! Knows that a module names what it depends on in its `.modinfo` section, so no depmod is needed. Refuses soft
//! dependencies. A newcomer would look for `9pnet_virtio.ko`: the file may be `9pnet-virtio.ko.xz`; the kernel treats
//! dashes and underscores alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;

/// A module as the kernel takes it.
#[derive(Debug, Clone)]
pub struct Module {
    /// As the kernel calls it, with underscores.
    pub name: String,
    /// Unpacked.
    pub content: Vec<u8>,
}

/// `wanted`, `welcome` and what they depend on, each after its dependencies; `modules` is `…/lib/modules/RELEASE`.
///
/// # Errors
/// A wanted module that the kernel does not have, or one that can't be read.
pub fn load_order(modules: &Path, wanted: &[&str], welcome: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    walk(&modules.join("kernel"), &mut files);
    let builtin = fs::read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    let builtin: BTreeSet<String> =
        builtin.lines().filter_map(|line| Some(module_name(Path::new(line))?.0)).collect();
    let mut search = Search { files, builtin, done: BTreeSet::new(), order: Vec::new() };
    wanted.iter().try_for_each(|name| search.add(name))?;
    for name in
        welcome.iter().filter(|name| search.files.contains_key(**name)).copied().collect::<Vec<_>>()
    {
        search.add(name)?;
    }
    Ok(search.order)
}

struct Search {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    done: BTreeSet<String>,
    order: Vec<Module>,
}

impl Search {
    fn add(&mut self, name: &str) -> Result<()> {
        if self.builtin.contains(name) || !self.done.insert(name.to_owned()) {
            return Ok(());
        }
        let file = self
            .files
            .get(name)
            .ok_or_else(|| format!("the guest's kernel has no module {name}"))?;
        let content = read(file)?;
        for dependency in dependencies(&content) {
            self.add(&dependency)?;
        }
        self.order.push(Module { name: name.to_owned(), content });
        Ok(())
    }
}

fn walk(directory: &Path, files: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if let Some((name, _)) = module_name(&path) {
            files.insert(name, path);
        }
    }
}

/// The module's name and how its file is compressed ("", "xz", "zst", "gz").
fn module_name(path: &Path) -> Option<(String, String)> {
    let file = path.file_name()?.to_str()?;
    let (name, packing) = file.split_once(".ko")?;
    Some((name.replace('-', "_"), packing.trim_start_matches('.').to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let told = |error| format!("read {}: {error}", path.display());
    let packing = module_name(path).map(|(_, packing)| packing).unwrap_or_default();
    let program = match packing.as_str() {
        "" => return fs::read(path).map_err(told),
        "xz" => "xz",
        "zst" => "zstd",
        "gz" => "gzip",
        other => return Err(format!("{}: cannot unpack .{other}", path.display())),
    };
    let output = Command::new(program).arg("-dc").arg(path).output();
    let output = output.map_err(|e| format!("{program}: {e}: install the package that has it"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{program} {}: {}", path.display(), output.status))
    }
}

/// The `depends=` line of a module's `.modinfo`, whose entries are strings that end in NUL.
fn dependencies(content: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = content.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = content[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(value);
    text.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        assert_eq!(
            dependencies(b"x\0license=GPL\0depends=9pnet,netfs\0name=9p\0"),
            ["9pnet", "netfs"]
        );
        assert!(dependencies(b"x\0depends=\0").is_empty());
    }

    #[test]
    fn file_names_become_module_names() {
        let name = module_name(Path::new("/x/virtio-pci.ko.xz"));
        assert_eq!(name, Some(("virtio_pci".into(), "xz".into())));
        assert_eq!(module_name(Path::new("/x/modules.order")), None);
    }
}
