//! Functions that none of the running jobs needs: they are deployed with the others, but not built.

use crate::support::{invoke, stack, vpc_mode};
use local::template;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_was_not_built_is_deployed_and_fails_when_it_is_called() {
    let stack = stack().await;
    let mut template = template::read().unwrap();
    let function = &mut template["Resources"]["PomodoroUpsertFunction"];
    function["Metadata"]["BuildProperties"]["Binary"] = "large-client".into();
    let deployment = stack.deploy_changed(&vpc_mode(), template).await.unwrap();
    let (kind, message) = invoke(&deployment, "upsert", &json!({})).await.unwrap().unwrap_err();
    assert!(kind.starts_with("Runtime."), "{kind}: {message}");
}
