//! The statements of an audit: one transaction, hence one moment of the target, that writes nothing and takes no lock.
//! What MySQL has was read before it. A warehouse ends a statement that takes longer than its limits allow; then the
//! same is asked by slices of the key, each in a batch of its own.

use crate::sums;
use redshift::bookkeeping::LOADS;
use redshift::text::{literal, quoted, table};
use serde::{Deserialize, Serialize};
use sluice::contract::Execution;
use sluice::contract::mysql_to_redshift::{BELOW, NO_KEY, Plan, PlannedColumn, SourceAudit, Split, hashed_columns};
use sluice::{Error, Kind, Result};
use std::collections::BTreeMap;

/// Into how many slices a key is cut at most. Each is a call at least, and an execution's history holds 25,000 events.
const MAX_SLICES: i64 = 256;

/// What a statement is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// When the rows of the newest load were read, and how many loads have rows that were read after the audit's.
    Loads,
    /// How many rows are in no window that is loaded.
    Outside,
    /// How many keys the whole table has more than once.
    Twice,
    /// By part, how many rows there are and what a hash of them adds up to.
    Parts,
}

/// Parts of the key that are neighbours, about which one batch asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its number, from 0.
    pub number: i64,
    /// How many there are; 1 if all is asked at once.
    pub of: i64,
}

/// The statements about a slice, in their order.
pub fn statements(execution: &Execution, plan: &Plan, source: &SourceAudit, slice: Slice) -> Vec<(Question, String)> {
    let target = table(&plan.target[0], &plan.target[1]);
    let read_at = literal(&source.read_at);
    let mut all = vec![(
        Question::Loads,
        format!(
            "select to_char(max(exported_at), 'YYYY-MM-DD HH24:MI:SS'), \
             coalesce(sum(case when exported_at > {read_at} then 1 else 0 end), 0) \
             from {LOADS} where job = {} and target = {}",
            literal(&execution.job),
            literal(&plan.target.join("."))
        ),
    )];
    let is_loaded = is_loaded(plan);
    let is_inside = is_inside(plan, &source.split, slice);
    let among = |conditions: &[Option<&String>]| {
        let conditions: Vec<&str> = conditions.iter().filter_map(|one| one.map(String::as_str)).collect();
        if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) }
    };
    if let Some(is_loaded) = &is_loaded {
        // A condition on NULL is neither.
        let is_outside = format!("not coalesce({is_loaded}, false)");
        let among = among(&[Some(&is_outside), is_inside.as_ref()]);
        all.push((Question::Outside, format!("select count(*) from {target}{among}")));
    }
    let key: Vec<String> = plan.key.iter().map(|name| quoted(&name.to_lowercase())).collect();
    if !key.is_empty() {
        // All rows of a key are in one slice.
        let (among, key) = (among(&[is_inside.as_ref()]), key.join(", "));
        let twice = format!("select 1 as x from {target}{among} group by {key} having count(*) > 1");
        all.push((Question::Twice, format!("select count(*) from ({twice}) as twice")));
    }
    let part = part(plan, &source.split);
    let within = among(&[is_loaded.as_ref(), is_inside.as_ref()]);
    for columns in hashed_columns(plan) {
        let hashed = columns.iter().map(|place| {
            let column = &plan.columns[*place];
            sums::audited(&name(column), column.form)
        });
        let hashed = hashed.collect::<Vec<_>>().join(" || '|' || ");
        // Of a table with nothing that can be hashed, rows are counted.
        let hash = match hashed.as_str() {
            "" => "0".to_owned(),
            hashed => format!("strtol(left(md5({hashed}), 8), 16)"),
        };
        all.push((
            Question::Parts,
            format!(
                "select part, count(*), sum(cast(hash as decimal(38,0))) \
                 from (select {part} as part, {hash} as hash from {target}{within}) as seen group by part"
            ),
        ));
    }
    all
}

fn name(column: &PlannedColumn) -> String {
    quoted(&column.name.to_lowercase())
}

/// That a row is in a window that is loaded; `None` if all are.
fn is_loaded(plan: &Plan) -> Option<String> {
    let cursor = quoted(&plan.cursor.as_ref()?.to_lowercase());
    let spans = plan.windows.iter().filter_map(|window| window.bounds.as_ref());
    let ways: Vec<String> =
        spans.map(|[from, to]| format!("({cursor} >= {} and {cursor} < {})", literal(from), literal(to))).collect();
    (!ways.is_empty()).then(|| format!("({})", ways.join(" or ")))
}

/// That a row is in a slice; `None` if that is the whole key. On a number itself, so that a warehouse that keeps its
/// rows in this order passes over the others.
fn is_inside(plan: &Plan, split: &Split, slice: Slice) -> Option<String> {
    let [from, to] = [slice.number, slice.number + 1].map(|number| split.count() * number / slice.of);
    let (value, [from, to]) = match split {
        Split::Ranges { column, least, width, .. } => {
            (quoted(&column.to_lowercase()), [from, to].map(|part| least + part * width))
        }
        Split::Digits { .. } | Split::Whole => (part(plan, split), [from, to]),
    };
    match (slice.number == 0, slice.number + 1 == slice.of) {
        (true, true) => None,
        // With the rows that have no such number.
        (true, false) => Some(format!("coalesce({value} < {to}, true)")),
        (false, true) => Some(format!("{value} >= {from}")),
        (false, false) => Some(format!("{value} >= {from} and {value} < {to}")),
    }
}

/// The number of the part that a row is in.
fn part(plan: &Plan, split: &Split) -> String {
    let column = |name: &String| plan.columns.iter().find(|column| column.name == *name);
    match split {
        Split::Whole => "0".to_owned(),
        Split::Ranges { column: name, least, greatest, width } => {
            let (name, above) = (quoted(&name.to_lowercase()), split.count());
            format!(
                "case when {name} is null then {NO_KEY} when {name} < {least} then {BELOW} \
                 when {name} > {greatest} then {above} else (cast({name} as bigint) - ({least})) / {width} end"
            )
        }
        Split::Digits { column: digits } => {
            let text = column(digits).and_then(|column| sums::hashed(&name(column), column.form));
            let text = text.unwrap_or_else(|| "''".to_owned());
            format!("coalesce(strtol(left(md5({text}), 3), 16), {NO_KEY})")
        }
    }
}

/// What Redshift has answered so far, and what is to be asked next.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct TargetAudit {
    /// Into how many slices the key is cut.
    pub slices: i64,
    /// How many of them are answered.
    pub slices_done: i64,
    /// The id of the batch about the next one, if that is submitted.
    pub statement: Option<String>,
    /// When the rows of the newest load were read.
    pub newest_load_read_at: Option<String>,
    /// Loads whose rows were read after those of the audit.
    pub loads_since: u64,
    /// Rows in no window that is loaded.
    pub rows_outside: u64,
    /// Keys that are there more than once.
    pub keys_twice: u64,
    /// By part, rows and the sums of their hashes.
    pub parts: BTreeMap<i64, (u64, Vec<u64>)>,
}

impl Default for TargetAudit {
    /// Nothing is asked yet, and all of it at once is next.
    fn default() -> Self {
        Self {
            slices: 1,
            slices_done: 0,
            statement: None,
            newest_load_read_at: None,
            loads_since: 0,
            rows_outside: 0,
            keys_twice: 0,
            parts: BTreeMap::new(),
        }
    }
}

impl TargetAudit {
    /// What is to be asked next.
    pub fn next(&self) -> Slice {
        Slice { number: self.slices_done, of: self.slices }
    }

    /// The slice is answered.
    pub fn go_on(&mut self) {
        self.slices_done += 1;
        self.statement = None;
    }

    /// Nothing is left to ask.
    pub fn is_over(&self) -> bool {
        self.slices_done >= self.slices
    }

    /// Cuts each slice into two; `false` if they cannot be smaller.
    pub fn cut(&mut self, split: &Split) -> bool {
        let slices = self.slices * 2;
        let can_be = slices <= MAX_SLICES.min(split.count());
        if can_be {
            (self.slices, self.slices_done, self.statement) = (slices, self.slices_done * 2, None);
        }
        can_be
    }

    /// Takes in the rows of one statement.
    ///
    /// # Errors
    /// `InvariantBroken` for an answer of another form.
    pub fn take(&mut self, question: Question, rows: &[Vec<Option<String>>]) -> Result<()> {
        let wrong = || Error::new(Kind::InvariantBroken, format!("the answer to {question:?} of an audit is none"));
        let number = |field: Option<&Option<String>>| -> Result<u64> {
            field.and_then(|field| field.as_ref()?.parse().ok()).ok_or_else(wrong)
        };
        if question == Question::Parts {
            for row in rows {
                let [Some(part), count, hash] = row.as_slice() else { return Err(wrong()) };
                let part = part.parse().map_err(|_| wrong())?;
                let (rows, hashes) = self.parts.entry(part).or_default();
                *rows = number(Some(count))?;
                hashes.push(number(Some(hash))?);
            }
            return Ok(());
        }
        let row = rows.first().ok_or_else(wrong)?;
        match question {
            Question::Loads => {
                self.newest_load_read_at = row.first().cloned().flatten();
                self.loads_since = number(row.get(1))?;
            }
            Question::Outside => self.rows_outside += number(row.first())?,
            Question::Twice | Question::Parts => self.keys_twice += number(row.first())?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redshift::warehouse::{MAX_STATEMENT_BYTES, MAX_STATEMENTS};
    use sluice::contract::copy_table::Mode;
    use sluice::contract::mysql_to_redshift::{Form, PlannedWindow, Policies, Read, Verify};

    fn asked(names: &[String], spans: usize, slice: Slice) -> Vec<(Question, String)> {
        let execution = Execution {
            job: "daily-nps".into(),
            id: "arn:x".into(),
            name: "x".into(),
            started_at: "2024-01-02T02:00:00.000Z".into(),
            state_machine: "arn:y".into(),
        };
        let form =
            |place: usize| if place == 0 { Form::Integer { least: 0, most: 9 } } else { Form::Text { bytes: 9 } };
        let column = |(place, name): (usize, &String)| PlannedColumn {
            name: name.clone(),
            read: Read::Plain,
            form: form(place),
        };
        let bounds = |day: usize| [day, day + 1].map(|day| format!("2024-01-01 00:{:02}:{:02}", day / 60, day % 60));
        let window = |day: usize| PlannedWindow { bounds: Some(bounds(day)), ..PlannedWindow::default() };
        let plan = Plan {
            source: ["prod".into(), "nps".into()],
            target: ["public".into(), "nps".into()],
            mode: Mode::Upsert,
            columns: names.iter().enumerate().map(column).collect(),
            key: vec![names[0].clone()],
            is_order_unique: true,
            version: None,
            cursor: Some(names[1].clone()),
            null_marker: "null0123".into(),
            max_shrink_percent: 50,
            policies: Policies::default(),
            deleted: None,
            settled_after_minutes: 0,
            verify: Verify::Sums,
            windows: (0..spans).map(window).collect(),
        };
        let source = SourceAudit {
            read_at: "2024-01-02 02:00:01.000000".into(),
            is_consistent: true,
            split: Split::ranges(&names[0], -5, 9).unwrap(),
            parts: BTreeMap::new(),
            rows_gone: 0,
            rows_read: 0,
            after: None,
        };
        statements(&execution, &plan, &source, slice)
    }

    const ALL: Slice = Slice { number: 0, of: 1 };

    #[test]
    fn it_is_asked_of_loaded_windows_by_parts_of_the_key() {
        let asked = asked(&["id".into(), "at".into()], 2, ALL);
        let [.., (Question::Twice, twice), (Question::Parts, parts)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(
            twice,
            "select count(*) from (select 1 as x from \"public\".\"nps\" group by \"id\" having count(*) > 1) as twice"
        );
        let within = "((\"at\" >= '2024-01-01 00:00:00' and \"at\" < '2024-01-01 00:00:01') or (\"at\" >= '2024-01-01 00:00:01' and \
                      \"at\" < '2024-01-01 00:00:02'))";
        let part = "case when \"id\" is null then -2 when \"id\" < -5 then -1 when \"id\" > 9 then 15 else \
                    (cast(\"id\" as bigint) - (-5)) / 1 end";
        let hash = "strtol(left(md5(coalesce(left(md5(cast(\"id\" as varchar(64))), 8), '-') || '|' || \
                    coalesce(left(md5(\"at\"), 8), '-')), 8), 16)";
        assert_eq!(
            *parts,
            format!(
                "select part, count(*), sum(cast(hash as decimal(38,0))) from (select {part} as part, {hash} as hash from \
                 \"public\".\"nps\" where {within}) as seen group by part"
            )
        );
    }

    #[test]
    fn slices_have_every_part_once() {
        let mut target = TargetAudit { slices_done: 1, slices: 2, ..TargetAudit::default() };
        let split = Split::ranges("id", -5, 9).unwrap();
        assert!(target.cut(&split) && target.next() == Slice { number: 2, of: 4 }, "{target:?}");
        assert!(target.cut(&split) && !target.cut(&split), "15 numbers are not cut into 16: {target:?}");
        assert!(!TargetAudit::default().cut(&Split::Whole));
        let twice = |number| {
            let asked = asked(&["id".into(), "at".into()], 1, Slice { number, of: 4 });
            let (_, text) = asked.into_iter().find(|(question, _)| *question == Question::Twice).unwrap();
            text.split_once(" where ").unwrap().1.split_once(" group by").unwrap().0.to_owned()
        };
        let expected =
            ["coalesce(\"id\" < -2, true)", "\"id\" >= -2 and \"id\" < 2", "\"id\" >= 2 and \"id\" < 6", "\"id\" >= 6"];
        assert_eq!([0, 1, 2, 3].map(twice), expected);
        let rest = asked(&["id".into(), "at".into()], 1, Slice { number: 3, of: 4 });
        let among = |question| rest.iter().filter(move |(asked, _)| *asked == question);
        assert!(
            among(Question::Outside).chain(among(Question::Parts)).all(|(_, text)| text.contains(" and \"id\" >= 6"))
        );
    }

    #[test]
    fn many_columns_and_gaps_fit_into_a_batch() {
        let names: Vec<String> = (0..1_600).map(|number| format!("column_{number:0>120}")).collect();
        let asked = asked(&names, 250, Slice { number: 1, of: 3 });
        let longest = asked.iter().map(|(_, text)| text.len()).max().unwrap();
        assert!(asked.len() <= MAX_STATEMENTS && longest <= MAX_STATEMENT_BYTES, "{}: {longest}", asked.len());
    }
}
