//! Every field of the runtime-spec's schema against the real parser: handled or refused by name when it is right, and an
//! error at its own pointer when it is wrong.
//!
//! It knows valid values for all of them (`schema/values.json`); the wrong ones follow from the schema.
//! What a newcomer would get wrong: "it parses" proves nothing, for what the parser never looks at parses, too. A field is
//! handled when the parsed configuration is another one without it.

use super::schema::{Field, directory, fields, found};
use super::{base, parse, put};
use rrun::error::{Error, Kind};
use serde_json::{Value, json};

/// The fields that rrun refuses by name, as objects, and no other: the runtime-spec itself supports no flag of a
/// personality, and virtual machines are another runtime's.
const REFUSED: &[&str] = &["/linux/personality/flags", "/vm"];

/// Where the empty string means that nothing was said: Go's types write a field that is unset so.
const EMPTY_IS_ABSENT: &[&str] = &["/linux/rootfsPropagation"];

/// What the schema wants and the runtime-spec's own Go types leave out: engines may send the object without it.
const LEFT_OUT: &[&str] = &["/linux/resources/pids/limit"];

/// The documents of `values.json`, each laid over a small configuration.
fn documents() -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(directory().join("values.json")).expect("values.json");
    let list: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let filled = |entry: &Value| {
        let mut config = base();
        for (pointer, value) in entry["set"].as_object().expect("pointers and values") {
            put(&mut config, pointer, Some(value.clone()));
        }
        (entry["name"].as_str().expect("a name").to_owned(), config)
    };
    list.iter().map(filled).collect()
}

/// Removes what a pointer leads to, an element of an array too.
fn without(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(&key)),
        Some(Value::Array(list)) => drop(list.remove(key.parse().expect("an index"))),
        _ => panic!("{pointer} leads nowhere"),
    }
    document
}

fn with(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(pointer).expect("a pointer") = value;
    document
}

/// Whether this error refuses `pointer`, or an object it is in, as something that rrun does not do.
fn refuses(error: &Error, pointer: &str) -> bool {
    let named = error.pointer().unwrap_or("/nothing");
    error.kind() == Kind::Unsupported
        && (named == pointer || pointer.starts_with(&format!("{named}/")))
}

/// What comes of a field in one document: handled, refused by name at a pointer, or ignored.
fn answer(document: &Value, pointer: &str) -> Result<Option<String>, String> {
    let whole = match parse(document) {
        Ok(spec) => format!("{spec:?}"),
        Err(error) if refuses(&error, pointer) => return Ok(error.pointer().map(str::to_owned)),
        Err(error) => return Err(format!("{pointer}: {error}")),
    };
    match parse(&without(document, pointer)) {
        Ok(spec) if format!("{spec:?}") == whole => Err(format!("{pointer} is ignored")),
        Ok(_) => Ok(None),
        Err(error) if error.pointer().is_some() => Ok(None),
        Err(error) => Err(format!("{pointer}, taken out: {error}")),
    }
}

#[test]
fn every_field_of_the_schema_is_handled_or_refused_by_name() {
    let documents = documents();
    let (mut wrong, mut refused) = (Vec::new(), std::collections::BTreeSet::new());
    let mut count = 0;
    for field in fields("config-schema.json").iter().filter(|field| field.is_leaf) {
        count += 1;
        let places = documents.iter().flat_map(|(name, document)| {
            found(document, &field.pattern).into_iter().map(move |it| (name, document, it))
        });
        // One place where it counts is enough: the first mapping of a list may say what is the case anyhow.
        let answers: Vec<_> = places.map(|(_, document, at)| answer(document, &at)).collect();
        match answers.iter().find_map(|answer| answer.as_ref().ok()) {
            Some(None) => {}
            Some(Some(object)) => drop(refused.insert(object.clone())),
            None if answers.is_empty() => wrong.push(format!("{} has no value", field.pattern)),
            None => wrong.extend(answers.into_iter().filter_map(Result::err)),
        }
    }
    assert!(count > 150, "the walk found {count} fields only");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(refused.iter().collect::<Vec<_>>(), REFUSED);
}

/// Calls `wrong` for each field in each document that parses; it says what is amiss.
fn each_place(mut wrong: impl FnMut(&Field, &Value, &str) -> Vec<String>) {
    let (mut all, mut places) = (Vec::new(), 0);
    let fields = fields("config-schema.json");
    for (_, document) in documents().iter().filter(|(_, document)| parse(document).is_ok()) {
        for field in &fields {
            for pointer in found(document, &field.pattern) {
                places += 1;
                all.extend(wrong(field, document, &pointer));
            }
        }
    }
    assert!(places > 200, "{places} places only");
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

/// The error of a document must be at `pointer` and have these words; what is amiss otherwise.
fn must_fail(document: &Value, pointer: &str, words: &[&str]) -> Option<String> {
    let error = match parse(document) {
        Ok(_) => return Some(format!("{pointer} parses")),
        Err(error) => error,
    };
    let text = error.to_string();
    let right = error.pointer() == Some(pointer)
        && text.lines().count() == 1
        && words.iter().all(|word| text.contains(word));
    (!right).then(|| format!("{pointer} wants {words:?}: {text}"))
}

#[test]
fn a_value_of_a_wrong_type_is_an_error_at_its_field() {
    each_place(|field, document, pointer| {
        let values = match field.type_name.as_str() {
            "string" => [json!(5), json!(["x"])],
            "integer" => [json!("5"), json!(1.5)],
            "boolean" => [json!("true"), json!(1)],
            "array" => [json!({"x": 1}), json!("x")],
            _ => [json!([["x"]]), json!(5)],
        };
        let fail = |value| {
            must_fail(&with(document, pointer, value), pointer, &["invalid type", "expected"])
        };
        values.into_iter().filter_map(fail).collect()
    });
}

#[test]
fn a_word_that_no_list_has_is_named_with_those_that_it_has() {
    each_place(|field, document, pointer| {
        let Some(first) = field.words.first() else { return Vec::new() };
        let lower = json!(first.to_ascii_lowercase());
        let mut values = vec![json!("no-such-word"), json!(""), lower];
        let absent = |value: &Value| value == "" && EMPTY_IS_ABSENT.contains(&&*field.pattern);
        values.retain(|value| value.as_str() != Some(first) && !absent(value));
        let fail = |value: Value| {
            let named = value.to_string();
            must_fail(&with(document, pointer, value), pointer, &[&named, "use one of"])
        };
        values.into_iter().filter_map(fail).collect()
    });
}

#[test]
fn a_number_beyond_its_range_is_named_with_its_field() {
    each_place(|field, document, pointer| {
        let Some((least, greatest)) = field.range else { return Vec::new() };
        let fail = |number: i128| {
            let value: Value = serde_json::from_str(&number.to_string()).expect("a number");
            must_fail(&with(document, pointer, value), pointer, &[])
        };
        [least - 1, greatest + 1].into_iter().filter_map(fail).collect()
    });
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    each_place(|field, document, pointer| {
        let fail = || must_fail(&without(document, pointer), pointer, &["required"]);
        (field.required && !LEFT_OUT.contains(&pointer)).then(fail).flatten().into_iter().collect()
    });
}

#[test]
fn null_in_place_of_an_element_is_an_error_there() {
    each_place(|field, document, pointer| {
        let element = field.pattern.ends_with("/0") || field.pattern.ends_with("/*");
        let fail = || must_fail(&with(document, pointer, Value::Null), pointer, &["null"]);
        element.then(fail).flatten().into_iter().collect()
    });
}

/// A document as text in which the key at `pointer` is there twice.
fn doubled(document: &Value, pointer: &str) -> String {
    let (parent, _) = pointer.rsplit_once('/').expect("a pointer");
    let marked = json!("\u{1}the place\u{1}");
    let object = document.pointer(parent).expect("an object").to_string();
    let value = document.pointer(pointer).expect("a value");
    let key = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
    let twice = format!(
        "{},{}:{value}}}",
        object.trim_end_matches('}').to_owned() + closing(&object),
        json!(key)
    );
    if parent.is_empty() {
        return twice;
    }
    with(document, parent, marked.clone()).to_string().replace(&marked.to_string(), &twice)
}

/// The braces that belong to the last value of an object's text.
fn closing(object: &str) -> &'static str {
    let braces = object.len() - object.trim_end_matches('}').len();
    &"}}}}}}}}"[..braces.saturating_sub(1).min(8)]
}

#[test]
fn a_key_that_is_there_twice_is_an_error_wherever_it_is() {
    each_place(|field, document, pointer| {
        if field.pattern.ends_with("/0") {
            return Vec::new();
        }
        let text = doubled(document, pointer);
        let error = rrun::spec::Spec::parse(text.as_bytes(), std::path::Path::new("/bundle"));
        match error.err().map(|error| (error.pointer().map(str::to_owned), error.to_string())) {
            Some((at, line)) if at.as_deref() == Some(pointer) && line.contains("twice") => {
                Vec::new()
            }
            other => vec![format!("{pointer}: {other:?}")],
        }
    });
}
