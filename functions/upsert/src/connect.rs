//! Where the database is and how to log in. One connection per run, no pool.

use crate::sql_error::classify;
use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use pipeline::env::Env;
use pipeline::{Error, Kind, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A database and a way to log in to it.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    login: Login,
}

#[derive(Clone)]
enum Login {
    /// What the options say; only on one machine.
    AsIs,
    /// A token of IAM, made right before connecting: it is good for 15 minutes, a session outlives it.
    IamToken { host: String, port: u16, user: String },
}

impl Database {
    /// Reads `DATABASE_URL`, or else `DATABASE_HOST`, `DATABASE_PORT`, `DATABASE_NAME`, `DATABASE_USER` and, optionally,
    /// `DATABASE_CA_FILE`, a bundle of certificates to trust.
    ///
    /// Without a URL the server's certificate and name are always verified.
    pub fn from_env(env: &mut Env<'_>) -> Self {
        if let Some(url) = env.optional("DATABASE_URL") {
            let options = PgConnectOptions::from_str(&url).unwrap_or_else(|_| {
                // The parser's own text would repeat the URL, and with it a password.
                env.problem("DATABASE_URL: not of the form postgres://user:password@host:port/name");
                PgConnectOptions::new_without_pgpass()
            });
            return Self { options: options.disable_statement_logging(), login: Login::AsIs };
        }
        let host = env.required("DATABASE_HOST");
        let port = env.parsed("DATABASE_PORT", 5432);
        let user = env.required("DATABASE_USER");
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&host)
            .port(port)
            .database(&env.required("DATABASE_NAME"))
            .username(&user)
            .ssl_mode(PgSslMode::VerifyFull);
        if let Some(file) = env.optional("DATABASE_CA_FILE") {
            options = options.ssl_root_cert(file);
        }
        Self { options: options.disable_statement_logging(), login: Login::IamToken { host, port, user } }
    }

    /// Connects; `application` is what the server's own views show.
    ///
    /// # Errors
    /// `TransientFailure` if the server cannot be reached or is not ready, `Misconfigured` if it refuses the login or its
    /// certificate does not hold.
    pub async fn connect(&self, config: &SdkConfig, application: &str) -> Result<PgConnection> {
        let mut options = self.options.clone().application_name(application);
        if let Login::IamToken { host, port, user } = &self.login {
            let request = Config::builder().hostname(host).port(u64::from(*port)).username(user).build();
            let request =
                request.map_err(|error| Error::caused(Kind::InvariantBroken, "build the login token", error))?;
            let token = AuthTokenGenerator::new(request)
                .auth_token(config)
                .await
                .map_err(|error| Error::caused(Kind::Misconfigured, "sign the login token", error))?;
            options = options.password(token.as_str());
        }
        match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
            Ok(connected) => connected.map_err(|error| classify("connect to the database", error)),
            Err(_) => {
                let what = format!("connect to the database: no answer within {} s", CONNECT_TIMEOUT.as_secs());
                Err(Error::new(Kind::TransientFailure, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_url_is_not_repeated() {
        let lookup = |name: &str| (name == "DATABASE_URL").then(|| "postgres://u:hush@h:many/d".to_owned());
        let mut env = Env::new(&lookup);
        Database::from_env(&mut env);
        let error = env.finish(()).unwrap_err().to_string();
        assert!(error.contains("DATABASE_URL") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn without_a_url_all_parts_are_asked_for_together() {
        let lookup = |_: &str| None;
        let mut env = Env::new(&lookup);
        Database::from_env(&mut env);
        let error = env.finish(()).unwrap_err().to_string();
        for name in ["DATABASE_HOST", "DATABASE_USER", "DATABASE_NAME"] {
            assert!(error.contains(name), "{error}");
        }
    }
}
