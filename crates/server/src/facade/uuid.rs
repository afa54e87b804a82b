//! Ids of API keys as UUIDs, for dialects whose ids have that form: the same 128 bits, spelled otherwise.

use countermark_core::{TokenId, TokenKind};

/// The id as a UUID in lower case, with hyphens.
pub fn write(id: TokenId) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in id.uuid().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from_digit(u32::from(byte >> 4), 16).expect("four bits"));
        text.push(char::from_digit(u32::from(byte & 15), 16).expect("four bits"));
    }
    text
}

/// The API key with this UUID, in either letter case; `None` for what is no UUID.
pub fn read(text: &str) -> Option<TokenId> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut uuid = [0u8; 16];
    let mut nibbles = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let nibble = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        uuid[nibbles / 2] = (uuid[nibbles / 2] << 4) | nibble;
        nibbles += 1;
    }
    Some(TokenId::from_uuid(TokenKind::ApiKey, uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_back_in_either_case_and_nothing_else_reads() {
        let uuid = [0x01, 0x9a, 0, 0xff, 0x12, 0x34, 0x70, 0x01, 0x80, 2, 3, 4, 5, 6, 7, 0xfe];
        let id = TokenId::from_uuid(TokenKind::ApiKey, uuid);
        let text = write(id);
        assert_eq!(text, "019a00ff-1234-7001-8002-0304050607fe");
        assert_eq!(read(&text), Some(id));
        assert_eq!(read(&text.to_uppercase()), Some(id));
        for bad in [
            "",
            "019a00ff123470018002030405060 7fe",
            "019a00ff-1234-7001-8002-0304050607f",
            "019a00ff-1234-7001-80020-304050607fe",
            "{19a00ff-1234-7001-8002-0304050607fe",
            "ö19a00ff-1234-7001-8002-0304050607f",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
