//! SingleResponse (RFC 6960 §4.2.1): the answer about one certificate.
//!
//! ```text
//! SingleResponse ::= SEQUENCE { certID, certStatus, thisUpdate, nextUpdate [0] EXPLICIT }
//! certStatus      =  good [0] NULL | revoked [1] SEQUENCE { time, [0] EXPLICIT CRLReason? } | unknown [2] NULL
//! ```
//!
//! Times are in whole seconds, and nextUpdate is always there (spec §10; RFC 9919 §3.2). There are no singleExtensions.

use super::cert_id::CertId;
use crate::asn1::der;
use crate::ca::crl::Reason;
use crate::time::Timestamp;

/// What one certificate's status is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Issued and not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why; `unspecified` is left out.
        reason: Reason,
    },
    /// We do not say.
    Unknown,
    /// Never issued, said by the extended definition of "revoked" (RFC 6960 §2.2): revoked since 1970, certificateHold,
    /// and the response carries id-pkix-ocsp-extended-revoke.
    NotIssued,
}

/// The answer about one certificate.
#[derive(Clone, Copy, Debug)]
pub struct Single<'a> {
    /// As the request named it.
    pub cert_id: &'a CertId,
    /// Its status.
    pub status: Status,
    /// Since when this is known to be right.
    pub this_update: Timestamp,
    /// When something newer will be known, at the latest.
    pub next_update: Timestamp,
}

/// A GeneralizedTime in whole seconds: `18 0F YYYYMMDDhhmmssZ`.
pub(super) const TIME_BYTES: usize = 17;

/// revocationReason: `A0 03 0A 01 xx`.
const REASON_BYTES: usize = 5;

/// CRLReason certificateHold, RFC 5280 §5.3.1.
const CERTIFICATE_HOLD: u8 = 6;

impl Single<'_> {
    /// Octets of the SingleResponse behind its head.
    pub(super) fn content_bytes(&self) -> usize {
        let status = match self.status {
            Status::Good | Status::Unknown => 0,
            Status::Revoked { reason: Reason::Unspecified, .. } => TIME_BYTES,
            Status::Revoked { .. } | Status::NotIssued => TIME_BYTES + REASON_BYTES,
        };
        self.cert_id.der().len() + der::total_bytes(status) + TIME_BYTES + der::total_bytes(TIME_BYTES)
    }

    /// Appends the SingleResponse in DER.
    pub(super) fn put_der(&self, out: &mut Vec<u8>) {
        der::put_head(out, der::SEQUENCE, self.content_bytes());
        out.extend_from_slice(self.cert_id.der());
        put_status(out, self.status);
        put_time(out, self.this_update);
        der::put_head(out, der::CONTEXT_0, TIME_BYTES);
        put_time(out, self.next_update);
    }
}

fn put_status(out: &mut Vec<u8>, status: Status) {
    match status {
        Status::Good => out.extend_from_slice(&[0x80, 0]),
        Status::Unknown => out.extend_from_slice(&[0x82, 0]),
        Status::Revoked { at, reason: Reason::Unspecified } => put_revoked(out, at, None),
        Status::Revoked { at, reason } => put_revoked(out, at, Some(reason as u8)),
        Status::NotIssued => put_revoked(out, Timestamp::from_secs(0), Some(CERTIFICATE_HOLD)),
    }
}

fn put_revoked(out: &mut Vec<u8>, at: Timestamp, reason: Option<u8>) {
    der::put_head(out, 0xA1, TIME_BYTES + if reason.is_some() { REASON_BYTES } else { 0 });
    put_time(out, at);
    if let Some(reason) = reason {
        out.extend_from_slice(&[der::CONTEXT_0, 3, 0x0A, 1, reason]);
    }
}

/// Appends a GeneralizedTime in whole seconds.
pub(super) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    der::put_head(out, der::GENERALIZED_TIME, TIME_BYTES - 2);
    der::put_generalized_time(out, time.whole_secs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::GEN_TIME;

    fn revoked(reason: Reason) -> Status {
        Status::Revoked { at: GEN_TIME.plus_secs(60), reason }
    }

    #[test]
    fn statuses_byte_by_byte() {
        let time = format!("180f{}", hex::encode("20260301120100Z"));
        let with_reason = |code: &str| format!("a116{time}a0030a01{code}");
        let table = [
            (Status::Good, "8000".to_owned()),
            (Status::Unknown, "8200".to_owned()),
            (revoked(Reason::Unspecified), format!("a111{time}")),
            (revoked(Reason::KeyCompromise), with_reason("01")),
            (revoked(Reason::CaCompromise), with_reason("02")),
            (revoked(Reason::AffiliationChanged), with_reason("03")),
            (revoked(Reason::Superseded), with_reason("04")),
            (revoked(Reason::CessationOfOperation), with_reason("05")),
            (revoked(Reason::PrivilegeWithdrawn), with_reason("09")),
            (Status::NotIssued, format!("a116180f{}a0030a0106", hex::encode("19700101000000Z"))),
        ];
        for (status, expected) in table {
            let mut found = Vec::new();
            put_status(&mut found, status);
            assert_eq!(hex::encode(found), expected, "{status:?}");
        }
    }
}
