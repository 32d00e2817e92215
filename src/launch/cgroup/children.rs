//! Cgroups below a container's, for `exec --cgroup [CONTROLLER,…:]PATH`.
//!
//! It knows which hierarchy a controller is in. It refuses to make any: what is there was made in the container.
//! What a newcomer would get wrong: a hierarchy that has no such cgroup is not left out; the process stays in the
//! container's own there, or it would be in nobody's, and without limits.

use super::Cgroup;
use crate::error::{Error, Kind, Result};
use crate::host::{CgroupHost, OwnCgroup};
use std::path::{Component, Path, PathBuf};

impl Cgroup {
    /// The cgroups that `below` names, each `path` in every hierarchy that has it or `controller,…:path` in those of the
    /// controllers; where none is named, its own.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a path that climbs or a controller that is not in a v1 hierarchy; [`Kind::NotFound`] for one
    /// that is not there.
    pub fn children(&self, below: &[String]) -> Result<Self> {
        let mut child =
            Self { unified: self.unified.clone(), v1: self.v1.clone(), ..Self::default() };
        for entry in below {
            match entry.split_once(':') {
                None => child.everywhere(self, entry, &relative(entry, entry)?)?,
                Some((controllers, path)) => {
                    child.of_controllers(self, entry, controllers, &relative(entry, path)?)?;
                }
            }
        }
        Ok(child)
    }

    fn everywhere(&mut self, own: &Self, entry: &str, path: &Path) -> Result<()> {
        let unified = own.unified.as_ref().map(|own| own.join(path));
        if unified.as_ref().is_none_or(|path| !path.is_dir()) {
            return Err(missing(entry));
        }
        self.unified = unified;
        for (place, own) in self.v1.iter_mut().zip(&own.v1) {
            let below = own.join(path);
            if below.is_dir() {
                *place = below;
            }
        }
        Ok(())
    }

    fn of_controllers(
        &mut self,
        own: &Self,
        entry: &str,
        controllers: &str,
        path: &Path,
    ) -> Result<()> {
        let host = CgroupHost::probe(false, OwnCgroup::Unwanted)?;
        for controller in controllers.split(',') {
            let mount = host.v1_with(controller).map(|hierarchy| &hierarchy.mount);
            let index =
                own.v1.iter().position(|place| mount.is_some_and(|mount| place.starts_with(mount)));
            let found = index.and_then(|index| Some((own.v1.get(index)?, self.v1.get_mut(index)?)));
            let Some((own, place)) = found else {
                return Err(Error::new(
                    Kind::Usage,
                    format!("--cgroup {entry:?}: the container has no v1 cgroup of {controller:?}"),
                )
                .hint("name a controller of a v1 hierarchy, or a path without any"));
            };
            let below = own.join(path);
            if !below.is_dir() {
                return Err(missing(entry));
            }
            *place = below;
        }
        Ok(())
    }
}

fn relative(entry: &str, path: &str) -> Result<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(Error::new(
            Kind::Usage,
            format!("--cgroup {entry:?} leaves the container's cgroup"),
        )
        .hint("name a path below it, without '..'"));
    }
    Ok(relative.to_owned())
}

fn missing(entry: &str) -> Error {
    Error::new(Kind::NotFound, format!("--cgroup {entry:?}: the container has no such cgroup"))
        .hint("make it in the container first")
}
