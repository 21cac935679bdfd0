//! Data validation certificates (RFC 3029) of the service ccpd: that somebody claims to have data with this hash.

use std::net::SocketAddr;

use semper_ttp::asn1::Imprint;
use semper_ttp::cms::SIGNED_DATA;
use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::notary::dvcs::request::build;
use semper_ttp::notary::dvcs::{self, Accepted};
use semper_ttp::verify::Document;
use semper_ttp::verify::dvc::{DvcEvidence, verify_dvc};

use super::template::MARK;
use super::{Answer, Asked, Bench, Failed, Sample, Template, verified};

pub(super) const ASKED: Asked = Asked {
    template,
    is_good,
    verify,
    is_by_party: false,
    conditions: "POST /dvcs of anybody: no client certificate, requests not signed; distinct hashes and nonces, made before but for \
                 their numbers",
    series: 2,
};

fn template(host: SocketAddr) -> Result<Template, Failed> {
    let mut digest = [0; 32];
    digest[..MARK.len()].copy_from_slice(MARK);
    let unfit = || Failed("a SHA-256 hash of another length".to_owned());
    let imprint = Imprint::new(ImprintAlgorithm::Sha256, &digest).ok_or_else(unfit)?;
    let request = build(&dvcs::Asked::Claim(imprint), Some(MARK));
    let head = format!("POST /dvcs HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/dvcs\r\n");
    // The nonce and the hash.
    Template::new(&head, &request, 0..request.len(), 2)
}

/// ContentInfo with SignedData; that of an error notice is another.
fn is_good(answer: &Answer<'_>) -> bool {
    let content = match answer.body {
        [0x30, 0x82, _, _, content @ ..] => content,
        _ => &[],
    };
    answer.status == 200 && content.starts_with(&SIGNED_DATA)
}

/// The certificate with its request and its receipt.
fn verify(bench: &Bench, Sample { asked, answer }: &Sample) -> Result<(), Failed> {
    let request = dvcs::parse(asked, &Accepted::everything()).map_err(|refused| Failed(refused.refusal.to_string()))?;
    let imprint = request.asked.imprint(ImprintAlgorithm::Sha256);
    let evidence = DvcEvidence {
        dvc: answer,
        request: Some(asked),
        document: Some(Document::Imprint { algorithm: imprint.algorithm, digest: &imprint.digest }),
        certificates: None,
        proof: Some(&bench.proof(answer)?),
    };
    let report = verify_dvc(&evidence, &bench.trust);
    verified("a data validation certificate", report.verdict, || report.to_json())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use semper_ttp::notary::dvcs::{StatusInfo, notice};

    use super::*;

    #[test]
    fn every_request_is_another_and_one_that_the_server_reads() {
        let mut template = template(SocketAddr::from(([127, 0, 0, 1], 443))).ok().unwrap();
        let mut seen = HashSet::new();
        for number in [1, 2, u64::MAX] {
            template.numbered(number);
            let request = dvcs::parse(template.asked(), &Accepted::everything()).unwrap();
            let imprint = request.asked.imprint(ImprintAlgorithm::Sha256);
            assert!(seen.insert(imprint.digest) && seen.insert(request.information.nonce.unwrap()));
        }
    }

    #[test]
    fn an_error_notice_is_no_certificate() {
        let signed = [&[0x30, 0x82, 0, 11][..], &SIGNED_DATA].concat();
        assert!(is_good(&Answer { status: 200, body: &signed }) && !is_good(&Answer { status: 503, body: &signed }));
        let notice = notice(&StatusInfo::granted(), None);
        let long = [&[0x30, 0x82, 0, 11][..], &notice[2..]].concat();
        assert!([&notice, &long].iter().all(|body| !is_good(&Answer { status: 200, body })));
        assert!(!is_good(&Answer { status: 200, body: b"" }));
    }
}
