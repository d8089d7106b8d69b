//! A schema of MySQL and a database of Redshift of a test's own, on the shared stack's servers.

use super::stack;
use local::stack::Stack;
use local::warehouse::Warehouse;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The shared stack, with its MySQL and its Redshift started.
pub(crate) async fn stack_with_warehouse() -> Arc<Stack> {
    let stack = stack().await;
    start(&stack).await;
    stack
}

async fn start(stack: &Arc<Stack>) {
    let starting = stack.clone();
    let start = move || {
        let report = |text: &str| eprintln!("{text}");
        starting.warehouse(&report).map(drop).unwrap_or_else(|error| panic!("{error}\n{:?}", error.source));
    };
    tokio::task::spawn_blocking(start).await.unwrap();
}

/// A source and a warehouse that no other test uses.
pub(crate) struct Sides {
    pub stack: Arc<Stack>,
    /// The name of the schema in MySQL and of the database in Redshift.
    pub name: String,
}

impl Sides {
    /// Empty ones.
    pub(crate) async fn new() -> Self {
        Self::on(stack().await).await
    }

    /// Empty ones on a stack of the caller's own.
    pub(crate) async fn on(stack: Arc<Stack>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        start(&stack).await;
        let name = format!("sluice_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let sides = Self { stack, name };
        sides.warehouse().make_database(&sides.name).await.unwrap();
        let mut root = MySqlConnection::connect(&sides.warehouse().mysql_url("mysql")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("create database `{}`", sides.name))).execute(&mut root).await.unwrap();
        sides
    }

    pub(crate) fn warehouse(&self) -> &Warehouse {
        self.stack.warehouse(&|_| {}).unwrap()
    }

    /// The URL of the schema in MySQL.
    pub(crate) fn mysql_url(&self) -> String {
        let url = self.warehouse().mysql_url(&self.name);
        // A server of the user's own has a URL of its own.
        let (before, _) = url.rsplit_once('/').unwrap();
        format!("{before}/{}", self.name)
    }

    pub(crate) async fn mysql(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.mysql_url()).await.unwrap()
    }

    /// Runs statements on the schema in MySQL.
    pub(crate) async fn in_mysql(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut self.mysql().await).await.unwrap();
    }

    /// What a reader of the warehouse sees, past the Data API: PostgreSQL's own client.
    pub(crate) async fn redshift(&self) -> PgConnection {
        PgConnection::connect(&self.warehouse().url(&self.name)).await.unwrap()
    }

    /// Changes the settings of this database in the stand-in, and what is to befall its next calls.
    pub(crate) fn settings(&self, mut settings: Value) {
        settings["database"] = json!(self.name);
        let body = settings.to_string();
        let mut stream = TcpStream::connect(self.warehouse().address()).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /_settings HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
