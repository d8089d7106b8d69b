//! A short field together with the bytes after it, so that a parser can load all of it at once.

use wide::{bytemuck, i8x32, u8x16};

/// How many bytes are loaded at once.
pub const PREFIX_BYTES: usize = 32;

/// A field and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct FieldPrefix<'a> {
    /// The field, then whatever follows.
    pub bytes: &'a [u8; PREFIX_BYTES],
    /// Length of the field.
    pub len: usize,
}

impl<'a> FieldPrefix<'a> {
    /// The field of `len` bytes that begins `ahead`; `None` if too little follows it.
    #[inline(always)]
    pub fn new(ahead: &'a [u8], len: usize) -> Option<Self> {
        Some(Self { bytes: ahead.first_chunk()?, len })
    }

    /// Whether it is surely a text of ASCII without NUL characters.
    #[inline(always)]
    pub(crate) fn is_ascii_text(self) -> bool {
        let signed: i8x32 = bytemuck::cast(*self.bytes);
        // As signed numbers, those of other bytes are not above zero.
        let others = !signed.simd_gt(i8x32::ZERO).to_bitmask();
        self.len <= PREFIX_BYTES && others.trailing_zeros() as usize >= self.len
    }
}

/// Byte masks by field length: the first `len` bytes set.
pub(crate) const LENGTH_MASKS: [u8x16; 17] = {
    let mut masks = [u8x16::ZERO; 17];
    let mut len = 1;
    while len < masks.len() {
        let mut bytes = [0; 16];
        let mut index = 0;
        while index < len {
            bytes[index] = u8::MAX;
            index += 1;
        }
        masks[len] = u8x16::new(bytes);
        len += 1;
    }
    masks
};
