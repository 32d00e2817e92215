//! What the probe saw against what the configuration says, field by field; every difference is reported at once.

use rrun_harness::{Must, Runtime};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// Collects differences.
struct Comparison<'a> {
    config: &'a Value,
    facts: &'a Value,
    wrong: Vec<String>,
}

/// Fails with every difference between `config` and `facts`.
#[track_caller]
pub fn assert_as_configured(config: &Value, facts: &Value) {
    let wrong = differences(config, facts);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Every difference between `config` and `facts`, as sentences.
pub fn differences(config: &Value, facts: &Value) -> Vec<String> {
    let mut comparison = Comparison { config, facts, wrong: Vec::new() };
    comparison.identity();
    comparison.confinement();
    comparison.mounts();
    comparison.hidden();
    comparison.namespaces();
    comparison.settings();
    comparison.limits();
    comparison.wrong
}

/// The elements of a list that may be absent.
fn list<'a>(config: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    config.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().must("read a string")
}

impl Comparison<'_> {
    fn same(&mut self, what: &str, seen: &Value, wanted: &Value) {
        if seen != wanted {
            self.wrong.push(format!("{what}: {seen} is seen, {wanted} is configured"));
        }
    }

    fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            self.wrong.push(what.to_owned());
        }
    }

    fn process(&self, key: &str, default: Value) -> Value {
        self.config["process"].get(key).cloned().unwrap_or(default)
    }

    fn identity(&mut self) {
        let facts = self.facts;
        let user = self.process("user", Value::Null);
        for key in ["uid", "gid"] {
            for kind in ["", "e", "s"] {
                let fact = &facts["user"][format!("{kind}{key}")];
                self.same(key, fact, &user[key]);
            }
        }
        let groups = user.get("additionalGids").cloned().unwrap_or(json!([]));
        self.same("groups", &facts["user"]["groups"], &groups);
        let umask = user.get("umask").and_then(Value::as_u64).unwrap_or(0o022);
        self.same("umask", &facts["status"]["umask"], &json!(format!("{umask:04o}")));
        self.same("cwd", &facts["cwd"], &self.process("cwd", Value::Null));
        for pair in list(self.config, "/process/env").map(word) {
            let (name, value) = pair.split_once('=').must("split a variable");
            self.same(name, &facts["env"][name], &json!(value));
        }
        for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
            let names = list(self.config, &format!("/process/capabilities/{set}")).map(word);
            let wanted = names.fold(0_u64, |bits, name| {
                bits | 1 << caps::Capability::from_str(name).must("know a capability").index()
            });
            self.same(set, &facts["caps"][set], &json!(wanted));
        }
    }

    fn confinement(&mut self) {
        let status = &self.facts["status"];
        let filter = self.config.pointer("/linux/seccomp").is_some();
        self.same("seccomp mode", &status["seccomp"], &json!(if filter { 2 } else { 0 }));
        // On top of the filters that we ourselves run under.
        let ours = fs::read_to_string("/proc/self/status").must("read our status");
        let ours = ours.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        let ours: u64 = ours.must("find our filters").trim().parse().must("read a number");
        self.same("filters", &status["seccomp_filters"], &json!(ours + u64::from(filter)));
        let no_new = self.process("noNewPrivileges", json!(false)) == json!(true);
        self.same("no_new_privs", &status["no_new_privs"], &json!(u8::from(no_new)));
        let fds = self.facts["fds"].as_object().must("find descriptors");
        let inherited: Vec<&String> = fds.keys().collect();
        self.holds(&format!("descriptors {inherited:?} are open"), inherited == ["0", "1", "2"]);
    }

    /// The topmost mount at a path.
    fn mounted(&self, at: &str) -> Option<&Value> {
        list(self.facts, "/mounts").filter(|mount| mount["at"] == at).last()
    }

    fn mounts(&mut self) {
        for mount in list(self.config, "/mounts") {
            let destination = word(&mount["destination"]);
            let Some(seen) = self.mounted(destination).cloned() else {
                self.wrong.push(format!("{destination} is not mounted"));
                continue;
            };
            let kind = match word(&mount["type"]) {
                "bind" => None,
                // As the host has it: cgroup2, or a tmpfs with the hierarchies below it.
                "cgroup" => Some(["cgroup2", "tmpfs"]),
                other => Some([other, other]),
            };
            let fits = kind.is_none_or(|kinds| kinds.contains(&word(&seen["type"])));
            self.holds(&format!("{destination} is a {}", seen["type"]), fits);
            // runc 1.1 leaves the tmpfs that holds v1 hierarchies writable; the hierarchies are read-only there, too.
            let tmpfs_of_v1 = mount["type"] == "cgroup" && seen["type"] == "tmpfs";
            if tmpfs_of_v1 {
                self.hierarchies_are_read_only(destination);
            }
            if tmpfs_of_v1 && !Runtime::under_test().is_rrun() {
                continue;
            }
            let options = list(&seen, "/options").map(word).collect::<Vec<_>>();
            for option in list(mount, "/options").map(word) {
                let visible = ["ro", "nosuid", "nodev", "noexec", "relatime"].contains(&option);
                let there = !visible || options.contains(&option);
                self.holds(&format!("{destination} has {options:?}, no {option}"), there);
            }
        }
        let root = self.mounted("/").must("find the root").clone();
        let read_only = self.config.pointer("/root/readonly") == Some(&json!(true));
        let seen = list(&root, "/options").any(|option| option == "ro");
        self.same("read-only root", &json!(seen), &json!(read_only));
    }

    fn hierarchies_are_read_only(&mut self, directory: &str) {
        let below = format!("{directory}/");
        let mounts = list(self.facts, "/mounts");
        let writable = mounts
            .filter(|mount| word(&mount["at"]).starts_with(&below))
            .find(|mount| !list(mount, "/options").any(|option| option == "ro"));
        if let Some(mount) = writable {
            self.wrong.push(format!("{} is writable", mount["at"]));
        }
    }

    /// A path that this kernel doesn't have can't be hidden; procfs and sysfs are the host's.
    fn hidden(&mut self) {
        for (list_of, option) in
            [("/linux/maskedPaths", None), ("/linux/readonlyPaths", Some("ro"))]
        {
            for path in list(self.config, list_of).map(word).filter(|p| Path::new(p).exists()) {
                match (self.mounted(path).cloned(), option) {
                    (None, _) => self.wrong.push(format!("{path} is not covered")),
                    (Some(seen), Some(option)) => {
                        let there = list(&seen, "/options").any(|seen| seen == option);
                        self.holds(&format!("{path} is not {option}"), there);
                    }
                    (Some(seen), None) => {
                        // Its own /dev/null, or an empty directory of a tmpfs.
                        let empty = seen["root"] == "/null" || seen["type"] == "tmpfs";
                        self.holds(&format!("{path} is masked by {seen}"), empty);
                    }
                }
            }
        }
    }

    fn namespaces(&mut self) {
        for (kind, name) in [
            ("pid", "pid"),
            ("network", "net"),
            ("ipc", "ipc"),
            ("uts", "uts"),
            ("mount", "mnt"),
            ("cgroup", "cgroup"),
            ("user", "user"),
        ] {
            let seen = self.facts["namespaces"][name].to_string();
            let inode = |link: &str| {
                let link = fs::read_link(link).must("read a namespace").display().to_string();
                link.split(['[', ']']).nth(1).must("find an inode").to_owned()
            };
            let ours = inode(&format!("/proc/self/ns/{name}"));
            let entry = list(self.config, "/linux/namespaces").find(|entry| entry["type"] == kind);
            match entry.map(|entry| entry["path"].as_str()) {
                None => self.holds(&format!("{kind} is not ours"), seen == ours),
                Some(None) => self.holds(&format!("{kind} is ours"), seen != ours),
                Some(Some(path)) => {
                    self.holds(&format!("{kind} is not that of {path}"), seen == inode(path));
                }
            }
        }
    }

    fn settings(&mut self) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let sysctl = self.config.pointer("/linux/sysctl").and_then(Value::as_object);
        for (name, value) in sysctl.into_iter().flatten() {
            let seen = self.facts["sysctl"][name].as_str().map(words);
            self.same(name, &json!(seen), &json!(words(word(value))));
        }
        if let Some(name) = self.config.get("hostname") {
            self.same("hostname", &self.facts["hostname"], name);
        }
        for limit in list(self.config, "/process/rlimits") {
            let name = word(&limit["type"]);
            let wanted = json!({ "soft": limit["soft"], "hard": limit["hard"] });
            self.same(name, &self.facts["rlimits"][name], &wanted);
        }
        if let Some(adjust) = self.config.pointer("/process/oomScoreAdj") {
            self.same("oomScoreAdj", &self.facts["oom_score_adj"], adjust);
        }
        let numbers = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("tty", 5, 0)];
        for (name, major, minor) in numbers {
            let device = &self.facts["dev"][name];
            self.same(name, &device["rdev"], &json!([major, minor]));
            self.same(name, &device["mode"], &json!("666"));
        }
    }

    /// As the container's own cgroup files say, where it has them mounted.
    fn limits(&mut self) {
        let files = &self.facts["cgroup"]["files"];
        let wanted = |pointer: &str| self.config.pointer(&format!("/linux/resources/{pointer}"));
        let (quota, period) = (wanted("cpu/quota"), wanted("cpu/period"));
        let both = quota.zip(period).map(|(quota, period)| json!(format!("{quota} {period}")));
        let text = |value: Option<&Value>| value.map(|value| json!(value.to_string()));
        let expected = [
            ("memory.max", text(wanted("memory/limit"))),
            ("memory.limit_in_bytes", text(wanted("memory/limit"))),
            ("cpu.max", both),
            ("cpu.cfs_quota_us", text(quota)),
            ("cpu.cfs_period_us", text(period)),
            ("pids.max", text(wanted("pids/limit"))),
        ];
        // Without a cgroup namespace, a cgroup2 mount shows the host's tree, whose root has no limits.
        let own = files.get("memory.limit_in_bytes").is_some();
        for (file, value) in expected.into_iter().filter(|_| own) {
            if let (Some(seen), Some(value)) = (files.get(file), value) {
                self.same(file, seen, &value);
            }
        }
    }
}
