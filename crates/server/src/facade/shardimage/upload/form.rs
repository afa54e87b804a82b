//! The body that the target gets: multipart/form-data with the part `upload` and, unless it fetches the bytes itself, the
//! part `file`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::web::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The parts, of which the file is never copied.
pub(super) struct Form {
    boundary: String,
    chunks: VecDeque<Bytes>,
}

impl Form {
    pub(super) fn with_file(boundary: String, upload: &str, file: Bytes, content_type: &str) -> Self {
        let head = format!(
            "{}\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             Content-Type: {content_type}\r\n\r\n",
            described(&boundary, upload)
        );
        let end = format!("\r\n--{boundary}--\r\n");
        Self { boundary, chunks: VecDeque::from([head.into(), file, end.into()]) }
    }

    pub(super) fn without_file(boundary: String, upload: &str) -> Self {
        let whole = format!("{}\r\n--{boundary}--\r\n", described(&boundary, upload));
        Self { boundary, chunks: VecDeque::from([whole.into()]) }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    pub(super) fn into_body(self) -> reqwest::Body {
        reqwest::Body::wrap(Chunks(self.chunks))
    }
}

fn described(boundary: &str, upload: &str) -> String {
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"upload\"\r\nContent-Type: application/json\r\n\r\n{upload}"
    )
}

/// One after the other.
struct Chunks(VecDeque<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|chunk| chunk.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(form: &Form) -> Vec<u8> {
        form.chunks.iter().flat_map(|chunk| chunk.to_vec()).collect()
    }

    #[test]
    fn both_parts_stand_in_their_order_and_the_length_is_exact() {
        let form = Form::with_file("b".to_owned(), "{}", Bytes::from_static(b"\r\n--x\0"), "image/png");
        let expected = "--b\r\nContent-Disposition: form-data; name=\"upload\"\r\nContent-Type: application/json\r\n\r\n{}\r\n\
                        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
                        Content-Type: image/png\r\n\r\n\r\n--x\0\r\n--b--\r\n";
        assert_eq!(String::from_utf8_lossy(&whole(&form)), expected);
        assert_eq!(form.len(), expected.len());
        assert_eq!(form.content_type(), "multipart/form-data; boundary=b");
    }

    #[test]
    fn an_upload_by_address_has_one_part() {
        let form = Form::without_file("b".to_owned(), "{}");
        assert_eq!(
            String::from_utf8_lossy(&whole(&form)),
            "--b\r\nContent-Disposition: form-data; name=\"upload\"\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--\r\n"
        );
    }
}
