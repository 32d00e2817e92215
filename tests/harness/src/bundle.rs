//! A bundle of one test: a rootfs, a configuration with edits, a container id, and their end.
//!
//! Knows how to make and remove them. Refuses to validate the configuration: tests write wrong ones on purpose.
//! A newcomer would keep the id and drop the bundle: dropping it force-deletes the container and removes the rootfs.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bounded::{Output, Running, Stdio};
use crate::runtime::{Runtime, unique};
use crate::{Must, Terminal, default_config, eventually, tree};

/// A bundle directory, the id of its container and the runtime that runs it.
///
/// Methods that take `self` describe; methods that take `&self` write `config.json` and call the runtime.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    id: String,
    config: Value,
    runtime: Runtime,
}

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}

impl Bundle {
    /// A bundle of the default tree (the probe and busybox) for the runtime under test.
    #[must_use]
    #[track_caller]
    pub fn new() -> Bundle {
        Self::in_runtime(&Runtime::under_test())
    }

    /// A bundle whose container lives in the state directory of `runtime`.
    #[must_use]
    #[track_caller]
    pub fn in_runtime(runtime: &Runtime) -> Bundle {
        Self::of_tree("default", runtime)
    }

    /// A bundle whose rootfs is the named tree of `rootfs-fixtures/trees`.
    #[must_use]
    #[track_caller]
    pub fn of_tree(tree: &str, runtime: &Runtime) -> Bundle {
        let id = unique("rrun-test");
        let path = env::temp_dir().join(format!("{id}.bundle"));
        fs::create_dir_all(&path).must("make the bundle");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).must("open the bundle to others");
        let bundle = Bundle { path, id, config: default_config(), runtime: runtime.clone() };
        tree::plant(tree, &bundle.rootfs());
        bundle
    }

    /// Sets `process.args`.
    #[must_use]
    pub fn args<S: AsRef<str>>(self, args: impl IntoIterator<Item = S>) -> Bundle {
        let args: Vec<Value> = args.into_iter().map(|arg| json!(arg.as_ref())).collect();
        self.set("/process/args", Value::Array(args))
    }

    /// Sets `process.args` to a shell script; the test must also say `requires!(busybox)`.
    #[must_use]
    pub fn script(self, script: &str) -> Bundle {
        self.args(["sh", "-c", script])
    }

    /// Adds `NAME=value` to `process.env`.
    #[must_use]
    pub fn env(self, variable: &str) -> Bundle {
        self.push("/process/env", json!(variable))
    }

    /// Adds one mount.
    #[must_use]
    pub fn mount(self, destination: &str, kind: &str, source: &str, options: &[&str]) -> Bundle {
        let mount = json!({ "destination": destination, "type": kind, "source": source, "options": options });
        self.push("/mounts", mount)
    }

    /// Bind-mounts a host path.
    #[must_use]
    pub fn bind(self, source: &Path, destination: &str, options: &[&str]) -> Bundle {
        let options: Vec<&str> = ["bind"].into_iter().chain(options.iter().copied()).collect();
        self.mount(destination, "bind", &source.to_string_lossy(), &options)
    }

    /// Adds a new namespace of this kind.
    #[must_use]
    pub fn namespace(self, kind: &str) -> Bundle {
        self.push("/linux/namespaces", json!({ "type": kind }))
    }

    /// Adds a new user namespace; each line of its maps of users and groups is (first inside, first outside, how many).
    #[must_use]
    pub fn mapped(self, lines: &[(u32, u32, u32)]) -> Bundle {
        let line = |(inside, outside, size): &(u32, u32, u32)| json!({ "containerID": inside, "hostID": outside, "size": size });
        let map: Value = lines.iter().map(line).collect();
        self.namespace("user").set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map)
    }

    /// Removes the namespace of this kind, so that the container shares the runtime's.
    #[must_use]
    pub fn without_namespace(self, kind: &str) -> Bundle {
        self.edit(|config| {
            let list = config.pointer_mut("/linux/namespaces").and_then(Value::as_array_mut);
            list.must("find linux.namespaces").retain(|namespace| namespace["type"] != kind);
        })
    }

    /// Sets the value at a JSON pointer, making the objects on the way.
    #[must_use]
    #[track_caller]
    pub fn set(self, pointer: &str, value: Value) -> Bundle {
        self.edit(|config| *slot(config, pointer) = value)
    }

    /// Appends to the list at a JSON pointer, making it if need be.
    #[must_use]
    #[track_caller]
    pub fn push(self, pointer: &str, value: Value) -> Bundle {
        self.edit(|config| match slot(config, pointer) {
            Value::Array(list) => list.push(value),
            empty @ Value::Null => *empty = json!([value]),
            other => panic!("{pointer} is not a list but {other}"),
        })
    }

    /// Changes the configuration in any way.
    #[must_use]
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Bundle {
        change(&mut self.config);
        self
    }

    /// Gives the bundle and all of its rootfs to a user, for runtimes called by that user.
    #[must_use]
    #[track_caller]
    pub fn owned_by(self, uid: u32, gid: u32) -> Bundle {
        give(&self.path, uid, gid);
        self
    }

    /// The container's id, unique on this machine.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bundle's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the root file system.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.path.join("rootfs")
    }

    /// The configuration as it stands.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The runtime of this bundle, with its state directory.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Writes `config.json`; every verb below does it first.
    #[track_caller]
    pub fn write_config(&self) {
        fs::write(self.path.join("config.json"), self.config.to_string()).must("write config.json");
    }

    /// `run` in the foreground, to its end.
    #[must_use]
    #[track_caller]
    pub fn run(&self) -> Output {
        self.run_with(&[])
    }

    /// `run` with more flags.
    #[must_use]
    #[track_caller]
    pub fn run_with(&self, flags: &[&str]) -> Output {
        self.start_run(flags).wait()
    }

    /// `run`, started and not waited for.
    #[must_use]
    #[track_caller]
    pub fn start_run(&self, flags: &[&str]) -> Running {
        self.write_config();
        self.runtime.start_command(self.verb("run", flags))
    }

    /// `run` with these bytes as stdin.
    #[must_use]
    #[track_caller]
    pub fn run_with_input(&self, input: &[u8]) -> Output {
        self.write_config();
        let command = self.runtime.command(self.verb("run", &[]));
        Running::start(command, &Stdio::Input(input.to_vec()), self.runtime.scratch()).wait()
    }

    /// `run` in the foreground of `terminal`, with `process.terminal` as the configuration says.
    #[must_use]
    #[track_caller]
    pub fn run_on(&self, terminal: &mut Terminal) -> Running {
        self.write_config();
        terminal.start(&self.runtime.command(self.verb("run", &[])))
    }

    /// `run` of the probe's `facts`, as JSON: what a process of this container sees.
    #[must_use]
    #[track_caller]
    pub fn facts(self) -> Value {
        self.args(["probe", "facts"]).run().success().json()
    }

    /// `create`.
    #[must_use]
    #[track_caller]
    pub fn create(&self) -> Output {
        self.create_with(&[])
    }

    /// `create` with more flags. What the container writes later is in this output, too.
    #[must_use]
    #[track_caller]
    pub fn create_with(&self, flags: &[&str]) -> Output {
        self.write_config();
        self.runtime.call(self.verb("create", flags))
    }

    /// `create` and `start`, both successful.
    #[track_caller]
    pub fn up(&self) -> Output {
        let created = self.create().success();
        self.start().success();
        created
    }

    /// `start`.
    #[must_use]
    #[track_caller]
    pub fn start(&self) -> Output {
        self.runtime.start(&self.id)
    }

    /// `exec` with flags and a command.
    #[must_use]
    #[track_caller]
    pub fn exec(&self, flags: &[&str], command: &[&str]) -> Output {
        self.start_exec(flags, command).wait()
    }

    /// `exec`, started and not waited for.
    #[must_use]
    #[track_caller]
    pub fn start_exec(&self, flags: &[&str], command: &[&str]) -> Running {
        let words =
            ["exec"].iter().chain(flags).copied().chain([self.id()]).chain(command.iter().copied());
        self.runtime.start_command(words)
    }

    /// `kill` with a signal by name or number.
    #[must_use]
    #[track_caller]
    pub fn kill(&self, signal: &str) -> Output {
        self.runtime.kill(&self.id, signal)
    }

    /// `delete`.
    #[must_use]
    #[track_caller]
    pub fn delete(&self) -> Output {
        self.runtime.delete(&self.id)
    }

    /// `delete --force`.
    #[must_use]
    #[track_caller]
    pub fn delete_force(&self) -> Output {
        self.runtime.call(["delete", "--force", self.id()])
    }

    /// `state`, successful, as JSON.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> Value {
        self.runtime.state(&self.id).success().json()
    }

    /// The status that `state` reports.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().must("find the status").to_owned()
    }

    /// Waits until `state` reports `status`.
    #[track_caller]
    pub fn expect_status(&self, status: &str) {
        let mut last = String::new();
        let seen = eventually(|| {
            last = self.status();
            last == status
        });
        assert!(seen, "the container never became {status}; it is {last}");
    }

    fn verb(&self, verb: &str, flags: &[&str]) -> Vec<String> {
        let bundle = self.path.to_string_lossy();
        let words =
            [verb, "--bundle", &bundle].into_iter().chain(flags.iter().copied()).chain([self.id()]);
        words.map(str::to_owned).collect()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.runtime.sweep(&self.id);
        drop(fs::remove_dir_all(&self.path));
    }
}

#[track_caller]
fn slot<'a>(config: &'a mut Value, pointer: &str) -> &'a mut Value {
    let mut at = config;
    for name in pointer.split('/').skip(1) {
        at = match at {
            Value::Array(list) => {
                let n: usize = name.parse().must("read an index of a list");
                list.get_mut(n).must(&format!("find entry {n} of {pointer}"))
            }
            other => &mut other[name],
        };
    }
    at
}

#[track_caller]
fn give(path: &Path, uid: u32, gid: u32) {
    let found = fs::symlink_metadata(path).must("look at a file of the bundle");
    if !found.is_symlink() {
        chown(path, Some(uid), Some(gid)).must("give a file to the user");
    }
    if found.is_dir() {
        for child in fs::read_dir(path).must("list a directory of the bundle") {
            give(&child.must("list a directory of the bundle").path(), uid, gid);
        }
    }
}
