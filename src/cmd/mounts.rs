//! `rrun mounts`: mounts are added to a running container, and removed again.
//!
//! It knows where the list is read: a JSON list of mounts as config.json has them, or an object with one.
//! What a newcomer would get wrong: relative sources lie below the bundle, as in config.json, not below the working
//! directory.

use super::args::{Globals, MountsAction, MountsArgs};
use crate::error::{Result, ResultExt};
use crate::log;
use crate::runtime::Bundle;
use crate::spec::Mount;
use std::io::Read;

/// Adds or removes them.
///
/// # Errors
/// `container does not exist`, `container not running`; what is wrong with which mount.
pub fn run(globals: &Globals, args: &MountsArgs) -> Result<u8> {
    let container = super::store(globals)?.open(&args.id)?;
    let record = &container.record;
    let bundle = Bundle::load_config(Some(&record.bundle), record.config.as_deref())?;
    let (json, place) = match &args.file {
        None => {
            let mut json = Vec::new();
            std::io::stdin().lock().read_to_end(&mut json).context(|| "read standard input")?;
            (json, "-".to_owned())
        }
        Some(path) => {
            let place = path.display().to_string();
            (std::fs::read(path).context(|| format!("read {place}"))?, place)
        }
    };
    let spec = &bundle.spec;
    let (mounts, warnings) =
        Mount::parse_list(&json, &bundle.path, &spec.namespaces.user, &spec.id_maps)
            .context(|| place.clone())?;
    warnings.iter().for_each(|warning| log::warn(warning));
    match args.action {
        MountsAction::Add => container.add_mounts(&mounts, &bundle.spec.id_maps),
        MountsAction::Remove => container.remove_mounts(&mounts),
    }
    .context(|| place)?;
    Ok(0)
}
