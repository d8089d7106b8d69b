//! Servers of different versions.

use crate::servers::{Installation, Server};
use crate::support::*;
use crate::types::{EXTENSIONS, TYPES, VALUES};
use serde_json::json;
use sluice::contract::copy_table::Outcome;

/// The usual one with each of the others, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn rows_go_from_any_version_to_any_other() {
    let usual = Server::start(&Installation::usual(), "");
    for other in Installation::others() {
        let server = Server::start(other, "");
        for (number, (source, target)) in [(&usual, &server), (&server, &usual)].into_iter().enumerate() {
            eprintln!("{other:?}, direction {number}");
            let pair = Pair {
                source: source.database(&format!("source_{}_{number}", server.port())).await,
                target: target.database(&format!("target_{}_{number}", server.port())).await,
            };
            sql(&pair.source, &format!("create type pad as enum ('x'); {TYPES}")).await;
            sql(&pair.target, TYPES).await;
            let is_complete = is_complete(&pair.source).await && is_complete(&pair.target).await;
            if is_complete {
                for side in [&pair.target, &pair.source] {
                    sql(side, EXTENSIONS).await;
                }
            }
            all_types_arrive(&pair, is_complete).await;
            copies(&pair).await;
        }
    }
}

/// Not all that is optional is in every package.
async fn is_complete(database: &Database) -> bool {
    let count = "select count(*)::text from pg_available_extensions where name in ('hstore', 'citext')";
    texts(database, count).await == ["2"]
}

/// In one table of each format.
async fn all_types_arrive(pair: &Pair, is_complete: bool) {
    let of_extension = |name: &str| name.starts_with("hstore") || name.starts_with("citext");
    let is_optional = |name: &str| of_extension(name) || name == "xml";
    let of_ours = |name: &str| TYPES.contains(name.trim_end_matches("[]")) || name.starts_with("mood");
    let of_objects = |name: &str| name.starts_with("reg") || name == "aclitem" || name == "interval";
    let values = VALUES.into_iter().filter(|(name, _)| is_complete || !is_optional(name));
    let (as_text, as_binary): (Vec<_>, Vec<_>) =
        values.partition(|(name, _)| of_extension(name) || of_ours(name) || of_objects(name));
    for (values, format) in [(as_text, "text"), (as_binary, "binary")] {
        let columns: String =
            values.iter().enumerate().map(|(place, (name, _))| format!(", c{place} {name}")).collect();
        for side in [&pair.source, &pair.target] {
            sql(side, &format!("drop table if exists t; create table t (id int primary key{columns})")).await;
        }
        let values: String = values.iter().map(|(_, value)| format!(", {value}")).collect();
        sql(&pair.source, &format!("insert into t values (1{values}); insert into t values (2)")).await;
        let job = Job::whole(json!({})).again(format);
        assert_eq!(pair.plan(&job, json!({})).await.unwrap().output.columns.format, format);
        pair.replace(&job).await.unwrap();
        assert_equal(pair).await;
        assert_eq!(counts(&pair.replace(&job.again(&format!("{format} again"))).await.unwrap()), [0, 0, 0, 2]);
    }
}

/// A copy, a rerun, late changes, and a comparison.
async fn copies(pair: &Pair) {
    for side in [&pair.source, &pair.target] {
        sql(side, &format!("drop table if exists t; {TABLE}")).await;
    }
    sql(&pair.source, &hourly(0, 71)).await;
    let range = json!({"from": "2024-01-01", "to": "2024-01-04"});
    let job = Job::new(json!({}));
    for (name, expected) in [("first", [[24, 0, 0, 0]; 3]), ("second", [[0, 0, 0, 24], [0, 1, 1, 22], [0, 0, 0, 24]])] {
        let (outputs, concluded) = pair.execute(&job.again(name), range.clone()).await;
        assert!(concluded.failed.is_empty(), "{outputs:?}");
        let copied: Vec<_> = outputs.into_iter().map(|output| counts(&output.unwrap())).collect();
        assert_eq!(copied, expected);
        assert_equal(pair).await;
        sql(&pair.source, "update t set score = 1.50 where id = 30; delete from t where id = 31").await;
    }
    let (outputs, _) = pair.execute(&job.again("third"), json!({"verify": range})).await;
    assert!(outputs.iter().all(|output| output.as_ref().is_ok_and(|output| output.outcome == Outcome::Equal)));
}

/// What only the newer server has would be other values at the older one, and none of its errors.
#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_interval_is_not_made_a_finite_one() {
    let (usual, newer) = (Installation::usual(), Installation::others().last().unwrap());
    let (source, target) = (Server::start(newer, ""), Server::start(&usual, ""));
    let pair = Server::pair(&source, &target).await;
    for side in [&pair.source, &pair.target] {
        sql(side, "create table t (id int primary key, c interval)").await;
    }
    sql(&pair.source, "insert into t values (1, '1 mon 2 days 03:04:05.6')").await;
    let job = Job::whole(json!({}));
    pair.replace(&job).await.unwrap();
    assert_equal(&pair).await;
    sql(&pair.source, "insert into t values (2, 'infinity')").await;
    let copied = pair.replace(&job.again("second")).await;
    let knows = texts(&pair.target, "select (current_setting('server_version_num')::int >= 170000)::text").await;
    match knows[0].as_str() {
        "true" => assert!(copied.is_ok()),
        _ => assert_eq!(copied.unwrap_err().kind(), sluice::Kind::InvalidSource),
    }
}
