//! The form before this one, refused with what each of its fields is called now.

use super::{Parts, Problem};
use serde_json::Value;

/// From a field of the form before to what it is now.
const NOW: [(&str, &str); 12] = [
    ("/shape/index", "is now a column of source.columns, named in shape.keys; with date_prefix its type is date"),
    ("/shape/columns", "is now shape.pivot.on, which names a column of source.columns"),
    ("/shape/aggregate", "is now part of shape.values: {\"minutes\": \"sum\"}"),
    ("/shape/categories", "is now shape.pivot.into"),
    ("/shape/unknown_category", "is now shape.pivot.other: bad_row or ignore"),
    ("/shape/bad_row", "is now source.on_bad_row"),
    ("/shape/per_file", "is now target.on_overlap: all_files"),
    ("/target/key", "is now shape.keys"),
    ("/target/on_overlap=per_file", "per_file is now all_files"),
    ("/target/on_overlap=sum_files", "sum_files is now all_files"),
    ("/target/on_overlap=replace", "replace is now last_run, since elsewhere it empties the table first"),
    ("/shape/values=", "is now an object: {\"minutes\": \"sum\"}, where minutes is a column of source.columns"),
];

/// A problem for each field of the form before.
pub(super) fn problems(parts: &Parts) -> Vec<Problem> {
    let find = |(place, now): &(&str, &str)| {
        let (pointer, wanted) = match place.split_once('=') {
            Some((pointer, wanted)) => (pointer, Some(wanted)),
            None => (*place, None),
        };
        let (part, field) = match pointer.split_at_checked("/shape/".len()) {
            Some(("/shape/", field)) => (&parts.shape, field),
            _ => (&parts.target, pointer.strip_prefix("/target/")?),
        };
        let found = part.get(field)?;
        let is_meant = match wanted {
            None => true,
            Some("") => found.is_string() || found.is_array(),
            Some(word) => found == &Value::from(word),
        };
        is_meant.then(|| Problem { pointer: pointer.to_owned(), what: (*now).to_owned() })
    };
    NOW.iter().filter_map(find).collect()
}
