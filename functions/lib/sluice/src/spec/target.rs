//! The part `target`: the table that is loaded, and who speaks when several files know of one key.

use super::fields::Fields;
use super::{Problem, Spec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The table that is loaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Make it if it is missing.
    pub create: bool,
    /// Who speaks for a key.
    pub on_overlap: OnOverlap,
    /// Which of two files is the newer one.
    pub newest_by: NewestBy,
    /// What to do with a file that says the same as another.
    pub on_repeated_file: OnRepeatedFile,
}

impl Target {
    /// As people and `sluice.runs` know it: `schema.table`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// Who speaks for a key that several files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOverlap {
    /// All of them: their words are added up.
    AllFiles,
    /// The newest of them.
    NewestFile,
    /// The last run that had it, over that run's files together.
    LastRun,
}

impl OnOverlap {
    /// Whether the word of each file is kept.
    pub fn keeps_words(self) -> bool {
        self != Self::LastRun
    }

    /// As the spec has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllFiles => "all_files",
            Self::NewestFile => "newest_file",
            Self::LastRun => "last_run",
        }
    }
}

/// Which of two files is the newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NewestBy {
    /// The one that S3 dates later, then that of the later key.
    #[default]
    Modified,
    /// That of the later key.
    Key,
}

/// What to do with a file that says of most of its shared keys what another one says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRepeatedFile {
    /// It is a bad file.
    #[default]
    Fail,
    /// It is counted as any other.
    Allow,
}

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Target {
    const OVERLAPS: [(&str, Option<OnOverlap>); 4] = [
        ("all_files", Some(OnOverlap::AllFiles)),
        ("newest_file", Some(OnOverlap::NewestFile)),
        ("last_run", Some(OnOverlap::LastRun)),
        ("newest_row", None),
    ];
    let mut fields = Fields::of("/target", value, problems);
    let schema = fields.text("schema", Some("public"));
    let table = fields.text("table", None);
    if table.contains('.') {
        fields.wrong("table", "has a dot; the schema goes into the field schema");
    }
    for (name, text) in [("schema", &schema), ("table", &table)] {
        let is_given = value.get(name).is_some_and(Value::is_string);
        if is_given && (text.is_empty() || text.len() > 63 || text.contains('\0')) {
            fields.wrong(name, "a name in PostgreSQL has 1 to 63 bytes, none of them NUL");
        }
    }
    let create = fields.flag("create", false);
    let given = fields.word("on_overlap", &OVERLAPS, None);
    if given == Some(None) {
        fields.wrong("on_overlap", "newest_row is for rows, which are not supported yet");
    }
    let by = [("modified", NewestBy::Modified), ("key", NewestBy::Key)];
    let newest_by = fields.word("newest_by", &by, Some(NewestBy::Modified)).unwrap_or_default();
    let repeated = [("fail", OnRepeatedFile::Fail), ("allow", OnRepeatedFile::Allow)];
    let on_repeated_file = fields.word("on_repeated_file", &repeated, Some(OnRepeatedFile::Fail)).unwrap_or_default();
    let newest_per = fields.take("newest_per");
    if newest_per.is_some_and(|per| per.as_array().is_none_or(Vec::is_empty)) {
        fields.wrong("newest_per", "is not a list of keys");
    }
    let on_overlap = given.flatten().unwrap_or(OnOverlap::LastRun);
    for (name, mode) in [
        ("newest_by", OnOverlap::NewestFile),
        ("newest_per", OnOverlap::NewestFile),
        ("on_repeated_file", OnOverlap::AllFiles),
    ] {
        if value.get(name).is_some() && given.flatten().is_some_and(|given| given != mode) {
            fields.wrong(name, format!("is for on_overlap {}", mode.as_str()));
        }
    }
    fields.later(&["types", "add_columns"]);
    fields.end();
    Target { schema, table, create, on_overlap, newest_by, on_repeated_file }
}

/// What the target says of the shape: `newest_per` names keys. There is one, so that it says nothing new.
pub(super) fn compare(newest_per: &Value, spec: &Spec, problems: &mut Vec<Problem>) {
    for (place, name) in newest_per.as_array().into_iter().flatten().enumerate() {
        let pointer = format!("/target/newest_per/{place}");
        if *name != *spec.shape.key {
            problems.push(Problem { pointer, what: format!("{name} is no key") });
        } else if place > 0 {
            problems.push(Problem { pointer, what: format!("{name} is there already") });
        }
    }
}
