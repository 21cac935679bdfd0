//! The ledger's read side: C2SP tlog-tiles under `/ledger/`, and proofs by digest or index.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use semper_ledger::{merkle::Hash, reader::Reader, receipt::cose, store::Fault, tile::Resource};

use crate::{
    gzip::gzip,
    problem::{NO_WITNESSES, Problem},
    router::App,
};

/// A full or partial tile never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The checkpoint changes with every commit.
const FRESH: &str = "no-cache";
const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";
const COSE: &str = "application/cose";

/// `GET /ledger/checkpoint`: the newest one; where a quorum of witnesses is asked for, the newest that has it.
pub(crate) async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let note = match app.service.witnesses.as_ref().filter(|witnesses| witnesses.needed()) {
        Some(witnesses) => witnesses.newest().ok_or(Problem::NotWitnessed)?.note.clone(),
        None => app.service.reader().checkpoint().ok_or(Problem::NotFound)?,
    };
    Ok(answer(note, TEXT, FRESH))
}

/// `GET /ledger/vkey`: the log's key, one line.
pub(crate) async fn vkey(State(app): State<Arc<App>>) -> Response {
    answer(format!("{}\n", app.service.reader().vkey()), TEXT, FRESH)
}

/// `GET /ledger/tile/{path}`: tiles and entry bundles. The path is taken as it was sent: each tile has one spelling, and a
/// percent sign stands in none.
pub(crate) async fn tile(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let resource = uri.path().strip_prefix("/ledger/tile/").and_then(Resource::parse).ok_or(Problem::NotFound)?;
    read(&app, move |reader| {
        let bytes = match resource {
            Resource::Tile { id, width } => reader.tile(id, width)?,
            Resource::Entries { index, width } => reader.bundle(index, width)?,
        };
        Ok(bytes.ok_or(Problem::NotFound).map(|bytes| match resource {
            Resource::Tile { .. } => answer(bytes, OCTETS, IMMUTABLE),
            Resource::Entries { .. } => {
                let mut response = answer(gzip(&bytes), OCTETS, IMMUTABLE);
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                response
            }
        }))
    })
    .await
}

/// A query as it was sent, so that whatever is malformed in it is our answer and not the framework's.
type Parameters = Query<Vec<(String, String)>>;

/// The one value of a parameter. Of two, nobody knows which one was meant.
fn parameter<'q>(Query(query): &'q Parameters, name: &str) -> Result<Option<&'q str>, Problem> {
    let mut values = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Problem::BadRequest("give each parameter once")),
    }
}

/// `GET /ledger/proof/inclusion?digest=HEX` or `?index=N`: the receipt under the checkpoint of the entry's own group, the
/// same bytes at every call. With `&wait=witnessed` under the newest checkpoint that a quorum of witnesses has cosigned; an
/// entry that is younger waits for one, for as long as the configuration allows.
pub(crate) async fn inclusion(
    State(app): State<Arc<App>>,
    query: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (digest, index) = match (parameter(&query, "digest")?, parameter(&query, "index")?) {
        (Some(digest), None) => (Some(parse_digest(digest)?), None),
        (None, Some(index)) => (None, Some(parse_number(index)?)),
        _ => return Err(Problem::BadRequest("give either digest= or index=")),
    };
    let wants_cose = wants_cose(&headers);
    match parameter(&query, "wait")? {
        None => {}
        Some("witnessed") if wants_cose => {
            return Err(Problem::BadRequest("a COSE Receipt carries no cosignatures: ask for text/plain"));
        }
        Some("witnessed") => return witnessed(&app, digest, index).await,
        Some(_) => return Err(Problem::BadRequest("wait= takes only: witnessed")),
    }
    read(&app, move |reader| {
        let index = match digest {
            Some(digest) => reader.find_digest(&digest)?,
            None => index,
        };
        let Some(receipt) = index.map(|index| reader.receipt(index)).transpose()?.flatten() else {
            return Ok(Err(Problem::NotFound));
        };
        let identity = reader.identity();
        Ok(Ok(match wants_cose {
            true => varying(answer(receipt.cose(identity), COSE, FRESH)),
            false => varying(answer(receipt.tlog_proof(identity), TEXT, FRESH)),
        }))
    })
    .await
}

/// The receipt under a checkpoint that has its quorum.
async fn witnessed(app: &App, digest: Option<Hash>, index: Option<u64>) -> Result<Response, Problem> {
    let Some(witnesses) = &app.service.witnesses else {
        return Err(Problem::BadRequest(NO_WITNESSES));
    };
    let index = match (digest, index) {
        (Some(digest), _) => found(app, move |reader| reader.find_digest(&digest)).await?,
        (None, Some(index)) if index < app.service.reader().size() => index,
        (None, _) => return Err(Problem::NotFound),
    };
    let newest = witnesses.newest().filter(|newest| newest.head.size > index);
    let witnessed = match newest {
        Some(newest) => newest,
        None => witnesses.wait_for(index).await.ok_or(Problem::NotWitnessed)?,
    };
    let head = witnessed.head.clone();
    let receipt = found(app, move |reader| reader.receipt_under(index, &head)).await?;
    Ok(varying(answer(receipt.tlog_proof_under(witnessed.note.clone()), TEXT, FRESH)))
}

/// What the ledger has, read where it may wait for the disk.
async fn found<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Reader) -> Result<Option<T>, Fault> + Send + 'static,
) -> Result<T, Problem> {
    let reader = app.service.reader().clone();
    let done = tokio::task::spawn_blocking(move || look(&reader)).await;
    let found = done.map_err(|error| Problem::fault(&error))?.map_err(|fault| Problem::fault(&fault))?;
    found.ok_or(Problem::NotFound)
}

/// `GET /ledger/proof/consistency?from=&to=`: one base64 hash a line. As `application/cose` where `to` is the size of a
/// published checkpoint: only that bears a signature.
pub(crate) async fn consistency(
    State(app): State<Arc<App>>,
    query: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (Some(from), Some(to)) = (parameter(&query, "from")?, parameter(&query, "to")?) else {
        return Err(Problem::BadRequest("give from= and to="));
    };
    let (from, to) = (parse_number(from)?, parse_number(to)?);
    if from > to {
        return Err(Problem::BadRequest("from must not exceed to"));
    }
    let wants_cose = wants_cose(&headers);
    read(&app, move |reader| {
        if wants_cose {
            if from == 0 || from == to {
                return Ok(Err(Problem::BadRequest("a COSE receipt needs 0 < from < to")));
            }
            let receipt = reader.consistency_receipt(from, to)?;
            return Ok(receipt.ok_or(Problem::NotFound).map(|receipt| varying(answer(receipt, COSE, FRESH))));
        }
        let path = reader.consistency(from, to)?;
        Ok(path.ok_or(Problem::NotFound).map(|path| {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            let mut text = String::new();
            path.iter().for_each(|hash| {
                let _ = writeln!(text, "{}", STANDARD.encode(hash)); // writing to a string cannot fail
            });
            varying(answer(text, TEXT, FRESH))
        }))
    })
    .await
}

/// Runs `work` where it may wait for the disk.
async fn read(
    app: &App,
    work: impl FnOnce(&Reader) -> Result<Result<Response, Problem>, Fault> + Send + 'static,
) -> Result<Response, Problem> {
    let reader = app.service.reader().clone();
    let done = tokio::task::spawn_blocking(move || work(&reader)).await;
    done.map_err(|error| Problem::fault(&error))?.map_err(|fault| Problem::fault(&fault))?
}

fn parse_digest(text: &str) -> Result<Hash, Problem> {
    let bad = Problem::BadRequest("digest must be 64 hexadecimal digits");
    hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(bad)
}

/// Decimal digits without leading zeros.
fn parse_number(text: &str) -> Result<u64, Problem> {
    let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
    number.ok_or(Problem::BadRequest("not a number of an entry or a tree"))
}

/// The form that `Accept` weighs higher (RFC 9110 §12.5.1); text where it says nothing of COSE, or refuses it.
fn wants_cose(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT);
    let (mut cose_weight, mut text_weight) = (0, 0);
    for kind in accept.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = kind.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = weight.map_or(1_000, weight_of);
        if essence.eq_ignore_ascii_case(COSE) || essence.eq_ignore_ascii_case(cose::MEDIA_TYPE) {
            cose_weight = cose_weight.max(weight);
        } else if essence.eq_ignore_ascii_case("text/plain") {
            text_weight = text_weight.max(weight);
        }
    }
    cose_weight > 0 && cose_weight >= text_weight
}

/// Thousandths; nothing for what is no weight.
fn weight_of(text: &str) -> u32 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    match (whole, decimals.len(), format!("{decimals:0<3}").parse()) {
        ("0", 0..=3, Ok(thousandths)) => thousandths,
        ("1", 0..=3, Ok(0)) => 1_000,
        _ => 0,
    }
}

fn varying(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn answer(body: impl Into<Body>, content_type: &'static str, cache: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    (headers, body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_form() {
        let wants = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(text));
            wants_cose(&headers)
        };
        assert!(wants("application/cose"));
        assert!(wants("text/html, Application/COSE;q=0.5"));
        assert!(wants("application/scitt-receipt+cose"));
        assert!(!wants("text/plain"));
        assert!(!wants("*/*"));
        assert!(!wants("application/cose;q=0, text/plain"));
        assert!(!wants("application/cose; q=0.000"));
        assert!(!wants("application/cose;q=0.4, text/plain;q=0.5"));
        assert!(!wants("application/cose;q=soon"));
        assert!(wants("text/plain;q=0.4, application/cose;v=1;q=0.5"));
        assert!(wants("application/cose, text/plain"));
        assert!(!wants_cose(&HeaderMap::new()));
    }

    #[test]
    fn numbers_are_digits_and_fit() {
        assert_eq!(parse_number("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse_number("0"), Ok(0));
        for text in ["", "-1", "+1", "18446744073709551616", "1.0", " 1", "01", "0001", "00"] {
            assert!(parse_number(text).is_err(), "{text:?}");
        }
        assert!(parse_digest(&"0".repeat(64)).is_ok());
        assert!(parse_digest(&"0".repeat(62)).is_err());
        assert!(parse_digest(&"g".repeat(64)).is_err());
    }
}
