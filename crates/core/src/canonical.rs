//! The canonical string: the exact bytes that a signature covers.
//!
//! `countermark-url-v1` LF, the placement LF, the host LF, and the target without the 43 characters of its signature.
//! Nothing before the target can contain LF, and where the signature was cut out follows from the placement, so two
//! different requests never share a canonical string.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret::SigningKey;
use crate::signed_url::{Placement, SIGNATURE_LENGTH, SignatureForm, SignedUrl};

impl SignedUrl<'_> {
    /// The bytes that are signed, to show them; verifying does not build them. `None` for `s-token2`, which signs other
    /// bytes, the secret among them.
    pub fn canonical_string(&self) -> Option<String> {
        let SignatureForm::Cm1 { .. } = self.form else { return None };
        let parts = self.canonical_parts();
        Some(String::from_utf8(parts.concat()).expect("every part is text"))
    }

    /// The signature that belongs to this URL under `key`.
    pub(crate) fn expected_signature(&self, key: &SigningKey) -> [u8; SIGNATURE_LENGTH] {
        let mut signature = [0; SIGNATURE_LENGTH];
        URL_SAFE_NO_PAD
            .encode_slice(key.mac(&self.canonical_parts()), &mut signature)
            .expect("32 bytes are 43 characters of base64");
        signature
    }

    fn canonical_parts(&self) -> [&[u8]; 5] {
        let label: &[u8] = match self.placement {
            Placement::Path => b"countermark-url-v1\npath\n",
            Placement::Query => b"countermark-url-v1\nquery\n",
        };
        let (before, after) = self.around_signature();
        [label, self.host.as_str().as_bytes(), b"\n", before.as_bytes(), after.as_bytes()]
    }
}
