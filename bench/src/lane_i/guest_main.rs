//! /init of lane I's guest, and, by another name, what is noisy in it: see [`rrun_bench::lane_i::guest`].

use rrun_bench::lane_i::guest;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if std::process::id() == 1 && words.first().is_some_and(|name| name == "/init") {
        guest::live();
    } else {
        guest::aggressor::live(&words[1..]);
    }
}
