//! The proxy before AWS: one request per connection, so that where one ends is never in doubt.

use super::process::Caller;
use super::{Action, Moment, Shared, UnderWay};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) async fn serve(shared: Arc<Shared>, mut client: TcpStream) {
    // Whatever goes wrong here is a connection that ends, which is what a proxy would do.
    let _ = pass_on(&shared, &mut client).await;
}

async fn pass_on(shared: &Shared, client: &mut TcpStream) -> io::Result<()> {
    let caller = Caller::of(client).await;
    let Some((head, body)) = read_request(client).await? else { return Ok(()) };
    let _under_way = UnderWay::new(shared, caller.as_ref());
    let fault = caller.as_ref().and_then(|caller| shared.meet(caller, &name(&head, &body)));
    let Some((caller, (moment, action))) = caller.as_ref().zip(fault) else {
        return client.write_all(&forward(shared, &head, &body).await?).await;
    };
    if let Action::Slow(_) | Action::Hold = action {
        match action {
            Action::Slow(time) => tokio::time::sleep(time).await,
            _ => shared.held(caller).await,
        }
        return client.write_all(&forward(shared, &head, &body).await?).await;
    }
    if let Action::Status(status) = action {
        return client.write_all(answer(status).as_bytes()).await;
    }
    let answer = match moment {
        Moment::Before => Vec::new(),
        Moment::After => forward(shared, &head, &body).await?,
    };
    match action {
        Action::Kill => caller.kill(),
        Action::Truncate => client.write_all(&answer[..answer.len() - answer.len() / 4]).await?,
        _ => {}
    }
    Ok(())
}

/// As S3 and the JSON services say it.
fn answer(status: u16) -> String {
    let (code, reason) = match status {
        412 => ("PreconditionFailed", "Precondition Failed"),
        503 => ("SlowDown", "Service Unavailable"),
        _ => ("InternalError", "Internal Server Error"),
    };
    let body =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>fault</Message></Error>");
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request on; returns the whole answer.
async fn forward(shared: &Shared, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let is_for_redshift = head.to_ascii_lowercase().contains("\r\nx-amz-target: redshiftdata.");
    let server = if is_for_redshift { &shared.redshift } else { &shared.aws };
    let mut server = TcpStream::connect(server.get().unwrap()).await?;
    let (request_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let kept = headers.split("\r\n").filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.is_empty() && !line.starts_with("connection:") && !line.starts_with("expect:")
    });
    let mut request = format!("{request_line}\r\nConnection: close\r\n");
    for line in kept {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    server.write_all(request.as_bytes()).await?;
    server.write_all(body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Reads a request: its head without the empty line, and its body as it travels. None if the connection ends first.
async fn read_request(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let header = |name: &str| {
        head.split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase()))
    };
    if header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let is_chunked = header("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked"));
    loop {
        let is_complete = match length {
            Some(length) => body.len() >= length,
            None if is_chunked => body.ends_with(b"\r\n\r\n") || body == b"0\r\n\r\n",
            None => true,
        };
        if is_complete {
            return Ok(Some((head, body)));
        }
        if client.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
}

/// What a request does, without what differs from run to run.
fn name(head: &str, body: &[u8]) -> String {
    let mut words = head.split([' ', '\r']);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let operation = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"))
        .map(|(_, value)| value.trim().rsplit('.').next().unwrap_or_default().to_owned());
    let text = String::from_utf8_lossy(body);
    let action = text.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(ToOwned::to_owned);
    if let Some(operation) = operation.or(action) {
        return operation;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Without the bucket.
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    if query.contains("list-type=2") {
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default();
        return format!("list {}", prefix.split(['/', '%']).next().unwrap_or_default());
    }
    let folder = key.split('/').next().unwrap_or_default();
    let file = key.rsplit('/').next().unwrap_or_default();
    let file = match key.split('/').nth(1) {
        Some("database-access") if folder == "state" => "lease",
        // The results of queries, and the records of runs.
        _ if is_id(file.get(..36).unwrap_or_default()) => &file[36..],
        _ if folder == "state" && !["lock.json", "again.json", "loaded.json", "unnamed.json"].contains(&file) => {
            "entry"
        }
        _ => file,
    };
    format!("{method} {folder}/../{file}")
}

/// Whether it is the id of a query or the name of an execution: those differ from run to run.
fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
