//! Images: an archive, of an OCI image layout or by `docker save`, becomes a bundle.
//!
//! ```text
//! archive ─► source (named files) ─► archive (one image) ─► layer by layer ─► rootfs/
//!                                          └─ configuration ─► config ─► config.json
//! ```
//!
//! It stands beside `container`: it reads archives and writes bundles, and refuses to know how one is run. Every byte
//! read is hostile until proven otherwise: digests are compared for every blob and every decompressed layer, each name
//! is resolved by the kernel within the rootfs, memory is bounded whatever a header claims, and on failure nothing is
//! left behind. What a newcomer would get wrong: there is no limit on unpacked bytes. A bomb ends with a full disk, an
//! error and an empty disk again; files of zeros take no room at all.

mod archive;
mod bundle;
mod choice;
mod codec;
mod config;
mod digest;
mod layer;
mod metadata;
mod progress;
mod root;
mod rootfs;
mod source;
mod tar;
mod users;
mod whiteout;
mod wire;

pub use config::Caller;
pub use progress::Progress;

use crate::error::{Error, Kind, Result, ResultExt};
use archive::Image;
use bundle::Partial;
use metadata::Owners;
use nix::sys::stat::{Mode, mkdirat};
use root::Root;
use rootfs::Rootfs;
use serde_json::Value;
use source::Source;
use std::path::Path;

/// What to unpack, and whereto.
#[derive(Debug)]
pub struct Request<'a> {
    /// A directory or a tar, compressed or not.
    pub archive: &'a Path,
    /// A directory to be made.
    pub bundle: &'a Path,
    /// Which image, if the archive has several: a reference or a digest.
    pub image: Option<&'a str>,
    /// A complete config.json for whatever the image does not say.
    pub base: Value,
    /// Who asks.
    pub caller: Caller,
}

/// Unpacks; the answer is what the caller should be warned of, a line each.
///
/// # Errors
/// [`Kind::Archive`] for an archive that is malformed, hostile or not what its digests say; [`Kind::Exists`],
/// [`Kind::NotFound`], [`Kind::Usage`] for paths and references that don't fit; the kernel's. Then there is no bundle.
pub fn unpack(request: Request<'_>, progress: &mut Progress) -> Result<Vec<String>> {
    let archive = request.archive.display().to_string();
    let partial = Partial::make(request.bundle)?;
    match fill(request, partial.path(), progress).context(|| archive) {
        Ok(warnings) => partial.publish().map(|()| warnings),
        Err(error) => {
            progress.abandon();
            Err(partial.discard(error))
        }
    }
}

fn fill(request: Request<'_>, bundle: &Path, progress: &mut Progress) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let source = Source::open(request.archive, bundle, progress)?;
    let Image { config, layers } = Image::find(&source, request.image)?;
    warn_of_platform(&config, &mut warnings);

    let owners = match request.caller {
        Caller::Root => Owners::Archives,
        Caller::Ordinary { .. } => Owners::Caller,
    };
    let mut rootfs = Rootfs::new(empty_root(bundle)?, owners);
    let count = layers.len();
    for (index, layer) in layers.into_iter().enumerate() {
        let title = format!("layer {}/{count} {}", index + 1, layer.diff_id.short());
        progress.begin(title, layer.section.size());
        layer::apply(layer, index == 0, &mut rootfs, progress)?;
        progress.end();
    }
    warn_of_losses(&rootfs, &mut warnings);

    let config =
        config::convert(request.base, &config, rootfs.root(), request.caller, &mut warnings)?;
    let json = serde_json::to_vec_pretty(&config)
        .map_err(|e| Error::new(Kind::Internal, format!("config.json: {e}")))?;
    std::fs::write(bundle.join("config.json"), json).context(|| "config.json")?;
    Ok(warnings)
}

fn empty_root(bundle: &Path) -> Result<Root> {
    let bundle = Root::open(bundle)?;
    mkdirat(&bundle, "rootfs", Mode::S_IRWXU)?;
    // Made like any directory an image leaves out, so that it has the same mode whatever the umask.
    let rootfs = root::open_directory(&bundle, "rootfs")?;
    nix::sys::stat::fchmod(&rootfs, Mode::from_bits_truncate(0o755))?;
    Ok(Root::from(rootfs))
}

fn warn_of_platform(config: &wire::ImageConfig, warnings: &mut Vec<String>) {
    let (os, architecture, _) = choice::this_machine();
    let differs = |said: &str, ours: &str| !said.is_empty() && said != ours;
    if differs(&config.os, os) || differs(&config.architecture, architecture) {
        warnings.push(format!(
            "the image is made for {}/{}, this machine is {os}/{architecture}",
            config.os, config.architecture
        ));
    }
}

fn warn_of_losses(rootfs: &Rootfs, warnings: &mut Vec<String>) {
    if rootfs.devices_left_out > 0 {
        let count = rootfs.devices_left_out;
        warnings.push(format!(
            "{count} device nodes were left out; only root of the host may make them"
        ));
    }
    for (name, count) in &rootfs.refused {
        warnings.push(format!("attribute {name} could not be set on {count} files"));
    }
}
