//! The kernel floor, stated once, and its one error.
//!
//! It knows the release as two numbers and nothing of what a distribution added to it.
//! What a newcomer would get wrong: there are no fallbacks for older kernels anywhere in rrun, on purpose. Code that
//! nobody's kernel runs is code that nobody has tested.

use crate::error::{Error, Kind, Result};

/// The oldest kernel rrun runs on: 5.14 has `cgroup.kill`, and all of clone3 into a cgroup (5.7), openat2 (5.6),
/// close_range (5.9) and mount_setattr (5.12) came before it.
pub const FLOOR: (u32, u32) = (5, 14);

/// The version of the running kernel.
///
/// # Errors
/// [`Kind::Host`] below [`FLOOR`].
pub fn probe() -> Result<(u32, u32)> {
    let names = nix::sys::utsname::uname().map_err(Error::from)?;
    check(&names.release().to_string_lossy())
}

/// Checks a release as uname(2) gives it: `6.12.9-arch1-1`.
fn check(release: &str) -> Result<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(Error::new(Kind::Host, format!("kernel release {release:?} is not a version")));
    };
    if (major, minor) < FLOOR {
        let message = format!("Linux {release} is too old");
        return Err(Error::new(Kind::Host, message).hint("rrun needs Linux 5.14 or newer"));
    }
    Ok((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_up_to_the_minor_number() {
        for (release, version) in
            [("6.12.9-arch1-1", (6, 12)), ("5.14.0", (5, 14)), ("7.0", (7, 0)), ("6.1-rc3", (6, 1))]
        {
            assert_eq!(check(release).ok(), Some(version), "{release}");
        }
    }

    #[test]
    fn kernels_below_the_floor_are_refused_with_one_clear_error() {
        let error = check("5.10.0-33-amd64").expect_err("below the floor");
        assert_eq!(error.kind(), Kind::Host);
        assert_eq!(
            error.to_string(),
            "Linux 5.10.0-33-amd64 is too old; rrun needs Linux 5.14 or newer"
        );
    }
}
