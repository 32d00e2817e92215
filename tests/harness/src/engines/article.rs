//! The images of the article's systems, made here under the names that they have there.
//!
//! Knows what each is made of: busybox, the distribution's packages of a service, our bank. Refuses a registry. What a
//! newcomer would get wrong: `postgres:12-alpine` is a name; the server is the distribution's, and says its own version.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::Image;
use crate::{Must, busybox, service_tree, workspace};

/// The article's name of the bank's image.
pub const BANK: &str = "ghkdqhrbals/simplebank:latest";

/// The article's name of the database's image.
pub const POSTGRES: &str = "postgres:12-alpine";

/// Of the packages, what no server reads when it runs.
const UNREAD: &[&str] = &[
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/perl5",
    "usr/share/info",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/aarch64-linux-gnu/gconv",
];

/// The fixtures of the article.
#[must_use]
pub fn fixtures() -> PathBuf {
    workspace().join("rootfs-fixtures/article")
}

/// `localhost/busybox:1`: every applet of the machine's busybox. What images are made of is put in `scratch`.
#[must_use]
#[track_caller]
pub fn busybox_image(scratch: &Path) -> Image {
    Image::new("localhost/busybox:1").layer(&base(scratch)).config("Cmd", json!(["/bin/sh"]))
}

/// `localhost/simplebank-build:1`: what stands for a compiler and its modules.
#[must_use]
#[track_caller]
pub fn builder_image(scratch: &Path) -> Image {
    let layer = scratch.join("builder");
    program(&bank(), &layer.join("usr/local/bin/simplebank"));
    Image::new("localhost/simplebank-build:1").layer(&base(scratch)).layer(&layer)
}

/// The bank as a registry would have it, for the manifests of Kubernetes.
#[must_use]
#[track_caller]
pub fn bank_image(scratch: &Path) -> Image {
    let layer = scratch.join("bank");
    program(&bank(), &layer.join("app/main"));
    program(&fixtures().join("compose-1/start.sh"), &layer.join("app/start.sh"));
    Image::new(BANK)
        .layer(&base(scratch))
        .layer(&layer)
        .config("Entrypoint", json!(["/app/start.sh"]))
        .config("Cmd", json!(["/app/main"]))
        .config("WorkingDir", json!("/app"))
        .config("ExposedPorts", json!({ "8080/tcp": {} }))
}

/// A database server that takes the variables of the image whose name it has.
#[must_use]
#[track_caller]
pub fn postgres_image(scratch: &Path) -> Image {
    let layer = scratch.join("postgres");
    users(&layer, "postgres:x:999:999::/var/lib/postgresql:/bin/sh", "postgres:x:999:");
    let entrypoint = fixtures().join("images/postgres/entrypoint.sh");
    program(&entrypoint, &layer.join("usr/local/bin/entrypoint.sh"));
    Image::new(POSTGRES)
        .layer(&read_by_servers("postgresql", scratch))
        .layer(&applets(scratch))
        .layer(&layer)
        .config("Entrypoint", json!(["/usr/local/bin/entrypoint.sh"]))
        .config("Cmd", json!(["postgres"]))
        .config("ExposedPorts", json!({ "5432/tcp": {} }))
        .config("Volumes", json!({ "/var/lib/postgresql/data": {} }))
        // The server waits on SIGTERM for its clients to go, and ends its sessions on SIGINT.
        .config("StopSignal", json!("SIGINT"))
}

/// `localhost/nginx:1`: nginx that asks the container's own name server.
#[must_use]
#[track_caller]
pub fn nginx_image(scratch: &Path) -> Image {
    let layer = scratch.join("nginx");
    users(&layer, "www-data:x:33:33::/var/www:/bin/sh", "www-data:x:33:");
    for directory in ["var/log/nginx", "var/lib/nginx", "etc/nginx/conf.d"] {
        fs::create_dir_all(layer.join(directory)).must("make a directory");
    }
    let ours = fixtures().join("images/nginx");
    program(&ours.join("entrypoint.sh"), &layer.join("usr/local/bin/entrypoint.sh"));
    fs::copy(ours.join("nginx.conf"), layer.join("etc/nginx/nginx.conf")).must("copy nginx.conf");
    Image::new("localhost/nginx:1")
        .layer(&read_by_servers("nginx", scratch))
        .layer(&applets(scratch))
        .layer(&layer)
        .config("Entrypoint", json!(["/usr/local/bin/entrypoint.sh"]))
        .config("Cmd", json!(["nginx"]))
        .config("ExposedPorts", json!({ "80/tcp": {} }))
        .config("StopSignal", json!("SIGQUIT"))
}

/// The bank's program, built if need be: by itself, for together with others its libraries' features became theirs.
#[must_use]
#[track_caller]
fn bank() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "-p", "rrun-fixture-api", "--bin", "api"]);
    build.args(["--message-format", "json-render-diagnostics"]).current_dir(workspace());
    let built = build.stderr(std::process::Stdio::inherit()).output().must("run cargo");
    assert!(built.status.success(), "cargo could not build the bank");
    let lines = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut programs =
        messages.filter_map(|it: serde_json::Value| Some(it["executable"].as_str()?.to_owned()));
    PathBuf::from(programs.next().must("find the bank among cargo's messages"))
}

/// busybox and a place for everything.
#[track_caller]
fn base(scratch: &Path) -> PathBuf {
    let layer = scratch.join("base");
    if !layer.is_dir() {
        for directory in ["dev", "etc", "proc", "root", "run", "sys", "var"] {
            fs::create_dir_all(layer.join(directory)).must("make a directory");
        }
        users(&layer, "nobody:x:65534:65534::/:/bin/sh", "nogroup:x:65534:");
        fs::rename(applets(scratch).join("bin"), layer.join("bin")).must("move the applets");
        fs::remove_dir_all(scratch.join("applets")).must("remove what is empty");
    }
    layer
}

/// busybox with a link for every applet it has, beside what packages brought.
#[track_caller]
fn applets(scratch: &Path) -> PathBuf {
    let layer = scratch.join("applets");
    if !layer.is_dir() {
        let found = busybox().must("find a static busybox (package busybox-static)");
        program(&found, &layer.join("bin/busybox"));
        let list = Command::new(&found).arg("--list").output().must("ask busybox");
        let names = String::from_utf8_lossy(&list.stdout).into_owned();
        for name in names.lines().filter(|name| *name != "busybox") {
            symlink("busybox", layer.join("bin").join(name)).must("link an applet");
        }
    }
    layer
}

/// The packages' tree without what nobody reads.
#[track_caller]
fn read_by_servers(package: &str, scratch: &Path) -> PathBuf {
    let layer = scratch.join(format!("{package}-packages"));
    if !layer.is_dir() {
        let tree = service_tree(package).must("unpack the packages");
        copy(&tree, &tree, &layer).must(&format!("copy {package}"));
    }
    layer
}

fn copy(tree: &Path, from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (at, into) = (entry.path(), to.join(entry.file_name()));
        let inside = at.strip_prefix(tree).unwrap_or(&at);
        let kind = entry.file_type()?;
        // The applets' layer has a directory /bin of its own.
        if UNREAD.iter().any(|path| inside == Path::new(path)) || inside == Path::new("bin") {
            continue;
        }
        if kind.is_dir() {
            copy(tree, &at, &into)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&at)?, into)?;
        } else {
            fs::copy(&at, into)?;
        }
    }
    Ok(())
}

/// Who there is beside root, and a /tmp for all of them.
#[track_caller]
fn users(layer: &Path, user: &str, group: &str) {
    for directory in ["etc", "tmp"] {
        fs::create_dir_all(layer.join(directory)).must("make a directory");
    }
    fs::set_permissions(layer.join("tmp"), Permissions::from_mode(0o1777)).must("open /tmp");
    let write = |name: &str, text: String| {
        fs::write(layer.join("etc").join(name), text).must(&format!("write {name}"));
    };
    write("passwd", format!("root:x:0:0::/root:/bin/sh\n{user}\n"));
    write("group", format!("root:x:0:\n{group}\n"));
}

#[track_caller]
fn program(from: &Path, to: &Path) {
    let directory = to.parent().must("find its directory");
    fs::create_dir_all(directory).must("make its directory");
    fs::copy(from, to).must(&format!("copy {}", from.display()));
    fs::set_permissions(to, Permissions::from_mode(0o755)).must("make it a program");
}
