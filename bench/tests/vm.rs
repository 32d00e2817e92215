//! What virtual machines do wrong, each reported with the subject's name and the fact: never ready, hung, lying, without
//! a kernel. Where QEMU is missing, a script takes its place, which can fail in every way but boot; tests that need the
//! real one say that they are skipped.

#[path = "vm/init.rs"]
mod init;

use init::{Init, PAUSE};
use rrun_bench::vm::{
    Accelerator, Flavour, Initramfs, Kernel, Machines, Recipe, Session, Template, boot, prove,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(2);

/// A directory of this test, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("rrun-vm-{name}-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        Self(place)
    }

    /// A machine whose QEMU is a script.
    fn fake(&self, script: &str) -> Recipe {
        let qemu = self.0.join("qemu");
        // By another name first: a file that is still open for writing can't be executed.
        fs::write(self.0.join("draft"), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(self.0.join("draft"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(self.0.join("draft"), &qemu).unwrap();
        let recipe = Recipe::microvm(Accelerator::Tcg, "/k".into(), "/i".into(), "vm");
        Recipe { qemu, ..recipe }
    }

    /// The real machine, whose /init is this.
    fn guest(&self, machines: &Machines, init: &Init) -> Recipe {
        let program = self.0.join("program");
        fs::write(&program, init.elf()).unwrap();
        let initramfs = self.0.join("init.cpio");
        Initramfs::new(&program).and_then(|made| made.write(&initramfs)).unwrap();
        machines.microvm(initramfs, "vm")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The machines of this host; without them, says what is not tested.
fn machines(test: &str) -> Option<Machines> {
    match Machines::ready(Path::new(env!("CARGO_BIN_EXE_payload"))) {
        Ok(machines) => Some(machines),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            None
        }
    }
}

/// Whether this process is there, as a zombie at least.
fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).is_dir()
}

#[test]
fn a_payload_that_never_becomes_ready_is_given_up_by_name() {
    let place = Place::new("silent");
    let began = Instant::now();
    let why = boot("vm microvm", &place.fake("exec sleep 60"), SOON).unwrap_err();
    assert!(why.starts_with("vm microvm: the guest said nothing within 2."), "{why}");
    assert!(began.elapsed() < SOON * 5);
}

#[test]
fn a_guest_whose_init_sleeps_is_given_up_and_what_it_computed_is_told() {
    let Some(machines) = machines("a guest whose init sleeps") else { return };
    let place = Place::new("sleeps");
    let recipe = place.guest(&machines, &Init::new().then(PAUSE));
    let why = boot("vm microvm", &recipe, Duration::from_secs(6)).unwrap_err();
    assert!(why.starts_with("vm microvm: the guest said nothing within 6."), "{why}");
    assert!(why.contains("of which QEMU computed "), "{why}");
}

#[test]
fn a_guest_whose_init_dies_is_told_from_one_that_powers_off() {
    let Some(machines) = machines("a guest whose init dies") else { return };
    let place = Place::new("dies");
    // It ends: the kernel panics and, told so, reboots; QEMU, told so, ends, with 0.
    let recipe = place.guest(&machines, &Init::new().says("READY tsc=0000000000000001\n").exits());
    let why = boot("vm microvm", &recipe, machines.patience()).unwrap_err();
    let expected = "vm microvm: QEMU ended, and not because the guest was done (exit status: 0)";
    assert!(why.starts_with(expected), "{why}");
}

#[test]
fn a_qemu_that_hangs_is_given_up_at_the_deadline_and_collected() {
    let place = Place::new("hangs");
    // It hears nothing but SIGKILL, and has said READY: so it hangs at its end.
    let hang = "trap '' TERM INT HUP; echo READY tsc=0000000000000001; exec sleep 60";
    let began = Instant::now();
    let why = boot("vm q35", &place.fake(hang), SOON).unwrap_err();
    assert!(why.starts_with("vm q35: the guest did not power off within 2."), "{why}");
    assert!(began.elapsed() < SOON * 5);

    let mut session = Session::start(&place.fake("exec sleep 60")).unwrap();
    let pid = session.pid();
    assert!(is_there(pid));
    session.line(Instant::now()).unwrap_err();
    assert!(!is_there(pid), "given up, and not collected");
    let session = Session::start(&place.fake("exec sleep 60")).unwrap();
    let pid = session.pid();
    drop(session);
    assert!(!is_there(pid), "dropped, and not collected");
}

#[test]
fn a_real_qemu_whose_machine_is_stopped_is_given_up_and_collected() {
    let Some(machines) = machines("a stopped machine") else { return };
    let mut recipe = machines.recipe(Flavour::Microvm);
    recipe.accelerator = Accelerator::Tcg;
    recipe.extra.push("-S".to_owned());
    let mut session = Session::start(&recipe).unwrap();
    let pid = session.pid();
    let why = session.line(Instant::now() + SOON).unwrap_err();
    assert!(why.starts_with("the guest said nothing within 2."), "{why}");
    assert!(!is_there(pid));
}

#[test]
fn a_payload_that_lies_is_quoted() {
    let place = Place::new("lies");
    let lie = |script: &str| boot("vm stock", &place.fake(script), SOON * 5).unwrap_err();
    for (script, fact) in [
        ("echo hello; exit 33", "this is no READY: \"hello\""),
        ("echo; exit 33", "this is no READY: \"\""),
        ("echo READY; exit 33", "this is no READY: \"READY\""),
        ("echo READY tsc=12; exit 33", "this is no counter: \"READY tsc=12\""),
        ("echo READY tsc=+000000000000001; exit 33", "this is no counter"),
        ("echo READY tsc=0000000000000000; exit 33", "a counter that has not counted"),
        (
            "echo READY tsc=0000000000000001; echo READY tsc=0000000000000002; exit 33",
            "it goes on after READY: \"READY tsc=0000000000000002\"",
        ),
    ] {
        let why = lie(script);
        assert!(why.starts_with("vm stock: the payload lies: ") && why.contains(fact), "{why}");
    }
    let why = lie("echo READY tsc=0000000000000001; exit 1");
    assert!(why.contains("not because the guest was done (exit status: 1)"), "{why}");
    let why = lie("echo could not map the memory >&2; kill -ABRT $$");
    assert!(why.contains("signal: 6") && why.contains("could not map the memory"), "{why}");
}

#[test]
fn a_guest_that_lies_is_quoted() {
    let Some(machines) = machines("a guest that lies") else { return };
    let place = Place::new("guest-lies");
    let twice = "READY tsc=0000000000000001\nREADY tsc=0000000000000001\n";
    let recipe = place.guest(&machines, &Init::new().says(twice).powers_off());
    let why = boot("vm microvm", &recipe, machines.patience()).unwrap_err();
    assert!(why.starts_with("vm microvm: the payload lies: it goes on after READY"), "{why}");
}

#[test]
fn a_kernel_that_is_missing_or_none_is_named() {
    let payload = Path::new(env!("CARGO_BIN_EXE_payload"));
    let place = Place::new("kernel");
    let text = place.0.join("text");
    fs::write(&text, "this is no kernel").unwrap();
    for (file, fact) in
        [(Path::new("/nowhere/vmlinuz"), "No such file"), (text.as_path(), "no kernel")]
    {
        let why = Kernel::named(file).unwrap_err();
        let named = format!("$RRUN_BENCH_KERNEL: {}: ", file.display());
        assert!(why.starts_with(&named) && why.contains(fact), "{why}");
        // Where QEMU is missing, that is said first.
        if rrun_harness::on_path("qemu-system-x86_64").is_some() {
            let why = Machines::unproven(payload, || Kernel::named(file)).unwrap_err();
            assert!(why.starts_with(&named), "{why}");
        }
    }
}

#[test]
fn a_kernel_that_is_unpacked_already_is_not_called_stock() {
    let Some(mut machines) = machines("a stock kernel that is none") else { return };
    let Some(vmlinux) = machines.kernel.vmlinux.clone() else {
        eprintln!("SKIPPED a stock kernel that is none: {:?}", machines.kernel.packed_because);
        return;
    };
    machines.kernel = Kernel::named(&vmlinux).unwrap();
    let why = machines.start(Flavour::Stock).unwrap_err();
    assert!(why.starts_with("vm stock: its kernel is unpacked already"), "{why}");
}

#[test]
fn a_kernel_that_vanishes_before_the_start_is_named_by_qemu() {
    let Some(machines) = machines("a kernel that vanishes") else { return };
    let mut recipe = machines.recipe(Flavour::Microvm);
    recipe.accelerator = Accelerator::Tcg;
    recipe.kernel = "/nowhere/vmlinuz".into();
    let why = boot("vm microvm", &recipe, SOON * 5).unwrap_err();
    assert!(why.starts_with("vm microvm: QEMU ended without a word of the guest"), "{why}");
    assert!(why.contains("/nowhere/vmlinuz"), "{why}");
}

#[test]
fn a_qemu_that_is_missing_is_named() {
    let mut recipe = Recipe::microvm(Accelerator::Tcg, "/k".into(), "/i".into(), "vm");
    recipe.qemu = "/nowhere/qemu".into();
    let why = boot("vm microvm", &recipe, SOON).unwrap_err();
    assert!(why.starts_with("vm microvm: start /nowhere/qemu: No such file"), "{why}");
}

#[test]
fn a_kvm_that_does_not_run_guests_is_not_used_and_the_reason_is_told() {
    let place = Place::new("kvm");
    let absent = prove(&place.fake("exit 1"), Path::new("/nowhere/kvm"));
    assert_eq!(absent.because, "KVM is not usable: there is no /nowhere/kvm");
    // A device that opens proves nothing.
    let opens = Path::new("/dev/null");
    let crash = place.fake("echo failed to set MSR 0x10a >&2; kill -ABRT $$");
    let crashed = prove(&crash, opens);
    assert_eq!(crashed.accelerator, Accelerator::Tcg);
    assert!(crashed.because.contains("signal: 6"), "{crashed:?}");
    assert!(crashed.because.contains("failed to set MSR 0x10a"), "{crashed:?}");
    let began = Instant::now();
    let silent = prove(&place.fake("exec sleep 60"), opens);
    assert_eq!(silent.accelerator, Accelerator::Tcg);
    assert!(silent.because.contains("the guest said nothing within 5."), "{silent:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_kvm_that_answers_is_used_and_compared() {
    let place = Place::new("kvm-answers");
    let script = "case \"$*\" in *tcg*) sleep 0.5;; esac; echo READY tsc=0000000000000001; exit 33";
    let proof = prove(&place.fake(script), Path::new("/dev/null"));
    assert_eq!(proof.accelerator, Accelerator::Kvm);
    assert!(proof.because.contains("under emulation"), "{proof:?}");
}

#[test]
fn a_template_whose_monitor_never_opens_is_given_up() {
    let place = Place::new("monitor");
    let why = Template::make(place.fake("exec sleep 60"), SOON).unwrap_err();
    assert_eq!(why, "QEMU did not open its monitor before the deadline");
    let why = Template::make(place.fake("echo no memory >&2; exit 1"), SOON).unwrap_err();
    assert_eq!(why, "QEMU ended (exit status: 1): no memory");
}

#[test]
fn a_tuned_guest_boots_and_powers_off() {
    let Some(machines) = machines("a tuned guest") else { return };
    let took = machines.start(Flavour::Microvm).unwrap();
    assert!(took.first < took.life && took.tsc > 0 && !took.cpu.is_zero(), "{took:?}");
}

#[test]
fn a_template_is_gone_on_with_and_more_than_once() {
    let Some(machines) = machines("a restored guest") else { return };
    let (first, second) =
        (machines.start(Flavour::Restored).unwrap(), machines.start(Flavour::Restored).unwrap());
    assert_eq!(first.tsc, second.tsc, "both are clones of one template");
    assert!(first.first < first.life && second.first < second.life);
}
