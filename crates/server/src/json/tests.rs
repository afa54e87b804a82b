use serde::Deserialize;

use super::*;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sample {
    #[serde(default)]
    expiry: Option<UnixTime>,
    #[serde(default)]
    name: Option<Text<1, 5>>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    clouds: List<Text<1, 64>, 2>,
    #[serde(default, deserialize_with = "optional_object")]
    extra: Option<Extra>,
    #[serde(default)]
    limit: Patch<Whole<0, 10>>,
    #[serde(default)]
    colour: Option<Choice<Colour>>,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    free: Free,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Extra {
    cloud_id: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Colour {
    Red,
    Green,
}

fn refusal(body: &str) -> (String, String) {
    let problem: Problem = read::<Sample>(body.as_bytes()).unwrap_err();
    assert_eq!(problem.code().name, "INVALID_MEMBER", "{body}");
    let member = &problem.errors()[0];
    assert!(!format!("{problem:?}").contains("canary"), "the value is repeated: {problem:?}");
    (member.pointer.clone(), member.detail.clone())
}

fn assert_refused(body: &str, pointer: &str, detail: &str) {
    assert_eq!(refusal(body), (pointer.to_owned(), detail.to_owned()), "{body}");
}

#[test]
fn a_good_body_is_read_whole() {
    let sample: Sample = read(
        br#"{"expiry":253402300799,"name":"abcde","labels":{"a":"b"},"clouds":["x","y"],
            "extra":{"cloudId":"c"},"limit":null,"colour":"green","enabled":true,"free":[{"a":1.5}]}"#,
    )
    .unwrap();
    assert_eq!(sample.expiry.unwrap().get(), 253_402_300_799);
    assert_eq!(&*sample.name.unwrap(), "abcde");
    assert_eq!(&*sample.labels.0["a"], "b");
    assert_eq!(sample.clouds.0.len(), 2);
    assert_eq!(sample.extra.unwrap().cloud_id, "c");
    assert_eq!(sample.limit, Patch::Null);
    assert_eq!(sample.colour.unwrap().0, Colour::Green);
    assert!(sample.enabled);
    assert_eq!(sample.free.0, serde_json::json!([{"a": 1.5}]));
}

#[test]
fn a_member_of_a_patch_is_absent_null_or_set() {
    assert_eq!(read::<Sample>(b"{}").unwrap().limit, Patch::Absent);
    assert_eq!(read::<Sample>(br#"{"limit":null}"#).unwrap().limit, Patch::Null);
    let Patch::Set(limit) = read::<Sample>(br#"{"limit":7}"#).unwrap().limit else { panic!("not set") };
    assert_eq!(limit.get(), 7);
    assert_refused(r#"{"limit":11}"#, "/limit", "expected a whole number from 0 to 10");
}

#[test]
fn numbers_that_are_not_plainly_whole_or_out_of_range_are_refused() {
    for number in
        ["1.0", "1e3", "-1", "18446744073709551616", "253402300800", "1900000000000", "\"7\"", "true", "[7]"]
    {
        let expected = "expected a whole number from 0 to 253402300799";
        assert_refused(&format!(r#"{{"expiry":{number}}}"#), "/expiry", expected);
    }
}

#[test]
fn an_array_is_no_object_at_any_level() {
    assert_refused("[]", "", "expected an object");
    assert_refused("[1,2]", "", "expected an object");
    assert_refused(r#"{"extra":["canary"]}"#, "/extra", "expected an object");
    assert_refused(r#"{"labels":[]}"#, "/labels", "expected an object of at most 20 members");
    assert_refused(r#""canary""#, "", "expected an object");
}

#[test]
fn members_given_twice_are_refused_everywhere() {
    assert_refused(r#"{"enabled":true,"enabled":true}"#, "/enabled", "expected each member once");
    assert_refused(
        r#"{"extra":{"cloudId":"a","cloudId":"a"}}"#,
        "/extra/cloudId",
        "expected each member once",
    );
    assert_refused(r#"{"labels":{"a":"1","a":"1"}}"#, "/labels/a", "expected each member once");
    assert_refused(r#"{"free":{"x":[{"a":1,"a":2}]}}"#, "/free/x/0/a", "expected each member once");
}

#[test]
fn unknown_and_missing_members_are_named() {
    let (pointer, detail) = refusal(r#"{"expirey":"canary"}"#);
    assert_eq!(pointer, "/expirey");
    assert!(detail.contains("`expiry`") && detail.contains("`labels`"), "{detail}");
    assert_refused(r#"{"extra":{}}"#, "/extra/cloudId", "expected this member, which is missing");
    let (pointer, detail) = refusal(r#"{"extra":{"cloudId":"a","b/~":1}}"#);
    assert_eq!(pointer, "/extra/b~1~0");
    assert!(detail.contains("`cloudId`"), "{detail}");
}

#[test]
fn wrong_types_are_named_without_their_value() {
    assert_refused(r#"{"enabled":"canary, expected canary"}"#, "/enabled", "expected true or false");
    assert_refused(r#"{"enabled":"canary at line 1"}"#, "/enabled", "expected true or false");
    assert_refused(r#"{"extra":{"cloudId":9}}"#, "/extra/cloudId", "expected a string");
    assert_refused(r#"{"colour":"canary"}"#, "/colour", "expected `red` or `green`");
    assert_refused(r#"{"colour":{"red":null}}"#, "/colour", "expected a string");
    let text = "expected a string of 1 to 5 characters without control characters";
    for name in ["\"\"", "\"canary\"", "\"a\\nb\"", "\"a\\u0000\"", "7"] {
        assert_refused(&format!(r#"{{"name":{name}}}"#), "/name", text);
    }
    assert!(read::<Sample>(r#"{"name":"äöüßé"}"#.as_bytes()).is_ok(), "characters count, not bytes");
}

#[test]
fn lists_and_maps_are_bounded() {
    assert_refused(r#"{"clouds":["a","b","c"]}"#, "/clouds", "expected an array of at most 2 elements");
    let (pointer, _) = refusal(r#"{"clouds":["a",7]}"#);
    assert_eq!(pointer, "/clouds/1");
    let members: Vec<String> = (0..21).map(|n| format!("\"l{n}\":\"\"")).collect();
    let (pointer, detail) = refusal(&format!(r#"{{"labels":{{{}}}}}"#, members.join(",")));
    assert!(pointer.starts_with("/labels"), "{pointer}");
    assert_eq!(detail, "expected an object of at most 20 members");
    let long = "k".repeat(65);
    assert!(read::<Sample>(format!(r#"{{"labels":{{"{long}":""}}}}"#).as_bytes()).is_err());
}

#[test]
fn broken_json_is_placed_by_line_and_column() {
    let deep = format!(r#"{{"free":{}"#, "[".repeat(200_000));
    for body in [
        "",
        "{",
        "{\"name\":canary}",
        "{\"enabled\":true,}",
        "{} canary",
        "\u{1}",
        "{\"expiry\":1e999}",
        &deep,
    ] {
        let problem = read::<Sample>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code().name, "MALFORMED_BODY", "{body:.40}");
        assert!(problem.errors()[0].detail.contains(" at line 1 column "), "{problem:?}");
        assert!(!format!("{problem:?}").contains("canary"));
    }
    assert!(read::<Sample>(b"{\"name\":\"\xff\"}").is_err());
}

#[test]
fn a_long_unknown_name_is_cut_short() {
    let name = "n".repeat(60_000);
    let (pointer, _) = refusal(&format!(r#"{{"{name}":1}}"#));
    assert_eq!(pointer.len(), 65);
}

#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Documented {
    expiry: Option<UnixTime>,
    #[schema(value_type = Option<Whole<0, 10>>)]
    limit: Patch<Whole<0, 10>>,
    labels: Labels,
    #[schema(value_type = Vec<Text<1, 64>>, max_items = 2)]
    clouds: List<Text<1, 64>, 2>,
}

#[test]
fn bounds_stand_in_the_schema_under_names_of_their_own() {
    #[derive(utoipa::OpenApi)]
    #[openapi(components(schemas(Documented)))]
    struct Document;
    let document = <Document as utoipa::OpenApi>::openapi().to_pretty_json().unwrap();
    let schemas =
        serde_json::from_str::<serde_json::Value>(&document).unwrap()["components"]["schemas"].take();
    assert_eq!(schemas["WholeFrom0To10"]["maximum"], 10);
    assert_eq!(schemas["WholeFrom0To253402300799"]["maximum"], 253_402_300_799_u64);
    for reference in document.split("\"$ref\": \"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(!schemas[name].is_null(), "{name} is referred to but not there");
    }
}
