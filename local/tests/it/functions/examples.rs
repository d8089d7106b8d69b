//! Jobs of one's own, through detection, pivot and upsert, in one deployment: what the table holds then is what the
//! examples of the language expect, whose tables the naive model of the language has made.

use crate::functions::prepared::notes;
use crate::support::fields::{line, sorted};
use crate::support::*;
use local::binaries;
use serde_json::{Value, json};
use sluice::spec::Parts;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::fs;
use std::path::Path;

/// A job with a folder and a table of its own. Its state is that of the deployment's job, the only one that its
/// functions may write, so there is one at a time.
pub(crate) struct Job<'a> {
    stack: &'a Fixture,
    name: String,
    pub parts: Parts,
    runs: u32,
}

impl<'a> Job<'a> {
    pub(crate) async fn new(stack: &'a Fixture, name: &str, parts: Parts) -> Self {
        for key in keys(stack, "state/").await {
            stack.s3().delete_object().bucket(&stack.bucket).key(key).send().await.unwrap();
        }
        Self { stack, name: name.to_owned(), parts, runs: 0 }
    }

    pub(crate) fn prefix(&self) -> String {
        format!("{}{}/", self.stack.prefix, self.name)
    }

    pub(crate) async fn upload(&self, name: &str, content: impl Into<Vec<u8>>) {
        let put = self.stack.s3().put_object().bucket(&self.stack.bucket).key(format!("{}{name}", self.prefix()));
        put.body(content.into().into()).send().await.unwrap();
    }

    /// A run over all that is new. Returns the load's answer.
    pub(crate) async fn run(&mut self) -> Answer {
        self.runs += 1;
        let execution = execution(self.stack, &format!("{}-{}", self.name, self.runs));
        let Parts { source, shape, target } = &self.parts;
        let payload = |more: Value| {
            let mut payload = json!({"execution": execution, "source": source, "shape": shape, "target": target});
            payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            payload
        };
        let detect = payload(json!({"action": "detect", "prefix": self.prefix(), "trigger": {}}));
        let detected = self.stack.invoke("detect-new-files", &detect).await.unwrap()?;
        for batch in detected["batches"].as_array().unwrap() {
            let pivot = payload(json!({"manifest": detected["manifest"], "batch": batch}));
            self.stack.invoke("pivot", &pivot).await.unwrap()?;
        }
        let loaded = self.stack.invoke("upsert", &payload(json!({"manifest": detected["manifest"]}))).await.unwrap()?;
        assert!(loaded["record"].is_null(), "{loaded}");
        Ok(loaded)
    }

    /// The table as `psql --csv` has it: the header, then the rows in the order of their texts.
    pub(crate) async fn table(&self) -> Vec<String> {
        let table = self.parts.target["table"].as_str().unwrap();
        let mut connection = self.stack.connect().await.unwrap();
        sorted(lines_of(&mut connection, table).await)
    }
}

/// A table, whose name is quoted where it needs to be, as `psql --csv` has it: the header, then the rows.
pub(crate) async fn lines_of(connection: &mut PgConnection, table: &str) -> Vec<String> {
    let columns = "select array_agg(attname::text order by attnum), array_agg(quote_ident(attname) order by attnum)
         from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped";
    let (columns, quoted): (Vec<String>, Vec<String>) =
        sqlx::query_as(columns).bind(table).fetch_one(&mut *connection).await.unwrap();
    let fields: Vec<String> = quoted.iter().map(|column| format!("format('%s', {column})")).collect();
    // Not as a prepared statement: the table may be another one the next time.
    let rows = AssertSqlSafe(format!("select array[{}] from {table}", fields.join(", ")));
    let rows = sqlx::raw_sql(rows).fetch_all(connection).await.unwrap();
    let rows = rows.iter().map(|row| line(&row.get::<Vec<String>, _>(0)));
    std::iter::once(columns.join(",")).chain(rows).collect()
}

/// The files below a folder, by their names in it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                    found.push((name, fs::read(path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_language_load_as_they_say() {
    let stack = fixture_with(vpc_mode()).await;
    let examples = binaries::workspace().join("local/spec/examples");
    for entry in fs::read_dir(examples).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let spec: Value = serde_json::from_slice(&fs::read(folder.join("spec.json")).unwrap()).unwrap();
        let [source, shape, target] = ["source", "shape", "target"].map(|part| spec[part].clone());
        let parts = Parts { source, shape, target };
        let mut job = Job::new(&stack, &name, parts).await;
        let prefix = spec["prefix"].as_str().unwrap();
        let input = folder.join("in");
        // Folders with numbers are what comes before each run.
        let numbered: Vec<_> =
            (1..).map(|number: u32| input.join(number.to_string())).take_while(|run| run.is_dir()).collect();
        for run in if numbered.is_empty() { vec![input] } else { numbered } {
            for (file, content) in files(&run) {
                if let Some(file) = file.strip_prefix(prefix) {
                    job.upload(file, content).await;
                }
            }
            job.run().await.unwrap_or_else(|(error, cause)| panic!("{name}: {error}: {cause}"));
        }
        let expected = fs::read_to_string(folder.join("expected.csv")).unwrap();
        assert_eq!(job.table().await, sorted(expected.lines().map(ToOwned::to_owned).collect()), "{name}");
    }
}

/// Two keys, with several kinds of values, of which one is made of a quotient.
fn readings(table: &str, on_overlap: &str) -> Parts {
    let columns = json!({
        "meter": {"type": "integer"}, "day": {"type": "date"}, "at": {"type": "timestamp"}, "state": {},
        "reading": {"type": "number", "nullable": true},
    });
    let values = json!({
        "average": {"mean": "reading", "scale": 1}, "count": {"count": "*"}, "first": {"first": "state", "order_by": "at"},
        "high": {"max": "reading"}, "last": {"last": "state", "order_by": "at"}, "total": {"sum": "reading", "empty": null},
    });
    Parts {
        source: json!({"suffix": ".csv", "columns": columns}),
        shape: json!({"keys": ["meter", "day"], "values": values}),
        target: json!({"table": table, "create": true, "on_overlap": on_overlap}),
    }
}

const READINGS: &str = "meter,day,at,state,reading\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_put_together_in_every_mode() {
    let stack = fixture_with(vpc_mode()).await;
    let [one, two, three] = [
        // The mean of the three is 0.25, so half away from zero 0.3.
        "7,2024-01-01,2024-01-01 10:00,b,0.25\n7,2024-01-01,2024-01-01 09:00,a,0.5\n7,2024-01-01,2024-01-01 10:00,c,0\n",
        "7,2024-01-01,2024-01-01 10:00,d,\n8,2024-01-01,2024-01-01 10:00,e,\n",
        "7,2024-01-01,2024-01-01 08:00,f,-9\n",
    ]
    .map(|rows| format!("{READINGS}{rows}"));
    for (on_overlap, first, second) in [
        ("last_run", ["7,2024-01-01,0.3,4,a,0.5,d,0.75", "8,2024-01-01,,1,e,,e,"], "7,2024-01-01,-9,1,f,-9,f,-9"),
        (
            "all_files",
            ["7,2024-01-01,0.3,4,a,0.5,d,0.75", "8,2024-01-01,,1,e,,e,"],
            "7,2024-01-01,-2.1,5,f,0.5,d,-8.25",
        ),
        ("newest_file", ["7,2024-01-01,,1,d,,d,", "8,2024-01-01,,1,e,,e,"], "7,2024-01-01,-9,1,f,-9,f,-9"),
    ] {
        let mut job =
            Job::new(&stack, &format!("readings-{}", on_overlap.replace('_', "-")), readings(on_overlap, on_overlap))
                .await;
        job.upload("1.csv", one.clone()).await;
        job.upload("2.csv", two.clone()).await;
        job.run().await.unwrap();
        assert_eq!(job.table().await[1..], first, "{on_overlap}");
        job.upload("3.csv", three.clone()).await;
        let output = job.run().await.unwrap();
        assert_eq!(job.table().await[1..], [second, first[1]], "{on_overlap}");
        assert_eq!([&output["rows_inserted"], &output["rows_updated"]], [0, 1], "{on_overlap}");
        match on_overlap {
            "last_run" => assert!(
                notes(&output)[0].contains("1 key that other files may have filled was overwritten: (..., 2024-01-01)"),
                "{output}"
            ),
            // Without its rows the third file has no word any more.
            _ => {
                job.upload("3.csv", READINGS).await;
                job.run().await.unwrap();
                assert_eq!(job.table().await[1..], first, "{on_overlap}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_row_that_wins_is_loaded_or_deletes_its_key() {
    let stack = fixture_with(vpc_mode()).await;
    for on_overlap in ["last_run", "newest_file", "newest_row"] {
        let columns =
            json!({"id": {}, "at": {"type": "integer", "nullable": true}, "name": {}, "gone": {"type": "boolean"}});
        let delete_when = json!({"column": "gone", "equal": true});
        let rows = json!({"columns": ["name", "at"], "order_by": ["at"], "delete_when": delete_when});
        let parts = Parts {
            source: json!({"suffix": ".csv", "columns": columns}),
            shape: json!({"keys": ["id"], "rows": rows}),
            target: json!({"table": format!("of_{on_overlap}"), "create": true, "on_overlap": on_overlap}),
        };
        let mut job = Job::new(&stack, &format!("rows-{}", on_overlap.replace('_', "-")), parts).await;
        const HEAD: &str = "id,at,name,gone\n";
        job.upload("1.csv", format!("{HEAD}a,2,two,false\na,1,one,false\nb,,none,false\nb,,last,false\nc,1,c,false\n"))
            .await;
        job.run().await.unwrap();
        assert_eq!(job.table().await, ["id,at,name", "a,2,two", "b,,last", "c,1,c"], "{on_overlap}");
        job.upload("2.csv", format!("{HEAD}a,9,gone,true\na,8,stays,false\nb,1,new,false\n")).await;
        let output = job.run().await.unwrap();
        assert_eq!(job.table().await, ["id,at,name", "b,1,new", "c,1,c"], "{on_overlap}");
        let counts = ["rows_inserted", "rows_updated", "rows_deleted"].map(|count| output[count].as_u64().unwrap());
        assert_eq!(counts, [0, 1, 1], "{on_overlap}");
        // Older rows, and the newest file.
        job.upload("0.csv", format!("{HEAD}a,5,late,false\nb,0,late,false\nd,1,d,true\n")).await;
        job.run().await.unwrap();
        let late = ["id,at,name", "a,5,late", "b,0,late", "c,1,c"];
        let expected = if on_overlap == "newest_row" { &["id,at,name", "b,1,new", "c,1,c"][..] } else { &late };
        assert_eq!(job.table().await, expected, "{on_overlap}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_cast_exactly_or_refused() {
    let stack = fixture_with(vpc_mode()).await;
    sql(
        &stack,
        "create table typed (id varchar(3) collate \"C\" primary key, whole integer, money numeric(5,2), near real,
             id2 uuid, doc json, own text default 'mine')",
    )
    .await;
    let columns = json!({
        "id": {}, "whole": {"type": "number"}, "money": {"type": "number"}, "near": {"type": "number"}, "id2": {},
        "doc": {"type": "json"},
    });
    let parts = Parts {
        source: json!({"suffix": ".csv", "columns": columns}),
        shape: json!({"keys": ["id"], "rows": {}}),
        target: json!({"table": "typed", "on_overlap": "last_run"}),
    };
    let mut job = Job::new(&stack, "typed", parts).await;
    const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let file = |rows: &str| format!("id,whole,money,near,id2,doc\n{rows}");
    job.upload("1.csv", file(&format!("abc,5.00,123.40,0.1,{UUID},{{}}\n"))).await;
    job.run().await.unwrap();
    let row = format!("abc,5,123.40,0.1,{UUID},{{}},mine");
    assert_eq!(job.table().await[1..], [row.as_str()]);
    for (name, bad, column) in [
        (
            "2.csv",
            format!("abc,5.5,1,1,{UUID},1\nxyz,1,1.125,1,{UUID},1\n"),
            ["\"whole\" is integer", "\"money\" is numeric(5,2)"],
        ),
        ("2.csv", format!("abc,3000000000,1000,1,{UUID},1\n"), ["\"whole\" is integer", "\"money\" is numeric(5,2)"]),
        ("2.csv", "abc,1,1,1,no,1\n".to_owned(), ["\"id2\" is uuid", "what 1 key would get"]),
        ("2.csv", format!("abcd,1,1,1,{UUID},1\n"), ["\"id\" is character varying(3)", "what 1 key would get"]),
    ] {
        job.upload(name, file(&bad)).await;
        let (error, cause) = job.run().await.unwrap_err();
        assert_eq!(error, "InvalidSource", "{cause}");
        assert!(column.iter().all(|part| cause.contains(part)) && !cause.contains("1.125"), "{cause}");
    }
    assert_eq!(job.table().await[1..], [row.as_str()], "nothing of them is loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_partitions_gets_the_columns_that_it_lacks() {
    let stack = fixture_with(vpc_mode()).await;
    sql(
        &stack,
        "create table last_run (meter bigint, day date, note text, primary key (meter, day)) partition by range (day);
         create table last_run_1 partition of last_run for values from ('2024-01-01') to ('2024-02-01');
         create table last_run_2 partition of last_run default;
         create table all_files (meter bigint, day date, note text, primary key (meter, day)) partition by range (day);
         create table all_files_1 partition of all_files for values from ('2024-01-01') to ('2024-02-01');
         create table all_files_2 partition of all_files default",
    )
    .await;
    for on_overlap in ["last_run", "all_files"] {
        let mut parts = readings(on_overlap, on_overlap);
        parts.target["create"] = json!(false);
        parts.target["add_columns"] = json!(true);
        let mut job = Job::new(&stack, &format!("parted-{}", on_overlap.replace('_', "-")), parts).await;
        job.upload(
            "1.csv",
            format!("{READINGS}1,2024-01-31,2024-01-31 10:00,a,1\n1,2024-02-01,2024-02-01 10:00,b,2\n"),
        )
        .await;
        let output = job.run().await.unwrap();
        assert_eq!(output["rows_inserted"], 2, "{on_overlap}");
        job.upload(
            "1.csv",
            format!("{READINGS}1,2024-01-31,2024-01-31 10:00,c,1\n1,2024-02-01,2024-02-01 10:00,b,2\n"),
        )
        .await;
        let output = job.run().await.unwrap();
        assert_eq!([&output["rows_updated"], &output["rows_unchanged"]], [1, 1], "{on_overlap}");
        let expected = ["1,2024-01-31,,1,1,c,1,c,1", "1,2024-02-01,,2,1,b,2,b,2"];
        assert_eq!(job.table().await[1..], expected, "{on_overlap}");
    }
}
