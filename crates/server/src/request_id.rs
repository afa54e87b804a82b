//! Short ids that name a request in its answer and in the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpRequest};

/// 16 hexadecimal digits, unique within one run of the process; it identifies, it authorises nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }

    /// The digits as the value of `x-request-id`.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("hexadecimal digits may stand in a header")
    }

    /// The id that someone has already asked for while handling this request.
    pub fn find(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().copied()
    }

    /// The id under which this request will be answered; `None` if no [`RequestIds`] is in the application data.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        if let Some(id) = Self::find(request) {
            return Some(id);
        }
        let id = request.app_data::<RequestIds>()?.next();
        request.extensions_mut().insert(id);
        Some(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The source of ids, shared by all workers.
#[derive(Clone, Debug)]
pub struct RequestIds {
    seed: u64,
    count: Arc<AtomicU64>,
}

impl RequestIds {
    /// A source from a random seed, so that two runs do not repeat each other's ids.
    pub fn new(seed: u64) -> Self {
        Self { seed, count: Arc::new(AtomicU64::new(0)) }
    }

    /// A new id. The mixing is a bijection on 64 bits, so ids of one seed cannot meet.
    pub fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut mixed = self.seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let mut digits = [0; 16];
        for (position, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(mixed >> (60 - 4 * position)) as usize & 15];
        }
        RequestId(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_sixteen_digits() {
        let ids = RequestIds::new(7);
        let seen: std::collections::HashSet<String> = (0..10_000).map(|_| ids.next().to_string()).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
