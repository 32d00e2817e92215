//! One service, as data: what it runs, on which tree, as whom, within which limits; and its bundle.
//!
//! It refuses to differ by subject: a bare process runs the same words on the same tree. What a newcomer would get wrong:
//! the trees are shared and read-only; what a service writes is in a directory that belongs to one life of it,
//! and nowhere else: runc gives a tmpfs the mode of the directory below it, so /tmp would be root's.

use super::cgroup::{Limits, PERIOD};
use super::network::Slot;
use crate::scene;
use rrun_harness::workspace;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Where on the network; its name is the service's.
    pub slot: Slot,
    /// The root file system.
    pub tree: PathBuf,
    /// What is run, by its path in the tree.
    pub words: Vec<String>,
    /// Its environment.
    pub environment: Vec<String>,
    /// The user and the group.
    pub uid: u32,
    /// What is seen as /srv, and belongs to the user.
    pub srv: PathBuf,
    /// What is seen as /etc/passwd and /etc/hosts.
    pub etc: PathBuf,
    /// What it may use.
    pub limits: Limits,
}

impl Service {
    /// As errors and cgroups call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.slot.name
    }

    /// What the benchmark calls it among everything on this machine.
    #[must_use]
    pub fn unique(&self) -> String {
        format!("rrun-services-{}-{}", std::process::id(), self.name())
    }

    /// What is bound from outside: from, to.
    #[must_use]
    pub fn binds(&self) -> [(PathBuf, &'static str); 3] {
        let etc = |name: &str| self.etc.join(name);
        [(self.srv.clone(), "/srv"), (etc("passwd"), "/etc/passwd"), (etc("hosts"), "/etc/hosts")]
    }

    /// Writes the bundle's configuration: Docker's, with what is this service's own.
    ///
    /// # Errors
    /// A sentence.
    pub fn bundle(&self, at: &Path) -> Result<(), String> {
        let file = workspace().join(scene::DOCKER);
        let text = fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        let config =
            serde_json::from_str(&text).map_err(|why| format!("{}: {why}", file.display()));
        let config = self.adapt(config?)?;
        write(&at.join("config.json"), &config.to_string())
    }

    fn adapt(&self, mut config: Value) -> Result<Value, String> {
        config["ociVersion"] = json!("1.0.2");
        config["hostname"] = json!(self.name());
        config["root"] = json!({ "path": self.tree, "readonly": true });
        let process = &mut config["process"];
        process["args"] = json!(self.words);
        process["env"] = json!(self.environment);
        process["user"] = json!({ "uid": self.uid, "gid": self.uid });
        process["cwd"] = json!("/srv");
        process["capabilities"] = json!({});
        process["noNewPrivileges"] = json!(true);
        let mounts = config["mounts"].as_array_mut().ok_or("the configuration has no mounts")?;
        mounts.retain(|mount| mount["type"] != "bind");
        for (source, destination) in self.binds() {
            let options =
                if destination == "/srv" { json!(["bind"]) } else { json!(["bind", "ro"]) };
            mounts.push(json!({ "destination": destination, "type": "bind", "source": source,
                                "options": options }));
        }
        let linux = &mut config["linux"];
        linux["cgroupsPath"] = json!(format!("/{}", self.unique()));
        linux["sysctl"] = json!({});
        linux["resources"] = json!({
            "devices": linux["resources"]["devices"],
            "memory": { "limit": self.limits.memory },
            "cpu": { "quota": self.limits.quota(), "period": PERIOD },
            "pids": { "limit": self.limits.pids },
        });
        let spaces = linux["namespaces"].as_array_mut().ok_or("it has no namespaces")?;
        spaces.retain(|space| space["type"] != "network");
        spaces.push(json!({ "type": "network", "path": self.slot.namespace() }));
        spaces.push(json!({ "type": "cgroup" }));
        Ok(config)
    }
}

/// Makes a directory.
///
/// # Errors
/// A sentence.
pub fn directory(at: &Path) -> Result<(), String> {
    fs::create_dir_all(at).map_err(|why| format!("make {}: {why}", at.display()))
}

/// Makes a directory that belongs to a user.
///
/// # Errors
/// A sentence.
pub fn owned(at: &Path, uid: u32) -> Result<(), String> {
    directory(at)?;
    chown(at, Some(uid), Some(uid)).map_err(|why| format!("give {} away: {why}", at.display()))
}

/// Writes a file.
///
/// # Errors
/// A sentence.
pub fn write(at: &Path, text: &str) -> Result<(), String> {
    fs::write(at, text).map_err(|why| format!("write {}: {why}", at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_the_limits_joins_the_network_and_keeps_the_filter() {
        let service = Service {
            slot: Slot::new("api-0", 10),
            tree: "/tree".into(),
            words: vec!["/api".to_owned()],
            environment: Vec::new(),
            uid: 7,
            srv: "/life/srv".into(),
            etc: "/etc".into(),
            limits: Limits { cpu: 50, memory: 1 << 20, pids: 9 },
        };
        let text = fs::read_to_string(workspace().join(scene::DOCKER)).unwrap();
        let config = service.adapt(serde_json::from_str(&text).unwrap()).unwrap();
        let resources = &config["linux"]["resources"];
        assert_eq!(resources["cpu"], json!({ "quota": 50_000, "period": 100_000 }));
        assert_eq!(resources["memory"]["limit"], 1 << 20);
        assert_eq!(resources["pids"]["limit"], 9);
        let spaces = config["linux"]["namespaces"].as_array().unwrap();
        let network: Vec<_> = spaces.iter().filter(|space| space["type"] == "network").collect();
        assert_eq!(network, [&json!({ "type": "network", "path": "/run/netns/api-0" })]);
        assert!(config["linux"]["seccomp"]["syscalls"].is_array());
        assert_eq!(config["process"]["user"]["uid"], 7);
        let mounts = config["mounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["source"] == "/life/srv"));
    }
}
