//! M11, the network: a byte to and fro, and a stream, over the loopback and over a bridge between namespaces.
//!
//! The server is a bare process for everyone but on the loopback, where it is a thread of who asks. Bare, too, asks from a
//! namespace: what is compared is the container, not the way. It refuses to measure a guest's loopback alone: what a
//! virtual machine pays for is the way out of it. What a newcomer would get wrong: without a tap QEMU's own TCP
//! stands between guest and server (slirp), which is another thing, and is called so.

mod roads;

use crate::files::machine;
use crate::inside::{self, Bare, Guest, Running, Subject, Task};
use crate::result::{Metric, Row, Unit};
use crate::room;
use crate::scene::Seccomp;
use crate::suite::{Context, Pace};
use crate::turns::{self, Case, Player};
use crate::vm;
use std::time::{Duration, Instant};

const RTT: &str = "write of one byte until the read of its echo has returned, TCP_NODELAY";
const STREAM: &str = "bytes that the server has counted, from the first write until its count";

const CASES: [Case; 4] = [
    Case {
        name: "away.rtt",
        case: "tcp rtt 1 byte, bridge",
        unit: Unit::Microseconds,
        interval: RTT,
    },
    Case {
        name: "away.stream",
        case: "tcp stream, bridge",
        unit: Unit::MebibytesPerSecond,
        interval: STREAM,
    },
    Case {
        name: "loopback.rtt",
        case: "tcp rtt 1 byte, loopback",
        unit: Unit::Microseconds,
        interval: RTT,
    },
    Case {
        name: "loopback.stream",
        case: "tcp stream, loopback",
        unit: Unit::MebibytesPerSecond,
        interval: STREAM,
    },
];

/// Round trips in a turn; all turns together are enough for a 99th percentile.
const TRIPS: usize = 100;

/// A turn takes a second or two, a guest's with its boot five; emulated, on a busy machine, much more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where slirp shows the guest the loopback of who runs QEMU, and the guest's own address there.
const SLIRP: (&str, &str) = ("10.0.2.2", "10.0.2.15");

const VM: &str = "vm";

/// Measures.
///
/// # Errors
/// A sentence: something went wrong that was not missing.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    if let Err(why) = roads::build() {
        let of = |subject: &&str| turns::missing(Metric::M11, &CASES, subject, &why);
        return Ok(["bare", "rrun", "runc", "crun", VM].iter().flat_map(of).collect());
    }
    let rounds = context.pace.pick(5, 10);
    let _server = serve(context, roads::inside(roads::SERVING), roads::SERVER)?;
    let mut players = processes(context, rounds);
    let (mut absent, mut _slirp) = (Vec::new(), None);
    match guest(context, rounds) {
        Ok((player, Way::Tap)) => players.push(player),
        Ok((player, Way::Slirp)) => {
            _slirp = Some(serve(context, Vec::new(), "127.0.0.1")?);
            players.push(player);
        }
        Err(why) => absent = turns::missing(Metric::M11, &CASES, VM, &why),
    }
    context.progress("network: a byte and a stream, over a bridge and the loopback");
    turns::play(&mut players, rounds, PATIENCE)?;
    let mut rows = turns::rows(Metric::M11, &CASES, &players, rounds, "network")?;
    rows.extend(absent);
    Ok(rows)
}

/// A server that listens when this returns.
fn serve(context: &Context, before: Vec<String>, address: &str) -> Result<Running, String> {
    let mut bare = Bare::new(context.programs.workload.clone());
    bare.before = before;
    let task = Task::new("network-serve").with("address", address);
    let mut server = Subject::Bare(bare).start(&task)?;
    server.said(Instant::now() + PATIENCE)?;
    Ok(server)
}

/// What everyone is asked: `turns` turns take together as long as everyone else's.
fn task(context: &Context, rounds: usize, turns: usize, server: &str) -> Task {
    let milliseconds = context.pace.pick(150, 500);
    Task::new("network")
        .with("server", server)
        .with("trips", TRIPS * rounds / turns)
        .with("stream", milliseconds * rounds / turns)
}

fn processes(context: &Context, rounds: usize) -> Vec<Player> {
    let task = task(context, rounds, rounds, roads::SERVER);
    let mut bare = Bare::new(context.programs.workload.clone());
    bare.before = roads::inside(roads::CLIENT);
    let mut players = vec![Player::new(Subject::Bare(bare), task.clone(), rounds)];
    for mut container in inside::containers(&context.programs) {
        if context.pace == Pace::Quick && container.seccomp == Seccomp::None {
            continue;
        }
        container.network = Some(roads::namespace(roads::CLIENT));
        players.push(Player::new(Subject::Container(container), task.clone(), rounds));
    }
    players
}

/// How a guest's packets get out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a tap on the bridge.
    Tap,
    /// Through QEMU's own TCP.
    Slirp,
}

/// The guest; an error says what is missing.
fn guest(context: &Context, rounds: usize) -> Result<(Player, Way), String> {
    let machines = vm::Machines::ready(&context.programs.payload)?;
    let tap = roads::tap();
    let kernel_carries = machines.accelerator() == vm::Accelerator::Kvm && roads::has_vhost();
    let (way, server, address, network, told) = match &tap {
        Ok(()) => {
            let vhost = if kernel_carries { "on" } else { "off" };
            let network =
                format!("tap,id=road,ifname={},script=no,downscript=no,vhost={vhost}", roads::TAP);
            (Way::Tap, roads::SERVER, roads::GUEST, network, format!("on a tap, vhost={vhost}"))
        }
        Err(why) => {
            let told = format!("through QEMU's own TCP (slirp), no bridge, because {why}");
            (Way::Slirp, SLIRP.0, SLIRP.1, "user,id=road".to_owned(), told)
        }
    };
    let mut recipe = machine(&machines);
    let device = "virtio-net-pci,netdev=road,romfile=";
    recipe.extra = ["-netdev", &network, "-device", device].map(str::to_owned).to_vec();
    let modules = ["virtio_pci", "virtio_net"];
    let mut guest = Guest::new(recipe, &context.programs.workload, &machines.kernel, &modules)?;
    guest.name = if way == Way::Tap { VM.to_owned() } else { format!("{VM}, slirp") };
    let turns = context.pace.pick(1, 2);
    let task =
        task(context, rounds, turns, server).with("interface", "eth0").with("address", address);
    let player = Player::new(Subject::Guest(Box::new(guest)), task, turns);
    Ok((player.note(format!("q35, one processor, 256 MiB; virtio-net-pci {told}")), way))
}
