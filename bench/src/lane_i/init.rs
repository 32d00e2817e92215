//! /init of lane I's guest: see [`rrun_bench::lane_i::inside`].

fn main() {
    rrun_bench::lane_i::inside::live();
}
