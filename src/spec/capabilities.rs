//! `process.capabilities`: five sets of names become five sets of bits.
//!
//! It knows the names of capabilities(7) and the two rules that hold on every kernel. It refuses to know what this host
//! can grant.
//! What a newcomer would get wrong: nothing here is an error. The runtime-spec wants a capability that cannot be granted
//! to be logged; it is dropped, which never gives more than was asked for.

use super::at::At;
use super::wire;
use caps::Capability;

/// The five sets of `process.capabilities`. Names that no kernel knows were warned about and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Limits what the others can ever hold.
    pub bounding: CapSet,
    /// In force.
    pub effective: CapSet,
    /// Kept across execve of files with inheritable sets.
    pub inheritable: CapSet,
    /// May be raised.
    pub permitted: CapSet,
    /// Kept across execve of ordinary files; the kernel demands permitted and inheritable too.
    pub ambient: CapSet,
}

/// A set of capabilities: bit *n* is the capability of number *n*, as capset(2) counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapSet(pub u64);

impl CapSet {
    /// What both hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What this one holds and `other` lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its names, by number. A bit that no capability of this version has is left out.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let mut known: Vec<Capability> = caps::all().into_iter().collect();
        known.sort_unstable_by_key(Capability::index);
        known.iter().filter(|cap| self.0 & cap.bitmask() != 0).map(Capability::to_string).collect()
    }

    /// The one of this name: `CAP_NET_ADMIN`, in any case, with or without `CAP_`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
        full.parse().ok().map(|capability: Capability| Self(capability.bitmask()))
    }

    /// All that this version knows by name.
    #[must_use]
    pub fn known() -> Self {
        Self(caps::all().iter().fold(0, |bits, cap| bits | cap.bitmask()))
    }
}

impl Capabilities {
    pub(super) fn read(
        at: At<'_>,
        sets: wire::Capabilities<'_>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let wire::Capabilities { bounding, effective, inheritable, permitted, ambient } = sets;
        let mut set = |key: &str, names| read_set(at.key(key), names, warnings);
        let mut this = Self {
            bounding: set("bounding", bounding),
            effective: set("effective", effective),
            inheritable: set("inheritable", inheritable),
            permitted: set("permitted", permitted),
            ambient: set("ambient", ambient),
        };
        // The kernel refuses a whole capset(2) for one such bit: capabilities(7), "Thread capability sets".
        this.effective =
            within(at.key("effective"), this.effective, this.permitted, "permitted", warnings);
        let raisable = this.permitted.and(this.inheritable);
        let both = "both permitted and inheritable";
        this.ambient = within(at.key("ambient"), this.ambient, raisable, both, warnings);
        this
    }
}

fn read_set(at: At<'_>, names: wire::Texts<'_>, warnings: &mut Vec<String>) -> CapSet {
    let mut set = CapSet::default();
    for (index, name) in names.into_iter().flatten().enumerate() {
        match name.parse::<Capability>() {
            Ok(capability) => set.0 |= capability.bitmask(),
            Err(_) => warnings.push(at.index(index).warning(unknown(&name))),
        }
    }
    set
}

/// Lower case and a missing prefix are not accepted, for no kernel or manual page writes them so; but they are noticed.
fn unknown(name: &str) -> String {
    let canonical = caps::to_canonical(name);
    match canonical.parse::<Capability>() {
        Ok(_) => format!("unknown capability {name:?} dropped; write {canonical}"),
        Err(_) => format!("unknown capability {name:?} dropped"),
    }
}

/// `set` without what is not in `limit`, and a warning for that.
fn within(
    at: At<'_>,
    set: CapSet,
    limit: CapSet,
    limit_name: &str,
    warnings: &mut Vec<String>,
) -> CapSet {
    let lost = set.without(limit);
    if !lost.is_empty() {
        let names = lost.names().join(", ");
        warnings.push(at.warning(format!("{names} dropped: not {limit_name}")));
    }
    set.and(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Capabilities, Vec<String>) {
        let mut warnings = Vec::new();
        let sets = wire::parse(json.as_bytes()).expect("JSON");
        (Capabilities::read(At::DOCUMENT, sets, &mut warnings), warnings)
    }

    #[test]
    fn an_unknown_name_is_dropped_with_a_warning() {
        let (sets, warnings) = read(r#"{"bounding": ["CAP_KILL", "CAP_FOO", "kill"]}"#);
        assert_eq!(sets.bounding, CapSet(1 << 5));
        assert_eq!(
            warnings,
            [
                "unknown capability \"CAP_FOO\" dropped (at /bounding/1)",
                "unknown capability \"kill\" dropped; write CAP_KILL (at /bounding/2)",
            ]
        );
    }

    #[test]
    fn what_the_kernel_would_refuse_is_dropped_with_a_warning() {
        let (sets, warnings) = read(
            r#"{"permitted": ["CAP_KILL"], "effective": ["CAP_KILL", "CAP_CHOWN"],
                "ambient": ["CAP_KILL"]}"#,
        );
        assert_eq!(sets.effective, sets.permitted);
        assert_eq!(sets.ambient, CapSet::default());
        assert_eq!(
            warnings,
            [
                "CAP_CHOWN dropped: not permitted (at /effective)",
                "CAP_KILL dropped: not both permitted and inheritable (at /ambient)",
            ]
        );
    }

    #[test]
    fn names_come_by_number() {
        assert_eq!(CapSet(0b10_0001).names(), ["CAP_CHOWN", "CAP_KILL"]);
    }
}
