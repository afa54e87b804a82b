//! Fixed-width base62 with the alphabet `0-9A-Za-z`, as ids, values and checksums use it.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 62¹⁰, the greatest power of 62 that fits into 64 bits: divisions of 128 bits cost ten times those of 64.
const CHUNK: u128 = 839_299_365_868_340_224;
const CHUNK_DIGITS: usize = 10;

/// `number` as exactly `N` digits, most significant first, padded with `0`; `N` must be large enough.
pub(crate) fn encode<const N: usize>(mut number: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for chunk_digits in digits.rchunks_mut(CHUNK_DIGITS) {
        let mut chunk = (number % CHUNK) as u64;
        number /= CHUNK;
        for digit in chunk_digits.iter_mut().rev() {
            *digit = ALPHABET[(chunk % 62) as usize];
            chunk /= 62;
        }
        debug_assert_eq!(chunk, 0, "the number fits into N digits");
    }
    debug_assert_eq!(number, 0, "the number fits into N digits");
    digits
}

/// The number that `digits` spell, `None` for another character or more than 128 bits.
pub(crate) fn decode(digits: &[u8]) -> Option<u128> {
    let mut number = 0u128;
    let head = digits.len() % CHUNK_DIGITS;
    let (head, tail) = digits.split_at(head);
    for chunk in std::iter::once(head).chain(tail.chunks(CHUNK_DIGITS)) {
        let mut value = 0u64;
        for digit in chunk {
            match VALUES[usize::from(*digit)] {
                NO_DIGIT => return None,
                digit => value = value * 62 + u64::from(digit),
            }
        }
        number = number.checked_mul(CHUNK)?.checked_add(u128::from(value))?;
    }
    Some(number)
}

/// Whether `byte` belongs to the alphabet.
pub(crate) const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The digit for a uniformly random byte, `None` for the 8 bytes that would make some digits likelier than others.
pub(crate) fn digit_from_random(byte: u8) -> Option<u8> {
    (byte < 248).then(|| ALPHABET[usize::from(byte % 62)])
}

/// What each byte is worth as a digit; [`NO_DIGIT`] if it is none.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

const NO_DIGIT: u8 = u8::MAX;
