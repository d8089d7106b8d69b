//! Eight digits at once, in one machine word: the first digit is the lowest byte, as it is read from a text.

/// `"00000000"`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The numbers that four pairs of digits say, each in the lower of its two bytes.
#[inline(always)]
pub fn pairs(text: u64) -> u64 {
    let values = text ^ ZEROS;
    values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00FF_00FF_00FF_00FF
}

/// The sum of four pairs, each times its weight. It has to fit in 32 bits.
#[inline(always)]
pub fn weighted(pairs: u64, [first, second, third, fourth]: [u32; 4]) -> u32 {
    const MASK: u64 = 0x0000_00FF_0000_00FF;
    let weights = |low: u32, high: u32| u64::from(high) | u64::from(low) << 32;
    let odd = (pairs & MASK).wrapping_mul(weights(first, third));
    let even = (pairs >> 16 & MASK).wrapping_mul(weights(second, fourth));
    (odd.wrapping_add(even) >> 32) as u32
}

/// The number that eight characters say, if they are digits all of them.
#[inline(always)]
pub fn eight(text: u64) -> Option<u32> {
    let values = text ^ ZEROS;
    // Above 9, adding 6 carries into the upper half of the byte; what is no ASCII digit has something there already.
    let are_digits = (values | values.wrapping_add(0x0606_0606_0606_0606)) & 0xF0F0_F0F0_F0F0_F0F0 == 0;
    are_digits.then(|| weighted(pairs(text), [1_000_000, 10_000, 100, 1]))
}

/// The number that the first `count` of eight characters say, eight at most; 0 if there are none.
#[inline(always)]
pub fn up_to_eight(text: u64, count: usize) -> Option<u32> {
    // Zeros come in front, and what stands behind goes out at the top. In two steps, since one of 64 bits is none.
    let half = 4 * (8 - count);
    eight(((text ^ ZEROS) << half << half) ^ ZEROS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_digit_is_seen_anywhere() {
        for place in 0..8 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = *b"12345678";
                text[place] = byte;
                assert_eq!(eight(u64::from_le_bytes(text)), None, "{}", text.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_read(number in 0_u32..100_000_000) {
            let text: [u8; 8] = format!("{number:08}").into_bytes().try_into().unwrap();
            prop_assert_eq!(eight(u64::from_le_bytes(text)), Some(number));
            for count in 0..=8 {
                let head = std::str::from_utf8(&text[..count]).unwrap();
                prop_assert_eq!(up_to_eight(u64::from_le_bytes(text), count), Some(head.parse().unwrap_or(0)));
            }
        }
    }
}
