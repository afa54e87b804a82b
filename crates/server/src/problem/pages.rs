//! The pages of the codes as plain HTML, at the address that each problem's `type` names.

use std::fmt::Write;

use actix_web::http::header;
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpResponse, Responder};

use super::{Problem, codes};
use crate::resource::at;

/// Registers `/docs/errors` and `/docs/errors/{code}`; must come before the Swagger UI, which takes all of `/docs/`.
pub fn pages(service: &mut ServiceConfig) {
    service.service(at("/docs/errors").get(index)).service(at("/docs/errors/{code}").get(page));
}

async fn index() -> impl Responder {
    let mut list = String::from("<h1>Error codes</h1>\n<table>\n");
    for code in codes::ALL {
        writeln!(
            list,
            "<tr><td><a href=\"errors/{name}\">{name}</a></td><td>{status}</td><td>{title}</td></tr>",
            name = code.name,
            status = code.status,
            title = escaped(code.title)
        )
        .expect("writing to a string cannot fail");
    }
    list.push_str("</table>\n");
    html("Error codes", &list)
}

async fn page(code: Path<String>) -> Result<impl Responder, Problem> {
    let code = codes::find_code(&code).ok_or_else(Problem::not_found)?;
    Ok(html(code.name, &rendered(code.page)))
}

fn html(title: &str, body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <style>body{{font:1rem/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}\
             pre{{background:#f3f3f3;padding:1rem;overflow:auto}}td{{padding:0 1rem 0 0}}</style>\n{body}</html>\n"
        ))
}

/// The little Markdown that the pages use: headings, fenced blocks, paragraphs of one line and code spans.
fn rendered(markdown: &str) -> String {
    let mut html = String::new();
    let mut in_fence = false;
    for line in markdown.lines() {
        let text = escaped(line);
        if line.starts_with("```") {
            in_fence = !in_fence;
            html.push_str(if in_fence { "<pre>" } else { "</pre>\n" });
        } else if in_fence {
            html.push_str(&text);
            html.push('\n');
        } else if let Some(heading) = text.strip_prefix("## ") {
            html.push_str(&format!("<h2>{heading}</h2>\n"));
        } else if let Some(heading) = text.strip_prefix("# ") {
            html.push_str(&format!("<h1>{heading}</h1>\n"));
        } else if !text.is_empty() {
            html.push_str(&format!("<p>{}</p>\n", with_code_spans(&text)));
        }
    }
    html
}

fn with_code_spans(text: &str) -> String {
    let mut html = String::new();
    for (position, part) in text.split('`').enumerate() {
        match position % 2 {
            1 => html.push_str(&format!("<code>{part}</code>")),
            _ => html.push_str(part),
        }
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, body::to_bytes};

    use super::*;

    #[actix_web::test]
    async fn every_code_has_a_page_that_opens() {
        let app = init_service(App::new().configure(pages)).await;
        for code in codes::ALL {
            let request = TestRequest::with_uri(&format!("/docs/errors/{}", code.name)).to_request();
            let response = call_service(&app, request).await;
            assert_eq!(response.status(), 200, "{code:?}");
            let body = read_body(response).await;
            assert!(String::from_utf8_lossy(&body).contains(&format!("<h1>{}</h1>", code.name)));
        }
        let absent = call_service(&app, TestRequest::with_uri("/docs/errors/NO_SUCH").to_request()).await;
        assert_eq!(absent.status(), 404);
    }

    #[actix_web::test]
    async fn the_index_links_to_every_code() {
        let app = init_service(App::new().configure(pages)).await;
        let response = call_service(&app, TestRequest::with_uri("/docs/errors").to_request()).await;
        let body = to_bytes(response.into_body()).await.unwrap();
        let body = String::from_utf8_lossy(&body);
        assert!(codes::ALL.iter().all(|code| body.contains(&format!("href=\"errors/{}\"", code.name))));
    }

    #[test]
    fn pages_cannot_carry_markup() {
        assert_eq!(rendered("a <b> `c&d`\n"), "<p>a &lt;b&gt; <code>c&amp;d</code></p>\n");
    }
}
