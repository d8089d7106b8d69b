//! The program behind `cargo local page`, which `cargo local up` starts too.

use clap::Parser;
use page::actions::Once;
use page::app::App;
use page::cache::Caches;
use page::credentials;
use page::model::Stack;
use page::pace::{Pace, Tokens};
use page::poll::Poller;
use page::serve;
use page::shared::Shared;
use page::source::Source;
use page::token::Token;
use page::zone::now;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serve the page on which the runs of a stack's jobs are seen, on this machine only.
///
/// Credentials and region are those of the usual profile. It needs the permissions to read: states:ListStateMachines,
/// states:DescribeStateMachine, states:DescribeStateMachineForExecution, states:ListExecutions,
/// states:DescribeExecution, states:GetExecutionHistory, cloudformation:DescribeStacks, scheduler:ListSchedules,
/// scheduler:GetSchedule, and, for what else it shows, logs:FilterLogEvents, s3:ListBucket, and s3:GetObject on state/*
/// and quarantine/*. DATABASE_URL, if set, names the database of the jobs, which counts, older runs and calendars of
/// windows are read from (select on sluice.runs and sluice.windows).
#[derive(Parser)]
#[command(name = "page", bin_name = "cargo local page", version)]
struct Arguments {
    /// The stack.
    #[arg(long, default_value = "sluice")]
    stack: String,
    /// The profile whose credentials are used.
    #[arg(long)]
    profile: Option<String>,
    /// The region of the stack.
    #[arg(long)]
    region: Option<String>,
    /// Let the page start and stop runs on the account too (states:StartExecution, states:StopExecution).
    #[arg(long)]
    allow_actions: bool,
    /// The stack is the one on this machine, at AWS_ENDPOINT_URL: its runs are started without further ado.
    #[arg(long, hide = true)]
    local: bool,
    /// The port; a free one without it.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where what was read is kept.
    #[arg(long, overrides_with = "cache")]
    cache: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    // What a panic says may quote a text of others, such as a key or a line; the place alone tells who can mend it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("error: a mistake of the page at {place}");
    }));
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let config = credentials::config(arguments.profile.as_deref(), arguments.region.as_deref()).await;
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    if region.is_empty() {
        return Err("there is no region: say --region, or set AWS_REGION".into());
    }
    // Nothing of an account is to be started, or asked without a pace, by mistake.
    if arguments.local && !credentials::is_here(&config) {
        return Err("--local is for a stack on this machine: AWS_ENDPOINT_URL is no address of it".into());
    }
    let database = std::env::var("DATABASE_URL").ok();
    let source = || Source::new(&config, database.as_deref());
    let stack = Stack {
        name: arguments.stack.clone(),
        place: if arguments.local { "this machine".to_owned() } else { region.clone() },
        is_account: !arguments.local,
        allows_actions: arguments.local || arguments.allow_actions,
        has_database: database.is_some(),
        ..Stack::default()
    };
    let shared = Arc::new(Shared::new(stack));
    let caches =
        arguments.cache.map(|folder| Caches { folder, region: region.clone(), stack: arguments.stack.clone() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    let port = listener.local_addr()?.port();
    let tokens = Tokens::new(if arguments.local { Pace::none() } else { Pace::account(now()) });
    let app = Arc::new(App {
        shared: shared.clone(),
        source: source()?,
        tokens: tokens.clone(),
        once: Once::default(),
        starting: tokio::sync::Mutex::default(),
        port,
        token: Token::new()?,
        is_account: !arguments.local,
    });
    let address = format!("http://127.0.0.1:{port}/?t={}", app.token.text());
    let poller = Poller::new(shared, source()?, tokens, caches);
    // Whoever started this reads the address; that nobody does is no trouble.
    let _ = writeln!(std::io::stdout(), "{address}");
    tokio::select! {
        () = serve::serve(listener, app) => Ok(()),
        () = poller.run() => Ok(()),
        ended = tokio::signal::ctrl_c() => Ok(ended?),
    }
}
