//! `rrun update`: a container's limits are changed while it lives.
//!
//! It knows where they are read. What a newcomer would get wrong: an engine may send the whole `linux.resources` again, of
//! which it changed one field; what is the same is simply written again.

use super::args::update::{flag_of, schema_flag_of};
use super::args::{Globals, UpdateArgs, UpdateSource};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::log;
use crate::spec::{IntelRdt, Resources};
use std::io::Read;

/// Changes them.
///
/// # Errors
/// `container does not exist`, `container not running`; what is wrong with which flag or field.
pub fn run(globals: &Globals, args: &UpdateArgs) -> Result<u8> {
    let mut container = super::store(globals)?.open(&args.id)?;
    let resources = read(&args.source)?;
    let [l3, bandwidth] = &args.schemata;
    let lines = IntelRdt::schemas(l3.as_deref(), bandwidth.as_deref());
    lines
        .and_then(|lines| container.update_with(&resources, &lines))
        .map_err(|error| name_flag(error, &args.source))?;
    Ok(0)
}

fn read(source: &UpdateSource) -> Result<Resources> {
    let (json, place) = match source {
        UpdateSource::StandardInput => {
            let mut json = Vec::new();
            std::io::stdin().lock().read_to_end(&mut json).context(|| "read standard input")?;
            (json, "--resources -".to_owned())
        }
        UpdateSource::File(path) => {
            let place = format!("--resources {}", path.display());
            (std::fs::read(path).context(|| place.clone())?, place)
        }
        UpdateSource::Flags(value) => (value.to_string().into_bytes(), String::new()),
    };
    let (resources, warnings) = Resources::parse(&json).map_err(|error| match source {
        UpdateSource::Flags(_) => name_flag(error, source),
        UpdateSource::StandardInput | UpdateSource::File(_) => error.context(place),
    })?;
    warnings.iter().for_each(|warning| log::warn(warning));
    Ok(resources)
}

/// Who wrote a flag has no configuration to look at.
fn name_flag(error: Error, source: &UpdateSource) -> Error {
    let pointer = error.pointer().unwrap_or_default();
    if let Some(flag) = schema_flag_of(pointer) {
        return error.context(format!("--{flag}"));
    }
    let pointer = pointer.strip_prefix("/linux/resources").unwrap_or(pointer);
    match (source, flag_of(pointer)) {
        (UpdateSource::Flags(_), Some(flag)) => {
            let error = error.context(format!("--{flag}"));
            if error.kind() == Kind::Spec { error.with_kind(Kind::Usage) } else { error }
        }
        _ => error,
    }
}
