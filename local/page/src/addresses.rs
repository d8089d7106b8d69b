//! Which view stands at which address. What is chosen stands in the address, so that a link shows what its sender saw.

use crate::actions::{Action, Form};
use crate::app::App;
use crate::guard;
pub(crate) use crate::look::segments;
use crate::model::{Job, Run, Stack};
use crate::shared::Look;
use crate::views::{self, LogFilter, Reader, RunQuery, View};
use crate::zone::{self, Clock};
use hyper::HeaderMap;

/// A view, or why there is none.
pub enum Found {
    /// It is there.
    View(View),
    /// It is not: what to say instead.
    Missing(View),
}

/// The pairs of a query.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// The value of a name in a query.
pub(crate) fn chosen<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The reader of a request.
pub(crate) fn reader(headers: &HeaderMap, address: &str, query: &[(String, String)]) -> Reader {
    let cookie = guard::cookie(headers, "tz")
        .map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
    let name = chosen(query, "tz").map(ToOwned::to_owned).or(cookie);
    Reader { clock: Clock::new(name.as_deref(), zone::now()), address: address.to_owned() }
}

/// The view at a path.
pub fn found(app: &App, stack: &Stack, reader: &Reader, path: &str, query: &[(String, String)]) -> Found {
    let decoded = segments(path);
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    app.shared.look(Look::at(path));
    let ["jobs", name, rest @ ..] = &parts[..] else {
        return match parts[..] {
            [] => Found::View(views::jobs(stack, reader)),
            _ => missing(stack, "There is no such page", "The address is none of this page's."),
        };
    };
    let Some(job) = stack.jobs.get(*name) else {
        return missing(stack, "There is no such job", &format!("The stack {} has no job {name}.", stack.name));
    };
    match rest {
        [] => Found::View(views::job(stack, job, reader, query)),
        ["files"] if !job.spec.prefix.is_empty() => Found::View(views::files(stack, job, reader, query)),
        ["files", "why"] if !job.spec.prefix.is_empty() => {
            Found::View(views::why(stack, job, reader, chosen(query, "key").unwrap_or_default()))
        }
        ["runs", run, rest @ ..] => match job.run(run) {
            Some(run) => of_run(app, stack, (job, run), reader, rest, query),
            None if job.runs.is_none() => {
                let (being, cannot) = ("Its job's runs are being listed.", "Its job's runs cannot be listed now.");
                reading(stack, "Reading this run", views::unread(stack, "states:ListExecutions", being, cannot))
            }
            None if job.is_cut && !job.missing.contains(*run) => {
                reading(stack, "Reading this run", "It is not among the newest 1,000 of its job, so it is asked for.")
            }
            None => missing(
                stack,
                "There is no such run",
                "Step Functions keeps runs for 90 days. Of older ones the page of their job says which are known, and which are not.",
            ),
        },
        [slug] => match Action::of(slug).filter(|action| action.is_for(job.kind)) {
            Some(action) => Found::View(form(app, stack, job, reader, action, &form_of(query), None)),
            None => missing(stack, "There is no such page", "Jobs of this kind have no such action."),
        },
        _ => missing(stack, "There is no such page", "The address is none of this page's."),
    }
}

fn of_run(
    app: &App,
    stack: &Stack,
    (job, run): (&Job, &Run),
    reader: &Reader,
    rest: &[&str],
    query: &[(String, String)],
) -> Found {
    let number = |name: &str| chosen(query, name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let text = |name: &str| chosen(query, name).unwrap_or_default().to_owned();
    match rest {
        [] => Found::View(views::run(stack, job, run, reader, &RunQuery { items: number("items") })),
        ["log"] => {
            let filter = LogFilter { level: text("level"), function: text("fn"), q: text("q"), page: number("page") };
            Found::View(views::log(stack, job, run, reader, &filter))
        }
        ["stop"] => Found::View(stop(app, stack, job, run, reader, None)),
        _ => missing(stack, "There is no such page", "The address is none of this page's."),
    }
}

fn missing(stack: &Stack, title: &str, text: &str) -> Found {
    // While the stack is read, everything may still come.
    if stack.is_read || !stack.notices.is_empty() {
        Found::Missing(views::action::sorry(stack, title, text))
    } else {
        reading(stack, "Reading the stack", "Its jobs are being read.")
    }
}

/// What is not there yet, and comes by itself.
fn reading(stack: &Stack, title: &str, text: &str) -> Found {
    Found::View(View { is_live: true, is_running: true, ..views::action::sorry(stack, title, text) })
}

/// What a form says, by the pairs that it was sent as.
pub(crate) fn form_of(pairs: &[(String, String)]) -> Form {
    let text = |name: &str| chosen(pairs, name).unwrap_or_default().to_owned();
    Form {
        once: text("once"),
        from: text("from"),
        to: text("to"),
        which: text("which"),
        keys: text("keys"),
        dry: text("dry"),
        shown: text("shown"),
    }
}

/// The view of an action, with a value that is good for one press.
pub(crate) fn form(
    app: &App,
    stack: &Stack,
    job: &Job,
    reader: &Reader,
    action: Action,
    form: &Form,
    problem: Option<&str>,
) -> View {
    let once = app.once.issue(&format!("{}/{}", job.name, action.slug())).ok().filter(|_| stack.allows_actions);
    views::action::action(job, reader, &views::action::Shown { action, form, once: once.as_deref(), problem })
}

/// The view of stopping a run, with a value that is good for one press.
pub(crate) fn stop(app: &App, stack: &Stack, job: &Job, run: &Run, reader: &Reader, problem: Option<&str>) -> View {
    if run.head.ended.is_some() {
        let text = "This run has ended, so there is nothing to stop.";
        return views::action::sorry(stack, "It has ended", text);
    }
    let scope = format!("{}/{}/stop", job.name, run.head.name);
    let once = app.once.issue(&scope).ok().filter(|_| stack.allows_actions);
    views::action::stop(job, run, reader, once.as_deref(), problem)
}

/// The parts of the view at an address, as text: what a tab is told of.
pub fn parts(app: &App, headers: &HeaderMap, address: &str) -> (String, Vec<(&'static str, String)>) {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let query = pairs(query);
    let reader = reader(headers, address, &query);
    let stack = app.shared.stack();
    let (Found::View(view) | Found::Missing(view)) = found(app, &stack, &reader, path, &query);
    let parts = view.parts().map(|(name, markup)| (name, markup.clone().into_string())).collect();
    (reader.clock.time(stack.reads.as_of(&Look::at(path), &stack.notices)), parts)
}
