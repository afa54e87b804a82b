//! A whole service over a fresh SQLite database, with a clock and random bytes that tests control.

use std::sync::Arc;

use actix_web::App;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, Data};
use countermark_core::UnixSeconds;
use countermark_domain::Service;
use countermark_domain::cache::Cache;
use countermark_domain::clock::{FixedClock, Timekeeper};
use countermark_domain::rng::{Rng, SeededRng};
use countermark_domain::store::Position;
use countermark_server::config::Config;
use countermark_server::request_id::RequestIds;
use countermark_server::resource::unknown_path;
use countermark_server::respond::Respond;
use countermark_server::{app::routes, state::AppState};
use countermark_store::{Location, MasterKey, Settings};
use serde_json::Value;

/// When every test begins.
pub const NOW: u64 = 1_800_000_000;

/// The service and the value of its first administrator.
pub struct Installation {
    pub state: Data<AppState>,
    pub clock: FixedClock,
    pub admin: String,
    pub admin_id: String,
    _directory: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: web::Bytes,
    /// Null if the body is no JSON.
    pub body: Value,
}

impl Installation {
    pub async fn new() -> Self {
        Self::configured(&Config::default()).await
    }

    pub async fn configured(config: &Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rng = Arc::new(SeededRng::new(7));
        let cache = Arc::new(Cache::new(1000, Position::default()));
        let of_store = Arc::clone(&rng);
        let settings = Settings {
            master_key: MasterKey::new([7; 32]),
            fill_random: Arc::new(move |bytes| of_store.fill(bytes)),
            listener: Arc::clone(&cache) as _,
        };
        let location = Location::Sqlite(directory.path().join("countermark.db"));
        let store = countermark_store::open(&location, settings).await.unwrap();
        let clock = FixedClock::at(NOW);
        let time = Arc::new(Timekeeper::new(Box::new(clock.clone()), UnixSeconds::default()));
        let service = Arc::new(Service::new(store, cache, time, rng));
        let admin = service.bootstrap(None).await.unwrap().unwrap();
        let state = AppState::new(service, config);
        Self {
            state,
            clock,
            admin: admin.value.unwrap().to_string(),
            admin_id: admin.token.terms.id.to_string(),
            _directory: directory,
        }
    }

    /// Sends one request as it is.
    pub async fn send(&self, request: TestRequest) -> Answer {
        let ids = RequestIds::new(1);
        let app = App::new()
            .app_data(ids.clone())
            .configure(routes(self.state.clone(), false, true))
            .default_service(web::to(unknown_path))
            .wrap(Respond::new(ids, "https://cm.example"));
        let answer = call_service(&init_service(app).await, request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = read_body(answer).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, bytes, body }
    }

    /// Sends a request with this key, and a body unless it is null.
    pub async fn call(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        self.send(request(key, method, path, body)).await
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(key, "GET", path, Value::Null).await
    }

    /// Issues a token, which must succeed; the record with its secret half.
    pub async fn issue(&self, key: &str, body: Value) -> Value {
        let answer = self.call(key, "POST", "/v1/access-tokens", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body
    }

    /// Issues an API key as administrator; its id and value.
    pub async fn key(&self, body: Value) -> (String, String) {
        let mut body = body;
        body["type"] = "apiKey".into();
        let record = self.issue(&self.admin, body).await;
        (text(&record["id"]), text(&record["value"]))
    }
}

impl Answer {
    /// Status, code, and the pointer of the first member at fault.
    pub fn refusal(&self) -> (u16, &str, &str) {
        let pointer = self.body["errors"][0]["pointer"].as_str().unwrap_or("");
        (self.status, self.body["code"].as_str().unwrap_or(""), pointer)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn request(key: &str, method: &str, path: &str, body: Value) -> TestRequest {
    let request = TestRequest::with_uri(path)
        .method(method.parse().unwrap())
        .insert_header(("authorization", format!("Bearer {key}")));
    match body {
        Value::Null => request,
        body => request.insert_header(("content-type", "application/json")).set_payload(body.to_string()),
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
