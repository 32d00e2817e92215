//! The streams of containers and of execs: fifos, files, loggers, terminals.
//!
//! What a newcomer would get wrong: the engine's end of a fifo may go and come back while the container runs. Neither may
//! the container notice, nor a byte be lost.

use super::containerd::timeout;
use super::stage::{Code, SIGKILL, Stage, exec_request, refused};
use containerd_shim_protos::api::{CloseIORequest, ResizePtyRequest};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rrun_harness::{Bundle, eventually, requires};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

impl Stage {
    /// A fifo of that name.
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.containerd.directory.join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        path
    }

    fn resize(&self, id: &str, exec_id: &str, width: u32, height: u32) -> ttrpc::Result<()> {
        let (id, exec_id) = (id.into(), exec_id.into());
        let request = ResizePtyRequest { id, exec_id, width, height, ..Default::default() };
        self.task.resize_pty(timeout(), &request).map(drop)
    }

    fn close_stdin(&self, id: &str, exec_id: &str) {
        let (id, exec_id) = (id.into(), exec_id.into());
        let request = CloseIORequest { id, exec_id, stdin: true, ..Default::default() };
        self.task.close_io(timeout(), &request).unwrap();
    }
}

/// The reading end of a fifo, which may have no writer yet.
fn reader(path: &PathBuf) -> File {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

fn writer(path: &PathBuf) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

/// Reads until `text` has come.
#[track_caller]
fn expect(from: &mut File, text: &str) {
    let mut seen = Vec::new();
    let came = eventually(|| {
        let mut some = [0; 4096];
        match from.read(&mut some) {
            Ok(length) => seen.extend(&some[..length]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        String::from_utf8_lossy(&seen).contains(text)
    });
    assert!(came, "{text:?} does not come, but {:?}", String::from_utf8_lossy(&seen));
}

/// Reads to the end.
#[track_caller]
fn rest(from: &mut File) -> String {
    let mut seen = Vec::new();
    let ended = eventually(|| match from.read_to_end(&mut seen) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    });
    assert!(ended, "no end after {:?}", String::from_utf8_lossy(&seen));
    String::from_utf8(seen).unwrap()
}

#[test]
fn fifos_carry_both_ways_and_their_reader_may_restart() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "echo"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let (stdin, stdout) = (stage.fifo("in"), stage.fifo("out"));
    let mut request = stage.request(&bundle);
    request.stdin = stdin.display().to_string();
    request.stdout = stdout.display().to_string();
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    let state = stage.state(id, "").unwrap();
    assert_eq!((state.stdin, state.stdout), (request.stdin.clone(), request.stdout.clone()));

    let (mut input, mut output) = (writer(&stdin), reader(&stdout));
    input.write_all(b"one").unwrap();
    expect(&mut output, "one");
    // The engine goes: neither end of file nor SIGPIPE reaches the container.
    drop((input, output));
    let mut input = writer(&stdin);
    input.write_all(b"two").unwrap();
    let mut output = reader(&stdout);
    expect(&mut output, "two");
    // What was written before CloseIO arrives.
    input.write_all(b"three").unwrap();
    stage.close_stdin(id, "");
    drop(input);
    assert_eq!(stage.wait(id, ""), 0);
    assert_eq!(rest(&mut output), "three");
    stage.delete(id, "").unwrap();
}

#[test]
fn output_before_the_reader_comes_is_kept_past_the_end() {
    requires!(root, busybox);
    let bundle = Bundle::new().script("echo out; echo err >&2");
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let (stdout, stderr) = (stage.fifo("out"), stage.fifo("err"));
    let mut request = stage.request(&bundle);
    request.stdout = stdout.display().to_string();
    request.stderr = stderr.display().to_string();
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    assert_eq!(stage.wait(id, ""), 0);
    assert_eq!(rest(&mut reader(&stdout)), "out\n");
    assert_eq!(rest(&mut reader(&stderr)), "err\n");
    stage.delete(id, "").unwrap();
    let open = stage.open();
    assert!(!open.iter().any(|path| path.ends_with("/out") || path.ends_with("/err")), "{open:?}");
}

#[test]
fn an_exec_has_streams_of_its_own() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "sleep"]);
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    stage.up(&bundle);
    let (stdin, stdout) = (stage.fifo("in"), stage.fifo("out"));
    let mut request = exec_request(id, "e", &["probe", "echo"]);
    request.stdin = stdin.display().to_string();
    request.stdout = stdout.display().to_string();
    stage.exec_as(&request).unwrap();
    let mut output = reader(&stdout);
    stage.start(id, "e").unwrap();
    let mut input = writer(&stdin);
    input.write_all(&[b'x'; 200_000]).unwrap_or_default();
    drop(input);
    let echoed = std::thread::spawn(move || rest(&mut output));
    stage.close_stdin(id, "e");
    assert_eq!(stage.wait(id, "e"), 0);
    stage.delete(id, "e").unwrap();
    assert_eq!(echoed.join().unwrap().len(), 200_000);
    stage.end(id);
}

#[test]
fn a_file_gets_both_outputs() {
    requires!(root, busybox);
    let bundle = Bundle::new().script("echo out; echo err >&2");
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let log = stage.containerd.directory.join("logs/of/it");
    let mut request = stage.request(&bundle);
    request.stdout = format!("file://{}", log.display());
    for _ in 0..2 {
        stage.ask(&request).unwrap();
        stage.start(id, "").unwrap();
        stage.wait(id, "");
        stage.delete(id, "").unwrap();
    }
    assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\nout\nerr\n");
}

/// The logger's last words come after the end of its input; one that is told to end by a signal has none.
#[test]
fn a_logger_sees_the_end_of_the_output_before_anything_else() {
    requires!(root, busybox);
    let bundle = Bundle::new().script("echo out; echo err >&2; sleep 0.1; echo last");
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let directory = stage.containerd.directory.display();
    let logger = stage.containerd.directory.join("logger");
    let script = format!(
        "#!/bin/sh\ntrap 'echo signal > {directory}/signal; exit 1' TERM\nexec 5>&-\n\
         cat <&3 > {directory}/out &\ncat <&4 > {directory}/err\nwait\n\
         echo \"$CONTAINER_ID $CONTAINER_NAMESPACE $*\" > {directory}/done\n"
    );
    fs::write(&logger, script).unwrap();
    fs::set_permissions(&logger, fs::Permissions::from_mode(0o755)).unwrap();
    let mut request = stage.request(&bundle);
    request.stdout = format!("binary://{}?format=json&flush", logger.display());
    request.stderr = request.stdout.clone();
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    assert_eq!(stage.wait(id, ""), 0);
    stage.delete(id, "").unwrap();
    // Delete has waited for it.
    let read = |name: &str| fs::read_to_string(stage.containerd.directory.join(name));
    assert_eq!(read("out").unwrap(), "out\nlast\n");
    assert_eq!(read("err").unwrap(), "err\n");
    let said = format!("{id} {} format json flush\n", stage.containerd.namespace);
    assert_eq!(read("done").unwrap(), said);
    assert!(read("signal").is_err(), "it was told to end");
}

#[test]
fn a_terminal_has_its_size_before_the_start_and_changes_it_later() {
    requires!(root);
    let bundle = Bundle::new().args(["probe", "winsize"]).set("/process/terminal", json!(true));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let (stdin, stdout) = (stage.fifo("in"), stage.fifo("out"));
    let mut request = stage.request(&bundle);
    request.terminal = true;
    request.stdin = stdin.display().to_string();
    request.stdout = stdout.display().to_string();
    let mut output = reader(&stdout);
    stage.ask(&request).unwrap();
    stage.resize(id, "", 101, 41).unwrap();
    stage.start(id, "").unwrap();
    expect(&mut output, "41 101\r\n");
    stage.resize(id, "", 90, 30).unwrap();
    expect(&mut output, "30 90\r\n");
    assert!(stage.state(id, "").unwrap().terminal);

    // Exec, whose size is told as soon as it is announced.
    let exec = stage.fifo("exec");
    let mut request = exec_request(id, "e", &["probe", "winsize"]);
    request.terminal = true;
    request.stdout = exec.display().to_string();
    let mut seen = reader(&exec);
    stage.exec_as(&request).unwrap();
    stage.resize(id, "e", 55, 22).unwrap();
    stage.start(id, "e").unwrap();
    expect(&mut seen, "22 55\r\n");
    stage.resize(id, "e", 44, 11).unwrap();
    expect(&mut seen, "11 44\r\n");
    // A ^C typed, and a terminal that hangs up.
    stage.kill(id, "e", SIGKILL, false).unwrap();
    assert_eq!(stage.wait(id, "e"), 137);
    assert_eq!(rest(&mut seen), "");
    stage.delete(id, "e").unwrap();
    assert_eq!(refused(stage.resize(id, "e", 1, 1)).0, Code::NOT_FOUND);
    stage.end(id);

    let plain = Bundle::new().args(["probe", "sleep"]);
    stage.up(&plain);
    assert_eq!(refused(stage.resize(plain.id(), "", 1, 1)).0, Code::FAILED_PRECONDITION);
    stage.end(plain.id());
}

#[test]
fn a_terminals_input_and_last_words_arrive() {
    requires!(root, busybox);
    let script = "read -r word; echo got $word; echo last words";
    let bundle = Bundle::new().script(script).set("/process/terminal", json!(true));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let (stdin, stdout) = (stage.fifo("in"), stage.fifo("out"));
    let mut request = stage.request(&bundle);
    request.terminal = true;
    request.stdin = stdin.display().to_string();
    request.stdout = stdout.display().to_string();
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    writer(&stdin).write_all(b"typed\n").unwrap();
    assert_eq!(stage.wait(id, ""), 0);
    let said = rest(&mut reader(&stdout));
    assert!(said.ends_with("got typed\r\nlast words\r\n"), "{said:?}");
    stage.delete(id, "").unwrap();
}

#[test]
fn fifos_and_pipes_belong_to_whom_the_options_name() {
    requires!(root, busybox);
    let bundle = Bundle::new()
        .script("echo again > /dev/stderr; stat -L -c %u:%g /dev/stdin /dev/stdout")
        .set("/process/user", json!({"uid": 1000, "gid": 1001}))
        .set("/process/args/0", json!("sh"));
    let (stage, id) = (Stage::of(&bundle), bundle.id());
    let [stdin, stdout, stderr] = ["in", "out", "err"].map(|name| stage.fifo(name));
    let mut request = stage.request(&bundle);
    request.stdin = stdin.display().to_string();
    request.stdout = stdout.display().to_string();
    request.stderr = stderr.display().to_string();
    request.options = Some(stage.options(|options| {
        (options.io_uid, options.io_gid) = (1000, 1001);
    }))
    .into();
    stage.ask(&request).unwrap();
    stage.start(id, "").unwrap();
    assert_eq!(stage.wait(id, ""), 0);
    assert_eq!(rest(&mut reader(&stdout)), "1000:1001\n1000:1001\n");
    assert_eq!(rest(&mut reader(&stderr)), "again\n");
    let owner = fs::metadata(&stdout).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (1000, 1001));
    stage.delete(id, "").unwrap();
}
