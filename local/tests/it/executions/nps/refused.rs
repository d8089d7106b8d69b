//! Runs that must not load, and leave the table as it was.

use super::{deploy_changed, nps, run_badly, run_well, sample, three_days};
use serde_json::{Value, json};

#[tokio::test]
async fn a_load_that_fails_leaves_the_table_as_it_was() {
    let job = nps("upsert").await;
    run_well(&job.deployment, three_days()).await;
    let before = job.nps_in_target().await;
    let unchanged = async || assert_eq!(job.nps_in_target().await, before);

    // Drift: a column that the target has not.
    job.sides.in_mysql("alter table nps add comment varchar(10) default 'x'").await;
    let (error, cause) = run_badly(&job.deployment, three_days()).await;
    assert!(error == "InvalidSource" || error == "Misconfigured", "{error}: {cause}");
    assert!(cause.contains("comment"), "{cause}");
    unchanged().await;
    job.sides.in_mysql("alter table nps drop comment; update nps set score = 1").await;

    // A key that is there twice, written by somebody else's hand.
    let mut redshift = job.sides.redshift().await;
    sqlx::raw_sql("insert into nps select * from nps where id = 50").execute(&mut redshift).await.unwrap();
    let twice = job.nps_in_target().await;
    // That day alone: each window is a unit, and the others may be loaded.
    let its_day = json!({"from": "2018-07-02", "to": "2018-07-03"});
    let (error, cause) = run_badly(&job.deployment, its_day).await;
    assert_eq!(error, "Misconfigured", "{cause}");
    assert_eq!(job.nps_in_target().await, twice);
    sqlx::raw_sql("delete from nps where ctid = (select max(ctid) from nps where id = 50)")
        .execute(&mut redshift)
        .await
        .unwrap();

    run_well(&job.deployment, json!({"full": true})).await;
    assert_eq!(job.nps_in_target().await, job.nps_in_source("true").await);
}

/// Redshift reads the parts with a role of the job's own; one that may not, or that is not Redshift's to take on, loads
/// nothing.
#[tokio::test]
async fn a_role_that_may_not_read_the_parts_loads_nothing() {
    for pointer in ["/Policies", "/AssumeRolePolicyDocument/Statement/0/Principal/Service"] {
        let target = json!({"table": "nps", "key": ["id"], "mode": "replace", "create": true});
        let job = deploy_changed("nps", json!({}), target, Value::Null, |template| {
            let role = &mut template["Resources"]["NpsRedshiftRole"]["Properties"];
            let place = role.pointer_mut(pointer).unwrap();
            *place = if pointer == "/Policies" { json!([]) } else { json!(["lambda.amazonaws.com"]) };
        })
        .await;
        job.sides.in_mysql(&sample("nps.sql")).await;
        let (error, cause) = run_badly(&job.deployment, json!({})).await;
        assert_eq!(error, "Misconfigured", "{pointer}: {cause}");
        assert_eq!(job.nps_in_target().await, [""; 0]);
    }
}
