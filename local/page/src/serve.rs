//! The views behind addresses.

use crate::actions::{self, Action, Form, Use};
use crate::addresses::{self, Found, chosen, found, pairs, reader};
use crate::app::App;
use crate::guard;
use crate::live;
use crate::model::Job;
use crate::quarantine;
use crate::reply::{self, Reply};
use crate::runs;
use crate::shared::Look;
use crate::trouble::{Answer, Trouble};
use crate::views;
use crate::zone;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, StatusCode, Uri, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a browser may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Answers for as long as the process lives.
pub async fn serve(listener: TcpListener, app: Arc<App>) {
    listen(listener, app, routed).await;
}

/// As [`serve`], by these answers to whoever is let in.
async fn listen<F, R>(listener: TcpListener, app: Arc<App>, route: F)
where
    F: Fn(Arc<App>, Request<Incoming>) -> R + Copy + Send + 'static,
    R: Future<Output = Reply> + Send + 'static,
{
    loop {
        // A connection that could not be taken, because there are too many, does not end the others.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let app = app.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(app.clone(), request, route));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            // A browser that goes away in the middle is no trouble.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer<F, R>(app: Arc<App>, request: Request<Incoming>, route: F) -> Result<Reply, Infallible>
where
    F: Fn(Arc<App>, Request<Incoming>) -> R,
    R: Future<Output = Reply>,
{
    let decided = guard::decided(&app, &request);
    let mut reply = match decided {
        Some(reply) => reply,
        None => {
            let reader = reader(request.headers(), "/", &[]);
            // A panic is this request's alone: nothing that others read is left half written by a view, and what is
            // shared is read behind it all the same.
            match AssertUnwindSafe(route(app.clone(), request)).catch_unwind().await {
                Ok(reply) => reply,
                Err(_) => broken(&app, &reader),
            }
        }
    };
    guard::protect(&mut reply);
    Ok(reply)
}

/// What stands in place of a view that could not be written. What the panic said is not repeated: it may quote a text
/// of others.
fn broken(app: &App, reader: &views::Reader) -> Reply {
    let stack = app.shared.stack();
    let text =
        "This is a mistake of the page, not of your stack: the terminal says where it was made. Other views go on.";
    let view = views::action::sorry(&stack, "This view could not be written", text);
    reply::html(StatusCode::INTERNAL_SERVER_ERROR, views::page(&stack, reader, &view, 0))
}

/// What is said of a form whose value is not, or no longer, known.
const TOO_OLD: &str = "This form was opened too long ago, or not here. Look at it once more, and press again.";

/// By path and method. What changes something is not there where that is not allowed.
async fn routed(app: Arc<App>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let decoded = addresses::segments(head.uri.path());
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    if head.method == Method::POST {
        let Ok(body) = Limited::new(body, guard::BODY_BYTES).collect().await else {
            return reply::plain(StatusCode::PAYLOAD_TOO_LARGE, "That is too long.");
        };
        let form = addresses::form_of(&pairs(&String::from_utf8_lossy(&body.to_bytes())));
        let allows_actions = app.shared.stack().allows_actions;
        return match parts[..] {
            ["jobs", job, "runs", run, "stop"] if allows_actions => stop(&app, job, run, &head.headers, &form).await,
            ["jobs", job, action] if allows_actions => start(&app, job, action, &head.headers, &form).await,
            _ => reply::plain(StatusCode::NOT_FOUND, "Nothing can be changed here."),
        };
    }
    match parts[..] {
        ["assets", name] => asset(name),
        ["live"] => live::live(app, head.headers, &pairs(head.uri.query().unwrap_or_default())),
        ["jobs", job, "quarantine", file] => quarantine::download(app.clone(), job, file, &head.headers).await,
        ["jobs", job, "runs", run, "log.txt"] => log_text(&app, job, run),
        _ => view(&app, &head.uri, &head.headers),
    }
}

/// All views, whole or one part of them.
fn view(app: &App, uri: &Uri, headers: &HeaderMap) -> Reply {
    let query = pairs(uri.query().unwrap_or_default());
    let address = uri.path_and_query().map_or("/", |address| address.as_str());
    let reader = reader(headers, address, &query);
    let version = *app.shared.changes().borrow();
    let stack = app.shared.stack();
    let (status, view) = match found(app, &stack, &reader, uri.path(), &query) {
        Found::View(view) => (StatusCode::OK, view),
        Found::Missing(view) => (StatusCode::NOT_FOUND, view),
    };
    if let Some(name) = chosen(&query, "part") {
        let part = view.parts().find(|(known, _)| *known == name).map(|(name, markup)| views::part(name, markup));
        let status = if part.is_some() { status } else { StatusCode::NOT_FOUND };
        return reply::html(status, part.map(maud::Markup::into_string).unwrap_or_default());
    }
    let reply = reply::html(status, views::page(&stack, &reader, &view, version));
    // The zone that was chosen holds for the views that come.
    match chosen(&query, "tz").filter(|name| zone::known(name)) {
        Some(zone) => {
            let cookie = format!("tz={}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000", views::value(zone));
            reply::with(reply, header::SET_COOKIE, &cookie)
        }
        None => reply,
    }
}

/// Sheet and script. Their names change with them, so a browser may keep them.
fn asset(name: &str) -> Reply {
    let of = |file: &str, content: &'static str| (views::asset_address(file, content), content);
    let assets = [
        (of("style.css", views::STYLE), "text/css; charset=utf-8"),
        (of("script.js", views::SCRIPT), "text/javascript; charset=utf-8"),
    ];
    let found = assets.into_iter().find(|((address, _), _)| address.strip_prefix("/assets/") == Some(name));
    match found {
        Some(((_, content), kind)) => {
            let reply = reply::typed(StatusCode::OK, kind, content);
            reply::with(reply, header::CACHE_CONTROL, "private, max-age=31536000, immutable")
        }
        None => reply::plain(StatusCode::NOT_FOUND, "There is no such file."),
    }
}

/// All lines of a run, as plain text.
fn log_text(app: &App, job: &str, run: &str) -> Reply {
    app.shared.look(Look::Run(job.to_owned(), run.to_owned()));
    let lines = app.shared.stack().jobs.get(job).and_then(|job| job.run(run)?.lines.clone());
    let Some(lines) = lines else {
        return reply::plain(StatusCode::NOT_FOUND, "The lines of this run are not read yet: open the run first.");
    };
    let reply = reply::typed(StatusCode::OK, "text/plain; charset=utf-8", views::log_text(&lines));
    reply::with(reply, header::CONTENT_DISPOSITION, "attachment; filename=\"log.txt\"")
}

/// Starts a run, once for each form.
async fn start(app: &App, name: &str, slug: &str, headers: &HeaderMap, form: &Form) -> Reply {
    let job = app.shared.stack().jobs.get(name).cloned();
    let (Some(job), Some(action)) = (job, Action::of(slug)) else {
        return reply::plain(StatusCode::NOT_FOUND, "There is no such job, or no such action.");
    };
    let input = match actions::input(action, &job, form) {
        Ok(input) => input,
        Err(problem) => return again(app, &job, headers, action, form, None, &problem),
    };
    // What was filled in anew is shown before it is done.
    if !form.shown.is_empty() && form.shown != actions::shown(action, &job, form) {
        let problem = "This is what will happen now. Press once more to start it.";
        return again(app, &job, headers, action, form, None, problem);
    }
    // The second press of two waits for what becomes of the first: the run is there then, or has to be started anew.
    let _starting = app.starting.lock().await;
    let run = match app.once.take(&form.once, &format!("{name}/{slug}")) {
        Use::Unknown => return again(app, &job, headers, action, form, None, TOO_OLD),
        Use::Again(run) => run,
        Use::First(run) => match started(app, &job.machine, &run, &input).await {
            Ok(arn) => {
                // Its view is opened before a list has it.
                app.shared.change(|stack| runs::begin(stack, name, &run, arn));
                run
            }
            Err(trouble) => {
                app.once.give_back(&form.once);
                let problem = match trouble {
                    Trouble::Gone | Trouble::Late => {
                        "Nobody answered: it may have been started. To press again is safe: that starts no second run."
                            .to_owned()
                    }
                    trouble => format!("It was not started: {}", said(&trouble)),
                };
                // With the same value the next press is of the same execution, if this one was started after all.
                return again(app, &job, headers, action, form, Some(&form.once), &problem);
            }
        },
    };
    see_other(&views::path(&["jobs", name, "runs", &run]))
}

async fn started(app: &App, machine: &str, run: &str, input: &Value) -> Answer<Option<String>> {
    app.tokens.take().await;
    app.source.start(machine, run, input).await
}

async fn stopped(app: &App, arn: &str) -> Answer<()> {
    app.tokens.take().await;
    app.source.stop(arn).await
}

fn said(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Denied => "these credentials may not states:StartExecution and states:StopExecution.".to_owned(),
        Trouble::Throttled(_) => "AWS asked us to slow down; press again in a moment.".to_owned(),
        Trouble::Expired => "the credentials have expired.".to_owned(),
        Trouble::NoCredentials(_) => "there are no credentials that AWS takes.".to_owned(),
        Trouble::Gone | Trouble::Late => "nobody answered; press again in a moment.".to_owned(),
        Trouble::Clock => "the clock of this machine is wrong, so AWS takes no signature of it.".to_owned(),
        Trouble::Missing => "the state machine is gone.".to_owned(),
        Trouble::Other(text) => text.clone(),
    }
}

/// The form once more, with what was wrong; with the one-use value `once`, or a new one.
fn again(
    app: &App,
    job: &Job,
    headers: &HeaderMap,
    action: Action,
    form: &Form,
    once: Option<&str>,
    problem: &str,
) -> Reply {
    let address = views::path(&["jobs", &job.name, action.slug()]);
    let reader = reader(headers, &address, &[]);
    let stack = app.shared.stack();
    let view = match once {
        Some(_) => {
            views::action::action(job, &reader, &views::action::Shown { action, form, once, problem: Some(problem) })
        }
        None => addresses::form(app, &stack, job, &reader, action, form, Some(problem)),
    };
    reply::html(StatusCode::UNPROCESSABLE_ENTITY, views::page(&stack, &reader, &view, 0))
}

/// Stops a run, once for each form.
async fn stop(app: &App, name: &str, run: &str, headers: &HeaderMap, form: &Form) -> Reply {
    let arn = app.shared.stack().jobs.get(name).and_then(|job| Some(job.run(run)?.head.arn.clone()));
    let Some(arn) = arn else { return reply::plain(StatusCode::NOT_FOUND, "There is no such run.") };
    let address = views::path(&["jobs", name, "runs", run]);
    let reader = reader(headers, &format!("{address}/stop"), &[]);
    match app.once.take(&form.once, &format!("{name}/{run}/stop")) {
        Use::Again(_) => {}
        Use::Unknown => {
            let stack = app.shared.stack();
            let known = stack.jobs.get(name).and_then(|job| Some((job, job.run(run)?)));
            let view = known.map(|(job, run)| addresses::stop(app, &stack, job, run, &reader, Some(TOO_OLD)));
            let view = view.unwrap_or_else(|| views::action::sorry(&stack, "It was not stopped", TOO_OLD));
            return reply::html(StatusCode::UNPROCESSABLE_ENTITY, views::page(&stack, &reader, &view, 0));
        }
        Use::First(_) => {
            if let Err(trouble) = stopped(app, &arn).await {
                app.once.give_back(&form.once);
                let stack = app.shared.stack();
                let view = views::action::sorry(&stack, "It was not stopped", &said(&trouble));
                return reply::html(StatusCode::BAD_GATEWAY, views::page(&stack, &reader, &view, 0));
            }
        }
    }
    see_other(&address)
}

fn see_other(address: &str) -> Reply {
    reply::with(reply::plain(StatusCode::SEE_OTHER, ""), header::LOCATION, address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Once;
    use crate::model::Stack;
    use crate::pace::{Pace, Tokens};
    use crate::shared::Shared;
    use crate::source::Source;
    use crate::token::Token;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// As all views, but one that fails with what all share in its hand.
    async fn failing(app: Arc<App>, request: Request<Incoming>) -> Reply {
        if request.uri().path() == "/fails" {
            let _stack = app.shared.stack();
            panic!("secret-cell");
        }
        routed(app, request).await
    }

    /// Asks on a connection that stays open, and returns the answer: its head and its body.
    async fn ask(stream: &mut TcpStream, app: &App, path: &str) -> (String, String) {
        let (port, token) = (app.port, app.token.text());
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: sluice-{port}={token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
                if body.len() >= length.parse().unwrap() {
                    return (head.to_owned(), body.to_owned());
                }
            }
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{path}: the connection has ended: {text}");
        }
    }

    #[tokio::test]
    async fn a_view_that_panics_is_an_error_of_its_own_request() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let app = Arc::new(App {
            shared: Arc::new(Shared::new(Stack { is_read: true, ..Stack::default() })),
            source: Source::new(&config, None).unwrap(),
            tokens: Tokens::new(Pace::none()),
            once: Once::default(),
            starting: tokio::sync::Mutex::default(),
            port: address.port(),
            token: Token::new().unwrap(),
            is_account: false,
        });
        tokio::spawn(listen(listener, app.clone(), failing));
        let mut other = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut other, &app, "/").await.0.starts_with("HTTP/1.1 200"));
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..2 {
            let (head, body) = ask(&mut stream, &app, "/fails").await;
            assert!(head.starts_with("HTTP/1.1 500") && head.contains("content-security-policy: "), "{head}");
            assert!(body.contains("could not be written") && body.contains("aria-label=\"Views\""), "{body}");
            assert!(!body.contains("secret-cell"), "{body}");
            // The connection goes on, and so do those of others.
            for stream in [&mut stream, &mut other] {
                let (head, body) = ask(stream, &app, "/").await;
                assert!(head.starts_with("HTTP/1.1 200") && body.contains("This stack has no jobs"), "{head} {body}");
            }
        }
    }
}
