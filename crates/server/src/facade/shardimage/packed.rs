//! MessagePack as PHP's extension writes it, turned into JSON, so that both are read by the same code.

use std::io::Cursor;

use actix_web::web::Bytes;
use rmpv::Value;
use serde_json::{Map, Number, Value as Json};

use super::message::malformed;
use crate::problem::Problem;

/// Levels of `rmpv`, which takes two for each of the wire: a bound of the stack, far above any real body.
const MOST_LEVELS: usize = 64;

/// The one value in `bytes` as JSON.
///
/// PHP's extension writes arrays that are references as maps with one entry more, `nil: 1`, and lists then as maps with
/// the keys 0, 1, 2 …: the former is dropped and the latter become lists, at any depth.
///
/// # Errors
/// 400 for what is truncated, longer than one value or too deep, and for what JSON cannot say: binary data, extensions,
/// infinite numbers, keys that are neither texts nor whole numbers, a key twice.
pub fn to_json(bytes: &Bytes) -> Result<Vec<u8>, Problem> {
    let mut rest = Cursor::new(&bytes[..]);
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, MOST_LEVELS)
        .map_err(|_| malformed("the body is whole and well-formed MessagePack of a few levels"))?;
    if rest.position() != bytes.len() as u64 {
        return Err(malformed("nothing follows the value in the body"));
    }
    let json = json(value)?;
    Ok(serde_json::to_vec(&json).expect("what was built as JSON can be written"))
}

fn json(value: Value) -> Result<Json, Problem> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Boolean(it) => Json::Bool(it),
        Value::Integer(it) => match (it.as_u64(), it.as_i64()) {
            (Some(number), _) => Json::from(number),
            (None, number) => Json::from(number.unwrap_or_default()),
        },
        Value::F32(it) => number(it.into())?,
        Value::F64(it) => number(it)?,
        Value::String(it) => Json::String(it.into_str().ok_or_else(|| malformed("texts are UTF-8"))?),
        Value::Array(list) => Json::Array(list.into_iter().map(json).collect::<Result<_, _>>()?),
        Value::Map(entries) => of_map(entries)?,
        Value::Binary(_) | Value::Ext(..) => return Err(malformed("texts are written as texts")),
    })
}

fn number(number: f64) -> Result<Json, Problem> {
    Number::from_f64(number).map(Json::Number).ok_or_else(|| malformed("numbers are finite"))
}

fn of_map(entries: Vec<(Value, Value)>) -> Result<Json, Problem> {
    let was_empty = entries.is_empty();
    let is_mark = |(key, _): &(Value, Value)| key.is_nil();
    if entries.iter().filter(|entry| is_mark(entry)).count() > 1 {
        return Err(malformed("each key stands once"));
    }
    let entries: Vec<_> = entries.into_iter().filter(|entry| !is_mark(entry)).collect();
    let is_list = entries.iter().enumerate().all(|(index, (key, _))| key.as_u64() == Some(index as u64));
    if is_list && !was_empty {
        let list: Result<_, _> = entries.into_iter().map(|(_, value)| json(value)).collect();
        return Ok(Json::Array(list?));
    }
    let mut object = Map::new();
    for (key, value) in entries {
        let name = match key {
            Value::String(text) => text.into_str(),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        let name = name.ok_or_else(|| malformed("keys are texts or whole numbers"))?;
        if object.insert(name, json(value)?).is_some() {
            return Err(malformed("each key stands once"));
        }
    }
    Ok(Json::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<String> {
        let json = to_json(&Bytes::copy_from_slice(bytes)).ok()?;
        Some(String::from_utf8(json).unwrap())
    }

    #[test]
    fn lists_that_php_wrote_as_references_are_lists_again_at_any_depth() {
        assert_eq!(read(b"\x82\xc0\x01\x00\xa1a").as_deref(), Some(r#"["a"]"#));
        assert_eq!(
            read(b"\x82\xc0\x01\xa1x\x83\xc0\x01\x00\xa1a\x01\xa1b").as_deref(),
            Some(r#"{"x":["a","b"]}"#)
        );
        assert_eq!(read(b"\x92\x81\x00\x81\x00\x05\x90").as_deref(), Some("[[[5]],[]]"));
    }

    #[test]
    fn other_integer_keys_are_names() {
        assert_eq!(read(b"\x82\xc0\x01\xcd\x03\xe9\xa5plain").as_deref(), Some(r#"{"1001":"plain"}"#));
        assert_eq!(
            read(b"\x82\x01\xa1b\x00\xa1a").as_deref(),
            Some(r#"{"0":"a","1":"b"}"#),
            "not in their order"
        );
        assert_eq!(read(b"\x81\xff\x01").as_deref(), Some(r#"{"-1":1}"#));
    }

    #[test]
    fn an_empty_map_stays_one_and_an_empty_reference_is_a_list() {
        assert_eq!(read(b"\x80").as_deref(), Some("{}"));
        assert_eq!(read(b"\x81\xc0\x01").as_deref(), Some("[]"));
    }

    #[test]
    fn numbers_keep_their_value() {
        assert_eq!(read(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").as_deref(), Some("18446744073709551615"));
        assert_eq!(read(b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00").as_deref(), Some("-9223372036854775808"));
        assert_eq!(read(b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00").as_deref(), Some("1.5"));
    }

    #[test]
    fn what_is_no_single_well_formed_value_is_refused() {
        let deep = [vec![0x91; 5000], vec![0xc0]].concat();
        let cases: [&[u8]; 14] = [
            b"",
            b"\x81",
            b"\xa5ab",
            b"\xc0\xc0",
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff\xa1a\x01",
            b"\xdb\xff\xff\xff\xffabc",
            b"\xc6\xff\xff\xff\xff",
            b"\x82\xa1a\x01\xa1a\x02",
            b"\x82\x01\x01\xa11\x02",
            b"\x82\xc0\x01\xc0\x02",
            b"\x81\x90\x01",
            b"\xa2\xff\xfe",
            &deep,
        ];
        for (index, bad) in cases.into_iter().enumerate() {
            assert_eq!(read(bad), None, "case {index}");
        }
        for bad in [&b"\xc4\x01a"[..], b"\xd4\x01a", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"] {
            assert_eq!(read(bad), None, "JSON cannot say it");
        }
    }
}
