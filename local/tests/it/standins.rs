//! What stands in for services: a real MySQL or MariaDB, and Redshift's Data API.

use crate::support::Folder;
use crate::support::warehouse::{Sides, stack_with_warehouse};
use local::binaries::workspace;
use local::mysql::Mysql;
use local::python;
use local::setup_error::Reason;
use local::stack::tools_dir;
use serde_json::json;
use sqlx::{Connection, MySqlConnection, Row};
use std::fs;
use std::process::Command;

/// Its own tests, through the SDK that its documentation is made of.
#[tokio::test]
async fn redshift_accepts_and_refuses_what_it_should() {
    let stack = stack_with_warehouse().await;
    let sides = Sides::new().await;
    let requirements = fs::read_to_string(workspace().join("local/requirements/redshift.txt")).unwrap();
    let environment =
        python::environment(&tools_dir(), "redshift", &requirements, &|text| eprintln!("{text}")).unwrap();
    let mut tests = Command::new(environment.program("python"));
    tests.args(["-m", "unittest", "redshift.tests.test_sql", "redshift.tests.test_api"]);
    tests.args(["redshift.tests.test_copy", "redshift.tests.test_writers"]);
    tests.env("PYTHONPATH", workspace().join("local/standins"));
    tests.env("AWS_ENDPOINT_URL", stack.endpoint());
    tests.env("AWS_ENDPOINT_URL_REDSHIFT_DATA", format!("http://{}", sides.warehouse().address()));
    tests.env("REDSHIFT_DATABASE", &sides.name);
    let output = tokio::task::spawn_blocking(move || tests.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    // None is skipped, and the files are found.
    assert!(told.contains("Ran 26 tests") && told.trim_end().ends_with("\nOK"), "{told}");
}

#[tokio::test]
async fn mysql_keeps_its_data_and_is_nobody_elses() {
    let folder = Folder::new("mysql");
    let start = || {
        let state = folder.0.join("state");
        tokio::task::spawn_blocking(move || Mysql::start(&state, &tools_dir(), true, &|text| eprintln!("{text}")))
    };
    let mysql = start().await.unwrap().unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
    let other = start().await.unwrap().err().unwrap();
    assert_eq!(other.reason, Reason::Busy, "{other}");
    let mut connection = MySqlConnection::connect(&mysql.url("mysql")).await.unwrap();
    let addresses: (String, u16) =
        sqlx::query_as("select @@bind_address, cast(@@port as unsigned)").fetch_one(&mut connection).await.unwrap();
    assert_eq!(addresses.0, "127.0.0.1");
    let zone: (String, String) =
        sqlx::query_as("select @@global.time_zone, @@character_set_server").fetch_one(&mut connection).await.unwrap();
    assert_eq!(zone, ("+00:00".to_owned(), "utf8mb4".to_owned()));
    sqlx::raw_sql("create database kept; create table kept.t (a int); insert into kept.t values (7)")
        .execute(&mut connection)
        .await
        .unwrap();
    // Nobody gets in without the password, nor as somebody who needs none.
    let port = addresses.1;
    for url in ["root@", "sluice_owner@", "sluice_owner:guess@", "nobody@"]
        .map(|user| format!("mysql://{user}127.0.0.1:{port}/"))
    {
        assert!(MySqlConnection::connect(&url).await.is_err(), "{url}");
    }
    // Its files are in a folder that is its user's alone, and that user is not root.
    let home = fs::metadata(folder.0.join("state/mysql").canonicalize().unwrap()).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&home.permissions()) & 0o077, 0);
    assert_ne!(std::os::unix::fs::MetadataExt::uid(&home), 0);
    drop(connection);
    drop(mysql);
    let mysql = start().await.unwrap().unwrap();
    let mut connection = MySqlConnection::connect(&mysql.url("kept")).await.unwrap();
    let kept: i32 = sqlx::query_scalar("select a from t").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 7);
    drop(mysql);
    Mysql::erase(&folder.0.join("state")).unwrap();
    assert!(!folder.0.join("state/mysql").exists());
}

/// The sample is what it says: nothing of it was clipped on its way into MySQL.
#[tokio::test]
async fn the_sample_has_every_type_at_its_limits() {
    let sides = Sides::new().await;
    for file in ["nps.sql", "every-type.sql"] {
        sides.in_mysql(&fs::read_to_string(workspace().join("local/sample/nps").join(file)).unwrap()).await;
    }
    let mut mysql = sides.mysql().await;
    // Some versions of MariaDB call such a text binary.
    let mut text = async |sql: &'static str| -> String {
        sqlx::query(sql).fetch_one(&mut mysql).await.unwrap().try_get_unchecked(0).unwrap()
    };
    assert_eq!(
        text("select concat_ws(' ', count(*), count(score), count(distinct date(created_at))) from nps").await,
        "1520 1368 38"
    );
    assert_eq!(
        text(
            "select concat_ws(' ', a_tinyint, a_tinyint_unsigned, a_mediumint_unsigned, a_bigint_unsigned, some_bits + 0, \
             a_decimal, a_datetime_6, a_timestamp, a_time, length(a_char), char_length(a_varchar), length(a_varchar), \
             length(a_text), length(a_longtext), hex(a_binary), json_valid(a_json)) from every_type \
             where id = 9223372036854775807"
        )
        .await,
        "127 255 16777215 18446744073709551615 18446744073709551615 9999999999999999999999999999.9999999999 \
         9999-12-31 23:59:59.999999 2038-01-19 03:14:07.999999 838:59:59.000000 21 100 400 65534 65535 00FF00FF 1"
    );
    assert_eq!(
        text("select group_concat(a_date, ' ', a_datetime order by id separator ', ') from zero_dates").await,
        "0000-00-00 0000-00-00 00:00:00, 2024-01-31 2024-01-31 12:00:00, 2024-02-00 2024-00-00 10:00:00"
    );
}

/// A test's database is another than that of its neighbours, and so are its settings.
#[tokio::test]
async fn redshift_has_databases_of_their_own() {
    let (one, other) = (Sides::new().await, Sides::new().await);
    one.settings(json!({"isolation": "serializable"}));
    for sides in [&one, &other] {
        let name: String =
            sqlx::query_scalar("select current_database()").fetch_one(&mut sides.redshift().await).await.unwrap();
        assert_eq!(name, format!("redshift_{}", sides.name));
        sqlx::raw_sql("create table t (a int)").execute(&mut sides.redshift().await).await.unwrap();
    }
}
