//! Step Functions: listing, describing and starting executions.

use super::World;
use super::http::Response;
use serde_json::{Value, json};
use sluice::contract::Execution;

/// How much of an execution Step Functions shows already; both calls are eventually consistent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Seen {
    /// Neither call shows it.
    NotYet,
    /// It is listed, but cannot be described.
    Listed,
    /// Both calls show it.
    Described,
}

/// An execution as Step Functions knows it. Times are milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its names.
    pub execution: Execution,
    /// `RUNNING`, `SUCCEEDED` or another one of Step Functions.
    pub status: &'static str,
    /// When it began.
    pub started_at: i64,
    /// When it ended, if it has.
    pub stopped_at: Option<i64>,
    /// What an execution that loaded ends with, or one that did something else; its field `error` is how it failed.
    pub output: Value,
    /// How much of it is shown.
    pub seen: Seen,
}

impl Run {
    fn json(&self) -> Value {
        // Seconds with a fraction: the times of the AWS JSON protocol.
        let seconds = |time: i64| json!(time as f64 / 1_000.0);
        let mut fields = json!({
            "executionArn": self.execution.id, "name": self.execution.name, "status": self.status,
            "stateMachineArn": self.execution.plain_state_machine(), "startDate": seconds(self.started_at),
        });
        if let Some(stopped_at) = self.stopped_at {
            fields["stopDate"] = seconds(stopped_at);
        }
        fields
    }
}

impl World {
    /// A call of Step Functions.
    pub(super) fn step_functions(&mut self, target: &str, input: &Value) -> Response {
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        match target {
            "AWSStepFunctions.ListExecutions"
                if self.refuses_status.is_some_and(|status| text("statusFilter") == status) =>
            {
                Response::new(400, r#"{"__type": "AccessDeniedException"}"#)
            }
            "AWSStepFunctions.ListExecutions" => {
                let wanted = |run: &&Run| {
                    run.seen >= Seen::Listed
                        && run.execution.plain_state_machine() == text("stateMachineArn")
                        && input["statusFilter"].as_str().is_none_or(|status| status == run.status)
                };
                let mut listed: Vec<&Run> = self.runs.iter().filter(wanted).collect();
                // By the end, so that one that waited for another, or was redriven, is not in the order of the starts.
                listed.sort_by_key(|run| std::cmp::Reverse(run.stopped_at.unwrap_or(i64::MAX)));
                let first: usize = text("nextToken").parse().unwrap_or(0);
                let most = input["maxResults"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(100);
                let page: Vec<Value> = listed.iter().skip(first).take(most).map(|run| run.json()).collect();
                let mut output = json!({"executions": page});
                if first + most < listed.len() {
                    output["nextToken"] = json!((first + most).to_string());
                }
                Response::new(200, output.to_string())
            }
            "AWSStepFunctions.DescribeExecution" => {
                let mut seen = self.runs.iter().filter(|run| run.seen == Seen::Described);
                let Some(run) = seen.find(|run| run.execution.id == text("executionArn")) else {
                    if self.others_succeeded {
                        return succeeded(text("executionArn"));
                    }
                    return Response::new(400, r#"{"__type": "ExecutionDoesNotExist", "message": "not here"}"#);
                };
                let mut output = run.json();
                output["output"] = json!(run.output.to_string());
                if let Some(error) = run.output["error"].as_str() {
                    output["error"] = json!(error);
                }
                Response::new(200, output.to_string())
            }
            "AWSStepFunctions.StartExecution" => {
                let arn =
                    format!("{}:{}", text("stateMachineArn").replace(":stateMachine:", ":execution:"), text("name"));
                // The same input is the same request while the execution runs.
                match self.runs.iter().find(|run| run.execution.id == arn).map(|run| run.status) {
                    Some("RUNNING") => {}
                    Some(_) => {
                        return Response::new(400, r#"{"__type": "ExecutionAlreadyExists", "message": "it is there"}"#);
                    }
                    None => {
                        let mut execution = self.runs[0].execution.clone();
                        (execution.id, execution.name) = (arn.clone(), text("name").to_owned());
                        let (started_at, output) = (self.now, Value::Null);
                        let seen = Seen::Described;
                        self.runs.push(Run {
                            execution,
                            status: "RUNNING",
                            started_at,
                            stopped_at: None,
                            output,
                            seen,
                        });
                    }
                }
                Response::new(200, json!({"executionArn": arn, "startDate": self.now / 1_000}).to_string())
            }
            _ => Response::new(400, json!({"__type": "UnknownOperationException", "message": target}).to_string()),
        }
    }
}

/// The description of an execution that nothing else is known of.
fn succeeded(arn: &str) -> Response {
    let output = json!({
        "executionArn": arn, "stateMachineArn": arn, "status": "SUCCEEDED", "startDate": 0, "input": "{}",
        "output": r#"{"mode": "load"}"#,
    });
    Response::new(200, output.to_string())
}
