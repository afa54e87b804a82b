//! The published vectors of ids, values, signed URLs and upload directives.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, in its helpers too")]

use countermark_core::{
    Host, KeyVersion, Malformed, Placement, SignedUrl, SigningKey, SigningSecret, TokenId, TokenValue,
    UnixSeconds, UploadExtra, UploadParameters, ValueKind, is_shardimage_api_signature, looks_signed,
    may_be_credential, preview, shardimage_api_signature, sign,
};
use serde_json::Value;

const SIGNED: &str = include_str!("../../../tests/vectors/signed_urls.json");
const TAMPERED: &str = include_str!("../../../tests/vectors/tampered_urls.json");
const MALFORMED: &str = include_str!("../../../tests/vectors/malformed_urls.json");
const IDS: &str = include_str!("../../../tests/vectors/ids.json");
const SHARDIMAGE: &str = include_str!("../../../tests/vectors/shardimage.json");
const VALUES: &str = include_str!("../../../tests/vectors/values.json");
const UPLOAD_DIRECTIVES: &str = include_str!("../../../tests/vectors/upload_directives.json");

fn vectors(file: &str, count: usize) -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(file).unwrap();
    assert_eq!(vectors.len(), count, "no vector got lost");
    vectors
}

fn vectors_of(file: &str, member: &str, count: usize) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    let vectors = file[member].as_array().unwrap();
    assert_eq!(vectors.len(), count, "no vector got lost");
    vectors.clone()
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} is text in {vector}"))
}

fn key(vector: &Value) -> SigningKey {
    SigningSecret::new(text(vector, "secret").to_owned()).unwrap().key()
}

fn parse(vector: &Value) -> Result<SignedUrl<'_>, Malformed> {
    SignedUrl::parse_target(Host::parse(text(vector, "host")).unwrap(), text(vector, "target"))
}

fn placement(vector: &Value) -> Placement {
    serde_json::from_value(vector["placement"].clone()).unwrap()
}

/// The members that a signer is given: id, key version, expiry.
fn claims(vector: &Value) -> (TokenId, KeyVersion, Option<UnixSeconds>) {
    let version = u16::try_from(vector["key_version"].as_u64().unwrap()).unwrap();
    let expires = vector["expires"].as_u64().map(|seconds| UnixSeconds::new(seconds).unwrap());
    (text(vector, "token_id").parse().unwrap(), KeyVersion::new(version).unwrap(), expires)
}

#[test]
fn every_signed_vector_reads_as_it_was_made_and_verifies() {
    for vector in vectors(SIGNED, 36) {
        let url = parse(&vector).unwrap();
        assert_eq!(url.placement, placement(&vector));
        assert_eq!((url.token_id, url.form.key_version().unwrap(), url.expires), claims(&vector));
        assert_eq!(url.signature, text(&vector, "signature"));
        assert_eq!(url.canonical_string().unwrap(), text(&vector, "canonical"));
        if let Some(cloud) = vector["cloud"].as_str() {
            assert_eq!(url.cloud, Some(cloud));
        }
        url.verify(&key(&vector)).unwrap();
        assert!(looks_signed(url.target));

        let full = format!("https://{}:8443{}", text(&vector, "host").to_uppercase(), url.target);
        SignedUrl::parse(&full).unwrap().verify(&key(&vector)).unwrap();
    }
}

#[test]
fn signing_makes_every_signed_vector_again() {
    for vector in vectors(SIGNED, 36) {
        let unsigned = match placement(&vector) {
            Placement::Path => format!("/{}/{}", text(&vector, "cloud"), text(&vector, "rest")),
            Placement::Query => text(&vector, "path_and_query").to_owned(),
        };
        let (id, version, expires) = claims(&vector);
        let origin = format!("https://{}", text(&vector, "host"));
        let signed =
            sign(&format!("{origin}{unsigned}"), placement(&vector), id, version, expires, &key(&vector));
        assert_eq!(signed.unwrap(), format!("{origin}{}", text(&vector, "target")));
    }
}

#[test]
fn every_tampered_vector_is_refused_with_its_code() {
    for vector in vectors(TAMPERED, 98) {
        let code = match parse(&vector) {
            Err(_) => "MALFORMED",
            Ok(url) if url.verify(&key(&vector)).is_err() => "BAD_SIGNATURE",
            Ok(_) => "ALLOWED",
        };
        assert_eq!(code, text(&vector, "code"), "{}: {}", text(&vector, "why"), text(&vector, "target"));
        assert!(looks_signed(text(&vector, "target")));
    }
}

#[test]
fn every_malformed_vector_is_refused_by_verifiers_and_signers() {
    for vector in vectors(MALFORMED, 24) {
        let target = text(&vector, "target");
        assert!(parse(&vector).is_err(), "{target}");
        let (placement, unsigned) = unsigned(target);
        let url = format!("https://{}{unsigned}", text(&vector, "host"));
        let id = text(&vector, "token_id").parse().unwrap();
        assert!(sign(&url, placement, id, KeyVersion::FIRST, None, &key(&vector)).is_err(), "{url}");
    }
}

#[test]
fn ids_carry_the_bytes_of_their_uuid() {
    for vector in vectors(IDS, 6) {
        let id: TokenId = text(&vector, "id").parse().unwrap();
        let uuid = u128::from_str_radix(text(&vector, "uuid"), 16).unwrap().to_be_bytes();
        assert_eq!(id, TokenId::from_uuid(id.kind(), uuid));
        assert_eq!(id.to_string(), text(&vector, "id"));
    }
}

#[test]
fn values_are_valid_only_whole_and_show_their_preview() {
    for vector in vectors(VALUES, 17) {
        let value = text(&vector, "value");
        let parsed = TokenValue::parse(value);
        assert_eq!(parsed.is_ok(), vector["valid"].as_bool().unwrap(), "{value}");
        let Ok(parsed) = parsed else { continue };
        assert_eq!(preview(value), text(&vector, "preview"));
        assert_eq!(parsed.expose(), value);
        let expected = match &value[..4] {
            "cmu_" => ValueKind::Upload,
            "cmk_" => ValueKind::ApiKey,
            _ => ValueKind::Secret,
        };
        assert_eq!(parsed.kind(), expected);
        assert_eq!(may_be_credential(value), expected != ValueKind::Secret, "{value}");
    }
}

#[test]
fn values_of_our_form_that_are_not_valid_are_never_looked_up() {
    for vector in vectors(VALUES, 17).iter().filter(|vector| vector["valid"] == false) {
        let value = text(vector, "value");
        // In another case it is a foreign value like any other, which only the look-up can refuse.
        let is_foreign = value.starts_with("CMK_");
        assert_eq!(may_be_credential(value), is_foreign, "{value}");
    }
}

#[test]
fn upload_directives_have_their_published_effect() {
    for vector in vectors(UPLOAD_DIRECTIVES, 26) {
        let extra: UploadExtra = serde_json::from_value(vector["extra"].clone()).unwrap();
        let asked: UploadParameters = serde_json::from_value(vector["request"].clone()).unwrap();
        let effective: UploadParameters = serde_json::from_value(vector["effective"].clone()).unwrap();
        assert_eq!(extra.direct(asked), Ok(effective), "{vector}");
    }
}

#[test]
fn upload_directives_and_parameters_are_read_back_as_they_were_written() {
    for vector in vectors(UPLOAD_DIRECTIVES, 26) {
        let extra: UploadExtra = serde_json::from_value(vector["extra"].clone()).unwrap();
        let written = serde_json::to_value(&extra).unwrap();
        assert_eq!(serde_json::from_value::<UploadExtra>(written).unwrap(), extra);
        let effective: UploadParameters = serde_json::from_value(vector["effective"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&effective).unwrap(), vector["effective"]);
    }
}

#[test]
fn calls_to_the_shardimage_api_are_signed_as_its_sdk_signs_them() {
    let vectors = vectors_of(SHARDIMAGE, "api_signature", 8);
    for vector in &vectors {
        let (uri, key) = (text(vector, "uri"), text(vector, "key"));
        let (secret, signature) = (text(vector, "secret"), text(vector, "signature"));
        assert_eq!(shardimage_api_signature(uri, key, secret), signature);
        assert!(is_shardimage_api_signature(signature, uri, key, secret));
        let (longer, upper) = (format!("{signature}0"), signature.to_uppercase());
        for other in ["", "s-", &signature[2..], &signature[..41], &longer, &upper] {
            assert!(!is_shardimage_api_signature(other, uri, key, secret), "{other}");
        }
        let another_uri = format!("{uri}?");
        assert!(!is_shardimage_api_signature(signature, &another_uri, key, secret));
        assert!(!is_shardimage_api_signature(signature, uri, &format!("{key}0"), secret));
        assert!(!is_shardimage_api_signature(signature, uri, key, &format!("{secret}0")));
    }
    let made = shardimage_api_signature("/secure/v1/access-token/tok_abc", "1234567890", "dummySecret");
    assert_eq!(made, "s-bff91cefc0a931e02b0916488a334b5363418ed8");
}

/// What a signer was given to arrive at `target`: the first signature segment or the tail of the query taken out.
fn unsigned(target: &str) -> (Placement, String) {
    if let Some((cloud, segment)) = target.split_once("/s-cm1:") {
        let (_, rest) = segment.split_once('/').unwrap();
        return (Placement::Path, format!("{cloud}/{rest}"));
    }
    let tail = target.rfind("cm-token=").unwrap() - 1;
    (Placement::Query, target[..tail].to_owned())
}
