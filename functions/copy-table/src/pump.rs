//! Rows from one server to another as they are, hashed while they pass.
//!
//! The source sends a message per row, and the driver reads one by one; to send each by itself would cost three times
//! as much. So rows are put together to pieces, and the next piece is read while one is written. Since nothing is read
//! while a piece waits, memory stays flat. A row that is longer than a piece is not copied into one, but sent in slices
//! of what was read.

use crate::checksum::{Checksum, Summing};
use bytes::Bytes;
use futures_util::TryStreamExt;
use sluice::{Error, Kind};
use sqlx::PgConnection;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// How far a copy is: for the error that it did not end in time.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    fn add(&self, bytes: usize) {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many rows were read.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Their size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Which side failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The one that sends.
    Source(sqlx::Error),
    /// The one that receives.
    Target(sqlx::Error),
    /// Ours.
    Own(Error),
}

/// How a copy goes.
pub(crate) struct Pump<'a> {
    /// COPY's format is text.
    pub is_text: bool,
    /// A row that is longer would not fit into memory, in bytes.
    pub max_row_bytes: usize,
    /// Told of every row.
    pub progress: &'a Progress,
}

enum Piece {
    Rows(Vec<u8>),
    LongRow(Bytes),
}

impl Pump<'_> {
    /// Copies what the statement `copy_out` sends into what `copy_in` takes.
    ///
    /// # Errors
    /// Those of either side; `InvariantBroken` if the target counts other rows than were sent, `Misconfigured` for a
    /// row that is too long.
    pub(crate) async fn copy(
        &self,
        source: &mut PgConnection,
        copy_out: &str,
        target: &mut PgConnection,
        copy_in: &str,
    ) -> Result<Checksum, Failure> {
        let (pieces, mut waiting) = mpsc::channel::<Piece>(1);
        let (empty, mut emptied) = mpsc::channel::<Vec<u8>>(2);
        let read = async move {
            let mut summing = Summing::new(self.is_text);
            let mut rows = source.copy_out_raw(copy_out).await.map_err(Failure::Source)?;
            let new = || Vec::with_capacity(2 * PIECE_BYTES);
            let mut piece = new();
            while let Some(row) = rows.try_next().await.map_err(Failure::Source)? {
                summing.add(&row);
                self.progress.add(row.len());
                self.check_length(&row)?;
                let is_long = row.len() > PIECE_BYTES;
                if !is_long {
                    piece.extend_from_slice(&row);
                }
                if piece.len() >= PIECE_BYTES || (is_long && !piece.is_empty()) {
                    let next = emptied.try_recv().unwrap_or_else(|_| new());
                    send(&pieces, Piece::Rows(std::mem::replace(&mut piece, next))).await?;
                }
                if is_long {
                    send(&pieces, Piece::LongRow(row)).await?;
                }
            }
            send(&pieces, Piece::Rows(piece)).await?;
            drop(pieces);
            Ok(summing.checksum())
        };
        let write = async move {
            let mut copy = target.copy_in_raw(copy_in).await.map_err(Failure::Target)?;
            while let Some(piece) = waiting.recv().await {
                match piece {
                    Piece::Rows(mut rows) => {
                        copy.send(&rows[..]).await.map_err(Failure::Target)?;
                        rows.clear();
                        // Nobody waits for it at the end.
                        let _ = empty.try_send(rows);
                    }
                    Piece::LongRow(row) => {
                        for slice in row.chunks(PIECE_BYTES) {
                            copy.send(slice).await.map_err(Failure::Target)?;
                        }
                    }
                }
            }
            Ok((copy, empty))
        };
        let (sent, (copy, _)) = tokio::try_join!(read, write)?;
        // Only now, so that a source that breaks off never looks like one that ended.
        let stored = copy.finish().await.map_err(Failure::Target)?;
        match stored == sent.rows {
            true => Ok(sent),
            false => {
                let what = format!("{} rows were sent, {stored} were stored", sent.rows);
                Err(Failure::Own(Error::new(Kind::InvariantBroken, what)))
            }
        }
    }

    /// Only reads, and hashes.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn drain(&self, connection: &mut PgConnection, copy_out: &str) -> Result<Checksum, sqlx::Error> {
        let mut summing = Summing::new(self.is_text);
        let mut rows = connection.copy_out_raw(copy_out).await?;
        while let Some(row) = rows.try_next().await? {
            summing.add(&row);
        }
        Ok(summing.checksum())
    }

    fn check_length(&self, row: &Bytes) -> Result<(), Failure> {
        if row.len() <= self.max_row_bytes {
            return Ok(());
        }
        let what = format!(
            "a row of {} bytes is more than this function's memory can take, which is {} bytes; give it more memory",
            row.len(),
            self.max_row_bytes
        );
        Err(Failure::Own(Error::new(Kind::Misconfigured, what)))
    }
}

/// The writing half lives as long as the reading one, or has failed, which is then the error that counts.
async fn send(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Failure> {
    let gone = |_| Failure::Own(Error::new(Kind::InvariantBroken, "nobody takes the rows"));
    pieces.send(piece).await.map_err(gone)
}
