//! The seccomp filters that a running process really has, as the kernel hands them out to its tracer.
//!
//! It refuses to trust configurations: what a runtime has made of one is what counts. What a newcomer would get wrong: the
//! kernel answers only a tracer with CAP_SYS_ADMIN in the first user namespace that is under no filter itself.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// The seccomp filters of a process, the last installed first, as the kernel has them. The process is stopped meanwhile.
///
/// # Errors
/// A sentence: it can't be traced, or the kernel does not hand them out.
pub fn filters(pid: i32) -> Result<Vec<Vec<libc::sock_filter>>, String> {
    let target = Pid::from_raw(pid);
    ptrace::attach(target).map_err(|why| format!("trace process {pid}: {why}"))?;
    let stopped = waitpid(target, None);
    let filters = stopped
        .map_err(|why| format!("wait for process {pid}: {why}"))
        .and_then(|_| (0..).map_while(|index| filter_of(pid, index).transpose()).collect());
    ptrace::detach(target, None).map_err(|why| format!("let process {pid} go: {why}"))?;
    filters
}

/// One filter of a stopped process; none when it has no more, or none at all.
fn filter_of(pid: i32, index: usize) -> Result<Option<Vec<libc::sock_filter>>, String> {
    const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;
    let mut filter = [libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; 4096];
    // SAFETY: a filter is at most BPF_MAXINSNS instructions long, and so is the array that the call fills.
    let answer =
        unsafe { libc::ptrace(PTRACE_SECCOMP_GET_FILTER, pid, index, filter.as_mut_ptr()) };
    match usize::try_from(answer) {
        Ok(length) => Ok(Some(filter[..length].to_vec())),
        // EINVAL: it has no filters at all.
        Err(_) => match Errno::last() {
            Errno::ENOENT | Errno::EINVAL => Ok(None),
            why => Err(format!("filter {index} of process {pid}: {why}")),
        },
    }
}
