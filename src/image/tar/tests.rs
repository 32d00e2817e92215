//! Archives made by hand, block by block: what the reader takes, and what it refuses.

use super::*;

impl Skip for &[u8] {}

/// A ustar header block with a right checksum.
fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..263].copy_from_slice(b"ustar\0");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn padded(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(BLOCK), 0);
    body
}

fn error_of(archive: &[u8]) -> String {
    let mut tar = Tar::new(archive);
    loop {
        match tar.next_entry() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("accepted"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Archive);
                return error.to_string();
            }
        }
    }
}

#[test]
fn pax_size_and_path_win_over_the_header() {
    let records = b"12 path=a/b\n12 size=600\n";
    let archive = [
        header("PaxHeaders/x", b'x', records.len() as u64),
        padded(records),
        header("short", b'0', 0),
        padded(&[7; 600]),
        header("next", b'5', 0),
    ]
    .concat();
    let mut tar = Tar::new(&archive[..]);
    let entry = tar.next_entry().unwrap().unwrap();
    assert_eq!((entry.name.as_slice(), entry.size), (&b"a/b"[..], 600));
    assert_eq!(tar.position(), 1536);
    assert_eq!(tar.next_entry().unwrap().unwrap().name, b"next");
    assert!(tar.next_entry().unwrap().is_none());
}

#[test]
fn gnu_long_names_replace_short_ones() {
    let long = "d/".repeat(120);
    let archive = [
        header("././@LongLink", b'L', long.len() as u64 + 1),
        padded(format!("{long}\0").as_bytes()),
        header("d", b'5', 0),
    ]
    .concat();
    assert_eq!(Tar::new(&archive[..]).next_entry().unwrap().unwrap().name, long.as_bytes());
}

#[test]
fn links_have_no_body_whatever_size_they_claim() {
    let archive = [header("link", b'1', 512), header("next", b'5', 0)].concat();
    let mut tar = Tar::new(&archive[..]);
    assert_eq!(tar.next_entry().unwrap().unwrap().size, 0);
    assert_eq!(tar.next_entry().unwrap().unwrap().name, b"next");
}

#[test]
fn malformed_headers_are_refused() {
    let mut damaged = header("a", b'0', 0);
    damaged[0] = b'b';
    assert!(error_of(&damaged).contains("checksum"));
    assert!(error_of(&header("a", b'0', 0)[..100]).contains("middle of a header"));
    assert!(error_of(&header("a", b'0', 9)).contains("end of file"), "no body");
    assert!(error_of(&header("a", b'S', 0)).contains("sparse"));
    assert!(error_of(&header("a", b'V', 0)).contains("unknown type 'V'"));
    assert!(error_of(&header("a", b'x', 1 << 30)).contains("1073741824 bytes"));
    assert!(error_of(&header("a", b'L', 1 << 30)).contains("1073741824 bytes"));
}
