//! Notices to holders: what is told, when it is due, and how it is signed (Standard Webhooks, standardwebhooks.com).
//!
//! ```text
//! webhook-id:        msg_<32 hexadecimal digits>      the same for each try of one notice
//! webhook-timestamp: <seconds since 1970>             of this try
//! webhook-signature: v1a,<base64 of Ed25519 over  id "." timestamp "." body>
//!
//! {"type":"certificate.expiring","timestamp":"<when it became due>","data":{…}}
//! ```
//!
//! A notice follows from the certificate and the settings alone, so whoever makes it again makes the same octets under the same id,
//! and a receiver that keeps ids of the past tells a repetition. Of the notices whose moment has come only the last one counts: who was
//! not reached for a month is told that seven days are left, not that thirty are.
//!
//! No name of anybody is in a notice, nor the name of the application, by which a stranger could read it: receivers are often
//! services of others.
//!
//! Out of scope: where notices go, and delivering them (`semper-api`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::ca::CaId;
use crate::digest::Digest;
use crate::id::PartyId;
use crate::time::Timestamp;
use crate::x509::Period;

const DAY_SECS: u64 = 24 * 3600;

/// The type of a notice that a certificate will expire.
pub const EXPIRING: &str = "certificate.expiring";

/// SubjectPublicKeyInfo of an Ed25519 key, up to the key itself (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A notice whose moment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// How many days before the end it is for.
    pub days_before: u16,
    /// Its moment.
    pub at: Timestamp,
}

/// The notice that is due at `now` for a certificate of this validity, if there is one: of those whose moment has come the one nearest
/// to the end. What would have come before the certificate was there is left out: nobody wants to be told on the first day that a
/// certificate of a week ends within a month.
#[must_use]
pub fn due(validity: Period, days_before: &[u16], now: Timestamp) -> Option<Due> {
    // Both ends belong to the validity (RFC 5280 §4.1.2.5).
    if now.whole_secs() > validity.not_after {
        return None;
    }
    let moment = |days: u16| validity.not_after.minus_millis(u64::from(days) * DAY_SECS * 1000);
    let come = days_before.iter().map(|days| Due { days_before: *days, at: moment(*days) });
    come.filter(|due| validity.not_before < due.at && due.at <= now).min_by_key(|due| due.days_before)
}

/// What of a certificate decides whether another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding<'a> {
    /// Whose it is.
    pub party: PartyId,
    /// By the profile of this name, whatever its text was then.
    pub profile: &'a str,
    /// Digest of all names in it: a party's two servers have two certificates by one profile, and neither replaces the other.
    pub names: Digest,
    /// Its last moment.
    pub not_after: Timestamp,
    /// It was revoked.
    pub is_revoked: bool,
}

impl Holding<'_> {
    /// True if the holder has renewed it: by a certificate for the same that is good for longer.
    #[must_use]
    pub fn is_replaced_by(&self, other: &Holding<'_>) -> bool {
        let same = |of: &Holding<'_>| (of.party, of.names) == (self.party, self.names) && of.profile == self.profile;
        same(other) && other.not_after > self.not_after && !other.is_revoked
    }
}

/// That a certificate will expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Who issued it.
    pub ca: CaId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// The name of its profile.
    pub profile: String,
    /// Whose it is.
    pub party: PartyId,
    /// Its last moment.
    pub not_after: Timestamp,
    /// Which notice of it.
    pub due: Due,
}

impl Expiring {
    /// By what a receiver tells a repetition. It has no full stop, which parts the signed message.
    #[must_use]
    pub fn id(&self, origin: &str) -> String {
        let of = self.ca.certificate(&self.serial);
        let days = self.due.days_before.to_be_bytes();
        let parts = [b"semper/notice/v1\0", EXPIRING.as_bytes(), b"\0", origin.as_bytes(), b"\0", &of.0[..], &days];
        format!("msg_{}", hex::encode(&Digest::of(&parts.concat()).as_bytes()[..16]))
    }

    /// The body, the same at every try. `service` is where the service says it is; paths start at its HTTPS listener.
    #[must_use]
    pub fn body(&self, service: &str) -> Vec<u8> {
        let serial = hex::encode(&self.serial);
        let body = json!({
            "type": EXPIRING,
            "timestamp": self.due.at.to_string(),
            "data": {
                "service": service,
                "party": self.party,
                "serial": serial,
                "issuer": self.ca.place(),
                "profile": self.profile,
                "not_after": self.not_after.to_string(),
                "days_before": self.due.days_before,
                "status": format!("/v1/certificates/{serial}/status"),
            },
        });
        body.to_string().into_bytes()
    }
}

/// What is signed of one try.
#[must_use]
pub fn message(id: &str, at: Timestamp, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", at.secs().to_string().as_bytes(), b".", body].concat()
}

/// A signature as its header has it.
#[must_use]
pub fn signature_text(signature: &[u8]) -> String {
    format!("v1a,{}", STANDARD.encode(signature))
}

/// The public key as receivers want it, `whpk_…`; `None` for another than an Ed25519 key.
#[must_use]
pub fn public_key_text(spki_der: &[u8]) -> Option<String> {
    let key = spki_der.strip_prefix(&ED25519_SPKI).filter(|key| key.len() == 32)?;
    Some(format!("whpk_{}", STANDARD.encode(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::Authority;
    use crate::crypto::{SignatureAlgorithm, Signer, SoftKey};

    /// A year, from noon to a second before it.
    const FROM: Timestamp = Timestamp::from_millis(1_772_366_400_000);
    const UNTIL: Timestamp = FROM.plus_secs(365 * DAY_SECS - 1);
    const LIFE: Period = Period { not_before: FROM, not_after: UNTIL };

    /// So many seconds before the end.
    const fn before_end(secs: u64) -> Timestamp {
        UNTIL.minus_millis(secs * 1000)
    }

    #[test]
    fn a_notice_is_due_from_its_moment_to_that_of_the_next() {
        let days = [30, 7, 1];
        for (now, expected) in [
            (FROM, None),
            (before_end(30 * DAY_SECS + 1), None),
            (before_end(30 * DAY_SECS), Some(30)),
            (before_end(7 * DAY_SECS + 1), Some(30)),
            (before_end(7 * DAY_SECS), Some(7)),
            (before_end(DAY_SECS), Some(1)),
            (UNTIL, Some(1)),
            (UNTIL.plus_millis(999), Some(1)),
            (UNTIL.plus_secs(1), None),
            (Timestamp::MAX, None),
        ] {
            let found = due(LIFE, &days, now);
            assert_eq!(found.map(|due| due.days_before), expected, "{now}");
            let moment = expected.map(|days| before_end(u64::from(days) * DAY_SECS));
            assert_eq!(found.map(|due| due.at), moment, "{now}");
            // The order in which the settings name them is no matter.
            assert_eq!(due(LIFE, &[1, 30, 7, 7], now), found, "{now}");
            assert_eq!(due(LIFE, &[], now), None, "off");
        }
    }

    #[test]
    fn a_short_certificate_is_not_announced_when_it_is_issued() {
        let week = Period { not_before: FROM, not_after: FROM.plus_secs(7 * DAY_SECS - 1) };
        assert_eq!(due(week, &[30, 7], FROM), None);
        assert_eq!(due(week, &[30, 7], week.not_after), None);
        assert_eq!(due(week, &[30, 7, 1], week.not_after).map(|due| due.days_before), Some(1));
        // A moment before 1970 is none.
        let first = Period { not_before: Timestamp::default(), not_after: Timestamp::from_secs(5) };
        assert_eq!(due(first, &[u16::MAX], Timestamp::from_secs(5)), None);
    }

    #[test]
    fn what_replaces_a_certificate_is_for_the_same_and_lasts_longer() {
        let this = Holding {
            party: [7; 16].into(),
            profile: "tls-server",
            names: Digest::of(b"a.example"),
            not_after: UNTIL,
            is_revoked: false,
        };
        let next = Holding { not_after: UNTIL.plus_secs(1), ..this };
        for (other, replaces) in [
            (next, true),
            (this, false),
            (Holding { not_after: FROM, ..next }, false),
            (Holding { party: [8; 16].into(), ..next }, false),
            (Holding { profile: "tls-client", ..next }, false),
            (Holding { names: Digest::of(b"b.example"), ..next }, false),
            (Holding { is_revoked: true, ..next }, false),
        ] {
            assert_eq!(this.is_replaced_by(&other), replaces, "{other:?}");
        }
    }

    fn expiring() -> Expiring {
        Expiring {
            ca: CaId::first(Authority::Party),
            serial: vec![0x4a, 0x01],
            profile: "party-legal".to_owned(),
            party: [7; 16].into(),
            not_after: UNTIL,
            due: due(LIFE, &[30, 7, 1], before_end(7 * DAY_SECS)).unwrap(),
        }
    }

    /// Receivers know notices by these octets, so they never change.
    #[test]
    fn a_notice_is_the_same_at_every_try() {
        let notice = expiring();
        assert_eq!(notice.id("log.example/test"), "msg_04e408a2f39a87a7634f95cdf3a02dad");
        let expected = r#"{"data":{"days_before":7,"issuer":"ca-party","not_after":"2027-03-01T11:59:59.000Z","party":"BwcHBwcHBwcHBwcHBwcHBw","profile":"party-legal","serial":"4a01","service":"http://pki.example","status":"/v1/certificates/4a01/status"},"timestamp":"2027-02-22T11:59:59.000Z","type":"certificate.expiring"}"#;
        assert_eq!(String::from_utf8(notice.body("http://pki.example")).unwrap(), expected);
        let other = |change: fn(&mut Expiring)| {
            let mut other = expiring();
            change(&mut other);
            other.id("log.example/test")
        };
        let mut ids = vec![
            notice.id("log.example/test"),
            notice.id("log.example/other"),
            other(|notice| notice.serial.push(0)),
            other(|notice| notice.ca.generation = 2),
            other(|notice| notice.due.days_before = 1),
        ];
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
        assert!(ids.iter().all(|id| !id.contains('.')));
    }

    #[test]
    fn signatures_and_keys_are_written_as_the_standard_has_them() {
        let key = SoftKey::generate(SignatureAlgorithm::Ed25519).unwrap();
        let text = public_key_text(key.spki_der()).unwrap();
        let raw = STANDARD.decode(text.strip_prefix("whpk_").unwrap()).unwrap();
        assert_eq!([&ED25519_SPKI[..], &raw].concat(), key.spki_der());
        let other = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256).unwrap();
        assert_eq!(public_key_text(other.spki_der()), None);
        assert_eq!(public_key_text(&ED25519_SPKI), None);
        assert_eq!(message("msg_1", Timestamp::from_millis(7_999), b"{}"), b"msg_1.7.{}");
        assert_eq!(signature_text(&[0xFB; 3]), "v1a,+/v7");
    }
}
