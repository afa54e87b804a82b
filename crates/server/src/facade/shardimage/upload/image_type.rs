//! The content type of a file that its client calls `application/octet-stream`, which the SDK does of every file.

/// What nothing more is known of.
const UNKNOWN: &str = "application/octet-stream";

/// The content type that counts when the upload begins: the one that was given, or that of the image that the bytes begin
/// like. The target's report has the last word.
pub(super) fn content_type(given: Option<&str>, bytes: &[u8]) -> String {
    match given.map(str::trim) {
        Some(given) if !given.is_empty() && !given.eq_ignore_ascii_case(UNKNOWN) => given.to_owned(),
        _ => of_bytes(bytes).to_owned(),
    }
}

fn of_bytes(bytes: &[u8]) -> &'static str {
    let brand = bytes.get(4..12).unwrap_or_default();
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', ..] if bytes.get(8..12) == Some(b"WEBP") => "image/webp",
        _ if brand == b"ftypavif" || brand == b"ftypavis" => "image/avif",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_was_given_counts_and_else_the_first_bytes() {
        let png = b"\x89PNG\r\n\x1a\n...";
        assert_eq!(content_type(Some("image/tiff"), png), "image/tiff");
        for given in [None, Some(""), Some("application/octet-stream"), Some("Application/Octet-Stream")] {
            assert_eq!(content_type(given, png), "image/png", "{given:?}");
        }
        for (bytes, expected) in [
            (&b"\xff\xd8\xff\xe0"[..], "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0WAVEfmt ", UNKNOWN),
            (b"\0\0\0\x20ftypavif\0", "image/avif"),
            (b"\0\0\0\x20ftypmp42\0", UNKNOWN),
            (b"<html>", UNKNOWN),
            (b"", UNKNOWN),
        ] {
            assert_eq!(content_type(None, bytes), expected, "{bytes:?}");
        }
    }
}
