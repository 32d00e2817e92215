//! M9, files: call by call in a directory on the host's disk, in an overlay and in a tmpfs.
//!
//! ```text
//! disk      bare: a directory       containers: the same, by a bind mount       vm: ext4 on virtio-blk, whose file is
//!                                                                                  beside that directory
//! overlay   bare, containers: one overlay, mounted by us                         vm: its own, on its disk
//! tmpfs     bare, containers: one tmpfs, mounted by us                           vm: its own
//! ```
//!
//! It refuses to call a guest's two caches one series: with `cache=none` the host's page cache is left out, as a direct
//! read on the host leaves it out; with the host's cache a guest's "disk" may be memory, faster than the host's own. What
//! a newcomer would get wrong: Debian's kernels find no virtio-mmio device without ACPI, so the guest is a q35 with
//! virtio-pci, not the microvm of the starts.

mod place;

use crate::inside::{self, Bare, Guest, Subject, Task};
use crate::result::{Metric, Row, Unit};
use crate::room;
use crate::scene::Seccomp;
use crate::suite::{Context, Pace};
use crate::turns::{self, Case, Player};
use crate::vm;
use place::Places;
use serde_json::json;
use std::time::Duration;

const CALL: &str = "one pread of 4 KiB at a random place, from before the call to its return";
const DEEP: &str = "one pread of 4 KiB at a random place, of eight threads that read at once";
const RATE: &str = "preads of 4 KiB by eight threads, divided by the time of all";
const FLUSH: &str = "write of 4 KiB at the end of a file, and fsync";
const NAMES: &str = "open(O_CREAT|O_EXCL), close, unlink";
const WRITE: &str = "a new file in pieces of 1 MiB, from before open until fdatasync has returned";
const READ: &str = "O_DIRECT reads of 1 MiB, one after the other";

const CASES: [Case; 13] = [
    microseconds("disk.pread", "pread 4k cached, disk", CALL),
    microseconds("disk.direct-1", "direct read 4k qd1, disk", CALL),
    microseconds("disk.direct-8", "direct read 4k qd8, disk", DEEP),
    case("disk.direct-8-rate", "direct reads 4k qd8, disk", Unit::PerSecond, RATE),
    microseconds("disk.fsync", "fsync append 4k, disk", FLUSH),
    microseconds("disk.names", "create+unlink, disk", NAMES),
    case("disk.write", "sequential write, disk", Unit::MebibytesPerSecond, WRITE),
    case("disk.read", "sequential direct read, disk", Unit::MebibytesPerSecond, READ),
    microseconds("overlay.pread", "pread 4k cached, overlay", CALL),
    microseconds("overlay.fsync", "fsync append 4k, overlay", FLUSH),
    microseconds("overlay.names", "create+unlink, overlay", NAMES),
    microseconds("tmpfs.pread", "pread 4k cached, tmpfs", CALL),
    microseconds("tmpfs.names", "create+unlink, tmpfs", NAMES),
];

const fn case(name: &'static str, case: &'static str, unit: Unit, interval: &'static str) -> Case {
    Case { name, case, unit, interval }
}

const fn microseconds(name: &'static str, called: &'static str, interval: &'static str) -> Case {
    case(name, called, Unit::Microseconds, interval)
}

/// What a guest's disk needs: ext4 is built into some kernels, and asks for a checksum by its name, not as a symbol.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "overlay"];

/// Calls of each kind in a turn; all turns together are enough for a 99th percentile.
const CALLS: usize = 100;

/// Milliseconds after which a turn leaves a kind that has had fewer.
const TIME: usize = 100;

/// MiB of a stream.
const STREAM: usize = 16;

/// A turn takes a second or two, a guest's with its boot five; emulated, on a busy machine, much more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures.
///
/// # Errors
/// A sentence: something went wrong that was not missing.
pub fn measure(context: &Context) -> Result<Vec<Row>, String> {
    room::enter()?;
    let places = Places::new(&vm::cache()?)?;
    let rounds = context.pace.pick(5, 10);
    let mut players = processes(context, &places, rounds);
    let mut absent = Vec::new();
    match guests(context, &places, rounds) {
        Ok(guests) => players.extend(guests),
        Err(why) => {
            for name in [VM, CACHED] {
                absent.extend(turns::missing(Metric::M9, &CASES, name, &why));
            }
        }
    }
    context.progress("files: the disk, an overlay, a tmpfs");
    turns::play(&mut players, rounds, PATIENCE)?;
    let mut rows = turns::rows(Metric::M9, &CASES, &players, rounds, "files")?;
    rows.extend(absent);
    Ok(rows)
}

/// The bare process and the containers.
fn processes(context: &Context, places: &Places, rounds: usize) -> Vec<Player> {
    let three = [("disk", &places.disk), ("overlay", &places.overlay), ("tmpfs", &places.tmpfs)];
    let amount = Task::new("files").with("calls", CALLS).with("ms", TIME).with("stream", STREAM);
    let (mut outside, mut inside, mut mounts) = (amount.clone(), amount, Vec::new());
    for (name, source) in three {
        let target = format!("/data/{name}");
        outside = outside.with(name, source.display());
        inside = inside.with(name, &target);
        let options = ["rbind", "rprivate", "rw"];
        mounts.push(json!({
            "type": "bind", "source": source, "destination": target, "options": options,
        }));
    }
    let bare = Subject::Bare(Bare::new(context.programs.workload.clone()));
    let mut players = vec![Player::new(bare, outside, rounds)];
    for mut container in inside::containers(&context.programs) {
        if context.pace == Pace::Quick && container.seccomp == Seccomp::None {
            continue;
        }
        container.mounts.clone_from(&mounts);
        let subject = Subject::Container(container);
        players.push(Player::new(subject, inside.clone(), rounds));
    }
    players
}

const VM: &str = "vm";
const CACHED: &str = "vm, host cache";

/// The guests; an error says what is missing.
fn guests(context: &Context, places: &Places, rounds: usize) -> Result<Vec<Player>, String> {
    let machines = vm::Machines::ready(&context.programs.payload)?;
    let image = places.image()?;
    let turns = context.pace.pick(1, 2);
    let task = Task::new("disk-files")
        .with("calls", CALLS * rounds / turns)
        .with("ms", TIME * rounds / turns)
        .with("stream", STREAM)
        .with("disk", "/disk")
        .with("overlay", "/overlay")
        .with("tmpfs", "/tmpfs");
    let mut players = Vec::new();
    for (name, cache) in [(VM, "none,aio=native"), (CACHED, "writeback,aio=threads")] {
        let mut recipe = machine(&machines);
        let drive = format!(
            "if=none,id=disk,format=raw,discard=ignore,file={},cache={cache}",
            image.display().to_string().replace(',', ",,")
        );
        let device = "virtio-blk-pci,drive=disk,iothread=io".to_owned();
        recipe.extra = ["-object", "iothread,id=io", "-drive", &drive, "-device", &device]
            .map(str::to_owned)
            .to_vec();
        let mut guest = Guest::new(recipe, &context.programs.workload, &machines.kernel, &MODULES)?;
        guest.name = name.to_owned();
        let player = Player::new(Subject::Guest(Box::new(guest)), task.clone(), turns);
        players.push(player.note(format!(
            "q35, one processor, 256 MiB; virtio-blk-pci with an iothread, cache={cache}"
        )));
    }
    Ok(players)
}

/// The machine of guests with devices; see this module's words on virtio-mmio.
pub(crate) fn machine(machines: &vm::Machines) -> vm::Recipe {
    vm::Recipe { memory: 256, ..machines.recipe(vm::Flavour::Q35) }
}
