//! The part `target`: the table that is loaded, and who speaks when several files know of one key.

use super::fields::{Fields, child, kind};
use super::near::did_you_mean;
use super::{Problem, Spec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The table that is loaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Make it if it is missing.
    pub create: bool,
    /// Types of columns, where they are to differ from the usual ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, SqlType>,
    /// Add columns that the table lacks.
    pub add_columns: bool,
    /// Who speaks for a key.
    pub on_overlap: OnOverlap,
    /// Which of two files is the newer one.
    pub newest_by: NewestBy,
    /// With `newest_file`: the newest file speaks alone for all keys that agree in these columns; empty: in all keys.
    pub newest_per: Vec<String>,
    /// What to do with a file that says the same as another.
    pub on_repeated_file: OnRepeatedFile,
}

/// A type of PostgreSQL as `types` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are those of PostgreSQL")]
pub enum SqlType {
    Smallint,
    Integer,
    Bigint,
    Numeric {
        /// Precision and scale.
        digits: Option<(u16, u16)>,
    },
    Real,
    DoublePrecision,
    Text,
    Varchar {
        /// The most characters.
        length: u32,
    },
    Boolean,
    Date,
    Timestamp,
    Timestamptz,
    Json,
    Jsonb,
    Uuid,
}

impl SqlType {
    const PLAIN: [(&'static str, Self); 14] = [
        ("smallint", Self::Smallint),
        ("integer", Self::Integer),
        ("bigint", Self::Bigint),
        ("numeric", Self::Numeric { digits: None }),
        ("real", Self::Real),
        ("double precision", Self::DoublePrecision),
        ("text", Self::Text),
        ("boolean", Self::Boolean),
        ("date", Self::Date),
        ("timestamp", Self::Timestamp),
        ("timestamptz", Self::Timestamptz),
        ("json", Self::Json),
        ("jsonb", Self::Jsonb),
        ("uuid", Self::Uuid),
    ];

    /// The type that `text` names.
    fn named(text: &str) -> Option<Self> {
        if let Some((_, found)) = Self::PLAIN.iter().find(|(name, _)| *name == text) {
            return Some(*found);
        }
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(length) = inside("varchar") {
            // PostgreSQL's limit ("Character Types" in its documentation).
            return length
                .parse()
                .ok()
                .filter(|length| (1..=10_485_760).contains(length))
                .map(|length| Self::Varchar { length });
        }
        let (precision, scale) = inside("numeric").map(|inside| inside.split_once(',').unwrap_or((inside, "0")))?;
        let precision = precision.parse().ok().filter(|precision| (1..=1_000).contains(precision))?;
        let scale = scale.parse().ok().filter(|scale| *scale <= 1_000)?;
        Some(Self::Numeric { digits: Some((precision, scale)) })
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Varchar { length } => write!(f, "varchar({length})"),
            Self::Numeric { digits: Some((precision, scale)) } => write!(f, "numeric({precision},{scale})"),
            plain => f.write_str(Self::PLAIN.iter().find(|(_, kind)| kind == plain).map_or("", |(name, _)| name)),
        }
    }
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
    /// Of the rows of all of them the one that wins.
    NewestRow,
    /// The last run that had it, over that run's files together.
    LastRun,
}

impl OnOverlap {
    /// Whether the word of each file is kept.
    pub fn keeps_words(self) -> bool {
        matches!(self, Self::AllFiles | Self::NewestFile)
    }

    /// As the spec has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllFiles => "all_files",
            Self::NewestFile => "newest_file",
            Self::NewestRow => "newest_row",
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

/// Where runs keep what they need, words among it, whose tables are named after targets.
const OWN_SCHEMA: &str = "sluice";

pub(super) fn read(value: &Value, problems: &mut Vec<Problem>) -> Target {
    const OVERLAPS: [(&str, OnOverlap); 4] = [
        ("all_files", OnOverlap::AllFiles),
        ("newest_file", OnOverlap::NewestFile),
        ("last_run", OnOverlap::LastRun),
        ("newest_row", OnOverlap::NewestRow),
    ];
    let mut fields = Fields::of("/target", value, problems);
    let schema = fields.text("schema", Some("public"));
    let table = fields.text("table", None);
    if table.contains('.') {
        fields.wrong("table", "has a dot; the schema goes into the field schema");
    }
    if schema == OWN_SCHEMA {
        fields.wrong("schema", "is the schema of what runs keep for themselves");
    }
    for (name, text) in [("schema", &schema), ("table", &table)] {
        let is_given = value.get(name).is_some_and(Value::is_string);
        if is_given && (text.is_empty() || text.len() > 63 || text.contains('\0')) {
            fields.wrong(name, "a name in PostgreSQL has 1 to 63 bytes, none of them NUL");
        }
    }
    let create = fields.flag("create", false);
    let given = fields.word("on_overlap", &OVERLAPS, None);
    let by = [("modified", NewestBy::Modified), ("key", NewestBy::Key)];
    let newest_by = fields.word("newest_by", &by, Some(NewestBy::Modified)).unwrap_or_default();
    let repeated = [("fail", OnRepeatedFile::Fail), ("allow", OnRepeatedFile::Allow)];
    let on_repeated_file = fields.word("on_repeated_file", &repeated, Some(OnRepeatedFile::Fail)).unwrap_or_default();
    let newest_per = fields.distinct_texts("newest_per", 16);
    if newest_per.as_ref().is_some_and(Vec::is_empty) {
        fields.wrong("newest_per", "is not a list of keys");
    }
    let on_overlap = given.unwrap_or(OnOverlap::LastRun);
    for (name, modes) in [
        ("newest_by", &[OnOverlap::NewestFile, OnOverlap::NewestRow][..]),
        ("newest_per", &[OnOverlap::NewestFile]),
        ("on_repeated_file", &[OnOverlap::AllFiles]),
    ] {
        if value.get(name).is_some() && given.is_some_and(|given| !modes.contains(&given)) {
            let modes: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
            fields.wrong(name, format!("is for on_overlap {}", modes.join(", ")));
        }
    }
    let types = fields.take("types").map_or_else(BTreeMap::new, |types| read_types(&types, fields.problems()));
    let add_columns = fields.flag("add_columns", false);
    fields.end();
    let newest_per = newest_per.unwrap_or_default();
    Target { schema, table, create, types, add_columns, on_overlap, newest_by, newest_per, on_repeated_file }
}

fn read_types(value: &Value, problems: &mut Vec<Problem>) -> BTreeMap<String, SqlType> {
    let Value::Object(given) = value else {
        let what = format!("is {}, not an object from columns to types", kind(value));
        problems.push(Problem { pointer: "/target/types".to_owned(), what });
        return BTreeMap::new();
    };
    let mut types = BTreeMap::new();
    for (name, word) in given {
        match word.as_str().and_then(SqlType::named) {
            Some(found) => _ = types.insert(name.clone(), found),
            None => {
                let plain: Vec<&str> = SqlType::PLAIN.iter().map(|(name, _)| *name).collect();
                let what = format!("is {word}, not one of {}, numeric(p,s), varchar(n)", plain.join(", "));
                problems.push(Problem { pointer: child("/target/types", name), what });
            }
        }
    }
    types
}

/// What the target says of the shape.
pub(super) fn compare(spec: &Spec, problems: &mut Vec<Problem>) {
    let Spec { shape, target, .. } = spec;
    let mut refuse = |pointer: String, what: String| problems.push(Problem { pointer, what });
    // Of a shape that could not be read nothing is known.
    if !shape.keys.is_empty() {
        for (place, name) in target.newest_per.iter().enumerate().filter(|(_, name)| !shape.keys.contains(name)) {
            refuse(format!("/target/newest_per/{place}"), format!("{name:?} is no key"));
        }
    }
    if shape.rows.is_some() && target.on_overlap == OnOverlap::AllFiles {
        let what = "rows cannot be added up: newest_row, newest_file or last_run";
        refuse("/target/on_overlap".to_owned(), what.to_owned());
    }
    if !shape.values.is_empty() && target.on_overlap == OnOverlap::NewestRow {
        let what = "values are of many rows: all_files, newest_file or last_run";
        refuse("/target/on_overlap".to_owned(), what.to_owned());
    }
    if shape.keys.is_empty() || shape.rows.is_none() && shape.values.is_empty() {
        return;
    }
    let columns = spec.table_columns();
    for name in target.types.keys().filter(|name| !columns.iter().any(|column| column.name == **name)) {
        let near = did_you_mean(name, columns.iter().map(|column| column.name.as_str()));
        let what = format!("the table gets no such column from this spec{near}");
        refuse(child("/target/types", name), what);
    }
}
