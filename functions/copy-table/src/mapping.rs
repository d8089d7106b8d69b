//! Which columns are copied, and how: matched by name, never by place. Pure.

use crate::catalogue::{Column, Table};
use crate::long_rows::{self, Selection};
use crate::types::{Fit, fit};
use postgres::identifiers::quoted;
use sha2::{Digest, Sha256};
use sluice::contract::copy_table::{ColumnPlan, Columns, Mode, NewColumn, Spec};
use sluice::{Error, Kind, Result};

/// A table of the source, on its way to one of the target.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The source's table, quoted.
    pub source: String,
    /// The target's, quoted.
    pub target: String,
    /// `pg_class.oid` of either.
    oids: [i64; 2],
    /// The columns of both, in the order of the target's.
    pub columns: Vec<Copied>,
    /// The key, quoted.
    pub key: Vec<String>,
    /// The cursor, if there are windows.
    pub cursor: Option<Cursor>,
    /// COPY's format is text, not binary.
    pub is_text: bool,
    /// Columns of the source that are left out.
    pub ignored: Vec<String>,
    /// What the session of the target takes texts for, if not UTF-8.
    pub encoding: Option<String>,
}

/// A column that is copied.
#[derive(Debug)]
pub(crate) struct Copied {
    /// Its name, quoted.
    pub name: String,
    /// Its number in the target.
    pub number: i16,
    /// What the source selects.
    pub expression: String,
    /// About how many bytes it has at the source and at the target, where it may be long.
    lengths: [Option<String>; 2],
    /// It is an identity whose values cannot be updated.
    pub is_fixed: bool,
    /// For people: the types, if they differ.
    pub cast: Option<String>,
}

/// The column of time.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Its name, quoted.
    pub name: String,
    /// What it is at the source.
    pub source: CursorType,
    /// What it is at the target.
    pub target: CursorType,
    /// It may be NULL at the source.
    pub is_nullable: bool,
}

/// A type of a column of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CursorType {
    /// An instant.
    Timestamptz,
    /// What a clock in the spec's zone shows.
    Timestamp,
    /// What a calendar in the spec's zone shows.
    Date,
}

impl CursorType {
    /// That of a column, if it is one of time.
    pub(crate) fn of(table: &Table, column: &Column) -> Option<Self> {
        let (oid, _) = table.plain_type(column);
        let name = table.type_of(oid).name;
        [Self::Timestamptz, Self::Timestamp, Self::Date].into_iter().find(|found| found.sql_name() == name)
    }

    /// As SQL has it.
    pub(crate) fn sql_name(self) -> &'static str {
        match self {
            Self::Timestamptz => "timestamptz",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
        }
    }
}

impl Mapping {
    /// Matches the columns; `problems` are those that are known already.
    ///
    /// # Errors
    /// `Misconfigured`, with everything that an operator has to put right.
    pub(crate) fn new(spec: &Spec, source: &Table, target: &Table, mut problems: Vec<String>) -> Result<Self> {
        let (copied, ignored) = columns(spec, source, target, &mut problems);
        let zone = spec.windows.as_ref().map(|windows| windows.zone.as_str());
        let (mut columns, mut is_text) = (Vec::new(), false);
        for (from, to) in &copied {
            match fit((source, from), (target, to), zone) {
                Ok(Fit { cast, needs_text }) => {
                    let name = quoted(&from.name)?;
                    is_text |= needs_text;
                    columns.push(Copied {
                        expression: format!("{name}{cast}"),
                        lengths: [long_rows::length(source, from, &name), long_rows::length(target, to, &name)],
                        name,
                        number: to.number,
                        is_fixed: to.is_identity_always,
                        cast: (!cast.is_empty())
                            .then(|| format!("{}: {} -> {}", from.name, from.sql_type, to.sql_type)),
                    });
                }
                Err(problem) => problems.push(problem),
            }
        }
        let is_copied = |name: &str| copied.iter().any(|(from, _)| from.name == name);
        problems.extend(key_problems(spec, target, &is_copied));
        problems.extend(uncopied_problems(target, &is_copied));
        let cursor = cursor(spec, source, target, &mut problems);
        let encoding = encoding(spec, source, &mut problems);
        if !problems.is_empty() {
            let what = format!("{} to {}: {}", source.name, target.name, problems.join("; "));
            return Err(Error::new(Kind::Misconfigured, what));
        }
        let full = |schema: &str, table: &str| Ok::<_, Error>(format!("{}.{}", quoted(schema)?, quoted(table)?));
        Ok(Self {
            source: full(&spec.source.schema, &spec.source.table)?,
            target: full(&spec.target.schema, &spec.target.table)?,
            oids: [source.oid, target.oid],
            columns,
            key: spec.target.key.iter().map(|name| quoted(name)).collect::<Result<_>>()?,
            cursor: cursor.map(|cursor| quoted(&cursor.name).map(|name| Cursor { name, ..cursor })).transpose()?,
            is_text,
            ignored,
            encoding,
        })
    }

    /// Each column as `form` has it, with commas between.
    pub(crate) fn each(&self, form: impl Fn(&Copied) -> String) -> String {
        self.columns.iter().map(form).collect::<Vec<_>>().join(", ")
    }

    /// The names of the columns, with commas between.
    pub(crate) fn list(&self) -> String {
        self.each(|column| column.name.clone())
    }

    /// The columns of a table or alias, with commas between.
    pub(crate) fn of(&self, alias: &str) -> String {
        self.each(|column| format!("{alias}.{}", column.name))
    }

    /// COPY's format.
    pub(crate) fn format(&self) -> &'static str {
        if self.is_text { "text" } else { "binary" }
    }

    /// The rows of the source for which `condition` holds.
    pub(crate) fn of_source(&self, condition: &str) -> Selection {
        let columns = self.each(|column| column.expression.clone());
        self.selection(0, columns, self.source.clone(), condition)
    }

    /// The rows of the target for which `condition` holds.
    pub(crate) fn of_target(&self, condition: &str) -> Selection {
        self.selection(1, self.list(), self.target.clone(), condition)
    }

    /// All rows of a query of the target that has the columns' names.
    pub(crate) fn of_query(&self, query: &str) -> Selection {
        self.selection(1, self.list(), format!("({query}) found"), "true")
    }

    fn selection(&self, side: usize, columns: String, from: String, condition: &str) -> Selection {
        let lengths: Vec<_> = self.columns.iter().filter_map(|column| column.lengths[side].clone()).collect();
        let length = (!lengths.is_empty()).then(|| lengths.join(" + "));
        Selection { columns, from, condition: condition.to_owned(), length, table_oid: self.oids[side] }
    }

    /// What sends the rows of a query.
    pub(crate) fn copy_out(&self, query: &str) -> String {
        format!("copy ({query}) to stdout (format {})", self.format())
    }

    /// What takes rows into a table.
    pub(crate) fn copy_in(&self, table: &str) -> String {
        format!("copy {table} ({}) from stdin (format {})", self.list(), self.format())
    }

    /// For people.
    pub(crate) fn plan(&self) -> ColumnPlan {
        ColumnPlan {
            count: u32::try_from(self.columns.len()).expect("a table has at most 1,600 columns"),
            format: self.format().to_owned(),
            casts: self.columns.iter().filter_map(|column| column.cast.clone()).collect(),
            ignored: self.ignored.clone(),
            rows_without_window: 0,
        }
    }

    /// Tells which columns of the target get values, so that a window from before there was one of them is missing.
    /// Not how: types, casts and COPY's format may change, and no value does.
    pub(crate) fn hash(&self) -> String {
        let columns = self.each(|column| format!("{} {}", column.number, column.name));
        hexadecimal(&Sha256::digest(columns)[..8])
    }
}

/// Bytes as text.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pairs of columns, and the names of those of the source that are left out.
fn columns<'a>(
    spec: &Spec,
    source: &'a Table,
    target: &'a Table,
    problems: &mut Vec<String>,
) -> (Vec<(&'a Column, &'a Column)>, Vec<String>) {
    let mut ignored = Vec::new();
    match &spec.source.columns {
        Columns::Listed(names) => {
            for name in names {
                for (table, side) in [(source, "source"), (target, "target")] {
                    if table.column(name).is_none() {
                        problems.push(format!("the {side} has no column {name:?}"));
                    }
                }
                if target.column(name).is_some_and(|column| column.is_generated) {
                    problems.push(format!("the column {name:?} of the target is generated, so it takes no values"));
                }
            }
        }
        Columns::All => {
            let is_new = |column: &&Column| target.column(&column.name).is_none();
            ignored = source.columns.iter().filter(is_new).map(|column| column.name.clone()).collect();
            if spec.target.new_column == NewColumn::Fail && !ignored.is_empty() {
                problems.push(format!(
                    "the target lacks the columns {ignored:?}; add them, list the columns, or set new_column to ignore"
                ));
            }
        }
    }
    let is_wanted = |name: &String| match &spec.source.columns {
        Columns::All => true,
        Columns::Listed(names) => names.contains(name),
    };
    let given = target.columns.iter().filter(|column| !column.is_generated && is_wanted(&column.name));
    (given.filter_map(|to| source.column(&to.name).map(|from| (from, to))).collect(), ignored)
}

fn key_problems(spec: &Spec, target: &Table, is_copied: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for name in &spec.target.key {
        match target.column(name) {
            Some(column) if is_copied(name) && !column.not_null => {
                problems.push(format!("the key's column {name:?} may be NULL at the target"));
            }
            Some(_) if is_copied(name) => {}
            _ => problems.push(format!("the key's column {name:?} is not copied")),
        }
    }
    problems
}

/// Columns of the target that get no value.
fn uncopied_problems(target: &Table, is_copied: &dyn Fn(&str) -> bool) -> Vec<String> {
    let must_be_given =
        |column: &&Column| column.not_null && !column.has_default && !column.is_generated && !is_copied(&column.name);
    let problem = |column: &Column| {
        format!("the column {:?} of the target is NOT NULL without a default, but is not copied", column.name)
    };
    target.columns.iter().filter(must_be_given).map(problem).collect()
}

fn cursor(spec: &Spec, source: &Table, target: &Table, problems: &mut Vec<String>) -> Option<Cursor> {
    let windows = spec.windows.as_ref()?;
    let name = &windows.cursor;
    let mut cursor_type = |table: &Table| {
        let column = table.column(name)?;
        let found = CursorType::of(table, column);
        if found.is_none() {
            problems.push(format!("the cursor {name:?} of {} is {}, which is no time", table.name, column.sql_type));
        }
        found
    };
    let types = (cursor_type(source), cursor_type(target));
    let (Some(of_source), Some(of_target)) = types else {
        if source.column(name).is_none() {
            problems.push(format!("the source has no column {name:?}, which is the cursor"));
        }
        if target.column(name).is_none() {
            problems.push(format!("the target has no column {name:?}, which is the cursor"));
        }
        return None;
    };
    if !windows.window.unit.is_of_calendar() {
        let length = windows.window;
        if [of_source, of_target].contains(&CursorType::Date) {
            problems.push(format!("the cursor {name:?} is a date, so a window cannot be {length}"));
        }
        if [of_source, of_target].contains(&CursorType::Timestamp) && windows.zone != "UTC" {
            problems.push(format!(
                "the cursor {name:?} has no time zone, and an hour comes twice in {}; windows of {length} need the zone UTC",
                windows.zone
            ));
        }
    }
    let is_nullable = source.column(name).is_none_or(|column| !column.not_null);
    Some(Cursor { name: name.clone(), source: of_source, target: of_target, is_nullable })
}

/// PostgreSQL does not know what the texts of a database in `SQL_ASCII` mean, so the spec says it.
fn encoding(spec: &Spec, source: &Table, problems: &mut Vec<String>) -> Option<String> {
    let declared = spec.source.encoding.as_deref();
    let is_unknown = source.server.encoding == "SQL_ASCII";
    let Some(encoding) = declared else {
        if is_unknown {
            problems.push("the source's database is SQL_ASCII; say the encoding of its texts in the spec".to_owned());
        }
        return None;
    };
    if !is_unknown {
        problems.push(format!("the source's database says itself that it is {}", source.server.encoding));
    }
    let is_name = encoding.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if encoding.is_empty() || !is_name {
        problems.push(format!("{encoding:?} is no encoding"));
    }
    let names = source.columns.iter().map(|column| &column.name);
    if names.chain([&source.name, &spec.target.schema, &spec.target.table]).any(|name| !name.is_ascii()) {
        problems.push("with an encoding of its own, tables and columns must have ASCII names".to_owned());
    }
    Some(encoding.to_owned())
}

/// What a job copies, so that what another spec has copied does not count, or the same spec from another database: the
/// mode tells how rows got there, and the rest which ones. `origin` is the database that is read.
pub(crate) fn fingerprint(spec: &Spec, origin: &str) -> Result<String> {
    let windows = spec.windows.as_ref().map(|windows| (&windows.cursor, &windows.zone, windows.window));
    let (source, target) = (&spec.source, &spec.target);
    let mode: Mode = target.mode;
    let parts = serde_json::to_vec(&(origin, source, &target.schema, &target.table, &target.key, mode, windows))
        .map_err(|error| Error::caused(Kind::InvariantBroken, "encode the spec", error))?;
    Ok(hexadecimal(&Sha256::digest(parts)[..16]))
}
