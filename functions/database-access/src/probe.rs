//! Does a PostgreSQL server answer at an address? Asked without a login: this function has none, so that it could not
//! read a row even if it were taken over. The login itself is proven by the upsert function, whose failure to connect
//! is retried.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long looking up, connecting and answering may take together.
const TIMEOUT: Duration = Duration::from_secs(5);

/// "Do you speak TLS?" (PostgreSQL manual, "Message Formats, SSLRequest"): the length of the message and its code.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];

/// Whether the server at `address` (`host:port`) answers as PostgreSQL does.
pub(crate) async fn answers(address: &str) -> bool {
    tokio::time::timeout(TIMEOUT, ask(address))
        .await
        .is_ok_and(|answer| answer.is_ok_and(|byte| matches!(byte, b'S' | b'N')))
}

async fn ask(address: &str) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&TLS_REQUEST).await?;
    stream.read_u8().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn only_a_server_that_answers_so_is_one() {
        let answer_of = async |answer: &'static [u8]| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 8];
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(answer).await.unwrap();
            });
            let answers = answers(&address).await;
            server.await.unwrap();
            answers
        };
        assert!(answer_of(b"S").await);
        assert!(answer_of(b"N").await);
        assert!(!answer_of(b"HTTP/1.1 400").await);
        assert!(!answer_of(b"").await);
        assert!(!answers("127.0.0.1:1").await);
        assert!(!answers("no such host").await);
    }
}
