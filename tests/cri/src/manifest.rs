//! Kubernetes manifests as JSON.
//!
//! Knows YAML files of several documents. Refuses what has no place in JSON: keys that are no text, and aliases. What a
//! newcomer would get wrong: `"8080"` stays a text and 8080 a number; Kubernetes minds.

use crate::Result;
use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The documents of all files, one after the other.
pub(crate) fn read(files: &[&str]) -> Result<Value> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|why| format!("{file}: {why}"))?;
        all.extend(documents(&text).map_err(|why| format!("{file}: {why}"))?);
    }
    Ok(Value::Array(all))
}

fn documents(text: &str) -> Result<Vec<Value>> {
    let loaded = YamlLoader::load_from_str(text).map_err(|why| why.to_string())?;
    // A file that ends with `---` has an empty document.
    loaded.iter().filter(|yaml| !yaml.is_null()).map(value).collect()
}

fn value(yaml: &Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Boolean(is) => Value::Bool(*is),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Real(text) => {
            Value::from(text.parse::<f64>().map_err(|why| format!("{text}: {why}"))?)
        }
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Array(items) => Value::Array(items.iter().map(value).collect::<Result<_>>()?),
        Yaml::Hash(pairs) => {
            let mut map = Map::new();
            for (key, item) in pairs {
                let key = key.as_str().ok_or_else(|| format!("the key {key:?} is no text"))?;
                map.insert(key.to_owned(), value(item)?);
            }
            Value::Object(map)
        }
        Yaml::Alias(_) | Yaml::BadValue => return Err(format!("{yaml:?} has no place in JSON")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_keep_their_types() {
        let read = documents("kind: A\nports: [80, \"80\"]\n---\nkind: B\nok: true\n---\n");
        let meant =
            vec![json!({ "kind": "A", "ports": [80, "80"] }), json!({ "kind": "B", "ok": true })];
        assert_eq!(read, Ok(meant));
    }

    #[test]
    fn a_key_that_is_no_text_is_refused() {
        assert!(documents("80: http").is_err_and(|why| why.contains("80")));
    }
}
