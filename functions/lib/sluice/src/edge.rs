//! The edge of every function: a raw JSON event in, a result or a typed error out.

use crate::{Error, Kind, Result, telemetry};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{Instrument, error, info, info_span};

/// What an invocation knows about itself.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The request's id: unique per attempt.
    pub attempt: String,
    /// When Lambda will end the invocation, in milliseconds since 1970.
    pub deadline_ms: u64,
}

impl Invocation {
    /// How long there is until `margin` before Lambda ends the invocation; zero if that is past.
    pub fn time_left(&self, margin: Duration) -> Duration {
        let end = UNIX_EPOCH + Duration::from_millis(self.deadline_ms);
        end.duration_since(SystemTime::now() + margin).unwrap_or_default()
    }

    /// Does something, or gives it up `margin` before Lambda ends the invocation, but not within the first second.
    /// `who` is waited for.
    ///
    /// # Errors
    /// `TransientFailure` if it was given up; others as the work itself.
    pub async fn within<T>(&self, margin: Duration, who: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let time = self.time_left(margin).max(Duration::from_secs(1));
        tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
            let what = format!("{who} did not answer within {} s", time.as_secs());
            Err(Error::new(Kind::TransientFailure, what))
        })
    }
}

/// Runs a function until Lambda stops it.
///
/// `start` builds the context once per cold start; `handler` is called once per event. The event is decoded here and
/// not by the runtime, whose own decoding error has a name that no state machine can match (`style.md` section 3).
///
/// A context that cannot be built is the answer to every event: ending the process instead would look like a crash,
/// which the state machine tries again and again.
pub async fn serve<C, I, O, Start, Handler, Run>(start: Start, handler: Handler) -> ExitCode
where
    C: Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    Start: Future<Output = Result<C>>,
    Handler: Fn(Arc<C>, Invocation, I) -> Run + Copy + Send + Sync + 'static,
    Run: Future<Output = Result<O>> + Send + 'static,
{
    telemetry::install();
    let context = start.await.map(Arc::new).map_err(|problem| {
        error!(error.kind = %problem.kind(), "cannot start: {problem}");
        (problem.kind(), problem.to_string())
    });
    let service = service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let context = context.clone();
        async move {
            let context = context.map_err(|(kind, text)| Error::new(kind, text))?;
            invoke(context, event, handler).await
        }
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!("runtime: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn invoke<C, I, O, Handler, Run>(
    context: Arc<C>,
    event: LambdaEvent<serde_json::Value>,
    handler: Handler,
) -> Result<O>
where
    C: Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    Handler: Fn(Arc<C>, Invocation, I) -> Run,
    Run: Future<Output = Result<O>> + Send + 'static,
{
    let started = Instant::now();
    let field = |path: &str| event.payload.pointer(path).and_then(|value| value.as_str()).unwrap_or("none").to_owned();
    let span = info_span!("invocation", job = field("/execution/job"), sfn.execution_id = field("/execution/id"));
    let invocation = Invocation { attempt: event.context.request_id, deadline_ms: event.context.deadline };
    let result = match decode(event.payload) {
        Ok(input) => {
            // A task of its own, so that a panic becomes a typed error.
            let task = tokio::spawn(handler(context, invocation, input).instrument(span.clone()));
            task.await.unwrap_or_else(|failure| Err(panicked(failure)))
        }
        Err(error) => Err(error),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).expect("an invocation lasts a quarter of an hour");
    let outcome = result.as_ref().map_or_else(|error| error.kind().name(), |_| "ok");
    span.in_scope(|| {
        // The runtime logs it too, but outside the span: that line does not say of which execution it is.
        if let Err(error) = &result {
            error!(error.kind = %error.kind(), "{error}");
        }
        info!(duration_ms, outcome, "invocation ended");
    });
    result
}

/// What a task that ended without a result says.
fn panicked(failure: tokio::task::JoinError) -> Error {
    let text = match failure.try_into_panic() {
        Ok(panic) => telemetry::told(&*panic),
        Err(_) => "the task was cancelled",
    };
    Error::new(Kind::InvariantBroken, format!("panic: {text}"))
}

/// Decodes an event.
///
/// # Errors
/// `InvalidEvent`, naming the field.
fn decode<I: DeserializeOwned>(payload: serde_json::Value) -> Result<I> {
    serde_json::from_value(payload).map_err(|error| Error::caused(Kind::InvalidEvent, "event", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_as_what_may_pass() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let deadline_ms = u64::try_from(now.as_millis()).unwrap() + 5_000;
        let invocation = Invocation { attempt: "a".into(), deadline_ms };
        let margin = Duration::from_secs(5);
        assert_eq!(invocation.within(margin, "S3", async { Ok(7) }).await.unwrap(), 7);
        let own = async { Err::<(), _>(Error::new(Kind::StaleRun, "late")) };
        assert_eq!(invocation.within(margin, "S3", own).await.unwrap_err().kind(), Kind::StaleRun);
        let endless = std::future::pending::<Result<()>>();
        let error = invocation.within(margin, "S3", endless).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (Kind::TransientFailure, "S3 did not answer within 1 s")
        );
    }

    #[tokio::test]
    async fn a_panic_tells_no_value() {
        let secret = String::from("secret");
        let failed = tokio::spawn(async move { assert!(secret.is_empty(), "{secret} is no number") }).await;
        let error = panicked(failed.unwrap_err());
        assert_eq!(error.kind(), Kind::InvariantBroken);
        assert_eq!(error.to_string(), "panic: its text may hold values; the log has its place");
        let failed = tokio::spawn(async { unreachable!("a line has an end") }).await;
        let failed: std::result::Result<(), _> = failed;
        assert!(panicked(failed.unwrap_err()).to_string().ends_with("a line has an end"));
    }
}
