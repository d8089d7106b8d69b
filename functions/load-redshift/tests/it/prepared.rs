//! What `prepare` grants on both sides: enough to do the work, and no more.

use crate::lab::*;
use export_table::handler::Output;
use plan_export::catalogue::Catalogue;
use serde_json::{Value, json};
use sluice::contract::mysql_to_redshift::{ExportTableInput, Parts, Plan, PlanExportEvent};
use sluice::{Error, Kind};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_reads_the_one_table_and_nothing_else() {
    let lab = Lab::new().await;
    lab.make_nps(3).await;
    lab.in_mysql("create table salaries (id int not null primary key)").await;
    let reader = format!("reader_{}_{}", std::process::id(), next());
    let [administrator, password] = lab.mysql_administrator();
    let context = lab.export_context_of(&reader, "lent").await;
    let prepare = async |table: &str| {
        let event = json!({"action": "prepare", "user": administrator, "password": password, "schema": lab.name, "table": table});
        let event: ExportTableInput = serde_json::from_value(event).unwrap();
        export_table::handler::handle(context.clone(), invocation(), event).await
    };
    let inspect = async |table: &str| -> Result<Output, Error> {
        let mut parts: Value = lab.nps("replace");
        parts["source"]["table"] = json!(table);
        let parts: Parts = serde_json::from_value(parts).unwrap();
        let mut event = serde_json::to_value(parts).unwrap();
        event["action"] = json!("inspect");
        event["execution"] = serde_json::to_value(execution("prepared")).unwrap();
        export_table::handler::handle(context.clone(), invocation(), serde_json::from_value(event).unwrap()).await
    };
    // The user of a secret is whose the secret is.
    let error = prepare("nps").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains(&format!("MySQL has no user {reader}")), "{error}");
    lab.in_mysql(&format!("create user {reader}@`%` identified by 'lent'")).await;
    assert_eq!(inspect("nps").await.unwrap_err().kind(), Kind::Misconfigured);
    for _ in 0..2 {
        let Output::Prepare(output) = prepare("nps").await.unwrap() else { panic!("it was asked to prepare") };
        assert_eq!(output.user, reader);
    }
    inspect("nps").await.unwrap();
    assert_eq!(inspect("salaries").await.unwrap_err().kind(), Kind::Misconfigured);
    let error = prepare("no_such_table").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
    let grants = lab.source(&format!("show grants for {reader}@`%`")).await;
    assert_eq!(grants.len(), 2, "to log in, and to read: {grants:?}");
    assert!(grants[1].starts_with(&format!("GRANT SELECT ON `{}`.`nps` TO", lab.name)), "{grants:?}");
    lab.in_mysql(&format!("drop user {reader}@`%`")).await;
}

async fn becomes(connection: &mut PgConnection, user: &str) {
    let set = format!("reset role; set role \"{user}\"");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(connection).await.unwrap();
}

/// PostgreSQL, which stands for Redshift here, knows all of these grants but ASSUMEROLE. What the functions say to it,
/// with these rights alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_is_told_to_run_in_redshift_is_enough_and_no_more() {
    let lab = Lab::new().await;
    lab.make_nps(2).await;
    lab.in_redshift("create table nps (id int not null, created_at timestamp, score smallint)").await;
    let event = json!({"action": "prepare", "job": "nps", "table": "NPS"});
    let event: PlanExportEvent = serde_json::from_value(event).unwrap();
    let output = plan_export::handler::handle(lab.plan_context(), invocation(), event).await.unwrap();
    let plan_export::handler::Output::Prepare(output) = output else { panic!("it was asked to prepare") };
    let catalogue = Catalogue {
        warehouse: &lab.warehouse,
        deadline: std::time::Instant::now() + std::time::Duration::from_secs(60),
    };
    assert!(!catalogue.is_prepared("nps").await.unwrap());
    let mut redshift = lab.redshift().await;
    sqlx::raw_sql(
        "revoke all on schema public from public; grant select on svv_columns to public;
         do $$ begin execute format('revoke all on database %I from public', current_database()); end $$",
    )
    .execute(&mut redshift)
    .await
    .unwrap();
    for user in &output.users {
        lab.in_redshift(&format!("create role \"{user}\"")).await;
    }
    for statement in output.statements.iter().filter(|statement| !statement.contains("assumerole")) {
        // Twice: it may be run again.
        lab.in_redshift(statement).await;
        lab.in_redshift(statement).await;
    }
    let [plan_user, load_user] = [&output.users[0], &output.users[1]];

    becomes(&mut redshift, plan_user).await;
    let columns = "select column_name from svv_columns where table_schema = 'public' and table_name = 'nps'";
    let seen: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut redshift).await.unwrap();
    assert_eq!(seen.len(), 3);
    let seen = "select distinct table_name from svv_columns where table_schema = 'sluice' order by 1";
    let seen: Vec<String> = sqlx::query_scalar(seen).fetch_all(&mut redshift).await.unwrap();
    assert_eq!(seen, ["loads", "lock_nps"]);
    sqlx::raw_sql("select * from sluice.loads").execute(&mut redshift).await.unwrap();
    for forbidden in ["delete from nps", "insert into sluice.loads (job) values ('x')", "create table sluice.x (a int)"]
    {
        assert!(sqlx::raw_sql(forbidden).execute(&mut redshift).await.is_err(), "{forbidden}");
    }

    // Planning finds that all is there, so it makes nothing.
    assert!(catalogue.is_prepared("nps").await.unwrap());
    let run = lab.plan(&lab.nps("upsert"), json!({"from": "2018-07-01", "to": "2018-07-02"})).await.unwrap();
    let export = lab.export(&run, 0).await.unwrap();
    let plan: Plan = lab.store.read_json(run.plan.as_ref().unwrap()).await.unwrap();
    let export = lab.store.read_json(&export).await.unwrap();
    let load = load_redshift::batch::Load {
        execution: &run.execution,
        plan: &plan,
        index: 0,
        window: &plan.windows[0],
        export: &export,
        role: &lab.role,
    };
    becomes(&mut redshift, load_user).await;
    let mut transaction = redshift.begin().await.unwrap();
    for statement in load.statements() {
        // PostgreSQL has no COPY from S3.
        let text = match statement.text.starts_with("copy ") {
            true => "insert into sluice_stage values (1, '2018-07-01 00:00:00', 1), (2, '2018-07-01 00:40:00', 2)"
                .to_owned(),
            false => statement.text,
        };
        sqlx::raw_sql(AssertSqlSafe(text.clone()))
            .execute(&mut *transaction)
            .await
            .unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    transaction.commit().await.unwrap();
    lab.assert_nps_equal().await;
    for forbidden in ["drop table nps", "truncate nps", "delete from sluice.loads", "update nps set score = 1"] {
        assert!(sqlx::raw_sql(forbidden).execute(&mut redshift).await.is_err(), "{forbidden}");
    }
    drop(redshift);
    for user in &output.users {
        lab.in_redshift(&format!("drop owned by \"{user}\"; drop role \"{user}\"")).await;
    }
}
