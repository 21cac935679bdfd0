//! CAs that were taken over, and what they had issued.

use std::collections::BTreeSet;

use semper_ledger::entry::{Tag, TagSpace};

use super::keys::Keys;
use super::party::{compare, judge_artefact};
use super::{Auditor, Case, Given, Index, Outcome, difference_of, recorded};
use crate::ca::credential::{Credential, CredentialEvent};
use crate::ca::imported::Predecessor;
use crate::ca::{CaFact, CaId, ListId};
use crate::digest::Digest;
use crate::evidence::{CaKind, Fact, Kind, Recorded};
use crate::role::Role;
use crate::timestamp::ClockVerdict;
use crate::x509::Certificate;

/// A certificate that only the last list tells of has none.
pub(super) fn has_artefact(fact: &Fact) -> bool {
    let unknown = Digest::of(b"");
    fact.kind == Kind::Ca(CaKind::CertificateImported)
        && matches!(CaFact::from_fact(fact), Ok(CaFact::CertificateImported { public_key, .. }) if public_key != unknown)
}

impl Keys {
    /// A CA that was taken over earlier in the ledger.
    pub(super) fn predecessor(&self, ca: CaId) -> Option<Predecessor> {
        Predecessor::judge(self.authority(ca)?.clone(), ca.generation).ok()
    }
}

impl Auditor {
    /// The certificate is of a CA, its fact says the same, and its key is one that the ledger knows as taken over.
    pub(super) fn judge_predecessor(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let stated = match recorded::<CaFact>(given.fact, case) {
            Ok(CaFact::AuthorityImported { ca, .. }) => ca,
            Ok(_) => return case.ends("its fact is not of a CA that was taken over"),
            Err(outcome) => return outcome,
        };
        let certificate = match given.certificate(case) {
            Ok(certificate) => certificate,
            Err(outcome) => return outcome,
        };
        let predecessor = match Predecessor::judge(certificate, stated.generation) {
            Ok(predecessor) => predecessor,
            Err(fault) => return case.ends(format!("it could not be taken over: {fault}")),
        };
        let again = predecessor.fact().into_fact(&super::ca::envelope_of(given.fact));
        if let Some(what) = difference_of(given.fact, &again) {
            case.differs(what);
        }
        if given.fact.aggregate != predecessor.history() {
            case.differs("its fact lies in the history of something else");
        }
        require_tags(given, &[Tag::new(TagSpace::Certificate, predecessor.certificate().digest().as_bytes(), 0)], case);
        if let Err(why) = self.keys.taken_over(&predecessor) {
            case.differs(why);
        }
        Outcome::Same
    }

    /// A certificate is by the CA that was taken over, and its fact follows from it.
    pub(super) fn judge_import(&mut self, given: &Given<'_>, ledger: &dyn Index, case: &mut Case) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<CaFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let CaFact::CertificateImported { ca, ref serial, revoked, .. } = stated else {
            return case.ends("its fact is not of a certificate that was taken over");
        };
        if fact.aggregate != ca.certificate(serial) {
            return case.ends("its fact lies in the history of another certificate");
        }
        let state = self.credentials.entry(fact.aggregate).or_default();
        let before = state.clone();
        Credential::apply(state, &stated);
        if revoked.is_some() {
            let names = crate::evidence::names::of(fact);
            self.revoked.extend(names.into_iter().filter(|name| crate::evidence::names::read_revoked(name).is_some()));
        }
        let Some(predecessor) = self.keys.predecessor(ca) else {
            return case.ends(format!("{} was not taken over before it", ca.place()));
        };
        // Whatever let it pass: nothing is decided by a clock in doubt.
        let clock = ClockVerdict::Synced;
        let mut judge = |event| {
            let event = CredentialEvent::Import(event);
            compare::<Credential>(fact, Credential::decide(&before, &event, fact.now), event.digest(), case);
        };
        if !has_artefact(fact) {
            match revoked {
                Some(revoked) => judge(predecessor.listed(serial, revoked, clock)),
                None => case.differs("nobody has the certificate, and no list names it"),
            }
            return Outcome::Same;
        }
        let issued = |bytes: &[u8]| {
            let certificate = Certificate::from_der(bytes).map_err(|fault| fault.to_string())?;
            predecessor.issued(&certificate, revoked, clock).map_err(|fault| fault.to_string())
        };
        let digest = Digest(given.entry.digest);
        let event = given.artefact().ok().map(issued);
        if let Some(Ok(event)) = &event {
            judge(event.clone());
        }
        self.expect_revocation(fact.aggregate, digest, case.index, ledger);
        let mut tags = vec![Tag::new(TagSpace::Certificate, digest.as_bytes(), 0)];
        tags.extend(revoked.map(|_| Tag::new(TagSpace::Certificate, digest.as_bytes(), 1)));
        require_tags(given, &tags, case);
        judge_artefact(given, digest, case, |bytes| issued(bytes).map(drop))
    }

    /// What was taken over as revoked is what the last list from elsewhere names, with its dates and reasons.
    pub(super) fn judge_last_list(&self, id: ListId, artefact: &[u8], case: &mut Case) {
        let Some(predecessor) = self.keys.predecessor(id.ca) else {
            return case.differs(format!("{} was not taken over before it", id.ca.place()));
        };
        let last = match predecessor.last_list(artefact) {
            Ok(last) => last,
            Err(fault) => return case.differs(format!("it could not be taken over: {fault}")),
        };
        let named: BTreeSet<_> = last.revoked.iter().map(|(serial, one)| (serial, one.at, one.reason.code())).collect();
        let revoked = self.revoked_for(id, false);
        let taken: BTreeSet<_> = revoked.iter().map(|one| (&one.serial, one.at, one.reason.code())).collect();
        if named != taken {
            case.differs("what was taken over as revoked is not what it names");
        }
    }
}

fn require_tags(given: &Given<'_>, tags: &[Tag], case: &mut Case) {
    if tags.iter().any(|tag| !given.entry.tags.as_slice().contains(tag)) {
        case.differs("its entry does not bear the tag of its certificate");
    }
}
