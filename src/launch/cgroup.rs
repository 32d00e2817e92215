//! An existing cgroup of a container: replaced at merge.

use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The smallest thing with the contract's methods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {}

#[allow(missing_docs, clippy::missing_errors_doc)]
impl Cgroup {
    pub fn pids(&self) -> Result<Vec<i32>> {
        Ok(Vec::new())
    }
    pub fn kill_all(&self) -> Result<()> {
        Ok(())
    }
    pub fn freeze(&self) -> Result<()> {
        Ok(())
    }
    pub fn thaw(&self) -> Result<()> {
        Ok(())
    }
    pub fn is_frozen(&self) -> Result<bool> {
        Ok(false)
    }
    pub fn remove(&self) -> Result<()> {
        Ok(())
    }
}
