//! Counts and sizes as people read them. Pure.

/// `1200` as `1,200`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3100000000` as `3.1 GB`; a unit is 1,000 times the one before it.
pub(crate) fn bytes(number: u64) -> String {
    let (mut tenths, mut unit) = (number, "bytes");
    if number < 1_000 {
        return format!("{number} {unit}");
    }
    // Tenths of a unit, rounded down, so that no more is said than there is.
    tenths *= 10;
    for larger in ["kB", "MB", "GB", "TB"] {
        if tenths < 10_000 {
            break;
        }
        (tenths, unit) = (tenths / 1_000, larger);
    }
    format!("{}.{} {unit}", count(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_people_read_them() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
        for (number, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (3_149_999_999, "3.1 GB"),
            (999_999, "999.9 kB"),
            (12_345_000_000_000_000, "12,345.0 TB"),
        ] {
            assert_eq!(bytes(number), expected);
        }
    }
}
