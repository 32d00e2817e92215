//! `cargo xtask assets DIR`: manual pages and completions, written to DIR/man and DIR/completions.
//!
//! Knows what packagers expect each file to be called. Refuses to know what is in them: `pages` does.

#[path = "pages.rs"]
mod pages;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("name a directory");
        return ExitCode::FAILURE;
    };
    match pages::all().and_then(|files| write(&directory, files)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &std::path::Path, files: Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(path, text)?;
    }
    Ok(())
}
