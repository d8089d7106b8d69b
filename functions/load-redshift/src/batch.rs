//! The statements of a load. All of them are one transaction; the first one takes the lock of the job before anything
//! takes a snapshot, so that a load that waited sees what the one before has done, at every isolation level. Readers of
//! the target are not disturbed.

use crate::guards::Guard;
use crate::sums;
use redshift::bookkeeping::{LOADS, lock_table};
use redshift::text::{list, literal, quoted, table};
use sluice::contract::copy_table::Mode;
use sluice::contract::mysql_to_redshift::{Export, Form, Plan, PlannedColumn, PlannedWindow};
use sluice::contract::{Execution, ObjectRef};

/// The rows that a load brings, as they are before they are in the target.
const STAGE: &str = "sluice_stage";

/// Keys whose rows are in the target already as they are.
const SAME: &str = "sluice_same";

/// How many rows a table had that is replaced.
const KNOWN: &str = "sluice_known";

/// How many columns one guard compares: the Data API takes 100,000 bytes a statement.
const COLUMNS_PER_GUARD: usize = 100;

/// One load.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Which execution.
    pub execution: &'a Execution,
    /// What it loads.
    pub plan: &'a Plan,
    /// Which window.
    pub index: u32,
    /// The same.
    pub window: &'a PlannedWindow,
    /// What was read of it.
    pub export: &'a Export,
    /// The role by which Redshift reads the parts.
    pub role: &'a str,
}

/// A statement, and what the number of rows that it reports means.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// SQL.
    pub text: String,
    /// What its rows are.
    pub rows: Rows,
}

/// What the rows of a statement are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Nothing that is counted.
    Other,
    /// Rows of the source whose row in the target is newer.
    Newer,
    /// Rows of the source that are in the target as they are.
    Unchanged,
    /// Rows that the source marks as deleted, and that are left out.
    Gone,
    /// Rows of the target that went.
    Deleted,
    /// Rows that came.
    Inserted,
}

impl Load<'_> {
    /// Which load it is in the table of loads.
    pub fn run(&self) -> String {
        format!("{}/{:05}", self.execution.id, self.index)
    }

    /// The statements, in their order.
    pub fn statements(&self) -> Vec<Statement> {
        let mut all = Statements::default();
        all.other(format!("lock {}", lock_table(&self.execution.job)));
        let ours = self.recorded();
        let run = format!("{LOADS} where {ours} and run = {}", literal(&self.run()));
        all.other(Guard::AlreadyLoaded.query(&run, "count(*) > 0"));
        let later =
            format!("{LOADS} where {ours} and exported_at > {}{}", literal(&self.export.exported_at), self.overlaps());
        all.other(Guard::Stale.query(&later, "count(*) > 0"));
        if let Some(unsettled) = self.unsettled() {
            let read_later = format!("{LOADS} where {ours} and exported_at > {}", literal(&self.export.exported_at));
            all.other(Guard::Returns.query(&format!("{read_later} and {unsettled}"), "count(*) > 0"));
        }
        if let Some(past) = &self.window.past {
            let [from, to] = past.bounds.each_ref().map(|bound| literal(bound));
            let is_in = format!(
                "{LOADS} where {ours} and ((window_from = {from} and window_to = {to}) \
                 or (window_from is null and exported_at >= {}))",
                literal(&past.complete_at)
            );
            all.other(Guard::Past.query(&is_in, "count(*) = 0"));
        }
        match self.plan.mode {
            Mode::Replace => self.replace(&mut all),
            Mode::Upsert => self.upsert(&mut all),
            Mode::ReplaceWindow => self.replace_window(&mut all),
        }
        all.other(self.record());
        all.0
    }

    fn target(&self) -> String {
        table(&self.plan.target[0], &self.plan.target[1])
    }

    /// Which rows of the table of loads are about this job and table.
    fn recorded(&self) -> String {
        let target = self.plan.target.join(".");
        format!("job = {} and target = {}", literal(&self.execution.job), literal(&target))
    }

    /// That a recorded window has something in common with this one.
    fn overlaps(&self) -> String {
        let Some([from, to]) = &self.window.bounds else { return String::new() };
        let (from, to) = (literal(from), literal(to));
        format!(" and (window_from is null or (window_from < {to} and window_to > {from}))")
    }

    /// That a recorded window was not over when this one was read, where that matters: a row may have gone there since,
    /// and have been deleted by that load, which leaves no version behind that could tell how old this reading is.
    fn unsettled(&self) -> Option<String> {
        let matters = self.plan.mode == Mode::Upsert && self.plan.deleted.is_some() && self.window.bounds.is_some();
        let (read_at, minutes) = (literal(&self.export.exported_at), self.plan.settled_after_minutes);
        matters.then(|| format!("window_to > cast({read_at} as timestamp) - interval '{minutes} minutes'"))
    }

    fn columns(&self) -> String {
        list(
            self.plan
                .columns
                .iter()
                .map(|column| column.name.to_lowercase())
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        )
    }

    fn key(&self) -> Vec<String> {
        self.plan.key.iter().map(|name| quoted(&name.to_lowercase())).collect()
    }

    /// That both rows have the same key.
    fn same_key(&self, one: &str, other: &str) -> String {
        let key = self.key();
        key.iter().map(|name| format!("{one}.{name} = {other}.{name}")).collect::<Vec<_>>().join(" and ")
    }

    /// That both rows have the same values outside of the key, NULL being one of them.
    fn same_values(&self, one: &str, other: &str) -> String {
        let others = self.plan.columns.iter().filter(|column| !self.plan.key.contains(&column.name));
        let same = others.map(|column| {
            let name = quoted(&column.name.to_lowercase());
            // Blanks at the end mean nothing to a comparison of texts in Redshift.
            let length = match column.form {
                Form::Text { .. } => format!(" and octet_length({one}.{name}) = octet_length({other}.{name})"),
                _ => String::new(),
            };
            format!("(({one}.{name} = {other}.{name}{length}) or ({one}.{name} is null and {other}.{name} is null))")
        });
        let is_kept = self.is_gone(&format!("{other}.")).map(|is_gone| format!("not ({is_gone})"));
        let same: Vec<String> = same.chain(is_kept).collect();
        if same.is_empty() { "1 = 1".to_owned() } else { same.join(" and ") }
    }

    /// That the source marks a row as deleted; `prefix` stands before the column. `None` if no column does.
    fn is_gone(&self, prefix: &str) -> Option<String> {
        let name = self.plan.deleted.as_ref()?;
        let column = self.plan.columns.iter().find(|column| column.name == *name)?;
        let column_name = format!("{prefix}{}", quoted(&name.to_lowercase()));
        Some(match column.form {
            Form::Boolean => format!("coalesce({column_name}, false)"),
            Form::Date | Form::Timestamp => format!("{column_name} is not null"),
            _ => format!("coalesce({column_name}, 0) <> 0"),
        })
    }

    /// Takes rows that the source marks as deleted out of a table.
    fn leave_out(&self, all: &mut Statements, table: &str) {
        if let Some(is_gone) = self.is_gone("") {
            all.counted(Rows::Gone, format!("delete from {table} where {is_gone}"));
        }
    }

    /// Brings the parts into a table, and compares what came with what was read.
    fn copy(&self, all: &mut Statements, into: &str) {
        if let Some(manifest) = &self.export.manifest {
            all.other(format!(
                "copy {into} ({}) from {} iam_role {} manifest format csv zstd null as {} dateformat 'YYYY-MM-DD' \
                 timeformat 'YYYY-MM-DD HH:MI:SS' compupdate off statupdate off",
                self.columns(),
                literal(&url(manifest)),
                literal(self.role),
                literal(&self.plan.null_marker)
            ));
        }
        all.other(Guard::RowsLoaded.query(into, &format!("count(*) <> {}", self.export.rows)));
        let pairs: Vec<(&PlannedColumn, _)> = self.plan.columns.iter().zip(&self.export.columns).collect();
        for some in pairs.chunks(COLUMNS_PER_GUARD) {
            let differs = some
                .iter()
                .filter_map(|(column, read)| sums::differs(&quoted(&column.name.to_lowercase()), column.form, read));
            let differs: Vec<String> = differs.collect();
            if !differs.is_empty() {
                all.other(Guard::SumsDiffer.query(into, &differs.join(" or ")));
            }
        }
        let key = self.key();
        if !key.is_empty() {
            let is_null: Vec<String> = key.iter().map(|name| format!("{name} is null")).collect();
            all.other(Guard::NullKey.query(&format!("{into} where {}", is_null.join(" or ")), "count(*) > 0"));
            let twice = format!("(select 1 as x from {into} group by {} having count(*) > 1) as twice", key.join(", "));
            all.other(Guard::DuplicateKeys.query(&twice, "count(*) > 0"));
        }
    }

    /// The whole table: not by TRUNCATE, which commits, nor by another table that takes its name, which loses grants
    /// and views. The data is written once.
    fn replace(&self, all: &mut Statements) {
        let target = self.target();
        let kept = 100 - u64::from(self.plan.max_shrink_percent.min(100));
        let leaves_out = self.plan.deleted.is_some();
        if kept > 0 && leaves_out {
            all.other(format!("create temp table {KNOWN} as select count(*) as known from {target}"));
        } else if kept > 0 {
            let shrinks = format!("count(*) * {kept} > {} * 100", self.export.rows);
            all.other(Guard::Shrinks.query(&target, &shrinks));
        }
        all.counted(Rows::Deleted, format!("delete from {target}"));
        self.copy(all, &target);
        self.leave_out(all, &target);
        if kept > 0 && leaves_out {
            // How many are left out is known only now.
            let shrinks = format!("max(known) * {kept} > (select count(*) from {target}) * 100");
            all.other(Guard::Shrinks.telling("max(known)", KNOWN, &shrinks));
        }
    }

    fn stage(&self, all: &mut Statements) {
        all.other(format!("create temp table {STAGE} (like {} including defaults)", self.target()));
        self.copy(all, STAGE);
        let key = self.key();
        if !key.is_empty() {
            // Redshift declares primary keys and does not hold to them.
            let target = self.target();
            let keys: Vec<String> = key.iter().map(|name| format!("{STAGE}.{name}")).collect();
            let twice = format!(
                "(select 1 as x from {target} join {STAGE} on {} group by {} having count(*) > 1) as twice",
                self.same_key(&target, STAGE),
                keys.join(", ")
            );
            all.other(Guard::KeyAudit.query(&twice, "count(*) > 0"));
        }
    }

    /// Rows by key: what the target has newer or as it is stays.
    fn upsert(&self, all: &mut Statements) {
        let target = self.target();
        self.stage(all);
        let on = self.same_key(&target, STAGE);
        // Which of two rows is newer the cursor says too: a row that has changed was read in a later window, and an
        // older reading of the window that it was in before may be loaded after that one.
        if let Some(version) = self.plan.version.as_ref().or(self.plan.cursor.as_ref()) {
            let version = quoted(&version.to_lowercase());
            let newer =
                format!("delete from {STAGE} using {target} where {on} and {target}.{version} > {STAGE}.{version}");
            all.counted(Rows::Newer, newer);
        }
        let same = self.same_values(&target, STAGE);
        all.counted(Rows::Unchanged, format!("delete from {STAGE} using {target} where {on} and {same}"));
        all.counted(Rows::Deleted, format!("delete from {target} using {STAGE} where {on}"));
        self.leave_out(all, STAGE);
        self.insert(all);
    }

    /// The window's rows become those of the source. What is the same on both sides stays, so that the same window
    /// again writes nothing.
    fn replace_window(&self, all: &mut Statements) {
        let (target, key) = (self.target(), self.key());
        self.stage(all);
        let within = match (&self.plan.cursor, &self.window.bounds) {
            (Some(cursor), Some([from, to])) => {
                let cursor = format!("{target}.{}", quoted(&cursor.to_lowercase()));
                format!("{cursor} >= {} and {cursor} < {}", literal(from), literal(to))
            }
            _ => "1 = 1".to_owned(),
        };
        if key.is_empty() {
            all.counted(Rows::Deleted, format!("delete from {target} where {within}"));
            self.leave_out(all, STAGE);
            return self.insert(all);
        }
        let keys: Vec<String> = key.iter().map(|name| format!("{STAGE}.{name}")).collect();
        let (on, same) = (self.same_key(&target, STAGE), self.same_values(&target, STAGE));
        all.other(format!(
            "create temp table {SAME} as select {} from {STAGE} join {target} on {on} where {same}",
            keys.join(", ")
        ));
        let is_same = self.same_key(SAME, &target);
        all.counted(
            Rows::Deleted,
            format!("delete from {target} where {within} and not exists (select 1 from {SAME} where {is_same})"),
        );
        let same_staged = self.same_key(STAGE, SAME);
        all.counted(Rows::Unchanged, format!("delete from {STAGE} using {SAME} where {same_staged}"));
        // Rows that are in another window of the target: their cursor has changed.
        all.counted(Rows::Deleted, format!("delete from {target} using {STAGE} where {on}"));
        self.leave_out(all, STAGE);
        self.insert(all);
    }

    fn insert(&self, all: &mut Statements) {
        let (target, columns) = (self.target(), self.columns());
        all.counted(Rows::Inserted, format!("insert into {target} ({columns}) select {columns} from {STAGE}"));
    }

    /// The load's own row, in the same transaction.
    fn record(&self) -> String {
        let bounds = self.window.bounds.as_ref();
        let [from, to] = [0, 1].map(|end| bounds.map_or_else(|| "null".to_owned(), |bounds| literal(&bounds[end])));
        let manifest = self.export.manifest.as_ref().map(url).unwrap_or_default();
        format!(
            "insert into {LOADS} (job, run, target, mode, window_from, window_to, exported_at, rows_exported, manifest) \
             values ({}, {}, {}, {}, {from}, {to}, {}, {}, {})",
            literal(&self.execution.job),
            literal(&self.run()),
            literal(&self.plan.target.join(".")),
            literal(self.plan.mode.name()),
            literal(&self.export.exported_at),
            self.export.rows,
            literal(&manifest)
        )
    }
}

fn url(object: &ObjectRef) -> String {
    format!("s3://{}/{}", object.bucket, object.key)
}

#[derive(Default)]
struct Statements(Vec<Statement>);

impl Statements {
    fn other(&mut self, text: String) {
        self.counted(Rows::Other, text);
    }

    fn counted(&mut self, rows: Rows, text: String) {
        self.0.push(Statement { text, rows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::copy_table::Window;
    use sluice::contract::mysql_to_redshift::{ColumnSum, Policies, Read, Verify};

    fn load(mode: Mode) -> (Execution, Plan, PlannedWindow, Export) {
        let execution = Execution {
            job: "daily-nps".into(),
            id: "arn:aws:states:eu-central-1:1:execution:dev-daily-nps:x".into(),
            name: "x".into(),
            started_at: "2024-01-02T02:00:00.000Z".into(),
            state_machine: "arn:aws:states:eu-central-1:1:stateMachine:dev-daily-nps".into(),
        };
        let integer = Form::Integer { least: -32_768, most: 32_767 };
        let column = |name: &str, form| PlannedColumn { name: name.into(), read: Read::Plain, form };
        let window = Window { start: "2024-01-01T00:00:00Z".into(), end: "2024-01-02T00:00:00Z".into() };
        let bounds = ["2024-01-01 00:00:00".to_owned(), "2024-01-02 00:00:00".to_owned()];
        let window = match mode {
            Mode::Replace => PlannedWindow::default(),
            _ => PlannedWindow { window: Some(window), bounds: Some(bounds), past: None },
        };
        let plan = Plan {
            source: ["prod".into(), "nps".into()],
            target: ["public".into(), "nps".into()],
            mode,
            columns: vec![
                column("id", integer),
                column("created_at", Form::Timestamp),
                column("note", Form::Text { bytes: 9 }),
            ],
            key: vec!["id".into()],
            is_order_unique: true,
            version: None,
            cursor: Some("created_at".into()),
            null_marker: "null0123".into(),
            max_shrink_percent: 50,
            policies: Policies::default(),
            deleted: None,
            settled_after_minutes: 0,
            verify: Verify::Sums,
            windows: vec![window.clone()],
        };
        let sum = |sum: &str| ColumnSum { values: 2, sum: Some(sum.into()), hash: None };
        let manifest = ObjectRef { bucket: "b".into(), key: "k/manifest.json".into(), etag: "e".into() };
        let export = Export {
            exported_at: "2024-01-02 02:00:01.000000".into(),
            rows: 2,
            columns: vec![sum("3"), sum("40480202000000000000"), sum("7")],
            manifest: Some(manifest),
            ..Export::default()
        };
        (execution, plan, window, export)
    }

    fn statements(mode: Mode, change: impl Fn(&mut Plan, &mut Export)) -> Vec<Statement> {
        let (execution, mut plan, window, mut export) = load(mode);
        change(&mut plan, &mut export);
        let role = "arn:aws:iam::1:role/read";
        Load { execution: &execution, plan: &plan, index: 0, window: &window, export: &export, role }.statements()
    }

    fn begins(statements: &[Statement]) -> Vec<String> {
        let words = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
        statements
            .iter()
            .map(|statement| match redshift::failure::guard(&statement.text) {
                Some((guard, _)) => guard.to_owned(),
                None => words(&statement.text),
            })
            .collect()
    }

    #[test]
    fn the_lock_comes_first_and_the_record_last() {
        let common = ["lock sluice.lock_daily_nps", "already_loaded", "stale"];
        let checked = ["copy", "rows_loaded", "sums_differ", "null_key", "duplicate_keys"];
        for (mode, own, behind) in [
            (Mode::Replace, vec!["shrinks", "delete from"], vec![]),
            (
                Mode::Upsert,
                vec!["create temp"],
                vec!["key_audit", "delete from", "delete from", "delete from", "insert into"],
            ),
            (
                Mode::ReplaceWindow,
                vec!["create temp"],
                vec!["key_audit", "create temp", "delete from", "delete from", "delete from", "insert into"],
            ),
        ] {
            let begins = begins(&statements(mode, |_, _| ()));
            let begins: Vec<&str> =
                begins.iter().map(|begin| if begin.starts_with("copy") { "copy" } else { begin }).collect();
            assert_eq!(begins, [&common[..], &own, &checked, &behind, &["insert into"]].concat(), "{mode:?}");
        }
    }

    #[test]
    fn nothing_is_copied_where_nothing_was_read() {
        let found =
            statements(Mode::Replace, |_, export| *export = Export { manifest: None, rows: 0, ..export.clone() });
        assert!(!found.iter().any(|statement| statement.text.starts_with("copy")));
        assert!(found.iter().any(|statement| statement.text.contains("count(*) * 50 > 0 * 100")));
        let allowed = statements(Mode::Replace, |plan, _| plan.max_shrink_percent = 100);
        assert!(!begins(&allowed).contains(&"shrinks".to_owned()));
    }

    #[test]
    fn texts_that_differ_by_blanks_at_the_end_are_different() {
        let found = statements(Mode::Upsert, |plan, _| plan.version = Some("note".into()));
        let text = &found.iter().find(|statement| statement.rows == Rows::Unchanged).unwrap().text;
        assert!(
            text.contains("octet_length(\"public\".\"nps\".\"note\") = octet_length(sluice_stage.\"note\")"),
            "{text}"
        );
    }

    #[test]
    fn a_row_is_newer_by_its_version_or_else_by_its_cursor() {
        for (version, column) in [(Some("id"), "id"), (None, "created_at")] {
            let found = statements(Mode::Upsert, |plan, _| plan.version = version.map(ToOwned::to_owned));
            let newer = &found.iter().find(|statement| statement.rows == Rows::Newer).unwrap().text;
            let expected = format!("and \"public\".\"nps\".\"{column}\" > sluice_stage.\"{column}\"");
            assert!(newer.ends_with(&expected), "{newer}");
        }
        let found = statements(Mode::Upsert, |plan, _| plan.cursor = None);
        assert!(!found.iter().any(|statement| statement.rows == Rows::Newer), "a table without windows is read whole");
    }

    #[test]
    fn many_columns_fit_into_a_batch() {
        let found = statements(Mode::Upsert, |plan, export| {
            let note = plan.columns[2].clone();
            let wide = |n: usize| PlannedColumn { name: format!("column_{n:0>17}"), ..note.clone() };
            plan.columns.extend((0..200).map(wide));
            let sum = export.columns[2].clone();
            export.columns.extend((0..200).map(|_| sum.clone()));
        });
        assert!(found.len() <= redshift::warehouse::MAX_STATEMENTS);
        let longest = found.iter().map(|statement| statement.text.len()).max().unwrap();
        assert!(longest <= redshift::warehouse::MAX_STATEMENT_BYTES, "{longest}");
    }
}
