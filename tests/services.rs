//! Real services, from the distribution's packages, each in a root file system of its own: they start as their own user,
//! answer, stay within their limits, end when they are told to, and leave nothing.
//!
//! What a newcomer would get wrong: the tree is shared by all tests and read-only; what a service writes goes to a tmpfs
//! of its container, so nothing of a run is found by the next.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use rrun_harness::{Bundle, Leftovers, Must, Output, Running, eventually, requires, service_tree};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// A container of `package`, whose user and group are both `uid`, with these lines as its main program.
fn service(package: &str, uid: u32, script: &str) -> Bundle {
    let tree = service_tree(package).must("unpack the packages");
    let bundle = Bundle::new();
    let users = bundle.path().join("passwd");
    fs::write(&users, format!("service:x:{uid}:{uid}::/srv:/bin/sh\n")).must("write passwd");
    let (user, group) = (format!("uid={uid}"), format!("gid={uid}"));
    let private = ["nosuid", "nodev", "mode=750", &user, &group];
    bundle
        .set("/root", json!({ "path": tree, "readonly": true }))
        .set("/process/user", json!({ "uid": uid, "gid": uid }))
        .set("/process/cwd", json!("/srv"))
        .args(["/bin/sh", "-c", script])
        .edit(|config| config["process"]["capabilities"] = json!({}))
        .bind(&users, "/etc/passwd", &["ro"])
        .mount("/srv", "tmpfs", "tmpfs", &private)
        .mount("/run", "tmpfs", "tmpfs", &private)
        .mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "mode=1777"])
}

/// `ends` must be there when it has ended, and it must have ended by itself, with 0.
fn end(bundle: &Bundle, running: Running, ends: &str) -> Output {
    running.signal(Signal::SIGTERM);
    let ended = running.wait().success().stdout_has(ends);
    Leftovers::assert_none(bundle);
    ended
}

/// Where its server programs are: Debian keeps them by version, off everybody's path.
fn postgresql_programs() -> String {
    let tree = service_tree("postgresql").must("unpack the packages");
    let versions = fs::read_dir(tree.join("usr/lib/postgresql")).must("list its versions");
    let version = versions.flatten().map(|entry| entry.file_name()).max().must("find a version");
    format!("/usr/lib/postgresql/{}/bin", version.to_string_lossy())
}

/// The server as the packages have it, with its own cluster, reachable by a socket inside.
fn postgresql() -> (Bundle, String) {
    let programs = postgresql_programs();
    let script = format!(
        "exec 2>&1; {programs}/initdb --no-sync --auth=trust --username=service --locale=C --encoding=UTF8 /srv/data \
         && exec {programs}/postgres -D /srv/data -c listen_addresses= -c unix_socket_directories=/run \
            -c shared_buffers=16MB -c fsync=off"
    );
    (service("postgresql", 26, &script), programs)
}

#[test]
fn postgresql_answers_within_its_limits_survives_a_hog_and_ends_cleanly() {
    requires!(
        root,
        busybox,
        cgroup("memory"),
        cgroup("pids"),
        cgroup("cpu"),
        service("postgresql")
    );
    let (bundle, programs) = postgresql();
    let bundle = bundle
        .set("/linux/resources/memory", json!({ "limit": 192 * MIB }))
        .set("/linux/resources/pids", json!({ "limit": 64 }))
        .set("/linux/resources/cpu", json!({ "quota": 100_000, "period": 100_000 }));
    let running = bundle.start_run(&[]);
    // One wait each: an emulated processor takes its time with initdb.
    for progress in
        ["running bootstrap script", "post-bootstrap", "Success.", "ready to accept connections"]
    {
        running.expect_stdout(progress);
    }

    let psql = format!("{programs}/psql");
    let ask = |query: &str| {
        let words = [&*psql, "-h", "/run", "-U", "service", "-d", "postgres", "-At", "-c", query];
        bundle.exec(&["--user", "26:26"], &words)
    };
    let table = "create table numbers as select * from generate_series(1, 1000) as n";
    ask(table).success().stdout_is("SELECT 1000\n");
    ask("select sum(n), count(*) from numbers").success().stdout_is("500500|1000\n");
    assert_runs_as_its_own_user(&bundle, 26);

    // Longer than the container's memory: the kernel kills that backend, the server starts its others anew.
    let hog = ask("select length(repeat(md5('x'), 20000000))");
    assert!(hog.exit_code() != 0, "{}", hog.account());
    let back = eventually(|| ask("select sum(n) from numbers").stdout() == "500500\n");
    assert!(back, "it never came back: {}", running.stdout());
    assert!(running.stdout().contains("was terminated by signal 9"), "{}", running.stdout());
    assert_eq!(bundle.status(), "running");

    end(&bundle, running, "database system is shut down");
}

/// Every process of the container, as the host sees it.
fn assert_runs_as_its_own_user(bundle: &Bundle, uid: u32) {
    let pid = bundle.state()["pid"].to_string();
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(&pid).must("read the pid namespace of the container");
    let entries = fs::read_dir("/proc").must("list processes").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let inside: Vec<_> = pids.filter(|pid| namespace(pid).as_ref() == Some(&own)).collect();
    assert!(inside.len() > 1, "a server and its workers, not {inside:?}");
    for pid in inside {
        // Gone by now, or that user's.
        let Ok(status) = fs::read_to_string(Path::new("/proc").join(&pid).join("status")) else {
            continue;
        };
        let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap_or_default();
        assert_eq!(line, format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"), "process {pid}");
    }
}

const NGINX: &str = "\
    exec 2>&1; mkdir -p www cache; echo 'served from inside' > www/index.html; \
    cat > nginx.conf <<'END'\n\
    daemon off; pid /run/nginx.pid; error_log stderr notice; worker_processes 2;\n\
    events { worker_connections 64; }\n\
    http { access_log off; client_body_temp_path cache/a; proxy_temp_path cache/b; fastcgi_temp_path cache/c;\n\
      uwsgi_temp_path cache/d; scgi_temp_path cache/e; server { listen 127.0.0.1:8080; root /srv/www; } }\n\
    END\n\
    exec /usr/sbin/nginx -p /srv -e stderr -c /srv/nginx.conf";

#[test]
fn nginx_serves_a_page_within_its_limits_and_ends_cleanly() {
    requires!(root, busybox, cgroup("memory"), cgroup("pids"), service("nginx"));
    let bundle = service("nginx", 33, NGINX)
        .set("/linux/resources/memory", json!({ "limit": 32 * MIB }))
        .set("/linux/resources/pids", json!({ "limit": 16 }));
    let running = bundle.start_run(&[]);
    running.expect_stdout("start worker process ");
    let page = || {
        let get = ["/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/index.html"];
        bundle.exec(&["--user", "33:33"], &get)
    };
    assert!(eventually(|| page().exit_code() == 0), "{}", running.stdout());
    page().success().stdout_is("served from inside\n");
    assert_runs_as_its_own_user(&bundle, 33);
    end(&bundle, running, "exit");
}

#[test]
fn busybox_httpd_serves_a_page_and_is_deleted_while_it_runs() {
    requires!(root, busybox);
    let script =
        "mkdir /www && echo 'a page' > /www/index.html && exec httpd -f -p 127.0.0.1:8080 -h /www";
    let bundle = Bundle::new().script(script);
    bundle.up();
    let mut said = String::new();
    let served = eventually(|| {
        let got = bundle.exec(&[], &["wget", "-q", "-O", "-", "http://127.0.0.1:8080/index.html"]);
        said = got.stdout();
        got.exit_code() == 0
    });
    assert!(served && said == "a page\n", "{said:?}");
    bundle.delete().failure().stderr_has("not stopped");
    bundle.delete_force().success();
    Leftovers::assert_none(&bundle);
}
