//! How hard a key that somebody has chosen is to guess.

/// Fewest bits of a chosen key, unless the operator allows shorter ones.
pub const LEAST_BITS: f64 = 64.0;

/// An estimate: the letters and digits that do not follow from those before them, each with the bits of the alphabet that it
/// comes from, and one bit for every `-` and `_`. Letters and digits that are really interleaved come from the alphabet of
/// all 62, so that 12 random ones have 71 bits and whoever drew no capital is not refused for it. Words with a number behind
/// them are not interleaved: their characters count as what they are, and letters that go on with a word count nothing.
/// It stays too kind to many short words, each with a capital.
pub fn estimated_bits(key: &str) -> f64 {
    let is_counted = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes: Vec<u8> = key.bytes().filter(is_counted).collect();
    let separators = u32::try_from(key.len() - bytes.len()).unwrap_or(u32::MAX);
    let surprising = (0..bytes.len()).filter(|at| !is_expected(&bytes, *at));
    let bits: f64 = if is_hexadecimal(&bytes) {
        let alphabet: f64 = if bytes.iter().all(u8::is_ascii_digit) { 10.0 } else { 16.0 };
        surprising.map(|_| alphabet.log2()).sum()
    } else if is_interleaved(&bytes) {
        surprising.map(|_| 62f64.log2()).sum()
    } else {
        let surprising = surprising.filter(|at| !is_century(&bytes, *at) && !is_in_word(&bytes, *at));
        surprising.map(|at| if bytes[at].is_ascii_digit() { 10f64.log2() } else { 26f64.log2() }).sum()
    };
    bits + f64::from(separators)
}

fn is_hexadecimal(key: &[u8]) -> bool {
    let all = |fits: fn(&u8) -> bool| key.iter().all(fits);
    all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

/// Whether the kind of character changes as often as it does by chance. 12 random ones change it less than twice in 4 of
/// 10,000 cases; the longer the key, the more is asked, for without it there are still bits enough.
fn is_interleaved(key: &[u8]) -> bool {
    let kind = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let changes = key.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    changes >= 2 && changes * 2 + 8 >= key.len()
}

/// Whether a character goes on with a run or sequence, or with three that were there before.
fn is_expected(key: &[u8], at: usize) -> bool {
    let goes_on = at >= 2 && {
        let step = |at: usize| i16::from(key[at]) - i16::from(key[at - 1]);
        step(at).abs() <= 1 && step(at) == step(at - 1)
    };
    let comes_again = at >= 2 && key[..at].windows(3).any(|three| three == &key[at - 2..=at]);
    goes_on || comes_again
}

/// Whether this is the 19 or 20 of four digits that stand alone.
fn is_century(key: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| key.get(at).is_some_and(u8::is_ascii_digit);
    (at.saturating_sub(1)..=at).any(|start| {
        let is_whole = (start..start + 4).all(is_digit) && !is_digit(start + 4);
        let is_alone = start == 0 || !is_digit(start - 1);
        is_whole && is_alone && matches!(&key[start..start + 2], b"19" | b"20")
    })
}

/// Pairs of letters that are usual in words and in names of programs.
const PAIRS: &str = "thheinerreanonatentindesoredteofisitalarstntngsehaasouioleveconemedehirorakeicllutliricaelmanalatamoomctecailo\
    tsuroptchompeemlossidighsuspaylptrbachewowabmimupldocushcrclprexnossswwordettogeceadrrrsttryeieaudwedaavbeposo\
    olilimiewiwhfo";

/// Whether a letter and the three before it stand in one word, as far as their pairs tell. By chance that is so for one letter
/// in a hundred.
fn is_in_word(key: &[u8], at: usize) -> bool {
    let is_usual = |pair: &[u8]| {
        let pair = pair.to_ascii_lowercase();
        PAIRS.as_bytes().chunks(2).any(|usual| *usual == *pair)
    };
    let is_of_one_case =
        |part: &[u8]| part.iter().all(u8::is_ascii_lowercase) || part.iter().all(u8::is_ascii_uppercase);
    at >= 3 && is_of_one_case(&key[at - 2..=at]) && key[at - 3..=at].windows(2).all(is_usual)
}

#[cfg(test)]
mod tests {
    use countermark_core::random_base62;
    use countermark_domain::rng::{Rng, SeededRng};

    use super::*;

    #[test]
    fn random_keys_of_twelve_letters_and_digits_are_strong_enough() {
        for key in ["k7Gq2ZpX9mTa", "Zt4bQw8LrN1y", "0f3a9c7b1d5e2846", "7491826503947185260317452968"] {
            assert!(estimated_bits(key) >= LEAST_BITS, "{key}: {}", estimated_bits(key));
        }
        assert!((estimated_bits("k7Gq2ZpX9mTa") - 71.4).abs() < 0.1);
    }

    #[test]
    fn hardly_any_random_key_is_refused() {
        let rng = SeededRng::new(7);
        let mut fill = |bytes: &mut [u8]| rng.fill(bytes);
        let keys = (0..10_000).map(|_| random_base62(12, &mut fill));
        let refused = keys.filter(|key| estimated_bits(key) < LEAST_BITS).count();
        assert!(refused <= 10, "{refused} of 10,000");
        for _ in 0..10_000 {
            let lower = random_base62(20, &mut fill).to_ascii_lowercase();
            assert!(estimated_bits(&lower) >= LEAST_BITS, "{lower}: {}", estimated_bits(&lower));
        }
        for uuid in ["019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "9b2fbc0e-6f0c-4f55-8a7b-2d1f7ac4c9d3"] {
            assert!(estimated_bits(uuid) >= LEAST_BITS, "{uuid}: {}", estimated_bits(uuid));
        }
    }

    #[test]
    fn words_and_years_and_numbers_are_not() {
        for key in [
            "Password2026Admin",
            "admin12345678Upload",
            "correcthorsebattery",
            "letmeinplease123",
            "cloudpastewebdav",
            "Welcome2025Server",
            "supersecretpassword",
        ] {
            assert!(estimated_bits(key) < LEAST_BITS, "{key}: {}", estimated_bits(key));
        }
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
