//! The upload target: where the bytes of uploads go, since nothing is stored here.

use std::time::Duration;

use actix_web::web::Bytes;
use countermark_core::{TokenId, UploadId, UploadParameters};
use countermark_domain::store::Upload;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};
use serde::Serialize;

use super::form::Form;
use super::report::{LONGEST_REPORT, Report};
use super::seats::{Seat, Seats};
use crate::config::FacadeSettings;
use crate::facade::log;

/// Most files in memory at once, and by one token.
const FILES_AT_ONCE: (usize, usize) = (8, 2);
/// Most uploads by address at once, which take no memory here, and by one token.
const REMOTES_AT_ONCE: (usize, usize) = (64, 8);
/// How long the target may take to be reached.
const TIME_TO_CONNECT: Duration = Duration::from_secs(5);
/// How long it may take in all, down to the last byte of its report.
const TIME_TO_STORE: Duration = Duration::from_secs(60);
/// How long it may take to forget an upload.
const TIME_TO_WITHDRAW: Duration = Duration::from_secs(5);

/// Sends uploads to the configured target; one for all workers.
pub struct UploadTarget {
    reached: Option<(Url, Client)>,
    files: Seats,
    remotes: Seats,
}

/// What is to be stored.
pub(super) enum Content {
    /// The bytes themselves.
    File {
        /// All of them.
        bytes: Bytes,
        /// As the client gave it, or as the first bytes show.
        content_type: String,
    },
    /// An address from which the target fetches them.
    Remote {
        /// `http://` or `https://`.
        resource: String,
    },
}

/// Why the target has stored nothing that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetFailure {
    /// It has an image of that name and may not replace it.
    Conflict,
    /// It does not take this image.
    Refused,
    /// It could not be reached, so it has nothing.
    Unreachable,
    /// It did not answer in time, and may have stored the image.
    TimedOut,
    /// Its answer is none of the protocol, and it may have stored the image.
    Failed,
}

impl TargetFailure {
    /// Whether the target has to be told to forget the upload.
    pub(super) const fn may_have_stored(self) -> bool {
        matches!(self, Self::TimedOut | Self::Failed)
    }
}

impl UploadTarget {
    /// The target of the configuration.
    pub fn new(settings: &FacadeSettings) -> Self {
        Self {
            reached: settings.shardimage_upload_target.clone().map(|url| (url, client())),
            files: Seats::new(FILES_AT_ONCE.0, FILES_AT_ONCE.1),
            remotes: Seats::new(REMOTES_AT_ONCE.0, REMOTES_AT_ONCE.1),
        }
    }

    pub(super) const fn is_configured(&self) -> bool {
        self.reached.is_some()
    }

    /// A seat for an upload whose file is held in memory; `None` if all are taken, or all of the token's.
    pub(super) fn seat_with_file(&self, token: TokenId) -> Option<Seat> {
        self.files.take(token)
    }

    /// A seat for an upload by address; `None` if all are taken, or all of the token's.
    pub(super) fn seat_without_file(&self, token: TokenId) -> Option<Seat> {
        self.remotes.take(token)
    }

    /// Hands an upload over; what the target says that it has become.
    pub(super) async fn store(
        &self,
        upload: &Upload,
        insert_only: bool,
        content: Content,
    ) -> Result<Report, TargetFailure> {
        let (url, client) = self.reached.as_ref().ok_or(TargetFailure::Unreachable)?;
        let form = form(upload, insert_only, content);
        let request = client
            .post(url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, form.content_type())
            .header(CONTENT_LENGTH, form.len())
            .body(form.into_body());
        let answered = async { report(request.send().await.map_err(|error| failure(&error))?).await };
        tokio::time::timeout(TIME_TO_STORE, answered).await.unwrap_or(Err(TargetFailure::TimedOut))
    }

    /// Tells the target once that an upload counts for nothing. It may not hear it.
    pub(super) async fn withdraw(&self, id: UploadId) {
        let Some((url, client)) = &self.reached else { return };
        let mut url = url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&id.to_string());
        }
        let told = client.delete(url).timeout(TIME_TO_WITHDRAW).send().await;
        if !told.is_ok_and(|answer| answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND)
        {
            log::file_may_be_left(id);
        }
    }
}

/// What the target is told of an upload beside its bytes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    upload_id: String,
    token_id: String,
    owner: Option<&'a str>,
    effective: &'a UploadParameters,
    insert_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
}

fn form(upload: &Upload, insert_only: bool, content: Content) -> Form {
    let resource = match &content {
        Content::Remote { resource } => Some(resource.as_str()),
        Content::File { .. } => None,
    };
    let described = Described {
        upload_id: upload.id.to_string(),
        token_id: upload.token.to_string(),
        owner: upload.owner.as_deref(),
        effective: &upload.effective,
        insert_only,
        resource,
    };
    let json = serde_json::to_string(&described).expect("texts and flags always become JSON");
    // Its random part is made after the client has sent its last byte: no file can contain it but by chance.
    let boundary = format!("countermark-{}", upload.id);
    match content {
        Content::File { bytes, content_type } => Form::with_file(boundary, &json, bytes, &content_type),
        Content::Remote { .. } => Form::without_file(boundary, &json),
    }
}

async fn report(mut answer: Response) -> Result<Report, TargetFailure> {
    match answer.status() {
        status if status.is_success() => {}
        StatusCode::CONFLICT => return Err(TargetFailure::Conflict),
        // Others of the 400s tell of a wrong address or of a fault of ours, not of the image.
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => return Err(TargetFailure::Refused),
        _ => return Err(TargetFailure::Failed),
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| TargetFailure::Failed)? {
        if text.len() + chunk.len() > LONGEST_REPORT {
            return Err(TargetFailure::Failed);
        }
        text.extend_from_slice(&chunk);
    }
    Report::read(&text).ok_or(TargetFailure::Failed)
}

fn failure(error: &reqwest::Error) -> TargetFailure {
    if error.is_connect() { TargetFailure::Unreachable } else { TargetFailure::Failed }
}

fn client() -> Client {
    // An error says only that somebody else has installed one before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder().build().unwrap_or_else(|_| {
        log::machine_has_no_authorities();
        builder().tls_certs_only([]).build().expect("only reading the machine's authorities can fail")
    })
}

fn builder() -> ClientBuilder {
    Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // An upload that was sent twice could be stored twice.
        .retry(reqwest::retry::never())
        .referer(false)
        // Each worker drives the connections that it has opened, and workers end one by one.
        .pool_max_idle_per_host(0)
        .connect_timeout(TIME_TO_CONNECT)
        .user_agent(concat!("countermark/", env!("CARGO_PKG_VERSION")))
}
