//! Revocation lists (RFC 5280 §6.3.3).

use std::sync::Arc;

use super::signers::scheme_of;
use super::{Answer, Doubt, EvidenceKind, Found, Inquiry, Looked, Question, Revocation};
use crate::crypto::StrangerKey;
use crate::path::crl::{Crl, CrlEntry, IssuingPoint};
use crate::path::extensions::{DistributionPoint, ReasonMask};
use crate::path::material::Material;
use crate::path::name::GeneralName;

/// certificateHold and removeFromCRL (§5.3.1).
const HOLD: u8 = 6;
const REMOVED: u8 = 8;

impl Inquiry<'_> {
    /// Looks at every list. One that says "revoked" counts wherever it stands in the order, so no list is left out because another
    /// one covered its reasons already ((e) of §6.3.3 saves work, not more).
    pub(super) fn lists(&mut self, question: &Question<'_>, found: &mut Found) {
        let mut deltas: Vec<Looked> = Vec::new();
        for crl in self.material.crls().iter().filter(|crl| crl.base_number().is_none()) {
            let looked = match scope(question, crl) {
                Err(doubt) => Looked { doubts: vec![doubt], ..look(EvidenceKind::Crl, crl) },
                Ok(reasons) => self.complete(question, crl, reasons, found, &mut deltas),
            };
            found.looked_at.push(looked);
        }
        // Each delta once: as it was used, if it was, whichever complete lists it was tried with.
        for crl in self.material.crls().iter().filter(|crl| crl.base_number().is_some()) {
            let tried: Vec<_> = deltas.iter().filter(|looked| looked.digest == crl.digest()).collect();
            let told = tried.iter().find(|looked| looked.was_used()).or(tried.first());
            found.looked_at.push(told.map_or_else(
                || {
                    let doubts = vec![scope(question, crl).err().unwrap_or(Doubt::NoBase)];
                    Looked { doubts, ..look(EvidenceKind::DeltaCrl, crl) }
                },
                |looked| Looked::clone(looked),
            ));
        }
    }

    /// One complete list, with the deltas that change what it says.
    fn complete(
        &mut self,
        question: &Question<'_>,
        crl: &Arc<Crl>,
        reasons: ReasonMask,
        found: &mut Found,
        deltas: &mut Vec<Looked>,
    ) -> Looked {
        let mut looked = look(EvidenceKind::Crl, crl);
        looked.doubts.extend(bad_extensions(crl));
        let key = self.signer_of(question, crl, &mut looked, found);
        let mut newest = crl;
        let (issuer, serial) = (question.certificate.issuer(), question.certificate.serial());
        let complete = crl.find(issuer, serial);
        let mut entry = complete.clone();
        // (c), (h), (i): the newest delta that fits changes what the complete list says. Older ones are in it.
        for delta in deltas_of(self.material, crl) {
            let mut looked = look(EvidenceKind::DeltaCrl, delta);
            looked.doubts.extend(bad_extensions(delta));
            match (&key, scheme_of(delta.signed())) {
                (Some(key), Ok(scheme)) => {
                    looked.doubts.extend(self.verify(key, scheme, delta.signed(), delta.issuer()));
                }
                (None, _) => looked.doubts.push(Doubt::NoBase),
                (_, Err(doubt)) => looked.doubts.push(doubt),
            }
            let changed = delta.find(issuer, serial);
            looked.doubts.extend(self.too_late(question, delta, changed.as_ref()));
            if looked.was_used() && newest.this_update() <= delta.this_update() {
                newest = delta;
                entry = changed.or_else(|| complete.clone());
            }
            deltas.push(looked);
        }
        looked.doubts.extend(self.too_late(question, newest, entry.as_ref()));
        if looked.was_used() {
            let revoked = entry.filter(|entry| entry.reason != REMOVED).map(|entry| revocation(&entry, newest));
            let fresh = self.untimely(question, newest).is_none();
            found.answers.push(Answer { revoked, reasons, issued_at: newest.this_update(), fresh });
        }
        looked
    }

    fn untimely(&self, question: &Question<'_>, crl: &Crl) -> Option<Doubt> {
        question.untimely(crl.this_update(), crl.next_update(), crl.expired_since(), self.settings)
    }

    /// A revocation is for ever, so that a list that says so need not be fresh; but what is still to come is nothing.
    fn too_late(&self, question: &Question<'_>, crl: &Crl, entry: Option<&CrlEntry>) -> Option<Doubt> {
        let for_ever = entry.is_some_and(|entry| ![HOLD, REMOVED].contains(&entry.reason));
        self.untimely(question, crl).filter(|doubt| !for_ever || matches!(doubt, Doubt::FromTheFuture { .. }))
    }

    /// (f), (g): verifies a complete list; the key, if nothing is wrong with it.
    fn signer_of(
        &mut self,
        question: &Question<'_>,
        crl: &Crl,
        looked: &mut Looked,
        found: &mut Found,
    ) -> Option<Arc<StrangerKey>> {
        let scheme = match scheme_of(crl.signed()) {
            Ok(scheme) => scheme,
            Err(doubt) => {
                looked.doubts.push(doubt);
                return None;
            }
        };
        match self.list_signer(question, crl, scheme) {
            Err(doubt) => {
                looked.doubts.push(doubt);
                None
            }
            Ok(signer) => {
                let at = question.signer_at(crl.this_update());
                looked.doubts.extend(self.algorithms(scheme, &signer.key, at));
                looked.doubts.extend(signer.doubts);
                looked.signer = signer.path;
                found.missing.extend(signer.missing);
                looked.was_used().then_some(signer.key)
            }
        }
    }
}

/// §5.2.4: of the same issuer and scope, with a base that the complete list reaches, and newer than it; the oldest first.
fn deltas_of<'m>(material: &'m Material, complete: &Crl) -> Vec<&'m Arc<Crl>> {
    let fits = |delta: &&Arc<Crl>| {
        let (Some(base), Some(own), Some(number)) = (delta.base_number(), delta.number(), complete.number()) else {
            return false;
        };
        let same_key = delta.authority_key() == complete.authority_key();
        let same_scope = delta.issuing_point() == complete.issuing_point();
        let reaches = !is_less(number, base) && is_less(number, own);
        delta.issuer() == complete.issuer() && same_key && same_scope && reaches
    };
    let mut deltas: Vec<_> = material.crls().iter().filter(fits).collect();
    deltas.sort_by_key(|delta| delta.this_update());
    deltas
}

fn look(kind: EvidenceKind, crl: &Crl) -> Looked {
    Looked {
        kind,
        digest: crl.digest(),
        issuer: crl.issuer().to_string(),
        issued_at: crl.this_update(),
        next_update: crl.next_update(),
        produced_at: None,
        signer: None,
        doubts: Vec::new(),
    }
}

fn bad_extensions(crl: &Crl) -> Vec<Doubt> {
    let unknown = crl.unknown_critical().iter().map(|id| Doubt::UnknownCritical { id: id.clone() });
    let malformed = crl.malformed_extensions().iter().map(|id| Doubt::MalformedExtension { id: id.clone() });
    unknown.chain(malformed).collect()
}

fn revocation(entry: &CrlEntry, crl: &Crl) -> Revocation {
    Revocation { at: entry.revoked_at, reason: entry.reason, invalid_since: entry.invalid_since, by: crl.digest() }
}

/// Numbers in their shortest octets; none is negative in a list of any sense, and one that is counts as small.
fn is_less(a: &[u8], b: &[u8]) -> bool {
    let key = |number: &[u8]| {
        let digits = number.iter().skip_while(|octet| **octet == 0).copied().collect::<Vec<_>>();
        (digits.len(), digits)
    };
    key(a) < key(b)
}

/// (b), (d): for which reasons a list can say that the certificate is revoked. Beside its distribution points the certificate
/// has one more, at its issuer's name, for lists that no point names (the end of §6.3.3).
fn scope(question: &Question<'_>, crl: &Crl) -> Result<ReasonMask, Doubt> {
    let certificate = question.certificate;
    let own = DistributionPoint {
        place: Some(crate::path::extensions::PlaceName::Full(vec![GeneralName::Directory(
            certificate.issuer().clone(),
        )])),
        reasons: ReasonMask::ALL,
        crl_issuer: Vec::new(),
    };
    let none = IssuingPoint::default();
    let issued = crl.issuing_point().unwrap_or(&none);
    let mut reasons = ReasonMask::NONE;
    let mut doubt = None;
    for point in certificate.distribution_points().iter().chain([&own]) {
        match fits(question, crl, issued, point) {
            Ok(()) => reasons = reasons.or(point.reasons.and(issued.only_reasons.unwrap_or(ReasonMask::ALL))),
            // The one that fits best tells why it does not fit.
            Err(Doubt::OtherIssuer { issuer }) => doubt = doubt.or(Some(Doubt::OtherIssuer { issuer })),
            Err(nearer) => doubt = Some(nearer),
        }
    }
    match reasons.is_empty() {
        false => Ok(reasons),
        true => Err(doubt.unwrap_or(Doubt::OtherReasons)),
    }
}

fn fits(question: &Question<'_>, crl: &Crl, issued: &IssuingPoint, point: &DistributionPoint) -> Result<(), Doubt> {
    let certificate = question.certificate;
    // (b)(1)
    let listed = GeneralName::Directory(crl.issuer().clone());
    let by_issuer = match point.crl_issuer.is_empty() {
        true => crl.issuer() == certificate.issuer(),
        false => point.crl_issuer.contains(&listed) && issued.indirect,
    };
    if !by_issuer {
        return Err(Doubt::OtherIssuer { issuer: crl.issuer().to_string() });
    }
    // (b)(2)(i)
    if let Some(place) = &issued.place {
        let named = place.names(crl.issuer());
        let wanted = match (&point.place, &point.crl_issuer[..]) {
            (None, issuers) => issuers.to_vec(),
            // A relative name stands below the list's issuer, which is the certificate's if no other one is named.
            (Some(place), _) => place.names(crl.issuer()),
        };
        if !wanted.iter().any(|name| named.contains(name)) {
            return Err(Doubt::OtherPoint);
        }
    }
    // (b)(2)(ii) to (iv)
    match (certificate.is_ca(), issued) {
        (_, IssuingPoint { only_attributes: true, .. }) => Err(Doubt::Scope { why: "attribute certificates alone" }),
        (true, IssuingPoint { only_users: true, .. }) => Err(Doubt::Scope { why: "end entities alone" }),
        (false, IssuingPoint { only_cas: true, .. }) => Err(Doubt::Scope { why: "CAs alone" }),
        _ => Ok(()),
    }
}
