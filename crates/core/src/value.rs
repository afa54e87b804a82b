//! Token values: the strings that holders present, and generated signing secrets of the same form.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base62;

/// What the kind letter of a value of our own form says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// `cmu_`: an upload token.
    Upload,
    /// `cmk_`: an API key.
    ApiKey,
    /// `cms_`: a generated signing secret, never valid as a credential.
    Secret,
}

impl ValueKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Upload => "cmu_",
            Self::ApiKey => "cmk_",
            Self::Secret => "cms_",
        }
    }

    const fn from_prefix(prefix: &[u8]) -> Option<Self> {
        match prefix {
            b"cmu_" => Some(Self::Upload),
            b"cmk_" => Some(Self::ApiKey),
            b"cms_" => Some(Self::Secret),
            _ => None,
        }
    }
}

const RANDOM_DIGITS: usize = 32;
const CHECKSUM_DIGITS: usize = 6;
const VALUE_LENGTH: usize = 4 + RANDOM_DIGITS + CHECKSUM_DIGITS;

/// A well-formed value of our own form: prefix, 32 random base62 digits (190 bits), 6 digits of CRC-32 (ISO-HDLC) over
/// everything before them. Wiped when dropped; `Debug` shows the preview only; compared in time that does not depend on what
/// differs.
#[derive(Clone, Eq)]
pub struct TokenValue {
    kind: ValueKind,
    text: Zeroizing<String>,
}

impl PartialEq for TokenValue {
    fn eq(&self, other: &Self) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}

/// The text is no value of our own form: another prefix, length or character, or the checksum does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected cmu_ or cmk_, 32 characters of 0-9A-Za-z and a checksum that fits")]
pub struct InvalidValue;

impl TokenValue {
    /// Reads a value and proves its checksum, which spares a look-up for every typing error.
    ///
    /// # Errors
    /// [`InvalidValue`] without saying which part is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let kind = checked_kind(text).ok_or(InvalidValue)?;
        Ok(Self { kind, text: Zeroizing::new(text.to_owned()) })
    }

    /// A new value from `fill`, which must write uniformly random bytes.
    pub fn generate(kind: ValueKind, fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(VALUE_LENGTH));
        text.push_str(kind.prefix());
        push_random_base62(&mut text, RANDOM_DIGITS, fill);
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.iter().copied().map(char::from));
        Self { kind, text }
    }

    /// What the kind letter says.
    pub const fn kind(&self) -> ValueKind {
        self.kind
    }

    /// The value itself; call it only to show it once, to digest or to seal it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenValue({}…)", preview(&self.text))
    }
}

/// So many uniformly random base62 digits from `fill`, for values of foreign forms; 5.95 bits each.
pub fn random_base62(digits: usize, fill: &mut dyn FnMut(&mut [u8])) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(digits));
    push_random_base62(&mut text, digits, fill);
    text
}

fn push_random_base62(text: &mut String, digits: usize, fill: &mut dyn FnMut(&mut [u8])) {
    let mut random = Zeroizing::new([0u8; RANDOM_DIGITS]);
    let mut missing = digits;
    while missing > 0 {
        fill(&mut *random);
        let drawn = random.iter().filter_map(|byte| base62::digit_from_random(*byte)).take(missing);
        let before = text.len();
        text.extend(drawn.map(char::from));
        missing -= text.len() - before;
    }
}

/// Whether a presented string can be looked up at all: values of our own form only with a fitting checksum and as a
/// credential, foreign ones if they are 1 to 4,096 visible ASCII characters (dialect JWTs are that long).
pub fn may_be_credential(presented: &str) -> bool {
    match presented.as_bytes() {
        [b'c', b'm', kind, b'_', ..] if kind.is_ascii_lowercase() => {
            matches!(checked_kind(presented), Some(ValueKind::Upload | ValueKind::ApiKey))
        }
        bytes => (1..=4096).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic),
    }
}

/// Whether a presented string may be a value that a person has chosen: it could be looked up, and has none of the forms that
/// are always random. Those are our own, `imgbed_` and JWTs; whatever has 32 characters or more is taken for random too.
pub fn may_be_chosen(presented: &str) -> bool {
    presented.len() < RANDOM_DIGITS
        && !matches!(presented.as_bytes(), [b'c', b'm', _, b'_', ..])
        && presented.bytes().filter(|byte| *byte == b'.').count() != 2
        && may_be_credential(presented)
}

/// The leading characters by which people recognise a value in lists: 15 of native and `imgbed_` values, else at most 6,
/// and never so many that fewer than 96 bits stay unknown.
pub fn preview(value: &str) -> &str {
    let most = if checked_kind(value).is_some() || value.starts_with("imgbed_") { 15 } else { 6 };
    let hidden = (96_000 / millibits_per_character(value)) + 1;
    let shown = value.len().saturating_sub(hidden).min(most);
    (0..=shown).rev().find_map(|end| value.get(..end)).unwrap_or("")
}

/// Thousandths of bits that one character of the value's alphabet can carry, rounded down.
fn millibits_per_character(value: &str) -> usize {
    let all = |fits: fn(&u8) -> bool| value.bytes().all(|byte| fits(&byte));
    if all(u8::is_ascii_digit) {
        3_321
    } else if all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
    {
        4_000
    } else {
        // Also for values of one case: a prefix in the other case does not make the rest richer, so assume 36 symbols.
        5_169
    }
}

fn checked_kind(text: &str) -> Option<ValueKind> {
    let bytes = text.as_bytes();
    if bytes.len() != VALUE_LENGTH || !bytes[4..].iter().all(|byte| base62::is_digit(*byte)) {
        return None;
    }
    let (body, presented_checksum) = bytes.split_at(VALUE_LENGTH - CHECKSUM_DIGITS);
    let kind = ValueKind::from_prefix(&body[..4])?;
    (checksum(body) == presented_checksum).then_some(kind)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    base62::encode(u128::from(crc32fast::hash(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_values_of_no_random_form_may_be_chosen() {
        for chosen in ["guest", "k7Gq2ZpX9mTa", "My-own_key-9f3Kq2", "imgbed_short", "a.b", &"x".repeat(31)] {
            assert!(may_be_chosen(chosen), "{chosen}");
        }
        let native = TokenValue::generate(ValueKind::ApiKey, &mut |bytes| bytes.fill(7));
        let imgbed = format!("imgbed_{}", "x".repeat(32));
        for random in
            [native.expose(), "cmk_short", &imgbed, "ey.ey.sig", &"x".repeat(32), "", "a b", "\u{fc}"]
        {
            assert!(!may_be_chosen(random), "{random}");
        }
    }

    #[test]
    fn a_generated_value_parses_and_skips_biased_bytes() {
        let mut next = 230u8;
        let value = TokenValue::generate(ValueKind::ApiKey, &mut |bytes| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
        });
        assert_eq!(TokenValue::parse(value.expose()), Ok(value.clone()));
        let unbiased: Vec<u8> = (230..248).chain(0..14).collect();
        let digits: String =
            unbiased.iter().map(|b| char::from(base62::digit_from_random(*b).unwrap())).collect();
        assert_eq!(&value.expose()[4..36], digits);
    }

    #[test]
    fn a_generated_secret_is_never_a_credential() {
        let secret = TokenValue::generate(ValueKind::Secret, &mut |bytes| bytes.fill(7));
        assert!(TokenValue::parse(secret.expose()).is_ok());
        assert!(!may_be_credential(secret.expose()));
    }

    #[test]
    fn a_value_with_a_wrong_checksum_is_refused_before_any_look_up() {
        assert!(may_be_credential("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF"));
        assert!(!may_be_credential("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OG"));
        assert!(
            may_be_credential("imgbed_abcdefghijklmnopqrstuvwxyz012345"),
            "foreign values have no checksum"
        );
        assert!(!may_be_credential("") && !may_be_credential("a b") && !may_be_credential("schlüssel"));
    }

    #[test]
    fn a_fitting_checksum_does_not_excuse_other_characters() {
        for character in ["-", "_", " ", "\0"] {
            let body = format!("cmk_{}", character.repeat(RANDOM_DIGITS));
            let checksum = String::from_utf8(checksum(body.as_bytes()).to_vec()).unwrap();
            assert!(TokenValue::parse(&format!("{body}{checksum}")).is_err(), "{character:?}");
        }
    }

    #[test]
    fn foreign_values_are_up_to_4096_characters_long() {
        assert!(may_be_credential("x") && may_be_credential(&"x".repeat(4096)));
        assert!(!may_be_credential(&"x".repeat(4097)));
    }

    #[test]
    fn previews_leave_96_bits_unknown() {
        assert_eq!(preview("imgbed_abcdefghijklmnopqrstuvwxyz012345"), "imgbed_abcdefgh");
        assert_eq!(preview("123456789012"), "", "12 digits are 40 bits: nothing may be shown");
        assert_eq!(preview("0123456789abcdef0123456789abcdef"), "012345");
        assert_eq!(preview("0123456789abcdef0123456789"), "0", "25 hexadecimal digits stay hidden");
        assert_eq!(preview("0123456789ABCDEF0123456789"), "0", "in capitals too");
        assert_eq!(preview(&"1".repeat(30)), "1", "29 digits stay hidden");
        assert_eq!(preview(&"g".repeat(22)), "ggg", "19 characters stay hidden");
        assert_eq!(preview("keyüssel-mit-umlaut-der-lang-genug-ist"), "keyüs");
        assert_eq!(preview("abcdeüssel-mit-umlaut-der-lang-genug-ist"), "abcde", "never inside a character");
    }

    #[test]
    fn debug_shows_the_preview_only() {
        let value = TokenValue::parse("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF").unwrap();
        assert_eq!(format!("{value:?}"), "TokenValue(cmk_uTRGX1EciFu…)");
    }
}
