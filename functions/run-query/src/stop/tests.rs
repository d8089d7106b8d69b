//! Against Athena by its rules of lists (Amazon Athena API, `ListQueryExecutions`, `BatchGetQueryExecution`), with more
//! queries than a stand-in could run.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// When the run began, in seconds.
const BEGAN: u64 = 1_000_000;

/// An Athena. Queries are known by their numbers, from the newest one on.
#[derive(Default)]
struct FakeAthena {
    /// When the oldest query of a page was submitted, in seconds, by the number of the page: as many pages as there
    /// are.
    pages: Vec<u64>,
    /// The numbers of those of the run.
    of_run: Vec<usize>,
    /// Those of which it says nothing when it is first asked.
    unprocessed: BTreeSet<usize>,
    /// Those of which it never says anything.
    silent: BTreeSet<usize>,
    /// Those that it does not stop.
    stubborn: BTreeSet<usize>,
    /// The page that it does not list.
    broken: Option<usize>,
    listed: usize,
    stopped: Vec<String>,
}

impl FakeAthena {
    fn answer(&mut self, action: &str, body: &Value) -> (u16, Value) {
        let number = |id: &Value| id.as_str().unwrap().parse::<usize>().unwrap();
        match action {
            "ListQueryExecutions" => {
                let page = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
                if self.broken == Some(page) {
                    return (400, json!({"__type": "InvalidRequestException"}));
                }
                self.listed += 1;
                let ids: Vec<String> = (page * 50..(page + 1) * 50).map(|id| id.to_string()).collect();
                let next = (page + 1 < self.pages.len()).then(|| (page + 1).to_string());
                (200, json!({"QueryExecutionIds": ids, "NextToken": next}))
            }
            "BatchGetQueryExecution" => {
                let ids: Vec<usize> = body["QueryExecutionIds"].as_array().unwrap().iter().map(number).collect();
                let (left, told): (Vec<usize>, Vec<usize>) =
                    ids.into_iter().partition(|id| self.silent.contains(id) || self.unprocessed.remove(id));
                let told: Vec<Value> = told.into_iter().map(|id| self.query(id)).collect();
                let left: Vec<Value> = left.iter().map(|id| json!({"QueryExecutionId": id.to_string()})).collect();
                (200, json!({"QueryExecutions": told, "UnprocessedQueryExecutionIds": left}))
            }
            "StopQueryExecution" if self.stubborn.contains(&number(&body["QueryExecutionId"])) => {
                (400, json!({"__type": "InvalidRequestException"}))
            }
            "StopQueryExecution" => {
                self.stopped.push(body["QueryExecutionId"].as_str().unwrap().to_owned());
                (200, json!({}))
            }
            other => panic!("{other}"),
        }
    }

    fn query(&self, id: usize) -> Value {
        let sql = if self.of_run.contains(&id) { format!("{}SELECT 1", comment("arn:x")) } else { "SELECT 1".into() };
        let at = self.pages[id / 50];
        json!({
            "QueryExecutionId": id.to_string(), "Query": sql,
            "Status": {"State": "RUNNING", "SubmissionDateTime": at},
        })
    }
}

/// One request after the other of a connection.
async fn serve(athena: Arc<Mutex<FakeAthena>>, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut action, mut line) = (0, String::new(), String::new());
        while stream.read_line(&mut line).await? > 2 {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "x-amz-target" => action = value.trim().rsplit('.').next().unwrap_or_default().to_owned(),
                _ => {}
            }
            line.clear();
        }
        if action.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let body = serde_json::from_slice(&body).unwrap();
        let (status, answer) = athena.lock().unwrap().answer(&action, &body);
        let (answer, kind) = (answer.to_string(), "application/x-amz-json-1.1");
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).await?;
    }
}

/// What becomes of it when the run's queries are stopped, and what comes back.
async fn stopped(athena: FakeAthena) -> (FakeAthena, Result<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let athena = Arc::new(Mutex::new(athena));
    tokio::spawn({
        let athena = athena.clone();
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(athena.clone(), stream));
            }
        }
    });
    let config = aws_sdk_athena::Config::builder()
        .behavior_version(aws_sdk_athena::config::BehaviorVersion::latest())
        .region(aws_sdk_athena::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_athena::config::Credentials::new("x", "x", None, None, "test"))
        .http_client(sluice::aws::http_client())
        .endpoint_url(address);
    let client = Client::from_conf(config.build());
    let ended = EndedRun { workgroup: "w", execution: "arn:x", started: None };
    let since = UNIX_EPOCH + Duration::from_secs(BEGAN);
    let outcome = ended.stop_since(&client, Some(since)).await;
    let athena = std::mem::take(&mut *athena.lock().unwrap());
    (athena, outcome)
}

#[tokio::test]
async fn queries_are_stopped_page_by_page_up_to_those_before_the_run() {
    let pages = vec![BEGAN + 9, BEGAN + 5, BEGAN - 30, BEGAN - 300, BEGAN - 900];
    let (athena, outcome) = stopped(FakeAthena { pages, of_run: vec![3, 60], ..FakeAthena::default() }).await;
    assert_eq!(outcome.unwrap(), ["3", "60"]);
    assert_eq!(
        (athena.stopped, athena.listed),
        (vec!["3".to_owned(), "60".to_owned()], 4),
        "none is left, and no page more"
    );
}

#[tokio::test]
async fn what_was_found_is_stopped_whatever_goes_wrong_afterwards() {
    let athena = FakeAthena { pages: vec![BEGAN; 3], of_run: vec![3], broken: Some(1), ..FakeAthena::default() };
    let (athena, outcome) = stopped(athena).await;
    assert!(outcome.is_err());
    assert_eq!(athena.stopped, ["3"]);
}

#[tokio::test]
async fn athena_is_asked_again_for_queries_of_which_it_says_nothing() {
    let unprocessed = BTreeSet::from([3, 4]);
    let athena = FakeAthena { pages: vec![BEGAN], of_run: vec![3], unprocessed, ..FakeAthena::default() };
    let (athena, outcome) = stopped(athena).await;
    assert_eq!(outcome.unwrap(), ["3"]);
    assert_eq!(athena.stopped, ["3"]);
}

#[tokio::test]
async fn one_of_which_athena_says_nothing_or_that_it_does_not_stop_costs_no_other() {
    let pages = vec![BEGAN; 2];
    let silent = BTreeSet::from([4, 5]);
    let athena = FakeAthena { pages: pages.clone(), of_run: vec![3, 60], silent, ..FakeAthena::default() };
    let (athena, outcome) = stopped(athena).await;
    let error = outcome.unwrap_err();
    assert_eq!(athena.stopped, ["3", "60"], "on its page and on the next one");
    assert_eq!(error.kind(), Kind::TransientFailure);
    assert!(error.to_string().contains("nothing of 2 queries, 4 among them"), "{error}");
    let stubborn = BTreeSet::from([3]);
    let (athena, outcome) =
        stopped(FakeAthena { pages, of_run: vec![3, 4, 60], stubborn, ..FakeAthena::default() }).await;
    assert_eq!(athena.stopped, ["4", "60"]);
    assert!(outcome.unwrap_err().to_string().contains("stop the query 3"));
}

#[tokio::test]
async fn more_queries_than_are_looked_at_are_an_error_that_is_tried_again() {
    let athena = FakeAthena { pages: vec![BEGAN; MAX_PAGES + 1], of_run: vec![3], ..FakeAthena::default() };
    let (athena, outcome) = stopped(athena).await;
    assert_eq!(outcome.unwrap_err().kind(), Kind::TransientFailure);
    assert_eq!(athena.stopped, ["3"]);
    let athena = FakeAthena { pages: vec![BEGAN; MAX_PAGES], of_run: vec![3], ..FakeAthena::default() };
    assert_eq!(stopped(athena).await.1.unwrap(), ["3"]);
}
