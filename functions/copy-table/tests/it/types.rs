//! Which columns go over, and how: every type arrives as it was, or nothing does.

use crate::support::*;
use serde_json::json;
use sluice::Kind;

/// In another order on both sides, and with others before them, so that every OID differs.
pub(crate) const TYPES: &str = "create type mood as enum ('sad', 'ok', 'happy'); create domain dmood as mood; create domain pos as int check (value > 0);
    create type pair as (a int, b text); create type mpair as (a int, m mood);
    create type frange as range (subtype = float8); create type vrange as range (subtype = pos);";

/// Not in every package of PostgreSQL.
pub(crate) const EXTENSIONS: &str = "create extension hstore; create extension citext;";

async fn typed() -> Pair {
    let pair = Pair::of(["", ""]).await;
    let others: String = (0..7).map(|number| format!("create type pad{number} as enum ('x');")).collect();
    sql(&pair.source, &format!("{others} {EXTENSIONS} {TYPES}")).await;
    sql(&pair.target, &format!("{TYPES} {EXTENSIONS}")).await;
    pair
}

/// Copies one value in a table of two rows; what the target shows of it, or why nothing was copied.
async fn copied(pair: &Pair, from: &str, to: &str, value: &str, zone: bool) -> Result<[Vec<String>; 2], String> {
    sql(&pair.source, &format!("drop table if exists t; create table t (id int primary key, c {from})")).await;
    sql(&pair.target, &format!("drop table if exists t; create table t (id int primary key, c {to})")).await;
    sql(&pair.source, &format!("insert into t values (1, {value}), (2, null)")).await;
    let job = match zone {
        false => Job::whole(json!({})),
        true => {
            for url in [&pair.source, &pair.target] {
                sql(url, "alter table t add at date not null default '2024-01-05'").await;
            }
            Job::new(json!({"windows": {"zone": "Asia/Tokyo"}}))
        }
    };
    let outcome = match zone {
        false => pair.replace(&job).await,
        true => pair.copy(&job, "2024-01-04T15", "2024-01-05T15").await,
    };
    match outcome {
        Ok(output) => {
            assert_eq!(output.rows, 2);
            let shown = "select coalesce(c::text, 'null') from t order by id";
            Ok([texts(&pair.source, shown).await, texts(&pair.target, shown).await])
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Misconfigured, "{from} to {to}: {error}");
            assert_eq!(texts(&pair.target, "select id::text from t").await, [""; 0]);
            Err(error.to_string())
        }
    }
}

#[tokio::test]
async fn the_same_type_arrives_as_it_was_whatever_its_oid() {
    let pair = typed().await;
    for (name, value) in VALUES {
        let [theirs, ours] = copied(&pair, name, name, value, false).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(theirs, ours, "{name}");
        assert_ne!(theirs[0], "null", "{name}");
    }
}

/// A type each, and a value of it.
pub(crate) const VALUES: [(&str, &str); 48] = [
    ("mood", "'ok'"),
    ("dmood", "'ok'"),
    ("pos", "5"),
    ("mood[]", "'{ok,sad}'"),
    ("pair", "'(1,x)'"),
    ("mpair", "'(1,ok)'"),
    ("pair[]", "array['(1,x)'::pair]"),
    ("hstore", "'a=>1'"),
    ("hstore[]", "array['a=>1'::hstore]"),
    ("citext", "'Ab'"),
    ("citext[]", "array['Ab'::citext]"),
    ("frange", "'[1,2)'"),
    ("vrange", "'[1,2)'"),
    ("numrange", "'[1,2)'"),
    ("nummultirange", "'{[1,2)}'"),
    ("tsvector", "'a b'"),
    ("xml", "'<a/>'"),
    ("json", r#"'{"a" :1}'"#),
    ("jsonb", r#"'{"a":1}'"#),
    ("money", "12.34"),
    ("inet", "'10.0.0.1/8'"),
    ("interval", "'1 mon 2 days 03:04:05.6'"),
    ("bit varying(9)", "B'101'"),
    ("timestamptz", "'infinity'"),
    ("timestamptz", "'2024-01-01 12:00+09'"),
    ("date", "'-infinity'"),
    ("float8", "'NaN'"),
    ("float8", "0.1"),
    ("numeric", "'NaN'"),
    ("numeric", "'Infinity'"),
    ("numeric", "1.10"),
    ("numeric(9,2)", "1.10"),
    ("int[]", "'[5:6]={1,2}'"),
    ("text[]", "array[['a', null], ['', 'NULL']]"),
    ("point", "'(1,2)'"),
    ("uuid", "'00000000-0000-0000-0000-000000000001'"),
    ("bytea", "'\\x00ff'"),
    ("name", "'x'"),
    ("\"char\"", "'a'"),
    ("char(5)", "'abc'"),
    ("jsonpath", "'$.a'"),
    ("macaddr", "'08:00:2b:01:02:03'"),
    ("pg_lsn", "'0/16B3748'"),
    ("tid", "'(1,2)'"),
    // These go as text: their binary form is an OID, or there is none.
    ("regclass", "'t'"),
    ("regclass[]", "array['t'::regclass]"),
    ("regtype", "'mood'"),
    ("aclitem", "makeaclitem('pg_monitor'::regrole, 'pg_monitor'::regrole, 'SELECT', false)"),
];

/// In the binary format each of these would be an error at best, and a wrong value at worst.
#[tokio::test]
async fn another_type_is_refused_and_both_are_named() {
    let pair = typed().await;
    for (from, to, value) in [
        ("integer", "real", "7"),
        ("bigint", "double precision", "7"),
        ("bigint", "timestamp", "7"),
        ("integer", "date", "7"),
        ("time", "bigint", "'00:00:01'"),
        ("money", "bigint", "12.34"),
        ("integer[]", "oidvector", "'{1,2}'"),
        ("smallint[]", "int2vector", "'{1,2}'"),
        ("int2vector", "smallint[]", "'1 2'"),
        ("boolean", "\"char\"", "true"),
        ("uuid", "bytea", "'00000000-0000-0000-0000-000000000001'"),
        ("bigint", "integer", "7"),
        ("double precision", "numeric", "0.1"),
        ("double precision", "real", "0.1"),
        ("jsonb", "json", "'{}'"),
        ("text", "json", "'{}'"),
        ("text", "mood", "'ok'"),
        ("mood", "text", "'ok'"),
        ("text", "bytea", "'abc'"),
        ("bytea", "text", "'abc'"),
        ("text", "character varying(2)", "'abc'"),
        ("text", "character(5)", "'abc'"),
        ("character varying(9)", "character varying(2)", "'abc'"),
        ("numeric", "numeric(9,1)", "1.25"),
        ("numeric(9,2)", "numeric(9,1)", "1.25"),
        ("numeric(9,2)", "numeric(8,2)", "1.25"),
        ("timestamp", "timestamp(0)", "'2024-01-01 00:00:00.5'"),
        ("interval", "interval(0)", "'0.5 s'"),
        ("oid", "integer", "7"),
        ("inet", "cidr", "'10.0.0.0/8'"),
        ("integer[]", "bigint[]", "'{1}'"),
        ("pair", "mpair", "'(1,ok)'"),
        ("hstore", "citext", "''"),
        ("regclass", "oid", "'t'"),
        ("timestamp", "timestamptz", "'2024-01-01 12:00'"),
    ] {
        let error = copied(&pair, from, to, value, false).await.unwrap_err();
        let shown = |name: &str| match name.strip_prefix("timestamp") {
            Some("tz") => "timestamp with time zone".to_owned(),
            Some(decimals) => format!("timestamp{decimals} without time zone"),
            None => name.replace("time", "time without time zone"),
        };
        let both = format!("the column \"c\" is {} at the source and {} at the target", shown(from), shown(to));
        assert!(error.contains(&both), "{both}: {error}");
    }
}

#[tokio::test]
async fn some_types_are_cast_without_a_loss() {
    let pair = typed().await;
    for (from, to, value, expected) in [
        ("smallint", "bigint", "7", "7"),
        ("int", "bigint", "-7", "-7"),
        ("bigint", "numeric", "9223372036854775807", "9223372036854775807"),
        ("int", "numeric(14,2)", "7", "7.00"),
        ("numeric(9,2)", "numeric(12,4)", "1.25", "1.2500"),
        ("numeric(9,2)[]", "numeric(12,4)[]", "array[1.25]", "{1.2500}"),
        ("numeric(9,2)", "numeric", "1.20", "1.20"),
        ("real", "double precision", "0.5", "0.5"),
        ("varchar(9)", "varchar(12)", "'abc'", "abc"),
        ("varchar(9)", "text", "'abc'", "abc"),
        ("char(5)", "text", "'abc'", "abc"),
        ("name", "text", "'abc'", "abc"),
        ("date", "timestamp", "'2024-01-01'", "2024-01-01 00:00:00"),
        ("json", "jsonb", r#"'{"a" :1, "a": 2}'"#, r#"{"a": 2}"#),
        ("pos", "int", "5", "5"),
        ("int", "pos", "5", "5"),
        ("timestamp(3)", "timestamp", "'2024-01-01 00:00:00.123'", "2024-01-01 00:00:00.123"),
    ] {
        let [_, ours] = copied(&pair, from, to, value, false).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(ours, [expected, "null"], "{from} to {to}");
    }
    for (from, to, value, expected) in [
        ("timestamp", "timestamptz", "'2024-01-01 12:00'", "2024-01-01 03:00:00+00"),
        ("timestamptz", "timestamp", "'2024-01-01 12:00Z'", "2024-01-01 21:00:00"),
        ("timestamptz", "timestamp", "'infinity'", "infinity"),
    ] {
        let [_, ours] = copied(&pair, from, to, value, true).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(ours, [expected, "null"], "{from} to {to}");
    }
}

#[tokio::test]
async fn types_of_one_name_that_differ_are_refused() {
    let pair = Pair::of(["", ""]).await;
    for (theirs, ours, expected) in [
        ("create type x as enum ('a', 'b')", "create type x as enum ('a')", Err("lacks a label")),
        ("create type x as enum ('a')", "create type x as enum ('b', 'a')", Ok(())),
        ("create type x as (a int, b int)", "create type x as (b int, a int)", Err("attributes differ")),
        ("create type x as (a int)", "create type x as (a bigint)", Err("attributes differ")),
        ("create type x as (a varchar(9))", "create type x as (a varchar(2))", Err("attributes differ")),
        (
            "create type x as range (subtype = int)",
            "create type x as range (subtype = bigint)",
            Err("make them one type"),
        ),
        ("create domain x as text", "create domain x as int", Err("make them one type")),
    ] {
        for (url, create) in [(&pair.source, theirs), (&pair.target, ours)] {
            sql(
                url,
                "drop table if exists t; do $$ begin execute 'drop type if exists x'; exception when others then \
                      execute 'drop domain x'; end $$",
            )
            .await;
            sql(url, &format!("{create}; create table t (id int primary key, c x)")).await;
        }
        let outcome = pair.replace(&Job::whole(json!({"target": {"key": []}}))).await;
        match (outcome, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(expected)) => {
                assert_eq!(error.kind(), Kind::Misconfigured);
                assert!(error.to_string().contains(expected), "{error}");
            }
            (outcome, _) => panic!("{theirs}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn texts_of_a_database_without_an_encoding_need_one() {
    let pair = Pair::of(["template template0 encoding 'SQL_ASCII' locale 'C'", ""]).await;
    for url in [&pair.source, &pair.target] {
        sql(url, "create table t (id int primary key, c text)").await;
    }
    sql(&pair.source, "insert into t values (1, convert_from('\\x636166e9', 'SQL_ASCII'))").await;
    let refused = pair.replace(&Job::whole(json!({}))).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Misconfigured);
    assert!(refused.to_string().contains("SQL_ASCII"), "{refused}");
    for key in [json!(["id"]), json!([])] {
        let job = Job::whole(json!({"source": {"encoding": "LATIN1"}, "target": {"key": key}}));
        for name in ["first", "again"] {
            pair.replace(&job.again(&format!("{name}-{key}"))).await.unwrap();
            assert_eq!(texts(&pair.target, "select c from t").await, ["café"]);
        }
        sql(&pair.source, "insert into t select max(id) + 1, 'x' from t; delete from t where id = 2").await;
    }
    let other = Pair::new("create table t (id int primary key, c text)").await;
    let refused = other.replace(&Job::whole(json!({"source": {"encoding": "LATIN1"}}))).await.unwrap_err();
    assert!(refused.to_string().contains("says itself that it is UTF8"), "{refused}");
}

#[tokio::test]
async fn a_sign_that_the_target_cannot_write_is_an_error_of_the_source() {
    let pair = Pair::of(["", "template template0 encoding 'LATIN1' locale 'C'"]).await;
    for url in [&pair.source, &pair.target] {
        sql(url, "create table t (id int primary key, c text)").await;
    }
    sql(&pair.source, "insert into t values (1, 'café')").await;
    let job = Job::whole(json!({}));
    pair.replace(&job).await.unwrap();
    assert_eq!(texts(&pair.target, "select c from t").await, ["café"]);
    sql(&pair.source, "insert into t values (2, '漢')").await;
    let refused = pair.replace(&job.again("second")).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidSource, "{refused}");
    assert!(!refused.to_string().contains('漢'), "{refused}");
}

/// Names of objects are told in full, so that they are not taken for others of the target's own path.
#[tokio::test]
async fn a_name_of_an_object_is_not_taken_for_another_s() {
    let pair = Pair::new("create table t (id int primary key, c regclass); create table seen (x int)").await;
    sql(&pair.source, "insert into t values (1, 'seen')").await;
    // There, the unqualified name would be another table's.
    sql(&pair.target, "create schema first; create table first.seen (x int)").await;
    let name = pair.target.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    sql(&pair.target, &format!("alter database {name} set search_path = first, public")).await;
    let job = Job::whole(json!({}));
    for attempt in ["first", "second"] {
        pair.replace(&job.again(attempt)).await.unwrap();
        let seen = "select n.nspname || '.' || c.relname
                    from t join pg_class c on c.oid = t.c join pg_namespace n on n.oid = c.relnamespace";
        assert_eq!(texts(&pair.target, seen).await, ["public.seen"]);
    }
}
