//! Percent escapes, read one at a time.

/// The byte that the escape `%XX` at `at` stands for, `None` if no whole escape stands there.
pub(crate) fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..)? {
        [b'%', high, low, ..] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
        _ => None,
    }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_is_a_percent_sign_and_two_hex_digits_of_either_case() {
        assert_eq!(escape_at(b"a%2Fb", 1), Some(b'/'));
        assert_eq!(escape_at(b"%5c", 0), Some(b'\\'));
        for broken in ["%", "%2", "%2g", "%g2", "%%2", "% 2", "%+2", "2F"] {
            assert_eq!(escape_at(broken.as_bytes(), 0), None, "{broken}");
        }
    }
}
