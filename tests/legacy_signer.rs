//! A signer of `s-token2` URLs for tests: the server only verifies them. It goes by the description of the algorithm and
//! the table among the vectors, and shares nothing with what it tests.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha1::{Digest, Sha1};

/// Signs `scheme://host[:port]/{cloudId}/{rest}` with the secret of a token.
pub fn legacy_link(url: &str, token_id: &str, secret: &str) -> String {
    let (scheme, behind) = url.split_once("://").unwrap();
    let mut parts = behind.splitn(3, '/');
    let [authority, cloud, rest] = std::array::from_fn(|_| parts.next().unwrap());
    let bracket = authority.find(']').unwrap_or(0);
    let length = authority[bracket..].find(':').map_or(authority.len(), |at| bracket + at);
    let host = authority[..length].to_lowercase();
    let signature = signature([token_id, secret, rest, &host]);
    format!("{scheme}://{authority}/{cloud}/s-token2:{token_id},{signature}/{rest}")
}

fn signature(parts: [&str; 4]) -> String {
    let file: serde_json::Value = serde_json::from_str(include_str!("vectors/shardimage.json")).unwrap();
    let mut offset = 0_usize;
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for (character, part) in parts[0].bytes().zip(parts) {
        offset += usize::from(character);
        let constant = STANDARD.decode(file["tables"]["token2"][offset % 13].as_str().unwrap()).unwrap();
        offset += usize::from(constant[0]);
        pieces.extend([constant, part.into(), Sha1::digest(offset.to_string()).to_vec()]);
    }
    let joint = u8::try_from(offset & 255).unwrap();
    let digest = Sha1::digest(pieces.join(&joint));
    let endless = digest.iter().cycle().skip(offset % 20).copied();
    URL_SAFE_NO_PAD.encode(endless.take(24).collect::<Vec<u8>>())
}
