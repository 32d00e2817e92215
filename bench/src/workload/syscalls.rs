//! System calls, one by one.
//!
//! What a newcomer would get wrong: a seccomp filter's verdict on a call by its number alone is cached in a bitmap, one
//! that looks at arguments is not; Docker's profile looks at `personality`'s, so its toll is another one than
//! `getppid`'s. The files lie on a tmpfs for everyone.

use crate::arguments::Arguments;
use crate::batch::Batches;
use crate::raw::Forked;
use crate::voice::Voice;
use memmap2::MmapMut;
use nix::fcntl::{OFlag, open};
use nix::sys::personality;
use nix::sys::stat::{Mode, stat};
use nix::sys::uio::pread;
use nix::unistd::getppid;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;

/// A page.
const PAGE: usize = 4096;

/// Each call in turn, in the directory `dir=`.
pub fn syscalls(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let batches = Batches::of(arguments)?;
    let directory = Path::new(arguments.text("dir", "/tmp"));
    let path = directory.join(format!("syscalls-{}", std::process::id()));
    let told = |why: std::io::Error| format!("{}: {why}", path.display());
    fs::write(&path, vec![1; 16 * PAGE]).map_err(told)?;
    let file = File::open(&path).map_err(told)?;
    // By its name in the working directory: a longer path would be a longer call.
    std::env::set_current_dir(directory).map_err(told)?;
    let name = Path::new(path.file_name().unwrap_or_default());
    let measured = each(&batches, voice, &file, name);
    fs::remove_file(&path).map_err(told)?;
    measured
}

fn each(batches: &Batches, voice: &mut Voice, file: &File, name: &Path) -> Result<(), String> {
    let mut say = |what: &str, operation: &mut dyn FnMut() -> nix::Result<()>| {
        let told = |why| format!("{what}: {why}");
        let samples = batches.measure(|| operation().map_err(told))?;
        voice.say(what, &samples)
    };
    say("getppid", &mut || {
        black_box(getppid());
        Ok(())
    })?;
    say("personality", &mut || personality::get().map(drop))?;
    say("stat", &mut || stat(name).map(drop))?;
    let mut page = vec![0; PAGE];
    say("pread", &mut || pread(file, &mut page, 0).map(drop))?;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    say("openat+close", &mut || open(name, flags, Mode::empty()).map(drop))?;
    let touched = batches.measure(|| {
        let mut map = MmapMut::map_anon(PAGE).map_err(|why| format!("mmap: {why}"))?;
        map[0] = black_box(1);
        Ok(())
    })?;
    voice.say("mmap+touch+munmap", &touched)?;
    let forked = batches.measure(|| Forked::doing(|| ())?.end())?;
    voice.say("clone+exit+wait", &forked)
}
