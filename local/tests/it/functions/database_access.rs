//! The function alone, against the emulated instance.

use crate::support::*;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_checks_twice_and_closes() {
    let stack = fixture().await;
    let call = async |fields: serde_json::Value| {
        let mut payload = fields;
        payload["execution"] = execution(&stack, "one");
        stack.invoke("database-access", &payload).await.unwrap()
    };
    let opened = call(json!({"action": "open"})).await.unwrap();
    assert_eq!(opened["was_public"], false);
    assert!(stack.is_database_public().await.unwrap());

    let check = async |opened_at: &serde_json::Value, checks: u32| {
        call(json!({"action": "status", "opened_at": opened_at, "available_checks": checks})).await
    };
    assert_eq!(check(&opened["opened_at"], 0).await.unwrap(), json!({"reachable": false, "available_checks": 1}));
    assert_eq!(check(&opened["opened_at"], 1).await.unwrap(), json!({"reachable": true, "available_checks": 2}));
    assert_eq!(call(json!({"action": "open"})).await.unwrap()["was_public"], true, "a leftover is said to be one");

    for _ in 0..2 {
        assert_eq!(call(json!({"action": "close"})).await.unwrap(), json!({"public": false}));
        assert!(!stack.is_database_public().await.unwrap());
    }
    assert_eq!(check(&opened["opened_at"], 5).await.unwrap(), json!({"reachable": false, "available_checks": 0}));
    let (error, cause) = check(&json!("2024-01-01T00:00:00.000Z"), 0).await.unwrap_err();
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("internet gateway"), "{cause}");

    // The watchdog: nothing runs, so what is open is a leftover.
    let watch = json!({"action": "close_leftover"});
    assert_eq!(stack.invoke("database-access", &watch).await.unwrap().unwrap(), json!({"public": false}));
    call(json!({"action": "open"})).await.unwrap();
    assert_eq!(stack.invoke("database-access", &watch).await.unwrap().unwrap(), json!({"public": false}));
    assert!(!stack.is_database_public().await.unwrap());
    assert_eq!(call(json!({"action": "drop"})).await.unwrap_err().0, "InvalidEvent");
}
