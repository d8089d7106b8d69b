//! What the parts say of a key, in SQL: how several rows of one key become one, and what comes of it in the end. Pure.

use postgres::identifiers::{qualified, quoted};
use sluice::Result;
use sluice::contract::{DELETED_COLUMN, Division, Layout, PartContent, ROW_COLUMN, Says, Word, order_column};
use sluice::spec::ColumnKind;

/// The columns of the parts behind the keys.
#[derive(Debug)]
pub(crate) struct Content {
    /// All of them, in order.
    pub columns: Vec<PartColumn>,
    says: What,
}

/// A column of the parts.
#[derive(Debug)]
pub(crate) struct PartColumn {
    /// Its name, not quoted.
    pub name: String,
    /// The same, quoted.
    pub quoted: String,
    /// Its type.
    pub kind: ColumnKind,
    /// Whether it is 0 where nothing is said, and never null.
    pub is_zero_if_empty: bool,
}

impl PartColumn {
    /// Its type in SQL. What is compared goes by its bytes.
    pub(crate) fn sql(&self) -> String {
        let collation = if self.kind == ColumnKind::Text { " collate \"C\"" } else { "" };
        format!("{}{collation}", self.kind.sql())
    }

    /// That of a table or alias, as it is kept: a number without zeros at its end.
    fn trimmed(&self, alias: &str) -> String {
        match self.kind {
            ColumnKind::Numeric => format!("trim_scale({alias}.{})", self.quoted),
            _ => format!("{alias}.{}", self.quoted),
        }
    }

    /// Its type in SQL, with what holds where nothing is said.
    pub(crate) fn definition(&self) -> String {
        let empty = if self.is_zero_if_empty { " not null default 0" } else { "" };
        format!("{}{empty}", self.sql())
    }
}

#[derive(Debug)]
enum What {
    /// For each value its columns.
    Values(Vec<Value>),
    /// The row that wins: the columns to load, and what it goes by.
    Rows { loaded: Vec<String>, order: Vec<Ordering> },
}

#[derive(Debug)]
struct Value {
    says: Says,
    columns: Vec<String>,
}

/// A column by which rows are ordered, texts by their bytes.
#[derive(Debug)]
struct Ordering {
    column: String,
    kind: ColumnKind,
}

impl Ordering {
    fn of(&self, alias: &str) -> String {
        by_bytes(&format!("{alias}.{}", self.column), self.kind)
    }
}

fn by_bytes(column: &str, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Text => format!("{column} collate \"C\""),
        _ => column.to_owned(),
    }
}

/// Of which rows a query makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    /// The columns in which they agree, with commas between.
    pub by: &'a str,
    /// The table and what it is joined with.
    pub from: &'a str,
    /// What the table is called in it.
    pub alias: &'a str,
    /// Which of two files is the older one: by the first of these that differs. None if all rows are of one file.
    pub files: &'a [&'a str],
}

impl Content {
    /// What parts of this layout say.
    ///
    /// # Errors
    /// As [`quoted`].
    pub(crate) fn new(layout: &Layout) -> Result<Self> {
        let before = usize::from(layout.per_file) + usize::from(layout.has_states) + layout.keys.len();
        let mut columns = Vec::new();
        for column in layout.columns().into_iter().skip(before) {
            let quoted = quoted(&column.name)?;
            columns.push(PartColumn { name: column.name, quoted, kind: column.kind, is_zero_if_empty: false });
        }
        let says = match &layout.content {
            PartContent::Values(words) => {
                let mut rest = columns.iter_mut();
                let value = |word: &Word| {
                    let own = zeros(word).into_iter().zip(rest.by_ref()).map(|(is_zero_if_empty, column)| {
                        column.is_zero_if_empty = is_zero_if_empty;
                        column.quoted.clone()
                    });
                    Value { says: word.says, columns: own.collect() }
                };
                What::Values(words.iter().map(value).collect())
            }
            PartContent::Rows { columns: loaded, order_by } => What::Rows {
                loaded: columns.iter().take(loaded.len()).map(|column| column.quoted.clone()).collect(),
                order: (order_by.iter().enumerate())
                    .map(|(place, kind)| Ordering { column: order_column(place), kind: *kind })
                    .collect(),
            },
        };
        Ok(Self { columns, says })
    }

    /// Whether the parts have rows, each as it is.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(self.says, What::Rows { .. })
    }

    /// Whether it is only counted.
    pub(crate) fn only_counts(&self) -> bool {
        matches!(&self.says, What::Values(values) if values.iter().all(|value| matches!(value.says, Says::Count)))
    }

    /// The columns with commas between.
    pub(crate) fn list(&self) -> String {
        self.each(str::to_owned)
    }

    /// The columns, each as `form` has it, with commas between.
    pub(crate) fn each(&self, form: impl Fn(&str) -> String) -> String {
        self.columns.iter().map(|column| form(&column.quoted)).collect::<Vec<_>>().join(", ")
    }

    /// The columns of a table or alias, with commas between.
    pub(crate) fn of(&self, alias: &str) -> String {
        self.each(|name| format!("{alias}.{name}"))
    }

    /// The columns of a table or alias as they are kept: zeros at the end of a number go, for 1.50 and 1.5 are to be
    /// one value.
    pub(crate) fn trimmed(&self, alias: &str) -> String {
        self.columns.iter().map(|column| column.trimmed(alias)).collect::<Vec<_>>().join(", ")
    }

    /// Sets each column to that of a table or alias.
    pub(crate) fn set_from(&self, alias: &str) -> String {
        self.each(|name| format!("{name} = {alias}.{name}"))
    }

    /// The columns by which it shows whether two files say the same.
    fn telling(&self) -> impl Iterator<Item = &PartColumn> {
        self.columns_of(Value::telling)
    }

    /// The columns that `of` takes of each value; of rows all that are loaded.
    fn columns_of(&self, of: fn(&Value) -> &[String]) -> impl Iterator<Item = &PartColumn> {
        let told: Vec<&String> = match &self.says {
            What::Values(values) => values.iter().flat_map(of).collect(),
            What::Rows { loaded, .. } => loaded.iter().collect(),
        };
        self.columns.iter().filter(move |column| told.contains(&&column.quoted))
    }

    /// That two rows say the same.
    pub(crate) fn says_same(&self, one: &str, other: &str) -> String {
        let (plain, nullable): (Vec<_>, Vec<_>) = self.telling().partition(|column| column.is_zero_if_empty);
        let plain: Vec<String> = plain.iter().map(|column| column.quoted.clone()).collect();
        let equal = format!("({}) = ({})", qualified(other, &plain), qualified(one, &plain));
        let nullable =
            nullable.iter().map(|column| format!("{one}.{0} is not distinct from {other}.{0}", column.quoted));
        (!plain.is_empty()).then_some(equal).into_iter().chain(nullable).collect::<Vec<_>>().join(" and ")
    }

    /// A number by which rows that say the same are found: equal for these, and hardly ever for others.
    pub(crate) fn hashed(&self, alias: &str) -> String {
        // Equal numbers have one text once they are trimmed; an earlier version kept them as they came.
        let columns = self.telling().map(|column| column.trimmed(alias)).collect::<Vec<_>>().join(", ");
        format!("hashtextextended(row({columns})::text collate \"C\", 0)")
    }

    /// In how many values a row says something: neither null, nor 0, nor false.
    pub(crate) fn figures(&self, alias: &str) -> String {
        let figure = |column: &PartColumn| {
            let name = format!("{alias}.{}", column.quoted);
            match column.kind {
                ColumnKind::Smallint | ColumnKind::Bigint | ColumnKind::Numeric if column.is_zero_if_empty => {
                    format!("({name} <> 0)::int")
                }
                ColumnKind::Smallint | ColumnKind::Bigint | ColumnKind::Numeric => {
                    format!("coalesce({name} <> 0, false)::int")
                }
                ColumnKind::Boolean => format!("coalesce({name}, false)::int"),
                _ => format!("({name} is not null)::int"),
            }
        };
        self.telling().map(figure).collect::<Vec<_>>().join(" + ")
    }

    /// How many different figures the rows of a group have, any number from two on standing for all of these: pairs of
    /// a column and what it says that is neither null, nor 0, nor false. Counts, also those of a mean, are often equal
    /// by chance, and are no figures.
    pub(crate) fn different_figures(&self, alias: &str) -> String {
        let different = |column: &PartColumn| {
            let name = format!("{alias}.{}", column.quoted);
            let figure = match column.kind {
                ColumnKind::Smallint | ColumnKind::Bigint | ColumnKind::Numeric => format!("nullif({name}, 0)"),
                ColumnKind::Boolean => format!("nullif({name}, false)::int"),
                // It has no order of its own.
                ColumnKind::Jsonb => format!("{name}::text"),
                _ => name,
            };
            format!("coalesce(2 - (min({figure}) = max({figure}))::int, 0)")
        };
        let sum = self.columns_of(Value::figures).map(different).collect::<Vec<_>>().join(" + ");
        if sum.is_empty() { "0".to_owned() } else { sum }
    }

    /// A query that makes one row of all rows of a group, with the columns of the parts. `more` has other columns, each
    /// with a comma behind it, of which the text given to it turns an aggregate into one over the group.
    pub(crate) fn combined(&self, group: Group<'_>, more: impl Fn(&str) -> String) -> String {
        let columns = |values: &[Value]| {
            let columns = values.iter().flat_map(|value| value.combined(group).into_iter().zip(&value.columns));
            columns.map(|(combined, name)| format!("{combined} as {name}")).collect::<Vec<_>>().join(", ")
        };
        self.grouped(group, more, columns, &self.of(group.alias))
    }

    /// The same, with the columns of the table: what it comes to in the end. Of rows also whether the key is deleted.
    pub(crate) fn totals(&self, group: Group<'_>, names: &[String], more: impl Fn(&str) -> String) -> String {
        let columns = |values: &[Value]| {
            let totals = values.iter().zip(names);
            totals.map(|(value, name)| value.named(&value.combined(group), name)).collect::<Vec<_>>().join(", ")
        };
        self.grouped(group, more, columns, &self.values_of(group.alias, names))
    }

    /// What one row of the parts comes to in the end, as columns of the table with these names; of rows also whether
    /// the key is deleted.
    pub(crate) fn values_of(&self, alias: &str, names: &[String]) -> String {
        let values: Vec<String> = match &self.says {
            What::Values(values) => {
                let total = |(value, name): (&Value, &String)| {
                    let columns: Vec<String> = value.columns.iter().map(|column| format!("{alias}.{column}")).collect();
                    value.named(&columns, name)
                };
                values.iter().zip(names).map(total).collect()
            }
            What::Rows { loaded, .. } => loaded
                .iter()
                .map(String::as_str)
                .chain([DELETED_COLUMN])
                .map(|name| format!("{alias}.{name}"))
                .collect(),
        };
        values.join(", ")
    }

    fn grouped(
        &self,
        group: Group<'_>,
        more: impl Fn(&str) -> String,
        values: impl Fn(&[Value]) -> String,
        of_winner: &str,
    ) -> String {
        let Group { by, from, alias, files } = group;
        match &self.says {
            What::Values(parts) => {
                format!("select {by}, {}{} from {from} group by {by} order by {by}", more(""), values(parts))
            }
            What::Rows { .. } => {
                let (rank, more) = (self.rank(alias, files), more(&format!(" over (partition by {by})")));
                format!("select distinct on ({by}) {by}, {more}{of_winner} from {from} order by {by}, {rank}")
            }
        }
    }

    fn ordering(&self) -> &[Ordering] {
        match &self.says {
            What::Rows { order, .. } => order,
            What::Values(_) => &[],
        }
    }

    /// What rows go by beside their files, with its types: names that are no words of SQL.
    pub(crate) fn order(&self) -> impl Iterator<Item = (&str, String)> {
        self.ordering().iter().map(|ordering| (ordering.column.as_str(), by_bytes(ordering.kind.sql(), ordering.kind)))
    }

    /// That a row wins against another one that came after it, or is its equal; `files` as in [`Group::files`], of each
    /// of both. Of one file the rows go by their places only if they are of one version, which has the same text in the
    /// column `version`; else the row that came later wins.
    pub(crate) fn wins(&self, one: &str, other: &str, files: [&[String]; 2], version: &str) -> String {
        let [of_one, of_other] = files.map(|file| file.join(", "));
        let by_file = format!(
            "(({of_one}) > ({of_other}) or ({of_one}) = ({of_other}) and {one}.{version} = {other}.{version} \
             and {one}.{ROW_COLUMN} >= {other}.{ROW_COLUMN})"
        );
        self.ordering().iter().rev().fold(by_file, |rest, ordering| {
            let (one, other) = (ordering.of(one), ordering.of(other));
            // A null is the least.
            format!(
                "case when {one} is distinct from {other} then coalesce({one} > {other}, {other} is null) else {rest} end"
            )
        })
    }

    /// The order of rows in which the one that wins is first.
    pub(crate) fn rank(&self, alias: &str, files: &[&str]) -> String {
        // A null is the least.
        let order = self.ordering().iter().map(|ordering| format!("{} desc nulls last", ordering.of(alias)));
        let files = files.iter().map(|file| format!("{file} desc"));
        // Of which all rows are bad there is none: it has no number, and wins against nothing.
        let is_none = format!("{alias}.{ROW_COLUMN} = 0");
        let row = format!("{alias}.{ROW_COLUMN} desc");
        [is_none].into_iter().chain(order).chain(files).chain([row]).collect::<Vec<_>>().join(", ")
    }
}

/// For each column of a word whether it is 0 where nothing is said.
fn zeros(word: &Word) -> Vec<bool> {
    match word.says {
        Says::Sum { is_null_if_empty, .. } => vec![!is_null_if_empty],
        Says::Count => vec![true],
        Says::Min { .. } | Says::Max { .. } => vec![false],
        Says::Mean { .. } => vec![true, true],
        Says::First { .. } | Says::Last { .. } => vec![false, false, true],
    }
}

impl Value {
    fn figures(&self) -> &[String] {
        match self.says {
            Says::Count => &[],
            Says::Mean { .. } => &self.columns[..1],
            _ => self.telling(),
        }
    }

    fn telling(&self) -> &[String] {
        match self.says {
            Says::First { .. } | Says::Last { .. } => &self.columns[..1],
            _ => &self.columns,
        }
    }

    /// Its columns, of all rows of a group.
    fn combined(&self, group: Group<'_>) -> Vec<String> {
        let column = |place: usize| format!("{}.{}", group.alias, self.columns[place]);
        let sum = |place| format!("trim_scale(sum({}))", column(place));
        let count = |place| format!("sum({})::bigint", column(place));
        match self.says {
            Says::Sum { .. } => vec![sum(0)],
            Says::Count => vec![count(0)],
            Says::Min { kind } => vec![format!("min({})", by_bytes(&column(0), kind))],
            Says::Max { kind } => vec![format!("max({})", by_bytes(&column(0), kind))],
            Says::Mean { .. } => vec![sum(0), count(1)],
            Says::First { order, .. } | Says::Last { order, .. } => {
                let (end, direction) = match self.says {
                    Says::First { .. } => ("min", ""),
                    _ => ("max", " desc"),
                };
                let (order, row) = (by_bytes(&column(1), order), column(2));
                let rank: Vec<String> = [order.as_str()]
                    .iter()
                    .chain(group.files)
                    .chain(&[row.as_str()])
                    .map(|part| format!("{part}{direction}"))
                    .collect();
                let (rank, counts) = (rank.join(", "), format!("filter (where {} is not null)", column(1)));
                vec![
                    format!("(array_agg({} order by {rank}) {counts})[1]", column(0)),
                    format!("{end}({order})"),
                    format!("coalesce((array_agg({row} order by {rank}) {counts})[1], 0)"),
                ]
            }
        }
    }

    /// What it comes to in the end, of its columns as they are given.
    fn total(&self, columns: &[String]) -> String {
        match self.says {
            Says::Sum { divided: Some(division), .. } => divided(&columns[0], "1", division),
            Says::Mean { divided: division } => {
                format!("case when {} > 0 then {} end", columns[1], divided(&columns[0], &columns[1], division))
            }
            _ => columns[0].clone(),
        }
    }

    fn named(&self, columns: &[String], name: &str) -> String {
        format!("{} as {name}", self.total(columns))
    }
}

/// A sum over a count and a divisor. Exact: whole numbers are divided, and the rest is cut off (`div`), never a
/// quotient that was rounded before. Half of the divisor is added for halves to be rounded away from zero.
fn divided(sum: &str, count: &str, Division { by, scale }: Division) -> String {
    let digits = usize::try_from(scale).unwrap_or(usize::MAX);
    let unit = format!("1{}", "0".repeat(digits));
    let last = match digits {
        0 => "1".to_owned(),
        _ => format!("0.{}1", "0".repeat(digits - 1)),
    };
    let by = format!("({count} * {by}::numeric)");
    format!("trim_scale(sign({sum}) * div(2 * abs({sum}) * {unit}::numeric + {by}, 2 * {by}) * {last}::numeric)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(content: serde_json::Value) -> Content {
        let keys = json!([{"name": "k", "kind": "text"}]);
        let layout = json!({"per_file": true, "has_states": true, "keys": keys, "content": content});
        Content::new(&serde_json::from_value(layout).unwrap()).unwrap()
    }

    const GROUP: Group<'_> = Group { by: "w.\"k\"", from: "t w join f", alias: "w", files: &["f.modified", "f.name"] };

    #[test]
    fn the_usual_sums_stay_as_they_were() {
        let sum = |name: &str| json!({"name": name, "says": "sum", "is_null_if_empty": false, "divided": null});
        let content = content(json!({"values": [sum("a"), sum("b")]}));
        let names = ["\"a\"".to_owned(), "\"b\"".to_owned()];
        assert_eq!(
            content.totals(GROUP, &names, |_| "count(*) as n, ".to_owned()),
            "select w.\"k\", count(*) as n, trim_scale(sum(w.\"a\")) as \"a\", trim_scale(sum(w.\"b\")) as \"b\" \
             from t w join f group by w.\"k\" order by w.\"k\""
        );
        assert_eq!(content.says_same("one", "other"), "(other.\"a\", other.\"b\") = (one.\"a\", one.\"b\")");
        assert_eq!(
            content.hashed("one"),
            "hashtextextended(row(trim_scale(one.\"a\"), trim_scale(one.\"b\"))::text collate \"C\", 0)"
        );
        assert_eq!(content.figures("one"), "(one.\"a\" <> 0)::int + (one.\"b\" <> 0)::int");
        assert_eq!(
            content.different_figures("one"),
            "coalesce(2 - (min(nullif(one.\"a\", 0)) = max(nullif(one.\"a\", 0)))::int, 0) \
             + coalesce(2 - (min(nullif(one.\"b\", 0)) = max(nullif(one.\"b\", 0)))::int, 0)"
        );
    }

    #[test]
    fn a_row_wins_by_its_order_then_by_its_file_then_by_its_place() {
        let columns = json!([{"name": "c", "kind": "text"}]);
        let content = content(json!({"rows": {"columns": columns, "order_by": ["text", "numeric"]}}));
        assert_eq!(
            content.totals(GROUP, &["\"c\"".to_owned()], |over| format!("count(*){over} as n, ")),
            "select distinct on (w.\"k\") w.\"k\", count(*) over (partition by w.\"k\") as n, w.\"c\", w.sluice_deleted \
             from t w join f order by w.\"k\", w.sluice_row = 0, w.sluice_order_0 collate \"C\" desc nulls last, \
             w.sluice_order_1 desc nulls last, f.modified desc, f.name desc, w.sluice_row desc"
        );
    }
}
