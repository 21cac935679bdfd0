//! What a client can learn of the service: `/.well-known/semper`, CA certificates and CRLs.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use semper_ttp::{asn1::pem, notary::ActType, notice::EXPIRING, time::Timestamp};
use serde_json::json;

use crate::{problem::Problem, router::App};

/// `GET /.well-known/semper`.
pub(crate) async fn semper(State(app): State<Arc<App>>) -> Response {
    let service = &app.service;
    let reader = service.reader();
    let endpoints: Vec<_> = service
        .endpoints
        .iter()
        .map(|endpoint| {
            let endpoint = endpoint.load();
            let settings = endpoint.endpoint.settings();
            json!({
                "path": settings.name,
                "algorithm": endpoint.signer.algorithm().name(),
                "key": endpoint.endpoint.tsu().key().to_string(),
                "default_policy": settings.default_policy.to_string(),
                "policies": settings.accepted_policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "hashes": settings.hashes.iter().map(|hash| hash.name()).collect::<Vec<_>>(),
                "accuracy_micros": settings.accuracy.micros(),
                "qualified": settings.qualified,
            })
        })
        .collect();
    let assumed = service.time.name() == "assumed";
    let health = service.time.health();
    // Traceable to UTC is a time whose laboratories are named (EN 319 421 TIS-7.7.1-04), by a clock that is good now.
    let named = service.description["utc_laboratories"].as_array().is_some_and(|names| !names.is_empty());
    let document = json!({
        "service": service.description,
        "ledger": {
            "origin": reader.identity().origin(),
            "vkey": reader.vkey().to_string(),
            "receipt_key": hex::encode(p256_spki(&reader.identity().receipt_key)),
            "path": "/ledger/",
        },
        "timestamping": endpoints,
        "clock": {
            "source": service.time.name(),
            "state": health.state.name(),
            "traceable": !assumed && named && health.bound.is_some(),
            "notice": if assumed {
                "TEST SERVICE: the machine's clock is believed without any check; its timestamps prove nothing"
            } else {
                "disciplined by the operator's time service; the kernel states synchronisation and error"
            },
        },
        "notary": service.notary.as_ref().map(|notary| {
            let settings = &notary.settings;
            json!({
                "acts": "/v1/notary/acts",
                "kinds": ActType::asked_for().collect::<Vec<_>>(),
                "officer_decides": ActType::asked_for().filter(|kind| settings.officer_decides(*kind)).collect::<Vec<_>>(),
                "days_open": settings.life_secs / (24 * 60 * 60),
                // Of all documents of a request together.
                "document_bytes_max": settings.document_bytes_max,
                "data_validation": {
                    "path": "/dvcs",
                    "policy": settings.dvcs.policy.to_string(),
                    "policy_with_token": settings.dvcs.policy_with_token.as_ref().map(ToString::to_string),
                    "signed_requests_only": settings.dvcs.signed_only,
                },
            })
        }),
        "exchange": service.arbiter().map(|arbiter| {
            json!({
                "path": "/v1/exchanges/",
                // What it gives, said before anybody signs: strong with an end that keeps to δ, or without an end.
                "protocols": {
                    "asw-r": { "fairness": "strong" },
                    // Whether the content is what was promised, the arbiter never sees.
                    "cd-r": {
                        "fairness": "strong",
                        "of_content": "weak",
                        // Who submits a delivery gets evidence of each step of it.
                        "registered": arbiter.delivery.map(|delivery| json!({
                            "path": "/v1/deliveries",
                            "notices": service.mailbox().is_some(),
                            "retention_ms": delivery.retention_ms,
                            "open_max_ms": delivery.open_max_ms,
                            "notice_ms": delivery.notice_ms,
                            "late_counts": delivery.late_counts,
                        })),
                    },
                    // What it is worth follows from the two descriptions, and stands in the proposal.
                    "inline": arbiter.inline.map(|(inline, item_bytes_max)| json!({
                        "path": "/v1/exchanges",
                        "modes": ["content", "sealed"],
                        "item_bytes_max": item_bytes_max,
                        "retention_ms": inline.retention_ms,
                        "open_max_ms": inline.open_max_ms,
                        "predicates": inline.predicates,
                    })),
                },
                "policy": arbiter.policy,
                "delta_ms": arbiter.delta_ms,
                "key": arbiter.key.to_string(),
                "thumbprint": arbiter.thumbprint,
                "certificate": pem::encode("CERTIFICATE", &arbiter.certificate),
                "escrow": arbiter.escrow.map(|escrow| {
                    json!({
                        "key": escrow.key.to_string(),
                        "thumbprint": escrow.thumbprint,
                        "certificate": pem::encode("CERTIFICATE", &escrow.certificate),
                    })
                }),
            })
        }),
        "payments": service.arbiter().filter(|_| service.has_rails()).map(|_| {
            json!({
                "path": "/v1/payments",
                "protocols": {
                    // What a hand brings the arbiter never sees.
                    "pg": { "fairness": { "digital": "strong", "physical": "weak" } },
                    "pr": { "fairness": "strong" },
                },
                "rails": service.rails().map(|(name, class, is_simulated)| {
                    json!({ "name": name.as_str(), "class": class.name(), "real_money": !is_simulated })
                }).collect::<Vec<_>>(),
            })
        }),
        "statements": { "practice": "/.well-known/semper/cps", "disclosure": "/.well-known/semper/pds" },
        "registration": {
            "path": "/v1/registrations",
            "terms": { "path": "/v1/terms", "sha256": service.register.terms_digest.to_string() },
            "profiles": service.policies().applied_for().map(|profile| {
                json!({
                    "name": profile.name(),
                    "title": profile.title(),
                    "sha256": profile.digest().to_string(),
                    "keys": profile.keys().iter().map(|kind| kind.name()).collect::<Vec<_>>(),
                    "life_days": profile.life_days(),
                    "officers": profile.officers(),
                })
            }).collect::<Vec<_>>(),
        },
        // By this key a holder knows that a notice is ours; of one that was followed no notice is signed any more.
        "webhooks": service.notices.as_ref().map(|notices| {
            let (key, public_key) = notices.described();
            json!({ "key": key.to_string(), "public_key": public_key, "types": [EXPIRING] })
        }),
        "authorities": service.authorities.all().iter().map(|held| {
            let name = held.key.ca.place();
            json!({
                "name": name,
                "certificate": format!("/ca/{name}.cer"),
                "crl": format!("/crl/{name}.crl"),
                // Where certificates name lists of their own, that of all follows them later.
                "crl_shards": held.key.shards,
            })
        }).collect::<Vec<_>>(),
    });
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Json(document)).into_response()
}

/// `GET /.well-known/semper/cps`: the certification practice statement.
pub(crate) async fn practice(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    statement(&app.service.statements.practice, &headers)
}

/// `GET /.well-known/semper/pds`: the PKI disclosure statement.
pub(crate) async fn disclosure(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    statement(&app.service.statements.disclosure, &headers)
}

fn statement(text: &str, headers: &HeaderMap) -> Response {
    let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
    cached(bytes, "text/markdown; charset=utf-8", "public, max-age=300", None, headers)
}

/// SubjectPublicKeyInfo of a P-256 key (RFC 5480 §2), the form in which genesis has it, too.
fn p256_spki(point: &[u8]) -> Vec<u8> {
    const HEAD: [u8; 26] =
        *b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    [&HEAD[..], point].concat()
}

/// `GET /ca/<name>.cer`.
pub(crate) async fn certificate(
    State(app): State<Arc<App>>,
    file: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What is no text is no name of ours.
    let Path(file) = file.map_err(|_| Problem::NotFound)?;
    let name = file.strip_suffix(".cer").ok_or(Problem::NotFound)?;
    let der = app.service.authorities.certificate(name).ok_or(Problem::NotFound)?;
    Ok(cached(der, "application/pkix-cert", "public, max-age=86400", None, &headers))
}

/// `GET /crl/<name>.crl`: the newest list; `GET /crl/sha256/<digest>.crl`: any that there ever was.
pub(crate) async fn crl(
    State(app): State<Arc<App>>,
    file: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What is no text is no name of ours.
    let Path(file) = file.map_err(|_| Problem::NotFound)?;
    let name = file.strip_suffix(".crl").ok_or(Problem::NotFound)?;
    if let Some(digest) = name.strip_prefix("sha256/") {
        let digest = digest.parse().map_err(|_| Problem::NotFound)?;
        let der = tokio::task::spawn_blocking(move || app.service.list_of_digest(&digest)).await;
        let der = der.ok().and_then(Result::ok).flatten().ok_or(Problem::NotFound)?;
        return Ok(cached(der.into(), "application/pkix-crl", "public, max-age=31536000, immutable", None, &headers));
    }
    let (der, this_update) = app.service.authorities.crl(name).ok_or(Problem::NotFound)?;
    Ok(cached(der, "application/pkix-crl", "public, max-age=300", Some(this_update), &headers))
}

/// IMF-fixdate (RFC 9110 §5.6.7).
pub(crate) fn http_date(at: Timestamp) -> String {
    at.to_chrono().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// With a strong ETag over the bytes, Last-Modified where `modified` is known, and 304 for a client that has them
/// (RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since).
pub(crate) fn cached(
    der: bytes::Bytes,
    content_type: &'static str,
    cache: &'static str,
    modified: Option<Timestamp>,
    headers: &HeaderMap,
) -> Response {
    let etag = format!("\"{}\"", semper_ttp::digest::Digest::of(&der));
    let modified = modified.map(http_date);
    let known = match headers.get(header::IF_NONE_MATCH) {
        Some(tags) => names_etag(tags, &etag),
        // The very date that was sent: whoever kept a copy sends it back, and no other can be trusted to the second.
        None => {
            headers.get(header::IF_MODIFIED_SINCE).is_some_and(|at| modified.as_deref().is_some_and(|due| at == due))
        }
    };
    let mut response = Response::new(if known { Body::empty() } else { Body::from(der) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::ETAG, HeaderValue::try_from(etag).expect("hexadecimal digits"));
    if let Some(modified) = modified {
        headers.insert(header::LAST_MODIFIED, HeaderValue::try_from(modified).expect("a date is ASCII"));
    }
    response
}

/// Whether an If-None-Match names `etag`: any, or a list that holds it. A weak tag of the same bytes is as good.
pub(crate) fn names_etag(tags: &HeaderValue, etag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.trim() == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_names_what_it_has() {
        let named = |text: &'static str| names_etag(&HeaderValue::from_static(text), "\"ab\"");
        for tags in ["\"ab\"", "*", " * ", "\"cd\", \"ab\"", "W/\"ab\"", "\"cd\",W/\"ab\""] {
            assert!(named(tags), "{tags}");
        }
        for tags in ["", "ab", "\"cd\"", "**", "\"ab"] {
            assert!(!named(tags), "{tags}");
        }
    }
}
