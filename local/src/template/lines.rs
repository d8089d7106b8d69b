//! On which line of the template a field of a job's spec stands.

use super::places::places;

/// The text of a template.
pub(super) struct Lines<'t>(pub(super) &'t str);

/// What a parameter says, as it is written.
pub(super) struct Written {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// Its text, line by line.
    pub(super) text: String,
}

impl Lines<'_> {
    /// What the resource `id` gives for a parameter, in a block (`|` or `>`) or on the parameter's own line; `None` if
    /// there is no such resource or parameter.
    pub(super) fn parameter(&self, id: &str, parameter: &str) -> Option<Written> {
        let lines: Vec<&str> = self.0.lines().collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let is_blank = |line: &str| line.trim().is_empty();
        let resource = lines.iter().position(|line| *line == format!("  {id}:"))?;
        let end_of = |place: usize| {
            let is_within = |line: &str| is_blank(line) || indent(line) > indent(lines[place]);
            place + 1 + lines[place + 1..].iter().take_while(|line| is_within(line)).count()
        };
        let begins = |line: &str| line.trim_start().strip_prefix(parameter).is_some_and(|rest| rest.starts_with(": "));
        let place = resource + lines[resource..end_of(resource)].iter().position(|line| begins(line))?;
        let (_, value) = lines[place].split_once(": ")?;
        let is_block = value.starts_with(['|', '>']);
        Some(match is_block {
            true => Written { line: place + 2, text: lines[place + 1..end_of(place)].join("\n") },
            // Whatever stands in it stands on this line.
            false => Written { line: place + 1, text: String::new() },
        })
    }
}

impl Written {
    /// The line of what stands at a JSON Pointer, or else of what holds it. Of a name that comes twice, the second.
    pub(super) fn line_of(&self, pointer: &str) -> usize {
        let places = places(&self.text);
        let ancestors = std::iter::successors(Some(pointer), |pointer| Some(pointer.rsplit_once('/')?.0));
        let found = ancestors.filter_map(|pointer| places.iter().rfind(|place| place.pointer == pointer)).next();
        self.line + found.map_or(0, |place| place.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "\
Resources:
  Other:
    Properties:
      Parameters:
        Shape: |
          {}
  Sales:
    Properties:
      Parameters:
        Source: '{\"suffix\": \".csv\"}'
        Shape: >-
          {\"keys\": [\"day\",

                    \"shop\"],
           \"values\": {}}
        Target: |
          {\"table\": \"t\"}

Outputs:
  X: {}
";

    #[test]
    fn a_field_has_its_line() {
        let shape = Lines(TEMPLATE).parameter("Sales", "Shape").unwrap();
        for (pointer, line) in [("", 12), ("/keys", 12), ("/keys/1", 14), ("/values", 15), ("/values/x/y", 15)] {
            assert_eq!(shape.line_of(pointer), line, "{pointer}");
        }
        let target = Lines(TEMPLATE).parameter("Sales", "Target").unwrap();
        assert_eq!((target.line_of("/table"), target.text.trim()), (17, "{\"table\": \"t\"}"));
        assert_eq!(Lines(TEMPLATE).parameter("Sales", "Source").unwrap().line_of("/suffix"), 10);
        assert!(Lines(TEMPLATE).parameter("Other", "Target").is_none());
        assert!(Lines(TEMPLATE).parameter("Nobody", "Target").is_none());
    }
}
