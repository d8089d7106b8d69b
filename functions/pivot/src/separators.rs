//! Where commas, line feeds and quotes stand among sixty-four bytes: one bit each, and nothing is decided here.

use wide::u8x32;

/// Bytes whose places fit into one word.
pub const BLOCK_BYTES: usize = 64;

/// What stands where in a block: the first byte's bit is the lowest.
#[derive(Clone, Copy, Debug)]
pub struct Separators {
    /// Commas and line feeds.
    pub ends: u64,
    /// Line feeds.
    pub line_feeds: u64,
    /// Whether there is a quote, or a byte that is not ASCII.
    pub is_odd: bool,
}

impl Separators {
    /// Looks through a block.
    #[inline(always)]
    pub fn find(block: &[u8; BLOCK_BYTES]) -> Self {
        let (lanes, _) = block.as_chunks::<32>();
        let (mut ends, mut line_feeds, mut odd) = (0, 0, u8x32::ZERO);
        for (number, lane) in lanes.iter().enumerate() {
            let lane = u8x32::new(*lane);
            let are_line_feeds = lane.simd_eq(u8x32::splat(b'\n'));
            let are_ends = lane.simd_eq(u8x32::splat(b',')) | are_line_feeds;
            // What is not ASCII has the uppermost bit set already, which is the one that is taken.
            odd = odd | lane.simd_eq(u8x32::splat(b'"')) | lane;
            let bits = |mask: u8x32| u64::from(mask.to_bitmask()) << (32 * number);
            line_feeds |= bits(are_line_feeds);
            ends |= bits(are_ends);
        }
        Self { ends, line_feeds, is_odd: odd.to_bitmask() != 0 }
    }

    /// Those before `place`.
    pub fn before(self, place: usize) -> Self {
        let before = (1 << place) - 1;
        Self { ends: self.ends & before, line_feeds: self.line_feeds & before, ..self }
    }
}
