//! The fields of a JSON object, each asked for once; what is left over is a problem.

use super::Problem;
use super::near::did_you_mean;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// An object of a spec on its way into its type.
pub(crate) struct Fields<'p> {
    pointer: String,
    /// Else it has no fields to lack.
    is_object: bool,
    /// Those that nobody asked for yet.
    rest: Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Fields<'p> {
    /// The fields of `value`, which stands at `pointer`; none if it is no object, which is a problem.
    pub(crate) fn of(pointer: impl Into<String>, value: &Value, problems: &'p mut Vec<Problem>) -> Self {
        let pointer = pointer.into();
        let rest = match value {
            Value::Object(fields) => fields.clone(),
            other => {
                let what = format!("is {}, not an object", kind(other));
                problems.push(Problem { pointer: pointer.clone(), what });
                Map::new()
            }
        };
        Self { pointer, is_object: value.is_object(), rest, known: Vec::new(), problems }
    }

    /// The field `name`, if it is there.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.rest.remove(name)
    }

    /// The field `name`; that it is missing is a problem.
    pub(crate) fn required(&mut self, name: &'static str) -> Value {
        self.take(name).unwrap_or_else(|| {
            if self.is_object {
                let pointer = self.pointer.clone();
                self.problems.push(Problem { pointer, what: format!("lacks the field {name:?}") });
            }
            Value::Null
        })
    }

    /// A text; empty, after a problem, if it is something else.
    pub(crate) fn text(&mut self, name: &'static str, default: Option<&str>) -> String {
        match (self.take(name), default) {
            (Some(Value::String(text)), _) => text,
            (Some(other), _) => {
                self.wrong(name, format!("is {}, not a text", kind(&other)));
                String::new()
            }
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                self.required(name);
                String::new()
            }
        }
    }

    /// A text; `None` if it is not there, or null, or, after a problem, something else.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => {
                self.wrong(name, format!("is {}, not a text", kind(&other)));
                None
            }
        }
    }

    /// A text that says something more than itself, and has to be there; `None`, after a problem, if it does not.
    pub(crate) fn parsed<T: TryFrom<String, Error = String>>(&mut self, name: &'static str) -> Option<T> {
        let before = self.problems.len();
        let text = self.text(name, None);
        if self.problems.len() > before {
            return None;
        }
        T::try_from(text).map_err(|problem| self.wrong(name, problem)).ok()
    }

    /// A list of texts; empty if it is not there.
    pub(crate) fn texts(&mut self, name: &'static str) -> Vec<String> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong(name, format!("is {}, not a list of texts", kind(&other)));
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for (place, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                other => self.wrong_within(&format!("{name}/{place}"), format!("is {}, not a text", kind(&other))),
            }
        }
        texts
    }

    /// A number within limits; the default, after a problem, if it is something else.
    pub(crate) fn number(&mut self, name: &'static str, default: u32, limits: RangeInclusive<u32>) -> u32 {
        self.number_if_given(name, limits).unwrap_or(default)
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.take(name) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.wrong(name, format!("is {}, not true or false", kind(&other)));
                default
            }
        }
    }

    /// One of these words; the first one is the default where there is one.
    pub(crate) fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)], default: Option<T>) -> Option<T> {
        let given = match self.take(name) {
            None if default.is_some() => return default,
            None => {
                self.required(name);
                return None;
            }
            Some(given) => given,
        };
        let found = words.iter().find(|(word, _)| given == *word).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(name, format!("is {given}, not {}", words.join(" or ")));
        }
        found.or(default)
    }

    /// A whole number within a range, if the field is there.
    pub(crate) fn number_if_given(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let given = self.take(name)?;
        let found = whole(&given).filter(|number| range.contains(number));
        if found.is_none() {
            self.wrong(name, format!("is {given}, not a number from {} to {}", range.start(), range.end()));
        }
        found
    }

    /// A list of at most so many texts, all different.
    pub(crate) fn distinct_texts(&mut self, name: &'static str, most: usize) -> Option<Vec<String>> {
        let given = self.take(name)?;
        let texts = given.as_array().map(|texts| texts.iter().map(|text| text.as_str().map(ToOwned::to_owned)));
        let Some(texts) = texts.and_then(Iterator::collect::<Option<Vec<String>>>).filter(|texts| texts.len() <= most)
        else {
            self.wrong(name, format!("is not a list of at most {most} texts"));
            return None;
        };
        if let Some((place, text)) = texts.iter().enumerate().find(|(place, text)| texts[..*place].contains(text)) {
            self.wrong_within(&format!("{name}/{place}"), format!("{text:?} is there already"));
        }
        Some(texts)
    }

    /// That the field `name` is wrong.
    pub(crate) fn wrong(&mut self, name: &str, what: impl Into<String>) {
        let pointer = self.pointer_of(name);
        self.problems.push(Problem { pointer, what: what.into() });
    }

    /// That something within a field is wrong, such as `columns/0/name`.
    pub(crate) fn wrong_within(&mut self, path: &str, what: impl Into<String>) {
        let pointer = format!("{}/{path}", self.pointer);
        self.problems.push(Problem { pointer, what: what.into() });
    }

    /// The pointer of a field.
    pub(crate) fn pointer_of(&self, name: &str) -> String {
        child(&self.pointer, name)
    }

    /// Where problems go.
    pub(crate) fn problems(&mut self) -> &mut Vec<Problem> {
        self.problems
    }

    /// These fields of the language are not there yet.
    pub(crate) fn later(&mut self, names: &[&'static str]) {
        for name in names {
            if self.take(name).is_some() {
                self.wrong(name, "is not supported yet");
            }
        }
    }

    /// All fields were asked for: others are problems.
    pub(crate) fn end(mut self) {
        for name in std::mem::take(&mut self.rest).keys() {
            let what = format!("there is no such field{}", did_you_mean(name, self.known.iter().copied()));
            self.wrong(name, what);
        }
    }
}

/// A whole number, also if it is written with decimals that are zeros: to JSON Schema 24.0 is an integer.
pub(crate) fn whole(value: &Value) -> Option<u32> {
    let text = value.as_number()?.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

/// The pointer of a part of what stands at `pointer`.
pub(crate) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// What a value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
