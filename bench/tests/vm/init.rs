//! Programs for /init that do what a payload must not: a few bytes of code in the smallest ELF file.

/// Sleeps for ever.
pub const PAUSE: &[u8] = &[0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];

/// Where the file is loaded.
const BASE: u64 = 0x40_0000;

/// Headers before the code.
const HEADERS: u64 = 64 + 56;

/// A program under construction.
pub struct Init(Vec<u8>);

impl Init {
    /// Allows itself the ports: iopl(3).
    pub fn new() -> Self {
        Self(vec![0xbf, 3, 0, 0, 0, 0xb8, 172, 0, 0, 0, 0x0f, 0x05])
    }

    /// Goes on with this code.
    pub fn then(mut self, code: &[u8]) -> Self {
        self.0.extend(code);
        self
    }

    /// Writes to the debug console.
    pub fn says(self, words: &str) -> Self {
        // mov edx, 0xe9; then for each byte: mov al, byte; out dx, al
        let start = self.then(&[0xba, 0xe9, 0, 0, 0]);
        words.bytes().fold(start, |code, byte| code.then(&[0xb0, byte, 0xee]))
    }

    /// Ends the machine, as the payload does.
    pub fn powers_off(self) -> Self {
        self.then(&[0xba, 0xf4, 0, 0, 0, 0xb0, 0x10, 0xee]).then(PAUSE)
    }

    /// Ends itself, which no /init may.
    pub fn exits(self) -> Self {
        self.then(&[0x31, 0xff, 0xb8, 231, 0, 0, 0, 0x0f, 0x05])
    }

    /// The file.
    pub fn elf(&self) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let size = HEADERS + self.0.len() as u64;
        // An executable for x86_64 that is entered behind its headers; one program header at 64.
        file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        for word in [BASE + HEADERS, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        // To be loaded whole, readable and executable.
        file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
        for word in [0, BASE, BASE, size, size, 0x1000] {
            file.extend(u64::to_le_bytes(word));
        }
        file.extend(&self.0);
        file
    }
}
