//! Memory: the bandwidth of STREAM's triad (McCalpin 1995), and what the first touch of a page costs.
//!
//! What a newcomer would get wrong: arrays that fit into the last cache measure the cache, so their size is given by
//! whoever knows the machine; a guest's idea of its caches is its monitor's invention.

use crate::arguments::Arguments;
use crate::batch::nanoseconds;
use crate::voice::Voice;
use memmap2::{Advice, MmapMut};
use std::fs;
use std::hint::black_box;
use std::time::Instant;

const PAGE: usize = 4096;

const MIB: usize = 1 << 20;

/// `triad` in MiB/s over `triad=` MiB in three arrays; `touch` and `touch-thp`, nanoseconds per 4 KiB page, over
/// `touch=` MiB; each `passes=` times.
pub fn memory(arguments: &Arguments, voice: &mut Voice) -> Result<(), String> {
    let count = arguments.count("passes", 3)?;
    let (arrays, touched) =
        (arguments.count("triad", 64)? * MIB, arguments.count("touch", 8)? * MIB);
    let touch = |advice| (0..count).map(|_| first_touch(touched, advice)).collect();
    let small: Result<Vec<f64>, String> = touch(Advice::NoHugePage);
    voice.say("touch", &small?)?;
    if huge_pages() {
        let huge: Result<Vec<f64>, String> = touch(Advice::HugePage);
        voice.say("touch-thp", &huge?)?;
    } else {
        voice
            .missing("touch-thp", "the kernel has no transparent huge pages, or never uses them")?;
    }
    voice.say("triad", &triad(arrays / 3, count)?)
}

fn map(bytes: usize, advice: Option<Advice>) -> Result<MmapMut, String> {
    let map = MmapMut::map_anon(bytes).map_err(|why| format!("map {bytes} bytes: {why}"))?;
    // A kernel without huge pages refuses advice about them, and has but small ones.
    match advice.map(|advice| map.advise(advice)) {
        Some(Err(why)) if why.raw_os_error() != Some(libc::EINVAL) => Err(format!("advise: {why}")),
        _ => Ok(map),
    }
}

fn huge_pages() -> bool {
    let file = "/sys/kernel/mm/transparent_hugepage/enabled";
    fs::read_to_string(file).is_ok_and(|choice| !choice.contains("[never]"))
}

fn first_touch(bytes: usize, advice: Advice) -> Result<f64, String> {
    let mut map = map(bytes, Some(advice))?;
    let began = Instant::now();
    for byte in map.iter_mut().step_by(PAGE) {
        *byte = black_box(1);
    }
    Ok(nanoseconds(began.elapsed(), (bytes / PAGE) as u64))
}

/// a = b + 3 c, element by element: MiB/s of the 24 bytes that the program moves for each, pass by pass.
fn triad(bytes: usize, passes: usize) -> Result<Vec<f64>, String> {
    let array = || map(bytes, Some(Advice::HugePage));
    let (mut a, mut b, mut c) = (array()?, array()?, array()?);
    let (a, _) = a.as_chunks_mut::<8>();
    fill(a, 0.0);
    let (b, _) = b.as_chunks_mut::<8>();
    fill(b, 1.0);
    let (c, _) = c.as_chunks_mut::<8>();
    fill(c, 2.0);
    let mut samples = Vec::with_capacity(passes);
    for _ in 0..passes {
        let began = Instant::now();
        for ((a, b), c) in a.iter_mut().zip(b.iter()).zip(c.iter()) {
            *a = (f64::from_ne_bytes(*b) + 3.0 * f64::from_ne_bytes(*c)).to_ne_bytes();
        }
        black_box(&a);
        let moved = 24.0 / (MIB as f64) * 1e9;
        samples.push(moved / nanoseconds(began.elapsed(), a.len() as u64));
    }
    match a.iter().all(|element| f64::from_ne_bytes(*element) == 7.0) {
        true => Ok(samples),
        false => Err("triad: the sums are wrong".to_owned()),
    }
}

fn fill(array: &mut [[u8; 8]], value: f64) {
    array.fill(value.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_is_a_sample_and_its_sums_are_right() {
        let samples = triad(MIB, 3).expect("samples");
        assert!(samples.len() == 3 && samples.iter().all(|sample| *sample > 0.0), "{samples:?}");
    }

    #[test]
    fn a_first_touch_takes_time() {
        assert!(first_touch(MIB, Advice::NoHugePage).is_ok_and(|took| took > 0.0));
    }
}
