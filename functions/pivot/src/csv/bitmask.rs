//! Where delimiters, line feeds and quotes are among sixty-four bytes, as one bit each.

use wide::u8x32;

/// Bytes whose bits fit into one word.
pub(super) const CHUNK_BYTES: usize = 64;

/// The separators of a chunk; the first byte's bit is the lowest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bitmask {
    /// Delimiters and line feeds.
    pub(super) ends: u64,
    /// Line feeds.
    pub(super) line_feeds: u64,
    /// Whether there is a quote, or a byte that is not ASCII.
    pub(super) is_unusual: bool,
}

/// The bits of the bytes of a chunk that are this one.
#[inline(always)]
pub(super) fn bits_of(chunk: &[u8; CHUNK_BYTES], byte: u8) -> u64 {
    let (halves, _) = chunk.as_chunks::<32>();
    let bits = |half: &[u8; 32]| u64::from(u8x32::new(*half).simd_eq(u8x32::splat(byte)).to_bitmask());
    halves.iter().rev().fold(0, |all, half| all << 32 | bits(half))
}

impl Bitmask {
    /// Finds the separators of a chunk.
    #[inline(always)]
    pub(super) fn of(chunk: &[u8; CHUNK_BYTES], delimiter: u8) -> Self {
        let (halves, _) = chunk.as_chunks::<32>();
        let (mut ends, mut line_feeds, mut unusual) = (0, 0, u8x32::ZERO);
        for (number, half) in halves.iter().enumerate() {
            let half = u8x32::new(*half);
            let are_line_feeds = half.simd_eq(u8x32::splat(b'\n'));
            let are_ends = half.simd_eq(u8x32::splat(delimiter)) | are_line_feeds;
            // A byte that is not ASCII has its uppermost bit set, which is the one that `to_bitmask` takes.
            unusual = unusual | half.simd_eq(u8x32::splat(b'"')) | half;
            let bits = |mask: u8x32| u64::from(mask.to_bitmask()) << (32 * number);
            line_feeds |= bits(are_line_feeds);
            ends |= bits(are_ends);
        }
        Self { ends, line_feeds, is_unusual: unusual.to_bitmask() != 0 }
    }

    /// Only the separators before `offset`.
    pub(super) fn before(self, offset: usize) -> Self {
        let before = (1 << offset) - 1;
        Self { ends: self.ends & before, line_feeds: self.line_feeds & before, ..self }
    }
}
