//! QEMU: the command line, the conversation, the deadline.
//!
//! Knows one machine. Refuses `accel=kvm:tcg`, which falls back silently: whoever reads a result must know what made it.
//! A newcomer would emulate with a thread per processor: the kernel patches its own code whenever a cgroup flips a static
//! key, QEMU 7.2 then may run a breakpoint that is gone already ("Oops: int3"), and every second guest died of it. One
//! thread takes twice as long, so several guests run side by side instead.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{Finished, RECORD, Result};

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor, through /dev/kvm.
    Kvm,
    /// QEMU's emulation.
    Tcg,
}

pub(super) struct Machine<'a> {
    pub(super) accelerator: Accelerator,
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) parameters: &'a str,
    pub(super) console: &'a Path,
}

/// `cryptomgr.notests`: the distribution kernel's self-tests of its ciphers are two thirds of an emulated boot.
const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 reboot=t cryptomgr.notests random.trust_cpu=on";

/// How many lines of the console are worth showing.
const TAIL: usize = 30;

/// isa-debug-exit turns the byte v into QEMU's exit status 2v + 1; the guest writes 0x10.
const POWERED_OFF: i32 = 33;

impl Machine<'_> {
    pub(super) fn run(&self, deadline: Instant, sink: &mut dyn Write) -> Result<Finished> {
        let started = Instant::now();
        let mut child = self.command().spawn().map_err(|e| format!("start QEMU: {e}"))?;
        let ended = converse(&mut child, started, deadline, sink);
        let grace =
            Instant::now() + if ended.is_ok() { Duration::from_secs(10) } else { Duration::ZERO };
        let status = crate::bounded::wait_until(&mut child, grace);
        let ended = ended.and_then(|finished| match status.and_then(|status| status.code()) {
            Some(POWERED_OFF) => Ok(finished),
            _ => Err("the guest did not power off by itself".to_owned()),
        });
        ended.map_err(|why| {
            let mut said = String::new();
            if let Some(mut pipe) = child.stderr.take() {
                drop(pipe.read_to_string(&mut said));
            }
            format!("{why}\n{}{}", said.trim(), self.console_tail())
        })
    }

    fn command(&self) -> Command {
        // A QEMU must not outlive a killed cargo: it would emulate an idle machine for ever.
        let mut command = match crate::on_path("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
                command
            }
            None => Command::new("qemu-system-x86_64"),
        };
        match self.accelerator {
            Accelerator::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
            Accelerator::Tcg => {
                command.args(["-accel", "tcg,thread=single", "-cpu", "max,la57=off"])
            }
        };
        command.args(["-M", "q35", "-smp", "2", "-m", "2048", "-nodefaults", "-no-user-config"]);
        command.args([
            "-display",
            "none",
            "-no-reboot",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]);
        command.arg("-serial").arg(format!("file:{}", self.console.display()));
        command.args(["-chardev", "stdio,id=voice,signal=off", "-device", "virtio-serial-pci"]);
        command.args(["-device", "virtserialport,chardev=voice,name=rrun"]);
        command.args(["-device", "virtio-rng-pci"]);
        command.args([
            "-virtfs",
            "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        ]);
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs);
        command.arg("-append").arg(format!("{COMMAND_LINE} {}", self.parameters));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn console_tail(&self) -> String {
        let text = fs::read(self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        // What went wrong is said first; registers and the dead end after it would push it out of the tail.
        let alarms = ["Oops", "BUG:", "Kernel panic", "cut here", "int3:", "invalid opcode"];
        let alarm = lines.iter().position(|line| alarms.iter().any(|alarm| line.contains(alarm)));
        let from = alarm.unwrap_or(lines.len().saturating_sub(TAIL));
        let tail: Vec<&str> = lines.into_iter().skip(from).take(TAIL).collect();
        if tail.is_empty() {
            return "the console is empty".into();
        }
        format!("on the console:\n  {}", tail.join("\n  "))
    }
}

fn converse(
    child: &mut Child,
    started: Instant,
    deadline: Instant,
    sink: &mut dyn Write,
) -> Result<Finished> {
    let (Some(stdout), Some(mut stdin)) = (child.stdout.take(), child.stdin.take()) else {
        return Err("QEMU has no pipes".into());
    };
    let chunks = listen(stdout);
    let mut words = Words::default();
    let mut boot = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let chunk = chunks.recv_timeout(left).map_err(|why| match (why, boot) {
            (RecvTimeoutError::Timeout, None) => {
                "the guest did not come up before the deadline".to_owned()
            }
            (RecvTimeoutError::Timeout, Some(_)) => {
                "the command did not end before the deadline".to_owned()
            }
            (RecvTimeoutError::Disconnected, _) => "QEMU ended before the command did".to_owned(),
        })?;
        for word in words.split(&chunk, sink)? {
            match word.as_str() {
                "ready" => boot = Some(started.elapsed()),
                word => {
                    let code = word.strip_prefix("exit ").and_then(|n| n.parse().ok());
                    let code = code.ok_or_else(|| format!("the guest gave up: {word}"))?;
                    release(&mut stdin)?;
                    return Ok(Finished { code, boot: boot.unwrap_or_default() });
                }
            }
        }
    }
}

/// The guest powers off when it has our byte: until then, output may still be on its way through virtio.
fn release(stdin: &mut ChildStdin) -> Result<()> {
    stdin.write_all(b"!").and_then(|()| stdin.flush()).map_err(|e| format!("answer the guest: {e}"))
}

/// Reads in a thread of its own, because a pipe cannot be read with a deadline.
fn listen(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            if sender.send(buffer[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Takes the guest's own words, between two record separators, out of the command's output.
#[derive(Default)]
struct Words {
    word: Option<Vec<u8>>,
}

impl Words {
    fn split(&mut self, chunk: &[u8], sink: &mut dyn Write) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for part in chunk.split_inclusive(|byte| *byte == RECORD) {
            let (text, ends) = match part.split_last() {
                Some((&RECORD, text)) => (text, true),
                _ => (part, false),
            };
            match &mut self.word {
                None => {
                    sink.write_all(text).map_err(|e| format!("pass the guest's output on: {e}"))?
                }
                Some(word) => word.extend_from_slice(text),
            }
            if ends {
                match self.word.take() {
                    None => self.word = Some(Vec::new()),
                    Some(word) => words.push(String::from_utf8_lossy(&word).into_owned()),
                }
            }
        }
        sink.flush().map_err(|e| format!("pass the guest's output on: {e}"))?;
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_own_words_are_told_from_output_wherever_the_pipe_breaks() {
        let whole = b"\x1eready\x1ehello\n\x1eexit 7\x1e";
        for cut in 0..whole.len() {
            let (mut words, mut sink) = (Words::default(), Vec::new());
            let mut said = Vec::new();
            for chunk in [&whole[..cut], &whole[cut..]] {
                said.extend(words.split(chunk, &mut sink).unwrap_or_default());
            }
            assert_eq!(said, ["ready", "exit 7"]);
            assert_eq!(sink, b"hello\n");
        }
    }
}
