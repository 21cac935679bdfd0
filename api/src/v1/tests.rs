use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::server::{Peer, RequestId};

/// What `/v1` answers here, where nothing needs the service.
async fn ask(method: Method, path: &str, router: Router) -> (Response, Value) {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert((Peer([192, 0, 2, 1].into()), RequestId(7)));
    let mut response = below(router).oneshot(request).await.unwrap();
    let body = to_bytes(std::mem::take(response.body_mut()), 1 << 20).await.unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body:?}"));
    (response, json)
}

/// The routes of `/v1`, and some that raise what extractors and handlers may.
fn router() -> Router {
    async fn none(_: Caller) {}
    Router::new()
        .route("/me", get(none))
        .route("/number/{number}", get(|_: Path<u32>| async {}))
        .route("/json", axum::routing::post(|_: Json<Value>| async {}))
        .route("/fault", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "a secret")))
        .route("/busy", get(async || Problem::new(Code::ServerBusy, "the queue is full")))
}

#[tokio::test]
async fn every_error_is_problem_details() {
    let table = [
        (Method::GET, "/v1/me", 401, "auth.required"),
        (Method::GET, "/v1/none", 404, "http.not_found"),
        (Method::GET, "/v1", 404, "http.not_found"),
        (Method::GET, "/v1/", 404, "http.not_found"),
        (Method::POST, "/v1/me", 405, "http.method"),
        (Method::GET, "/v1/number/x", 400, "http.malformed"),
        (Method::POST, "/v1/json", 415, "http.media_type"),
        (Method::GET, "/v1/fault", 500, "server.fault"),
        (Method::GET, "/v1/busy", 429, "server.busy"),
    ];
    for (method, path, status, code) in table {
        let (response, problem) = ask(method, path, router()).await;
        assert_eq!((response.status().as_u16(), &problem["code"]), (status, &Value::from(code)), "{path}");
        assert_eq!(problem["status"], status, "{path}");
        assert_eq!(problem["type"], format!("/problems/{code}"), "{path}");
        assert_eq!(problem["instance"], "7", "{path}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{path}");
        assert!(!problem.to_string().contains("secret"), "{path}: what went wrong here is not shown");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header(header::CONTENT_TYPE), Some("application/problem+json"), "{path}");
        assert_eq!(header(header::CACHE_CONTROL), Some("no-store"), "{path}");
        assert_eq!(header(header::ALLOW).is_some(), status == 405, "{path}");
        assert_eq!(header(header::WWW_AUTHENTICATE).is_some(), status == 401, "{path}");
        assert_eq!(header(header::RETRY_AFTER).is_some(), status == 429, "{path}");
    }
}
