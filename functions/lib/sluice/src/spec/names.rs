//! What may be called how.

use super::Problem;
use super::fields::child;
use serde_json::Value;

/// Longest name of a column in PostgreSQL, in bytes.
const MAX_BYTES: usize = 63;

/// Why a column of the job, or of its table, cannot be called so; `None` if it can.
pub(super) fn refuse_column(name: &str) -> Option<String> {
    let is_name = (1..=MAX_BYTES).contains(&name.len()) && !name.contains('\0');
    let is_free = name != "*" && !name.starts_with("sluice_");
    let what = "cannot be the name of a column: that has 1 to 63 bytes, no NUL, and is not * nor sluice_...";
    (!is_name || !is_free).then(|| format!("{name:?} {what}"))
}

/// A problem for each text that others would take for theirs before a function sees it: `${`, with which substitutions
/// of the template begin, and names that end in `.$`, which are paths to Step Functions.
pub fn reserved(pointer: &str, value: &Value, problems: &mut Vec<Problem>) {
    const SUBSTITUTION: &str = "holds ${, with which a substitution of the template begins";
    const PATH: &str = "ends in .$, which makes it a path to Step Functions";
    let mut refuse = |pointer: &str, what: &str| {
        problems.push(Problem { pointer: pointer.to_owned(), what: what.to_owned() });
    };
    match value {
        Value::String(text) if text.contains("${") => refuse(pointer, SUBSTITUTION),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                reserved(&child(pointer, &place.to_string()), item, problems);
            }
        }
        Value::Object(fields) => {
            for name in fields.keys().filter(|name| name.contains("${")) {
                refuse(&child(pointer, name), SUBSTITUTION);
            }
            for name in fields.keys().filter(|name| name.ends_with(".$")) {
                refuse(&child(pointer, name), PATH);
            }
            for (name, field) in fields {
                reserved(&child(pointer, name), field, problems);
            }
        }
        _ => {}
    }
}
