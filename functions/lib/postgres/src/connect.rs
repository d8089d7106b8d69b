//! Where the database is and how to log in. One connection per run, no pool.

use crate::sql_error::classify;
use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use serde::Deserialize;
use sluice::env::Env;
use sluice::{Error, Kind, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use std::io::ErrorKind;
use std::str::FromStr;
use std::time::Duration;

/// The root certificates of Amazon RDS: its servers send only their own certificate, and no system trusts these by
/// default.
pub const RDS_ROOTS: &[u8] = include_bytes!("../certificates/amazon-rds-roots.pem");

/// The prefix of the environment variables of the database that is loaded.
pub const TARGET: &str = "DATABASE";

/// That of the database that is read.
pub const SOURCE: &str = "SOURCE_DATABASE";

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
    /// User and password of a secret, read right before connecting: it may be rotated.
    Secret { arn: String },
}

/// What RDS and the Secrets Manager console write into a secret, as far as a login needs it.
#[derive(Deserialize)]
pub struct Secret {
    /// Who logs in.
    pub username: String,
    /// By what.
    pub password: String,
}

impl Database {
    /// Reads `<prefix>_URL`, or else `<prefix>_HOST`, `<prefix>_PORT`, `<prefix>_NAME`, `<prefix>_USER` and,
    /// optionally, `<prefix>_SECRET_ARN`. The prefix of the database that a function loads into is [`TARGET`].
    ///
    /// Without a URL the server's certificate and name are always verified.
    pub fn from_env(env: &mut Env<'_>, prefix: &str) -> Self {
        let name = |part: &str| format!("{prefix}_{part}");
        if let Some(url) = env.optional(&name("URL")) {
            let options = PgConnectOptions::from_str(&url).unwrap_or_else(|_| {
                // The parser's own text would repeat the URL, and with it a password.
                env.problem(format!("{}: not of the form postgres://user:password@host:port/name", name("URL")));
                PgConnectOptions::new_without_pgpass()
            });
            return Self { options: options.disable_statement_logging(), login: Login::AsIs };
        }
        let host = env.required(&name("HOST"));
        let port = env.parsed(&name("PORT"), 5432);
        let user = env.required(&name("USER"));
        let options = PgConnectOptions::new_without_pgpass()
            .host(&host)
            .port(port)
            .database(&env.required(&name("NAME")))
            .username(&user)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(RDS_ROOTS.to_vec());
        let login = match env.optional(&name("SECRET_ARN")) {
            Some(arn) => Login::Secret { arn },
            None => Login::IamToken { host, port, user },
        };
        Self { options: options.disable_statement_logging(), login }
    }

    /// Which database it is, `host:port/name`, whoever logs in. On this machine without the port: a server there has
    /// another one each time that it starts.
    pub fn name(&self) -> String {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        let name = self.options.get_database().unwrap_or_else(|| self.options.get_username());
        match host {
            "127.0.0.1" | "::1" | "localhost" => format!("{host}/{name}"),
            _ => format!("{host}:{port}/{name}"),
        }
    }

    /// Connects; `application` is what the server's own views show.
    ///
    /// # Errors
    /// `TransientFailure` if the server cannot be reached or is not ready, `Misconfigured` if it refuses the login or
    /// its certificate does not hold.
    pub async fn connect(&self, config: &SdkConfig, application: &str) -> Result<PgConnection> {
        let mut options = self.options.clone().application_name(application);
        match &self.login {
            Login::AsIs => {}
            Login::IamToken { host, port, user } => {
                options = options.password(&login_token(config, host, *port, user).await?);
            }
            Login::Secret { arn } => {
                let Secret { username, password } = read_secret(config, arn).await?;
                options = options.username(&username).password(&password);
            }
        }
        connect(&options).await
    }

    /// Connects as another user, to prepare.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn connect_as(&self, user: &str, password: &str) -> Result<PgConnection> {
        let options = self.options.clone().application_name("sluice prepare").username(user).password(password);
        connect(&options).await
    }

    /// The role that [`Database::connect`] logs in as.
    ///
    /// # Errors
    /// If its secret cannot be read.
    pub async fn loader(&self, config: &SdkConfig) -> Result<Loader> {
        Ok(match &self.login {
            Login::AsIs => Loader { role: self.options.get_username().to_owned(), password: None },
            Login::IamToken { user, .. } => Loader { role: user.clone(), password: None },
            Login::Secret { arn } => {
                let Secret { username, password } = read_secret(config, arn).await?;
                Loader { role: username, password: Some(password) }
            }
        })
    }
}

/// Who loads.
pub struct Loader {
    /// The role's name.
    pub role: String,
    /// The password that its secret holds; without one it logs in by IAM, where that exists.
    pub password: Option<String>,
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(connected) => connected.map_err(|error| match error {
            // A certificate that does not hold; the library has it beside broken connections.
            sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                Error::caused(Kind::Misconfigured, "verify the database's server", error)
            }
            other => classify("connect to the database", other),
        }),
        Err(_) => {
            let what = format!("connect to the database: no answer within {} s", CONNECT_TIMEOUT.as_secs());
            Err(Error::new(Kind::TransientFailure, what))
        }
    }
}

/// A token by which `user` logs in to a database of RDS, of whatever engine: good for 15 minutes, a session outlives
/// it.
///
/// # Errors
/// `Misconfigured` if there are no credentials to sign it with.
pub async fn login_token(config: &SdkConfig, host: &str, port: u16, user: &str) -> Result<String> {
    let request = Config::builder().hostname(host).port(u64::from(port)).username(user).build();
    let request = request.map_err(|error| Error::caused(Kind::InvariantBroken, "build the login token", error))?;
    let token = AuthTokenGenerator::new(request).auth_token(config).await;
    let token = token.map_err(|error| Error::caused(Kind::Misconfigured, "sign the login token", error))?;
    Ok(token.as_str().to_owned())
}

/// User and password of a database, by the ARN of their secret.
///
/// # Errors
/// `Misconfigured` if it holds none; others as [`Error::aws`].
pub async fn read_secret(config: &SdkConfig, arn: &str) -> Result<Secret> {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let answer = answer.map_err(|error| Error::aws("read the database's secret", error))?;
    // The parser's own text could repeat a part of the secret.
    serde_json::from_str(answer.secret_string().unwrap_or_default())
        .map_err(|_| Error::new(Kind::Misconfigured, format!("{arn} holds no JSON with username and password")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    #[test]
    fn a_malformed_url_is_not_repeated() {
        let lookup = |name: &str| (name == "DATABASE_URL").then(|| "postgres://u:hush@h:many/d".to_owned());
        let mut env = Env::new(&lookup);
        Database::from_env(&mut env, TARGET);
        let error = env.finish(()).unwrap_err().to_string();
        assert!(error.contains("DATABASE_URL") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn the_roots_are_those_of_amazon_rds_and_good_for_years() {
        let certificates: Vec<CertificateDer<'_>> =
            CertificateDer::pem_slice_iter(RDS_ROOTS).collect::<Result<_, _>>().unwrap();
        assert_eq!(certificates.len(), 81, "27 regions, three kinds of key");
        for der in certificates {
            // Printable in DER: the common name, as issuer and as subject of a root; and a time beyond 2049, which is
            // written with four digits of the year (RFC 5280, section 4.1.2.5).
            let text = String::from_utf8_lossy(&der);
            let name = text.split("Amazon RDS ").nth(1).and_then(|rest| rest.split(" G1").next()).unwrap_or_default();
            assert!(name.contains(" Root CA ") && name.len() < 40, "{name}");
            assert_eq!(text.matches(&format!("Amazon RDS {name} G1")).count(), 2, "{name} is its own issuer");
            let end = der.windows(2).position(|tag| tag == [0x18, 15]).expect("a time beyond 2049") + 2;
            let year: u32 = std::str::from_utf8(&der[end..end + 4]).unwrap().parse().unwrap();
            assert!(year >= 2060, "{name} ends in {year}");
        }
    }

    #[test]
    fn a_database_is_known_by_its_place_and_never_by_a_login() {
        let named = |url: &str| {
            let lookup = |name: &str| (name == "DATABASE_URL").then(|| url.to_owned());
            let mut env = Env::new(&lookup);
            let database = Database::from_env(&mut env, TARGET);
            env.finish(database).unwrap().name()
        };
        assert_eq!(named("postgres://reader:hush@db.example.org:6432/shop"), "db.example.org:6432/shop");
        assert_eq!(named("postgres://other:hush@db.example.org/shop"), "db.example.org:5432/shop");
        assert_eq!(named("postgres://reader:hush@127.0.0.1:49152/shop?sslmode=disable"), "127.0.0.1/shop");
    }

    #[test]
    fn two_databases_have_variables_of_their_own() {
        let lookup = |name: &str| (name == "DATABASE_URL").then(|| "postgres://u@h/d".to_owned());
        let mut env = Env::new(&lookup);
        Database::from_env(&mut env, TARGET);
        Database::from_env(&mut env, SOURCE);
        let error = env.finish(()).unwrap_err().to_string();
        let names = ["HOST", "USER", "NAME"].map(|part| format!("SOURCE_DATABASE_{part} is not set"));
        assert_eq!(error, format!("environment: {}", names.join("; ")));
    }

    #[test]
    fn without_a_url_all_parts_are_asked_for_together() {
        let lookup = |_: &str| None;
        let mut env = Env::new(&lookup);
        Database::from_env(&mut env, TARGET);
        let error = env.finish(()).unwrap_err().to_string();
        for name in ["DATABASE_HOST", "DATABASE_USER", "DATABASE_NAME"] {
            assert!(error.contains(name), "{error}");
        }
    }
}
