//! Certificates and CRLs.

use rasn_pkix::CertificateList;
use semper_ledger::entry::{Tag, TagSpace};

use super::{Auditor, Case, Given, Outcome, Reason, difference_of, recorded};
use crate::asn1::{decode_strict, oid};
use crate::ca::crl::{self, CrlContent};
use crate::ca::profile::{self, ProfileCode};
use crate::ca::{Authority, CaFact, Crl, CrlEffect, CrlEvent, certificate_aggregate, issued};
use crate::crypto::{Purpose, verify_chain, verify_crl};
use crate::digest::Digest;
use crate::evidence::{Envelope, Fact, Recorded};
use crate::role::Role;
use crate::x509::{Certificate, encode, from_time};

/// What is around a fact that is made again, where the fact itself is the only one to say it.
fn envelope_of(fact: &Fact) -> Envelope {
    let Fact { aggregate, seq, now, salt, policy_hash, event_digest, .. } = *fact;
    Envelope { aggregate, seq, now, salt, policy_hash, event_digest }
}

impl Auditor {
    /// A certificate says all that its fact does: the event was what was signed.
    pub(super) fn judge_certificate(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let stated = match recorded::<CaFact>(given.fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::CertificateIssued { issuer, profile, .. } = stated else {
            return case.ends("its fact is not of a certificate");
        };
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        let certificate = match Certificate::from_der(artefact) {
            Ok(certificate) => certificate,
            Err(fault) => return case.ends(format!("its artefact is no certificate: {fault}")),
        };
        let again = issued(issuer, profile, &certificate).into_fact(&Envelope {
            aggregate: certificate_aggregate(issuer, &certificate.serial()),
            seq: 0,
            event_digest: Digest::of(&encode(&certificate.decoded().tbs_certificate)),
            ..envelope_of(given.fact)
        });
        if let Some(what) = difference_of(given.fact, &again) {
            case.differs(what);
        }
        if !profile.may_be_issued_by(issuer) {
            case.differs(format!("{} issues no certificates of this class", issuer.name()));
        }
        let fits = profile::check(&certificate, profile);
        if let Err(fault) = fits {
            case.differs(format!("the certificate has not the profile of its kind: {fault}"));
        }
        let issued = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 0);
        if !given.entry.tags.as_slice().contains(&issued) {
            case.differs("its entry does not bear the tag of its certificate");
        }
        if profile == ProfileCode::Root {
            let named = self.genesis.as_ref().is_none_or(|genesis| genesis.root_certificate == certificate.digest());
            if !named {
                case.differs("genesis names another root certificate");
            }
        }
        let root = match profile {
            ProfileCode::Root => Some(certificate.der()),
            _ => self.keys.authority(Authority::Root).map(Certificate::der),
        };
        let (Some(root), Some(chain)) = (root, self.keys.chain(issuer)) else {
            return Outcome::Not(Reason::NoCertificate);
        };
        let purpose = match profile {
            ProfileCode::Root | ProfileCode::IssuingCa => Purpose::Any,
            ProfileCode::Tsu => Purpose::Timestamping,
            ProfileCode::Operator | ProfileCode::Officer | ProfileCode::Party | ProfileCode::Client => Purpose::Client,
            ProfileCode::Server => Purpose::Server,
            ProfileCode::OcspResponder | ProfileCode::Role => Purpose::Any,
        };
        if let Err(fault) = verify_chain(certificate.der(), &chain, root, given.fact.now, purpose) {
            return case.ends(format!("the certificate does not lead to the root: {fault}"));
        }
        // What has not the profile judges nothing after it.
        if fits.is_ok()
            && let Err(why) = self.keys.certified(profile, &certificate, &self.rules.endpoints)
        {
            case.differs(why);
        }
        Outcome::Same
    }

    /// A list is decided again from the state that the lists before it left.
    pub(super) fn judge_crl(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<CaFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::CrlIssued { authority, this_update, next_update, .. } = stated else {
            return case.ends("its fact is not of a list");
        };
        if fact.aggregate != authority.crl_aggregate() {
            return case.ends(format!("its fact is of {} and lies in the history of something else", authority.name()));
        }
        let snapshot = self.crls.entry(authority).or_default();
        let state = snapshot.state.clone();
        // The state is the fold of what is stored, whatever is found to be wrong with it.
        Crl::apply(&mut snapshot.state, &stated);
        snapshot.next_seq = fact.seq.saturating_add(1);

        let life_secs = u32::try_from(next_update.secs().saturating_sub(this_update.secs())).unwrap_or(0);
        let event = [false, true].map(|force| CrlEvent::Issue { authority, life_secs, force });
        let event = event.into_iter().find(|event| Digest::of(&event.encode()) == fact.event_digest);
        let content = match event.as_ref().map(|event| Crl::decide(&state, event, fact.now)) {
            None => None,
            Some(Err(refusal)) => return case.ends(format!("decided again, no list is issued: {refusal}")),
            Some(Ok((facts, effects))) => {
                let envelope = envelope_of(fact);
                let again = facts.into_iter().next().map(|again| again.into_fact(&envelope));
                if let Some(what) = again.and_then(|again| difference_of(fact, &again)) {
                    case.differs(what);
                }
                effects.into_iter().find_map(|effect| match effect {
                    CrlEffect::Sign(content) => Some(content),
                    CrlEffect::WakeAt(_) => None,
                })
            }
        };
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        let Some((issuer, certificate)) = self.keys.issuer(authority) else {
            return Outcome::Not(Reason::NoCertificate);
        };
        let Some(list) = decode_strict::<CertificateList>(artefact) else {
            return case.ends("its artefact is no list in strict DER");
        };
        if let Err(fault) = verify_crl(artefact, certificate.der()) {
            case.differs(format!("the list is not by its authority: {fault}"));
        }
        let Some(content) = content else { return Outcome::Not(Reason::Request) };
        let built = crl::prepare(&content, &issuer);
        let built = built.and_then(|unsigned| unsigned.finish(list.signature.as_raw_slice()));
        if built.as_deref() != Ok(artefact) {
            case.differs(format!("decided again, the list has another {}", difference_of_list(&list, &content)));
        }
        Outcome::Same
    }
}

fn difference_of_list(list: &CertificateList, content: &CrlContent) -> String {
    let list = &list.tbs_cert_list;
    let number = list.crl_extensions.iter().flat_map(|all| all.iter()).find(|one| *one.extn_id == *oid::CRL_NUMBER);
    let number = number.and_then(|number| decode_strict::<rasn::types::Integer>(&number.extn_value));
    let parts = [
        ("number", number == Some(content.number.into())),
        ("thisUpdate", from_time(&list.this_update) == Some(content.this_update)),
        ("nextUpdate", list.next_update.as_ref().and_then(from_time) == Some(content.next_update)),
        ("number of entries", list.revoked_certificates.len() == content.revoked.len()),
    ];
    let other: Vec<_> = parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
    if other.is_empty() { "form, issuer or extension".to_owned() } else { other.join(", another ") }
}
