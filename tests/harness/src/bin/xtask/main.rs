//! x
fn main() {
    let guest = rrun_harness::guest::Guest::prepare(std::path::Path::new("target/guest")).unwrap();
    eprintln!("{} {}", guest.release(), guest.because);
    let job = rrun_harness::guest::Job::new(std::env::args().skip(1));
    eprintln!("{:?}", guest.run(&job, &mut std::io::stdout()));
}
