//! Whether a certificate of a path was revoked at a moment: by lists (RFC 5280 §6.3) and OCSP (RFC 6960), with everything that
//! was looked at and why it did not do.
//!
//! What was issued at `t` speaks for the moment `at` if it is fresh and still names what it would have named then:
//!
//! - `t` ≤ `at`: as fresh as [`Freshness`] demands; nothing later is known.
//! - `t` > `at`: fresh by itself, since revocations stay (RFC 5280 §3.3: an entry stays until the first list after the
//!   certificate's end). Only a certificate that had expired by `t` may have left it, unless the list keeps such ones
//!   (expiredCertsOnCRL) or the responder does (archiveCutoff, RFC 6960 §4.4.4).
//!
//! A revocation is for ever, so one that is told by stale evidence counts; a suspension is not, and does not.
//! Who signed the evidence must have a valid path to the same anchor (§6.3.3 (f)) at `at`, or at `t` if that is later, and must not
//! have been revoked then. Whether the evidence existed before its signer's end is a question of proofs of existence, which whoever asks
//! has; [`Looked::signer`] says whose end counts.

mod lists;
mod responses;
mod signers;
mod status;
#[cfg(test)]
mod tests;

pub use status::{Doubt, EvidenceKind, Looked, Missing, MissingWhat, Revocation, Status, Verdict, WhyNotAsked};

use std::sync::Arc;

use super::build::Path;
use super::certificate::Certificate;
use super::checks::Checks;
use super::extensions::{ReasonMask, id};
use super::material::Material;
use super::name::{GeneralName, Name};
use super::settings::{Freshness, InitialPolicies, Settings};
use crate::crypto::StrangerKey;
use crate::digest::Digest;
use crate::time::Timestamp;

/// The status of certificate `index` of `path` at the moment `at`, by what is in `material`.
///
/// # Panics
/// If the path has no certificate `index`.
#[must_use]
pub fn revocation(
    path: &Path,
    index: usize,
    at: Timestamp,
    material: &Material,
    settings: &Settings,
    checks: &mut Checks,
) -> Status {
    // Nobody demands policies and purposes of who signs evidence.
    let settings = Settings { policies: InitialPolicies::default(), purpose: None, ..settings.clone() };
    Inquiry { material, settings: &settings, checks, asking: Vec::new(), signers_left: SIGNERS_MAX }
        .status(path, index, at)
}

/// What one call looks at.
struct Inquiry<'a> {
    material: &'a Material,
    settings: &'a Settings,
    checks: &'a mut Checks,
    /// The certificates whose status is being asked for, from the caller's down to signers of signers.
    asking: Vec<Digest>,
    signers_left: usize,
}

/// How often the status of a signer of evidence is asked for in one call.
const SIGNERS_MAX: usize = 64;

/// A certificate, its issuer, and the moment.
struct Question<'p> {
    path: &'p Path,
    index: usize,
    certificate: &'p Arc<Certificate>,
    issuer_name: &'p Name,
    /// `None` if it cannot be used, which validation tells.
    issuer_key: Option<Arc<StrangerKey>>,
    issuer_certificate: Option<&'p Arc<Certificate>>,
    /// SubjectPublicKeyInfo.
    issuer_spki: &'p [u8],
    at: Timestamp,
}

/// What a list or response says, once it is verified.
struct Answer {
    revoked: Option<Revocation>,
    /// For which reasons it would say so.
    reasons: ReasonMask,
    issued_at: Timestamp,
    /// False for one that can only say "revoked".
    fresh: bool,
}

/// What was found while a certificate is asked about.
#[derive(Default)]
struct Found {
    answers: Vec<Answer>,
    looked_at: Vec<Looked>,
    /// What signers of evidence would need.
    missing: Vec<Missing>,
}

impl<'p> Question<'p> {
    fn new(path: &'p Path, index: usize, at: Timestamp) -> Self {
        let certificate = &path.certificates()[index];
        let anchor = path.anchor();
        match index.checked_sub(1).map(|above| (above, &path.certificates()[above])) {
            None => Self {
                path,
                index,
                certificate,
                issuer_name: anchor.name(),
                issuer_key: Some(anchor.key().clone()),
                issuer_certificate: anchor.certificate(),
                issuer_spki: anchor.spki(),
                at,
            },
            Some((above, issuer)) => Self {
                path,
                index,
                certificate,
                issuer_name: issuer.subject(),
                issuer_key: path.keys()[above].clone().ok(),
                issuer_certificate: Some(issuer),
                issuer_spki: issuer.spki(),
                at,
            },
        }
    }

    /// Why evidence issued at this moment does not speak for the one asked about.
    fn untimely(
        &self,
        issued_at: Timestamp,
        next_update: Option<Timestamp>,
        kept_since: Option<Timestamp>,
        settings: &Settings,
    ) -> Option<Doubt> {
        let (at, not_after) = (self.at, self.certificate.validity().not_after);
        if issued_at > settings.now {
            return Some(Doubt::FromTheFuture { issued_at });
        }
        if issued_at > not_after && kept_since.is_none_or(|since| since > not_after) {
            return Some(Doubt::IssuedAfterExpiry { issued_at, not_after });
        }
        if issued_at >= at {
            return None;
        }
        let too_old = |oldest| (issued_at < oldest).then_some(Doubt::TooOld { issued_at, oldest });
        match (settings.freshness, next_update) {
            (Freshness::NextUpdate, None) => Some(Doubt::NoNextUpdate { issued_at, at }),
            (Freshness::NextUpdate, Some(next_update)) => {
                (next_update < at).then_some(Doubt::Stale { next_update, at })
            }
            (Freshness::Within { secs }, _) => too_old(at.minus_millis(secs.saturating_mul(1000))),
            (Freshness::IssuedAfter, _) => too_old(at),
        }
    }

    /// When who signed evidence of this moment must have been in order.
    fn signer_at(&self, issued_at: Timestamp) -> Timestamp {
        self.at.max(issued_at)
    }
}

impl Inquiry<'_> {
    fn status(&mut self, path: &Path, index: usize, at: Timestamp) -> Status {
        let certificate = &path.certificates()[index];
        let status =
            |verdict, looked_at, missing| Status { certificate: certificate.digest(), at, verdict, looked_at, missing };
        if let Some(why) = not_asked(path, certificate) {
            return status(Verdict::NotAsked(why), Vec::new(), Vec::new());
        }
        let question = Question::new(path, index, at);
        let mut found = Found::default();
        self.asking.push(certificate.digest());
        self.responses(&question, &mut found);
        self.lists(&question, &mut found);
        self.asking.pop();
        let verdict = match decide(&found.answers, at) {
            // What was left out for its number could say otherwise.
            Verdict::Good { .. } if found.looked_at.iter().any(Looked::was_cut_off) => Verdict::Undetermined,
            verdict => verdict,
        };
        let missing = match verdict {
            Verdict::Undetermined => {
                let own = missing(certificate, &found.answers, at);
                [own].into_iter().chain(found.missing).collect()
            }
            // What signers of unused evidence would have needed is missed by nobody.
            _ => Vec::new(),
        };
        status(verdict, found.looked_at, missing)
    }
}

fn not_asked(path: &Path, certificate: &Certificate) -> Option<WhyNotAsked> {
    let has = |id| certificate.extensions().find(id).is_some();
    let is_responder = certificate.extended_key_usage().is_some_and(names_ocsp);
    match () {
        () if path.is_direct() => Some(WhyNotAsked::Anchor),
        () if is_responder && has(id::OCSP_NO_CHECK) => Some(WhyNotAsked::OcspNoCheck),
        // RFC 9608 §4: never in a CA's certificate.
        () if has(id::NO_REVOCATION) && !certificate.is_ca() => Some(WhyNotAsked::NoRevocationAvailable),
        () if has(id::SHORT_TERM) && !certificate.is_ca() => Some(WhyNotAsked::ShortTerm),
        () => None,
    }
}

/// RFC 6960 §4.2.2.2: id-kp-OCSPSigning by name; anyExtendedKeyUsage is not enough.
fn names_ocsp(usage: &[super::ObjectId]) -> bool {
    usage.iter().any(|purpose| purpose.content() == id::OCSP_SIGNING)
}

/// A revocation counts wherever it stands. A suspension ends when something newer, issued before the moment asked about, names
/// it no more.
fn decide(answers: &[Answer], at: Timestamp) -> Verdict {
    let lifted = |hold: &Answer| {
        let newer = |answer: &&Answer| answer.revoked.is_none() && answer.fresh && answer.issued_at <= at;
        answers.iter().filter(newer).any(|answer| answer.issued_at > hold.issued_at)
    };
    let revocations = answers.iter().filter_map(|answer| Some((answer, answer.revoked.as_ref()?)));
    let standing = revocations.filter(|(answer, revoked)| !revoked.is_hold() || answer.fresh && !lifted(answer));
    // What was in force at the moment, before what came later; a revocation before a suspension, since it is for ever.
    let first =
        standing.map(|(_, revoked)| revoked).min_by_key(|revoked| (revoked.at > at, revoked.is_hold(), revoked.at));
    match first {
        Some(revoked) if revoked.at <= at => Verdict::Revoked(revoked.clone()),
        later if covered(answers) == ReasonMask::ALL => Verdict::Good { later: later.cloned() },
        _ => Verdict::Undetermined,
    }
}

fn covered(answers: &[Answer]) -> ReasonMask {
    answers.iter().filter(|answer| answer.fresh).fold(ReasonMask::NONE, |all, answer| all.or(answer.reasons))
}

fn missing(certificate: &Certificate, answers: &[Answer], at: Timestamp) -> Missing {
    let what = match covered(answers) {
        ReasonMask::NONE => MissingWhat::Evidence,
        some => MissingWhat::Reasons(ReasonMask::ALL.without(some)),
    };
    let points = certificate.distribution_points().iter();
    let names = points.flat_map(|point| point.place.iter().flat_map(|place| place.names(certificate.issuer())));
    let uris = names.filter_map(|name| if let GeneralName::Uri(uri) = name { Some(uri) } else { None });
    Missing {
        what,
        certificate: certificate.digest(),
        subject: certificate.subject().to_string(),
        needed_for: at,
        places: certificate.ocsp_places().iter().cloned().chain(uris).collect(),
    }
}
