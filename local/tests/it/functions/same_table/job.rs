//! Random jobs, and random files for them.

use crate::support::Random;
use serde_json::{Value, json};
use sluice::spec::{OnOverlap, Parts};

/// The prefix of all jobs.
pub(super) const PREFIX: &str = "input_data/";

/// The table that all of them load.
pub(super) const TABLE: &str = "days";

/// The days that files speak of.
const DAYS: [&str; 4] = ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"];

/// A row that cannot be read, and what is wrong with it.
const BAD_ROWS: [BadRow; 4] = [BadRow::Number, BadRow::Category, BadRow::Key, BadRow::Fields];

#[derive(Clone, Copy, PartialEq)]
enum BadRow {
    Number,
    Category,
    Key,
    Fields,
}

/// Where the key of a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Date,
    Text,
    Partition,
}

/// What becomes of the rows of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// Sums by category.
    Sums,
    /// The value of the first row, and of the last one, by a number and by their files' dates.
    Orders,
    /// The row that wins.
    Rows,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub parts: Parts,
    pub on_overlap: OnOverlap,
    /// What of it may be wrong without a run's failing.
    pub set_aside: Content,
    key: Key,
    /// The newest file of a week speaks alone for its days.
    is_by_week: bool,
    /// Rows of other categories are bad rows.
    refuses_others: bool,
    /// The table's value columns, in the order of their names, as texts.
    columns: Vec<&'static str>,
    form: Form,
    /// When files are dated is in the table, or decides what is.
    has_dates: bool,
}

/// What is wrong with files of a job, beside what can be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Content {
    /// Rows. Of a file all of whose rows are bad, the file as well.
    pub bad_rows: bool,
    /// Files as a whole.
    pub bad_files: bool,
}

impl Content {
    /// Nothing.
    pub(super) const GOOD: Self = Self { bad_rows: false, bad_files: false };
    /// Anything.
    pub(super) const ANY: Self = Self { bad_rows: true, bad_files: true };
}

impl Job {
    /// A job of one of these modes.
    pub(super) fn new(random: &mut Random, modes: &[OnOverlap]) -> Self {
        let on_overlap = *pick(random, modes);
        let forms: &[Form] = match on_overlap {
            OnOverlap::AllFiles => &[Form::Sums, Form::Sums, Form::Orders],
            OnOverlap::NewestFile | OnOverlap::LastRun => &[Form::Sums, Form::Orders, Form::Rows],
            OnOverlap::NewestRow => &[Form::Rows],
        };
        let form = *pick(random, forms);
        Self::of(random, on_overlap, form)
    }

    /// Always the same one, which adds numbers up.
    pub(super) fn sums(on_overlap: OnOverlap) -> Self {
        Self::of(&mut Random::new(0), on_overlap, Form::Sums)
    }

    /// Always the same one, of whose rows of a key the last one of the newest file wins.
    pub(super) fn rows(on_overlap: OnOverlap) -> Self {
        let mut job = Self::of(&mut Random::new(0), on_overlap, Form::Rows);
        job.parts.shape["rows"] = json!({"columns": ["kind", "n"]});
        job.columns.truncate(2);
        (job.has_dates, job.parts.target) = (false, json!({"table": TABLE, "create": true, "on_overlap": on_overlap}));
        job
    }

    /// Whether such values, or rows, go with the mode.
    pub(super) fn is_possible(&self) -> bool {
        match self.on_overlap {
            OnOverlap::AllFiles => self.form != Form::Rows,
            OnOverlap::NewestRow => self.form == Form::Rows,
            OnOverlap::NewestFile | OnOverlap::LastRun => true,
        }
    }

    fn of(random: &mut Random, on_overlap: OnOverlap, form: Form) -> Self {
        let key = *pick(random, &[Key::Date, Key::Date, Key::Text, Key::Partition]);
        let set_aside = Content { bad_rows: random.below(3) > 0, bad_files: random.below(3) > 0 };
        let day = match key {
            Key::Date => json!({"from": "Day", "type": "date"}),
            Key::Text => json!("Day"),
            Key::Partition => json!({"partition": "dt", "type": "date"}),
        };
        let mut source = json!({
            "suffix": ".csv", "lookback_hours": 24,
            "columns": {"day": day, "kind": "Kind", "n": {"from": "N", "type": "number"}},
        });
        if set_aside.bad_rows {
            source["on_bad_row"] = json!("quarantine");
        }
        if set_aside.bad_files {
            source["on_bad_file"] = json!("quarantine");
        }
        let mut shape = json!({
            "keys": ["day"], "values": {"n": "sum"}, "pivot": {"on": "kind", "into": {"A": "a", "B": "b"}},
        });
        let (mut columns, mut refuses_others) = (vec!["trim_scale(a)::text", "trim_scale(b)::text"], false);
        let mut has_dates = random.below(2) == 0;
        match (form, random.below(3)) {
            (Form::Orders, other) => {
                let latest = if has_dates { "sent" } else { "n" };
                shape = json!({"keys": ["day"], "values": {
                    "earliest": {"first": "kind", "order_by": "n"}, "latest": {"last": "n", "order_by": latest},
                }});
                columns = vec!["coalesce(earliest, '')", "coalesce(trim_scale(latest)::text, '')"];
                if has_dates && other == 0 {
                    shape["values"]["sent"] = json!({(*pick(random, &["min", "max"])): "sent"});
                    columns.push("coalesce(sent::text, '')");
                }
            }
            (Form::Rows, other) => {
                shape = json!({"keys": ["day"], "rows": {"columns": ["kind", "n"], "order_by": ["n"]}});
                columns = vec!["coalesce(kind, '')", "coalesce(trim_scale(n)::text, '')"];
                if has_dates {
                    shape["rows"]["columns"] = json!(["kind", "n", "sent"]);
                    columns.push("coalesce(sent::text, '')");
                }
                match random.below(4) {
                    // Of equals the last row of the newest file.
                    0 => drop(shape["rows"].as_object_mut().unwrap().remove("order_by")),
                    1 => shape["rows"] = json!({}),
                    _ => {}
                }
                if other == 0 {
                    shape["rows"]["delete_when"] = json!({"column": "kind", "equal": "Z"});
                }
            }
            (Form::Sums, other) => {
                has_dates = false;
                match other {
                    0 => refuses_others = true,
                    1 => shape["pivot"]["other"] = json!("ignore"),
                    _ => {
                        shape["pivot"]["other"] = json!({"into": "c"});
                        columns.push("trim_scale(c)::text");
                    }
                }
            }
        }
        if has_dates {
            source["columns"]["sent"] = json!({"file": "modified"});
        }
        let mut target = json!({"table": TABLE, "create": true, "on_overlap": on_overlap});
        match on_overlap {
            OnOverlap::NewestFile | OnOverlap::NewestRow if random.below(2) == 0 => target["newest_by"] = json!("key"),
            OnOverlap::AllFiles if random.below(2) == 0 => target["on_repeated_file"] = json!("allow"),
            _ => {}
        }
        // Of the four days the last one is of another week.
        let is_by_week = on_overlap == OnOverlap::NewestFile && key == Key::Date && random.below(2) == 0;
        if is_by_week {
            source["columns"]["week"] = json!({"from": "Day", "type": "date", "truncate": "week"});
            shape["keys"] = json!(["day", "week"]);
            target["newest_per"] = json!(["week"]);
        }
        let parts = Parts { source, shape, target };
        Self { parts, on_overlap, set_aside, key, is_by_week, refuses_others, columns, form, has_dates }
    }

    /// From now on no run ends because a file says what another one says.
    pub(super) fn fail_of_no_repeated(&mut self) {
        if self.refuses_repeated() && !self.set_aside.bad_files {
            self.parts.target["on_repeated_file"] = json!("allow");
        }
    }

    /// Whether a file that says what another one says is refused.
    pub(super) fn refuses_repeated(&self) -> bool {
        self.on_overlap == OnOverlap::AllFiles && self.parts.target.get("on_repeated_file").is_none()
    }

    /// Whether S3's date decides which file speaks.
    pub(super) fn goes_by_date(&self) -> bool {
        match self.on_overlap {
            OnOverlap::NewestFile | OnOverlap::NewestRow => {
                self.parts.target.get("newest_by").is_none() || self.has_dates
            }
            // Of equals the older file has the first row.
            OnOverlap::AllFiles => self.sets_repeated_aside() || self.form == Form::Orders,
            OnOverlap::LastRun => false,
        }
    }

    /// Whether a file that says what another one says does not count as long as it does.
    pub(super) fn sets_repeated_aside(&self) -> bool {
        self.set_aside.bad_files && self.refuses_repeated()
    }

    /// From now on it does.
    pub(super) fn go_by_date(&mut self) {
        self.on_overlap = OnOverlap::NewestFile;
        self.parts.target = json!({"table": TABLE, "create": true, "on_overlap": self.on_overlap});
        if self.is_by_week {
            self.parts.target["newest_per"] = json!(["week"]);
        }
    }

    /// The spec as the model takes it.
    pub(super) fn spec(&self) -> Value {
        let mut spec = serde_json::to_value(&self.parts).unwrap();
        spec["prefix"] = json!(PREFIX);
        spec
    }

    /// A statement for the rows of the table, a list of texts each.
    pub(super) fn select(&self) -> String {
        let columns = self.columns.iter().map(|column| format!(", {column}"));
        let week = if self.is_by_week { ", week::text" } else { "" };
        format!("select array[day::text{week}{}] from public.{TABLE}", columns.collect::<String>())
    }

    /// Categories go into each other's columns from now on, or rows are in another order.
    pub(super) fn swap_columns(&mut self) {
        let shape = &mut self.parts.shape;
        match self.form {
            Form::Sums => {
                let into = &mut shape["pivot"]["into"];
                *into = json!({"A": into["B"], "B": into["A"]});
            }
            Form::Orders => {
                let order = &mut shape["values"]["earliest"]["order_by"];
                *order = json!(if *order == "n" { "kind" } else { "n" });
            }
            Form::Rows => {
                let order = &mut shape["rows"]["order_by"];
                *order = json!([if *order == json!(["n"]) { "kind" } else { "n" }]);
            }
        }
    }

    /// Files that say what others say count from now on, or do not.
    pub(super) fn swap_repeated(&mut self) {
        let target = self.parts.target.as_object_mut().unwrap();
        if target.remove("on_repeated_file").is_none() {
            target.insert("on_repeated_file".to_owned(), json!("allow"));
        }
    }

    /// A name of a file. Most of them come again and again.
    pub(super) fn name(&self, random: &mut Random, content: Content) -> String {
        let name = *pick(random, &["a.csv", "b.csv", "c/d.csv", "C.CSV"]);
        if self.key != Key::Partition {
            return format!("{PREFIX}{name}");
        }
        let folder = match random.below(12) {
            0 if content.bad_files => "nowhere".to_owned(),
            1 if content == Content::ANY => "dt=__HIVE_DEFAULT_PARTITION__".to_owned(),
            number => format!("dt={}", DAYS[usize::try_from(number % 3).unwrap()]),
        };
        format!("{PREFIX}{folder}/{}", &name[name.len() - 5..])
    }

    /// Whether an object of this key can have rows.
    pub(super) fn has_key_in(&self, key: &str) -> bool {
        self.key != Key::Partition || key.contains("dt=2024")
    }

    /// The text of a file.
    pub(super) fn text(&self, random: &mut Random, content: Content) -> String {
        let header = if self.key == Key::Partition { "Kind,N\n" } else { "Kind,N,Day\n" };
        match random.below(16) {
            0 => return String::new(),
            1 => return header.to_owned(),
            2 if content.bad_files => return format!("{}{}", header.replace(",N", ""), "A,2024-03-01\n"),
            3 if content.bad_files && self.key != Key::Partition => {
                return format!("{header}A,1,2024-03-01\nKind,N,Other\nA,1,2024-03-01\n");
            }
            4 if content == Content::ANY => {
                return format!("{header}{}{}", self.bad_row(random, 0), self.bad_row(random, 1));
            }
            _ => {}
        }
        // Some files have no bad row, some have many.
        let bad_rows = if content.bad_rows { random.below(3) } else { 0 };
        let mut text = header.to_owned();
        for place in 0..=random.below(5) {
            // Where a bad file is refused, the first row is good.
            let is_bad = random.below(6) < bad_rows && (place > 0 || content.bad_files);
            text += &if is_bad { self.bad_row(random, place) } else { self.row(random) };
        }
        if self.key != Key::Partition && random.below(8) == 0 {
            text += &format!("Day,Kind,N\n{},A,7\n", *pick(random, &DAYS));
        }
        text
    }

    /// One of these texts, mostly with a row more.
    pub(super) fn nearly(&self, random: &mut Random, texts: &[String]) -> String {
        let mut text = pick(random, texts).clone();
        if random.below(3) > 0 && text.ends_with('\n') {
            text += &self.row(random);
        }
        text
    }

    fn row(&self, random: &mut Random) -> String {
        let kinds = if self.refuses_others { &["A", "B"][..] } else { &["A", "B", "A", "B", "Z"] };
        let number = *pick(random, &["0", "1", "2.5", "-1", "0.25", "10", "1e1", "3.50", "7"]);
        let (kind, day) = (*pick(random, kinds), *pick(random, &DAYS));
        self.line(kind, number, day, random.below(2) == 0)
    }

    fn bad_row(&self, random: &mut Random, place: u64) -> String {
        let day = *pick(random, &DAYS);
        match *pick(random, &BAD_ROWS) {
            BadRow::Category if self.refuses_others => self.line("Z", "1", day, false),
            BadRow::Key if self.key == Key::Date => self.line("A", "1", "2024-02-30", false),
            BadRow::Key if self.key == Key::Text => self.line("A", "1", "", false),
            BadRow::Fields => format!("A,1,{day},more\n"),
            _ => self.line("A", if place.is_multiple_of(2) { "x" } else { "" }, day, false),
        }
    }

    fn line(&self, kind: &str, number: &str, day: &str, has_time: bool) -> String {
        match self.key {
            Key::Partition => format!("{kind},{number}\n"),
            Key::Date if has_time => format!("{kind},{number},{day} 10:30\n"),
            _ => format!("{kind},{number},{day}\n"),
        }
    }
}

/// One of these.
pub(super) fn pick<'a, T>(random: &mut Random, all: &'a [T]) -> &'a T {
    &all[usize::try_from(random.below(u64::try_from(all.len()).unwrap())).unwrap()]
}
