//! `rrun --version`.
//!
//! What a newcomer would get wrong: every line has a reader. docker splits the first at "version" and looks for
//! `commit:`, CRI-O and go-runc look for `spec:`.

/// The runtime-spec this rrun implements.
const SPEC: &str = "1.3.0";

/// What `--version` prints. Packagers set `RRUN_COMMIT` and `RRUN_RUSTC` in the environment of the build.
pub fn text() -> String {
    format!(
        "rrun version {}\ncommit: {}\nspec: {SPEC}\nrustc: {}\n+CGROUP1 +CGROUP2 +SECCOMP +USERNS\n",
        env!("CARGO_PKG_VERSION"),
        option_env!("RRUN_COMMIT").unwrap_or("unknown"),
        option_env!("RRUN_RUSTC").unwrap_or("unknown"),
    )
}
