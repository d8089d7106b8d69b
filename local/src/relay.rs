//! Lets containers in: what listens on loopback, at one more address.

use std::io;
use std::net::IpAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Answers at another address for as long as it lives.
pub(crate) struct Relay(AbortHandle);

impl Relay {
    /// Passes every connection to `address`, at the port of `target` (`host:port`), on to `target`.
    ///
    /// # Errors
    /// If this machine has no such address, or the port is taken there.
    pub(crate) async fn start(address: IpAddr, target: &str) -> io::Result<Self> {
        let port = target.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let port = port.ok_or_else(|| io::Error::other(format!("{target} names no port")))?;
        let listener = TcpListener::bind((address, port)).await?;
        let target = target.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let target = target.clone();
                tokio::spawn(async move {
                    // Whichever side ends, the other one sees it end.
                    if let Ok(mut outer) = TcpStream::connect(target).await {
                        let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
                    }
                });
            }
        });
        Ok(Self(accepting.abort_handle()))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}
