//! What tusd is to do, in the shape in which it reads it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::hooks::tusd::metadata::Metadata;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// tusd reads no longer answer unless it is told to (`-hooks-http-size-limit`), in bytes.
pub(super) const MOST_BYTES: usize = 5 * 1024;

/// The answer to a hook; absent members leave everything as it is.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = TusdHookReply, example = json!({
    "ChangeFileInfo": {"ID": "upl_034YReQTIGubVCzWuStHEC", "MetaData": {"filename": "cat.png", "tags": "pets,inbox"}}
}))]
pub struct Reply {
    /// Answers the client in tusd's place.
    #[serde(rename = "HTTPResponse", skip_serializing_if = "Option::is_none")]
    http_response: Option<ClientResponse>,
    /// Whether the upload is not to be created.
    #[serde(rename = "RejectUpload", skip_serializing_if = "std::ops::Not::not")]
    reject_upload: bool,
    /// What the upload is created with.
    #[serde(rename = "ChangeFileInfo", skip_serializing_if = "Option::is_none")]
    change_file_info: Option<FileInfoChange>,
}

/// The answer to the client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TusdClientResponse)]
#[serde(rename_all = "PascalCase")]
pub struct ClientResponse {
    /// Its status.
    status_code: u16,
    /// Its body: a problem (RFC 9457).
    body: String,
    /// Its headers.
    header: BTreeMap<String, String>,
}

/// What an upload is created with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TusdFileInfoChange)]
pub struct FileInfoChange {
    /// Our id of the upload, which becomes tusd's.
    #[serde(rename = "ID")]
    #[schema(example = "upl_034YReQTIGubVCzWuStHEC")]
    id: String,
    /// All its metadata; absent where the client's stay as they are.
    #[serde(rename = "MetaData", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    metadata: Option<Metadata>,
}

impl Reply {
    /// The upload is created with this id and these metadata.
    pub(super) fn creation(id: String, metadata: Option<Metadata>) -> Self {
        Self { change_file_info: Some(FileInfoChange { id, metadata }), ..Self::default() }
    }

    /// The client gets this problem, and nothing is created.
    pub(super) fn refusal(problem: &Problem, public_url: &str, request_id: Option<&RequestId>) -> Self {
        let mut header = BTreeMap::from([
            ("Cache-Control".to_owned(), "no-store".to_owned()),
            ("Content-Type".to_owned(), "application/problem+json".to_owned()),
        ]);
        for (name, value) in problem.headers() {
            let name = if name == header::WWW_AUTHENTICATE { "WWW-Authenticate" } else { name.as_str() };
            header.insert(name.to_owned(), value.to_str().unwrap_or_default().to_owned());
        }
        let body = problem.body(public_url, request_id);
        let http_response = ClientResponse { status_code: problem.code().status, body, header };
        Self { http_response: Some(http_response), reject_upload: true, ..Self::default() }
    }

    /// Whether tusd reads it whole.
    pub(super) fn fits(&self) -> bool {
        self.bytes().len() <= MOST_BYTES
    }

    /// 200; tusd demands exactly this content type.
    pub(super) fn answered(&self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers always become JSON")
    }
}
