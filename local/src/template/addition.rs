//! A job more, written into the text of the template: behind the last job of its kind, with everything else as it was.

use super::{APPLICATION, flatten, jobs, parse, resources};
use crate::BoxError;
use serde_json::Value;
use sluice::spec::Parts;

/// The kind of the jobs that are added.
const LOCATION: &str = "statemachine/transform-and-upsert.yaml";

/// The most characters of a line of JSON, its indent included.
const WIDTH: usize = 120;

/// Where the JSON of a parameter begins.
const INDENT: usize = 10;

/// A job that is to be added.
pub(crate) struct Addition<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The prefix of its files.
    pub(crate) prefix: &'a str,
    /// Its spec.
    pub(crate) parts: &'a Parts,
    /// What stands above it, a line each.
    pub(crate) comments: &'a [String],
}

/// The template with a job more, and the text that was added to it.
///
/// # Errors
/// There is such a job, or the template would not be right with it.
pub(crate) fn add(text: &str, addition: &Addition<'_>) -> Result<(String, String), BoxError> {
    let root = parse(text)?;
    let known = jobs(&root, text)?;
    let Addition { name, .. } = addition;
    if known.iter().any(|job| job.name == *name) {
        return Err(format!("there is a job {name} in template.yaml; give the new one another name with --name").into());
    }
    let id = free_id(&root, name);
    let block = block(&root, &id, addition);
    let line = line_behind(text, &root).ok_or("template.yaml has no job to write another one behind")?;
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let added = format!("\n{block}");
    lines.insert(line, &added);
    let new = lines.concat();
    // With what `cargo local` says of any template.
    let root = parse(&new)?;
    jobs(&root, &new)?;
    flatten(root)?;
    Ok((new, block))
}

/// A logical id that nothing has: `SalesByDay` of sales-by-day.
fn free_id(root: &Value, name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    let mut id: String = name.split('-').filter(|part| !part.is_empty()).map(word).collect();
    let is_taken = |id: &str| {
        let sections = ["Parameters", "Resources"].map(|section| root[section].as_object());
        // Resources of a job begin with its id, where it is written out in the root.
        sections.into_iter().flatten().flat_map(|section| section.keys()).any(|other| other.starts_with(id))
    };
    while is_taken(&id) {
        id.push_str("Job");
    }
    id
}

/// The number of lines up to the end of the last job of the kind, or else of the last job.
fn line_behind(text: &str, root: &Value) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let end = |id: &str| {
        let start = lines.iter().position(|line| *line == format!("  {id}:"))?;
        let is_within = |line: &&&str| line.trim().is_empty() || line.starts_with("   ");
        let block = &lines[start + 1..];
        let block = &block[..block.iter().take_while(is_within).count()];
        let blanks = block.iter().rev().take_while(|line| line.trim().is_empty()).count();
        Some(start + 1 + block.len() - blanks)
    };
    let all = resources(root, APPLICATION);
    let of_kind = all.iter().filter(|(_, job)| job["Properties"]["Location"] == LOCATION);
    of_kind.filter_map(|(id, _)| end(id)).max().or_else(|| all.keys().filter_map(|id| end(id)).max())
}

/// The resource of a job.
fn block(root: &Value, id: &str, Addition { name, prefix, parts, comments }: &Addition<'_>) -> String {
    let comments: String = comments.iter().map(|comment| format!("  # {comment}\n")).collect();
    let part =
        |name: &str, value: &Value| format!("        {name}: |\n{}{}\n", " ".repeat(INDENT), json(value, INDENT));
    let switch = match root["Parameters"]["S3TriggerState"].is_object() {
        true => "        S3TriggerState: !Ref S3TriggerState\n",
        false => "",
    };
    format!(
        "{comments}  {id}:\n    Type: {APPLICATION}\n    Properties:\n      Location: {LOCATION}\n      Parameters:\n        \
         <<: *shared\n        Job: {name}\n        Prefix: {prefix}\n{}{}{}{switch}",
        part("Source", &parts.source),
        part("Shape", &parts.shape),
        part("Target", &parts.target),
    )
}

/// The fields that come first in an object, in this order.
const FIRST: [&str; 14] = [
    "suffix",
    "from",
    "partition",
    "file",
    "type",
    "format",
    "keys",
    "values",
    "rows",
    "on",
    "into",
    "table",
    "create",
    "columns",
];

/// A value as JSON that people read: in one line if that is short, else a line per field, beginning in this column.
fn json(value: &Value, column: usize) -> String {
    let line = in_line(value);
    if column + line.chars().count() <= WIDTH {
        return line;
    }
    let items = |items: Vec<(String, &Value)>, ends: [&str; 2]| {
        let items: Vec<String> = items
            .into_iter()
            .map(|(name, item)| {
                let item = json(item, column + 1 + name.chars().count());
                name + &item
            })
            .collect();
        format!("{}{}{}", ends[0], items.join(&format!(",\n{}", " ".repeat(column + 1))), ends[1])
    };
    match value {
        Value::Object(_) => items(fields(value), ["{", "}"]),
        Value::Array(list) => items(list.iter().map(|item| (String::new(), item)).collect(), ["[", "]"]),
        _ => line,
    }
}

fn in_line(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::Object(_) => {
            format!("{{{}}}", joined(fields(value).into_iter().map(|(name, item)| name + &in_line(item)).collect()))
        }
        Value::Array(items) => format!("[{}]", joined(items.iter().map(in_line).collect())),
        plain => plain.to_string(),
    }
}

/// The fields of an object, each with its name and a colon.
fn fields(value: &Value) -> Vec<(String, &Value)> {
    let mut fields: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    fields.sort_by_key(|(name, _)| rank(name));
    fields.into_iter().map(|(name, item)| (format!("{}: ", Value::from(name.as_str())), item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template;
    use serde_json::json;

    fn parts() -> Parts {
        Parts {
            source: json!({"suffix": ".csv", "columns": {"day": {"from": "Day", "type": "date"}, "note": "A \"note\": #1"}}),
            shape: json!({"keys": ["day"], "rows": {}}),
            target: json!({"table": "notes", "on_overlap": "newest_row", "create": true}),
        }
    }

    fn added(text: &str, name: &str) -> Result<(String, String), String> {
        let comments = ["Of one file.".to_owned()];
        let parts = parts();
        let addition = Addition { name, prefix: "notes/", parts: &parts, comments: &comments };
        add(text, &addition).map_err(|error| error.to_string())
    }

    #[test]
    fn a_job_is_added_behind_the_last_of_its_kind_and_all_else_stays() {
        let text = template::text().unwrap();
        let (new, block) = added(&text, "day-notes").unwrap();
        assert_eq!(new.replacen(&format!("\n{block}"), "", 1), text);
        let expected = "  # Of one file.
  DayNotes:
    Type: AWS::Serverless::Application
    Properties:
      Location: statemachine/transform-and-upsert.yaml
      Parameters:
        <<: *shared
        Job: day-notes
        Prefix: notes/
        Source: |
          {\"suffix\": \".csv\", \"columns\": {\"day\": {\"from\": \"Day\", \"type\": \"date\"}, \"note\": \"A \\\"note\\\": #1\"}}
        Shape: |
          {\"keys\": [\"day\"], \"rows\": {}}
        Target: |
          {\"table\": \"notes\", \"create\": true, \"on_overlap\": \"newest_row\"}
        S3TriggerState: !Ref S3TriggerState
";
        assert_eq!(block, expected);
        let jobs = jobs(&parse(&new).unwrap(), &new).unwrap();
        let job = jobs.iter().find(|job| job.name == "day-notes").unwrap();
        assert_eq!(job.files().unwrap().parts, parts());
        let before = new.split_once("  # Of one file.").unwrap().0;
        assert!(before.ends_with("Architecture: !Ref Architecture\n\n"), "behind Pomodoro");
        // And another one, behind that.
        let (more, _) = added(&new, "notes").unwrap();
        assert!(more.find("  DayNotes:").unwrap() < more.find("  Notes:").unwrap());
    }

    #[test]
    fn what_cannot_be_added_is_refused() {
        let text = template::text().unwrap();
        assert!(added(&text, "pomodoro").unwrap_err().starts_with("there is a job pomodoro in template.yaml"));
        assert!(added(&text, "Notes").unwrap_err().contains("lower-case letters"));
        // Names of others are left to them.
        let (_, block) = added(&text, "bucket").unwrap();
        assert!(block.contains("  BucketJob:\n"), "{block}");
    }

    #[test]
    fn json_is_written_for_people() {
        let long = "x".repeat(60);
        let value =
            json!({"columns": {"b": {"type": "date", "from": long}, "a": long, "c": [1, long, long]}, "suffix": ""});
        let expected = format!(
            "{{\"suffix\": \"\",\n \"columns\": {{\"a\": \"{long}\",\n             \"b\": {{\"from\": \"{long}\", \"type\": \"date\"}},\n             \
             \"c\": [1,\n                   \"{long}\",\n                   \"{long}\"]}}}}"
        );
        let written = json(&value, 0);
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
    }
}
