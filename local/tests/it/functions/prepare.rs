//! The function prepares its own database, so that nobody else has to reach it.

use crate::support::*;
use serde_json::json;
use sqlx::AssertSqlSafe;

/// User and password of a URL.
fn login(url: &str) -> (String, String) {
    let (login, _) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    (user.to_owned(), password.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_prepared_by_one_call_and_the_role_can_load_then() {
    let owner = fixture().await;
    // As on RDS there is a role for logging in by IAM; a password stands for the token.
    sql(&owner, "do $$ begin create role rds_iam; exception when duplicate_object then null; end $$").await;
    let role = format!("loader_{}", owner.name.replace('-', "_"));
    let (_, address) = owner.database_url.split_once('@').unwrap();
    let mut options = vpc_mode();
    options.parameters.insert("DatabaseUrl", format!("postgres://{role}:token@{address}"));
    let loader = fixture_with(options).await;

    let (user, password) = login(&owner.database_url);
    let prepare = json!({"action": "prepare", "user": user, "password": password, "table": "pomodoro_day_catg"});
    // On RDS it could log in now.
    let (error, cause) = loader.invoke("upsert", &prepare).await.unwrap().unwrap_err();
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains(&format!("{role} is made and granted, but cannot log in")), "{cause}");
    let mut connection = owner.connect().await.unwrap();
    let is_in: bool = sqlx::query_scalar("select pg_has_role($1, 'rds_iam', 'member')")
        .bind(&role)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(is_in, "it logs in by token");
    let set = AssertSqlSafe(format!("alter role {role} password 'token'"));
    sqlx::query(set).execute(&mut connection).await.unwrap();

    for has_table in [false, true] {
        let answer = loader.invoke("upsert", &prepare).await.unwrap().unwrap();
        assert_eq!(answer, json!({"role": role, "has_table": has_table}));
        loader.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
        run_well(&loader, json!({})).await;
        let owners: Vec<String> = sqlx::query_scalar(
            "select distinct tableowner::text from pg_tables where tablename = 'pomodoro_day_catg' or schemaname = 'sluice'",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert_eq!(owners, [role.as_str()], "the tables are its own");
    }
    loader.upload("a.csv", csv(&[("Work", "2", "2024-01-01")])).await.unwrap();
    assert_eq!(merged(&run_well(&loader, json!({})).await), [0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_there_is_granted_and_no_more() {
    let owner = fixture().await;
    sql(&owner, TARGET).await;
    let role = format!("reader_{}", owner.name.replace('-', "_"));
    let (_, address) = owner.database_url.split_once('@').unwrap();
    let mut options = vpc_mode();
    options.parameters.insert("DatabaseUrl", format!("postgres://{role}:token@{address}"));
    let loader = fixture_with(options).await;
    let create = AssertSqlSafe(format!("create role {role} login password 'token'"));
    sqlx::query(create).execute(&mut owner.connect().await.unwrap()).await.unwrap();
    let (user, password) = login(&owner.database_url);
    let mut prepare = json!({
        "action": "prepare", "user": user, "password": password, "table": "pomodoro_day_catg", "create": false,
        "delete": false,
    });
    let privileges = async || -> Vec<bool> {
        let mut connection = owner.connect().await.unwrap();
        sqlx::query_scalar(
            "select has_table_privilege($1, 'pomodoro_day_catg', privilege) from unnest(array['select', 'insert', 'update', \
             'delete', 'truncate']) privilege",
        )
        .bind(&role)
        .fetch_all(&mut connection)
        .await
        .unwrap()
    };
    loader.invoke("upsert", &prepare).await.unwrap().unwrap();
    assert_eq!(privileges().await, [true, true, true, false, false]);
    prepare["delete"] = json!(true);
    loader.invoke("upsert", &prepare).await.unwrap().unwrap();
    assert_eq!(privileges().await, [true, true, true, true, false]);

    let refused = async |event: &serde_json::Value| loader.invoke("upsert", event).await.unwrap().unwrap_err();
    let mut wrong = prepare.clone();
    wrong["password"] = json!("hush-hush");
    let (error, cause) = refused(&wrong).await;
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("28P01") && !cause.contains("hush-hush"), "{cause}");
    wrong["user"] = json!(role);
    assert_eq!(refused(&wrong).await.0, "InvalidEvent", "the role that loads would lose its password");
    // From a state machine, whose history would keep the password.
    let mut executed = prepare.clone();
    executed["execution"] = execution(&loader, "one");
    let (error, cause) = refused(&executed).await;
    assert_eq!(error, "InvalidEvent");
    assert!(cause.contains("called directly") && !cause.contains(&password), "{cause}");
}
