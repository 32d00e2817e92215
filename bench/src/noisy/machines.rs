//! Two virtual machines.

use super::site::Site;
use crate::result::Row;
use crate::suite::Context;

/// .
pub fn measure(_: &Context, _: &Site) -> Result<Vec<Row>, String> {
    Ok(Vec::new())
}
