//! `rrun explain`: the plan, as text or JSON, and nothing else happens.

use crate::cmd::args::{CreateArgs, ExplainArgs, Globals};
use crate::error::{Kind, Result};
use crate::id::ContainerId;
use crate::plan::show;
use crate::runtime::Bundle;

/// Prints it. A user who may not make the container sees what root would do.
///
/// # Errors
/// What the plan refuses.
pub fn run(globals: &Globals, args: &ExplainArgs) -> Result<u8> {
    let mut bundle = Bundle::load_config(args.bundle.as_deref(), args.config.as_deref())?;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => ContainerId::new("container")?,
    };
    let request = super::request(globals, &CreateArgs::plain(id.clone()), &bundle);
    let plan = match bundle.plan(&id, &request) {
        Err(error) if error.kind() == Kind::Denied => {
            bundle.host = bundle.host.as_root()?;
            bundle.plan(&id, &request)?
        }
        other => other?,
    };
    let path = bundle.path.to_string_lossy();
    if args.json {
        let json = show::explain_json(&plan, &bundle.spec, &bundle.host, &path);
        return crate::cmd::print(&format!("{json:#}\n"));
    }
    crate::cmd::print(&show::explain(&plan, &bundle.spec, &bundle.host, &path))
}
