//! Of each key the row that wins: its fields as they are written into a part, and what it won by.

use super::value::Value;

/// How much memory is taken at once for fields, in bytes; a row that is longer has its own.
const CHUNK_BYTES: usize = 1 << 20;

/// The winning rows, by the numbers of their keys.
#[derive(Debug)]
pub(crate) struct Winners {
    rows: Vec<Winner>,
    /// What each won by: so many values for every row.
    orders: Vec<Value<'static>>,
    order_len: usize,
    /// Fields of rows, of winners and of those that were beaten since.
    chunks: Vec<Vec<u8>>,
    /// Bytes in chunks, and how many of them are of rows that were beaten.
    field_bytes: usize,
    beaten_bytes: usize,
    /// Bytes of texts that rows won by.
    text_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Winner {
    /// In its file, from 1; 0: only bad rows have the key.
    number: u64,
    is_deleted: bool,
    /// Where its fields are.
    chunk: u32,
    start: u32,
    len: u32,
}

impl Winners {
    /// None yet, of rows that go by so many values.
    pub(crate) fn new(order_len: usize) -> Self {
        Self {
            rows: Vec::new(),
            orders: Vec::new(),
            order_len,
            chunks: Vec::new(),
            field_bytes: 0,
            beaten_bytes: 0,
            text_bytes: 0,
        }
    }

    /// Makes room for the next key, which has no winner.
    pub(crate) fn grow(&mut self) {
        self.rows.push(Winner::default());
        self.orders.extend((0..self.order_len).map(|_| Value::Null));
    }

    /// Whether more bytes are kept than `most`, of rows that won. Those of rows that were beaten go as soon as they are
    /// an eighth of all: else each row near the bound would have all others copied.
    pub(crate) fn are_more_than(&mut self, most: usize) -> bool {
        if self.bytes() > most && 8 * self.beaten_bytes > self.field_bytes {
            self.compact();
        }
        self.bytes() > most
    }

    fn bytes(&self) -> usize {
        self.field_bytes + self.text_bytes + size_of_val(&self.orders[..])
    }

    /// What a key's winner won by; `None` if it has none.
    pub(crate) fn order(&self, row: usize) -> Option<&[Value<'static>]> {
        let is_any = self.rows[row].number > 0;
        is_any.then(|| &self.orders[row * self.order_len..(row + 1) * self.order_len])
    }

    /// The number of a key's winner in its file, 0 if it has none, and whether it says that the key is deleted.
    pub(crate) fn number(&self, row: usize) -> (u64, bool) {
        (self.rows[row].number, self.rows[row].is_deleted)
    }

    /// The fields of a key's winner.
    pub(crate) fn fields(&self, row: usize) -> &[u8] {
        let Winner { chunk, start, len, .. } = self.rows[row];
        if len == 0 {
            return &[];
        }
        &self.chunks[chunk as usize][start as usize..][..len as usize]
    }

    /// Lets a row win a key, by these values.
    pub(crate) fn set<'v, 'r: 'v>(
        &mut self,
        row: usize,
        order: impl Iterator<Item = &'v Value<'r>>,
        number: u64,
        is_deleted: bool,
        fields: &[u8],
    ) {
        for (best, value) in self.orders[row * self.order_len..].iter_mut().zip(order) {
            self.text_bytes -= best.heap_bytes();
            *best = value.kept();
            self.text_bytes += best.heap_bytes();
        }
        let len = u32::try_from(fields.len()).expect("a row has at most a few MiB");
        let before = self.rows[row];
        let (chunk, start) = if 0 < before.len && len <= before.len {
            // It fits into the place of the one that it beats.
            let place = before.start as usize;
            self.chunks[before.chunk as usize][place..place + fields.len()].copy_from_slice(fields);
            self.beaten_bytes += (before.len - len) as usize;
            (before.chunk, before.start)
        } else {
            self.beaten_bytes += before.len as usize;
            self.push(fields)
        };
        self.rows[row] = Winner { number, is_deleted, chunk, start, len };
        if self.beaten_bytes > CHUNK_BYTES && 2 * self.beaten_bytes > self.field_bytes {
            self.compact();
        }
    }

    /// Appends fields; returns their chunk and where they begin in it.
    fn push(&mut self, fields: &[u8]) -> (u32, u32) {
        let has_room = self.chunks.last().is_some_and(|last| last.capacity() - last.len() >= fields.len());
        if !has_room {
            self.chunks.push(Vec::with_capacity(fields.len().max(CHUNK_BYTES)));
        }
        let chunk = self.chunks.len() - 1;
        let start = self.chunks[chunk].len();
        self.chunks[chunk].extend_from_slice(fields);
        self.field_bytes += fields.len();
        let number = |number: usize| u32::try_from(number).expect("at most MAX_KEPT_BYTES");
        (number(chunk), number(start))
    }

    /// Drops the fields of rows that were beaten.
    fn compact(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        (self.field_bytes, self.beaten_bytes) = (0, 0);
        for row in 0..self.rows.len() {
            let Winner { chunk, start, len, .. } = self.rows[row];
            if len > 0 {
                let fields = &chunks[chunk as usize][start as usize..][..len as usize];
                (self.rows[row].chunk, self.rows[row].start) = self.push(fields);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_last_winner_and_memory_is_bounded() {
        let mut winners = Winners::new(1);
        let keys = 50;
        (0..keys).for_each(|_| winners.grow());
        assert_eq!((winners.order(3), winners.number(3)), (None, (0, false)));
        let fields = |row: usize, round: usize| vec![u8::try_from(row).unwrap(); (row * 37 + round * 101) % 9_000];
        for round in 1..200 {
            for row in 0..keys {
                let order = Value::Text(format!("{round}").into_bytes().into());
                winners.set(row, [&order].into_iter(), round as u64, round % 2 == 0, &fields(row, round));
            }
            for row in 0..keys {
                assert_eq!(winners.fields(row), fields(row, round), "{row} {round}");
                assert_eq!(winners.number(row), (round as u64, round % 2 == 0));
                assert_eq!(winners.order(row), Some(&[Value::Text(format!("{round}").into_bytes().into())][..]));
            }
            // Those that are kept, as many that were beaten, and a chunk.
            assert!(winners.bytes() < 2 * keys * 9_000 + 2 * CHUNK_BYTES, "{}", winners.bytes());
        }
        let texts: usize = (0..keys).map(|row| winners.order(row).unwrap()[0].heap_bytes()).sum();
        assert_eq!(winners.text_bytes, texts);
        let long = vec![7; 3 * CHUNK_BYTES];
        winners.set(0, [&Value::Null].into_iter(), 1, false, &long);
        assert_eq!(winners.fields(0), long);
        assert_eq!(winners.fields(1), fields(1, 199));
    }

    #[test]
    fn rows_that_were_beaten_do_not_count() {
        let mut winners = Winners::new(0);
        (0..100).for_each(|_| winners.grow());
        let none = || std::iter::empty::<&Value<'_>>();
        (0..100).for_each(|row| winners.set(row, none(), 1, false, &[1; 1_000]));
        let most = 115_000;
        for round in 1..=50 {
            for row in 0..20 {
                winners.set(row, none(), 2, false, &vec![2; 1_000 + round]);
                assert!(!winners.are_more_than(most), "{round} {row}: {}", winners.bytes());
            }
        }
        assert_eq!((winners.fields(19).len(), winners.fields(20).len()), (1_050, 1_000));
        winners.set(99, none(), 2, false, &[3; 20_000]);
        assert!(winners.are_more_than(most));
    }
}
