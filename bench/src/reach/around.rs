//! Looking around as a container's process: the program `look`, its lines, and the bait that it must not get.
//!
//! What a newcomer would get wrong: that nothing was reached proves nothing unless the same program reaches it from
//! outside, so it is run bare first, as a control.

use crate::memory::crowd::root_of;
use crate::memory::instance::{self, Kind};
use crate::programs::Programs;
use crate::room;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where it is in a container.
const PLACE: &str = "bin/look";

/// What `look` has counted, by name.
pub type Around = BTreeMap<String, u32>;

/// A file beside the containers' roots, and a socket of the host.
#[derive(Debug)]
pub struct Bait {
    handle: String,
    name: String,
    _socket: UnixListener,
}

impl Bait {
    /// Lays it out.
    ///
    /// # Errors
    /// A sentence.
    pub fn lay(programs: &Programs) -> Result<Self, String> {
        let told = |why: std::io::Error| format!("the bait: {why}");
        let file = room::directory().join("bait");
        fs::create_dir_all(room::directory()).map_err(told)?;
        fs::write(&file, "of the host\n").map_err(told)?;
        let handle = output(Command::new(&programs.look).arg("handle").arg(&file))?;
        let name = format!("rrun-bench-{}-bait", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).map_err(told)?;
        let socket = UnixListener::bind_addr(&address).map_err(told)?;
        Ok(Self { handle: handle.trim().to_owned(), name, _socket: socket })
    }

    /// What is around a bare process, which must find the bait.
    ///
    /// # Errors
    /// A sentence: `look` can't see what is there.
    pub fn bare(&self, programs: &Programs) -> Result<Around, String> {
        let mut look = Command::new(&programs.look);
        let around = parse(&output(look.args(["gently", &self.handle, &self.name]))?)?;
        for control in ["outside-handle", "socket"] {
            if around.get(control) != Some(&1) {
                return Err(format!("bare: look does not reach its own host ({control})"));
            }
        }
        Ok(around)
    }

    /// What is around the process of a container.
    ///
    /// # Errors
    /// A sentence: it did not run, or said what makes no sense.
    pub fn inside(&self, programs: &Programs, kind: &Kind) -> Result<Around, String> {
        let Kind::Container(runtime, config) = kind else {
            return Err("only containers are looked around in".to_owned());
        };
        let root = root_of(config).join(PLACE);
        if !root.is_file() {
            fs::copy(&programs.look, &root).map_err(|why| format!("{}: {why}", root.display()))?;
        }
        let id = format!("{}-look", instance::prefix());
        let mut config = config.clone();
        config["process"]["args"] =
            json!([Path::new("/").join(PLACE), "around", self.handle, self.name]);
        config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        let bundle = room::directory().join("idle").join(&id);
        fs::create_dir_all(&bundle)
            .and_then(|()| fs::write(bundle.join("config.json"), config.to_string()))
            .map_err(|why| format!("its bundle: {why}"))?;
        let said = output(&mut runtime.run(&bundle, &id));
        // After an orderly end there is nothing to delete.
        drop(runtime.command("delete", &["--force", &id]).stderr(Stdio::null()).status());
        parse(&said?)
    }
}

fn output(command: &mut Command) -> Result<String, String> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.map_err(|why| format!("start {command:?}: {why}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{command:?}: {}: {}", done.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn parse(said: &str) -> Result<Around, String> {
    let line = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    said.lines().map(|text| line(text).ok_or_else(|| format!("look said {text:?}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_counts_and_nothing_else() {
        let around = parse("devices 6\nsocket 0\n").expect("two lines");
        assert_eq!(around.get("devices"), Some(&6));
        assert_eq!(parse("WARN cgroup\n"), Err("look said \"WARN cgroup\"".to_owned()));
    }
}
