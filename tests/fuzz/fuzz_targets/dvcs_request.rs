#![no_main]
//! What anyone may post to `/dvcs`: what is read is repeated to the octet in the answer, and that is read again as the same.
use semper_ttp::digest::ImprintAlgorithm;
use semper_ttp::notary::dvcs::request::{Accepted, Asked};
use semper_ttp::notary::dvcs::types::{PolicyInformation, Response};
use semper_ttp::notary::dvcs::{Answer, DvcContent, DvcSerial, Finding, Grant, StatusInfo, parse};
use semper_ttp::time::Timestamp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = parse(bytes, &Accepted { bytes_max: 65_536, ..Accepted::everything() }) else { return };
    let status = StatusInfo::granted();
    let answer = Answer { status: status.clone(), evidence: Vec::new() };
    let finding = match &request.asked {
        Asked::Claim(_) | Asked::Possession(_) => Finding::Received,
        Asked::SignedDocument(_) => Finding::Signatures { status, certificates: Vec::new() },
        Asked::Certificates { targets, .. } => {
            Finding::Certificates { status, answers: vec![answer; targets.len()] }
        }
    };
    let grant = Grant {
        serial: DvcSerial::new(1, [1; 16]).expect("a serial number"),
        now: Timestamp::from_millis(1_772_366_400_250),
        time_token: None,
        hash: ImprintAlgorithm::Sha256,
        policy: PolicyInformation::new("1.3.6.1.4.1.99999.3".parse().expect("a policy")),
        nonce: None,
        extensions: Vec::new(),
    };
    let content = DvcContent::new(&request, &finding, &grant).expect("a finding of this service");
    let Ok(Response::CertInfo(info)) = Response::parse(content.der()) else { panic!("our own answer does not read") };
    assert_eq!(info.request, request.information);
    assert_eq!(info.imprint, request.asked.imprint(ImprintAlgorithm::Sha256));
    assert_eq!(info.request_signature, request.signature.map(|signature| signature.signer_infos));
    if let Asked::Certificates { targets, .. } = &request.asked {
        assert!(targets.iter().zip(&info.certs).all(|(asked, answered)| asked.target == answered.target));
    }
});
