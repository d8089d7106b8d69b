//! Roles and grants of both ends: enough for everything, and no more.

use crate::actions::Function;
use crate::support::*;
use serde_json::{Value, json};
use sluice::Kind;

/// User, password and the rest of a URL.
fn parts(url: &str) -> (&str, &str, &str) {
    let (login, address) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    (user, password, address)
}

/// The pair as two roles of its own see it. A password stands for the token of IAM; nothing is granted yet.
async fn plain(pair: &Pair) -> Pair {
    let mut urls = Vec::new();
    for database in [&pair.source, &pair.target] {
        let (_, _, address) = parts(database);
        let name = database.rsplit('/').next().unwrap().split('?').next().unwrap();
        let role = format!("copier_in_{name}");
        sql(database, &format!("create role {role} login password 'token'")).await;
        // As new databases of versions from 15 on have it.
        sql(database, &format!("revoke all on schema public from public; revoke all on database {name} from public"))
            .await;
        urls.push(Database::from(format!("postgres://{role}:token@{address}")));
    }
    let target = urls.pop().unwrap();
    Pair { source: urls.pop().unwrap(), target }
}

fn prepare(pair: &Pair, end: &str, more: Value) -> Value {
    let (user, password, _) = parts(if end == "source" { &pair.source } else { &pair.target });
    let mut payload = json!({"action": "prepare", "end": end, "user": user, "password": password, "table": "t"});
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

/// What a role was granted on a table, and whether it belongs to others.
const GRANTS: &str = "select format('%s %s', grantee, string_agg(privilege_type, ' ' order by privilege_type))
    from information_schema.role_table_grants where table_name = 't' and grantee like 'copier%' group by grantee";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_is_enough_and_no_more() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 71)).await;
    let copier = plain(&pair).await;
    let function = Function::new(&copier).await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    let error = function.execute(&job, json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");

    for end in ["source", "target", "source", "target"] {
        let answer = function.send(&prepare(&pair, end, json!({}))).await.unwrap();
        assert!(answer["role"].as_str().unwrap().starts_with(&format!("copier_in_{end}")), "{answer}");
    }
    let of = |database: &Database| parts(database).0.to_owned();
    assert_eq!(texts(&pair.source, GRANTS).await, [format!("{} SELECT", of(&copier.source))]);
    let all = format!("{} DELETE INSERT SELECT UPDATE", of(&copier.target));
    assert_eq!(texts(&pair.target, GRANTS).await, [all]);
    // Everything that a job does.
    let concluded = function.execute(&job, json!({})).await.unwrap();
    assert_eq!(concluded["rows"], json!(72));
    assert_equal(&pair).await;
    sql(&pair.source, "update t set name = 'new' where id = 30; delete from t where id = 31").await;
    let range = json!({"from": "2024-01-01", "to": "2024-01-04"});
    let concluded = function.execute(&job.again("second"), range.clone()).await.unwrap();
    assert_eq!((&concluded["rows_updated"], &concluded["rows_deleted"]), (&json!(1), &json!(1)));
    function.execute(&job.again("third"), json!({"verify": range})).await.unwrap();
    assert_equal(&pair).await;
    function.execute(&Job::whole(json!({})).again("fourth"), json!({})).await.unwrap();
    // It cannot write the source, nor make tables anywhere but where it notes what it has done.
    for (database, statement) in [
        (&copier.source, "delete from t"),
        (&copier.source, "create table more (x int)"),
        (&copier.source, "create temporary table more (x int)"),
        (&copier.target, "create table more (x int)"),
        (&copier.target, "truncate t"),
        (&copier.target, "create schema more"),
    ] {
        let mut connection = connect(database).await;
        let error = sqlx::raw_sql(statement).execute(&mut connection).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code()).unwrap().into_owned();
        assert_eq!(code, "42501", "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn less_may_be_granted() {
    let pair = Pair::new(TABLE).await;
    sql(&pair.source, &hourly(0, 71)).await;
    let copier = plain(&pair).await;
    let function = Function::new(&copier).await;
    function.send(&prepare(&pair, "source", json!({"transactions": false}))).await.unwrap();
    function.send(&prepare(&pair, "target", json!({"delete": false}))).await.unwrap();
    let job = |windows: Value, mode: &str| {
        let job = Job::new(json!({"windows": windows, "target": {"mode": mode}}));
        job.at(&format!("{mode}-{windows}"), "2024-01-04T02:00:00.000Z")
    };
    let error = function.execute(&job(json!({}), "upsert"), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("pg_read_all_stats"), "{error}");
    let lag = json!({"settle": "lag", "lag_minutes": 1});
    let error = function.execute(&job(lag.clone(), "replace_window"), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("DELETE"), "{error}");
    function.execute(&job(lag, "upsert"), json!({})).await.unwrap();
    assert_equal(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_prepares_is_somebody_else_and_may_do_it() {
    let pair = Pair::new(TABLE).await;
    let copier = plain(&pair).await;
    let function = Function::new(&copier).await;
    for end in ["source", "target"] {
        let error = function.send(&prepare(&copier, end, json!({}))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidEvent, "{error}");
        let error = function.send(&prepare(&pair, end, json!({"table": "other"}))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
        let error = function.send(&prepare(&pair, end, json!({"password": "wrong"}))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    assert_eq!(texts(&pair.target, GRANTS).await, [""; 0], "all of it, or nothing");
}

/// Row-level security of the target applies to a role that does not own it: COPY would be refused in the midst.
#[tokio::test(flavor = "multi_thread")]
async fn row_security_of_the_target_is_seen_before_a_row_is_read() {
    let pair = Pair::new(TABLE).await;
    let copier = plain(&pair).await;
    let function = Function::new(&copier).await;
    for end in ["source", "target"] {
        function.send(&prepare(&pair, end, json!({}))).await.unwrap();
    }
    sql(&pair.target, "alter table t enable row level security; create policy p on t using (true) with check (true)")
        .await;
    let error = function.execute(&Job::new(json!({})), json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("row-level security"), "{error}");
}
