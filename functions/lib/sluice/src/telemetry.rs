//! Log lines: JSON with an RFC 3339 time inside Lambda, readable ones in a terminal. One subscriber, one panic hook.

use std::any::Any;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Where the runtime logs events at the level `trace`.
const NO_EVENTS: &str = "lambda_runtime::layers::api_response=debug";

/// Installs the subscriber and the panic hook. `LOG_LEVEL` is a level or a filter; `info` without it.
///
/// The runtime's own subscriber drops the time, and Lambda counts a line without one as INFO.
pub fn install() {
    let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
    // The most that can be logged holds the events as they come, and one kind of them a password.
    let filter = match filter.max_level_hint() {
        Some(LevelFilter::TRACE) => filter.add_directive(NO_EVENTS.parse().expect("a directive")),
        _ => filter,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stdout);
    if std::io::stdout().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.place = %place, "panic: {}", told(panic.payload()));
    }));
}

/// What may be told of a panic: a text that stands in the code. One that was put together may hold a value, as that of
/// a slice quotes what is sliced.
pub(crate) fn told(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref().copied().unwrap_or("its text may hold values; the log has its place")
}
