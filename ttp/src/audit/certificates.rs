//! Every certificate that the ledger has, one by one, judged by what stands before it: is it there, is it what its fact says, does
//! it keep to the profile that was in force?
//!
//! The audit decides everything again and counts; this lists, and remembers no more than profiles and the service's own keys.
//! Whether a certificate was revoked stands later in the ledger, where whoever lists looks it up.

use semper_ledger::entry::Entry;

use super::keys::Keys;
use super::policy::PoliciesInForce;
use super::{Row, Stored};
use crate::ca::credential::{CertificateState, Credential, CredentialEvent};
use crate::ca::imported::Predecessor;
use crate::ca::profile::{self, ProfileCode};
use crate::ca::{CaFact, CaId, Grounds, issued, lint};
use crate::crypto::{Purpose, verify_chain};
use crate::digest::Digest;
use crate::evidence::{Aggregate, CaKind, Fact, Kind, OpsFact, OpsKind, Recorded};
use crate::role::Role;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::x509::Certificate;

/// A certificate as its entry, fact and artefact have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCertificate {
    /// Its entry.
    pub index: u64,
    /// What its fact says, where that is there.
    pub stated: Option<StatedCertificate>,
    /// SHA-256 of the certificate, by the entry.
    pub digest: Digest,
    /// What is wrong with it.
    pub faults: Vec<String>,
    /// What is not there, so that nobody could tell.
    pub missing: Option<&'static str>,
}

/// What the fact of a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedCertificate {
    /// Its history, in which its revocation would be.
    pub history: Aggregate,
    /// When that was decided.
    pub at: Timestamp,
    /// Who issued it.
    pub issuer: CaId,
    /// Content octets of its serial number.
    pub serial: Vec<u8>,
    /// Its class.
    pub class: ProfileCode,
    /// SHA-256 of its profile; facts of the first form name none.
    pub profile: Option<Digest>,
    /// The name of that profile, if the ledger or this program has it.
    pub profile_name: Option<String>,
    /// From.
    pub not_before: Timestamp,
    /// To.
    pub not_after: Timestamp,
}

/// Lists a ledger's certificates, entry by entry.
#[derive(Debug, Default)]
pub struct CertificateList {
    keys: Keys,
    policies: PoliciesInForce,
}

impl CertificateList {
    /// The next entry: a certificate, if it is of one.
    pub fn entry(&mut self, row: &Row<'_>) -> Option<ListedCertificate> {
        let entry = Entry::decode(row.entry).ok()?;
        let fact = match row.fact {
            Stored::Kept(bytes) => Fact::decode(bytes).ok(),
            Stored::Absent | Stored::Unreadable | Stored::Lost => None,
        };
        match Kind::from_codes(entry.role, entry.kind)? {
            Kind::Ops(OpsKind::KeyMade) => {
                if let Ok(OpsFact::KeyMade { key, public_key }) = OpsFact::from_fact(&fact?) {
                    self.keys.made(key, public_key);
                }
                None
            }
            Kind::Ops(OpsKind::PolicyChanged) => {
                let Stored::Kept(document) = row.artefact else { return None };
                self.policies.change(fact?.aggregate, document);
                None
            }
            Kind::Ca(CaKind::CertificateIssued | CaKind::CertificateImported) => {
                Some(self.certificate(row, &entry, fact.as_ref()))
            }
            Kind::Ca(CaKind::AuthorityImported) => {
                let (Stored::Kept(der), CaFact::AuthorityImported { ca, .. }) =
                    (row.artefact, CaFact::from_fact(&fact?).ok()?)
                else {
                    return None;
                };
                let predecessor = Predecessor::judge(Certificate::from_der(der).ok()?, ca.generation).ok()?;
                // The audit says what is wrong with it; without it, what it issued is in doubt here.
                self.keys.taken_over(&predecessor).ok()?;
                None
            }
            _ => None,
        }
    }

    fn certificate(&mut self, row: &Row<'_>, entry: &Entry, fact: Option<&Fact>) -> ListedCertificate {
        let digest = Digest(entry.digest);
        let mut listed =
            ListedCertificate { index: row.index, stated: None, digest, faults: Vec::new(), missing: None };
        let Some(fact) = fact else {
            listed.missing = Some("its fact is not in the store, or does not read");
            return listed;
        };
        let stated = CaFact::from_fact(fact);
        let (ca, class, serial, not_before, not_after, grounds) = match stated.clone() {
            Ok(CaFact::CertificateIssued { issuer, profile, serial, not_before, not_after, grounds, .. }) => {
                let generation = grounds.as_ref().map_or(1, |grounds| grounds.generation);
                (CaId { authority: issuer, generation }, profile, serial, not_before, not_after, grounds)
            }
            Ok(CaFact::CertificateImported { ca, serial, not_before, not_after, .. }) => {
                (ca, ProfileCode::Imported, serial, not_before, not_after, None)
            }
            _ => {
                listed.faults.push("its fact is not of a certificate".to_owned());
                return listed;
            }
        };
        let profile = grounds.as_ref().map(|grounds| grounds.profile);
        let known = profile.and_then(|digest| self.policies.profile(&digest));
        listed.stated = Some(StatedCertificate {
            history: fact.aggregate,
            at: fact.now,
            issuer: ca,
            serial,
            class,
            profile,
            profile_name: known.map(|profile| profile.name().to_owned()),
            not_before,
            not_after,
        });
        if class == ProfileCode::Imported && !super::imported::has_artefact(fact) {
            // The last list of its CA is all that is known of it.
            return listed;
        }
        let Stored::Kept(der) = row.artefact else {
            listed.missing = Some("the certificate itself is not in the store, or does not read");
            return listed;
        };
        if Digest::of(der) != digest {
            listed.faults.push("its entry is of another certificate".to_owned());
        }
        match Certificate::from_der(der) {
            Err(fault) => listed.faults.push(format!("it is no certificate: {fault}")),
            Ok(certificate) if class == ProfileCode::Imported => {
                listed.faults.extend(self.judge_imported(ca, stated.as_ref().ok(), &certificate).err());
            }
            Ok(certificate) => self.judge(ca, class, fact, &certificate, grounds, &mut listed.faults),
        }
        listed
    }

    /// What stands in it is what its fact says, and the CA that was taken over signed it. No profile of ours was ever asked.
    fn judge_imported(&self, ca: CaId, stated: Option<&CaFact>, certificate: &Certificate) -> Result<(), String> {
        let Some(CaFact::CertificateImported { revoked, .. }) = stated else { return Ok(()) };
        let predecessor = self.keys.predecessor(ca).ok_or("its CA does not stand in the ledger before it")?;
        let import =
            predecessor.issued(certificate, *revoked, ClockVerdict::Synced).map_err(|fault| fault.to_string())?;
        let event = CredentialEvent::Import(import);
        match Credential::decide(&CertificateState::None, &event, certificate.validity().not_before) {
            Ok((facts, _)) if facts.first() == stated => Ok(()),
            _ => Err("it is not the certificate that its fact tells of".to_owned()),
        }
    }

    /// What stands in it is what its fact says, its class wants, its profile wants; and its issuer signed it.
    fn judge(
        &mut self,
        ca: CaId,
        class: ProfileCode,
        fact: &Fact,
        certificate: &Certificate,
        grounds: Option<Grounds>,
        faults: &mut Vec<String>,
    ) {
        let again = issued(ca.authority, class, certificate, grounds.clone());
        if CaFact::from_fact(fact).as_ref() != Ok(&again) || fact.aggregate != ca.certificate(&certificate.serial()) {
            faults.push("it is not the certificate that its fact tells of".to_owned());
        }
        let fits = profile::check(certificate, class);
        if let Err(fault) = fits {
            faults.push(format!("it has not the profile of its class: {fault}"));
        }
        if let Some(grounds) = &grounds {
            self.judge_profile(ca, class, certificate, grounds, faults);
        }
        let root = match class {
            ProfileCode::Root => Some(certificate.der()),
            _ => self.keys.root().map(Certificate::der),
        };
        let verified = match (root, self.keys.chain(ca)) {
            (Some(root), Some(chain)) => {
                verify_chain(certificate.der(), &chain, root, fact.now, Purpose::Any).map_err(|fault| fault.to_string())
            }
            _ => Err("its issuers do not stand in the ledger before it".to_owned()),
        };
        match verified {
            Err(why) => faults.push(format!("it does not lead to the root: {why}")),
            Ok(()) if class.is_ca() && fits.is_ok() => {
                // What it signs is judged by it.
                faults.extend(self.keys.certified(ca, class, certificate, &[]).err());
            }
            Ok(()) => {}
        }
    }

    fn judge_profile(
        &self,
        ca: CaId,
        class: ProfileCode,
        certificate: &Certificate,
        grounds: &Grounds,
        faults: &mut Vec<String>,
    ) {
        let Some(profile) = self.policies.profile(&grounds.profile) else {
            return faults.push("its profile is none that this ledger or this program has".to_owned());
        };
        if profile.code() != class {
            faults.push(format!("its profile {} is for certificates of another class", profile.name()));
        }
        // An application keeps the profile that was in force when it came.
        if grounds.registration.is_empty() && !self.policies.is_in_force(&grounds.profile) {
            faults.push(format!("its profile {} was not in force", profile.name()));
        }
        let issuer = match class {
            // It is its own issuer, and nothing stands before it.
            ProfileCode::Root => Keys::issuer_of(ca, certificate),
            _ => self.keys.issuer(ca).map(|(issuer, _)| issuer),
        };
        let Some(issuer) = issuer else { return };
        let lint = lint::judge(certificate, profile, &issuer);
        if lint.stops() {
            faults.push(format!("it contradicts its profile {}: {lint}", profile.name()));
        }
    }
}
