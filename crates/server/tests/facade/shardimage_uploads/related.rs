//! The request of the SDK, and every way to spoil it.

use actix_web::test::TestRequest;

/// A multipart/related upload; each member may be changed.
#[derive(Clone)]
pub struct Related {
    pub token: Option<String>,
    pub content_type: String,
    pub first_line: String,
    pub first_headers: String,
    pub json: String,
    /// Content type of the second part itself.
    pub part_type: String,
    pub second_line: String,
    pub second_headers: String,
    pub file: Vec<u8>,
    /// What stands after the second part, from its line end on.
    pub end: String,
}

/// The boundary of all of them.
pub const BOUNDARY: &str = "24685.1795326443.099.1946746571";

impl Related {
    /// As the SDK sends it.
    pub fn new(token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            content_type: format!("multipart/related; boundary={BOUNDARY}"),
            first_line: "POST /upload/v1/c/mycloud HTTP/1.1".into(),
            first_headers: format!(
                "Host:127.0.0.1\r\nContent-ID:24685.1\r\nContent-Type:application/json; charset=utf-8\r\n\
                 X-Shardimage-Auth-token:{token}\r\nX-Shardimage-Mode:sync/parallel\r\n"
            ),
            json: r#"{"cloudId":"mycloud","file":"","tags":["given"],"publicId":"cat"}"#.into(),
            part_type: "application/http".into(),
            second_line: "POST /file HTTP/1.1".into(),
            second_headers: format!(
                "Content-ID:24685.2\r\nContent-Type:application/octet-stream\r\nX-Shardimage-Auth-token:{token}\r\n\
                 X-Shardimage-Ref-Attribute:file\r\nX-Shardimage-Ref-Id:24685.1\r\n"
            ),
            file: b"\x89PNG\r\n\x1a\n\r\n--\r\n--boundary\r\nContent-Length: 0\r\n\r\n\0".to_vec(),
            end: format!("\r\n--{BOUNDARY}--\r\n"),
        }
    }

    pub fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    pub fn request(&self) -> TestRequest {
        let request = TestRequest::post()
            .uri("/multipart/related")
            .insert_header(("content-type", self.content_type.as_str()))
            .set_payload(self.body());
        match &self.token {
            Some(token) => request.insert_header(("x-shardimage-auth-token", token.as_str())),
            None => request,
        }
    }

    pub fn body(&self) -> Vec<u8> {
        let part = |kind: &str| {
            format!("--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\n\r\n")
        };
        let first = format!(
            "{}\r\n{}Content-Length:{}\r\n\r\n{}\r\n",
            self.first_line,
            self.first_headers,
            self.json.len(),
            self.json
        );
        let second = format!(
            "{}\r\n{}Content-Length:{}\r\n\r\n",
            self.second_line,
            self.second_headers,
            self.file.len()
        );
        let texts = [part("application/http"), first, part(&self.part_type), second].concat();
        [texts.as_bytes(), &self.file, self.end.as_bytes()].concat()
    }
}
