//! The id map of a mount: its own maps, those of the word `idmap=uids=…;gids=…`, or the container's.
//!
//! It knows which of the three counts, and that two of them are a contradiction. It refuses to know what is mounted.
//! What a newcomer would get wrong: with `@` the second number of a triple is an id *of the container*, and the map has to
//! say where that lies outside.

use super::at::At;
use super::mounts::{FsType, IdMapped};
use super::namespaces::{IdMap, IdMaps, Namespace, check_line};
use crate::error::{Error, Result};

/// `idmap` or `ridmap` among the options, with what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its index.
    pub index: usize,
    /// `ridmap`
    pub tree: bool,
    /// What is behind its `=`.
    pub maps: Option<String>,
}

impl Asked {
    /// The word, if it is one of the two.
    pub fn read(index: usize, word: &str) -> Option<Self> {
        let (name, maps) =
            word.split_once('=').map_or((word, None), |(name, maps)| (name, Some(maps.to_owned())));
        let tree = match name {
            "idmap" => false,
            "ridmap" => true,
            _ => return None,
        };
        Some(Self { index, tree, maps })
    }
}

/// `uidMappings` and `gidMappings` of the mount itself.
pub(super) struct OwnMaps {
    pub uid: Vec<IdMap>,
    pub gid: Vec<IdMap>,
}

impl OwnMaps {
    /// The id map of the mount, from its own maps, the option and the user namespace, whose maps may be known.
    pub fn resolve(
        self,
        at: &At<'_>,
        kind: &FsType,
        asked: Option<&Asked>,
        (user, container): (&Namespace, &IdMaps),
    ) -> Result<Option<IdMapped>> {
        let Self { mut uid, mut gid } = self;
        if uid.is_empty() != gid.is_empty() {
            let missing = if uid.is_empty() { "uidMappings" } else { "gidMappings" };
            return Err(at
                .key(missing)
                .wrong("uidMappings and gidMappings only work together")
                .hint("add this one, or leave out the other"));
        }
        if let Some(Asked { index, maps: Some(maps), .. }) = asked {
            let options = at.key("options");
            let at = options.index(*index);
            if !uid.is_empty() {
                return Err(at
                    .wrong("the mount has ids in this word and in uidMappings and gidMappings")
                    .hint("leave out one of the two"));
            }
            (uid, gid) = written(&at, maps, container)?;
        }
        // Maps without the option are those of an older engine, and mean `idmap`.
        let option = asked.map(|asked| asked.tree);
        let Some(recursive) = option.or_else(|| (!uid.is_empty()).then_some(false)) else {
            return Ok(None);
        };
        if uid.is_empty() && !user.is_apart() {
            return Err(at
                .key("uidMappings")
                .wrong("no ids to map: the mount has no maps, and the container no user namespace")
                .hint("add uidMappings and gidMappings, or remove \"idmap\" from the options"));
        }
        if matches!(kind, FsType::Cgroup | FsType::Remount) {
            return Err(at
                .key("options")
                .wrong("only a new mount of files can map ids")
                .hint("remove \"idmap\" and the maps"));
        }
        Ok(Some(IdMapped { uid, gid, recursive }))
    }
}

const FIX: &str = "write it as idmap=uids=0-1000-10#10-2000-5;gids=0-1000-15: first id of the files, first id outside, how many";

/// `uids=0-1000-10#10-2000-5;gids=0-1000-15`
fn written(at: &At<'_>, maps: &str, container: &IdMaps) -> Result<(Vec<IdMap>, Vec<IdMap>)> {
    let (mut uid, mut gid) = (Vec::new(), Vec::new());
    for part in maps.split(';') {
        let (name, triples) = part.split_once('=').unwrap_or((part, ""));
        let (map, outside) = match name {
            "uids" => (&mut uid, &container.uid),
            "gids" => (&mut gid, &container.gid),
            _ => return Err(at.wrong(format!("{name:?} is neither uids nor gids")).hint(FIX)),
        };
        if !map.is_empty() {
            return Err(at.wrong(format!("{name} is given twice")).hint("join the two with '#'"));
        }
        for text in triples.split('#') {
            for line in lines(at, text, outside)? {
                check_line(map, &line).map_err(|fault| {
                    let said = format!("{:?} in {name}: {}", text, fault.message);
                    match fault.fix {
                        Some(fix) => at.wrong(said).hint(fix),
                        None => at.wrong(said).hint(FIX),
                    }
                })?;
                map.push(line);
            }
        }
    }
    if uid.is_empty() || gid.is_empty() {
        let missing = if uid.is_empty() { "uids" } else { "gids" };
        return Err(at.wrong(format!("there are no {missing}")).hint(FIX));
    }
    Ok((uid, gid))
}

/// The lines of one triple: one, or with `@` as many as the container's map has for it.
fn lines(at: &At<'_>, text: &str, container: &[IdMap]) -> Result<Vec<IdMap>> {
    let (numbers, is_relative) = match text.strip_prefix('@') {
        Some(numbers) => (numbers, true),
        None => (text, false),
    };
    let wrong = || at.wrong(format!("{text:?} are no three numbers")).hint(FIX);
    let parsed: Option<Vec<u32>> = numbers.split('-').map(number).collect();
    let Some(&[container_id, host_id, size]) = parsed.as_deref() else { return Err(wrong()) };
    let line = IdMap { container_id, host_id, size };
    if is_relative { outside(at, line, text, container) } else { Ok(vec![line]) }
}

/// Digits alone: the standard library takes a sign, too.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A line whose second number is the container's, in numbers of the host.
fn outside(at: &At<'_>, line: IdMap, text: &str, container: &[IdMap]) -> Result<Vec<IdMap>> {
    let unmapped = |id: u64| -> Error {
        at.wrong(format!("{text:?}: id {id} of the container is not in its user namespace's map"))
            .hint("map it in linux.uidMappings and linux.gidMappings, or name ids of the host, without '@'")
    };
    let (first, end) = (u64::from(line.host_id), u64::from(line.host_id) + u64::from(line.size));
    let (mut next, mut found) = (first, Vec::new());
    while next < end {
        let holds = |one: &&IdMap| {
            let from = u64::from(one.container_id);
            (from..from + u64::from(one.size)).contains(&next)
        };
        let above = container.iter().find(holds).ok_or_else(|| unmapped(next))?;
        let into = next - u64::from(above.container_id);
        let count = (u64::from(above.size) - into).min(end - next);
        let number = |wide: u64| u32::try_from(wide).map_err(|_| unmapped(next));
        found.push(IdMap {
            container_id: number(u64::from(line.container_id) + (next - first))?,
            host_id: number(u64::from(above.host_id) + into)?,
            size: number(count)?,
        });
        next += count;
    }
    // Nothing of nothing: the check of the line says so.
    Ok(if found.is_empty() { vec![line] } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(container_id: u32, host_id: u32, size: u32) -> IdMap {
        IdMap { container_id, host_id, size }
    }

    type Maps = (Vec<IdMap>, Vec<IdMap>);

    fn read(word: &str, container: &[IdMap]) -> std::result::Result<Maps, String> {
        let container = IdMaps { uid: container.to_vec(), gid: container.to_vec() };
        written(&At::DOCUMENT.key("o"), word, &container).map_err(|error| error.to_string())
    }

    #[test]
    fn every_triple_is_a_line() {
        let both = read("uids=0-1-10#10-11-10;gids=0-100-10", &[]);
        assert_eq!(both, Ok((vec![line(0, 1, 10), line(10, 11, 10)], vec![line(0, 100, 10)])));
    }

    #[test]
    fn an_id_of_the_container_is_followed_outside_through_as_many_lines_as_it_takes() {
        let container = [line(0, 1000, 1), line(1, 2000, 10), line(11, 3000, 5)];
        let (uid, gid) = read("uids=@1-3-2;gids=@0-9-4#50-7-1", &container).expect("maps");
        assert_eq!(uid, [line(1, 2002, 2)]);
        assert_eq!(gid, [line(0, 2008, 2), line(2, 3000, 2), line(50, 7, 1)]);
    }

    #[test]
    fn what_is_no_map_is_an_error_that_shows_one() {
        for (word, said) in [
            ("", "\"\" is neither uids nor gids (at /o); write it as idmap=uids="),
            ("uids=0-1-1", "there are no gids (at /o); write it as"),
            ("gids=0-1-1;uids", "\"\" are no three numbers (at /o)"),
            ("uids=0-1;gids=0-1-1", "\"0-1\" are no three numbers (at /o)"),
            ("uids=0-1--1;gids=0-1-1", "\"0-1--1\" are no three numbers (at /o)"),
            ("uids=0-+1-1;gids=0-1-1", "\"0-+1-1\" are no three numbers (at /o)"),
            ("uids=0-1-1#;gids=0-1-1", "\"\" are no three numbers (at /o)"),
            ("uids=0-1-1;pids=0-1-1", "\"pids\" is neither uids nor gids (at /o)"),
            ("uids=0-1-1;uids=1-2-1", "uids is given twice (at /o); join the two with '#'"),
            ("uids=0-1-0;gids=0-1-1", "\"0-1-0\" in uids: 0 maps nothing (at /o); use 1 or more"),
            ("uids=@0-0-0;gids=0-1-1", "\"@0-0-0\" in uids: 0 maps nothing (at /o); use 1 or more"),
            ("uids=0-1-5#4-9-1;gids=0-1-1", "\"4-9-1\" in uids: it overlaps with line 0"),
            ("uids=0-4294967290-9;gids=0-1-1", "4294967290 and 8 more go beyond 4294967294"),
            ("uids=@0-0-3;gids=0-1-1", "\"@0-0-3\": id 1 of the container is not in its user"),
            ("uids=0-1-1;gids=@4294967295-0-2", "id 1 of the container is not in its user"),
        ] {
            let error = read(word, &[line(0, 1000, 1)]).expect_err(word);
            assert!(error.contains(said), "{word}: {error}");
        }
    }
}
