//! What the page asks of an AWS that does not count: the requests that go through here, on their way to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What ends the first line of a request.
const REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// A way to another endpoint.
pub(crate) struct Counted {
    pub endpoint: String,
    count: Arc<AtomicUsize>,
}

impl Counted {
    /// One to this endpoint, for as long as the runtime lives.
    pub(crate) fn start(runtime: &Runtime, endpoint: &str) -> Self {
        let to = endpoint.trim_start_matches("http://").to_owned();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::default());
        let counted = count.clone();
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (to, count) = (to.clone(), counted.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(to).await.unwrap();
                    let ((mut from_near, mut to_near), (mut from_far, to_far)) = (near.into_split(), far.into_split());
                    tokio::spawn(async move { tokio::io::copy(&mut from_far, &mut to_near).await });
                    pass_on(&mut from_near, to_far, &count).await;
                });
            }
        });
        Self { endpoint, count }
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Passes on what is asked, and counts it.
async fn pass_on(from: &mut (impl AsyncReadExt + Unpin), mut to: impl AsyncWriteExt + Unpin, count: &AtomicUsize) {
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 16_384]);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..length]);
        let found = seen.windows(REQUEST.len()).filter(|part| *part == REQUEST).count();
        count.fetch_add(found, Ordering::SeqCst);
        // What may be the beginning of another one.
        seen.drain(..seen.len().saturating_sub(REQUEST.len() - 1));
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
