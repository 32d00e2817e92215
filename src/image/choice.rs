//! Which image of an archive, and which platform of an image.
//!
//! Pure. What a newcomer would get wrong: builders put attestations for `unknown/unknown` into an index beside the real
//! manifests; they are not images.

use crate::error::{Error, Kind, Result};
use crate::image::wire::Descriptor;

/// Where image names stand: the specification's, and containerd's full form.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/// The name of an image for people: its reference if it has one.
#[must_use]
pub fn name(descriptor: &Descriptor) -> Option<&str> {
    names(descriptor).next()
}

fn names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    let annotations = descriptor.annotations.as_ref();
    NAMES.iter().filter_map(move |key| annotations?.get(*key)).map(String::as_str)
}

/// Whether `reference`, as a user gives it, means `name`; `:latest` may be left out.
#[must_use]
pub fn matches(reference: &str, name: &str) -> bool {
    name == reference || name.strip_suffix(":latest") == Some(reference)
}

/// The one descriptor of an index that `reference` and this machine's platform leave.
///
/// # Errors
/// [`Kind::Usage`] listing the names or platforms when none or several are left; [`Kind::Archive`] for an empty index.
pub fn of_index<'a>(
    manifests: &'a [Descriptor],
    reference: Option<&str>,
) -> Result<&'a Descriptor> {
    let images: Vec<&Descriptor> = manifests.iter().filter(|d| !is_attestation(d)).collect();
    let wanted: Vec<&Descriptor> = match reference {
        None => images.clone(),
        Some(reference) => images
            .iter()
            .copied()
            .filter(|d| d.digest == reference || names(d).any(|name| matches(reference, name)))
            .collect(),
    };
    if let ([], Some(reference)) = (wanted.as_slice(), reference) {
        return Err(none_called(reference, &listed(&images)));
    }
    let Some(first) = wanted.first() else {
        return Err(Error::new(Kind::Archive, "the index lists no image"));
    };
    if wanted.len() > 1 && wanted.iter().any(|d| name(d) != name(first)) {
        return Err(several(&listed(&wanted)));
    }
    of_platforms(&wanted)
}

/// `--image` names an image that is not there.
#[must_use]
pub fn none_called(reference: &str, there: &str) -> Error {
    Error::new(Kind::Usage, format!("the archive has no image {reference:?}; it has {there}"))
}

/// `--image` is needed.
#[must_use]
pub fn several(there: &str) -> Error {
    Error::new(Kind::Usage, format!("the archive has several images: {there}"))
        .hint("choose one with --image")
}

fn of_platforms<'a>(candidates: &[&'a Descriptor]) -> Result<&'a Descriptor> {
    let (os, architecture, variant) = this_machine();
    let fits: Vec<&&Descriptor> = candidates
        .iter()
        .filter(|d| {
            d.platform.as_ref().is_some_and(|p| p.os == os && p.architecture == architecture)
        })
        .collect();
    let variant_of = |d: &Descriptor| d.platform.as_ref().and_then(|p| p.variant.clone());
    match (candidates, fits.as_slice()) {
        ([only], _) => Ok(only),
        (_, [only]) => Ok(only),
        (_, [first, ..]) => Ok(fits
            .iter()
            .find(|d| variant_of(d).as_deref() == variant)
            .or_else(|| fits.iter().find(|d| variant_of(d).is_none()))
            .unwrap_or(first)),
        (_, []) if candidates.iter().all(|d| d.platform.is_none()) => {
            Err(several(&digests(candidates)))
        }
        (_, []) => Err(Error::new(
            Kind::Usage,
            format!(
                "the image is not made for this machine, {os}/{architecture}, but for {}",
                platforms(candidates)
            ),
        )
        .hint("choose one by its digest with --image")),
    }
}

/// OS, architecture and preferred variant of this machine, in Go's words.
#[must_use]
pub fn this_machine() -> (&'static str, &'static str, Option<&'static str>) {
    match std::env::consts::ARCH {
        "x86_64" => ("linux", "amd64", None),
        "aarch64" => ("linux", "arm64", Some("v8")),
        "arm" => ("linux", "arm", Some("v7")),
        "x86" => ("linux", "386", None),
        "powerpc64" => ("linux", "ppc64le", None),
        "loongarch64" => ("linux", "loong64", None),
        other => ("linux", other, None),
    }
}

fn is_attestation(descriptor: &Descriptor) -> bool {
    let kind = "vnd.docker.reference.type";
    descriptor.annotations.as_ref().is_some_and(|a| a.contains_key(kind))
        || descriptor.platform.as_ref().is_some_and(|p| p.os == "unknown")
}

fn listed(images: &[&Descriptor]) -> String {
    let mut all: Vec<&str> = images.iter().map(|d| name(d).unwrap_or(&d.digest)).collect();
    all.dedup();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn digests(images: &[&Descriptor]) -> String {
    images.iter().map(|d| d.digest.as_str()).collect::<Vec<_>>().join(", ")
}

fn platforms(images: &[&Descriptor]) -> String {
    let platform = |d: &&Descriptor| {
        let p = d.platform.as_ref()?;
        Some(format!("{}/{} ({})", p.os, p.architecture, d.digest))
    };
    images.iter().filter_map(platform).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(json: &str) -> Vec<Descriptor> {
        serde_json::from_str(json).unwrap()
    }

    fn named(name: &str, digest: &str) -> String {
        format!(
            r#"{{"digest":"{digest}","size":1,"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
        )
    }

    #[test]
    fn the_only_image_needs_no_name_and_several_are_listed() {
        let one = index(&format!("[{}]", named("a:latest", "d1")));
        assert_eq!(of_index(&one, None).unwrap().digest, "d1");
        assert_eq!(of_index(&one, Some("a")).unwrap().digest, "d1");
        let two = index(&format!("[{},{}]", named("a:latest", "d1"), named("b:1", "d2")));
        assert_eq!(of_index(&two, Some("b:1")).unwrap().digest, "d2");
        let error = of_index(&two, None).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("a:latest, b:1"), "{error}");
        assert!(of_index(&two, Some("b")).unwrap_err().to_string().contains("no image \"b\""));
        assert_eq!(of_index(&[], None).unwrap_err().kind(), Kind::Archive);
    }

    #[test]
    fn an_index_of_platforms_yields_this_machines_and_no_attestation() {
        let (os, arch, _) = this_machine();
        let json = format!(
            r#"[{{"digest":"s","size":1,"platform":{{"os":"linux","architecture":"s390x"}}}},
                {{"digest":"here","size":1,"platform":{{"os":"{os}","architecture":"{arch}"}}}},
                {{"digest":"proof","size":1,"platform":{{"os":"unknown","architecture":"unknown"}}}}]"#
        );
        let mut manifests = index(&json);
        assert_eq!(of_index(&manifests, None).unwrap().digest, "here");
        assert_eq!(of_index(&manifests, Some("s")).unwrap().digest, "s");
        manifests[1].platform.as_mut().unwrap().architecture = "m68k".into();
        let error = of_index(&manifests, None).unwrap_err().to_string();
        assert!(error.contains("linux/s390x (s), linux/m68k (here)"), "{error}");
    }
}
