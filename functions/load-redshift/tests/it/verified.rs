//! What only the hashes find: values that were changed and still add up.

use crate::lab::*;
use serde_json::json;
use sluice::Kind;
use sluice::contract::mysql_to_redshift::Export;

#[tokio::test(flavor = "multi_thread")]
async fn values_that_were_changed_and_still_add_up_are_found_by_their_hashes() {
    let lab = Lab::new().await;
    lab.in_mysql(
        "create table nps (id int not null primary key, note varchar(20), score int, day date) default charset utf8mb4",
    )
    .await;
    lab.in_mysql("insert into nps values (1, 'ab', 5, '2018-07-01'), (2, 'ä', 7, '2018-07-03'), (3, null, null, null)")
        .await;
    for (from, to) in [("\"ab\"", "\"ba\""), (",5,2018-07-01", ",4,2018-07-01"), ("2018-07-01", "2018-07-02")] {
        for verify in ["sums", "hash"] {
            let mut parts = lab.nps("replace");
            parts["target"]["verify"] = json!(verify);
            let run = lab.plan(&parts, json!({})).await.unwrap();
            let export = lab.export(&run, 0).await.unwrap();
            let document: Export = lab.store.read_json(&export).await.unwrap();
            // What came is another part, whose columns add up to the same.
            let got =
                lab.store.client().get_object().bucket(lab.store.bucket()).key(&document.parts[0].key).send().await;
            let packed = got.unwrap().body.collect().await.unwrap().to_vec();
            let text = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
            let mut changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            changed = changed.replacen(",7,", if from.starts_with(",5") { ",8," } else { ",7," }, 1);
            changed =
                changed.replacen("2018-07-03", if from.starts_with("2018") { "2018-07-02" } else { "2018-07-03" }, 1);
            let key = format!("intermediate_data/nps/changed/{}.csv.zst", next());
            let packed = zstd::encode_all(changed.as_bytes(), 1).unwrap();
            lab.store.write(&key, "text/csv", packed).await.unwrap();
            let url = format!("s3://{}/{key}", lab.store.bucket());
            let manifest = json!({"entries": [{"url": url, "mandatory": true}]});
            let manifest = lab.store.write_json(&format!("{key}.manifest"), &manifest).await.unwrap();
            let export = lab.tampered(&export, |export| export.manifest = Some(manifest)).await;
            let loaded = lab.load(&run, 0, &export).await;
            match verify {
                "sums" => loaded.unwrap_or_else(|error| panic!("{from}: {error}")),
                _ => {
                    let error = loaded.unwrap_err();
                    assert_eq!(error.kind(), Kind::TransientFailure, "{from}: {error}");
                    assert!(error.to_string().contains("do not add up"), "{error}");
                }
            }
        }
    }
}
