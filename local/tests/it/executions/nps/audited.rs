//! Audits: what is loaded is compared with MySQL, and nothing is written.

use super::{nps, run_well, three_days};
use serde_json::json;

#[tokio::test]
async fn an_audit_ends_as_equal_or_names_what_differs() {
    let job = nps("upsert").await;
    let audit = async || run_well(&job.deployment, json!({"audit": true})).await;
    assert_eq!(audit().await.last_state(), "NothingToDo", "nothing is loaded yet");
    run_well(&job.deployment, three_days()).await;
    let before = job.nps_in_target().await;
    let equal = audit().await;
    let found = |outcome: &local::execution::Outcome, field: &str| outcome.counts["audit"][field].as_u64();
    assert_eq!((equal.last_state(), equal.counts["purpose"].as_str()), ("Equal", Some("audit")));
    assert_eq!([found(&equal, "rows_source"), found(&equal, "rows_target")], [Some(120); 2], "{:?}", equal.counts);
    assert_eq!(job.nps_in_target().await, before);

    // A row that went, one that came, one that changed; and answers that are lost.
    let mut redshift = job.sides.redshift().await;
    sqlx::raw_sql(
        "delete from nps where id = 45; insert into nps values (1000000, '2018-07-02', 1); \
         update nps set score = coalesce(score, 0) + 1 where id = 50",
    )
    .execute(&mut redshift)
    .await
    .unwrap();
    job.sides
        .settings(json!({"faults": {"BatchExecuteStatement": ["lose_answer"], "DescribeStatement": ["lose_answer"],
                                         "GetStatementResult": ["InternalServerException"]}}));
    let different = audit().await;
    assert_eq!(different.last_state(), "Differs");
    let parts = different.counts["audit"]["differences"].as_array().unwrap();
    let told: Vec<String> = parts
        .iter()
        .map(|part| format!("{}: {} {}", part["part"].as_str().unwrap(), part["rows_source"], part["rows_target"]))
        .collect();
    assert_eq!(told, ["id = 45: 1 0", "id = 50: 1 1", "id > 1520: 0 1"]);
    // The days again make it good, but for the row that no day of MySQL has.
    run_well(&job.deployment, three_days()).await;
    let left = audit().await;
    assert_eq!((left.last_state(), left.counts["audit"]["parts_different"].as_u64()), ("Differs", Some(1)));
}
