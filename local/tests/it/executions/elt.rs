//! Whole runs of the job that makes a table of the lake and its file, by the template's state machine, judged by what
//! Python's reader of CSV says of the sample.

use super::cli::cargo_local;
use crate::support::lake::{Files, Lake, RATINGS, change, sample, truth};
use crate::support::{Fixture, Folder, keys, read, run, stack};
use local::deployment::Options;
use local::report::failure;
use local::template;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The parameters in which the job's variable has another value.
fn genre(value: &'static str) -> impl FnOnce(&mut Value) {
    move |parameters| change(parameters, "Variables", |variables| variables["genre"] = json!({"value": value}))
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_table_and_its_file_again_and_again() {
    let (lake, mut files) = (Lake::with_sample().await, sample());
    let outcome = lake.run_well(json!({})).await;
    lake.is_published(&files, "Sci-Fi").await;
    let states: Vec<&str> = outcome.states.iter().map(|run| run.state.as_str()).collect();
    let made = ["CheckCatalog", "DatabaseExists", "CreateDatabase", "CreateSourceTables", "BuildTargets", "CleanUp"];
    assert!(made.iter().all(|state| states.contains(state)) && outcome.last_state() == "Published", "{states:?}");
    // What the README counts and prices, but for the seven in the Map, which the local AWS does not tell.
    assert_eq!(states.len(), 17 - 7, "{states:?}");
    let queries = lake.queries().await;
    let kinds: Vec<&str> = queries.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["CREATE_TABLE_AS_SELECT", "SELECT", "SELECT"]);
    // The newest year first, those without one last.
    let years: Vec<i64> = lake.file_rows().await.iter().map(|row| row[2].as_i64().unwrap_or(i64::MIN)).collect();
    assert!(years.is_sorted_by(|one, next| one >= next), "{years:?}");

    let mut versions = vec![lake.versions().await];
    for round in 0..3 {
        let name = format!("ratings/more-{round}.csv");
        files.insert(name.clone(), format!("{RATINGS}700,1,{round}.5,1\n").into_bytes());
        lake.put(&name, files[&name].clone()).await;
        let outcome = lake.run_well(json!({})).await;
        assert!(outcome.states.iter().all(|run| run.state != "CreateDatabase"), "it is there");
        assert_eq!(outcome.states.len(), 16 - 7);
        lake.is_published(&files, "Sci-Fi").await;
        versions.push(lake.versions().await);
    }
    // All stay, for who is still reading them; and of those that nobody can read any more, two.
    assert_eq!(versions.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 3, 4], "{versions:?}");
    lake.age_versions().await;
    lake.run_well(json!({})).await;
    let all: BTreeSet<&String> = versions[3].iter().collect();
    let left = lake.versions().await;
    assert_eq!((left.len(), left.iter().filter(|id| all.contains(id)).count()), (2, 1), "{left:?} of {all:?}");
    lake.is_published(&files, "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_select_changes_table_and_file_together() {
    let lake = Lake::with_sample().await;
    lake.run_well(json!({})).await;
    lake.redeploy(|parameters| {
        change(parameters, "Targets", |targets| {
            targets[0]["select"] =
                json!("SELECT movie_id, upper(title) AS loud FROM movies WHERE contains(split(genres, '|'), ?)");
            targets[0]["export"]["order_by"] = json!(["movie_id"]);
        });
    })
    .await;
    lake.run_well(json!({})).await;
    let table = lake.glue().get_table().database_name(&lake.database).name("scifi").send().await.unwrap();
    let storage = table.table.unwrap().storage_descriptor.unwrap();
    let columns: Vec<(String, String)> =
        storage.columns().iter().map(|column| (column.name().into(), column.r#type().unwrap().into())).collect();
    assert_eq!(columns, [("movie_id".into(), "bigint".into()), ("loud".into(), "string".into())]);
    assert!(
        read(&lake, lake.export()).await.starts_with("\"movie_id\",\"loud\"\n\"1\",\"AMERICAN ROBOT, THE (1995)\"\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn formulas_are_disarmed_in_the_file_only_and_only_where_that_is_asked_for() {
    let safe = |parameters: &mut Value| {
        change(parameters, "Targets", |targets| targets[0]["export"]["spreadsheet_safe"] = json!(true));
    };
    let lake = Lake::with(safe).await;
    lake.upload_all(&sample()).await;
    lake.run_well(json!({})).await;
    let titles =
        |rows: Vec<Value>| -> BTreeSet<String> { rows.iter().map(|row| row[1].as_str().unwrap().to_owned()).collect() };
    let (file, table) = (titles(lake.file_rows().await), titles(lake.table_rows().await));
    for title in ["=SUM(1;2)", "-30-", "+1", "@Home"] {
        assert!(file.contains(&format!("'{title}")) && !file.contains(title), "{file:?}");
        assert!(table.contains(title), "{table:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_targets_of_one_run() {
    let lake = Lake::with(|parameters| {
        change(parameters, "Targets", |targets| {
            let mut second = targets[0].clone();
            second["table"] = json!("unrated");
            second["select"] = json!(
                "SELECT m.movie_id, m.title FROM movies m LEFT JOIN ratings r ON r.movie_id = m.movie_id \
                 WHERE r.movie_id IS NULL"
            );
            second["parameters"] = json!([]);
            second["export"] = json!({"to": "unrated.csv"});
            targets.as_array_mut().unwrap().push(second);
        });
    })
    .await;
    lake.upload_all(&sample()).await;
    lake.run_well(json!({})).await;
    lake.holds(&sample(), "Sci-Fi").await;
    let (folder, _) = lake.export().split_once('/').unwrap();
    let found = keys(&lake, &format!("{folder}/")).await;
    let unrated = found.iter().find(|key| key.ends_with("unrated.csv")).unwrap();
    assert!(read(&lake, unrated).await.contains("Never Rated (2010)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_it_chooses_among_values_and_says_no_sql() {
    let lake = Lake::with_sample().await;
    lake.run_well(json!({"variables": {"genre": "Comedy"}})).await;
    lake.is_published(&sample(), "Comedy").await;
    for input in [
        json!({"variables": {"genre": "Horror' OR 'a' = 'a"}}),
        json!({"variables": {"genre": 1}}),
        json!({"variables": {"table": "x"}}),
        json!({"select": "SELECT 1"}),
    ] {
        let (error, cause) = lake.run_badly(input).await;
        assert_eq!(error, "InvalidEvent", "{cause}");
    }
    lake.is_published(&sample(), "Comedy").await;
    // What the spec lets in stays a text.
    lake.redeploy(genre("1 + 1")).await;
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "InvalidSource", "{cause}");
    lake.holds(&sample(), "Comedy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_rows_is_published_only_where_that_is_asked_for() {
    let lake = Lake::with_sample().await;
    lake.run_well(json!({})).await;
    lake.redeploy(genre("SciFi")).await;
    let (error, cause) = lake.run_badly(json!({})).await;
    assert_eq!(error, "InvalidSource");
    assert!(cause.contains("no row for scifi") && cause.contains("what was published stays"), "{cause}");
    lake.holds(&sample(), "Sci-Fi").await;
    lake.redeploy(|parameters| {
        genre("SciFi")(parameters);
        change(parameters, "Targets", |targets| targets[0]["on_empty"] = json!("publish"));
    })
    .await;
    lake.run_well(json!({})).await;
    lake.is_published(&sample(), "SciFi").await;
    assert_eq!(read(&lake, lake.export()).await.lines().count(), 1, "the header");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_shape_of_movielens_itself() {
    let lake = Lake::with(|_| ()).await;
    let files = Files::from([
        (
            "movies/movies.csv".to_owned(),
            b"movieId,title,genres\r\n1,\"A, B (1990)\",Sci-Fi|War\r\n2,C,Drama\r\n".to_vec(),
        ),
        ("ratings/ratings.csv".to_owned(), format!("{RATINGS}1,1,4.0,964982703\n2,1,0.5,964982224\n").into_bytes()),
    ]);
    lake.upload_all(&files).await;
    let outcome = run(&lake, json!({})).await;
    assert!(outcome.succeeded(), "{}", failure(&outcome));
    lake.is_published(&files, "Sci-Fi").await;
    assert_eq!(lake.file_rows().await, [json!([1, "A, B", 1990, 2, 2.25])]);
}

/// As a newcomer calls it: with the sample, with another value of the variable, and with files of one's own.
#[test]
fn the_command_prints_the_table_and_where_its_file_is() {
    let folder = Folder::new("by-sql");
    let told = |arguments: &[&str]| {
        let output = cargo_local(&folder.0, &[&["--job", "scifi"], arguments].concat()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
        for part in ["✓ Published", ".scifi\n", "file: s3://", "/exports/scifi/scifi.csv\n"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        text
    };
    for (genre, arguments) in [("Sci-Fi", &[][..]), ("Drama", &["--set", "genre=Drama"])] {
        let (rows, text) = (truth(&sample(), genre).len(), told(arguments));
        assert!(
            text.contains(&format!("\nscifi: {rows} rows, ")) && text.matches(&format!("{rows} rows")).count() == 2
        );
    }
    let own = folder.0.join("own");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("movies.csv"), "movieId,title,genres\r\n1,\"A, B (1990)\",Sci-Fi|War\r\n").unwrap();
    std::fs::write(own.join("ratings.csv"), format!("{RATINGS}1,1,4.0,964982703\n2,1,0.5,964982224\n")).unwrap();
    let text = told(&["--input", own.to_str().unwrap()]);
    assert!(text.contains("A, B") && text.contains("2.25"), "{text}");
}

/// The job that the README shows, as it is written there.
#[tokio::test(flavor = "multi_thread")]
async fn an_elt_of_ones_own_costs_fifteen_lines_of_yaml() {
    let readme = std::fs::read_to_string(local::binaries::workspace().join("README.md")).unwrap();
    let (_, shown) = readme.split_once("```yaml\n  Wins:\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(shown.lines().count() <= 16, "about fifteen lines");
    let text = template::text().unwrap().replace("\nOutputs:\n", &format!("\n  Wins:\n{shown}\nOutputs:\n"));
    let root = template::parse(&text).unwrap();
    let job = template::jobs(&root, "").unwrap().into_iter().find(|job| job.name == "wins").unwrap();
    let stack = stack().await;
    let deployment = stack.deploy_changed(&Options::default(), template::flatten(root).unwrap()).await.unwrap();
    let wins = Fixture { deployment: deployment.of_job(&job), stack };
    let put = wins.s3().put_object().bucket(&wins.bucket).key("games/results/a.csv");
    put.body(b"Player,Points\nAnn,2\n\"Bob, Jr\",9\nAnn,5\n".to_vec().into()).send().await.unwrap();
    let outcome = run(&wins, json!({})).await;
    assert!(outcome.succeeded(), "{}", failure(&outcome));
    let file = read(&wins, "exports/games/wins.csv").await;
    assert_eq!(file, "\"player\",\"points\"\n\"Bob, Jr\",\"9\"\n\"Ann\",\"7\"\n");
}
