//! From an image's configuration to a bundle's config.json, by the image specification's "Conversion to OCI Runtime
//! Configuration".
//!
//! It knows what an image says; what else a container needs (mounts, masks, capabilities) comes with the base it is
//! given. Where the specification leaves a choice: volumes become tmpfs mounts that start with the image's data
//! (`tmpcopyup`), so nothing is written to the rootfs; a missing working directory is made; PATH has a default; an image
//! without a command keeps the base's. What a newcomer would get wrong: labels win over every annotation made here.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::InnerPath;
use crate::image::root::{Root, clean};
use crate::image::users::{self, Identity};
use crate::image::wire::{Execution, ImageConfig};
use nix::sys::stat::fstat;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The largest /etc/passwd or /etc/group read, in bytes.
const LARGEST_TABLE: u64 = 1024 * 1024;

/// Who unpacks, and so what may be kept of an image's ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Root: every id is kept.
    Root,
    /// An ordinary user: every file becomes theirs, and in the container they are root and nobody else exists.
    Ordinary {
        /// Effective user id.
        uid: u32,
        /// Effective group id.
        gid: u32,
    },
}

/// Writes the image's configuration over `base`, a complete config.json. Texts for the user go to `warnings`.
///
/// # Errors
/// [`Kind::Spec`] when the image's user is unknown; [`Kind::Internal`] when the base is no object.
pub fn convert(
    base: Value,
    image: &ImageConfig,
    root: &Root,
    caller: Caller,
    warnings: &mut Vec<String>,
) -> Result<Value> {
    let Value::Object(mut config) = base else {
        return Err(Error::new(Kind::Internal, "the base configuration is no object"));
    };
    let nothing = Execution::default();
    let execution = image.config.as_ref().unwrap_or(&nothing);

    config.insert("root".into(), json!({"path": "rootfs", "readonly": false}));
    let process = object(&mut config, "process")?;
    process.insert("terminal".into(), json!(false));
    process.insert("env".into(), json!(environment(execution)));
    process.insert("cwd".into(), json!(working_directory(execution, root)?));
    process.insert("user".into(), user(execution, root, caller, warnings)?);
    match arguments(execution) {
        args if args.is_empty() => warnings.push(format!(
            "the image has no command; it will run {}",
            process.get("args").unwrap_or(&Value::Null)
        )),
        args => drop(process.insert("args".into(), json!(args))),
    }
    add_volumes(&mut config, execution, root, caller)?;
    add_annotations(&mut config, image, execution)?;
    if let Caller::Ordinary { uid, gid } = caller {
        map_to_caller(&mut config, uid, gid)?;
    }
    Ok(Value::Object(config))
}

fn object<'a>(parent: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Map<String, Value>> {
    parent
        .entry(key)
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .ok_or_else(|| Error::new(Kind::Internal, format!("{key} of the base is no object")))
}

fn arguments(execution: &Execution) -> Vec<&String> {
    execution.entrypoint.iter().flatten().chain(execution.cmd.iter().flatten()).collect()
}

fn environment(execution: &Execution) -> Vec<&str> {
    let mut env: Vec<&str> = execution.env.iter().flatten().map(String::as_str).collect();
    if !env.iter().any(|variable| variable.starts_with("PATH=")) {
        env.insert(0, DEFAULT_PATH);
    }
    env
}

fn working_directory(execution: &Execution, root: &Root) -> Result<String> {
    let path = InnerPath::new(execution.working_dir.as_deref().unwrap_or("/"));
    root.create_directories(&clean(path.relative().as_bytes())?)
        .context(|| format!("working directory {path}"))?;
    Ok(path.as_str().to_owned())
}

fn user(
    execution: &Execution,
    root: &Root,
    caller: Caller,
    warnings: &mut Vec<String>,
) -> Result<Value> {
    let wanted = execution.user.as_deref().unwrap_or("");
    let Identity { uid, gid, groups } =
        users::look_up(wanted, &table(root, "etc/passwd")?, &table(root, "etc/group")?)?;
    if caller == Caller::Root {
        let mut user = json!({"uid": uid, "gid": gid});
        if !groups.is_empty() {
            user["additionalGids"] = json!(groups);
        }
        return Ok(user);
    }
    if (uid, gid) != (0, 0) {
        warnings.push(format!(
            "the image runs as user {uid}:{gid}; unpacked by an ordinary user, it runs as root of its own namespace"
        ));
    }
    Ok(json!({"uid": 0, "gid": 0}))
}

/// A table of the image; empty when the image has none.
fn table(root: &Root, path: &str) -> Result<String> {
    let Some(file) = root.file(Path::new(path)).context(|| format!("the image's /{path}"))? else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_TABLE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn add_volumes(
    config: &mut Map<String, Value>,
    execution: &Execution,
    root: &Root,
    caller: Caller,
) -> Result<()> {
    let mounts = config
        .entry("mounts")
        .or_insert_with(|| json!([]))
        .as_array_mut()
        .ok_or_else(|| Error::new(Kind::Internal, "mounts of the base are no list"))?;
    for volume in execution.volumes.iter().flatten().map(|(path, _)| InnerPath::new(path)) {
        let is_there = mounts.iter().any(|mount| mount["destination"] == volume.as_str());
        if is_there || volume.as_str() == "/" {
            continue;
        }
        let mut options: Vec<String> = ["nosuid", "nodev", "tmpcopyup"].map(str::to_owned).into();
        options.extend(ownership_options(&volume, root, caller)?);
        mounts.push(json!({
            "destination": volume.as_str(),
            "type": "tmpfs",
            "source": "tmpfs",
            "options": options,
        }));
    }
    Ok(())
}

/// The mount's root directory belongs to whom the image's directory belongs, or its user could not write there.
fn ownership_options(volume: &InnerPath, root: &Root, caller: Caller) -> Result<Vec<String>> {
    let Some(directory) = root
        .directory(&clean(volume.relative().as_bytes())?)
        .context(|| format!("volume {volume}"))?
    else {
        return Ok(vec!["mode=0755".to_owned()]);
    };
    let stat = fstat(&directory)?;
    let mut options = vec![format!("mode={:04o}", stat.st_mode & 0o7777)];
    if caller == Caller::Root && (stat.st_uid, stat.st_gid) != (0, 0) {
        options.extend([format!("uid={}", stat.st_uid), format!("gid={}", stat.st_gid)]);
    }
    Ok(options)
}

fn add_annotations(
    config: &mut Map<String, Value>,
    image: &ImageConfig,
    execution: &Execution,
) -> Result<()> {
    let ports = execution.exposed_ports.as_ref();
    let ports = ports.map(|ports| ports.keys().cloned().collect::<Vec<_>>().join(","));
    let annotations = object(config, "annotations")?;
    for (key, value) in [
        ("os", Some(image.os.clone())),
        ("architecture", Some(image.architecture.clone())),
        ("variant", image.variant.clone()),
        ("os.version", image.os_version.clone()),
        ("os.features", image.os_features.as_ref().map(|features| features.join(","))),
        ("author", image.author.clone()),
        ("created", image.created.clone()),
        ("stopSignal", execution.stop_signal.clone()),
        ("exposedPorts", ports),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            annotations.insert(format!("org.opencontainers.image.{key}"), json!(value));
        }
    }
    for (key, value) in execution.labels.iter().flatten() {
        annotations.insert(key.clone(), json!(value));
    }
    Ok(())
}

/// A user namespace in which the caller is root and nobody else exists.
fn map_to_caller(config: &mut Map<String, Value>, uid: u32, gid: u32) -> Result<()> {
    let linux = object(config, "linux")?;
    linux.insert("uidMappings".into(), json!([{"containerID": 0, "hostID": uid, "size": 1}]));
    linux.insert("gidMappings".into(), json!([{"containerID": 0, "hostID": gid, "size": 1}]));
    let namespaces = linux
        .entry("namespaces")
        .or_insert_with(|| json!([]))
        .as_array_mut()
        .ok_or_else(|| Error::new(Kind::Internal, "namespaces of the base are no list"))?;
    if !namespaces.iter().any(|namespace| namespace["type"] == "user") {
        namespaces.push(json!({"type": "user"}));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A rootfs of its own; removed with the test.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("rrun-config-{name}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("etc")).unwrap();
            std::fs::write(path.join("etc/passwd"), "db:x:70:71::/:/bin/sh\n").unwrap();
            Self(path)
        }

        fn convert(&self, image: &str, caller: Caller) -> (Value, Vec<String>) {
            let base =
                json!({"process": {"args": ["sh"]}, "mounts": [{"destination": "/dev/shm"}]});
            let image = serde_json::from_str(image).unwrap();
            let mut warnings = Vec::new();
            let root = Root::open(&self.0).unwrap();
            let config = convert(base, &image, &root, caller, &mut warnings).unwrap();
            (config, warnings)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    const IMAGE: &str = r#"{
        "architecture": "amd64", "os": "linux", "author": "me", "created": "2026-01-01T00:00:00Z",
        "rootfs": {"type": "layers", "diff_ids": []},
        "config": {
            "User": "db", "Env": ["A=b"], "Entrypoint": ["/entry"], "Cmd": ["serve"], "WorkingDir": "/srv/../srv/db/",
            "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "StopSignal": "SIGINT",
            "Volumes": {"/data": {}, "/dev/shm": {}, "../data2": {}},
            "Labels": {"org.opencontainers.image.author": "you", "x": "y"}
        }
    }"#;

    #[test]
    fn an_image_configuration_becomes_a_process() {
        let tree = Tree::new("process");
        let (config, warnings) = tree.convert(IMAGE, Caller::Root);
        assert_eq!(config["process"]["args"], json!(["/entry", "serve"]));
        assert_eq!(config["process"]["env"], json!([DEFAULT_PATH, "A=b"]));
        assert_eq!(config["process"]["cwd"], "/srv/db");
        assert!(tree.0.join("srv/db").is_dir());
        assert_eq!(config["process"]["user"], json!({"uid": 70, "gid": 71}));
        assert_eq!(config["root"], json!({"path": "rootfs", "readonly": false}));
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn labels_win_over_annotations_made_from_fields() {
        let (config, _) = Tree::new("labels").convert(IMAGE, Caller::Root);
        let annotations = &config["annotations"];
        assert_eq!(annotations["org.opencontainers.image.author"], "you");
        assert_eq!(annotations["org.opencontainers.image.os"], "linux");
        assert_eq!(annotations["org.opencontainers.image.exposedPorts"], "443/tcp,80/tcp");
        assert_eq!(annotations["org.opencontainers.image.stopSignal"], "SIGINT");
        assert_eq!(annotations["x"], "y");
    }

    #[test]
    fn volumes_become_tmpfs_mounts_unless_something_is_mounted_there() {
        let tree = Tree::new("volumes");
        std::fs::create_dir(tree.0.join("data")).unwrap();
        let (config, _) = tree.convert(IMAGE, Caller::Root);
        let mounts = config["mounts"].as_array().unwrap();
        let destinations: Vec<_> = mounts.iter().map(|mount| &mount["destination"]).collect();
        assert_eq!(destinations, ["/dev/shm", "/data2", "/data"]);
        assert_eq!(mounts[2]["options"], json!(["nosuid", "nodev", "tmpcopyup", "mode=0755"]));
    }

    #[test]
    fn an_ordinary_user_becomes_root_of_a_namespace_and_hears_of_it() {
        let (config, warnings) =
            Tree::new("rootless").convert(IMAGE, Caller::Ordinary { uid: 1000, gid: 100 });
        assert_eq!(config["process"]["user"], json!({"uid": 0, "gid": 0}));
        assert_eq!(
            config["linux"]["gidMappings"],
            json!([{"containerID": 0, "hostID": 100, "size": 1}])
        );
        assert_eq!(config["linux"]["namespaces"], json!([{"type": "user"}]));
        assert!(warnings[0].contains("70:71"), "{warnings:?}");
    }

    #[test]
    fn nulls_and_a_missing_command_are_no_errors() {
        let image = r#"{"rootfs": {"diff_ids": null},
            "config": {"Env": null, "Cmd": null, "Volumes": null, "Labels": null, "User": ""}}"#;
        let (config, warnings) = Tree::new("nulls").convert(image, Caller::Root);
        assert_eq!(config["process"]["args"], json!(["sh"]));
        assert!(warnings[0].contains("no command"), "{warnings:?}");
    }
}
