//! Who an image's `User` is, by the image's own /etc/passwd and /etc/group.
//!
//! Pure: text in, ids out. What a newcomer would get wrong: a user given without a group brings along the groups that
//! list it as a member; one given with a group brings none.

use crate::error::{Error, Kind, Result};

/// Ids of a process.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, as listed.
    pub groups: Vec<u32>,
}

/// Looks up `user`, in any form the image specification has: `user`, `uid`, `user:group`, `uid:gid`, `uid:group`,
/// `user:gid`, or nothing for root.
///
/// # Errors
/// [`Kind::Spec`] for a name that the files don't have.
pub fn look_up(user: &str, passwd: &str, group: &str) -> Result<Identity> {
    let (user, group_wanted) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let known = passwd.lines().find_map(|line| Account::parse(line).filter(|a| a.is(user)));
    let uid = match (&known, user.parse()) {
        (Some(account), _) => account.uid,
        (None, Ok(uid)) => uid,
        (None, Err(_)) => return Err(unknown("user", user, "/etc/passwd")),
    };
    if let Some(wanted) = group_wanted {
        let gid = members(group)
            .find_map(|(name, gid, _)| (name == wanted).then_some(gid))
            .or_else(|| wanted.parse().ok())
            .ok_or_else(|| unknown("group", wanted, "/etc/group"))?;
        return Ok(Identity { uid, gid, groups: Vec::new() });
    }
    let Some(account) = known else { return Ok(Identity { uid, ..Identity::default() }) };
    let groups = members(group)
        .filter(|&(_, gid, _)| gid != account.gid)
        .filter(|(_, _, listed)| listed.split(',').any(|member| member == account.name))
        .map(|(_, gid, _)| gid)
        .collect();
    Ok(Identity { uid, gid: account.gid, groups })
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl<'a> Account<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some(Self { name, uid, gid: fields.next()?.parse().ok()? })
    }

    fn is(&self, user: &str) -> bool {
        self.name == user || user.parse() == Ok(self.uid)
    }
}

/// The lines of /etc/group: name, gid, members.
fn members(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or("")))
    })
}

fn unknown(what: &str, name: &str, file: &str) -> Error {
    Error::new(
        Kind::Spec,
        format!("the image runs as {what} {name:?}, which its {file} does not have"),
    )
    .at("/config/User")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34::/:/bin/false\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:root,web\nweb:x:34:web\nssl:x:99:web\n";

    #[test]
    fn every_form_of_user_is_resolved() {
        for (user, uid, gid, groups) in [
            ("", 0, 0, &[4][..]),
            ("root", 0, 0, &[4]),
            ("web", 33, 34, &[4, 99]),
            ("33", 33, 34, &[4, 99]),
            ("web:", 33, 34, &[4, 99]),
            ("web:adm", 33, 4, &[]),
            ("web:7", 33, 7, &[]),
            ("1000", 1000, 0, &[]),
            ("1000:ssl", 1000, 99, &[]),
        ] {
            let expected = Identity { uid, gid, groups: groups.to_vec() };
            assert_eq!(look_up(user, PASSWD, GROUP).unwrap(), expected, "{user:?}");
        }
        assert_eq!(look_up("1000:1000", "", "").unwrap().gid, 1000);
    }

    #[test]
    fn an_unknown_name_is_named() {
        for user in ["nobody", "web:wheel", "-1"] {
            assert_eq!(look_up(user, PASSWD, GROUP).unwrap_err().kind(), Kind::Spec, "{user:?}");
        }
    }
}
