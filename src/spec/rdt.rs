//! `linux.intelRdt`: the container's share of processor caches and memory bandwidth.
//!
//! It knows the runtime-spec's rules for the texts. It refuses to know resources, masks and numbers: the kernel has them
//! from the processor.
//! What a newcomer would get wrong: an empty object asks for something, too. The container gets a class of its own.

use super::at::At;
use super::wire;
use super::wire::Text;
use crate::error::Result;

/// Which class of service (CLOS) a container is in: a directory of resctrl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clos {
    /// One of its own, named after it.
    Own,
    /// `/`: that of everybody who is in no other.
    Default,
    /// `closID`: one component.
    Named(String),
}

/// `linux.intelRdt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntelRdt {
    /// `closID`.
    pub clos: Clos,
    /// Each line for the class's `schemata` with its field: `l3CacheSchema`, then `memBwSchema`, `schemata` last.
    pub lines: Vec<(String, String)>,
    /// `enableMonitoring`: a group of its own to count in.
    pub monitoring: bool,
}

/// What the kernel has in the directory of classes beside them.
const TAKEN: [&str; 7] =
    ["info", "mon_groups", "mon_data", "schemata", "tasks", "cpus", "cpus_list"];

impl IntelRdt {
    pub(super) fn read(
        at: At<'_>,
        rdt: wire::IntelRdt<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let wire::IntelRdt {
            clos_id,
            schemata,
            l3_cache_schema,
            mem_bw_schema,
            enable_monitoring,
            enable_cmt,
            enable_mbm,
        } = rdt;
        for (key, value) in [("enableCMT", enable_cmt), ("enableMBM", enable_mbm)] {
            if value == Some(true) {
                let message = "ignored: runtime-spec 1.3 replaced it by enableMonitoring";
                warnings.push(at.key(key).warning(message));
            }
        }
        let l3 = at.key("l3CacheSchema");
        let mut lines = l3_lines(&l3, l3_cache_schema.as_deref(), warnings);
        let bandwidth = at.key("memBwSchema");
        lines.extend(bandwidth_line(&bandwidth, mem_bw_schema.as_deref())?);
        lines.extend(at.key("schemata").each(schemata, read_line)?);
        Ok(Self {
            clos: Clos::read(at.key("closID"), clos_id)?,
            lines,
            monitoring: enable_monitoring.unwrap_or_default(),
        })
    }

    /// The lines of `update`'s flags, as the fields would have them.
    ///
    /// # Errors
    /// [`Kind::Spec`](crate::error::Kind::Spec), with the field of `linux.intelRdt`.
    pub fn schemas(l3: Option<&str>, bandwidth: Option<&str>) -> Result<Vec<(String, String)>> {
        let (linux, mut warnings) = (At::DOCUMENT.key("linux"), Vec::new());
        let at = linux.key("intelRdt");
        let mut lines = l3_lines(&at.key("l3CacheSchema"), l3, &mut warnings);
        lines.extend(bandwidth_line(&at.key("memBwSchema"), bandwidth)?);
        Ok(lines)
    }
}

impl Clos {
    fn read(at: At<'_>, id: Option<Text<'_>>) -> Result<Self> {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(Self::Own) };
        if &*id == "/" {
            return Ok(Self::Default);
        }
        if id.contains(['/', '\n']) || id.starts_with('.') || TAKEN.contains(&&*id) {
            return Err(at
                .wrong(format!("{:?} is no name of a class of service", &*id))
                .hint("name one directory of resctrl, or write \"/\" for the default class"));
        }
        Ok(Self::Named(id.into_string()))
    }
}

/// The runtime-spec only says SHOULD: where code and data have masks of their own there are two lines, and neither begins
/// with `L3:`.
fn l3_lines(at: &At<'_>, text: Option<&str>, warnings: &mut Vec<String>) -> Vec<(String, String)> {
    let lines = text.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(|line| (line.to_owned(), at.pointer())).collect();
    if lines.iter().any(|(line, _)| !line.starts_with("L3")) {
        warnings.push(at.warning("does not begin with \"L3:\""));
    }
    lines
}

fn bandwidth_line(at: &At<'_>, text: Option<&str>) -> Result<Option<(String, String)>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if !text.starts_with("MB:") || text.contains('\n') {
        return Err(at
            .wrong(format!("{text:?} is no line of memory bandwidth"))
            .hint("write it as MB:0=50;1=50"));
    }
    Ok(Some((text.to_owned(), at.pointer())))
}

fn read_line(at: At<'_>, line: Text<'_>) -> Result<(String, String)> {
    if line.contains('\n') || !line.contains(':') {
        return Err(at
            .wrong(format!("{:?} is no line of schemata", &*line))
            .hint("write one resource for each entry, such as L2:0=f;1=f"));
    }
    Ok((line.into_string(), at.pointer()))
}
