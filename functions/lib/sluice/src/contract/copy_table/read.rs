//! From JSON to a spec. Strict, so that a misspelt setting is an error and not a default; and all that is wrong is told
//! at once, each by its place.

use super::spec::{Columns, Mode, NewColumn, Source, Spec, Target, Verify};
use super::windows::{CatchUp, CursorNull, Day, Length, MAX_WINDOWS, Settle, Unit, Windows};
use crate::spec::fields::Fields;
use crate::spec::{Problem, reserved};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The three parts as they stand in a payload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Parts {
    /// Which table is read.
    pub source: Value,
    /// Which table is written, and how.
    pub target: Value,
    /// How the rows are cut into windows; null if the table is replaced whole.
    #[serde(default)]
    pub windows: Value,
}

impl Parts {
    /// The spec of these parts.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self) -> Result<Spec, Vec<Problem>> {
        let mut problems = Vec::new();
        for (part, value) in [("/source", &self.source), ("/target", &self.target), ("/windows", &self.windows)] {
            reserved(part, value, &mut problems);
        }
        let spec = self.read(&mut problems);
        // What fields say of each other makes no sense while they are wrong themselves.
        if problems.is_empty() {
            problems = spec.problems();
        }
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    fn read(&self, problems: &mut Vec<Problem>) -> Spec {
        Spec {
            source: source(&self.source, problems),
            target: target(&self.target, problems),
            windows: (!self.windows.is_null()).then(|| windows(&self.windows, problems)),
        }
    }
}

/// Each field for itself; what they say of each other is [`Spec::check`]'s.
impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut problems = Vec::new();
        let spec = Parts::deserialize(deserializer)?.read(&mut problems);
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(spec) } else { Err(D::Error::custom(format!("spec: {}", problems.join("; ")))) }
    }
}

fn source(value: &Value, problems: &mut Vec<Problem>) -> Source {
    let mut fields = Fields::of("/source", value, problems);
    let (schema, table) = (fields.text("schema", None), fields.text("table", None));
    let columns = fields.take("columns").map_or(Ok(Columns::All), Columns::try_from);
    let columns = columns.unwrap_or_else(|problem| {
        fields.wrong("columns", problem.trim_start_matches("columns "));
        Columns::All
    });
    let source = Source { schema, table, columns, encoding: fields.optional_text("encoding") };
    fields.end();
    source
}

fn target(value: &Value, problems: &mut Vec<Problem>) -> Target {
    let mut fields = Fields::of("/target", value, problems);
    let modes = [Mode::ReplaceWindow, Mode::Upsert, Mode::Replace].map(|mode| (mode.name(), mode));
    let verify = [("checksum", Verify::Checksum), ("count", Verify::Count)];
    let new_column = [("fail", NewColumn::Fail), ("ignore", NewColumn::Ignore)];
    let target = Target {
        schema: fields.text("schema", None),
        table: fields.text("table", None),
        key: fields.texts("key"),
        mode: fields.word("mode", &modes, Some(Mode::default())).unwrap_or_default(),
        verify: fields.word("verify", &verify, Some(Verify::default())).unwrap_or_default(),
        new_column: fields.word("new_column", &new_column, Some(NewColumn::default())).unwrap_or_default(),
        allow_triggers: fields.flag("allow_triggers", false),
        max_shrink_percent: u8::try_from(fields.number("max_shrink_percent", 50, 0..=100)).unwrap_or(50),
        newer_wins: fields.flag("newer_wins", true),
    };
    fields.end();
    target
}

fn windows(value: &Value, problems: &mut Vec<Problem>) -> Windows {
    let mut fields = Fields::of("/windows", value, problems);
    let catch_up = [("missed", CatchUp::Missed), ("none", CatchUp::None)];
    let settle = [("transactions", Settle::Transactions), ("lag", Settle::Lag)];
    let cursor_null = [("fail", CursorNull::Fail), ("ignore", CursorNull::Ignore)];
    let windows = Windows {
        cursor: fields.text("cursor", None),
        zone: fields.text("zone", None),
        window: fields.parsed("window").unwrap_or(Length { count: 1, unit: Unit::Day }),
        start: fields.parsed("start").unwrap_or_else(Day::first),
        catch_up: fields.word("catch_up", &catch_up, Some(CatchUp::default())).unwrap_or_default(),
        max_windows: fields.number("max_windows", 31, 1..=MAX_WINDOWS),
        recheck_windows: fields.number("recheck_windows", 0, 0..=MAX_WINDOWS),
        settle: fields.word("settle", &settle, Some(Settle::default())).unwrap_or_default(),
        lag_minutes: fields.number("lag_minutes", 0, 0..=u32::MAX),
        cursor_null: fields.word("cursor_null", &cursor_null, Some(CursorNull::default())).unwrap_or_default(),
        depends_on_past: fields.flag("depends_on_past", false),
    };
    fields.end();
    windows
}
