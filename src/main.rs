//! The command `rrun`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        [_, "unpack", archive, bundle] => {
            rrun::cmd::unpack::run(Path::new(archive), Path::new(bundle), None)
        }
        [_, "unpack", "--image", image, archive, bundle] => {
            rrun::cmd::unpack::run(Path::new(archive), Path::new(bundle), Some(image))
        }
        _ => return ExitCode::FAILURE,
    };
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rrun: {error}");
            ExitCode::FAILURE
        }
    }
}
