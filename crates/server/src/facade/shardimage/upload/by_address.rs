//! `POST /upload/v1/c/{cloudId}/remote`: an upload whose bytes the target fetches.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::asked::AskedUpload;
use super::credentials::{Admission, admit};
use super::flow::{Order, upload};
use super::image::Image;
use super::refusal::Refusal;
use super::target::{Content, UploadTarget};
use super::{answered, cloud, refused_early};
use crate::body::BODY_LIMIT;
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::facade::shardimage::error::ErrorBody;
use crate::facade::shardimage::message::Asked;
use crate::problem::Problem;
use crate::state::AppState;

/// Uploads an image by its address
///
/// The upload target fetches it; nothing is fetched here. Of its size and type nothing is known when the upload begins, so
/// a token that bounds them refuses.
#[utoipa::path(
    post, path = "/upload/v1/c/{cloudId}/remote", operation_id = "shardimage_upload_by_address", tag = "Shardimage dialect",
    params(
        ("cloudId" = String, Path, description = "The cloud.", example = "mycloud"),
        ("X-Shardimage-Auth-token" = String, Header, description = "The id of an upload token.")
    ),
    request_body(content = AskedUpload, content_type = "application/json", example = json!({"resource": "https://example.com/cat.png", "publicId": "cat"})),
    responses(
        (status = 200, description = "Stored.", body = Image),
        (status = 400, description = "The body is not of this form.", body = ErrorBody),
        (status = 401, description = "No upload token, or none that is known.", body = ErrorBody),
        (status = 403, description = "The token refuses the upload, or its uses are spent.", body = ErrorBody),
        (status = 409, description = "There is an image of this name already.", body = ErrorBody),
        (status = 422, description = "The upload target does not accept the image.", body = ErrorBody),
        (status = 501, description = "There is no upload target.", body = ErrorBody),
        (status = 502, description = "The upload target has not answered as it should.", body = ErrorBody),
        (status = 503, description = "The upload target cannot be reached, or too many uploads are under way.", body = ErrorBody),
    ),
    security(("shardimageUploadToken" = []))
)]
pub async fn upload_by_address(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    let call = Call::of(&request, &state);
    let admission = match admit(&request, &call, UploadTarget::seat_without_file).await {
        Ok(admission) => admission,
        Err(refusal) => return Err(refused_early(&request, payload, BODY_LIMIT, refusal).await),
    };
    let asked = Asked::read::<BODY_LIMIT>(&request, payload).await;
    let order = asked.and_then(|asked| order(&request, &asked, admission));
    let order = order.map_err(|problem| Refusal::from(problem).worded())?;
    match upload(state.clone(), order).await {
        Ok(image) => Ok(answered(&image)),
        Err(failure) => Err(Refusal::from(failure).worded()),
    }
}

fn order(request: &HttpRequest, asked: &Asked, admission: Admission) -> Result<Order, Problem> {
    let asked: AskedUpload = asked.object()?;
    let content = Content::Remote { resource: asked.resource()? };
    Ok(Order {
        value: admission.value,
        is_insertion: asked.is_insertion(),
        asked: asked.parameters(cloud(request))?,
        content,
        seat: admission.seat,
    })
}
