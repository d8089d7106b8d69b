//! What jobs of the kind `mysql-to-redshift` need besides: a MySQL to read, and the stand-in for the Redshift that they
//! load.

use crate::BoxError;
use crate::mysql::Mysql;
use crate::postgres::Postgres;
use crate::redshift::Redshift;
use crate::setup_error::SetupError;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

/// What Redshift's database is called here, in a stack for people.
pub const DATABASE: &str = "dev";

/// Its workgroup: any name does.
const WORKGROUP: &str = "warehouse";

/// Where its databases are: in those of a PostgreSQL whose names begin so.
const PREFIX: &str = "redshift_";

/// A source and a warehouse. Both end with this process.
pub struct Warehouse {
    // Dropped in this order: first what talks to the other.
    redshift: Redshift,
    mysql: Source,
    /// The server behind the stand-in, as `postgres://user:password@host:port`.
    postgres: String,
    /// That server, if it was started for this alone.
    _own_postgres: Option<Postgres>,
}

enum Source {
    Ours(Mysql),
    /// What `MYSQL_URL` says.
    Given(String),
}

/// Where what a warehouse needs is, and goes.
pub(crate) struct Places<'a> {
    pub(crate) state_dir: &'a Path,
    pub(crate) tools_dir: &'a Path,
    /// Where S3 answers.
    pub(crate) s3: &'a str,
    /// The stack's own PostgreSQL, if it has one.
    pub(crate) postgres: Option<&'a Postgres>,
    pub(crate) keeps_state: bool,
}

impl Warehouse {
    /// Starts both, the stand-in on a socket that listens already. The MySQL is the one at `mysql_url`, if it is given.
    pub(crate) fn start(
        places: &Places<'_>,
        listener: TcpListener,
        mysql_url: Option<String>,
        report: &dyn Fn(&str),
    ) -> Result<Self, SetupError> {
        let mysql = match mysql_url.filter(|url| !url.is_empty()) {
            Some(url) => Source::Given(checked(url, report)?),
            None => Source::Ours(Mysql::start(places.state_dir, places.tools_dir, places.keeps_state, report)?),
        };
        let own_postgres = match places.postgres {
            Some(_) => None,
            None => Some(Postgres::start(places.state_dir, places.tools_dir, places.keeps_state, report)?),
        };
        let postgres = places.postgres.or(own_postgres.as_ref()).map(Postgres::server_url).unwrap_or_default();
        let redshift = Redshift::start(listener, &postgres, places.s3, places.state_dir, places.tools_dir, report)?;
        Ok(Self { redshift, mysql, postgres, _own_postgres: own_postgres })
    }

    /// The URL of a database of the MySQL; of one of the user's own it is always the one they named.
    pub fn mysql_url(&self, database: &str) -> String {
        match &self.mysql {
            Source::Ours(mysql) => mysql.url(database),
            Source::Given(url) => url.clone(),
        }
    }

    /// Whether the MySQL was started for this stack, so that tables may be made in it.
    pub fn owns_mysql(&self) -> bool {
        matches!(self.mysql, Source::Ours(_))
    }

    /// What the MySQL is, such as `MariaDB 10.11`; nothing of one of the user's own.
    pub fn mysql_version(&self) -> Option<&str> {
        match &self.mysql {
            Source::Ours(mysql) => Some(mysql.version()),
            Source::Given(_) => None,
        }
    }

    /// What the template takes for a job that reads the MySQL and loads a database of Redshift.
    pub fn parameters(&self, schema: &str, database: &str) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("MysqlUrl", self.mysql_url(schema)),
            ("RedshiftWorkgroup", WORKGROUP.to_owned()),
            ("RedshiftDatabase", database.to_owned()),
        ])
    }

    /// Host and port of Redshift's Data API.
    pub fn address(&self) -> SocketAddr {
        self.redshift.address()
    }

    /// The URL of PostgreSQL's database that stands for one of Redshift's, to be looked into.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{PREFIX}{database}?sslmode=disable", self.postgres)
    }

    /// A schema of the MySQL, made if need be, unless the server is the user's own.
    ///
    /// # Errors
    /// As the server has it.
    pub async fn make_schema(&self, schema: &str) -> Result<(), BoxError> {
        if !self.owns_mysql() {
            return Ok(());
        }
        let mut root = MySqlConnection::connect(&self.mysql_url("mysql")).await?;
        let create = format!("create database if not exists `{}`", schema.replace('`', "``"));
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut root).await?;
        Ok(root.close().await?)
    }

    /// A database of Redshift, made if need be.
    ///
    /// # Errors
    /// As the server has it.
    pub async fn make_database(&self, database: &str) -> Result<(), BoxError> {
        let name = format!("{PREFIX}{database}");
        let mut connection = PgConnection::connect(&format!("{}/postgres?sslmode=disable", self.postgres)).await?;
        let is_there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&name)
            .fetch_one(&mut connection)
            .await?;
        if !is_there {
            sqlx::query(AssertSqlSafe(format!("create database \"{name}\""))).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }
}

/// A URL that names user, host and port, at which somebody answers.
fn checked(url: String, report: &dyn Fn(&str)) -> Result<String, SetupError> {
    let how = "Write it as mysql://user:password@host:3306/database, or unset it to get a server of its own.";
    let address = url
        .strip_prefix("mysql://")
        .and_then(|rest| rest.rsplit_once('@'))
        .map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default().to_owned())
        .filter(|address| address.contains(':'))
        .ok_or_else(|| SetupError::failed("MYSQL_URL names no user, host and port.", how))?;
    report(&format!("using the MySQL of MYSQL_URL, at {address}"));
    match TcpStream::connect(&address) {
        Ok(_) => Ok(url),
        Err(error) => {
            let what = format!("The MySQL of MYSQL_URL does not answer at {address}.");
            Err(SetupError::absent(what, "Start it, or unset MYSQL_URL to get a server of its own.").caused_by(error))
        }
    }
}
