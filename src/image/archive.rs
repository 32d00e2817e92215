//! From an archive to one image in it: an OCI image layout, or what `docker save` writes.
//!
//! What a newcomer would get wrong: newer `docker save` archives are both at once; the layout is preferred because it
//! has a digest for every blob. A docker archive proper has digests for the configuration (its name) and, through it,
//! for every decompressed layer.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::image::choice;
use crate::image::digest::Digest;
use crate::image::source::{Section, Source};
use crate::image::wire::{self, Descriptor, DockerImage, ImageConfig, Index, Manifest};

/// How many indexes may lie between `index.json` and a manifest.
const DEEPEST_INDEX: u32 = 4;

/// A layer that has not been read yet.
#[derive(Debug)]
pub struct Layer {
    /// The bytes as stored.
    pub section: Section,
    /// Of the bytes as stored, where the archive has it.
    pub digest: Option<Digest>,
    /// Of the decompressed tar.
    pub diff_id: Digest,
}

/// One image: its verified configuration and its layers, lowest first.
#[derive(Debug)]
pub struct Image {
    /// The configuration.
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// Finds the image that `reference` names, or the only one.
    ///
    /// # Errors
    /// [`Kind::Archive`] for a broken archive, [`Kind::Usage`] for a reference that fits none or several.
    pub fn find(source: &Source, reference: Option<&str>) -> Result<Self> {
        if let Some(index) = source.find("index.json")? {
            return from_layout(source, index, reference);
        }
        if let Some(manifest) = source.find("manifest.json")? {
            return from_docker(source, manifest, reference);
        }
        Err(Error::new(Kind::Archive, "neither an OCI image layout nor a docker archive").hint(
            "it has no index.json and no manifest.json; make one with skopeo copy or docker save",
        ))
    }
}

fn from_layout(source: &Source, index: Section, reference: Option<&str>) -> Result<Image> {
    let index: Index = wire::parse(&index.small(None, "index.json")?, "index.json")?;
    let mut chosen = choice::of_index(&index.manifests, reference)?.clone();
    for _ in 0..DEEPEST_INDEX {
        let blob = document(source, &chosen, "manifest")?;
        if !is_index(&chosen, &blob) {
            return from_manifest(source, &blob);
        }
        let index: Index = wire::parse(&blob, "image index")?;
        chosen = choice::of_index(&index.manifests, None)?.clone();
    }
    Err(Error::new(Kind::Archive, "indexes are nested too deeply"))
}

fn from_manifest(source: &Source, manifest: &[u8]) -> Result<Image> {
    let manifest: Manifest = wire::parse(manifest, "manifest")?;
    let config = document(source, &manifest.config, "image configuration")?;
    let mut stored = Vec::new();
    for layer in &manifest.layers {
        refuse_foreign(layer)?;
        let digest = Digest::parse(&layer.digest)?;
        stored.push((source.blob(&digest, layer.size)?, Some(digest)));
    }
    assemble(&config, stored)
}

fn from_docker(source: &Source, manifest: Section, reference: Option<&str>) -> Result<Image> {
    let manifest = manifest.small(None, "manifest.json")?;
    let images: Vec<DockerImage> = wire::parse(&manifest, "manifest.json")?;
    let tags = |image: &DockerImage| image.repo_tags.clone().unwrap_or_default();
    let fits = |image: &&DockerImage| {
        reference.is_none_or(|reference| {
            digest_in_name(&image.config).is_some_and(|id| id.to_string() == reference)
                || tags(image).iter().any(|tag| choice::matches(reference, tag))
        })
    };
    let listed = || {
        let named = |image: &DockerImage| match tags(image).as_slice() {
            [] => image.config.clone(),
            tags => tags.join(" = "),
        };
        images.iter().map(named).collect::<Vec<_>>().join(", ")
    };
    let wanted: Vec<&DockerImage> = images.iter().filter(fits).collect();
    let image = match (wanted.as_slice(), reference) {
        ([only], _) => only,
        ([], Some(reference)) => return Err(choice::none_called(reference, &listed())),
        ([], None) => return Err(Error::new(Kind::Archive, "manifest.json lists no image")),
        _ => return Err(choice::several(&listed())),
    };
    let config = source.get(&image.config).context(|| "image configuration")?;
    let config = config.small(digest_in_name(&image.config), "the image configuration")?;
    let mut stored = Vec::new();
    for name in image.layers.iter().flatten() {
        stored.push((source.get(name).context(|| "layer")?, None));
    }
    assemble(&config, stored)
}

/// Joins the stored layers with the digests that the configuration has of them.
fn assemble(config: &[u8], stored: Vec<(Section, Option<Digest>)>) -> Result<Image> {
    let config: ImageConfig = wire::parse(config, "image configuration")?;
    let diff_ids = config.rootfs.diff_ids.as_deref().unwrap_or_default();
    if diff_ids.len() != stored.len() {
        let (layers, digests) = (stored.len(), diff_ids.len());
        let text = format!("the manifest has {layers} layers, the configuration {digests}");
        return Err(Error::new(Kind::Archive, text));
    }
    let layers = stored
        .into_iter()
        .zip(diff_ids)
        .map(|((section, digest), diff_id)| {
            Ok(Layer { section, digest, diff_id: Digest::parse(diff_id)? })
        })
        .collect::<Result<_>>()?;
    Ok(Image { config, layers })
}

fn document(source: &Source, descriptor: &Descriptor, what: &str) -> Result<Vec<u8>> {
    let digest = Digest::parse(&descriptor.digest).context(|| what)?;
    source.blob(&digest, descriptor.size).context(|| what)?.small(Some(digest), what)
}

/// Told by the media type; where a tool left that out, by the field that only an index has.
fn is_index(descriptor: &Descriptor, blob: &[u8]) -> bool {
    match descriptor.media_type.as_str() {
        "" => wire::parse::<Index>(blob, "").is_ok(),
        media => media.ends_with(".index.v1+json") || media.ends_with(".manifest.list.v2+json"),
    }
}

/// An encrypted layer, or an artifact that is no file system at all, is better refused by name than as a bad tar.
fn refuse_foreign(layer: &Descriptor) -> Result<()> {
    let media = layer.media_type.as_str();
    let form = media.rsplit_once("tar").map(|(_, compression)| compression);
    if media.is_empty() || matches!(form, Some("" | "+gzip" | ".gzip" | "+zstd" | ".zstd")) {
        return Ok(());
    }
    let text = format!("layer {} is of type {media:?}, not a tar", layer.digest);
    Err(Error::new(Kind::Unsupported, text))
}

/// Docker names a configuration after its digest: `<hex>.json`, `blobs/sha256/<hex>`.
fn digest_in_name(name: &str) -> Option<Digest> {
    let base = name.rsplit('/').next().unwrap_or(name);
    Digest::parse(&format!("sha256:{}", base.trim_end_matches(".json"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(media: &str) -> Descriptor {
        serde_json::from_str(&format!(r#"{{"mediaType":"{media}","digest":"d","size":1}}"#))
            .unwrap()
    }

    #[test]
    fn only_tars_are_layers() {
        for media in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ] {
            refuse_foreign(&layer(media)).unwrap();
        }
        for media in
            ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "application/wasm", "text"]
        {
            assert_eq!(refuse_foreign(&layer(media)).unwrap_err().kind(), Kind::Unsupported);
        }
    }

    #[test]
    fn a_configuration_is_checked_against_its_own_name() {
        let hex = "0123456789abcdef".repeat(4);
        for name in [format!("{hex}.json"), format!("blobs/sha256/{hex}")] {
            assert_eq!(digest_in_name(&name).unwrap().to_string(), format!("sha256:{hex}"));
        }
        assert_eq!(digest_in_name("config.json"), None);
    }
}
