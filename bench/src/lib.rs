//! What rrun costs, beside the least that the kernel can be asked for and beside the references.
//!
//! | module | question |
//! | --- | --- |
//! | [`room`] | where is it measured? in mount namespace with cgroup2 alone, a tmpfs for all files, and nothing left after |
//! | [`programs`] | what is measured? release builds of rrun, the floor and the payload; runc and crun of the machine |
//! | [`scene`] | with which configuration? Docker's, the same file for everyone |
//! | [`subject`] | which command lines are compared? |
//! | [`process`] | how long did one of them take, by the clock and by the processor? |
//! | [`inside`] | how does a program do this work as that subject? |
//! | [`micro`] | what do computation, calls, round trips and memory cost inside? |
//! | [`files`] | what do files cost, and on what? |
//! | [`network`] | what do a byte and a stream cost, and over what? |
//! | [`turns`] | what do the answers of all say, case by case? |
//! | [`rounds`] | in which order? everyone once per round, shuffled |
//! | [`report`] | what does that say, to people? |
//! | [`compare`] | what has changed between two runs? |
//! | [`stats`] | what do the samples say? |
//! | [`parallel`] | how many starts a second, and how long do many at once take? |
//! | [`start`] | how long does a start take, of everyone? |
//! | [`life`] | what do create, start, state, exec, kill and delete cost? |
//! | [`memory`] | what does an instance that waits cost, and how many fit? |
//! | [`reach`] | what could a process touch? |
//! | [`noisy`] | what does a neighbour that misbehaves do to one that does not, and how exact are limits? |
//! | [`traced`] | how much memory, how many instructions does the parent take? exactly, by ptrace |
//! | [`services`] | what do real services cost, start to end, and what do their clients see? |
//! | [`engines`] | what do containerd's shims cost, ours and its own? |
//! | [`ports`] | how does a guest speak, and end, without a driver? |
//! | [`filters`] | how many steps does a seccomp filter take for a call that it allows? |
//!
//! It refuses thresholds: figures are for people to read, and a busy machine must not fail a build. What a newcomer
//! would get wrong: measuring all of A and then all of B on a machine whose load changes meanwhile.

pub mod compare;
pub mod engines;
pub mod files;
pub mod filters;
pub mod gate;
pub mod inside;
pub mod lane_i;
pub mod life;
pub mod machine;
pub mod memory;
pub mod micro;
pub mod network;
pub mod noisy;
pub mod parallel;
pub mod ports;
pub mod process;
pub mod programs;
pub mod reach;
pub mod report;
pub mod result;
pub mod room;
pub mod rounds;
pub mod scene;
pub mod services;
pub mod start;
pub mod stats;
pub mod subject;
pub mod suite;
pub mod traced;
pub mod turns;
pub mod vm;
