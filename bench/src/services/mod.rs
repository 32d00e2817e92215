//! Services (M14): nginx in front of an API in front of PostgreSQL, on a bridge, within limits, with 1 to 8 replicas.
//!
//! | module | question |
//! | --- | --- |
//! | [`network`] | how do they reach each other? |
//! | [`service`] | what is one of them? |
//! | [`store`] | from which trees, and with which data? |
//! | [`host`] | who runs it: a runtime or nobody? |
//! | [`cgroup`] | what may it use, what has it used? |
//! | [`ready`] | does it answer, and if not, who is to blame? |
//! | [`http`], [`load`] | what do its clients see? |
//! | [`stack`] | what happens to it in one life? |
//! | [`rows`] | what do the lives say? |
//!
//! It refuses to be a measurement of Kubernetes or of an engine: images are unpacked, networks made and names known
//! before the clock starts. What a newcomer would get wrong: the clients share the machine with the services, so a rate is
//! one of this arrangement and says something only beside another subject's.

pub mod cgroup;
pub mod host;
pub mod http;
pub mod load;
pub mod network;
pub mod ready;
pub mod rows;
pub mod service;
pub mod stack;
pub mod store;

use crate::programs::{self, Programs};
use crate::result::Row;
use crate::room;
use crate::rounds::shuffled;
use crate::subject::Runtime;
use crate::suite::{Context, Pace};
use host::Host;
use network::Slot;
use stack::{Plan, live};
use std::path::Path;
use std::time::Duration;
use store::Store;

const QUICK: Plan = Plan {
    load: Duration::from_millis(1500),
    write_load: Duration::from_millis(1000),
    replicas_load: Duration::from_millis(750),
    restart_load: Duration::from_millis(1500),
    replicas: &[2, 4],
};

const FULL: Plan = Plan {
    load: Duration::from_secs(4),
    write_load: Duration::from_secs(2),
    replicas_load: Duration::from_millis(1500),
    restart_load: Duration::from_secs(3),
    replicas: &[2, 4, 8],
};

/// Replicas that there may be.
const MOST_REPLICAS: u8 = 8;

/// What takes long the first time, and nothing later: downloads and a build.
///
/// # Errors
/// A sentence; the part says it again, where it is a row.
pub fn prepare() -> Result<(), String> {
    store::trees()?;
    programs::api().map(drop)
}

/// The part.
///
/// # Errors
/// A sentence: a service that is not ready, by name, or whatever else went wrong.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    let hosts = hosts(&context.programs, context.pace);
    let labels: Vec<String> = hosts.iter().map(|host| host.label().to_owned()).collect();
    let lacking = network::lacking().or_else(cgroup::lacking);
    let trees = lacking.map_or_else(store::trees, Err);
    let mut rows = absent(&context.programs, context.pace);
    let trees = match trees {
        Ok(trees) => trees,
        Err(why) => {
            rows.extend(labels.iter().map(|label| rows::missing(label, &why)));
            return Ok(rows);
        }
    };
    network::enter()?;
    let replicas = (0..MOST_REPLICAS).map(store::api_slot);
    let others = [store::database_slot(), store::proxy_slot()];
    network::make(&others.into_iter().chain(replicas).collect::<Vec<Slot>>())?;
    let store = Store::make(trees)?;
    let (plan, rounds) = context.pace.pick((QUICK, 1), (FULL, 3));
    let mut lives = hosts.iter().map(|_| Vec::new()).collect::<Vec<_>>();
    let mut random = 1;
    for round in 1..=rounds {
        for index in shuffled(hosts.len(), &mut random) {
            let host = &hosts[index];
            context.progress(&format!("{}, round {round} of {rounds}", host.label()));
            let place = room::directory().join(format!("services/life-{round}-{index}"));
            let hidden = (host.label() == "crun").then(cgroup::Hidden::new).transpose()?;
            lives[index].push(live(&store, host, &place, &plan)?);
            drop(hidden);
        }
    }
    for (label, lives) in labels.iter().zip(&lives) {
        rows.extend(rows::rows(label, lives));
    }
    Ok(rows)
}

/// Who is measured at this pace.
fn hosts(programs: &Programs, pace: Pace) -> Vec<Host> {
    let mut hosts = vec![Host::Bare, runtime("rrun", &programs.rrun)];
    if pace == Pace::Full {
        let others = [("runc", &programs.runc), ("crun", &programs.crun)];
        let there = others.iter().filter_map(|(name, path)| Some(runtime(name, (*path).as_ref()?)));
        hosts.extend(there);
    }
    hosts
}

fn runtime(name: &str, program: &Path) -> Host {
    let root = room::directory().join("state").join(name).to_string_lossy().into_owned();
    Host::Runtime(Runtime {
        label: name.to_owned(),
        program: program.to_owned(),
        globals: vec!["--root".to_owned(), root],
    })
}

/// Rows of runtimes that this machine lacks.
fn absent(programs: &Programs, pace: Pace) -> Vec<Row> {
    let others = [("runc", &programs.runc), ("crun", &programs.crun)];
    let absent = others.into_iter().filter(|(_, path)| pace == Pace::Full && path.is_none());
    absent.map(|(name, _)| rows::missing(name, &format!("{name} is not on PATH"))).collect()
}
