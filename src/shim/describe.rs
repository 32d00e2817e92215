//! `-info` and `-v`: what this runtime is and can do.
//!
//! What a newcomer would get wrong: the features are JSON within a protobuf, under a type's name that is a path of the
//! runtime-spec's repository, and containerd compares it letter by letter.

use containerd_shim_protos::types::introspection::{RuntimeInfo, RuntimeVersion};
use protobuf::{Message, MessageField, well_known_types::any::Any};
use rrun::cmd::features;
use rrun::error::{Error, Kind, Result};

/// What containerd calls the runtime.
const NAME: &str = "io.containerd.rrun.v2";

/// The features structure of the runtime-spec.
const FEATURES: &str = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

/// A `RuntimeInfo`, from the options on standard input, if there are any.
///
/// # Errors
/// [`Kind::Usage`] when those are no message; they are only handed back, so their type does not matter.
pub fn describe(input: &[u8]) -> Result<Vec<u8>> {
    let options = Any::parse_from_bytes(input).map_err(|error| {
        Error::new(Kind::Usage, error.to_string()).context("read options from standard input")
    })?;
    let features = Any {
        type_url: FEATURES.into(),
        value: features::json()?.into_bytes(),
        ..Default::default()
    };
    let version = RuntimeVersion {
        version: env!("CARGO_PKG_VERSION").into(),
        revision: revision().into(),
        ..Default::default()
    };
    let answer = RuntimeInfo {
        name: NAME.into(),
        version: MessageField::some(version),
        options: Some(options).filter(|_| !input.is_empty()).into(),
        features: MessageField::some(features),
        ..Default::default()
    };
    answer.write_to_bytes().map_err(|error| Error::new(Kind::Internal, error.to_string()))
}

/// Three lines for people, in the words of containerd's other shims.
#[must_use]
pub fn version() -> String {
    format!(
        "containerd-shim-rrun-v2:\n  Version:  {}\n  Revision: {}\n",
        env!("CARGO_PKG_VERSION"),
        revision()
    )
}

fn revision() -> &'static str {
    option_env!("RRUN_COMMIT").unwrap_or("unknown")
}
