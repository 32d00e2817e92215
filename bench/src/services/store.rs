//! What all lives of the services have in common: their trees, and a database that has been made once.
//!
//! It refuses to time any of it: an image is unpacked and a cluster initialised long before a start. What a newcomer would
//! get wrong: a copy of a cluster that was not shut down recovers from its log at each start; the first one is ended
//! as an administrator would, and then copied.

use super::cgroup::Limits;
use super::host::Host;
use super::http::Client;
use super::network::{DATABASE_PORT, PORT, Slot};
use super::ready::{self, Probe};
use super::service::{Service, directory, owned, write};
use crate::{programs, room};
use nix::sys::signal::Signal;
use rrun_harness::service_tree;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long any service may take to answer before the measurement has gone wrong.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// As many accounts as a list shows.
pub const ACCOUNTS: usize = 100;

const MIB: u64 = 1 << 20;

/// The database's user, the proxy's, the API's.
const USERS: [u32; 3] = [26, 33, 7077];

/// Of one processor, for all replicas of the API together.
pub const API_CPU: u64 = 100;

const POSTGRESQL: Limits = Limits { cpu: 100, memory: 192 * MIB, pids: 96 };
const NGINX: Limits = Limits { cpu: 50, memory: 64 * MIB, pids: 32 };
const API: Limits = Limits { cpu: API_CPU, memory: 64 * MIB, pids: 64 };

/// What the report says about them.
pub const LIMITS: &str = "PostgreSQL 1 CPU, 192 MiB, 96 processes; nginx 0.5 CPU, 64 MiB, 32; API 1 CPU for all replicas \
                          together, 64 MiB and 64 for each";

/// Trees and the first database.
#[derive(Debug)]
pub struct Store {
    postgresql: PathBuf,
    /// Where its server programs are, in its tree.
    programs: String,
    nginx: PathBuf,
    api: PathBuf,
    etc: PathBuf,
    /// What lives copy.
    cluster: PathBuf,
}

/// Gets the trees and builds the API, so that no part's time goes by meanwhile.
///
/// # Errors
/// A sentence: what is missing.
pub fn trees() -> Result<[PathBuf; 2], String> {
    let trees = [service_tree("postgresql")?, service_tree("nginx")?];
    for tree in &trees {
        for name in ["passwd", "hosts"] {
            let file =
                fs::File::options().create(true).append(true).open(tree.join("etc").join(name));
            file.map_err(|why| format!("a mount point in {}: {why}", tree.display()))?;
        }
    }
    Ok(trees)
}

impl Store {
    /// Unpacks, builds and initialises.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(trees: [PathBuf; 2]) -> Result<Self, String> {
        let [postgresql, nginx] = trees;
        let place = room::directory().join("services");
        let store = Self {
            programs: server_programs(&postgresql)?,
            postgresql,
            nginx,
            api: place.join("api"),
            etc: place.join("etc"),
            cluster: place.join("cluster"),
        };
        for name in ["etc", "dev", "proc", "sys", "srv", "run", "tmp"] {
            directory(&store.api.join(name))?;
        }
        let copied = fs::copy(programs::api()?, store.api.join("api"));
        copied.map_err(|why| format!("copy the API: {why}"))?;
        for name in ["etc/passwd", "etc/hosts"] {
            write(&store.api.join(name), "")?;
        }
        directory(&store.etc)?;
        let users = USERS.map(|uid| format!("user{uid}:x:{uid}:{uid}::/srv:/bin/sh\n")).concat();
        write(&store.etc.join("passwd"), &users)?;
        let database = database_slot().ip();
        let hosts = format!("127.0.0.1 localhost\n{database} postgres\n");
        write(&store.etc.join("hosts"), &hosts)?;
        store.initialise(&place.join("first"))?;
        Ok(store)
    }

    /// A cluster with the bank's tables and accounts, shut down; and every service has run once, so that the first subject
    /// does not read their files for all the others.
    fn initialise(&self, life: &Path) -> Result<(), String> {
        let programs = &self.programs;
        let script = format!(
            "set -e; echo secret > /srv/password; {programs}/initdb --no-sync --username=root \
             --pwfile=/srv/password --auth-local=trust --auth-host=scram-sha-256 --locale=C \
             --encoding=UTF8 /srv/data; rm /srv/password; \
             echo 'host all all 10.77.0.0/24 scram-sha-256' >> /srv/data/pg_hba.conf; \
             echo 'create database simple_bank' | {programs}/postgres --single -D /srv/data postgres"
        );
        let mut init = self.postgresql_in(&life.join("srv"))?;
        init.words = ["/bin/sh", "-c", &script].map(str::to_owned).into();
        Host::Bare.prepare(init, &life.join("init"))?.run()?;
        let mut database = Host::Bare.prepare(self.postgresql_in(&life.join("srv"))?, life)?;
        let api = self.api(0, 1, life)?;
        let address = api.slot.address(PORT);
        let mut api = Host::Bare.prepare(api, life)?;
        let mut proxy = Host::Bare.prepare(self.nginx(life, 1)?, life)?;
        for service in [&mut database, &mut api, &mut proxy] {
            service.start()?;
        }
        let chain = [
            probe("PostgreSQL", database_slot().address(DATABASE_PORT), None, database.log()),
            probe("the API", address, Some("/accounts"), api.log()),
            probe("nginx", proxy_slot().address(PORT), Some("/accounts"), proxy.log()),
        ];
        ready::wait(&chain, PATIENCE)?;
        let mut client = Client::of(address);
        for number in 0..ACCOUNTS {
            let account =
                format!("{{\"owner\":\"o{number}\",\"balance\":1000000000,\"currency\":\"EUR\"}}");
            let answer = client.post("/accounts", &account)?;
            if answer.status != 201 {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(format!("an account was answered with {}: {said}", answer.status));
            }
        }
        proxy.end()?;
        api.end()?;
        // "Fast": it ends its sessions, writes everything and ends.
        database.signal(Signal::SIGINT)?;
        database.wait(PATIENCE)?;
        drop(database);
        copy(&life.join("srv"), &self.cluster)
    }

    /// The database on a copy of the cluster.
    ///
    /// # Errors
    /// A sentence.
    pub fn postgresql(&self, life: &Path) -> Result<Service, String> {
        let srv = life.join("postgresql-srv");
        copy(&self.cluster, &srv)?;
        self.postgresql_in(&srv)
    }

    fn postgresql_in(&self, srv: &Path) -> Result<Service, String> {
        owned(srv, USERS[0])?;
        let server = format!("{}/postgres", self.programs);
        // Memory that a crash leaves behind would be the host's: bare processes share its /dev/shm.
        let words = [
            &*server,
            "-D",
            "/srv/data",
            "-c",
            "listen_addresses=*",
            "-c",
            "unix_socket_directories=/srv",
            "-c",
            "shared_buffers=32MB",
            "-c",
            "dynamic_shared_memory_type=mmap",
        ];
        Ok(Service {
            slot: database_slot(),
            tree: self.postgresql.clone(),
            words: words.map(str::to_owned).into(),
            environment: Vec::new(),
            uid: USERS[0],
            srv: srv.to_owned(),
            etc: self.etc.clone(),
            limits: POSTGRESQL,
        })
    }

    /// The proxy, in front of the first `replicas`.
    ///
    /// # Errors
    /// A sentence.
    pub fn nginx(&self, life: &Path, replicas: usize) -> Result<Service, String> {
        let srv = life.join("nginx-srv");
        owned(&srv, USERS[1])?;
        configure(&srv, replicas)?;
        let words = ["/usr/sbin/nginx", "-p", "/srv", "-e", "stderr", "-c", "/srv/nginx.conf"];
        Ok(Service {
            slot: proxy_slot(),
            tree: self.nginx.clone(),
            words: words.map(str::to_owned).into(),
            environment: Vec::new(),
            uid: USERS[1],
            srv,
            etc: self.etc.clone(),
            limits: NGINX,
        })
    }

    /// One of `replicas` of the API, which share the processor time of one.
    ///
    /// # Errors
    /// A sentence.
    pub fn api(&self, number: u8, replicas: u64, life: &Path) -> Result<Service, String> {
        let srv = life.join(format!("api-{number}-srv"));
        owned(&srv, USERS[2])?;
        let source = "postgresql://root:secret@postgres:5432/simple_bank?sslmode=disable";
        Ok(Service {
            slot: api_slot(number),
            tree: self.api.clone(),
            words: vec!["/api".to_owned()],
            environment: vec![format!("DB_SOURCE={source}")],
            uid: USERS[2],
            srv,
            etc: self.etc.clone(),
            limits: api_limits(replicas),
        })
    }
}

/// The share of one of so many replicas.
#[must_use]
pub fn api_limits(replicas: u64) -> Limits {
    Limits { cpu: API_CPU / replicas.max(1), ..API }
}

/// Where the database is.
#[must_use]
pub fn database_slot() -> Slot {
    Slot::new("postgresql", 2)
}

/// Where the proxy is.
#[must_use]
pub fn proxy_slot() -> Slot {
    Slot::new("nginx", 3)
}

/// Where a replica of the API is.
#[must_use]
pub fn api_slot(number: u8) -> Slot {
    Slot::new(format!("api-{number}"), 10 + number)
}

/// A [`Probe`].
#[must_use]
pub fn probe(
    name: &str,
    address: std::net::SocketAddr,
    path: Option<&'static str>,
    log: PathBuf,
) -> Probe {
    Probe { name: name.to_owned(), address, path, log }
}

/// Writes the proxy's configuration: what is behind it is asked in turn, and another one if one does not answer.
///
/// # Errors
/// A sentence.
pub fn configure(srv: &Path, replicas: usize) -> Result<(), String> {
    let number = |index| u8::try_from(index).unwrap_or(u8::MAX);
    let server = |index| {
        format!("server {} max_fails=1 fail_timeout=1s; ", api_slot(number(index)).address(PORT))
    };
    let servers: String = (0..replicas).map(server).collect();
    let text = format!(
        "daemon off; pid /srv/nginx.pid; error_log stderr warn; worker_processes 2;\n\
         events {{ worker_connections 128; }}\n\
         http {{ access_log off; keepalive_requests 1000000;\n\
         client_body_temp_path /srv/a; proxy_temp_path /srv/b; fastcgi_temp_path /srv/c;\n\
         uwsgi_temp_path /srv/d; scgi_temp_path /srv/e;\n\
         upstream api {{ {servers}keepalive 16; keepalive_requests 1000000; }}\n\
         server {{ listen {PORT}; location / {{ proxy_pass http://api; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_connect_timeout 1s;\n\
         proxy_next_upstream error timeout http_502 http_503; }} }} }}\n"
    );
    write(&srv.join("nginx.conf"), &text)
}

/// Debian keeps them by version, off everybody's path.
fn server_programs(tree: &Path) -> Result<String, String> {
    let versions = fs::read_dir(tree.join("usr/lib/postgresql"));
    let versions = versions.map_err(|why| format!("PostgreSQL's versions: {why}"))?;
    let version = versions.flatten().map(|entry| entry.file_name()).max();
    let version = version.ok_or("PostgreSQL's packages have no version of it")?;
    Ok(format!("/usr/lib/postgresql/{}/bin", version.to_string_lossy()))
}

/// With owners and modes.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let output = Command::new("cp").arg("-a").arg(from).arg(to).output();
    let output = output.map_err(|why| format!("start cp: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("cp: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_share_what_one_had() {
        let shares = [1, 2, 4, 8].map(|replicas| api_limits(replicas).cpu * replicas);
        assert!(shares.iter().all(|all| *all > 95 && *all <= API_CPU), "{shares:?}");
    }

    #[test]
    fn the_proxy_asks_every_replica() {
        let place = std::env::temp_dir().join(format!("rrun-bench-proxy-{}", std::process::id()));
        directory(&place).unwrap();
        configure(&place, 3).unwrap();
        let text = fs::read_to_string(place.join("nginx.conf")).unwrap();
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(text.matches("server 10.77.0.1").count(), 3);
        assert!(text.contains("server 10.77.0.12:8080 max_fails=1"), "{text}");
    }
}
