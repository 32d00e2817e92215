//! The runtime-spec's own JSON schema, walked: which fields there are, of what type, and what they may hold.
//!
//! It knows the keywords that the schema uses. It refuses to know rrun.
//! What a newcomer would get wrong: `$ref` names another file as often as a definition of its own, and the keys of a map
//! (`additionalProperties`, `patternProperties`) are fields, too; they are written `*`.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A field of the schema.
#[derive(Debug, Clone)]
pub struct Field {
    /// Where, with `0` for an element of an array and `*` for a key of a map.
    pub pattern: String,
    /// `string`, `integer`, `boolean`, `array`, `object`.
    pub type_name: String,
    /// Whether its object must have it.
    pub required: bool,
    /// The words it may be, if they are listed.
    pub words: Vec<String>,
    /// The least and the greatest number.
    pub range: Option<(i128, i128)>,
    /// Whether it has fields itself, or elements.
    pub is_leaf: bool,
}

/// Where the files are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/schema")
}

/// Every field below the root of `file`.
pub fn fields(file: &str) -> Vec<Field> {
    let mut walk = Walk { files: BTreeMap::new(), fields: Vec::new() };
    walk.visit(file, &walk.file(file), String::new(), false);
    walk.fields
}

struct Walk {
    files: BTreeMap<String, Value>,
    fields: Vec<Field>,
}

impl Walk {
    fn file(&self, name: &str) -> Value {
        let known = self.files.get(name).cloned();
        known.unwrap_or_else(|| {
            let path = directory().join(name);
            // Other platforms' parts of the schema are not here.
            let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
            serde_json::from_str(&text).expect("a schema")
        })
    }

    /// Follows references and the one branch of a choice that the schema ever has.
    fn resolved(&self, mut file: String, mut node: Value) -> (String, Value) {
        loop {
            if let Some(reference) = node["$ref"].as_str() {
                let (other, pointer) = reference.split_once('#').unwrap_or((reference, ""));
                if !other.is_empty() {
                    file = other.to_owned();
                }
                node = self.file(&file).pointer(pointer).cloned().unwrap_or_default();
            } else if let Some(branch) =
                ["anyOf", "allOf", "oneOf"].iter().find_map(|key| node[*key].get(0))
            {
                node = branch.clone();
            } else {
                return (file, node);
            }
        }
    }

    fn visit(&mut self, file: &str, node: &Value, pattern: String, required: bool) {
        let (file, node) = self.resolved(file.to_owned(), node.clone());
        let map = match (&node["additionalProperties"], node["patternProperties"].as_object()) {
            (Value::Object(values), _) => Some(Value::Object(values.clone())),
            (_, Some(patterns)) => patterns.values().next().cloned(),
            _ => None,
        };
        let properties = node["properties"].as_object().cloned().unwrap_or_default();
        let items = node.get("items").cloned();
        let is_leaf = properties.is_empty() && map.is_none() && items.is_none();
        let named = node["type"].as_str().unwrap_or_default();
        let type_name = match (named, is_leaf, items.is_some()) {
            ("", false, true) => "array",
            ("", false, false) => "object",
            (named, ..) => named,
        };
        if !(pattern.is_empty() || is_leaf && type_name.is_empty()) {
            let number = |key: &str| node[key].as_number()?.to_string().parse::<f64>().ok();
            let exact = |key: &str| {
                let text = node[key].as_number()?.to_string();
                text.parse::<i128>().ok().or_else(|| number(key).map(|value| value as i128))
            };
            self.fields.push(Field {
                pattern: pattern.clone(),
                type_name: type_name.to_owned(),
                required,
                words: node["enum"].as_array().into_iter().flatten().filter_map(word).collect(),
                range: exact("minimum").zip(exact("maximum")),
                is_leaf,
            });
        }
        let needed: Vec<String> =
            node["required"].as_array().into_iter().flatten().filter_map(word).collect();
        for (key, value) in &properties {
            self.visit(&file, value, format!("{pattern}/{key}"), needed.contains(key));
        }
        if let Some(values) = map {
            self.visit(&file, &values, format!("{pattern}/*"), false);
        }
        if let Some(items) = items {
            self.visit(&file, &items, format!("{pattern}/0"), false);
        }
    }
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The pointers of a document that a field's pattern means.
pub fn found(document: &Value, pattern: &str) -> Vec<String> {
    let mut all = vec![(String::new(), document)];
    for part in pattern.split('/').skip(1) {
        all = all
            .into_iter()
            .flat_map(|(at, place)| -> Vec<(String, &Value)> {
                let below =
                    |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (place, part) {
                    (Value::Array(list), _) => {
                        list.iter().enumerate().map(|(n, it)| (format!("{at}/{n}"), it)).collect()
                    }
                    (Value::Object(map), "*") => map.iter().map(|(k, it)| (below(k), it)).collect(),
                    (Value::Object(map), key) => {
                        map.get(key).map(|it| (below(key), it)).into_iter().collect()
                    }
                    _ => Vec::new(),
                }
            })
            .collect();
    }
    all.into_iter().map(|(pointer, _)| pointer).collect()
}
