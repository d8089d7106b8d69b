//! A window that depends on the one before it; and what is said of windows when somebody asks.

use crate::lab::*;
use serde_json::{Value, json};
use sluice::Kind;

fn day(number: u32) -> Value {
    json!({"from": format!("2018-07-0{number}"), "to": format!("2018-07-0{}", number + 1)})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_refused_while_the_one_before_it_is_not_in() {
    let lab = Lab::new().await;
    lab.make_nps(180).await;
    for mode in ["upsert", "replace_window"] {
        let mut parts = lab.nps(mode);
        parts["windows"]["depends_on_past"] = json!(true);
        parts["target"]["allow_full"] = json!(true);
        // When it is planned: nothing is read.
        let error = lab.plan(&parts, day(2)).await.err().unwrap();
        assert_eq!(error.kind(), Kind::StaleRun, "{error}");
        assert!(
            error.to_string().contains("from 2018-07-01 00:00:00 to 2018-07-02 00:00:00, is not loaded"),
            "{error}"
        );
        // When it is loaded: the first of two failed, and something goes on with the second one all the same.
        let run = lab.plan(&parts, json!({"from": "2018-07-01", "to": "2018-07-03"})).await.unwrap();
        let [first, second] = [lab.export(&run, 0).await.unwrap(), lab.export(&run, 1).await.unwrap()];
        let error = lab.load(&run, 1, &second).await.unwrap_err();
        assert_eq!(error.kind(), Kind::StaleRun, "{error}");
        assert!(
            error.to_string().contains("from 2018-07-01 00:00:00 to 2018-07-02 00:00:00, is not loaded"),
            "{error}"
        );
        assert_eq!(lab.target("select count(*)::text from nps").await, ["0"]);
        lab.load(&run, 0, &first).await.unwrap();
        lab.run(&parts, day(2)).await.unwrap();
        lab.run(&parts, day(3)).await.unwrap();
        // The whole table, read after a window was complete, has that too.
        lab.run(&parts, json!({"full": true})).await.unwrap();
        lab.run(&parts, day(5)).await.unwrap();
        lab.assert_nps_equal().await;
        lab.in_redshift("delete from nps; delete from sluice.loads").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_asks_is_told_of_each_window_whether_it_is_loaded() {
    let lab = Lab::new().await;
    lab.make_nps(180).await;
    let mut parts = lab.nps("upsert");
    parts["target"]["allow_full"] = json!(true);
    let asked = json!({"explain": ["2018-06-30", "2018-07-01", "2018-07-02T12:00:00Z", "2018-08-02"]});
    let told = async |parts: &Value| -> Vec<(bool, String)> {
        let run = lab.plan(parts, asked.clone()).await.unwrap();
        assert!(run.plan.is_none() && run.output.windows.is_empty());
        run.output.explained.into_iter().map(|one| (one.is_loaded, one.reason)).collect()
    };
    let nothing = told(&parts).await;
    assert!(nothing.iter().all(|(is_loaded, _)| !is_loaded), "{nothing:?}");
    assert_eq!(lab.target("select count(*)::text from pg_tables where tablename in ('nps', 'loads')").await, ["0"]);
    assert!(nothing[0].1.contains("before the first window"), "{nothing:?}");
    assert!(nothing[1].1.contains("loads the newest window only"), "{nothing:?}");
    assert!(nothing[3].1.contains("complete at 2018-08-03T00:00:00Z"), "{nothing:?}");
    lab.run(&parts, day(1)).await.unwrap();
    let one = told(&parts).await;
    assert!(one[1].0 && one[1].1.contains(":test-nps:") && one[1].1.contains("36 rows read at 20"), "{one:?}");
    assert!(!one[2].0, "{one:?}");
    lab.run(&parts, json!({"full": true})).await.unwrap();
    let all = told(&parts).await;
    assert!(all[2].0 && all[2].1.contains("with the whole table") && all[2].1.contains("180 rows"), "{all:?}");
    let refused = lab.plan(&lab.nps("replace"), asked.clone()).await.err().unwrap();
    assert_eq!(refused.kind(), Kind::InvalidEvent, "{refused}");
}
