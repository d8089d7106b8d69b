//! The proxy before PostgreSQL: follows the messages of the client (PostgreSQL documentation, "Frontend/Backend
//! Protocol").

use super::process::Caller;
use super::{Action, Moment, Shared, UnderWay};
use sqlx::Connection;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) async fn serve(shared: Arc<Shared>, client: TcpStream) {
    let caller = Caller::of(&client).await;
    // As in the other proxy.
    let _ = pass_on(&shared, client, caller).await;
}

async fn pass_on(shared: &Shared, mut client: TcpStream, caller: Option<Caller>) -> io::Result<()> {
    let mut server = TcpStream::connect(shared.database.get().unwrap()).await?;
    let Some(caller) = caller else {
        return tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop);
    };
    let _under_way = UnderWay::new(shared, Some(&caller));
    let (mut from_client, mut from_server) = (Vec::new(), vec![0; 1 << 16]);
    let mut has_started = false;
    // What is to happen when the server has answered.
    let mut afterwards = None;
    loop {
        tokio::select! {
            read = client.read_buf(&mut from_client) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            read = server.read(&mut from_server) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                if let Some(action) = afterwards.take() {
                    strike(shared, &caller, &server, action).await;
                    if ends(action) {
                        return Ok(());
                    }
                }
                client.write_all(&from_server[..length]).await?;
                continue;
            }
        }
        while let Some(message) = next_message(&mut from_client, &mut has_started) {
            let fault = name(&message).and_then(|name| shared.meet(&caller, &name));
            if let Some((moment, action)) = fault {
                match moment {
                    Moment::Before => {
                        strike(shared, &caller, &server, action).await;
                        if ends(action) {
                            return Ok(());
                        }
                    }
                    Moment::After => afterwards = Some(action),
                }
            }
            server.write_all(&message).await?;
        }
    }
}

/// What is no answer of PostgreSQL is a connection that ends.
fn ends(action: Action) -> bool {
    !matches!(action, Action::Slow(_) | Action::Hold | Action::CrashServer)
}

async fn strike(shared: &Shared, caller: &Caller, server: &TcpStream, action: Action) {
    match action {
        Action::Kill => caller.kill(),
        Action::Slow(time) => tokio::time::sleep(time).await,
        Action::Hold => shared.held(caller).await,
        Action::CrashServer => {
            let port = i32::from(server.local_addr().unwrap().port());
            let mut administrator = sqlx::PgConnection::connect(shared.administrator.get().unwrap()).await.unwrap();
            let pid: i32 = sqlx::query_scalar("select pid from pg_stat_activity where client_port = $1")
                .bind(port)
                .fetch_one(&mut administrator)
                .await
                .unwrap();
            std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
        }
        _ => {}
    }
}

/// Takes one whole message off. The first ones, before the login, have no type.
fn next_message(buffer: &mut Vec<u8>, has_started: &mut bool) -> Option<Vec<u8>> {
    let start = usize::from(*has_started);
    let length = buffer.get(start..start + 4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()? + start;
    if buffer.len() < length {
        return None;
    }
    let rest = buffer.split_off(length);
    let message = std::mem::replace(buffer, rest);
    // A request for TLS has eight bytes, and the startup message follows.
    *has_started = *has_started || message.len() > 8;
    Some(message)
}

/// What a message does; none for those that only carry others along.
fn name(message: &[u8]) -> Option<String> {
    let text = |from: usize| {
        let text = String::from_utf8_lossy(&message[from..]);
        let text = text.split('\0').next().unwrap_or_default().to_owned();
        text.split_whitespace().take(6).collect::<Vec<_>>().join(" ").to_lowercase()
    };
    match message.first()? {
        b'Q' => Some(format!("sql {}", text(5))),
        // A statement's name, then its text.
        b'P' => {
            let name = message[5..].iter().position(|byte| *byte == 0)?;
            Some(format!("sql {}", text(5 + name + 1)))
        }
        b'd' => Some("copy data".to_owned()),
        b'c' => Some("copy done".to_owned()),
        0 if message.len() > 8 => Some("connect".to_owned()),
        _ => None,
    }
}
