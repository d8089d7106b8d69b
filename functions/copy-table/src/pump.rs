//! Rows from one server to another as they are, hashed while they pass.
//!
//! The source sends a message per row, and the driver reads one by one; to send each by itself would cost three times
//! as much. So rows are put together to pieces, and the next piece is read while one is written. Since nothing is read
//! while a piece waits, memory stays flat. A row that is longer than a piece is not copied into one, but sent in slices
//! of what was read.
//!
//! Reading a row takes the driver twice its size, and more if another very long one comes behind it. So these are
//! fetched one at a time where that can be, see `long_rows`, ahead of the others; and elsewhere the
//! next one is read only when the last is written.

use crate::checksum::{Checksum, HEADER, Summing};
use crate::long_rows::{self, LongRow, Reading};
use bytes::{Buf, Bytes};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sluice::{Error, Kind};
use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Of rows that are longer there is one at a time, in bytes.
const ALONE_BYTES: usize = 1 << 20;

/// How far a copy is: for the error that it did not end in time.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
    longest: AtomicUsize,
}

impl Progress {
    fn add(&self, bytes: usize) {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.measure(bytes);
    }

    fn measure(&self, bytes: usize) {
        self.longest.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Whether a very long row was among those that were read, for which the driver has taken memory of that size.
    pub(crate) fn has_very_long_row(&self) -> bool {
        self.longest.load(Ordering::Relaxed) > ALONE_BYTES
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
    /// And who waits until it is written.
    VeryLongRow(Bytes, oneshot::Sender<()>),
    /// Likewise.
    Fetched(LongRow, oneshot::Sender<()>),
}

impl Pump<'_> {
    /// Copies what is read of the source into what `copy_in` takes.
    ///
    /// # Errors
    /// Those of either side; `InvariantBroken` if the target counts other rows than were sent, `Misconfigured` for a
    /// row that is too long.
    pub(crate) async fn copy(
        &self,
        source: &mut PgConnection,
        reading: &Reading,
        target: &mut PgConnection,
        copy_in: &str,
    ) -> Result<Checksum, Failure> {
        let (pieces, mut waiting) = mpsc::channel::<Piece>(1);
        let (empty, mut emptied) = mpsc::channel::<Vec<u8>>(2);
        let read = async move {
            let mut summing = Summing::new(self.is_text);
            let mut header_left = self.fetch(source, reading, &mut summing, &pieces).await?;
            let mut rows = rows(source, &reading.copy_out).await.map_err(Failure::Source)?;
            let new = || Vec::with_capacity(2 * PIECE_BYTES);
            let mut piece = new();
            while let Some(mut row) = rows.try_next().await.map_err(Failure::Source)? {
                summing.add(&row);
                self.progress.add(row.len());
                self.check_length(row.len())?;
                let header = header_left.min(row.len());
                header_left -= header;
                row.advance(header);
                let is_long = row.len() > PIECE_BYTES;
                if !is_long {
                    piece.extend_from_slice(&row);
                }
                if piece.len() >= PIECE_BYTES || (is_long && !piece.is_empty()) {
                    let next = emptied.try_recv().unwrap_or_else(|_| new());
                    send(&pieces, Piece::Rows(std::mem::replace(&mut piece, next))).await?;
                }
                if is_long && row.len() <= ALONE_BYTES {
                    send(&pieces, Piece::LongRow(row)).await?;
                } else if is_long {
                    let (written, is_written) = oneshot::channel();
                    send(&pieces, Piece::VeryLongRow(row, written)).await?;
                    // If nobody takes it, the next `send` says so.
                    let _ = is_written.await;
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
                    Piece::LongRow(row) => send_slices(&mut copy, &row).await?,
                    Piece::VeryLongRow(row, written) => {
                        send_slices(&mut copy, &row).await?;
                        drop(row);
                        let _ = written.send(());
                    }
                    Piece::Fetched(row, written) => {
                        send_parts(&mut copy, &row).await?;
                        drop(row);
                        let _ = written.send(());
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

    /// Copies the rows that are fetched, ahead of the others. Returns how much of what the statement sends is there
    /// already then: the header, if there are any.
    async fn fetch(
        &self,
        source: &mut PgConnection,
        reading: &Reading,
        summing: &mut Summing,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<usize, Failure> {
        let Some(query) = &reading.fetched else { return Ok(0) };
        send(pieces, Piece::Rows(HEADER.to_vec())).await?;
        long_rows::open(source, query).await.map_err(Failure::Source)?;
        while let Some(row) = long_rows::next(source).await.map_err(Failure::Source)? {
            let (length, hash) = row.measure().map_err(Failure::Source)?;
            summing.add_row(length, hash);
            self.progress.add(length);
            self.check_length(length)?;
            let (written, is_written) = oneshot::channel();
            send(pieces, Piece::Fetched(row, written)).await?;
            // If nobody takes it, the next `send` says so.
            let _ = is_written.await;
            self.give_back(source, length).await.map_err(Failure::Source)?;
        }
        Ok(HEADER.len())
    }

    /// Gives back what the driver took for a row of that length.
    async fn give_back(&self, connection: &mut PgConnection, length: usize) -> Result<(), sqlx::Error> {
        match length > ALONE_BYTES {
            true => long_rows::give_back(connection).await,
            false => Ok(()),
        }
    }

    /// Only reads, and hashes.
    ///
    /// # Errors
    /// Those of the database; one of ours, in `Configuration`, for a row that is too long.
    pub(crate) async fn drain(
        &self,
        connection: &mut PgConnection,
        reading: &Reading,
    ) -> Result<Checksum, sqlx::Error> {
        let mut summing = Summing::new(self.is_text);
        if let Some(query) = &reading.fetched {
            long_rows::open(connection, query).await?;
            while let Some(row) = long_rows::next(connection).await? {
                let (length, hash) = row.measure()?;
                drop(row);
                self.accept(length)?;
                summing.add_row(length, hash);
                self.give_back(connection, length).await?;
            }
        }
        let mut rows = rows(connection, &reading.copy_out).await?;
        while let Some(row) = rows.try_next().await? {
            summing.add(&row);
            self.progress.measure(row.len());
            self.accept(row.len())?;
        }
        Ok(summing.checksum())
    }

    /// As [`Pump::check_length`]. Which side it is only the caller knows, who takes our error out again.
    fn accept(&self, length: usize) -> Result<(), sqlx::Error> {
        match self.check_length(length) {
            Err(Failure::Own(error)) => Err(sqlx::Error::Configuration(error.into())),
            Err(Failure::Source(error) | Failure::Target(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    fn check_length(&self, length: usize) -> Result<(), Failure> {
        if length <= self.max_row_bytes {
            return Ok(());
        }
        let what = format!(
            "a row of {length} bytes is more than this function's memory can take, which is {} bytes; give it more memory",
            self.max_row_bytes
        );
        Err(Failure::Own(Error::new(Kind::Misconfigured, what)))
    }
}

/// The driver reads as much at once as the longest answer so far: 8 KiB at first, a call of the system for eighty short
/// rows. Without this answer, copying a million narrow rows takes a quarter more CPU (`cargo local bench --only copy`).
const LONG_ANSWER: &str = "select repeat(' ', 131072)";

/// What a statement sends. The driver would enter the span that it begins in anew for every row, so there is none.
async fn rows<'c>(
    connection: &'c mut PgConnection,
    copy_out: &str,
) -> Result<BoxStream<'c, Result<Bytes, sqlx::Error>>, sqlx::Error> {
    sqlx::raw_sql(LONG_ANSWER).execute(&mut *connection).await?;
    connection.copy_out_raw(copy_out).with_subscriber(NoSubscriber::default()).await
}

/// A row in pieces.
async fn send_slices(copy: &mut PgCopyIn<&mut PgConnection>, row: &[u8]) -> Result<(), Failure> {
    for slice in row.chunks(PIECE_BYTES) {
        copy.send(slice).await.map_err(Failure::Target)?;
    }
    Ok(())
}

/// A row that was fetched, in pieces.
async fn send_parts(copy: &mut PgCopyIn<&mut PgConnection>, row: &LongRow) -> Result<(), Failure> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    for part in row.parts().map_err(Failure::Source)? {
        for slice in part.chunks(PIECE_BYTES) {
            if piece.len() + slice.len() > PIECE_BYTES {
                copy.send(&piece[..]).await.map_err(Failure::Target)?;
                piece.clear();
            }
            piece.extend_from_slice(slice);
        }
    }
    copy.send(piece).await.map_err(Failure::Target)?;
    Ok(())
}

/// The writing half lives as long as the reading one, or has failed, which is then the error that counts.
async fn send(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Failure> {
    let gone = |_| Failure::Own(Error::new(Kind::InvariantBroken, "nobody takes the rows"));
    pieces.send(piece).await.map_err(gone)
}
