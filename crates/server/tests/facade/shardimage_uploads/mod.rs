//! Uploads as Shardimage's SDK makes them, with a real target behind them.

mod refusals;
mod related;
mod target;
mod uses;

use actix_web::test::TestRequest;
use countermark_core::{Dialect, UploadExtra};
use countermark_domain::{Draft, Expiry, Outcome, PurposeDraft};
use countermark_server::config::Config;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation};
use related::Related;
use target::Target;

/// A service with a target, and how to upload to it.
pub struct Uploads {
    pub installation: Installation,
    pub target: Target,
}

/// An upload token of this dialect.
pub struct Token {
    pub id: String,
    pub value: String,
}

impl Uploads {
    /// With a target that answers each upload with this status and body.
    pub async fn answered(status: u16, body: &'static str) -> Self {
        Self::with(Target::answering(status, body)).await
    }

    pub async fn with(target: Target) -> Self {
        Self::configured(target, |_| {}).await
    }

    pub async fn configured(target: Target, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.facades.shardimage_upload_target = Some(target.url());
        change(&mut config);
        Self { installation: Installation::configured(&config).await, target }
    }

    pub async fn token(&self, limit: Option<u64>, extra: UploadExtra) -> Token {
        self.token_of(Dialect::Shardimage, limit, None, extra).await
    }

    pub async fn token_of(
        &self,
        dialect: Dialect,
        limit: Option<u64>,
        expiry: Option<Expiry>,
        extra: UploadExtra,
    ) -> Token {
        let service = &self.installation.state.service;
        let caller =
            service.authenticate_in(dialect, &self.installation.admin, "tokens:write", None).await.unwrap();
        let draft = Draft {
            name: None,
            description: None,
            owner: Some("shop".into()),
            labels: Default::default(),
            enabled: true,
            not_before: None,
            expiry,
            limit,
            notify: None,
            auto_delete: false,
            recoverable: false,
            dialect,
            purpose: PurposeDraft::Upload { value: None, extra: Box::new(extra) },
        };
        let Outcome::Done(issued) = service.issue(&caller, draft, None).await.unwrap() else {
            panic!("done before")
        };
        Token { id: issued.token.terms.id.to_string(), value: issued.value.unwrap().to_string() }
    }

    /// Uses that the token has taken.
    pub async fn used(&self, token: &Token) -> u64 {
        let path = format!("/v1/access-tokens/{}", token.id);
        self.installation.get(&self.installation.admin, &path).await.body["used"].as_u64().unwrap()
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        self.installation.send(request).await
    }

    /// A whole upload of a file.
    pub async fn upload(&self, token: &Token) -> Answer {
        self.send(Related::new(&token.value).request()).await
    }

    /// One by address.
    pub async fn remote(&self, token: &Token) -> Answer {
        self.send(remote(&token.value, json!({"resource": "https://example.com/cat.png", "publicId": "cat"})))
            .await
    }
}

pub fn remote(value: &str, body: Value) -> TestRequest {
    TestRequest::post()
        .uri("/upload/v1/c/mycloud/remote")
        .insert_header(("x-shardimage-auth-token", value))
        .insert_header(("content-type", "application/json; charset=utf-8"))
        .set_payload(body.to_string())
}

/// Status and code of an error, which must have the dialect's shape.
pub fn refusal(answer: &Answer) -> (u16, u64) {
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    assert_eq!(answer.body["success"], false, "{answer:?}");
    let error = &answer.body["error"];
    let message = error["message"].as_object().map_or(error["message"].is_string(), |it| !it.is_empty());
    assert!(error["type"].is_string() && message, "{error}");
    (answer.status, error["code"].as_u64().unwrap())
}
