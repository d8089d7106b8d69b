//! Where MySQL is and how to log in. One connection per call, no pool.

use crate::sql_error::classify;
use aws_config::SdkConfig;
use postgres::connect::{RDS_ROOTS, Secret, login_token, read_secret};
use sluice::env::Env;
use sluice::{Error, Kind, Result};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A server of MySQL or MariaDB, and a way to log in to it.
#[derive(Clone)]
pub struct Server {
    options: MySqlConnectOptions,
    login: Login,
}

#[derive(Clone)]
enum Login {
    /// What the options say; only on one machine.
    AsIs,
    /// A token of IAM, made right before connecting.
    IamToken { host: String, port: u16, user: String },
    /// User and password of a secret, read right before connecting: it may be rotated.
    Secret { arn: String },
}

impl Server {
    /// Reads `MYSQL_URL`, or else `MYSQL_HOST`, `MYSQL_PORT`, and `MYSQL_USER` or `MYSQL_SECRET_ARN`.
    ///
    /// Without a URL the server's certificate and name are always verified: an IAM token is sent as it is, so a server
    /// that is not the one that is meant must not get it.
    pub fn from_env(env: &mut Env<'_>) -> Self {
        if let Some(url) = env.optional("MYSQL_URL") {
            let options = MySqlConnectOptions::from_str(&url).unwrap_or_else(|_| {
                // The parser's own text would repeat the URL, and with it a password.
                env.problem("MYSQL_URL: not of the form mysql://user:password@host:port/name");
                MySqlConnectOptions::new()
            });
            return Self { options: options.disable_statement_logging(), login: Login::AsIs };
        }
        let host = env.required("MYSQL_HOST");
        let port = env.parsed("MYSQL_PORT", 3306);
        let secret = env.optional("MYSQL_SECRET_ARN");
        let user = env.optional("MYSQL_USER");
        let options = MySqlConnectOptions::new()
            .host(&host)
            .port(port)
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .ssl_ca_from_pem(RDS_ROOTS.to_vec())
            .disable_statement_logging();
        let login = match (secret, user) {
            (Some(arn), _) => Login::Secret { arn },
            (None, Some(user)) => Login::IamToken { host, port, user },
            (None, None) => {
                env.problem("one of MYSQL_USER and MYSQL_SECRET_ARN has to be set");
                Login::AsIs
            }
        };
        Self { options, login }
    }

    /// Connects. Times come in UTC, texts in UTF-8.
    ///
    /// # Errors
    /// `TransientFailure` if the server cannot be reached or is not ready, `Misconfigured` if it refuses the login or
    /// its certificate does not hold.
    pub async fn connect(&self, config: &SdkConfig) -> Result<MySqlConnection> {
        let options = self.options.clone();
        let options = match &self.login {
            Login::AsIs => options,
            Login::IamToken { host, port, user } => {
                let token = login_token(config, host, *port, user).await?;
                options.username(user).password(&token).enable_cleartext_plugin(true)
            }
            Login::Secret { arn } => {
                let Secret { username, password } = read_secret(config, arn).await?;
                options.username(&username).password(&password)
            }
        };
        connect(&options).await
    }

    /// Connects as another user, to prepare.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub async fn connect_as(&self, user: &str, password: &str) -> Result<MySqlConnection> {
        connect(&self.options.clone().username(user).password(password)).await
    }

    /// The user that [`Server::connect`] logs in as.
    ///
    /// # Errors
    /// If its secret cannot be read.
    pub async fn reader(&self, config: &SdkConfig) -> Result<Reader> {
        Ok(match &self.login {
            Login::AsIs => Reader { user: self.options.get_username().to_owned(), is_by_token: false },
            Login::IamToken { user, .. } => Reader { user: user.clone(), is_by_token: true },
            Login::Secret { arn } => Reader { user: read_secret(config, arn).await?.username, is_by_token: false },
        })
    }
}

/// Who reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    /// The user's name.
    pub user: String,
    /// Whether it logs in by a token of IAM.
    pub is_by_token: bool,
}

async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection> {
    match tokio::time::timeout(CONNECT_TIMEOUT, MySqlConnection::connect_with(options)).await {
        Ok(connected) => connected.map_err(|error| classify("connect to MySQL", error)),
        Err(_) => {
            let what = format!("connect to MySQL: no answer within {} s", CONNECT_TIMEOUT.as_secs());
            Err(Error::new(Kind::TransientFailure, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_url_is_not_repeated() {
        let lookup = |name: &str| (name == "MYSQL_URL").then(|| "mysql://u:hush@h:many/d".to_owned());
        let mut env = Env::new(&lookup);
        Server::from_env(&mut env);
        let error = env.finish(()).unwrap_err().to_string();
        assert!(error.contains("MYSQL_URL") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn without_a_url_all_parts_are_asked_for_together() {
        let mut env = Env::new(&|_| None);
        Server::from_env(&mut env);
        let error = env.finish(()).unwrap_err().to_string();
        assert!(
            error.contains("MYSQL_HOST is not set") && error.contains("MYSQL_USER and MYSQL_SECRET_ARN"),
            "{error}"
        );
    }
}
