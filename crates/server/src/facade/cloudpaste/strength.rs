//! How hard a key that somebody has chosen is to guess.

/// Fewest bits of a chosen key, unless the operator allows shorter ones.
pub const LEAST_BITS: f64 = 64.0;

/// An estimate: the characters that do not follow from those before them, each with the bits of the alphabet in use.
/// 12 random letters and digits have 71. It is too kind to words, which it takes for random letters, and a little too hard
/// on long numbers, in which pairs come again by chance.
pub fn estimated_bits(key: &str) -> f64 {
    let bytes = key.as_bytes();
    let surprising = (0..bytes.len()).filter(|at| !is_expected(bytes, *at)).count();
    let surprising = u32::try_from(surprising).unwrap_or(u32::MAX);
    // An empty key has no alphabet, whose logarithm would be no number.
    f64::from(surprising) * f64::from(alphabet(bytes).max(1)).log2()
}

/// Whether a character goes on with a run or sequence, or comes again after the same one as before.
fn is_expected(key: &[u8], at: usize) -> bool {
    let goes_on = at >= 2 && {
        let step = |at: usize| i16::from(key[at]) - i16::from(key[at - 1]);
        step(at).abs() <= 1 && step(at) == step(at - 1)
    };
    goes_on || at >= 1 && key[..at].windows(2).any(|pair| pair == &key[at - 1..=at])
}

fn alphabet(key: &[u8]) -> u32 {
    let all = |fits: fn(&u8) -> bool| key.iter().all(fits);
    let any = |fits: fn(&u8) -> bool, size: u32| if key.iter().any(fits) { size } else { 0 };
    if all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
    {
        return any(u8::is_ascii_digit, 10) + any(u8::is_ascii_alphabetic, 6);
    }
    any(u8::is_ascii_digit, 10)
        + any(u8::is_ascii_lowercase, 26)
        + any(u8::is_ascii_uppercase, 26)
        + any(|byte| !byte.is_ascii_alphanumeric(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_keys_of_twelve_letters_and_digits_are_strong_enough() {
        for key in ["k7Gq2ZpX9mTa", "Zt4bQw8LrN1y", "0f3a9c7b1d5e2846", "7491826503947185260317452968"] {
            assert!(estimated_bits(key) >= LEAST_BITS, "{key}: {}", estimated_bits(key));
        }
        assert!((estimated_bits("k7Gq2ZpX9mTa") - 71.4).abs() < 0.1);
    }

    #[test]
    fn short_and_repetitive_and_sequential_keys_are_not() {
        for key in [
            "",
            "a",
            "guest",
            "mykey123",
            "k7Gq2ZpX9m",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "passwordpasswordpassword",
            "abababababababababababab",
            "123456789012345678901234",
            "1234567890abcdef",
        ] {
            assert!(estimated_bits(key) < LEAST_BITS, "{key}: {}", estimated_bits(key));
        }
    }
}
