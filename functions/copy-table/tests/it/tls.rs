//! Connections whose server has to prove who it is.

use crate::actions::Function;
use crate::servers::{Folder, Installation, Server, write};
use crate::support::*;
use serde_json::json;
use sluice::Kind;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::path::Path;
use std::process::Command;

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("the program openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate of its for `localhost`.
fn certificate(folder: &Folder) {
    let new = "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout authority.key -out authority.pem -subj /CN=authority";
    openssl(folder.path(), new);
    let extension = folder.path().join("extension");
    write(&extension, "subjectAltName=DNS:localhost\n");
    openssl(folder.path(), "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    openssl(
        folder.path(),
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -out server.pem -extfile \
         extension",
    );
    for name in ["server.key", "server.pem"] {
        let path = folder.path().join(name);
        write(&path, std::fs::read(&path).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_servers_are_verified() {
    let (folder, other) = (Folder::new(), Folder::new());
    certificate(&folder);
    certificate(&other);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let access = file("access");
    write(Path::new(&access), "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    let configuration = format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nhba_file = '{access}'",
        file("server.pem"),
        file("server.key"),
    );
    let server = Server::start(&Installation::usual(), &configuration);
    let plain = server.url("postgres").parse::<PgConnectOptions>().unwrap();
    assert!(plain.connect().await.is_err(), "the server takes no connection without TLS");
    let url = |host: &str, authority: &str, database: &str| {
        let url = server.url(database).replace("127.0.0.1", host);
        url.replace("sslmode=disable", &format!("sslmode=verify-full&sslrootcert={authority}"))
    };
    let verified = |database: &str| Database::from(url("localhost", &file("authority.pem"), database));
    let admin = verified("postgres");
    for name in ["source", "target"] {
        sql(&admin, &format!("create database {name}")).await;
        sql(&verified(name), &format!("set search_path = public; {TABLE}")).await;
        sql(&admin, &format!("alter database {name} set search_path = public")).await;
    }
    let pair = Pair { source: verified("source"), target: verified("target") };
    sql(&pair.source, &hourly(0, 71)).await;
    let job = Job::new(json!({})).at("first", "2024-01-04T02:00:00.000Z");
    let concluded = Function::new(&pair).await.execute(&job, json!({})).await.unwrap();
    assert_eq!(concluded["rows"], json!(72));
    assert_equal(&pair).await;

    let wrong_name = |name: &str| Database::from(url("127.0.0.1", &file("authority.pem"), name));
    let stranger = other.path().join("authority.pem").display().to_string();
    let wrong_authority = |name: &str| Database::from(url("localhost", &stranger, name));
    for (what, refused) in [
        ("a source of another name", Pair { source: wrong_name("source"), ..pair.clone() }),
        ("a target of another name", Pair { target: wrong_name("target"), ..pair.clone() }),
        ("a source of another authority", Pair { source: wrong_authority("source"), ..pair.clone() }),
        ("a target of another authority", Pair { target: wrong_authority("target"), ..pair.clone() }),
    ] {
        let function = Function::new(&refused).await;
        let error = function.call("plan", &job.again("second"), json!({"trigger": {}})).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured, "{what}: {error}");
        assert!(error.to_string().contains("certificate"), "{what}: {error}");
    }
    // By host and name, as on AWS, only Amazon's own authorities count; no address and no setting changes that.
    let port = server.port().to_string();
    let deployed = Function::with(&|name| match name {
        "SOURCE_DATABASE_URL" => Some(pair.source.to_string()),
        "DATABASE_HOST" => Some("localhost".to_owned()),
        "DATABASE_PORT" => Some(port.clone()),
        "DATABASE_NAME" => Some("target".to_owned()),
        "DATABASE_USER" => Some("sluice_loader".to_owned()),
        _ => None,
    })
    .await;
    let error = deployed.call("plan", &job.again("third"), json!({"trigger": {}})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}
