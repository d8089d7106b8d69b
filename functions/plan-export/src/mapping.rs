//! Matches the columns of both sides by name, and tells all that is wrong at once.

use crate::types::{self, TargetColumn};
use redshift::text;
use sluice::contract::copy_table::{Columns, NewColumn};
use sluice::contract::mysql_to_redshift::{Form, PlannedColumn, SourceColumn, SourceTable, Spec};

/// How the columns go over.
#[derive(Debug, Default, PartialEq)]
pub struct Mapping {
    /// In the order of the source.
    pub columns: Vec<PlannedColumn>,
    /// Each as `name: from -> to`.
    pub told: Vec<String>,
    /// Columns of the source that are left out.
    pub ignored: Vec<String>,
    /// What works, but not well.
    pub warnings: Vec<String>,
}

/// The target of a table that is not there, and the statement that makes it.
///
/// # Errors
/// Every column that cannot be one of Redshift.
pub fn derived(spec: &Spec, table: &SourceTable) -> Result<(Vec<TargetColumn>, String), Vec<String>> {
    let (mut columns, mut lines, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for column in chosen(spec, table) {
        let name = column.name.to_lowercase();
        let type_name = match spec.target.types.get(&column.name) {
            Some(given) => Ok(given.clone()),
            None => types::derive(column),
        };
        match type_name.and_then(|type_name| Ok((types::parse(&name, &type_name)?, type_name))) {
            Ok((mut target, type_name)) => {
                target.is_nullable = column.is_nullable && !spec.target.key.contains(&column.name);
                let null = if target.is_nullable { "" } else { " not null" };
                lines.push(format!("{} {type_name}{null}", text::quoted(&name)));
                columns.push(target);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if !spec.target.key.is_empty() {
        lines.push(format!("primary key ({})", text::list(spec.target.key.iter().map(String::as_str))));
    }
    let distribution = spec.target.key.first().map(|key| format!(" distkey ({})", text::quoted(&key.to_lowercase())));
    let order =
        spec.windows.as_ref().map(|windows| format!(" sortkey ({})", text::quoted(&windows.cursor.to_lowercase())));
    let statement = format!(
        "create table {} ({}){}{}",
        text::table(&spec.target.schema, &spec.target.table),
        lines.join(", "),
        distribution.unwrap_or_default(),
        order.unwrap_or_default()
    );
    Ok((columns, statement))
}

/// The columns that the spec wants, as far as they are there.
fn chosen<'a>(spec: &'a Spec, table: &'a SourceTable) -> impl Iterator<Item = &'a SourceColumn> {
    table.columns.iter().filter(|column| match &spec.source.columns {
        Columns::All => true,
        Columns::Listed(names) => names.contains(&column.name),
    })
}

/// Matches them.
///
/// # Errors
/// All that is wrong.
pub fn matched(spec: &Spec, table: &SourceTable, target: &[TargetColumn]) -> Result<Mapping, Vec<String>> {
    let (mut mapping, mut problems) = (Mapping::default(), Vec::new());
    if let Columns::Listed(names) = &spec.source.columns {
        for name in names.iter().filter(|name| !table.columns.iter().any(|column| column.name == **name)) {
            problems.push(format!("{} has no column {name:?}", spec.source_name()));
        }
        let is_listed = |column: &&SourceColumn| !names.contains(&column.name);
        mapping.ignored = table.columns.iter().filter(is_listed).map(|column| column.name.clone()).collect();
    }
    for column in chosen(spec, table) {
        // Redshift knows names in small letters only.
        let Some(to) = target.iter().find(|to| to.name == column.name.to_lowercase()) else {
            match spec.target.new_column {
                NewColumn::Ignore => mapping.ignored.push(column.name.clone()),
                NewColumn::Fail => problems.push(format!("{} has no column {:?}", spec.target_name(), column.name)),
            }
            continue;
        };
        match types::fit(column, to) {
            Ok((read, form)) => {
                if column.is_nullable && !to.is_nullable {
                    let name = &column.name;
                    mapping.warnings.push(format!(
                        "the column {name:?} may be NULL in MySQL and not in Redshift: a NULL ends a load"
                    ));
                }
                mapping.told.push(format!("{}: {} -> {}", column.name, column.column_type, to.type_name()));
                mapping.columns.push(PlannedColumn { name: column.name.clone(), read, form });
            }
            Err(problem) => problems.push(problem),
        }
    }
    let is_loaded = |to: &&TargetColumn| !chosen(spec, table).any(|column| column.name.to_lowercase() == to.name);
    for to in target.iter().filter(is_loaded) {
        match to.is_nullable || to.has_default {
            true => mapping.warnings.push(format!(
                "the column {:?} of {} is none of the source's: rows that are written again get its default there",
                to.name,
                spec.target_name()
            )),
            false => problems.push(format!(
                "{} has a column {:?} that is NOT NULL, and the source has none",
                spec.target_name(),
                to.name
            )),
        }
    }
    needed(spec, table, &mapping, &mut problems);
    if problems.is_empty() { Ok(mapping) } else { Err(problems) }
}

/// The columns that loading itself needs.
fn needed(spec: &Spec, table: &SourceTable, mapping: &Mapping, problems: &mut Vec<String>) {
    let form = |name: &String| mapping.columns.iter().find(|column| column.name == *name).map(|column| column.form);
    let cursor = spec.windows.as_ref().map(|windows| &windows.cursor);
    let is_known = |name: &String| table.columns.iter().any(|column| column.name == *name);
    for (what, name) in spec
        .target
        .key
        .iter()
        .map(|name| ("key", name))
        .chain(spec.target.version.iter().map(|name| ("version", name)))
        .chain(spec.target.deleted.iter().map(|name| ("mark of deleted rows", name)))
        .chain(cursor.map(|name| ("cursor", name)))
    {
        match form(name) {
            None if !is_known(name) => {
                problems.push(format!("{} has no column {name:?}, the {what}", spec.source_name()))
            }
            None if mapping.ignored.contains(name) => {
                problems.push(format!("{} has no column {name:?}, the {what}", spec.target_name()));
            }
            None => {} // What is wrong with it is told already.
            Some(Form::Date | Form::Timestamp) => {}
            Some(_) if what == "cursor" => {
                problems.push(format!("the cursor {name:?} is no date, datetime or timestamp"));
            }
            Some(Form::Boolean | Form::Integer { .. } | Form::Decimal { .. }) => {}
            Some(_) if spec.target.deleted.as_ref() == Some(name) && what.starts_with("mark") => {
                problems
                    .push(format!("the column {name:?} marks no rows: it is no number, BOOLEAN, date or timestamp"));
            }
            Some(Form::Float | Form::Super) => {
                problems.push(format!("the column {name:?} cannot be the {what}: its values are not exact"))
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sluice::contract::mysql_to_redshift::Parts;

    fn spec(change: impl Fn(&mut Value)) -> Spec {
        let mut parts = json!({
            "source": {"schema": "prod", "table": "nps"},
            "target": {"table": "nps", "key": ["id"], "mode": "upsert"},
            "windows": {"cursor": "created_at", "zone": "UTC", "start": "2018-01-01"},
        });
        change(&mut parts);
        serde_json::from_value::<Parts>(parts).unwrap().check().unwrap()
    }

    fn nps() -> SourceTable {
        let column = |name: &str, data_type: &str, is_nullable| SourceColumn {
            name: name.into(),
            data_type: data_type.into(),
            column_type: data_type.into(),
            is_nullable,
            ..SourceColumn::default()
        };
        let columns = vec![
            column("id", "int", false),
            column("created_at", "timestamp", true),
            column("score", "smallint", true),
        ];
        SourceTable { columns, rows_estimated: None, indexed: Vec::new(), unique: Vec::new(), rows_without_window: 0 }
    }

    #[test]
    fn a_table_that_is_made_is_one_that_fits() {
        let (columns, statement) = derived(&spec(|_| ()), &nps()).unwrap();
        let expected = "create table \"public\".\"nps\" (\"id\" integer not null, \"created_at\" timestamp, \
                        \"score\" smallint, primary key (\"id\")) distkey (\"id\") sortkey (\"created_at\")";
        assert_eq!(statement, expected);
        let mapping = matched(&spec(|_| ()), &nps(), &columns).unwrap();
        assert_eq!(
            mapping.told,
            [
                "id: int -> integer",
                "created_at: timestamp -> timestamp without time zone",
                "score: smallint -> smallint"
            ]
        );
        assert!(mapping.warnings.is_empty() && mapping.ignored.is_empty());
        let wide = spec(|parts| {
            parts["target"] =
                json!({"table": "nps", "key": ["id"], "mode": "upsert", "create": true, "types": {"score": "bigint"}})
        });
        assert!(derived(&wide, &nps()).unwrap().1.contains("\"score\" bigint"));
    }

    #[test]
    fn everything_that_does_not_fit_is_told_at_once() {
        let target = ["id varchar(10)", "score integer", "team integer not null"].map(|line| {
            let (name, rest) = line.split_once(' ').unwrap();
            let is_nullable = !rest.ends_with("not null");
            TargetColumn { is_nullable, ..types::parse(name, rest.trim_end_matches(" not null")).unwrap() }
        });
        let problems = matched(&spec(|_| ()), &nps(), &target).unwrap_err();
        let expected = [
            "the column \"id\" is int in MySQL and varchar(10) in Redshift",
            "public.nps has no column \"created_at\"",
            "public.nps has a column \"team\" that is NOT NULL",
        ];
        assert_eq!(problems.len(), 3, "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem}");
        }
        let no_key = spec(|parts| parts["target"]["key"] = json!(["uid"]));
        let problems = matched(&no_key, &nps(), &derived(&spec(|_| ()), &nps()).unwrap().0).unwrap_err();
        assert_eq!(problems, ["prod.nps has no column \"uid\", the key"]);
        let mut texts = nps();
        texts.columns.push(SourceColumn {
            name: "gone".into(),
            data_type: "text".into(),
            column_type: "text".into(),
            octets: Some(9),
            ..SourceColumn::default()
        });
        let marked = spec(|parts| {
            parts["target"]["deleted"] = json!("gone");
            parts["target"]["on_deleted"] = json!("delete");
        });
        let problems = matched(&marked, &texts, &derived(&marked, &texts).unwrap().0).unwrap_err();
        assert_eq!(problems, ["the column \"gone\" marks no rows: it is no number, BOOLEAN, date or timestamp"]);
        let by_score = spec(|parts| parts["windows"]["cursor"] = json!("score"));
        let problems = matched(&by_score, &nps(), &derived(&spec(|_| ()), &nps()).unwrap().0).unwrap_err();
        assert_eq!(problems, ["the cursor \"score\" is no date, datetime or timestamp"]);
    }

    #[test]
    fn columns_that_are_not_named_are_told() {
        let some = spec(|parts| parts["source"]["columns"] = json!(["id", "created_at"]));
        let target = [types::parse("id", "integer").unwrap(), types::parse("created_at", "timestamp").unwrap()];
        assert_eq!(matched(&some, &nps(), &target).unwrap().ignored, ["score"]);
        let ignoring = spec(|parts| parts["target"]["new_column"] = json!("ignore"));
        assert_eq!(matched(&ignoring, &nps(), &target).unwrap().ignored, ["score"]);
        // But not if loading needs them.
        let marked = spec(|parts| {
            parts["target"]["new_column"] = json!("ignore");
            parts["target"]["deleted"] = json!("score");
            parts["target"]["on_deleted"] = json!("delete");
        });
        let problems = matched(&marked, &nps(), &target).unwrap_err();
        assert_eq!(problems, ["public.nps has no column \"score\", the mark of deleted rows"]);
        assert_eq!(matched(&spec(|_| ()), &nps(), &target).unwrap_err(), ["public.nps has no column \"score\""]);
    }
}
