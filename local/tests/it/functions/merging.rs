//! How rows that are ready become rows of the target: the same in both ways, whatever others do meanwhile, and without
//! a trace where nothing changes.

use crate::functions::upsert::prepared;
use crate::support::*;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

const CREATE: &str = "create table pomodoro_day_catg (date date not null unique, learning_minutes numeric not null, \
                      work_minutes numeric not null)";

/// A trigger, of whose doings a `MERGE` could not count what is its own.
const TRIGGER: &str = "create function nothing() returns trigger language plpgsql as $$ begin return new; end $$; \
                       create trigger nothing before insert on pomodoro_day_catg for each row execute function nothing()";

/// Runs statements that are put together.
pub(crate) async fn create(stack: &Fixture, statements: &str) {
    let mut connection = stack.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_come_to_the_same() {
    let mut outcomes = Vec::new();
    for prepare in ["", TRIGGER] {
        let stack = fixture().await;
        create(&stack, CREATE).await;
        create(&stack, prepare).await;
        let days = ["2024-01-01,1,1\n2024-01-02,2,2\n", "2024-01-02,2.0,2\n2024-01-03,3,3\n2024-01-01,1,7\n"];
        let runs = [vec![days[0]], vec![days[1]], vec![days[0], days[1]], vec![days[0], days[1]]];
        let mut outcome = Vec::new();
        for (number, parts) in runs.iter().enumerate() {
            let detected_at = format!("2024-01-0{}T00:00:00.000Z", number + 1);
            let payload = prepared(&stack, &format!("run-{number}"), &detected_at, parts).await;
            let output = stack.invoke("upsert", &payload).await.unwrap().unwrap();
            let counts = ["inserted", "updated", "unchanged"].map(|what| output[format!("rows_{what}")].clone());
            outcome.push((json!(counts), table(&stack).await));
        }
        outcomes.push(outcome);
    }
    let expected = [
        (json!([2, 0, 0]), vec!["2024-01-01 1 1", "2024-01-02 2 2"]),
        (json!([1, 1, 1]), vec!["2024-01-01 1 7", "2024-01-02 2 2", "2024-01-03 3 3"]),
        (json!([0, 2, 1]), vec!["2024-01-01 2 8", "2024-01-02 4 4", "2024-01-03 3 3"]),
        (json!([0, 0, 3]), vec!["2024-01-01 2 8", "2024-01-02 4 4", "2024-01-03 3 3"]),
    ];
    let expected = expected.map(|(counts, rows)| (counts, rows.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()));
    assert_eq!(outcomes, [expected.to_vec(), expected.to_vec()]);
}

/// More rows than go in one message.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_part_is_copied() {
    let stack = fixture().await;
    let row = |number: u64| {
        format!("{:04}-{:02}-{:02},{number}.5,0\n", 2000 + number / 336, number / 28 % 12 + 1, number % 28 + 1)
    };
    let rows: String = (0..3_000).map(row).collect();
    for (name, detected_at, inserted) in
        [("first", "2024-01-01T00:00:00.000Z", 3_000), ("again", "2024-01-02T00:00:00.000Z", 0)]
    {
        let payload = prepared(&stack, name, detected_at, &[&rows]).await;
        let output = stack.invoke("upsert", &payload).await.unwrap().unwrap();
        assert_eq!((&output["rows_staged"], &output["rows_inserted"]), (&json!(3_000), &json!(inserted)), "{name}");
    }
    let table = table(&stack).await;
    assert_eq!(
        (table.len(), table[0].as_str(), table[2_999].as_str()),
        (3_000, "2000-01-01 0.5 0", "2008-12-04 2999.5 0")
    );
}

/// Not even a lock, which would be written into the row, and into the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_change_is_not_touched() {
    for prepare in ["", TRIGGER] {
        let stack = fixture().await;
        create(&stack, CREATE).await;
        create(&stack, prepare).await;
        let rows = "2024-01-01,1,1\n2024-01-02,2,2\n";
        for (number, name) in ["first", "again"].iter().enumerate() {
            let payload = prepared(&stack, name, &format!("2024-01-0{}T00:00:00.000Z", number + 1), &[rows]).await;
            stack.invoke("upsert", &payload).await.unwrap().unwrap();
        }
        let mut connection = stack.connect().await.unwrap();
        let touched: Vec<String> = sqlx::query_scalar(
            "select format('%s %s %s', xmax, ctid, (xmin::text in (select xmin::text from sluice.runs where execution like '%again'))) \
             from pomodoro_day_catg order by date",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(touched, ["0 (0,1) f", "0 (0,2) f"], "{prepare}");
    }
}

/// Another writer has inserted a key that the load holds for new, and commits while the load waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_tool_inserts_meanwhile_is_updated() {
    let stack = fixture().await;
    create(&stack, CREATE).await;
    let mut other = stack.connect().await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("insert into pomodoro_day_catg values ('2024-01-02', 100, 100)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let rows = "2024-01-01,1,1\n2024-01-02,2,2\n2024-01-03,3,3\n";
    let payload = prepared(&stack, "run", "2024-01-01T00:00:00.000Z", &[rows]).await;
    let commit = async {
        until("the load waits", async || waits_for_lock(&stack).await).await;
        transaction.commit().await
    };
    let (loaded, committed) = tokio::join!(stack.invoke("upsert", &payload), commit);
    committed.unwrap();
    let output = loaded.unwrap().unwrap();
    assert_eq!(["inserted", "updated"].map(|what| output[format!("rows_{what}")].clone()), [json!(2), json!(1)]);
    assert_eq!(table(&stack).await, ["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 3 3"]);
}

/// Texts that are compared need a collation, and only one.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_have_a_collation_of_its_own() {
    for on_overlap in ["all_files", "newest_file", "last_run"] {
        let mut options = vpc_mode();
        options.spec.push((r#""from": "Start date", "type": "date""#, r#""from": "Start date""#));
        options.spec.push(match on_overlap {
            "newest_file" => (r#""on_overlap": "all_files""#, r#""on_overlap": "newest_file""#),
            "last_run" => (r#""on_overlap": "all_files""#, r#""on_overlap": "last_run""#),
            _ => (r#""on_overlap": "all_files""#, r#""on_overlap": "all_files""#),
        });
        let stack = fixture_with(options).await;
        create(&stack, &CREATE.replace("date date", "date text collate \"C\"")).await;
        for minutes in ["1", "2"] {
            stack
                .upload("a.csv", csv(&[("Work", minutes, "b"), ("Work", minutes, "B"), ("Learning", "5", "a")]))
                .await
                .unwrap();
            run_well(&stack, json!({})).await;
            let expected = [format!("B 10:00 0 {minutes}"), "a 10:00 5 0".into(), format!("b 10:00 0 {minutes}")];
            assert_eq!(table(&stack).await, expected, "{on_overlap}");
        }
    }
}
