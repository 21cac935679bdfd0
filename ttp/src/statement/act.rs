//! `notary/act`: the record of a notarial act, signed by the notary's key for acts (notary-and-archive §4).
//!
//! It says what was certified, for whom, when, and by which checks; what was not checked stands in it, too. Names, addresses and
//! titles are commitments: HMAC-SHA-256 under a salt of their own ([`commitment`]), so that the document which opens them can be
//! erased and the record still verifies. A record is never changed: a correction is an act of its own that names it.

use serde::{Deserialize, Serialize};

use super::{Body, Millis, Origin, Salt};
use crate::b64u::{B64u, B64u32};
use crate::crypto::jose::Thumbprint;
use crate::crypto::{CryptoFault, hmac_sha256};
use crate::id::{ActId, PartyId};
use crate::notary::{ActType, OfficerCheck, Outcome, Reason};

/// The body of `notary/act`, schema `schemas/statements/notary.act.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActRecorded {
    /// The act's name.
    pub act: ActId,
    /// What it certifies, or was to certify.
    pub kind: ActType,
    /// Its number in the journal.
    pub journal_no: u64,
    /// Whose journal.
    pub notary: NotaryNamed,
    /// When it was opened.
    pub opened_at: Millis,
    /// When it ended.
    pub completed_at: Millis,
    /// Who takes part: whoever asked first, then who signed.
    pub principals: Vec<Principal>,
    /// What it is about.
    pub documents: Vec<ActDocument>,
    /// SHA-256 of the request's exact bytes.
    pub request: B64u32,
    /// SHA-256 of a data validation certificate about the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dvc: Option<B64u32>,
    /// SHA-256 of the exact bytes of what a validation gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_report: Option<B64u32>,
    /// What happened, oldest first.
    pub events: Vec<ActEvent>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it does not certify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// SHA-256 of the certificate of the officer who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<B64u32>,
    /// What that officer says to have checked.
    pub checked: Vec<OfficerCheck>,
    /// What nobody has checked.
    pub not_checked: Vec<OfficerCheck>,
    /// What the notary was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Fee>,
    /// The recording of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    /// The level that the service claims.
    pub assurance: Assurance,
    /// The act that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction_of: Option<ActId>,
}

/// Whose journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotaryNamed {
    /// The origin of the service.
    pub service: Origin,
    /// With which key: the one that signs.
    pub key: Thumbprint,
    /// SHA-256 of that key's certificate.
    pub certificate: B64u32,
    /// SHA-256 of the policy in force.
    pub policy: B64u32,
}

/// Somebody who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// As what.
    pub role: PrincipalRole,
    /// The registered party, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<PartyId>,
    /// SHA-256 of the certificate by which it took part.
    pub certificate: B64u32,
    /// Commitment to the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<B64u32>,
    /// Commitment to the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<B64u32>,
    /// How the notary knows who it is.
    pub identity: Vec<Identified>,
    /// SHA-256 of the signature that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<B64u32>,
    /// When the notary received it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Millis>,
    /// When its certificate was revoked, if it was before the act ended. It was good when it signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

/// As what somebody takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalRole {
    /// Asked for the act.
    Requester,
    /// Signed the document.
    Signer,
}

/// How the notary knows who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identified {
    /// By what.
    pub method: IdentityMethod,
    /// When it was checked.
    pub checked_at: Millis,
    /// SHA-256 of what shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<B64u32>,
}

/// By what somebody was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityMethod {
    /// A certificate of this service, good at the time.
    Certificate,
    /// A document that the officer saw.
    IdDocument,
    /// The officer knows the person.
    PersonalKnowledge,
    /// Somebody whom the officer believes says so.
    CredibleWitness,
    /// By video.
    RemoteVideo,
}

/// A document that the act is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActDocument {
    /// Commitment to its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<B64u32>,
    /// Its media type, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How many octets it has; of a hash alone nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of its octets.
    pub sha256: B64u32,
    /// As what it is there.
    pub role: DocumentRole,
    /// Whether the notary held its octets, or was shown the hash alone.
    pub held: bool,
}

/// As what a document is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentRole {
    /// What was handed in.
    Original,
    /// What came of it.
    Final,
    /// Something beside it.
    Attachment,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActEvent {
    /// When.
    pub at: Millis,
    /// What.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// SHA-256 of the certificate of who did it; none for the service itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<B64u32>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    /// Somebody asked for it.
    Requested,
    /// A signer signed.
    Signed,
    /// An officer took it.
    Taken,
    /// An officer gave it back.
    Released,
    /// It was approved.
    Approved,
    /// It was refused.
    Refused,
    /// The requester took it back.
    Withdrawn,
    /// It was open for too long.
    Expired,
    /// The service certified by itself.
    Certified,
}

/// What the notary was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// Minor units, as a decimal number.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
}

impl Fee {
    /// Whether it is an amount of a currency: at most 15 digits, no leading zero, three capital letters.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let digits = self.amount.bytes().all(|c| c.is_ascii_digit()) && (1..=15).contains(&self.amount.len());
        let one_spelling = self.amount == "0" || !self.amount.starts_with('0');
        digits && one_spelling && self.currency.len() == 3 && self.currency.bytes().all(|c| c.is_ascii_uppercase())
    }
}

/// The recording of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// SHA-256 of its octets.
    pub sha256: B64u32,
    /// How long it is.
    pub seconds: u64,
    /// Until when it is kept.
    pub retain_until: Millis,
}

/// The level that the service claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// The only one that this service writes.
    NonQualified,
    /// Of an advanced service, by others.
    Advanced,
    /// Of a qualified service, by others.
    Qualified,
}

impl Body for ActRecorded {
    const TAG: &'static str = "notary/act";
    const FOLLOWS: bool = false;

    fn signer(&self) -> Option<Thumbprint> {
        Some(self.notary.key)
    }
}

impl ActRecorded {
    /// Whether it says what its schema cannot: amounts, and an outcome that fits its reason.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.fee.as_ref().is_none_or(Fee::is_sound)
            && self.outcome == self.reason.map_or(Outcome::Performed, Reason::outcome)
    }
}

/// Commits to a value of a personal field. Whoever has salt and value opens it; whoever has neither learns nothing.
///
/// # Errors
/// libcrypto.
pub fn commitment(salt: &Salt, value: &str) -> Result<B64u32, CryptoFault> {
    let mac = hmac_sha256(salt.0.as_bytes(), value.as_bytes())?;
    mac.try_into().map(B64u).map_err(|_| CryptoFault { action: "HMAC" })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;
    use crate::digest::Digest;

    /// A record with every member.
    pub(crate) fn full(key: Thumbprint) -> ActRecorded {
        let hash = |text: &str| B64u32::from(Digest::of(text.as_bytes()));
        let at = Millis::new(1_772_366_400_250).unwrap();
        ActRecorded {
            act: [8; 16].into(),
            kind: ActType::Contract,
            journal_no: 17,
            notary: NotaryNamed {
                service: Origin::new("vectors.semper.example/log").unwrap(),
                key,
                certificate: hash("certificate"),
                policy: hash("policy"),
            },
            opened_at: at,
            completed_at: at,
            principals: vec![Principal {
                role: PrincipalRole::Signer,
                party: Some([6; 16].into()),
                certificate: hash("certificate of a party"),
                name: Some(commitment(&Salt(B64u([1; 16])), "Ada Lovelace").unwrap()),
                address: Some(commitment(&Salt(B64u([2; 16])), "12 St James's Square, London").unwrap()),
                identity: vec![Identified {
                    method: IdentityMethod::IdDocument,
                    checked_at: at,
                    evidence: Some(hash("record of identity")),
                }],
                signature: Some(hash("signature")),
                signed_at: Some(at),
                revoked_at: Some(at),
            }],
            documents: vec![ActDocument {
                title: Some(commitment(&Salt(B64u([3; 16])), "Deed of sale").unwrap()),
                media_type: Some("application/pdf".to_owned()),
                size: Some(12_345),
                sha256: hash("document"),
                role: DocumentRole::Original,
                held: true,
            }],
            request: hash("request"),
            dvc: Some(hash("dvc")),
            validation_report: Some(hash("report")),
            events: vec![ActEvent { at, kind: EventType::Refused, actor: Some(hash("certificate of an officer")) }],
            outcome: Outcome::Refused,
            reason: Some(Reason::WillInDoubt),
            officer: Some(hash("certificate of an officer")),
            checked: vec![OfficerCheck::Identity],
            not_checked: vec![OfficerCheck::Will, OfficerCheck::Capacity],
            fee: Some(Fee { amount: "12000".to_owned(), currency: "EUR".to_owned() }),
            recording: Some(Recording { sha256: hash("recording"), seconds: 600, retain_until: at }),
            assurance: Assurance::NonQualified,
            correction_of: Some([9; 16].into()),
        }
    }

    /// The names of an object's members, and those of everything in it.
    fn members(value: &Value, at: &str, into: &mut Vec<String>) {
        match value {
            Value::Object(all) => all.iter().for_each(|(name, value)| {
                into.push(format!("{at}.{name}"));
                members(value, &format!("{at}.{name}"), into);
            }),
            Value::Array(all) => all.iter().for_each(|value| members(value, at, into)),
            _ => {}
        }
    }

    /// The same of a schema.
    fn described(schema: &Value, at: &str, into: &mut Vec<String>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            into.push(format!("{at}.{name}"));
            described(schema, &format!("{at}.{name}"), into);
        }
        if schema["items"].is_object() {
            described(&schema["items"], at, into);
        }
    }

    #[test]
    fn the_schema_has_the_members_and_names_of_the_code() {
        let schema: Value = serde_json::from_str(include_str!("../../../schemas/statements/notary.act.json")).unwrap();
        let record = serde_json::to_value(full(Thumbprint(B64u([1; 32])))).unwrap();
        let (mut written, mut wanted) = (Vec::new(), Vec::new());
        members(&record, "", &mut written);
        described(&schema, "", &mut wanted);
        wanted.retain(|name| ![".t", ".v", ".salt", ".iat"].contains(&name.as_str()));
        written.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(written, wanted);
        let names = |place: &Value| -> Vec<_> {
            place["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let properties = &schema["properties"];
        let all = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (acts, checks): (Vec<_>, Vec<_>) =
            (ActType::ALL.iter().map(|a| a.name()).collect(), OfficerCheck::ALL.iter().map(|c| c.name()).collect());
        assert_eq!(names(&properties["kind"]), all(&acts));
        assert_eq!(names(&properties["reason"]), all(&Reason::ALL.iter().map(|r| r.name()).collect::<Vec<_>>()));
        assert_eq!(names(&properties["outcome"]), all(&Outcome::ALL.iter().map(|o| o.name()).collect::<Vec<_>>()));
        assert_eq!(names(&properties["checked"]["items"]), all(&checks));
        assert_eq!(names(&properties["not_checked"]["items"]), all(&checks));
        assert_eq!(properties["t"]["const"], ActRecorded::TAG);
    }

    #[test]
    fn what_no_schema_says() {
        let sound = full(Thumbprint(B64u([1; 32])));
        assert!(sound.is_sound());
        let fee = |amount: &str, currency: &str| Some(Fee { amount: amount.to_owned(), currency: currency.to_owned() });
        for (amount, currency, holds) in [
            ("0", "EUR", true),
            ("999999999999999", "JPY", true),
            ("1000000000000000", "EUR", false),
            ("01", "EUR", false),
            ("", "EUR", false),
            ("1.5", "EUR", false),
            ("1", "Eur", false),
            ("1", "EURO", false),
        ] {
            assert_eq!(
                ActRecorded { fee: fee(amount, currency), ..sound.clone() }.is_sound(),
                holds,
                "{amount} {currency}"
            );
        }
        assert!(!ActRecorded { outcome: Outcome::Performed, ..sound.clone() }.is_sound());
        assert!(ActRecorded { outcome: Outcome::Performed, reason: None, ..sound }.is_sound());
    }

    #[test]
    fn a_commitment_is_opened_by_salt_and_value_alone() {
        let (salt, other) = (Salt(B64u([1; 16])), Salt(B64u([2; 16])));
        let made = commitment(&salt, "Ada").unwrap();
        assert_eq!(made, commitment(&salt, "Ada").unwrap());
        assert_ne!(made, commitment(&other, "Ada").unwrap());
        assert_ne!(made, commitment(&salt, "ada").unwrap());
    }
}
