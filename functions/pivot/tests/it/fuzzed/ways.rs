//! Nested fields of JSON by their ways, against the same values right in an object each.

use super::plain;
use serde_json::{Map, Value, json};

/// Fails if documents come to something else than the values that their ways lead to.
pub(super) fn check(bytes: &[u8]) {
    let columns = |flat: bool| {
        let way = |name: &str, way: Value| if flat { json!(name) } else { way };
        json!({
            "k": {"from": way("k", json!(["k", 0, "n"])), "if_null": "none"}, "a": {"from": way("a", json!(["a", "b"]))},
            "b": {"from": way("b", json!(["c", 1])), "type": "number", "nullable": true},
        })
    };
    let shape = json!({"keys": ["k"], "rows": {"order_by": ["b"]}});
    let spec =
        |flat: bool, format: Value| plain::spec(json!({"columns": columns(flat), "format": format}), shape.clone());
    let nested = spec(false, json!({"type": "json", "records": ["d"]}));
    let found = plain::outcome(&nested, bytes);
    let Some(rows) = rows(bytes) else { return };
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    assert_eq!(found, plain::outcome(&spec(true, json!({"type": "json"})), lines.as_bytes()), "{lines}");
}

/// The rows, with what the ways lead to. Nothing is said of documents that cannot be read, that have a name twice, or
/// numbers with decimals, which the parser here does not keep as they are written.
fn rows(bytes: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let documents: Vec<Value> = documents.collect::<Result<_, _>>().ok()?;
    if text.contains('\u{feff}') || has_name_twice(text, &documents) || documents.iter().any(has_decimals) {
        return None;
    }
    let mut rows = Vec::new();
    for document in &documents {
        for row in document.as_object()?.get("d")?.as_array()? {
            let row = Some(row).filter(|row| row.is_object())?;
            let mut flat = Map::new();
            for (name, way) in [("k", "/k/0/n"), ("a", "/a/b"), ("b", "/c/1")] {
                flat.extend(walk(row, way).map(|value| (name.to_owned(), value.clone())));
            }
            rows.push(Value::Object(flat));
        }
    }
    Some(rows)
}

/// A name is no place of an array, and a number no name.
fn walk<'v>(row: &'v Value, way: &str) -> Option<&'v Value> {
    way[1..].split('/').try_fold(row, |value, step| match step.parse::<usize>() {
        Ok(place) => value.as_array()?.get(place),
        Err(_) => value.as_object()?.get(step),
    })
}

/// Whether a name stands twice in one object, of which a parser keeps one: there are more colons than names.
fn has_name_twice(text: &str, documents: &[Value]) -> bool {
    let (mut is_text, mut is_escaped, mut colons) = (false, false, 0);
    for letter in text.chars() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            ':' if !is_text => colons += 1,
            _ => {}
        }
    }
    colons > documents.iter().map(names).sum::<usize>()
}

fn names(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len() + fields.values().map(names).sum::<usize>(),
        Value::Array(items) => items.iter().map(names).sum(),
        _ => 0,
    }
}

fn has_decimals(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Object(fields) => fields.values().any(has_decimals),
        Value::Array(items) => items.iter().any(has_decimals),
        _ => false,
    }
}
