//! One life of the services under one subject: begin, load, restart of a replica, replicas, end.
//!
//! ```text
//! t0 create PostgreSQL, API, nginx ─► first row by nginx ─► load that reads, then one that writes ─► memory
//!    ─► 2 replicas ─► load ─► one is killed and started again under load ─► 4 and 8 replicas, each with load
//! ```
//!
//! What a newcomer would get wrong: replicas are given no new processor time; each has a smaller share of the same.

use super::host::{Host, Prepared};
use super::load::{self, Ask, Load};
use super::network::{DATABASE_PORT, PORT};
use super::ready;
use super::store::{self, ACCOUNTS, PATIENCE, Store, api_limits, probe};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A row of the database, by its number.
pub const ROW: &str = "/accounts/1";

/// One row is read.
pub const READ: Ask = |client, _, _| client.get(ROW);

/// Money goes from one account to another, all of them taking part: two rows change and three are made.
pub const WRITE: Ask = |client, number, turn| {
    let from = (number * 13 + turn * 7) % ACCOUNTS + 1;
    let to = from % ACCOUNTS + 1;
    let body = format!("{{\"from_account_id\":{from},\"to_account_id\":{to},\"amount\":1}}");
    client.post("/transfers", &body)
};

/// Clients of the heavier load.
pub const MANY: usize = 8;

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Of each load that reads.
    pub load: Duration,
    /// Of the load that writes.
    pub write_load: Duration,
    /// Of the load of each number of replicas.
    pub replicas_load: Duration,
    /// Of the load under which a replica is restarted.
    pub restart_load: Duration,
    /// Numbers of replicas, rising, the first more than one.
    pub replicas: &'static [u8],
}

/// What a load has cost.
#[derive(Debug)]
pub struct Loaded {
    /// What they asked for.
    pub what: &'static str,
    /// How many clients.
    pub clients: usize,
    /// What they saw.
    pub load: Load,
    /// Of the processors, all services together.
    pub cpu: Duration,
}

/// So many replicas.
#[derive(Debug)]
pub struct Scaled {
    /// How many.
    pub replicas: u8,
    /// From before the first of those that were added was created until all had answered.
    pub ready: Duration,
    /// Under load.
    pub load: Load,
}

/// A replica that was killed.
#[derive(Debug)]
pub struct Restarted {
    /// From before it was killed until it answered again.
    pub recovered: Duration,
    /// What the clients saw meanwhile.
    pub load: Load,
}

/// One life.
#[derive(Debug)]
pub struct Seen {
    /// From before the first create to the first row.
    pub ready: Duration,
    /// The creates and starts alone.
    pub started: Duration,
    /// Under load.
    pub loads: Vec<Loaded>,
    /// Each service's name, what is charged to it and what of that is anonymous, in bytes, after the loads.
    pub memory: Vec<(String, u64, u64)>,
    /// One replica of two.
    pub restarted: Restarted,
    /// More of them.
    pub scaled: Vec<Scaled>,
}

/// The services while they live.
struct Stack<'a> {
    host: &'a Host,
    store: &'a Store,
    place: PathBuf,
    database: Prepared,
    proxy: Prepared,
    replicas: Vec<Prepared>,
}

/// Lives once.
///
/// # Errors
/// A sentence: who did not do what.
pub fn live(store: &Store, host: &Host, place: &Path, plan: &Plan) -> Result<Seen, String> {
    let result = Stack::prepare(store, host, place).and_then(|mut stack| {
        let seen = stack.live(plan);
        stack.end().and(seen)
    });
    let removed = fs::remove_dir_all(place).map_err(|why| format!("{}: {why}", place.display()));
    let result = result.and_then(|seen| removed.map(|()| seen));
    result.map_err(|why| format!("{}: {why}", host.label()))
}

impl<'a> Stack<'a> {
    fn prepare(store: &'a Store, host: &'a Host, place: &Path) -> Result<Self, String> {
        super::service::directory(place)?;
        Ok(Self {
            host,
            store,
            place: place.to_owned(),
            database: host.prepare(store.postgresql(place)?, place)?,
            proxy: host.prepare(store.nginx(place, 1)?, place)?,
            replicas: vec![host.prepare(store.api(0, 1, place)?, place)?],
        })
    }

    fn live(&mut self, plan: &Plan) -> Result<Seen, String> {
        let begin = Instant::now();
        self.database.start()?;
        self.replicas[0].start()?;
        self.proxy.start()?;
        let started = begin.elapsed();
        self.wait()?;
        let ready = begin.elapsed();
        let mut loads = Vec::new();
        for clients in [1, MANY] {
            loads.push(self.load("requests", READ, clients, plan.load)?);
        }
        loads.push(self.load("transfers", WRITE, MANY, plan.write_load)?);
        let memory = self.memory()?;
        let (mut scaled, mut restarted) = (Vec::new(), None);
        for replicas in plan.replicas {
            scaled.push(self.scale(*replicas, plan.replicas_load)?);
            if restarted.is_none() {
                restarted = Some(self.restart(plan.restart_load)?);
            }
        }
        let restarted = restarted.ok_or("the plan has no replicas")?;
        Ok(Seen { ready, started, loads, memory, restarted, scaled })
    }

    fn all(&self) -> impl Iterator<Item = &Prepared> {
        [&self.database, &self.proxy].into_iter().chain(&self.replicas)
    }

    fn wait(&self) -> Result<(), String> {
        let database = store::database_slot().address(DATABASE_PORT);
        let proxy = store::proxy_slot().address(PORT);
        let mut chain = vec![probe("PostgreSQL", database, None, self.database.log())];
        for replica in &self.replicas {
            let address = replica.service.slot.address(PORT);
            chain.push(probe(replica.service.name(), address, Some(ROW), replica.log()));
        }
        chain.push(probe("nginx", proxy, Some(ROW), self.proxy.log()));
        ready::wait(&chain, PATIENCE)
    }

    fn cpu(&self) -> Result<Duration, String> {
        self.all().map(|service| service.cgroup()?.cpu()).sum()
    }

    fn memory(&self) -> Result<Vec<(String, u64, u64)>, String> {
        let of = |service: &Prepared| {
            let (charged, anonymous) = service.cgroup()?.memory()?;
            Ok((service.service.name().to_owned(), charged, anonymous))
        };
        self.all().map(of).collect()
    }

    /// Nobody fails here: a service that does is no service to be measured.
    fn load(
        &self,
        what: &'static str,
        ask: Ask,
        clients: usize,
        lasts: Duration,
    ) -> Result<Loaded, String> {
        let before = self.cpu()?;
        let proxy = store::proxy_slot().address(PORT);
        let (load, ()) = load::run(proxy, ask, clients, || std::thread::sleep(lasts))?;
        let cpu = self.cpu()?.saturating_sub(before);
        if load.failed > 0 {
            let why = load.failure.unwrap_or_default();
            return Err(format!("{} {what} of {clients} clients failed: {why}", load.failed));
        }
        Ok(Loaded { what, clients, load, cpu })
    }

    fn scale(&mut self, replicas: u8, lasts: Duration) -> Result<Scaled, String> {
        let limits = api_limits(u64::from(replicas));
        for old in &self.replicas {
            old.cgroup()?.limit_cpu(&limits)?;
        }
        let first = self.replicas.len();
        for number in first..usize::from(replicas) {
            let number = u8::try_from(number).map_err(|_| "more replicas than addresses")?;
            let service = self.store.api(number, u64::from(replicas), &self.place)?;
            self.replicas.push(self.host.prepare(service, &self.place)?);
        }
        let begin = Instant::now();
        for new in &mut self.replicas[first..] {
            new.start()?;
        }
        for new in &self.replicas[first..] {
            self.wait_for(new)?;
        }
        let ready = begin.elapsed();
        self.reload(usize::from(replicas))?;
        let spread = self.spread()?;
        let load = self.load("requests", READ, MANY, lasts)?.load;
        for (replica, before) in self.replicas.iter().zip(spread) {
            if replica.cgroup()?.cpu()? == before {
                return Err(format!("{} was never asked", replica.service.name()));
            }
        }
        Ok(Scaled { replicas, ready, load })
    }

    /// Tells the proxy of its replicas, and waits until its old workers have gone: they reset whom they still accept.
    fn reload(&self, replicas: usize) -> Result<(), String> {
        let cgroup = self.proxy.cgroup()?;
        let old = cgroup.processes();
        store::configure(&self.proxy.service.srv, replicas)?;
        self.proxy.signal(Signal::SIGHUP)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = cgroup.processes();
            // Its master stays, and has new workers.
            if now.intersection(&old).count() == 1 && now.len() > 1 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("nginx has not replaced its workers: {old:?}, {now:?}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn spread(&self) -> Result<Vec<Duration>, String> {
        self.replicas.iter().map(|replica| replica.cgroup()?.cpu()).collect()
    }

    fn wait_for(&self, replica: &Prepared) -> Result<(), String> {
        let address = replica.service.slot.address(PORT);
        let chain = [probe(replica.service.name(), address, Some(ROW), replica.log())];
        ready::wait(&chain, PATIENCE)
    }

    /// The last replica is killed, removed and started again, while clients ask.
    fn restart(&mut self, lasts: Duration) -> Result<Restarted, String> {
        let proxy = store::proxy_slot().address(PORT);
        let mut replica = self.replicas.pop().ok_or("there is no replica")?;
        let ran = load::run(proxy, READ, MANY, || {
            std::thread::sleep(lasts / 5);
            let begin = Instant::now();
            replica.end()?;
            replica.start()?;
            self.wait_for(&replica)?;
            let recovered = begin.elapsed();
            std::thread::sleep((lasts * 4 / 5).saturating_sub(recovered));
            Ok::<_, String>(recovered)
        });
        let (load, recovered) = ran?;
        self.replicas.push(replica);
        Ok(Restarted { recovered: recovered?, load })
    }

    fn end(&mut self) -> Result<(), String> {
        let all = [&mut self.proxy].into_iter().chain(&mut self.replicas);
        let ended: Vec<_> = all.chain([&mut self.database]).map(Prepared::end).collect();
        ended.into_iter().collect()
    }
}
