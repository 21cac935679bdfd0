//! Requests for timestamps, made again from their tokens.
//!
//! A request is not kept: its digest is, in the fact. The token repeats what was asked for, but for what it leaves open:
//! whether the policy was named or the default applied, whether certificates were asked for in so many words. That leaves
//! a few requests, and the one with the right digest is it. A client's spelling that DER forbids (needless zeros, long
//! lengths) is not found again, but for an explicit FALSE, which is seen.

use crate::asn1::{PolicyId, der};
use crate::digest::Digest;
use crate::timestamp::request::{Imprint, Request};
use crate::verify::TokenReading;

/// The request whose bytes have the digest `due` and of which this may be the token, under some policy of `policies`.
///
/// The first to be tried is what the token says. The others would be answered otherwise: that the token is nevertheless
/// what it is, is then a difference, which the decision shows.
pub(super) fn find(token: &TokenReading, policies: &[PolicyId], due: &Digest) -> Option<Request> {
    let claimed = token.certificates > 0;
    let nonces = if token.nonce.is_some() { &[true, false][..] } else { &[false] };
    for null_parameters in [token.null_parameters, !token.null_parameters] {
        for with_nonce in nonces {
            for cert_req in [claimed, !claimed] {
                for policy in [None, Some(&token.policy)].into_iter().chain(policies.iter().map(Some)) {
                    let request = Request {
                        imprint: Imprint { algorithm: token.algorithm, null_parameters, digest: token.imprint.clone() },
                        policy: policy.cloned(),
                        nonce: token.nonce.clone().filter(|_| *with_nonce),
                        cert_req,
                    };
                    let bytes = request.encode();
                    if Digest::of(&bytes) == *due || !cert_req && Digest::of(&with_explicit_false(&bytes)) == *due {
                        return Some(request);
                    }
                }
            }
        }
    }
    None
}

/// The request with its certReq, FALSE by default, spelt out.
fn with_explicit_false(request: &[u8]) -> Vec<u8> {
    // A SEQUENCE whose length takes one octet, or 0x80 + n and then n.
    let skip = match request.get(1) {
        Some(long) if *long >= 0x80 => 2 + usize::from(*long & 0x7F),
        _ => 2,
    };
    der::sequence(&[request.get(skip..).unwrap_or_default(), &[0x01, 0x01, 0x00]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::ImprintAlgorithm;
    use crate::testing;
    use crate::timestamp::request::parse;

    fn policies() -> [PolicyId; 2] {
        ["1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"].map(|text| text.parse().unwrap())
    }

    /// Whatever a client may leave out or put in, its request is found by its digest.
    #[test]
    fn every_request_that_a_token_leaves_open_is_found() {
        let reading = TokenReading::of(&testing::token(testing::ec(), false)).unwrap();
        let [default, other] = policies();
        for null_parameters in [false, true] {
            for nonce in [None, reading.nonce.clone()] {
                for cert_req in [false, true] {
                    for policy in [None, Some(default.clone()), Some(other.clone())] {
                        let digest = reading.imprint.clone();
                        let imprint = Imprint { algorithm: ImprintAlgorithm::Sha256, null_parameters, digest };
                        let request = Request { imprint, policy, nonce: nonce.clone(), cert_req };
                        let bytes = request.encode();
                        assert_eq!(find(&reading, &policies(), &Digest::of(&bytes)).as_ref(), Some(&request));
                        if !cert_req {
                            let spelt = with_explicit_false(&bytes);
                            assert_eq!(parse(&spelt, &ImprintAlgorithm::ALL).as_ref(), Ok(&request));
                            assert_eq!(find(&reading, &policies(), &Digest::of(&spelt)).as_ref(), Some(&request));
                        }
                    }
                }
            }
        }
        assert_eq!(find(&reading, &policies(), &Digest::of(b"another request")), None);
    }
}
