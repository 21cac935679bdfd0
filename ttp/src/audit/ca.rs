//! Certificates and CRLs.

use std::collections::BTreeSet;

use rasn_pkix::CertificateList;
use semper_ledger::entry::{Entry, Tag, TagSpace};

use super::officer::acts;
use super::{Auditor, Case, Given, Index, Outcome, Reason, difference_of, recorded};
use crate::asn1::{decode_strict, oid};
use crate::ca::bulk::BulkState;
use crate::ca::credential::{CertificateState, Credential, CredentialEvent, Revocation, Revoke};
use crate::ca::crl::{self, CrlContent, Revoked};
use crate::ca::profile::{self, ProfileCode};
use crate::ca::{Authority, CaFact, CaId, Crl, CrlEffect, CrlEvent, CrlState, Grounds, ListId, issued, lint};
use crate::crypto::{Purpose, verify_chain, verify_crl};
use crate::digest::Digest;
use crate::evidence::{Aggregate, Envelope, Fact, Recorded, names};
use crate::id::RegistrationId;
use crate::policy::roles::TrustedRole;
use crate::registration::RegistrationState;
use crate::role::Role;
use crate::time::Timestamp;
use crate::timestamp::ClockVerdict;
use crate::x509::{Certificate, encode, from_time};

/// What is around a fact that is made again, where the fact itself is the only one to say it.
pub(super) fn envelope_of(fact: &Fact) -> Envelope {
    let Fact { aggregate, seq, now, salt, policy_hash, event_digest, .. } = *fact;
    Envelope { aggregate, seq, now, salt, policy_hash, event_digest }
}

impl Auditor {
    /// A certificate says all that its fact does, but for its grounds: the event was what was signed.
    pub(super) fn judge_certificate(&mut self, given: &Given<'_>, ledger: &dyn Index, case: &mut Case) -> Outcome {
        let stated = match recorded::<CaFact>(given.fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::CertificateIssued { issuer: authority, profile, grounds, .. } = stated.clone() else {
            return case.ends("its fact is not of a certificate");
        };
        let state = self.credentials.entry(given.fact.aggregate).or_default();
        Credential::apply(state, &stated);
        if acts(profile) {
            let registration = grounds.as_ref().map_or(&[][..], |grounds| &grounds.registration);
            self.certified(Digest(given.entry.digest), given.fact.aggregate, registration);
        }
        let ca = CaId { authority, generation: grounds.as_ref().map_or(1, |grounds| grounds.generation) };
        let certificate = match given.certificate(case) {
            Ok(certificate) => certificate,
            Err(outcome) => return outcome,
        };
        let again = issued(authority, profile, &certificate, grounds.clone()).into_fact(&Envelope {
            aggregate: ca.certificate(&certificate.serial()),
            seq: 0,
            event_digest: Digest::of(&encode(&certificate.decoded().tbs_certificate)),
            ..envelope_of(given.fact)
        });
        if let Some(what) = difference_of(given.fact, &again) {
            case.differs(what);
        }
        if !profile.may_be_issued_by(authority) {
            case.differs(format!("{} issues no certificates of this class", authority.name()));
        }
        let fits = profile::check(&certificate, profile);
        if let Err(fault) = fits {
            case.differs(format!("the certificate has not the profile of its kind: {fault}"));
        }
        self.expect_revocation(given.fact.aggregate, certificate.digest(), case.index, ledger);
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
            _ => self.keys.root().map(Certificate::der),
        };
        let (Some(root), Some(chain)) = (root, self.keys.chain(ca)) else {
            return Outcome::Not(Reason::NoCertificate);
        };
        let purpose = match profile {
            ProfileCode::Tsu => Purpose::Timestamping,
            ProfileCode::Operator | ProfileCode::Officer | ProfileCode::Client => Purpose::Client,
            ProfileCode::Server => Purpose::Server,
            ProfileCode::Root
            | ProfileCode::IssuingCa
            | ProfileCode::Party
            | ProfileCode::OcspResponder
            | ProfileCode::Role
            | ProfileCode::Imported => Purpose::Any,
        };
        if let Err(fault) = verify_chain(certificate.der(), &chain, root, given.fact.now, purpose) {
            return case.ends(format!("the certificate does not lead to the root: {fault}"));
        }
        if let Some(grounds) = &grounds {
            self.judge_grounds(&certificate, profile, ca, grounds, case);
        }
        // What has not the profile judges nothing after it.
        if fits.is_ok()
            && let Err(why) = self.keys.certified(ca, profile, &certificate, &self.rules.endpoints)
        {
            case.differs(why);
        }
        Outcome::Same
    }

    /// The profile that the fact names is one that the ledger has, the application one that was approved for this certificate,
    /// and the lint says again what it said.
    fn judge_grounds(
        &self,
        certificate: &Certificate,
        class: ProfileCode,
        ca: CaId,
        grounds: &Grounds,
        case: &mut Case,
    ) {
        let Some(profile) = self.policies.profile(&grounds.profile) else {
            return case.differs("its profile is none that this ledger or this program has");
        };
        if profile.code() != class {
            case.differs(format!("its profile {} is for certificates of another class", profile.name()));
        }
        // An application keeps the profile that was in force when it came.
        if grounds.registration.is_empty() && !self.policies.is_in_force(&grounds.profile) {
            case.differs(format!("its profile {} was not in force", profile.name()));
        }
        if !grounds.registration.is_empty() && !self.is_approved(class, certificate, grounds) {
            case.differs("no application was approved that asked for it");
        }
        let Some((issuer, own)) = self.keys.issuer(ca) else { return };
        let of_issuer = CaId::first(Authority::Root).certificate(&own.serial());
        let issuer_state = self.credentials.get(&of_issuer).and_then(CertificateState::issued);
        if issuer_state.is_some_and(|state| state.revoked.is_some()) {
            case.differs("its issuer had been revoked");
        }
        let lint = lint::judge(certificate, profile, &issuer);
        if lint.stops() {
            case.differs(format!("the lint would have stopped it: {lint}"));
        } else if grounds.lint_version == lint::LINT_VERSION && lint.numbers() != grounds.findings {
            case.differs(format!("the lint finds something else than was recorded: {lint}"));
        }
    }

    /// Whether the application that the grounds name was approved with this key, request and profile under this serial number.
    fn is_approved(&self, class: ProfileCode, certificate: &Certificate, grounds: &Grounds) -> bool {
        let Ok(registration) = <[u8; 16]>::try_from(grounds.registration.as_slice()) else { return false };
        let state = self.registrations.get(&RegistrationId::from(registration).aggregate());
        let Some(RegistrationState::Approved(application, approval)) = state else { return false };
        let (serial, public_key) = (certificate.serial(), Digest::of(&certificate.spki_der()));
        let mut approved = application.keys.iter().zip(&approval.serials);
        approved.any(|(key, drawn)| {
            drawn[..] == serial[..]
                && key.public_key == public_key
                && key.request == grounds.request
                && key.profile == grounds.profile
                && key.class == class.code()
        })
    }

    /// Remembers a certificate that a later entry revokes, for the case that the fact of it is lost.
    pub(super) fn expect_revocation(&mut self, history: Aggregate, digest: Digest, index: u64, ledger: &dyn Index) {
        let revoked = Tag::new(TagSpace::Certificate, digest.as_bytes(), 1);
        if let Some(at) = ledger.other_with_tag(&revoked, index).filter(|at| *at > index) {
            self.revoked_at.insert(at, history);
        }
    }

    /// The fact of a revocation is not there. Its tag tells the certificate, its entry the time; the reason nobody knows, as the
    /// service that was completed says it from then on.
    pub(super) fn judge_lost_revocation(&mut self, entry: &Entry, index: u64) {
        let history = self.revoked_at.remove(&index);
        let state = history.and_then(|history| self.credentials.get_mut(&history));
        let Some(CertificateState::Issued(status)) = state else {
            // It was issued in what is lost, too.
            self.has_unknown_revocations = true;
            return;
        };
        let (now, reason) = (Timestamp::from_millis(entry.time_ms), crl::Reason::Unspecified);
        let at = now.whole_secs();
        status.revoked = Some(Revocation { at, reason });
        let (list, not_after, serial) = (status.list, status.not_after, status.serial.clone());
        self.keys.revoked(list.ca, &serial, now);
        self.revoked.insert(names::RevokedName { list, at, reason, not_after, serial }.name());
    }

    /// A revocation is decided again from the certificate's own history.
    pub(super) fn judge_revocation(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<CaFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::CertificateRevoked { list, ref serial, reason, certificate, officer, .. } = stated else {
            return case.ends("its fact is not of a revocation");
        };
        if fact.aggregate != list.ca.certificate(serial) {
            return case.ends("its fact lies in the history of another certificate");
        }
        // What an order concerns is revoked for whoever gave it, who held the role then.
        let class = self.credentials.get(&fact.aggregate).and_then(CertificateState::issued).map(|status| status.class);
        if class == Some(ProfileCode::IssuingCa) {
            self.judge_second(&certificate, &officer, reason, fact.now, case);
        }
        let is_ordered = |state: &BulkState| matches!(state, BulkState::Ordered(order) if order.officer == officer);
        if class != Some(ProfileCode::IssuingCa) && !self.orders.values().any(is_ordered) {
            self.judge_role(&officer, TrustedRole::RevocationOfficer, fact.now, case);
        }
        let state = self.credentials.entry(fact.aggregate).or_default();
        let before = state.clone();
        Credential::apply(state, &stated);
        self.revoked.extend(names::of(fact).into_iter().filter(|name| names::read_revoked(name).is_some()));
        self.keys.revoked(list.ca, serial, fact.now);
        self.revoked_at.remove(&case.index);
        let revoked = Tag::new(TagSpace::Certificate, certificate.as_bytes(), 1);
        if !given.entry.tags.as_slice().contains(&revoked) {
            case.differs("its entry does not bear the tag of the revoked certificate");
        }
        // Whatever let it pass: nothing is decided by a clock in doubt.
        let event = CredentialEvent::Revoke(Revoke { reason, certificate, officer, clock: ClockVerdict::Synced });
        match Credential::decide(&before, &event, fact.now) {
            Err(refusal) => return case.ends(format!("decided again, nothing is revoked: {refusal}")),
            Ok((facts, _)) => {
                let envelope = Envelope { event_digest: event.digest(), ..envelope_of(fact) };
                let again = facts.into_iter().next().map(|again| again.into_fact(&envelope));
                if let Some(what) = again.and_then(|again| difference_of(fact, &again)) {
                    case.differs(what);
                }
            }
        }
        Outcome::Same
    }

    /// What was not issued is not there to be built again.
    pub(super) fn judge_refusal(&self, given: &Given<'_>, case: &mut Case) -> Outcome {
        match recorded::<CaFact>(given.fact, case) {
            Ok(CaFact::IssueRefused { .. }) => Outcome::Not(Reason::Request),
            Ok(_) => case.ends("its fact is not of a refusal"),
            Err(outcome) => outcome,
        }
    }

    /// Everything that a list may name, at this moment of the ledger.
    pub(super) fn revoked_for(&self, list: ListId, is_scoped: bool) -> Vec<Revoked> {
        let prefix = if is_scoped { names::revoked(list) } else { names::revoked_by(list.ca) };
        let all = self.revoked.range(prefix.clone()..).take_while(|name| name.starts_with(&prefix));
        all.filter_map(|name| names::read_revoked(name)).map(Revoked::from).collect()
    }

    /// What a list was decided from, as it names it. A revocation may have become durable behind the look at what is revoked, and before
    /// the list: as late as a commit may wait. One that is older must be named, and nothing that was not revoked.
    fn named_by(
        &self,
        list: &CertificateList,
        mut revoked: Vec<Revoked>,
        state: &CrlState,
        this_update: Timestamp,
        case: &mut Case,
    ) -> Vec<Revoked> {
        let named: BTreeSet<_> = crl::serials_of(list).unwrap_or_default().into_iter().collect();
        let known: BTreeSet<_> = revoked.iter().map(|one| &one.serial).collect();
        if !self.has_unknown_revocations {
            for serial in named.iter().filter(|serial| !known.contains(serial)) {
                case.differs(format!("it names the certificate {}, which was not revoked", hex::encode(serial)));
            }
        }
        let is_over = |one: &Revoked| state.last.is_some_and(|last| one.not_after < last.this_update);
        revoked.retain(|one| {
            let is_named = named.contains(&one.serial) || is_over(one);
            // A second more, since fractions of seconds are cut off.
            if !is_named && one.at.plus_millis(self.mmd_millis + 1_000) < this_update {
                let serial = hex::encode(&one.serial);
                case.differs(format!("it does not name the certificate {serial}, which was revoked at {}", one.at));
            }
            is_named
        });
        revoked
    }

    /// A list is decided again from the state that the lists before it left, and from everything that was revoked.
    pub(super) fn judge_crl(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<CaFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::CrlIssued { list: id, this_update, next_update, .. } = stated else {
            return case.ends("its fact is not of a list");
        };
        if fact.aggregate != id.aggregate() {
            return case.ends(format!("its fact is of {} and lies in the history of something else", id.place()));
        }
        let snapshot = self.crls.entry(id).or_default();
        let state = snapshot.state.clone();
        // The state is the fold of what is stored, whatever is found to be wrong with it.
        Crl::apply(&mut snapshot.state, &stated);
        snapshot.next_seq = fact.seq.saturating_add(1);
        let artefact = match given.artefact() {
            Ok(artefact) => artefact,
            Err(outcome) => return outcome,
        };
        let Some(list) = decode_strict::<CertificateList>(artefact) else {
            return case.ends("its artefact is no list in strict DER");
        };

        let life_secs = u32::try_from(next_update.secs().saturating_sub(this_update.secs())).unwrap_or(0);
        // Where a list is served is a setting, and stands in the list alone.
        let distribution_point = crl::distribution_point_of(&list);
        // The root may have signed it elsewhere.
        let listed = crl::read(artefact);
        let imported = listed.map(|listed| CrlEvent::Import { list: id, listed, revoked: self.revoked_for(id, false) });
        let is_it = |event: &CrlEvent| Digest::of(&event.encode()) == fact.event_digest;
        let event = match imported.filter(is_it) {
            Some(imported) => Some(imported),
            None => {
                let revoked = self.revoked_for(id, distribution_point.is_some());
                let revoked = self.named_by(&list, revoked, &state, this_update, case);
                let event = [false, true].map(|force| CrlEvent::Issue {
                    list: id,
                    life_secs,
                    force,
                    revoked: revoked.clone(),
                    distribution_point: distribution_point.clone(),
                });
                event.into_iter().find(is_it)
            }
        };
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
        let Some((issuer, certificate)) = self.keys.issuer(id.ca) else {
            return Outcome::Not(Reason::NoCertificate);
        };
        if let Err(fault) = verify_crl(artefact, certificate.der()) {
            case.differs(format!("the list is not by its authority: {fault}"));
        }
        // What was signed elsewhere was not built here.
        if matches!(event, Some(CrlEvent::Import { .. })) {
            if id.ca.authority == Authority::Imported {
                self.judge_last_list(id, artefact, case);
            }
            return Outcome::Same;
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
