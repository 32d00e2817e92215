//! On which processors we run.
//!
//! What a newcomer would get wrong: the processors that we may use are not 0 to n: a cpuset leaves what it likes.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The numbers of the processors that we may use, ascending.
pub fn allowed() -> Result<Vec<usize>, String> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(|why| format!("affinity: {why}"))?;
    Ok(members(&set))
}

fn members(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

/// Keeps this thread, and what it forks from now on, on these.
pub fn stay_on(cpus: &[usize]) -> Result<(), String> {
    sched_setaffinity(Pid::from_raw(0), &set_of(cpus)?)
        .map_err(|why| format!("stay on processors {cpus:?}: {why}"))
}

fn set_of(cpus: &[usize]) -> Result<CpuSet, String> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).map_err(|_| format!("processor {cpu} is beyond what a set can hold"))?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_members_and_no_others() {
        let set = set_of(&[1, 3, 64]).expect("a set");
        assert_eq!(members(&set), [1, 3, 64]);
        assert_eq!(members(&CpuSet::new()), [0; 0]);
        assert!(set_of(&[CpuSet::count()]).is_err_and(|why| why.contains("beyond")));
    }

    #[test]
    fn a_thread_stays_where_it_is_told_and_may_be_told_again() {
        let all = allowed().expect("some processors");
        stay_on(&all[..1]).expect("the first");
        assert_eq!(allowed(), Ok(all[..1].to_vec()));
        stay_on(&all).expect("all again");
        assert_eq!(allowed(), Ok(all));
        assert!(stay_on(&[]).is_err());
    }
}
