//! The containers whose steps fail, and what must hold whenever one did.

use rrun_harness::{Bundle, ConsoleSocket, Leftovers, Must, Output, Runtime};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// What a container can't do without.
pub fn minimal() -> Bundle {
    Bundle::new().edit(|config| {
        config["mounts"] = json!([]);
        config["hostname"] = Value::Null;
        config["linux"] = json!({ "namespaces": [{ "type": "mount" }, { "type": "pid" }] });
        config["process"]["args"] = json!(["probe", "exit", "0"]);
    })
}

/// What a container can have: every namespace but user, limits, devices, masks, hooks of all kinds, a filter, a terminal.
pub fn everything() -> Bundle {
    let bundle = Bundle::new();
    let source = bundle.path().join("source");
    fs::create_dir(&source).must("make a source for a bind mount");
    let hook = json!([{ "path": "/bin/true" }]);
    let inner = json!([{ "path": "/bin/probe", "args": ["probe", "exit", "0"] }]);
    let caps = json!(["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    bundle
        .bind(&source, "/mnt/bound", &["ro"])
        .mount("/mnt/copied", "tmpfs", "tmpfs", &["tmpcopyup"])
        .namespace("cgroup")
        .namespace("time")
        .edit(|config| {
            config["hooks"] = json!({
                "prestart": hook, "createRuntime": hook, "createContainer": hook,
                "startContainer": inner, "poststart": hook, "poststop": hook,
            });
            config["domainname"] = json!("example.org");
            config["root"]["readonly"] = json!(true);
            let process = &mut config["process"];
            process["terminal"] = json!(true);
            process["user"] = json!({ "uid": 12, "gid": 34, "additionalGids": [5], "umask": 63 });
            process["cwd"] = json!("/tmp");
            process["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 64 }]);
            process["oomScoreAdj"] = json!(500);
            for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
                process["capabilities"][set] = caps.clone();
            }
            let linux = &mut config["linux"];
            linux["timeOffsets"] = json!({ "monotonic": { "secs": 10 } });
            linux["sysctl"] = json!({ "net.ipv4.ip_unprivileged_port_start": "0" });
            linux["resources"] = json!({
                "pids": { "limit": 64 },
                "memory": { "limit": 1 << 28 },
                "cpu": { "shares": 512 },
                "devices": [{ "allow": false, "access": "rwm" }],
            });
            linux["devices"] = json!([
                { "path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 438 },
            ]);
            linux["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{ "names": ["swapon"], "action": "SCMP_ACT_ERRNO" }],
            });
        })
}

/// Root inside is somebody else outside.
pub fn user_namespace() -> Bundle {
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    let bundle = Bundle::new().namespace("user");
    bundle.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map).edit(|config| {
        config["process"]["args"] = json!(["probe", "exit", "0"]);
    })
}

/// How many steps the child has until the program runs.
pub fn child_steps(bundle: &Bundle) -> usize {
    bundle.write_config();
    let path = bundle.path().to_string_lossy().into_owned();
    let plan = bundle.runtime().call(["explain", "--json", "--bundle", &path]).success().json();
    plan["child"].as_array().must("find the child's steps").len()
}

/// Who wants something of a `create`: the pid file's reader and the sockets' listeners. All of it goes with this value.
pub struct Handouts {
    directory: PathBuf,
    _listeners: (ConsoleSocket, UnixListener),
    flags: Vec<String>,
}

impl Drop for Handouts {
    fn drop(&mut self) {
        for socket in ["console.sock", "pidfd.sock"] {
            fs::remove_file(self.directory.join(socket)).must("remove a socket");
        }
    }
}

impl Handouts {
    /// Makes the sockets, beside the bundle's configuration.
    pub fn of(bundle: &Bundle) -> Handouts {
        let at = |name: &str| bundle.path().join(name).to_string_lossy().into_owned();
        let console = ConsoleSocket::listen(bundle.path());
        let pidfd = UnixListener::bind(at("pidfd.sock")).must("listen for a pidfd");
        let mut flags = vec![format!("--pid-file={}", at("pid"))];
        flags.push(format!("--pidfd-socket={}", at("pidfd.sock")));
        if bundle.config()["process"]["terminal"] == true {
            flags.push(format!("--console-socket={}", console.path()));
        }
        Handouts { directory: bundle.path().into(), _listeners: (console, pidfd), flags }
    }

    /// The flags that name them.
    pub fn flags(&self) -> impl Iterator<Item = String> {
        self.flags.iter().cloned()
    }
}

/// The runtime of `bundle` with the *n*-th fault of a kind, reporting in JSON.
pub fn faulty(bundle: &Bundle, variable: &str, n: usize) -> Runtime {
    bundle.runtime().clone().with_globals(["--log-format", "json"]).with_env(variable, n)
}

/// `create` or `run` with these flags.
pub fn words(verb: &str, bundle: &Bundle, flags: impl Iterator<Item = String>) -> Vec<String> {
    let path = bundle.path().to_string_lossy().into_owned();
    let mut words = vec![verb.to_owned(), "--bundle".to_owned(), path];
    words.extend(flags);
    words.push(bundle.id().to_owned());
    words
}

/// Asserts the exit code and that exactly one error was reported; returns it.
#[track_caller]
pub fn the_error(output: Output, code: i32) -> Value {
    let output = output.code(code);
    let entries = output.stderr().lines().map(|line| {
        serde_json::from_str::<Value>(line)
            .must(&format!("read {line:?} as JSON\n{}", output.account()))
    });
    let errors: Vec<Value> = entries.filter(|entry| entry["level"] == "error").collect();
    assert!(errors.len() == 1, "not one error\n{}", output.account());
    errors[0].clone()
}

/// Asserts that the error names step `n` of the child.
#[track_caller]
pub fn assert_names_step(error: &Value, n: usize) {
    let step = error["step"].as_str().unwrap_or_default();
    assert!(step.ends_with(&format!("(step {n})")), "step {n} is not named in {error}");
}

/// Asserts that the machine and the bundle are as before: no cgroup, mount, process, state, pid file or draft.
#[track_caller]
pub fn assert_nothing_is_left(bundle: &Bundle) {
    Leftovers::assert_none(bundle);
    let names = |directory: &Path| -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let known = ["config.json", "rootfs", "source"];
    let mut left = names(bundle.path());
    left.retain(|name| !known.contains(&name.as_str()));
    left.extend(names(&bundle.runtime().root()));
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Whether this is the emulated guest, where a start takes a second.
pub fn is_slow() -> bool {
    std::env::var_os("RRUN_TEST_STRICT").is_some()
}
