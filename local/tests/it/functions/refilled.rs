//! A table that somebody has emptied and filled again: what was loaded is not in it any more.

use crate::functions::merging::create;
use crate::functions::prepared::*;
use crate::support::*;
use serde_json::Value;

const ROWS: [&str; 2] = ["2024-01-01 1 1", "2024-01-02 2 2"];

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_none_of_the_keys_that_were_loaded_is_as_one_that_was_emptied() {
    let stack = fixture().await;
    for (mode, is_noticed) in [("all_files", true), ("newest_file", true), ("last_run", false)] {
        let table = format!("t_{mode}");
        let parts = parts(&table, mode);
        let is = async || record(&stack, &parts).await;
        let refill = async |days: &[&str]| {
            let rows: Vec<String> = days.iter().map(|day| format!("('{day}', 9, 9)")).collect();
            create(&stack, &format!("truncate {table}; insert into {table} values {}", rows.join(", "))).await;
        };
        let run = |number| Run::new(number, &parts, vec![vec![file("a.csv", number, &ROWS)]]);
        // Without rows there is nothing to lose.
        Run::new(1, &parts, vec![vec![file("a.csv", 1, &[])]]).load(&stack).await.unwrap();
        assert_ne!(is().await, Value::Null, "{mode}");
        run(2).load(&stack).await.unwrap();
        let loaded = is().await;
        // One key is enough to be the same table, as where old rows are deleted.
        create(&stack, &format!("delete from {table} where date = '2024-01-01'")).await;
        assert_eq!(is().await, loaded, "{mode}");
        refill(&["2024-01-02", "2024-02-01"]).await;
        assert_eq!(is().await, loaded, "{mode}");
        refill(&["2024-02-01", "2024-02-02"]).await;
        assert_eq!(is().await == Value::Null, is_noticed, "{mode}");
        // A run by what was believed before loads nothing, and says so.
        if is_noticed {
            let output = Run { assumed: Some(loaded), ..run(3) }.load(&stack).await.unwrap();
            assert!(output["record"].is_object(), "{mode}: {output}");
            let (error, cause) = run(4).load(&stack).await.unwrap_err();
            assert!(error == "Misconfigured" && cause.contains("come from no file"), "{mode}: {error}: {cause}");
            create(&stack, &format!("truncate {table}")).await;
        }
        run(5).load(&stack).await.unwrap();
        let rows = rows_of(&stack, &table).await;
        match is_noticed {
            true => assert_eq!(rows, ROWS, "{mode}"),
            false => assert_eq!(rows, [&ROWS[..], &["2024-02-01 9 9", "2024-02-02 9 9"]].concat(), "{mode}"),
        }
        // Keys of another type cannot be compared, and are left to the checks before a load.
        create(
            &stack,
            &format!("alter table {table} alter date type timestamp; update {table} set date = date + '9 years'"),
        )
        .await;
        assert_ne!(is().await, Value::Null, "{mode}");
    }
}
