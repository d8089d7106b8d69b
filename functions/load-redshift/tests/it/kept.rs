//! What stays where it is: a value of a row is in the parts and in no log, no SQL and no error.

use crate::lab::*;
use serde_json::json;
use sluice::Kind;
use sluice::contract::Execution;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Level};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_row_is_in_a_log_in_sql_or_in_an_error() {
    let lab = Lab::new().await;
    lab.make_nps(72).await;
    lab.in_mysql("alter table nps add note varchar(40); update nps set note = concat('hush-', id), score = 12321")
        .await;
    let (log, job) = (Log::default(), format!("quiet-{}", lab.name.replace('_', "-")));
    let (writer, mut told) = (log.clone(), Vec::new());
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::INFO).with_writer(move || writer.clone()).finish();
    let subscriber = Dispatch::new(subscriber);
    // Of one alone tracing takes what the thread that logs first says, and that may be another test's.
    let _second = Dispatch::new(NoSubscriber::new());
    let work = async {
        for mode in ["upsert", "replace_window", "replace"] {
            let parts = lab.nps(mode);
            let range = if mode == "replace" { json!({}) } else { json!({"from": "2018-07-01", "to": "2018-07-02"}) };
            let planned = async || {
                let execution = Execution { job: job.clone(), ..execution(&format!("x{}", next())) };
                lab.plan_as(&execution, &parts, range.clone()).await.unwrap()
            };
            let run = planned().await;
            let export = lab.export(&run, 0).await.unwrap();
            lab.load(&run, 0, &export).await.unwrap();
            lab.conclude(&run).await.unwrap();
            // A value that Redshift refuses, and one that may not go there.
            let run = planned().await;
            let export = lab.export(&run, 0).await.unwrap();
            lab.in_redshift("delete from nps; alter table nps alter note type varchar(4)").await;
            let refused = lab.load(&run, 0, &export).await.unwrap_err();
            lab.in_redshift("drop table nps; delete from sluice.loads").await;
            let run = planned().await;
            lab.in_mysql("update nps set note = concat(note, char(0)) where id = 5").await;
            let not_read = lab.export(&run, 0).await.unwrap_err();
            lab.in_mysql("update nps set note = 'hush-5' where id = 5").await;
            for error in [refused, not_read] {
                assert_eq!(error.kind(), Kind::InvalidSource, "{error}");
                told.push(error.to_string());
            }
        }
    };
    work.with_subscriber(subscriber).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("window loaded") && logged.contains("window exported"), "{logged}");
    let statements = lab.texts(&job);
    assert!(statements.iter().filter(|text| text.starts_with("copy ")).count() >= 6, "{statements:?}");
    for text in statements.iter().chain(&told).chain([&logged]) {
        assert!(!text.contains("hush") && !text.contains("12321"), "{text}");
        assert!(!text.to_lowercase().contains("access_key"), "{text}");
    }
}
