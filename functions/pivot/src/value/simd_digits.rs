//! Sixteen characters at once: to digits, and to the numbers that these are.

use wide::{bytemuck, i16x8, u8x16, u16x8};

/// The values of characters as digits: more than nine where a character is not a digit.
#[inline(always)]
pub(super) fn values(text: u8x16) -> u8x16 {
    text - u8x16::splat(b'0')
}

/// Whether all of them are digits.
#[inline(always)]
pub(super) fn are_digits(values: u8x16) -> bool {
    values.min(u8x16::splat(9)).simd_eq(values).to_bitmask() == 0xFFFF
}

/// Sixteen digits as eight numbers of two digits.
#[inline(always)]
fn twos(values: u8x16) -> u16x8 {
    // The first digit is the lower byte.
    let digits: u16x8 = bytemuck::cast(values);
    (digits * u16x8::splat(10) + (digits >> 8)) & u16x8::splat(0xFF)
}

/// The first eight of sixteen digits as four numbers of two digits.
#[inline(always)]
pub(super) fn first_twos(values: u8x16) -> [u32; 4] {
    let [first, _]: [u64; 2] = bytemuck::cast(twos(values));
    [0, 16, 32, 48].map(|shift| ((first >> shift) & 0xFF) as u32)
}

/// Sixteen digits as two numbers of eight digits.
#[inline(always)]
pub(super) fn eights(values: u8x16) -> [u32; 2] {
    weighted(values, [100, 1, 100, 1], 10_000)
}

/// For each eight digits, as four numbers `n` of two digits: `(n[0] * a + n[1] * b) * first + (n[2] * c + n[3] * d)`.
#[inline(always)]
pub(super) fn weighted(values: u8x16, [a, b, c, d]: [i16; 4], first: u32) -> [u32; 2] {
    let twos: i16x8 = bytemuck::cast(twos(values));
    let sums: [u64; 2] = bytemuck::cast(twos.dot(i16x8::new([a, b, c, d, a, b, c, d])));
    // Two sums in a word, the first one in its lower half; their weighted sum is in the upper half of this product.
    sums.map(|sums| (sums.wrapping_mul(u64::from(first) << 32 | 1) >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_a_digit_is_found_anywhere() {
        for place in 0..16 {
            for byte in 0..=u8::MAX {
                let mut text = *b"1234567890987654";
                text[place] = byte;
                assert_eq!(are_digits(values(u8x16::new(text))), byte.is_ascii_digit(), "{}", text.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_read(first in 0_u32..100_000_000, second in 0_u32..100_000_000) {
            let text: [u8; 16] = format!("{first:08}{second:08}").into_bytes().try_into().unwrap();
            let values = values(u8x16::new(text));
            prop_assert!(are_digits(values));
            prop_assert_eq!(eights(values), [first, second]);
            let twos = [first / 1_000_000, first / 10_000 % 100, first / 100 % 100, first % 100];
            prop_assert_eq!(first_twos(values), twos);
        }
    }
}
