//! Acts: that a document with this hash existed. Nobody has to decide about them.

use std::net::SocketAddr;

use semper_api::client::Client;
use semper_ttp::asn1::pem;
use semper_ttp::b64u::B64u;
use semper_ttp::notary::ActType;
use semper_ttp::notary::request::{ActRequest, RequestedDocument, Tag, Version};
use semper_ttp::statement::Salt;
use semper_ttp::statement::act::DocumentRole;
use semper_ttp::verify::act::{ActEvidence, ShownDocument, verify_act};
use semper_ttp::x509::Certificate;
use serde_json::Value;

use super::template::MARK;
use super::{Answer, Asked, Bench, Failed, Sample, Template, verified};

pub(super) const ASKED: Asked = Asked {
    template,
    is_good,
    verify,
    is_by_party: true,
    conditions: "POST /v1/notary/acts of a party with its client certificate, kind existence, one document by its hash, distinct \
                 requests, made before but for their numbers",
    series: 1,
};

/// Octets whose base64url is the mark and then `A`s.
fn marked<const N: usize>() -> Result<B64u<N>, Failed> {
    let text = String::from_utf8_lossy(MARK);
    Ok(format!("{text:A<width$}", width = (N * 4).div_ceil(3)).parse()?)
}

fn template(host: SocketAddr) -> Result<Template, Failed> {
    let document = RequestedDocument { sha256: marked()?, role: DocumentRole::Original, title: None, media_type: None };
    let request = ActRequest {
        t: Tag::Request,
        v: Version,
        salt: Salt(marked()?),
        kind: ActType::Existence,
        documents: vec![document],
        signers: Vec::new(),
        name: None,
        address: None,
        dvc: None,
        correction_of: None,
    };
    let (before, request) = ("{\"act\":", serde_json::to_string(&request)?);
    let asked = before.len()..before.len() + request.len();
    let head = format!(
        "POST /v1/notary/acts HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nidempotency-key: {}\r\n",
        String::from_utf8_lossy(MARK)
    );
    // The key, the salt, the document's hash.
    Template::new(&head, format!("{before}{request}}}").as_bytes(), asked, 3)
}

fn is_good(answer: &Answer<'_>) -> bool {
    let is_performed = |text: &str| text.contains("\"state\":\"performed\"");
    answer.status == 201 && std::str::from_utf8(answer.body).is_ok_and(is_performed)
}

/// The record, what it names, and its receipt.
fn verify(bench: &Bench, Sample { asked, answer }: &Sample) -> Result<(), Failed> {
    let told: Value = serde_json::from_slice(answer)?;
    let place = told["record"].as_str().ok_or_else(|| Failed(format!("an act without a record: {told}")))?;
    let client = Client::with_identity(&format!("https://{}", bench.https), &bench.party)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let get = |path: &str, media_type| runtime.block_on(client.get_of_type(path, media_type));
    let act = get(place, "application/jose")?;
    let chain = get(&place.replace("/record", "/certificates"), "application/pem-certificate-chain")?;
    let chain = pem::decode("CERTIFICATE", &String::from_utf8_lossy(&chain)).unwrap_or_default();
    let certificates = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    let documents = ActRequest::parse(asked)?.documents;
    // How long they are the record does not say.
    let shown = documents.iter().map(|document| ShownDocument { sha256: document.sha256.into(), bytes: 0 });
    let evidence = ActEvidence {
        report: None,
        act: &act,
        certificates: &certificates,
        documents: &shown.collect::<Vec<_>>(),
        request: Some(asked),
        dvc: None,
        signatures: &[],
        personal: None,
        proof: Some(&bench.proof(&act)?),
    };
    let report = verify_act(&evidence, &bench.trust);
    verified("an act", report.verdict, || report.to_json())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_request_is_another_and_one_that_the_server_reads() {
        let mut template = template(SocketAddr::from(([127, 0, 0, 1], 443))).ok().unwrap();
        let mut seen = HashSet::new();
        for number in [1, 2, u64::MAX] {
            let sent = template.numbered(number).to_vec();
            let request = ActRequest::parse(template.asked()).unwrap();
            assert_eq!(request.kind, ActType::Existence);
            assert!(seen.insert(request.subject().to_string()) && seen.insert(request.salt.0.to_string()));
            let sent = String::from_utf8(sent).unwrap();
            assert!(sent.contains(&format!("\r\nidempotency-key: {number:016x}\r\n")), "{sent}");
            let body: Value = serde_json::from_str(sent.split_once("\r\n\r\n").unwrap().1).unwrap();
            assert_eq!(body["act"]["salt"], request.salt.0.to_string());
        }
    }

    #[test]
    fn only_what_was_performed_is_good() {
        for (status, body, good) in [
            (201, "{\"act\":\"x\",\"state\":\"performed\"}", true),
            (200, "{\"act\":\"x\",\"state\":\"performed\"}", false),
            (201, "{\"act\":\"x\",\"state\":\"refused\"}", false),
            (503, "", false),
        ] {
            assert_eq!(is_good(&Answer { status, body: body.as_bytes() }), good, "{status} {body}");
        }
    }
}
