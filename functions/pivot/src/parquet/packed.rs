//! Integers of a few bits each, as pages store them, read one at a time. Every read is checked against the page's end.

use super::{Checked, thrift};

/// The `width` bits from bit `at` on, the lowest first. Bits after the end are zero, so the caller has to check.
#[inline]
fn bits(bytes: &[u8], at: usize, width: u32) -> u64 {
    let rest = bytes.get(at / 8..).unwrap_or_default();
    let window = match rest.first_chunk::<16>() {
        Some(window) => *window,
        None => {
            let mut window = [0; 16];
            window[..rest.len()].copy_from_slice(rest);
            window
        }
    };
    let mask = (1_u128 << width) - 1;
    // 64 bits at most, since no width is greater.
    u64::try_from((u128::from_le_bytes(window) >> (at % 8)) & mask).expect("widths are at most 64")
}

/// Runs of one value and of packed values: definition levels, and indices into a dictionary.
#[derive(Clone, Debug)]
pub(super) struct Hybrid {
    /// Where the next run begins.
    at: usize,
    end: usize,
    width: u32,
    repeated: u64,
    value: u32,
    packed: u64,
    /// Where the next packed value begins, in bits.
    bit: usize,
}

impl Hybrid {
    /// The values of `width` bits in the bytes from `at` to `end`.
    pub(super) fn new(at: usize, end: usize, width: u8) -> Checked<Self> {
        if width > 32 {
            return Err(format!("indices of {width} bits").into());
        }
        // Values of no bits at all need no runs.
        let repeated = if width == 0 { u64::MAX } else { 0 };
        Ok(Self { at, end, width: u32::from(width), repeated, value: 0, packed: 0, bit: 0 })
    }

    /// The next value.
    #[inline]
    pub(super) fn next(&mut self, page: &[u8]) -> Checked<u32> {
        loop {
            if self.repeated > 0 {
                self.repeated -= 1;
                return Ok(self.value);
            }
            if self.packed > 0 {
                self.packed -= 1;
                let value = bits(page, self.bit, self.width);
                self.bit += self.width as usize;
                return Ok(u32::try_from(value).expect("widths are at most 32"));
            }
            self.open_run(page)?;
        }
    }

    fn open_run(&mut self, page: &[u8]) -> Checked<()> {
        let rest = page.get(self.at..self.end).unwrap_or_default();
        if rest.is_empty() {
            return Err("a page has fewer values than it says".into());
        }
        let (head, run) = thrift::varint(rest)?;
        let start = self.end - run.len();
        if head & 1 == 1 {
            // Of groups of eight. Some writers leave out the end of the last one.
            let wanted = (head >> 1).saturating_mul(u64::from(self.width));
            let len = usize::try_from(wanted).unwrap_or(usize::MAX).min(run.len());
            self.packed = (head >> 1).saturating_mul(8).min(len as u64 * 8 / u64::from(self.width));
            self.bit = start * 8;
            self.at = start + len;
        } else {
            let len = self.width.div_ceil(8) as usize;
            let value = run.get(..len).ok_or("a run of values is cut off")?;
            let mut bytes = [0; 4];
            bytes[..len].copy_from_slice(value);
            self.value = u32::from_le_bytes(bytes);
            self.repeated = head >> 1;
            self.at = start + len;
        }
        Ok(())
    }
}

/// Values of 64 bits, stored as differences from the one before: `DELTA_BINARY_PACKED`.
#[derive(Clone, Debug)]
pub(super) struct Deltas {
    /// Where the next block or the rest of this one begins.
    at: usize,
    /// Values of a part of a block.
    part_len: usize,
    parts: usize,
    left: u64,
    is_first: bool,
    value: i64,
    least: i64,
    /// Where the widths of this block's parts are.
    widths: usize,
    part: usize,
    part_left: usize,
    width: u32,
    bit: usize,
}

/// The most values a block may have; writers have 128.
const MAX_BLOCK_LEN: u64 = 1 << 20;

impl Deltas {
    /// The values whose header is at `at`.
    pub(super) fn new(page: &[u8], at: usize) -> Checked<Self> {
        let rest = page.get(at..).unwrap_or_default();
        let (block_len, rest) = thrift::varint(rest)?;
        let (parts, rest) = thrift::varint(rest)?;
        let (count, rest) = thrift::varint(rest)?;
        let (first, rest) = thrift::varint(rest)?;
        let is_whole = parts > 0 && block_len.is_multiple_of(parts) && (block_len / parts).is_multiple_of(8);
        if !(1..=MAX_BLOCK_LEN).contains(&block_len) || !is_whole {
            return Err(format!("blocks of {block_len} differences in {parts} parts").into());
        }
        let whole = |number: u64| usize::try_from(number).expect("at most MAX_BLOCK_LEN");
        Ok(Self {
            at: page.len() - rest.len(),
            part_len: whole(block_len / parts),
            parts: whole(parts),
            left: count,
            is_first: true,
            value: thrift::zigzag(first),
            least: 0,
            widths: 0,
            // As at the end of a block, so that the first one is opened.
            part: whole(parts),
            part_left: 0,
            width: 0,
            bit: 0,
        })
    }

    /// The next value.
    #[inline]
    pub(super) fn next(&mut self, page: &[u8]) -> Checked<i64> {
        self.left = self.left.checked_sub(1).ok_or("a page has fewer values than it says")?;
        if self.is_first {
            self.is_first = false;
            return Ok(self.value);
        }
        if self.part_left == 0 {
            self.open_part(page)?;
        }
        self.part_left -= 1;
        let difference = bits(page, self.bit, self.width).cast_signed();
        self.bit += self.width as usize;
        // Writers wrap around, so readers must.
        self.value = self.value.wrapping_add(self.least).wrapping_add(difference);
        Ok(self.value)
    }

    /// The next value, as a length.
    #[inline]
    pub(super) fn next_len(&mut self, page: &[u8]) -> Checked<usize> {
        usize::try_from(self.next(page)?).map_err(|_| "a negative length".into())
    }

    /// Where the bytes after all the values begin; before the first value is asked for.
    pub(super) fn end(&self, page: &[u8]) -> Checked<usize> {
        let mut walk = self.clone();
        let mut left = walk.left.saturating_sub(1);
        while left > 0 {
            walk.open_part(page)?;
            left = left.saturating_sub(walk.part_len as u64);
        }
        Ok(walk.at)
    }

    fn open_part(&mut self, page: &[u8]) -> Checked<()> {
        const CUT_OFF: &str = "a block of differences is cut off";
        if self.part == self.parts {
            let rest = page.get(self.at..).ok_or(CUT_OFF)?;
            let (least, rest) = thrift::varint(rest)?;
            self.least = thrift::zigzag(least);
            self.widths = page.len() - rest.len();
            self.at = self.widths + self.parts;
            self.part = 0;
        }
        let width = *page.get(self.widths + self.part).ok_or(CUT_OFF)?;
        if width > 64 {
            return Err(format!("differences of {width} bits").into());
        }
        self.width = u32::from(width);
        self.bit = self.at * 8;
        self.at += self.part_len * usize::from(width) / 8;
        if self.at > page.len() {
            return Err(CUT_OFF.into());
        }
        self.part += 1;
        self.part_left = self.part_len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_from_anywhere() {
        let bytes = [0b1010_0101, 0xFF, 0x00, 0x80, 1, 2, 3, 4, 5, 6];
        assert_eq!(bits(&bytes, 0, 4), 0b0101);
        assert_eq!(bits(&bytes, 4, 8), 0b1111_1010);
        assert_eq!(bits(&bytes, 31, 2), 0b11);
        assert_eq!(bits(&bytes, 7, 64), 0x0A08_0604_0300_01FF);
        assert_eq!(bits(&bytes, 800, 8), 0);
        assert_eq!(bits(&bytes, 8, 0), 0);
    }

    #[test]
    fn runs_follow_one_another() {
        // Three times 2, then 0 to 7, then a run that is cut off after five values.
        let page = [0xEE, 0x06, 2, 0x03, 0x88, 0xC6, 0xFA, 0x05, 0x88, 0xC6];
        let mut hybrid = Hybrid::new(1, page.len(), 3).unwrap();
        let values: Vec<u32> = std::iter::from_fn(|| hybrid.next(&page).ok()).collect();
        assert_eq!(values, [2, 2, 2, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4]);
        let mut none = Hybrid::new(10, 10, 0).unwrap();
        assert_eq!(none.next(&page).unwrap(), 0);
        assert!(Hybrid::new(0, 1, 33).is_err());
        assert!(Hybrid::new(0, 1, 9).unwrap().next(&[0x02]).is_err());
    }

    #[test]
    fn differences_add_up() {
        // Blocks of 128 in 4 parts; 1 to 5 have differences of no bits.
        let page = [0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 0, 0, 0, 0, 0xEE];
        let mut deltas = Deltas::new(&page, 0).unwrap();
        assert_eq!(deltas.end(&page).unwrap(), 10);
        let values: Vec<i64> = std::iter::from_fn(|| deltas.next(&page).ok()).collect();
        assert_eq!(values, [1, 2, 3, 4, 5]);
        // 7, 5, 3, 1, 2, 3, 4, 5: the example of the format's specification, with parts of 32.
        let mut page = vec![0x80, 0x01, 0x04, 0x08, 0x0E, 0x03, 2, 0, 0, 0, 0b1100_0000, 0b0011_1111];
        page.resize(10 + 8, 0);
        let mut deltas = Deltas::new(&page, 0).unwrap();
        assert_eq!(deltas.end(&page).unwrap(), page.len());
        let values: Vec<i64> = std::iter::from_fn(|| deltas.next(&page).ok()).collect();
        assert_eq!(values, [7, 5, 3, 1, 2, 3, 4, 5]);
        for len in 0..page.len() {
            let cut = Deltas::new(&page[..len], 0).and_then(|deltas| deltas.end(&page[..len]));
            assert!(cut.is_err(), "{len} bytes");
        }
    }
}
