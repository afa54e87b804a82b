//! Fixed-width base62 with the alphabet `0-9A-Za-z`, as ids, values and checksums use it.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `number` as exactly `N` digits, most significant first, padded with `0`; `N` must be large enough.
pub(crate) fn encode<const N: usize>(mut number: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    debug_assert_eq!(number, 0, "the number fits into N digits");
    digits
}

/// The number that `digits` spell, `None` for another character or more than 128 bits.
pub(crate) fn decode(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |number, digit| {
        number.checked_mul(62)?.checked_add(u128::from(digit_value(*digit)?))
    })
}

/// Whether `byte` belongs to the alphabet.
pub(crate) const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The digit for a uniformly random byte, `None` for the 8 bytes that would make some digits likelier than others.
pub(crate) fn digit_from_random(byte: u8) -> Option<u8> {
    (byte < 248).then(|| ALPHABET[usize::from(byte % 62)])
}

const fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}
