//! The one table of stable error codes; each has a page in `docs/errors`.

use std::fmt;

use countermark_core::DenyReason;

/// A stable code with what never changes about it.
pub struct Code {
    /// The code on the wire, in capitals.
    pub name: &'static str,
    /// The HTTP status with which it is answered.
    pub status: u16,
    /// One line for people; the same for every occurrence.
    pub title: &'static str,
    /// The page in Markdown.
    pub page: &'static str,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The code with this name.
pub fn find_code(name: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|code| code.name == name)
}

/// The code with which a refusal is answered where it is a problem of its own.
pub fn code_of_reason(reason: DenyReason) -> &'static Code {
    find_code(reason.code()).expect("a test holds the table to every reason")
}

macro_rules! codes {
    ($($name:ident: $status:literal, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Code = Code {
                name: stringify!($name),
                status: $status,
                title: $title,
                page: include_str!(concat!("../../../../docs/errors/", stringify!($name), ".md")),
            };
        )*
        /// Every code: first the general ones by status, then the decisions in the order of refusal.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    MALFORMED_BODY: 400, "The body is not well-formed JSON";
    INVALID_MEMBER: 400, "A member of the body is not acceptable";
    INVALID_PARAMETER: 400, "A query parameter is not acceptable";
    INVALID_HEADER: 400, "A request header is not acceptable";
    UNAUTHENTICATED: 401, "A valid management key is needed";
    NO_CREDENTIAL: 401, "No credential was presented";
    UNTRUSTED_PROXY: 403, "Only trusted proxies may ask here";
    PERMISSION_REQUIRED: 403, "The key lacks a permission";
    RIGHTS_EXCEEDED: 403, "The rights go beyond those of the caller";
    SELF_CHANGE: 403, "A key cannot change itself";
    NOT_FOUND: 404, "There is nothing here";
    METHOD_NOT_ALLOWED: 405, "The method is not offered here";
    REQUEST_TIMEOUT: 408, "The request took too long to arrive";
    LIMIT_BELOW_USED: 409, "The limit would lie below the uses already granted";
    NOT_RECOVERABLE: 409, "The value is not kept";
    VALUE_TAKEN: 409, "The value or name is already in use";
    LINK_REFUSED: 409, "The token would refuse the link";
    VERSIONS_EXHAUSTED: 409, "All secret versions of the token are spent";
    REVOKED_TOKEN: 409, "The token is revoked";
    UPLOAD_CLOSED: 409, "The upload has ended another way";
    USE_GIVEN_BACK: 409, "The use of this request was given back";
    PRECONDITION_FAILED: 412, "The record has changed since it was read";
    BODY_TOO_LARGE: 413, "The body is too large";
    UNSUPPORTED_MEDIA_TYPE: 415, "The body has the wrong type or encoding";
    IDEMPOTENCY_MISMATCH: 422, "The idempotency key was used for another request";
    THROTTLED: 429, "Too many failed attempts";
    TOO_MANY_UPLOADS: 429, "Too many uploads of the token are under way";
    PROXY_HEADER_MISSING: 500, "The proxy does not say what was asked";
    INTERNAL: 500, "Something went wrong on our side";
    UNAVAILABLE: 503, "The service cannot answer now";

    MALFORMED: 400, "The signed URL or request breaks the grammar";
    UNKNOWN_TOKEN: 401, "No token fits this credential";
    WRONG_TYPE: 401, "The token is of a type that cannot be used this way";
    BAD_SIGNATURE: 401, "The signature does not fit";
    REVOKED: 403, "The token is revoked";
    DISABLED: 403, "The token is switched off";
    NOT_YET_VALID: 403, "The token is not valid yet";
    EXPIRED: 403, "The token has expired";
    LINK_EXPIRED: 403, "This link has expired";
    METHOD_DENIED: 403, "The method is not allowed for this type of token";
    WRONG_CLOUD: 403, "Another cloud than the token's";
    WRONG_HOST: 403, "Another host than the token's";
    PATH_DENIED: 403, "The path lies outside the token's base path";
    STORAGE_DENIED: 403, "Another storage than the token's";
    PERMISSION_DENIED: 403, "The permission is not granted";
    CONSTRAINT_FAILED: 403, "The upload does not meet the token's constraints";
    AUTHENTICATION_REQUIRED: 401, "The viewer must log in";
    LIMIT_REACHED: 403, "The token's uses are spent";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_in_the_docs_has_a_code_and_every_code_a_page() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let mut pages: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut codes: Vec<String> = ALL.iter().map(|code| format!("{}.md", code.name)).collect();
        pages.sort();
        codes.sort();
        assert_eq!(pages, codes);
    }

    #[test]
    fn every_page_names_its_code_title_and_status() {
        for code in ALL {
            assert!(code.page.starts_with(&format!("# {}\n", code.name)), "{code:?}");
            assert!(code.page.contains(code.title), "{code:?}");
            assert!(code.page.to_lowercase().contains(&format!("http status {}", code.status)), "{code:?}");
        }
    }

    #[test]
    fn every_reason_of_refusal_has_a_code() {
        for reason in DenyReason::ALL {
            assert_eq!(code_of_reason(reason).name, reason.code());
        }
    }
}
