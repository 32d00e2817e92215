//! /init of lane I's guest: see [`rrun_bench::lane_i::guest`].

fn main() {
    rrun_bench::lane_i::guest::live();
}
