//! `add_columns`: a table that lost a column which was loaded.

use crate::functions::prepared::*;
use crate::support::*;
use serde_json::{Value, json};

const ROWS: [&str; 2] = ["2024-01-01 1 1", "2024-01-02 2 2"];

fn one_file(number: u32) -> Vec<Vec<File>> {
    vec![vec![file("a.csv", number, &ROWS)]]
}

/// Somebody drops or renames a column; the next run adds it again, and what was in it is not lost untold.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_table_has_lost_is_filled_again() {
    let stack = fixture().await;
    let adding = |mode| {
        let mut parts = parts("t", mode);
        parts.target["add_columns"] = json!(true);
        parts
    };
    let second = || file("b.csv", 2, &["2024-01-03 3 3"]);
    let all = [ROWS[0], ROWS[1], "2024-01-03 3 3"];
    for mode in ["all_files", "newest_file"] {
        let parts = adding(mode);
        Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
        let generation = record(&stack, &parts).await["generation"].clone();
        sql(&stack, "alter table t drop column work_minutes; insert into t values ('2023-01-01', 9)").await;
        let output = Run::new(2, &parts, vec![vec![second()]]).load(&stack).await.unwrap();
        assert_eq!(counts(&output, ["rows_inserted", "rows_updated"]), [1, 2], "{mode}");
        assert_eq!(
            notes(&output),
            ["the table had lost columns that were loaded, so what all its keys come to was worked out again"]
        );
        // A row that somebody else has written stays.
        assert_eq!(rows_of(&stack, "t").await[0], "2023-01-01 9 0", "{mode}");
        assert_eq!(rows_of(&stack, "t").await[1..], all, "{mode}");
        assert_eq!(record(&stack, &parts).await["generation"], generation);
        let output = Run::new(3, &parts, vec![vec![second()]]).load(&stack).await.unwrap();
        assert_eq!((counts(&output, ["rows_unchanged"]), notes(&output)), ([1], vec![]), "{mode}");
        sql(&stack, "drop table t; delete from sluice.targets; delete from sluice.runs").await;
    }
    // Nothing is kept by which to fill it, so all files are looked at again, as of a table that was emptied.
    let parts = adding("last_run");
    Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
    sql(&stack, "alter table t rename work_minutes to worked; alter table t alter worked drop not null").await;
    let output = Run::new(2, &parts, vec![vec![second()]]).load(&stack).await.unwrap();
    assert_eq!((&output["record"], counts(&output, ["files"])), (&json!({"loaded": null}), [0]));
    let again = Run::new(3, &parts, vec![vec![file("a.csv", 1, &ROWS), second()]]);
    let output = Run { assumed: Some(Value::Null), ..again }.load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["rows_inserted", "rows_updated"]), [1, 2]);
    assert_eq!(rows_of(&stack, "t").await, all);
}
