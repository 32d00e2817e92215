//! `rrun features` against the schema of it, and against the words that the schema of config.json lists.
//!
//! It knows no word itself. What a newcomer would get wrong: a field of the features schema that is left out reads as "not
//! known to this runtime"; so each is there, unless this file says why not.

use super::schema::{fields, found};
use serde_json::Value;
use std::collections::BTreeSet;

fn features() -> Value {
    serde_json::from_str(&rrun::cmd::features::json().expect("features")).expect("JSON")
}

/// The strings of a list in the features.
fn said(pointer: &str) -> BTreeSet<String> {
    let features = features();
    let list = features.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// The words that the schema of config.json has for a field.
fn listed(pattern: &str) -> BTreeSet<String> {
    let all = fields("config-schema.json");
    let field = all.iter().find(|field| field.pattern == pattern).expect(pattern);
    field.words.iter().cloned().collect()
}

#[test]
fn features_are_the_schemas_and_the_parsers() {
    let features = features();
    let mut wrong = Vec::new();
    let all = fields("features-schema.json");
    assert!(all.len() > 30, "only {} fields", all.len());
    for field in &all {
        // Lists may be empty; what is in a list or a map is compared below.
        if field.pattern.ends_with("/0") || field.pattern.ends_with("/*") {
            continue;
        }
        let Some(pointer) = found(&features, &field.pattern).into_iter().next() else {
            wrong.push(format!("{} is not there", field.pattern));
            continue;
        };
        let value = features.pointer(&pointer).expect("what was found");
        let right = match field.type_name.as_str() {
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            _ => value.is_object(),
        };
        if !right {
            wrong.push(format!("{pointer} is no {}: {value}", field.type_name));
        }
    }
    let pairs = [
        ("/linux/namespaces", "/linux/namespaces/0/type"),
        ("/linux/seccomp/actions", "/linux/seccomp/defaultAction"),
        ("/linux/seccomp/operators", "/linux/seccomp/syscalls/0/args/0/op"),
        ("/linux/seccomp/archs", "/linux/seccomp/architectures/0"),
        ("/linux/seccomp/knownFlags", "/linux/seccomp/flags/0"),
        ("/linux/seccomp/supportedFlags", "/linux/seccomp/flags/0"),
        ("/linux/memoryPolicy/modes", "/linux/memoryPolicy/mode"),
        ("/linux/memoryPolicy/flags", "/linux/memoryPolicy/flags/0"),
    ];
    for (ours, theirs) in pairs {
        let (ours, theirs) = (said(ours), listed(theirs));
        let missing: Vec<_> = theirs.difference(&ours).collect();
        if ours.is_empty() || !missing.is_empty() {
            wrong.push(format!("{missing:?} are in the schema of config.json alone"));
        }
    }
    let hooks = fields("config-schema.json").into_iter().filter_map(|field| {
        let name = field.pattern.strip_prefix("/hooks/")?.to_owned();
        (!name.contains('/')).then_some(name)
    });
    let hooks: BTreeSet<String> = hooks.collect();
    if said("/hooks") != hooks {
        wrong.push(format!("hooks: {:?}", said("/hooks")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
