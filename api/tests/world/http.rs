//! Requests to a service without a network: what a listener would hand on.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, extract::Request};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use semper_api::{
    Service,
    router::{App, BodyLimits, plain, secure},
    server::{Peer, RequestId},
    tls::ClientCertificate,
};
use semper_ttp::x509::Certificate;
use serde_json::Value;
use tower::ServiceExt;

/// What is asked.
pub(crate) struct Asked {
    request: http::request::Builder,
    body: Vec<u8>,
    is_plain: bool,
}

impl Asked {
    /// Over HTTPS.
    pub(crate) fn secure(method: &str, path: &str) -> Self {
        Self { request: Request::builder().method(method).uri(path), body: Vec::new(), is_plain: false }
    }

    /// Without TLS.
    pub(crate) fn plain(method: &str, path: &str) -> Self {
        Self { is_plain: true, ..Self::secure(method, path) }
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    /// With a body, and a key under which a repetition is known.
    pub(crate) fn json(self, key: &str, body: &str) -> Self {
        let asked = self.with("content-type", "application/json").with("idempotency-key", key);
        Self { body: body.into(), ..asked }
    }

    /// With a body of any type.
    pub(crate) fn octets(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    /// By the holder of this certificate.
    pub(crate) fn by(self, certificate: &Certificate) -> Self {
        Self { request: self.request.extension(ClientCertificate(Arc::new(certificate.clone()))), ..self }
    }
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

/// The lines of the operators' `/metrics`.
pub(crate) async fn metrics(service: &Arc<Service>) -> Vec<String> {
    let request = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    let answer = semper_api::admin::routes(service.clone()).oneshot(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) async fn ask(service: &Arc<Service>, asked: Asked) -> Answer {
    let limits = BodyLimits { body_bytes_max: 1 << 16, body_read_timeout: Duration::from_secs(10) };
    let app = Arc::new(App { service: service.clone(), limits });
    let mut request = asked.request.body(Body::from(asked.body)).unwrap();
    request.extensions_mut().insert((Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)), RequestId(1)));
    let (method, path) = (request.method().clone(), request.uri().to_string());
    let router = if asked.is_plain { plain(app) } else { secure(app) };
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    if path.starts_with("/v1") && method != http::Method::HEAD {
        super::openapi::judge(method.as_str(), &path, head.status, &head.headers, &body);
    }
    Answer { status: head.status, headers: head.headers, body }
}

/// The JSON of an answer with this status.
#[track_caller]
pub(crate) fn json(answer: &Answer, status: StatusCode) -> Value {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.headers[header::CONTENT_TYPE].to_str().unwrap().ends_with("json"), "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}
