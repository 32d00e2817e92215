//! A kernel as distributions ship it, unpacked to the ELF file inside: a bzImage is a small program that unpacks the
//! real kernel, and unpacking under emulation is a quarter of a tuned boot (Documentation/arch/x86/boot.rst).
//!
//! It refuses an ELF file that QEMU could not enter: without the note that names its PVH entry
//! (`XEN_ELFNOTE_PHYS32_ENTRY`). What a newcomer would get wrong: the kernel's build appends the unpacked size to what
//! the compressor wrote, and its LZ4 is the legacy format, which no frame decoder reads.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// No kernel is larger; a made-up one may say that it is.
const LARGEST: usize = 512 << 20;

/// What a legacy frame of LZ4 unpacks to at most.
const LZ4_BLOCK: usize = 8 << 20;

/// `uname -r` of a bzImage, as its header says.
#[must_use]
pub fn release(image: &[u8]) -> Option<String> {
    if !is_bzimage(image) {
        return None;
    }
    let at = usize::from(u16::from_le_bytes(bytes(image, 0x20e)?)) + 0x200;
    let text = image.get(at..)?.split(|byte| *byte == 0).next()?;
    let word = text.split(|byte| *byte == b' ').next()?;
    let word = std::str::from_utf8(word).ok()?;
    (!word.is_empty() && !word.contains('/')).then(|| word.to_owned())
}

/// Whether this is an ELF file already, or a bzImage, or no kernel at all.
#[must_use]
pub fn is_bzimage(image: &[u8]) -> bool {
    bytes(image, 0x202) == Some(*b"HdrS") && bytes(image, 0x1fe) == Some([0x55, 0xaa])
}

/// The ELF file inside a bzImage.
///
/// # Errors
/// A sentence: this is no bzImage, it is damaged, or what it is packed with is unknown here.
pub fn unpack(image: &[u8]) -> Result<Vec<u8>, String> {
    let truncated = || "the bzImage is truncated".to_owned();
    if !is_bzimage(image) {
        return Err("this is no bzImage".to_owned());
    }
    let word = |at| bytes(image, at).map(u32::from_le_bytes).ok_or_else(truncated);
    let sectors = match image[0x1f1] {
        0 => 4,
        count => usize::from(count),
    };
    let from = (sectors + 1) * 512 + word(0x248)? as usize;
    let packed = image.get(from..from + word(0x24c)? as usize).ok_or_else(truncated)?;
    let magic: [u8; 4] = bytes(packed, 0).ok_or_else(truncated)?;
    // Behind the stream is the size of what it unpacks to; gzip's own format ends with it.
    let stream = &packed[..packed.len() - 4];
    let kernel = match magic {
        [0x02, 0x21, 0x4c, 0x18] => lz4_legacy(&stream[4.min(stream.len())..])?,
        [0x1f, 0x8b, ..] => bounded(flate2::read::GzDecoder::new(packed), "gzip")?,
        [0x28, 0xb5, 0x2f, 0xfd] => zstd(stream)?,
        [0xfd, b'7', b'z', b'X'] => xz(stream)?,
        [0x7f, b'E', b'L', b'F'] => packed.to_vec(),
        other => return Err(format!("the bzImage is packed in an unknown way ({other:02x?})")),
    };
    if kernel.starts_with(b"\x7fELF") {
        return Ok(kernel);
    }
    Err("what the bzImage unpacks to is no ELF file".to_owned())
}

fn lz4_legacy(mut blocks: &[u8]) -> Result<Vec<u8>, String> {
    let mut kernel = Vec::new();
    while let Some(size) = bytes(blocks, 0).map(u32::from_le_bytes) {
        let size = size as usize;
        let block = blocks.get(4..4 + size).ok_or("the kernel's LZ4 stream is truncated")?;
        let plain = lz4_flex::block::decompress(block, LZ4_BLOCK);
        kernel.extend(plain.map_err(|why| format!("the kernel's LZ4 stream is damaged: {why}"))?);
        if kernel.len() > LARGEST {
            return Err(too_large());
        }
        blocks = &blocks[4 + size..];
    }
    Ok(kernel)
}

fn zstd(stream: &[u8]) -> Result<Vec<u8>, String> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(stream);
    bounded(decoder.map_err(|why| format!("the kernel's zstd stream is damaged: {why}"))?, "zstd")
}

fn bounded(decoder: impl Read, name: &str) -> Result<Vec<u8>, String> {
    let mut kernel = Vec::new();
    let read = decoder.take(LARGEST as u64 + 1).read_to_end(&mut kernel);
    read.map_err(|why| format!("the kernel's {name} stream is damaged: {why}"))?;
    if kernel.len() > LARGEST { Err(too_large()) } else { Ok(kernel) }
}

fn too_large() -> String {
    format!("the kernel unpacks to more than {} MiB", LARGEST >> 20)
}

fn xz(stream: &[u8]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("xz");
    command.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|why| format!("xz: {why}: install xz-utils"))?;
    let (Some(mut into), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("xz has no pipes".to_owned());
    };
    let stream = stream.to_vec();
    // It may end before it has read everything; its exit status says so.
    let writer = std::thread::spawn(move || into.write_all(&stream).ok());
    let kernel = bounded(out, "xz");
    if kernel.is_err() {
        child.kill().ok();
    }
    let status = child.wait().map_err(|why| format!("xz: {why}"))?;
    drop(writer.join());
    let kernel = kernel?;
    if status.success() {
        return Ok(kernel);
    }
    Err(format!("the kernel's xz stream is damaged: xz ended with {status}"))
}

/// Whether QEMU can enter this ELF file directly.
#[must_use]
pub fn has_pvh_entry(elf: &[u8]) -> bool {
    let half = |at| bytes(elf, at).map(|raw| usize::from(u16::from_le_bytes(raw)));
    let long = |at| bytes(elf, at).and_then(|raw| usize::try_from(u64::from_le_bytes(raw)).ok());
    // A 64-bit file in little-endian order.
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let (Some(table), Some(size), Some(count)) = (long(0x20), half(0x36), half(0x38)) else {
        return false;
    };
    (0..count).any(|index| {
        let at = table.saturating_add(index * size);
        let is_note = bytes(elf, at) == Some(4_u32.to_le_bytes());
        let range = || Some((long(at.checked_add(8)?)?, long(at.checked_add(32)?)?));
        let notes = range().and_then(|(from, length)| elf.get(from..from.checked_add(length)?));
        is_note && notes.is_some_and(names_pvh_entry)
    })
}

fn names_pvh_entry(mut notes: &[u8]) -> bool {
    const PHYS32_ENTRY: u32 = 18;
    let word = |notes: &[u8], at| bytes(notes, at).map(u32::from_le_bytes);
    while let (Some(name), Some(value), Some(kind)) =
        (word(notes, 0), word(notes, 4), word(notes, 8))
    {
        let (name, value) = (name as usize, value as usize);
        if kind == PHYS32_ENTRY && notes.get(12..12 + name) == Some(b"Xen\0") {
            return true;
        }
        let next = 12 + name.next_multiple_of(4) + value.next_multiple_of(4);
        let Some(rest) = notes.get(next..) else { return false };
        notes = rest;
    }
    false
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage with this payload and its unpacked size behind it.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * 512];
        image[0x1f1] = 1;
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x30f].copy_from_slice(b"6.1.0-56 (me) #");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        image.extend([0xcc; 16]);
        image.extend(payload);
        image.extend([0xcc; 100]);
        image
    }

    fn kernel() -> Vec<u8> {
        let mut kernel = b"\x7fELF\x02\x01".to_vec();
        kernel.extend((0..300_000_u32).map(|n| (n / 1000) as u8));
        kernel
    }

    fn lz4() -> Vec<u8> {
        let mut packed = vec![0x02, 0x21, 0x4c, 0x18];
        for block in kernel().chunks(100_000) {
            let block = lz4_flex::block::compress(block);
            packed.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
            packed.extend(block);
        }
        packed.extend(u32::try_from(kernel().len()).unwrap().to_le_bytes());
        packed
    }

    fn gzip() -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&kernel()).unwrap();
        packer.finish().unwrap()
    }

    fn zstandard() -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let mut packed = ruzstd::encoding::compress_to_vec(kernel().as_slice(), level);
        packed.extend([0; 4]);
        packed
    }

    #[test]
    fn what_distributions_pack_with_is_unpacked() {
        for packed in [lz4(), gzip(), zstandard(), kernel()] {
            let image = image(&packed);
            assert!(unpack(&image).unwrap() == kernel());
            assert_eq!(release(&image).as_deref(), Some("6.1.0-56"));
        }
    }

    #[test]
    fn xz_is_left_to_its_program() {
        let mut packer = Command::new("xz");
        packer.args(["-c", "-0", "/proc/self/exe"]);
        let Ok(packed) = packer.output() else {
            eprintln!("SKIPPED xz_is_left_to_its_program: xz is missing");
            return;
        };
        let packed = [packed.stdout, vec![0; 4]].concat();
        assert!(unpack(&image(&packed)).unwrap().starts_with(b"\x7fELF"));
        let cut = [&packed[..packed.len() / 2], &[0; 4]].concat();
        assert!(unpack(&image(&cut)).unwrap_err().contains("xz ended with exit status: 1"));
    }

    #[test]
    fn a_truncated_image_is_an_error_wherever_it_ends() {
        for packed in [lz4(), gzip()] {
            let whole = image(&packed);
            for end in (0..1100).chain([whole.len() - 101, whole.len() / 2]) {
                assert!(unpack(&whole[..end]).is_err(), "cut at {end}");
                drop(release(&whole[..end]));
            }
        }
    }

    #[test]
    fn a_header_that_lies_is_an_error() {
        let honest = image(&lz4());
        for (field, lie) in
            [(0x248, u32::MAX), (0x24c, u32::MAX), (0x24c, 0), (0x24c, 3), (0x248, 0)]
        {
            let mut image = honest.clone();
            image[field..field + 4].copy_from_slice(&lie.to_le_bytes());
            assert!(unpack(&image).is_err(), "{field:x} {lie}");
        }
        let shortest = unpack(&image(&[0x02, 0x21, 0x4c, 0x18]));
        assert_eq!(shortest.unwrap_err(), "what the bzImage unpacks to is no ELF file");
    }

    #[test]
    fn a_block_that_unpacks_to_more_than_a_block_is_an_error() {
        let bomb = lz4_flex::block::compress(&vec![0; LZ4_BLOCK + 1]);
        let mut packed = vec![0x02, 0x21, 0x4c, 0x18];
        packed.extend(u32::try_from(bomb.len()).unwrap().to_le_bytes());
        packed.extend(bomb);
        packed.extend([0; 4]);
        assert!(unpack(&image(&packed)).unwrap_err().contains("damaged"));
    }

    #[test]
    fn other_files_are_no_kernels() {
        assert_eq!(unpack(b"#!/bin/sh\n").unwrap_err(), "this is no bzImage");
        assert!(unpack(&image(b"what is this?")).unwrap_err().contains("unknown way"));
        assert!(unpack(&image(b"\x1f\x8b is not gzip")).unwrap_err().contains("gzip"));
    }

    /// An ELF file whose only program header points at `notes`.
    fn elf(notes: &[u8]) -> Vec<u8> {
        let mut elf = vec![0; 0x40 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20] = 0x40;
        elf[0x36] = 56;
        elf[0x38] = 1;
        elf[0x40] = 4;
        elf[0x48] = 0x40 + 56;
        elf[0x60] = u8::try_from(notes.len()).unwrap();
        elf.extend(notes);
        elf
    }

    #[test]
    fn the_entry_is_found_behind_other_notes_and_not_in_their_place() {
        let note = |kind: u8, name: &[u8; 4]| {
            let mut note = vec![4, 0, 0, 0, 8, 0, 0, 0, kind, 0, 0, 0];
            note.extend(name);
            note.extend([0; 8]);
            note
        };
        let build_id = note(3, b"GNU\0");
        let entry = note(18, b"Xen\0");
        assert!(has_pvh_entry(&elf(&[build_id.clone(), entry.clone()].concat())));
        assert!(!has_pvh_entry(&elf(&build_id)));
        assert!(!has_pvh_entry(&elf(&note(18, b"GNU\0"))));
        assert!(!has_pvh_entry(&elf(&[0xff; 40])));
        let whole = elf(&entry);
        assert!((0..whole.len() - 8).all(|end| !has_pvh_entry(&whole[..end])));
    }
}
