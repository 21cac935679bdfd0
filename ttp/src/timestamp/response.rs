//! TimeStampResp (RFC 3161 §2.4.2): rejections, and reading an answer as a client.
//!
//! ```text
//! TimeStampResp ::= SEQUENCE { PKIStatusInfo { status INTEGER, statusString SEQUENCE OF UTF8String?,
//!                                              failInfo BIT STRING? }, timeStampToken ContentInfo? }
//! ```
//!
//! Only the statuses 0 (granted) and 2 (rejection) are used; a token is present exactly with 0.

use rasn::prelude::*;

use super::{FailInfo, Refusal};
use crate::asn1::{RawInteger, der};

/// PKIStatus granted.
pub(super) const STATUS_GRANTED: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x00];

/// The rejection in DER.
#[must_use]
pub fn rejection(refusal: &Refusal) -> Vec<u8> {
    let text = der::tlv(der::UTF8_STRING, refusal.to_string().as_bytes());
    let status = [&[der::INTEGER, 1, 2][..], &der::sequence(&[&text]), &refusal.fail_info().der()].concat();
    der::sequence(&[&der::tlv(der::SEQUENCE, &status)])
}

/// An answer as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The token's ContentInfo, DER; nothing in it is verified yet.
    Granted(Vec<u8>),
    /// A rejection.
    Rejected {
        /// PKIStatus, not 0.
        status: u64,
        /// The failInfo bits that RFC 3161 names.
        fail_info: Vec<FailInfo>,
        /// statusString, one line for each text, control characters replaced.
        text: String,
    },
}

/// Not a TimeStampResp, or one that breaks RFC 3161.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFault {
    /// Not the DER of a TimeStampResp.
    #[error("the answer is not a TimeStampResp")]
    Malformed,
    /// Granted without a token, or a token without being granted.
    #[error("the answer has a token exactly when it should not")]
    TokenPresence,
}

#[derive(AsnType, Decode)]
struct RawResponse {
    status: RawStatus,
    token: Option<Any>,
}

#[derive(AsnType, Decode)]
struct RawStatus {
    status: RawInteger,
    status_string: Option<SequenceOf<Utf8String>>,
    fail_info: Option<BitString>,
}

/// Reads an answer. `grantedWithMods` (1) counts as granted, as RFC 3161 says; the caller compares the token with what
/// it asked for.
///
/// # Errors
/// [`ResponseFault`].
pub fn parse(bytes: &[u8]) -> Result<Response, ResponseFault> {
    let raw: RawResponse = rasn::der::decode(bytes).map_err(|_| ResponseFault::Malformed)?;
    let status = match der::minimal_signed(&raw.status.status.0) {
        [small] if *small < 0x80 => u64::from(*small),
        _ => return Err(ResponseFault::Malformed),
    };
    match (status, raw.token) {
        (0 | 1, Some(token)) => Ok(Response::Granted(token.into_bytes())),
        (0 | 1, None) | (_, Some(_)) => Err(ResponseFault::TokenPresence),
        (_, None) => {
            let bits = raw.status.fail_info.unwrap_or_default();
            let fail_info =
                FailInfo::ALL.into_iter().filter(|info| bits.get(*info as usize).is_some_and(|bit| *bit)).collect();
            let clean = |line: &String| line.replace(char::is_control, " ");
            let text = raw.status.status_string.unwrap_or_default().iter().map(clean).collect::<Vec<_>>().join("\n");
            Ok(Response::Rejected { status, fail_info, text })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rejection_byte_by_byte() {
        let text = "Only version 1 of TimeStampReq is supported.";
        let expected = format!("303930370201023 02e0c2c{}03020520", hex::encode(text)).replace(' ', "");
        assert_eq!(hex::encode(rejection(&Refusal::Version)), expected);
    }

    #[test]
    fn every_rejection_reads_back_and_is_what_rasn_writes() {
        for refusal in Refusal::one_of_each() {
            let bytes = rejection(&refusal);
            let expected =
                Response::Rejected { status: 2, fail_info: vec![refusal.fail_info()], text: refusal.to_string() };
            assert_eq!(parse(&bytes), Ok(expected));
            let theirs: rasn_cms::tsp::TimeStampResp = rasn::der::decode(&bytes).unwrap();
            assert!(theirs.time_stamp_token.is_none());
            assert_eq!(rasn::der::encode(&theirs).unwrap(), bytes);
        }
    }

    #[test]
    fn presence_of_the_token_must_fit() {
        let token = "3000";
        for (hex, expected) in [
            ("30053003020100", Err(ResponseFault::TokenPresence)),
            (&format!("30073003020102{token}"), Err(ResponseFault::TokenPresence)),
            (&format!("30073003020100{token}"), Ok(Response::Granted(vec![0x30, 0x00]))),
            (&format!("30073003020101{token}"), Ok(Response::Granted(vec![0x30, 0x00]))),
            ("30053003020 1ff", Err(ResponseFault::Malformed)),
            ("3000", Err(ResponseFault::Malformed)),
            ("", Err(ResponseFault::Malformed)),
        ] {
            assert_eq!(parse(&hex::decode(hex.replace(' ', "")).unwrap()), expected, "{hex}");
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
