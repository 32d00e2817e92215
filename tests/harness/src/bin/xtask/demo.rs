//! `cargo xtask demo`: an image becomes a limited container, seen from both sides.
//!
//! Knows rrun's command line and the host's cgroup files. Refuses to hide what the machine cannot do: a limit that
//! cannot be had is left out *and named*. A newcomer would show the configuration's limits; shown here are the files
//! that the kernel enforces.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{getegid, geteuid, gethostname};
use rrun_harness::{Must, eventually};
use serde_json::{Value, json};

use crate::show::{columns, heading};
use crate::{Result, build, image, machine, target};

const RUNS: usize = 20;
const EXPLAINED: usize = 16;

const INSIDE: &str = "echo pid $$; echo hostname $(hostname); echo user $(id -u); \
    echo mounts $(wc -l < /proc/self/mounts); \
    head -6 /proc/self/mounts | while read s d t o; do echo \"  $d $t\"; done; \
    cd /sys/fs/cgroup 2>/dev/null && for f in memory.max cpu.max pids.max memory/memory.limit_in_bytes \
    cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max; do [ -e $f ] && echo $f $(cat $f); done; \
    echo cgroup $(grep ^0 /proc/self/cgroup); echo ready; sleep 600";

/// One limit: its name, its place in config.json, the controller it needs, and the files that show it (v2, v1).
struct Limit {
    name: &'static str,
    pointer: &'static str,
    value: fn() -> Value,
    controller: &'static str,
    files: &'static [&'static str],
}

const LIMITS: &[Limit] = &[
    Limit {
        name: "64 MiB of memory",
        pointer: "memory",
        value: || json!({ "limit": 64 << 20 }),
        controller: "memory",
        files: &["memory.max", "memory.current", "memory.limit_in_bytes", "memory.usage_in_bytes"],
    },
    Limit {
        name: "half a processor",
        pointer: "cpu",
        value: || json!({ "quota": 50_000, "period": 100_000 }),
        controller: "cpu",
        files: &["cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"],
    },
    Limit {
        name: "32 processes",
        pointer: "pids",
        value: || json!({ "limit": 32 }),
        controller: "pids",
        files: &["pids.max", "pids.current"],
    },
];

pub(crate) fn run(words: &[String]) -> Result<u8> {
    machine::need(machine::DEMO)?;
    let rrun = match words {
        [] => build()?,
        [flag, path] if flag == "--runtime" => PathBuf::from(path),
        _ => return Err("demo takes no words but --runtime PATH".into()),
    };
    // Of each user's own: what root leaves there an ordinary user could not replace.
    let scratch = target().join(format!("demo-{}", geteuid()));
    fs::create_dir_all(&scratch).map_err(|e| format!("make {}: {e}", scratch.display()))?;
    let demo = Demo {
        rrun,
        bundle: scratch.join("bundle"),
        state: scratch.join("state"),
        id: format!("demo-{}", std::process::id()),
    };
    let outcome = demo.perform(&scratch);
    // The container goes in any case, also when showing it failed halfway.
    drop(demo.command(&["delete", "--force", &demo.id]).stderr(Stdio::null()).status());
    outcome.map(|()| 0)
}

struct Demo {
    rrun: PathBuf,
    bundle: PathBuf,
    state: PathBuf,
    id: String,
}

impl Demo {
    fn perform(&self, scratch: &Path) -> Result<()> {
        heading("an image");
        let image = image::obtain(scratch)?;
        println!("  {}\n  {}", image.origin, image.archive.display());
        self.unpack(&image.archive)?;

        heading("the limits of this run");
        let absent = self.configure(&["/bin/sh", "-c", INSIDE])?;
        for limit in LIMITS {
            match absent.iter().find(|(name, _)| *name == limit.name) {
                None => println!("  {}", limit.name),
                Some((_, why)) => println!("  not {}: {why}", limit.name),
            }
        }

        heading("rrun explain, its first lines");
        let bundle = self.bundle.to_string_lossy();
        let plan = self.said(&["explain", "--bundle", &bundle, &self.id])?;
        plan.lines().take(EXPLAINED).for_each(|line| println!("  {line}"));
        println!("  … {} lines in all", plan.lines().count());

        heading("the same container from both sides");
        let inside = self.start(&scratch.join("inside"))?;
        columns(("what the process sees", &inside), ("what the host sees", &self.outside()?));

        heading("start to end of /bin/true, the image's own");
        self.call(&["delete", "--force", &self.id])?;
        self.configure(&["/bin/true"])?;
        self.measure()
    }

    fn unpack(&self, archive: &Path) -> Result<()> {
        drop(fs::remove_dir_all(&self.bundle));
        self.call(&["unpack", &archive.to_string_lossy(), &self.bundle.to_string_lossy()])
    }

    /// Edits the configuration that `unpack` wrote; returns the limits this host cannot enforce, and why.
    fn configure(&self, args: &[&str]) -> Result<Vec<(&'static str, String)>> {
        let file = self.bundle.join("config.json");
        let text =
            fs::read_to_string(&file).map_err(|e| format!("read {}: {e}", file.display()))?;
        let mut config: Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        config["process"]["args"] = json!(args);
        config["process"]["terminal"] = json!(false);
        config["hostname"] = json!("rrun-demo");
        let mut absent = Vec::new();
        for limit in LIMITS {
            match unavailable(limit.controller) {
                None => config["linux"]["resources"][limit.pointer] = (limit.value)(),
                Some(why) => absent.push((limit.name, why)),
            }
        }
        if geteuid().is_root() {
            show_cgroup(&mut config);
        } else {
            as_ordinary_user(&mut config);
        }
        let pretty = serde_json::to_string_pretty(&config).map_err(|e| e.to_string())?;
        fs::write(&file, pretty).map_err(|e| format!("write {}: {e}", file.display()))?;
        Ok(absent)
    }

    /// Starts the container and returns what its process printed.
    fn start(&self, output: &Path) -> Result<Vec<String>> {
        let file =
            fs::File::create(output).map_err(|e| format!("make {}: {e}", output.display()))?;
        let bundle = self.bundle.to_string_lossy();
        let status =
            self.command(&["run", "--detach", "--bundle", &bundle, &self.id]).stdout(file).status();
        if !status.map_err(|e| format!("rrun: {e}"))?.success() {
            return Err("rrun run failed".into());
        }
        let read = || fs::read_to_string(output).unwrap_or_default();
        if !eventually(|| read().contains("ready")) {
            return Err(format!("the container said only {:?}", read()));
        }
        Ok(read().lines().filter(|line| *line != "ready").map(str::to_owned).collect())
    }

    fn outside(&self) -> Result<Vec<String>> {
        let state: Value =
            serde_json::from_str(&self.said(&["state", &self.id])?).map_err(|e| e.to_string())?;
        let pid = state["pid"].to_string();
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let host =
            gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut lines =
            vec![format!("pid {pid}"), format!("hostname {host}"), format!("user {}", owner(&pid))];
        lines.push(format!("status {}", state["status"].as_str().unwrap_or_default()));
        let mine = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        lines.push(format!("mounts {}", mine.lines().count()));
        for (directory, limit) in LIMITS
            .iter()
            .filter_map(|limit| Some((directory(&read("cgroup"), limit.controller)?, limit)))
        {
            let values = limit.files.iter().filter_map(|name| {
                let text = fs::read_to_string(directory.join(name)).ok()?;
                Some(format!("{name} {}", text.trim()))
            });
            lines.extend(values);
        }
        lines.extend(
            read("cgroup")
                .lines()
                .filter(|line| line.contains(&self.id))
                .map(|line| format!("cgroup {line}")),
        );
        Ok(lines)
    }

    fn measure(&self) -> Result<()> {
        let bundle = self.bundle.to_string_lossy();
        let mut times = Vec::new();
        for n in 0..=RUNS {
            let id = format!("{}-{n}", self.id);
            let started = Instant::now();
            self.call(&["run", "--bundle", &bundle, &id])?;
            times.push(started.elapsed());
        }
        // The first run warms the caches and is not counted.
        times.remove(0);
        times.sort();
        let ms = |time: &Duration| time.as_secs_f64() * 1000.0;
        let (least, median) =
            (times.first().must("the first time"), times.get(RUNS / 2).must("the median"));
        println!(
            "  median {:.1} ms, least {:.1} ms, {RUNS} runs (exec of rrun to its exit, limits included)",
            ms(median),
            ms(least)
        );
        Ok(())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.rrun);
        command.arg("--root").arg(&self.state).args(args).stdin(Stdio::null());
        command
    }

    fn call(&self, args: &[&str]) -> Result<()> {
        self.said(args).map(drop)
    }

    fn said(&self, args: &[&str]) -> Result<String> {
        let output =
            self.command(args).output().map_err(|e| format!("{}: {e}", self.rrun.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("rrun {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}

fn owner(pid: &str) -> String {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/{pid}")).map(|found| found.uid().to_string()).unwrap_or_default()
}

/// Mounts the container's own cgroup where it can read its limits, unless the configuration does already.
fn show_cgroup(config: &mut Value) {
    let Some(mounts) = config.pointer_mut("/mounts").and_then(Value::as_array_mut) else { return };
    if mounts.iter().all(|mount| mount["type"] != "cgroup") {
        let options = json!(["ro", "nosuid", "nodev", "noexec", "relatime"]);
        let (kind, at) = ("cgroup", "/sys/fs/cgroup");
        mounts.push(json!({ "destination": at, "type": kind, "source": kind, "options": options }));
    }
}

/// A user namespace that maps only ourselves, and without what that cannot have.
fn as_ordinary_user(config: &mut Value) {
    let namespaces = config.pointer_mut("/linux/namespaces").and_then(Value::as_array_mut);
    if let Some(list) =
        namespaces.filter(|list| list.iter().all(|namespace| namespace["type"] != "user"))
    {
        list.push(json!({ "type": "user" }));
        let map = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
        config["linux"]["uidMappings"] = map(geteuid().as_raw());
        config["linux"]["gidMappings"] = map(getegid().as_raw());
    }
    let mounts = config.pointer_mut("/mounts").and_then(Value::as_array_mut);
    for mount in mounts.into_iter().flatten() {
        if let Some(options) = mount["options"].as_array_mut() {
            // Group 5 is not mapped.
            options.retain(|option| option != "gid=5");
        }
    }
}

/// Why this controller cannot be used by this user on this host; `None` when it can.
fn unavailable(controller: &str) -> Option<String> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(directory) = directory(&own, controller) else {
        return Some(format!("the kernel has no cgroup controller {controller} here"));
    };
    let writable = nix::unistd::access(&directory, nix::unistd::AccessFlags::W_OK).is_ok();
    if writable {
        return None;
    }
    let fix = if directory.join("cgroup.controllers").exists() {
        "delegate it: systemd's Delegate=yes for user@.service"
    } else {
        "v1 hierarchies are root's; cgroup v2 can be delegated"
    };
    Some(format!("{} belongs to another user ({fix})", directory.display()))
}

/// The cgroup of a `/proc/PID/cgroup` text in the hierarchy that has `controller`: v1, else v2.
fn directory(text: &str, controller: &str) -> Option<PathBuf> {
    let mut unified = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(names), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if names.split(',').any(|name| name == controller) {
            return Some(Path::new("/sys/fs/cgroup").join(controller).join(path));
        }
        if names.is_empty() {
            unified = Some(path);
        }
    }
    let own = Path::new("/sys/fs/cgroup").join(unified?);
    let has = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    has.split_whitespace().any(|name| name == controller).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v1_controller_is_found_in_its_own_hierarchy() {
        let found = directory("9:name=systemd:/\n4:memory:/a/b\n0::/\n", "memory");
        assert_eq!(found, Some(PathBuf::from("/sys/fs/cgroup/memory/a/b")));
    }

    #[test]
    fn an_ordinary_user_maps_only_itself() {
        let mut config =
            json!({ "linux": { "namespaces": [] }, "mounts": [{ "options": ["gid=5", "ro"] }] });
        as_ordinary_user(&mut config);
        assert_eq!(config["linux"]["uidMappings"][0]["size"], 1);
        assert_eq!(config["mounts"][0]["options"], json!(["ro"]));
    }
}
