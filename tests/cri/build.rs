//! Reads `cri.proto` once, so that the client carries its messages as a table and needs no compiler of protocols.

use protobuf::Message;
use std::{env, fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=cri.proto");
    let mut parser = protobuf_parse::Parser::new();
    let set = parser.pure().include(".").input("cri.proto").file_descriptor_set()?;
    let to = Path::new(&env::var("OUT_DIR")?).join("cri.bin");
    Ok(fs::write(to, set.write_to_bytes()?)?)
}
