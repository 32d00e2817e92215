//! M1p: what comes before the first start, from what was downloaded to what can be started.
//!
//! An image is an archive as `docker save` writes it; it becomes a bundle. A machine's image is a distribution's packed
//! kernel and the same program; they become a kernel that QEMU enters directly and an initramfs. What a newcomer would
//! get wrong: what is made is removed again outside of what is timed, and lies on a tmpfs like everything else.

use crate::process::{self, PATIENCE, Wrong, milliseconds, now};
use crate::result::{Metric, Row, Unit};
use crate::rounds::{Contestant, Figure, Rounds};
use crate::suite::Context;
use crate::vm::{Initramfs, Kernel, bzimage, hash};
use crate::{room, vm};
use flate2::Compression;
use flate2::write::GzEncoder;
use rrun_harness::busybox;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const UNPACK: &str = "t0→t3: before the birth of `rrun unpack` of an archive of one gzipped layer → its end was collected";

const BUILD: &str =
    "a distribution's packed kernel read, unpacked and written, and an initramfs written; by calls";

/// Provisioning, in rounds of their own.
///
/// # Errors
/// Who failed, and how.
pub fn rows(context: &Context) -> Result<Vec<Row>, String> {
    let place = room::directory().join("provisioning");
    let told = |why: io::Error| format!("provisioning: {why}");
    fs::create_dir_all(&place).map_err(told)?;
    // The payload alone is too small for anybody's image.
    let program = busybox().unwrap_or_else(|| context.programs.payload.clone());
    let archive = place.join("image.tar");
    fs::write(&archive, image(&fs::read(&program).map_err(told)?).map_err(told)?).map_err(told)?;
    let mut contestants = vec![unpack(&context.programs.rrun, &archive, &place.join("bundle"))];
    let mut rows = Vec::new();
    match vm::Machines::ready(&context.programs.payload) {
        Ok(machines) => contestants.push(build(machines.kernel, program, place)),
        Err(why) => rows.push(machine().missing(why)),
    }
    let mut rounds = Rounds::of(contestants);
    rounds.warm_up()?;
    for _ in 0..context.pace.pick(3, 15) {
        rounds.turn()?;
    }
    rows.extend(rounds.rows());
    Ok(rows)
}

fn unpack(rrun: &Path, archive: &Path, bundle: &Path) -> Contestant {
    let row = Row::new(Metric::M1p, "unpack image", "rrun", Unit::Milliseconds, UNPACK);
    let mut command = Command::new(rrun);
    command.arg("unpack").arg(archive).arg(bundle);
    let bundle = bundle.to_owned();
    Contestant::new(vec![row.group("provisioning")], move || {
        let ran = process::run(&mut command, PATIENCE)?;
        fs::remove_dir_all(&bundle)
            .map_err(|why| Wrong::Failed(format!("remove {}: {why}", bundle.display())))?;
        Ok(vec![Figure::new(milliseconds(ran.wall()), &[ran])])
    })
}

fn machine() -> Row {
    let row = Row::new(Metric::M1p, "kernel + initramfs", "vm microvm", Unit::Milliseconds, BUILD);
    let row = row.group("provisioning");
    if cfg!(debug_assertions) {
        row.note("unpacked by a debug build, which is slower")
    } else {
        row
    }
}

fn build(kernel: Kernel, program: PathBuf, place: PathBuf) -> Contestant {
    let built = move || -> Result<(), String> {
        let packed = fs::read(&kernel.bzimage).map_err(|why| format!("read the kernel: {why}"))?;
        let unpacked =
            if bzimage::is_bzimage(&packed) { bzimage::unpack(&packed)? } else { packed };
        let written = fs::write(place.join("vmlinux"), unpacked);
        written.map_err(|why| format!("write the kernel: {why}"))?;
        Initramfs::new(&program)?.write(&place.join("initramfs.cpio"))
    };
    Contestant::new(vec![machine()], move || {
        let began = now();
        built().map_err(Wrong::Failed)?;
        Ok(vec![Figure::bare(milliseconds(now() - began))])
    })
}

/// An image as `docker save` writes it, of one layer with one program.
fn image(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = Vec::new();
    entry(&mut layer, "bin/busybox", 0o755, program);
    layer.extend([0; END]);
    let rootfs = json!({ "type": "layers", "diff_ids": [format!("sha256:{}", hash(&layer))] });
    let config = json!({ "os": "linux", "rootfs": rootfs, "config": { "Cmd": ["/bin/busybox"] } });
    let config = config.to_string();
    let config_name = format!("{}.json", hash(config.as_bytes()));
    let manifest =
        json!([{ "Config": config_name, "RepoTags": ["bench:1"], "Layers": ["layer.tar"] }]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&layer)?;
    let mut archive = Vec::new();
    entry(&mut archive, "layer.tar", 0o644, &packed.finish()?);
    entry(&mut archive, &config_name, 0o644, config.as_bytes());
    entry(&mut archive, "manifest.json", 0o644, manifest.to_string().as_bytes());
    archive.extend([0; END]);
    Ok(archive)
}

/// Two empty blocks end a tar.
const END: usize = 1024;

/// A file of a tar as POSIX.1-1988 has it ("ustar"): a header of 512 bytes with octal numbers, and padded content.
fn entry(tar: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    // The sum is taken with blanks in its own place.
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&header);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(header.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rrun_harness::Must;

    #[test]
    fn the_image_is_a_tar_that_tar_reads() {
        let at = std::env::temp_dir().join(format!("rrun-bench-image-{}.tar", std::process::id()));
        fs::write(&at, image(b"program").must("make an image")).must("write it");
        let listed = Command::new("tar").arg("-tvf").arg(&at).output().must("start tar");
        fs::remove_file(&at).must("clean up");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names: Vec<&str> =
            listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(names.len(), 3, "{listed}");
        assert_eq!((names[0], names[2]), ("layer.tar", "manifest.json"));
    }
}
