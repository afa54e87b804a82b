//! Ids as the dialect spells them: the 128 bits of a token id as 25 digits in base 36.

use countermark_core::{TokenId, TokenKind};

/// 36^25 is the first power of 36 above 2^128.
const DIGITS: usize = 25;

/// The id in lower case, with leading zeros.
pub fn write(id: TokenId) -> String {
    let mut number = u128::from_be_bytes(id.uuid());
    let mut digits = ['0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let value = u32::try_from(number % 36).expect("a remainder of 36");
        *digit = char::from_digit(value, 36).expect("a remainder of 36");
        number /= 36;
    }
    digits.iter().collect()
}

/// The token with this id; `None` for what [`write`] never gives.
pub fn read(text: &str) -> Option<TokenId> {
    if text.len() != DIGITS || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let number = text.chars().try_fold(0u128, |number, digit| {
        number.checked_mul(36)?.checked_add(u128::from(digit.to_digit(36)?))
    })?;
    Some(TokenId::from_uuid(TokenKind::ApiKey, number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_reads_back_from_short_lower_case_digits() {
        // S0-10.
        let mut bits = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834_u128;
        for _ in 0..1000 {
            bits = bits.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(11);
            let id = TokenId::from_uuid(TokenKind::ApiKey, bits.to_be_bytes());
            let text = write(id);
            assert_eq!(text.len(), 25);
            assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{text}");
            assert_eq!(read(&text), Some(id));
        }
        for edge in [0, u128::MAX] {
            let id = TokenId::from_uuid(TokenKind::ApiKey, edge.to_be_bytes());
            assert_eq!(read(&write(id)), Some(id));
        }
    }

    #[test]
    fn nothing_else_reads() {
        let most = write(TokenId::from_uuid(TokenKind::ApiKey, [255; 16]));
        for bad in [
            "",
            "m1abc2def3",
            &most.to_uppercase(),
            &most[1..],
            &format!("0{most}"),
            "zzzzzzzzzzzzzzzzzzzzzzzzz",
            "000000000000000000000000-",
            "00000000000000000000000é",
            "+000000000000000000000001",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
