//! TimeStampReq (RFC 3161 §2.4.1): read by the decision table of spec §5, and built for clients.
//!
//! ```text
//! TimeStampReq ::= SEQUENCE { version 1, messageImprint { hashAlgorithm, hashedMessage }, reqPolicy OID?,
//!                             nonce INTEGER?, certReq BOOLEAN DEFAULT FALSE, extensions [0] IMPLICIT? }
//! ```
//!
//! Spellings that BER permits and DER does not (long lengths, an explicit FALSE) are read: some clients send them, and
//! nothing of a request is signed but values that are written anew.

use rasn::prelude::*;
use rasn_pkix::Extensions;

use super::Refusal;
pub use crate::asn1::Imprint;
use crate::asn1::{PolicyId, RawAlgorithm, RawInteger, RawOid, der};
use crate::digest::ImprintAlgorithm;

/// The longest nonce, octets: a bound against abuse, above anything seen (spec §5).
pub const NONCE_BYTES_MAX: usize = 128;

/// A request that passed every test which does not depend on the endpoint's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be stamped.
    pub imprint: Imprint,
    /// The policy asked for, if any.
    pub policy: Option<PolicyId>,
    /// The nonce's content octets in their shortest form, if any: a signed INTEGER of any size.
    pub nonce: Option<Vec<u8>>,
    /// True if the token shall carry the certificates.
    pub cert_req: bool,
}

#[derive(AsnType, Decode)]
struct RawRequest {
    version: RawInteger,
    message_imprint: RawImprint,
    req_policy: Option<RawOid>,
    nonce: Option<RawInteger>,
    #[rasn(default)]
    cert_req: bool,
    #[rasn(tag(0))]
    extensions: Option<Extensions>,
}

#[derive(AsnType, Decode)]
struct RawImprint {
    hash_algorithm: RawAlgorithm,
    hashed_message: OctetString,
}

/// Reads a request. `accepted` are the hash algorithms of the endpoint.
///
/// # Errors
/// The first refusal in the order of spec §5: DER, version, hash OID, parameters and length, nonce, extensions. Policy
/// and state follow in `decide`.
pub fn parse(bytes: &[u8], accepted: &[ImprintAlgorithm]) -> Result<Request, Refusal> {
    let raw: RawRequest = rasn::der::decode(bytes).map_err(|_| Refusal::NotARequest)?;
    let algorithm = raw.message_imprint.hash_algorithm;
    let numbers = [Some(&raw.version), raw.nonce.as_ref()];
    let oids = [Some(&algorithm.algorithm), raw.req_policy.as_ref()];
    if numbers.into_iter().flatten().any(|n| n.0.is_empty()) || oids.into_iter().flatten().any(|o| !o.is_well_formed())
    {
        return Err(Refusal::NotARequest);
    }
    if der::minimal_signed(&raw.version.0) != [1] {
        return Err(Refusal::Version);
    }
    let hash = ImprintAlgorithm::from_oid(&algorithm.algorithm.0).filter(|a| accepted.contains(a));
    let hash = hash.ok_or(Refusal::HashAlgorithm)?;
    let null_parameters = match algorithm.parameters.as_ref().map(Any::as_bytes) {
        None => false,
        Some([0x05, 0x00]) => true,
        Some(_) => return Err(Refusal::HashParameters),
    };
    let digest = raw.message_imprint.hashed_message.to_vec();
    if digest.len() != hash.output_bytes() {
        return Err(Refusal::ImprintLength { expected: hash.output_bytes(), found: digest.len() });
    }
    let nonce = raw.nonce.map(|nonce| der::minimal_signed(&nonce.0).to_vec());
    match &nonce {
        Some(nonce) if nonce.len() > NONCE_BYTES_MAX => {
            return Err(Refusal::NonceLength { octets: nonce.len(), max: NONCE_BYTES_MAX });
        }
        _ => {}
    }
    if raw.extensions.is_some() {
        return Err(Refusal::Extension);
    }
    let policy = match raw.req_policy {
        Some(oid) => Some(PolicyId::from_content(&oid.0).ok_or(Refusal::NotARequest)?),
        None => None,
    };
    let imprint = Imprint { algorithm: hash, null_parameters, digest };
    Ok(Request { imprint, policy, nonce, cert_req: raw.cert_req })
}

impl Request {
    /// A client's request. `nonce` is random octets, read as a non-negative number.
    #[must_use]
    pub fn new(imprint: Imprint, policy: Option<PolicyId>, nonce: Option<&[u8]>, cert_req: bool) -> Self {
        Self { imprint, policy, nonce: nonce.map(der::integer_content), cert_req }
    }

    /// The request in DER.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = vec![der::INTEGER, 1, 1];
        self.imprint.put_der(&mut body);
        if let Some(policy) = &self.policy {
            body.extend(der::tlv(der::OID, policy.content()));
        }
        if let Some(nonce) = &self.nonce {
            body.extend(der::tlv(der::INTEGER, nonce));
        }
        if self.cert_req {
            body.extend_from_slice(&[0x01, 0x01, 0xFF]);
        }
        der::tlv(der::SEQUENCE, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [ImprintAlgorithm; 6] = ImprintAlgorithm::ALL;
    const SHA256: &str = "300b0609608648016503040201";

    fn sequence(parts: &[&str]) -> Vec<u8> {
        der::tlv(der::SEQUENCE, &hex::decode(parts.concat()).unwrap())
    }

    fn imprint(algorithm: &str, octets: usize) -> String {
        let body = format!("{algorithm}04{octets:02x}{}", "5a".repeat(octets));
        hex::encode(der::tlv(der::SEQUENCE, &hex::decode(body).unwrap()))
    }

    /// The decision table of spec §5, one row for each cell and for the order of the tests.
    #[test]
    fn decision_table() {
        let good = imprint(SHA256, 32);
        let null = imprint("300d06096086480165030402010500", 32);
        let sha1 = imprint("300906052b0e03021a0500", 20);
        let md5 = imprint("300c06082a864886f70d020505 00".replace(' ', "").as_str(), 16);
        let far_arc = imprint(&format!("301606146982{}01", "80".repeat(17)), 32);
        let odd = imprint("300e06096086480165030402010c0161", 32);
        let sha512_short = imprint("300b0609608648016503040203", 32);
        let long_nonce = |n: usize| hex::encode(der::tlv(der::INTEGER, &vec![0x55; n]));
        let extension = "a00e300c06032a030404050102030405";
        let length = |expected, found| Err(Refusal::ImprintLength { expected, found });
        let nonce = |hex: &str| Ok((None, Some(hex::decode(hex).unwrap()), false));
        let plain = Ok((None, None, false));
        type Outcome = Result<(Option<PolicyId>, Option<Vec<u8>>, bool), Refusal>;
        let table: Vec<(&str, Vec<u8>, Outcome)> = vec![
            ("smallest", sequence(&["020101", &good]), plain.clone()),
            ("NULL parameters", sequence(&["020101", &null]), plain.clone()),
            ("certReq", sequence(&["020101", &good, "0101ff"]), Ok((None, None, true))),
            ("explicit FALSE", sequence(&["020101", &good, "010100"]), plain.clone()),
            ("version with a leading zero", sequence(&["02020001", &good]), plain),
            ("policy", sequence(&["020101", &good, "06022a03"]), Ok((Some("1.2.3".parse().unwrap()), None, false))),
            ("nonce zero", sequence(&["020101", &good, "020100"]), nonce("00")),
            ("nonce negative", sequence(&["020101", &good, "0201ff"]), nonce("ff")),
            (
                "nonce with sign octet",
                sequence(&["020101", &good, "0209008000000000000000"]),
                nonce("008000000000000000"),
            ),
            ("nonce with needless zeros", sequence(&["020101", &good, "0203000001"]), nonce("01")),
            ("nonce of 128", sequence(&["020101", &good, &long_nonce(128)]), nonce(&"55".repeat(128))),
            ("empty body", vec![], Err(Refusal::NotARequest)),
            ("not DER", vec![0x30, 0x80, 0x00, 0x00], Err(Refusal::NotARequest)),
            ("no imprint", sequence(&["020101"]), Err(Refusal::NotARequest)),
            ("empty nonce", sequence(&["020101", &good, "0200"]), Err(Refusal::NotARequest)),
            ("empty version", sequence(&["0200", &good]), Err(Refusal::NotARequest)),
            ("empty policy", sequence(&["020101", &good, "0600"]), Err(Refusal::NotARequest)),
            ("trailing field", sequence(&["020101", &good, "0500"]), Err(Refusal::NotARequest)),
            ("empty extensions", sequence(&["020101", &good, "a000"]), Err(Refusal::NotARequest)),
            ("version 2", sequence(&["020102", &good]), Err(Refusal::Version)),
            ("version −1", sequence(&["0201ff", &good]), Err(Refusal::Version)),
            ("version of 20 octets", sequence(&[&format!("0214{}", "11".repeat(20)), &good]), Err(Refusal::Version)),
            ("version before hash", sequence(&["020102", &sha1]), Err(Refusal::Version)),
            ("SHA-1", sequence(&["020101", &sha1]), Err(Refusal::HashAlgorithm)),
            ("MD5", sequence(&["020101", &md5]), Err(Refusal::HashAlgorithm)),
            ("an arc above 2^64", sequence(&["020101", &far_arc]), Err(Refusal::HashAlgorithm)),
            ("hash before nonce", sequence(&["020101", &sha1, &long_nonce(129)]), Err(Refusal::HashAlgorithm)),
            ("odd parameters", sequence(&["020101", &odd]), Err(Refusal::HashParameters)),
            ("31 octets", sequence(&["020101", &imprint(SHA256, 31)]), length(32, 31)),
            ("33 octets", sequence(&["020101", &imprint(SHA256, 33)]), length(32, 33)),
            ("no octet", sequence(&["020101", &imprint(SHA256, 0)]), length(32, 0)),
            ("SHA-512 with 32", sequence(&["020101", &sha512_short]), length(64, 32)),
            (
                "nonce of 129",
                sequence(&["020101", &good, &long_nonce(129)]),
                Err(Refusal::NonceLength { octets: 129, max: 128 }),
            ),
            (
                "nonce before extension",
                sequence(&["020101", &good, &long_nonce(129), extension]),
                Err(Refusal::NonceLength { octets: 129, max: 128 }),
            ),
            ("extension", sequence(&["020101", &good, extension]), Err(Refusal::Extension)),
        ];
        for (what, bytes, expected) in table {
            let found = parse(&bytes, &ALL).map(|r| (r.policy, r.nonce, r.cert_req));
            assert_eq!(found, expected, "{what}");
            // Anything behind a request is refused before all else.
            let trailing = [&bytes[..], &[0]].concat();
            assert_eq!(parse(&trailing, &ALL), Err(Refusal::NotARequest), "{what} and a trailing octet");
        }
    }

    #[test]
    fn an_endpoint_may_accept_fewer_hashes() {
        let bytes = sequence(&["020101", &imprint(SHA256, 32)]);
        assert_eq!(parse(&bytes, &[ImprintAlgorithm::Sha512]), Err(Refusal::HashAlgorithm));
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes, &ALL);
        }

        #[test]
        fn mutated_requests_never_panic(at in 0..90_usize, byte: u8, cut in 0..90_usize) {
            let imprint = Imprint::new(ImprintAlgorithm::Sha256, &[7; 32]).unwrap();
            let mut bytes = Request::new(imprint, Some("1.2.3".parse().unwrap()), Some(&[0x80; 8]), true).encode();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = parse(&bytes, &ALL);
            let _ = parse(&bytes[..cut.min(bytes.len())], &ALL);
        }

        #[test]
        fn what_a_client_builds_is_read(which in 0..6_usize, seed: u8, nonce: Option<Vec<u8>>, cert_req: bool, null: bool) {
            let algorithm = ALL[which];
            let mut imprint = Imprint::new(algorithm, &vec![seed; algorithm.output_bytes()]).unwrap();
            imprint.null_parameters = null;
            let nonce = nonce.filter(|n| n.len() <= 100);
            let request = Request::new(imprint, None, nonce.as_deref(), cert_req);
            let bytes = request.encode();
            prop_assert_eq!(parse(&bytes, &ALL), Ok(request));
            // rasn's own type agrees about the bytes.
            let theirs: rasn_cms::tsp::TimeStampReq = rasn::der::decode(&bytes).unwrap();
            prop_assert_eq!(rasn::der::encode(&theirs).unwrap(), bytes);
        }
    }
}
