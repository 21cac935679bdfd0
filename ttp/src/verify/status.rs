//! The status of a certificate at a past moment, by what stands in the ledger: nobody's word counts, that of the service least.
//!
//! ```text
//! certificate ──SHA-256──▶ entry of its issue ──┐
//! a list made after the moment ──SHA-256──▶ entry ──┤ inclusion ──▶ checkpoint ──signature──▶ ledger.vkey
//! its revocation, by the tag of the certificate ──▶ entry ──┘
//! ```
//!
//! Every revocation is in each list that is made after it, until the certificate has expired. So a list that was made after the moment
//! says whether it was revoked then: not if it is not named, or named with a later date.

use rasn_pkix::{CertificateList, CrlReason, DistributionPointName, GeneralName, IssuingDistributionPoint};
use semper_ledger::entry::{Entry, Tag, TagSpace};
use semper_ledger::receipt::tlog_proof::TlogProof;

use super::Trust;
use crate::asn1::{decode_strict, oid};
use crate::crypto::{LogVerifier, Purpose, verify_chain, verify_crl};
use crate::digest::Digest;
use crate::evidence::{CaKind, Kind};
use crate::time::Timestamp;
use crate::x509::{Certificate, encode, from_time, is_partial};

/// Octets with the proof of the entry that they are in (tlog-proof).
#[derive(Clone, Copy, Debug)]
pub struct Logged<'a> {
    /// The octets.
    pub bytes: &'a [u8],
    /// The proof.
    pub proof: &'a str,
}

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct StatusEvidence<'a> {
    /// The certificate, DER.
    pub certificate: Logged<'a>,
    /// That of its CA, DER: an untrusted helper.
    pub issuer: &'a [u8],
    /// Lists of its CA, DER. One made after the moment decides.
    pub lists: Vec<Logged<'a>>,
    /// The proof of the entry of its revocation, if there is one.
    pub revoked: Option<&'a str>,
}

/// What it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusThen {
    /// Its validity had not begun.
    NotYetValid,
    /// Its validity was over.
    Expired,
    /// Valid, and not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// Since when: the date in the list; without a list, when the entry was made.
        at: Timestamp,
        /// Why (RFC 5280 §5.3.1); `None` if nobody said, or no list was at hand.
        reason: Option<CrlReason>,
    },
}

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusDoubt {
    /// The certificate or its issuer's.
    #[error("the certificate does not lead to the root: {0}")]
    Certificate(String),
    /// A proof.
    #[error("{what} is not shown to be in the ledger: {why}")]
    NotLogged {
        /// Of what.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A list.
    #[error("a list is not one that would name the certificate: {0}")]
    List(String),
    /// There is no list that was made after the moment and before the certificate expired.
    #[error(
        "no list was made after that moment and before the certificate expired: it could have been revoked, and nobody would see it"
    )]
    NoList,
}

fn not_logged(what: &'static str, why: impl std::fmt::Display) -> StatusDoubt {
    StatusDoubt::NotLogged { what, why: why.to_string() }
}

/// The entry that a proof is of.
fn entry(proof: &str, what: &'static str, trust: &Trust) -> Result<Entry, StatusDoubt> {
    let proven = TlogProof::parse(proof).and_then(|proof| proof.verify(trust.log_keys(), &LogVerifier));
    Ok(proven.map_err(|why| not_logged(what, why))?.entry)
}

fn is(entry: &Entry, kind: CaKind) -> bool {
    Kind::from_codes(entry.role, entry.kind) == Some(Kind::Ca(kind))
}

/// Judges the status of a certificate at the moment `at`.
///
/// # Errors
/// [`StatusDoubt`]: nothing is proven, neither way.
pub fn status_at(evidence: &StatusEvidence<'_>, at: Timestamp, trust: &Trust) -> Result<StatusThen, StatusDoubt> {
    let Logged { bytes, proof } = evidence.certificate;
    let doubt = |why: &dyn std::fmt::Display| StatusDoubt::Certificate(why.to_string());
    let certificate = Certificate::from_der(bytes).map_err(|fault| doubt(&fault))?;
    let validity = certificate.validity();
    let chain = [evidence.issuer.to_vec()];
    verify_chain(bytes, &chain, trust.root.der(), validity.not_before, Purpose::Any).map_err(|fault| doubt(&fault))?;

    let digest = Digest::of(bytes);
    let issued = entry(proof, "the certificate", trust)?;
    if !is(&issued, CaKind::CertificateIssued) || issued.digest != digest.0 {
        return Err(not_logged("the certificate", "the proof is of another entry"));
    }
    if at < validity.not_before {
        return Ok(StatusThen::NotYetValid);
    }
    // What a list says that was made after the moment is the whole truth about it.
    let (mut judged, mut faults) = (None, Vec::new());
    for list in &evidence.lists {
        match judge_list(list, &certificate, evidence.issuer, trust) {
            Ok((this_update, _)) if this_update <= at || this_update > validity.not_after => {}
            Ok((_, said)) => judged = Some(said),
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(said) = judged {
        return Ok(match said {
            Some((since, reason)) if since <= at => StatusThen::Revoked { at: since, reason },
            _ if at.whole_secs() > validity.not_after => StatusThen::Expired,
            _ => StatusThen::Good,
        });
    }
    if let Some(proof) = evidence.revoked {
        let revoked = entry(proof, "the revocation", trust)?;
        let tag = Tag::new(TagSpace::Certificate, digest.as_bytes(), 1);
        if !is(&revoked, CaKind::CertificateRevoked) || !revoked.tags.as_slice().contains(&tag) {
            return Err(not_logged("the revocation", "the proof is of another entry"));
        }
        let since = Timestamp::from_millis(revoked.time_ms);
        if since <= at {
            return Ok(StatusThen::Revoked { at: since, reason: None });
        }
    }
    if at.whole_secs() > validity.not_after {
        return Ok(StatusThen::Expired);
    }
    Err(faults.pop().unwrap_or(StatusDoubt::NoList))
}

/// thisUpdate of a list, and what it says of the certificate.
type Said = (Timestamp, Option<(Timestamp, Option<CrlReason>)>);

fn judge_list(list: &Logged<'_>, certificate: &Certificate, issuer: &[u8], trust: &Trust) -> Result<Said, StatusDoubt> {
    let doubt = |why: &str| StatusDoubt::List(why.to_owned());
    let logged = entry(list.proof, "a list", trust)?;
    if !is(&logged, CaKind::CrlIssued) || logged.digest != Digest::of(list.bytes).0 {
        return Err(not_logged("a list", "the proof is of another entry"));
    }
    verify_crl(list.bytes, issuer).map_err(|fault| StatusDoubt::List(fault.to_string()))?;
    let read: CertificateList = decode_strict(list.bytes).ok_or_else(|| doubt("it does not read"))?;
    let extensions = read.tbs_cert_list.crl_extensions.iter().flat_map(|all| all.iter());
    for extension in extensions {
        if *extension.extn_id == *oid::ISSUING_DISTRIBUTION_POINT && !names(&extension.extn_value, certificate) {
            return Err(doubt("it is limited to certificates that name another place"));
        }
        if *extension.extn_id == *oid::DELTA_CRL_INDICATOR {
            return Err(doubt("it tells changes only"));
        }
    }
    let this_update = from_time(&read.tbs_cert_list.this_update).ok_or_else(|| doubt("it has no date"))?;
    let serial = certificate.serial();
    let is_it = |number: &rasn::types::Integer| encode(number).get(2..) == Some(&serial[..]);
    let found = read.tbs_cert_list.revoked_certificates.iter().find(|one| is_it(&one.user_certificate));
    let Some(found) = found else { return Ok((this_update, None)) };
    let since = from_time(&found.revocation_date).ok_or_else(|| doubt("an entry has no date"))?;
    let extensions = found.crl_entry_extensions.iter().flat_map(|all| all.iter());
    let reason = extensions.into_iter().find(|one| *one.extn_id == *oid::CRL_REASON);
    let reason = reason.and_then(|reason| decode_strict::<CrlReason>(&reason.extn_value));
    Ok((this_update, Some((since, reason))))
}

/// Whether a list that is limited to what names this place is for the certificate.
fn names(point: &[u8], certificate: &Certificate) -> bool {
    let Some(point) = decode_strict::<IssuingDistributionPoint>(point) else { return false };
    let place = certificate.crl_place();
    let is_there = |name: &GeneralName| match name {
        GeneralName::Uri(uri) => place.as_deref().is_some_and(|place| place.as_bytes() == uri.as_iso646_bytes()),
        _ => false,
    };
    let named = match &point.distribution_point {
        None => true,
        Some(DistributionPointName::FullName(names)) => names.iter().any(is_there),
        Some(DistributionPointName::NameRelativeToCrlIssuer(_)) => false,
    };
    !is_partial(&point) && named
}

#[cfg(test)]
mod tests {
    use semper_ledger::checkpoint::Checkpoint;
    use semper_ledger::entry::Tags;
    use semper_ledger::merkle::{Hash, leaf_hash, root_of};
    use semper_ledger::note::Note;

    use super::*;
    use crate::ca::Authority;
    use crate::ca::certificate::Issuer;
    use crate::ca::crl::{self, CrlContent, Reason, Revoked};
    use crate::crypto::Signer as _;
    use crate::testing::{LOG, ORIGIN, PKI, ec, start, trust};

    const DAY_SECS: u64 = 86_400;

    /// A moment at which the unit's certificate is valid, in its second day.
    fn moment() -> Timestamp {
        start().plus_secs(DAY_SECS)
    }

    fn unit() -> &'static Certificate {
        ec().tsu.certificate()
    }

    /// The proof of an entry, signed by the log of these tests.
    fn proof(kind: CaKind, time: Timestamp, digest: Digest, tags: Vec<Tag>) -> String {
        let (role, kind) = (Kind::Ca(kind).role().code(), Kind::Ca(kind).code());
        let entry = Entry { role, kind, time_ms: time.millis(), digest: digest.0, tags: Tags::new(tags).unwrap() };
        let bytes = entry.encode();
        let leaves: [Hash; 2] = [[1; 32], leaf_hash(&bytes)];
        let text = Checkpoint { origin: ORIGIN.to_owned(), size: 2, root: root_of(&leaves) }.text();
        let checkpoint = Note { signatures: vec![LOG.line(&LOG.sign(&text).unwrap())], text }.to_string();
        TlogProof { extra: Some(bytes), index: 1, path: vec![leaves[0]], checkpoint }.to_string()
    }

    fn issued() -> String {
        proof(CaKind::CertificateIssued, start(), unit().digest(), Vec::new())
    }

    /// A list of the unit's CA, and its proof.
    fn list(this_update: Timestamp, revoked: Option<Timestamp>, place: Option<String>) -> (Vec<u8>, String) {
        let revoked = revoked.map(|at| Revoked {
            serial: unit().serial(),
            at,
            reason: Reason::KeyCompromise,
            not_after: unit().validity().not_after,
        });
        let content = CrlContent {
            number: this_update.secs(),
            this_update,
            next_update: this_update.plus_secs(DAY_SECS),
            revoked: revoked.into_iter().collect(),
            distribution_point: place,
        };
        let issuer = Issuer::new(Authority::Tsu, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        let unsigned = crl::prepare(&content, &issuer).unwrap();
        let der = unsigned.finish(&PKI.ca_key.sign(unsigned.message()).unwrap()).unwrap();
        let proof = proof(CaKind::CrlIssued, this_update, Digest::of(&der), Vec::new());
        (der, proof)
    }

    fn judge(at: Timestamp, lists: &[(Vec<u8>, String)], revoked: Option<&str>) -> Result<StatusThen, StatusDoubt> {
        let issued = issued();
        let lists = lists.iter().map(|(bytes, proof)| Logged { bytes, proof }).collect();
        let certificate = Logged { bytes: unit().der(), proof: &issued };
        status_at(&StatusEvidence { certificate, issuer: PKI.ca.der(), lists, revoked }, at, &trust())
    }

    #[test]
    fn a_list_made_later_tells() {
        let (before, after) = (moment().minus_millis(1_000), moment().plus_secs(1));
        let silent = |at| list(at, None, None);
        assert_eq!(judge(moment(), &[silent(before), silent(after)], None), Ok(StatusThen::Good));
        assert_eq!(judge(moment(), &[silent(after), silent(before)], None), Ok(StatusThen::Good));
        // Before and at the moment it says nothing about what came next.
        for early in [before, moment()] {
            assert_eq!(judge(moment(), &[silent(early)], None), Err(StatusDoubt::NoList));
        }
        let named = |since| list(after, Some(since), None);
        let revoked = |at| Ok(StatusThen::Revoked { at, reason: Some(CrlReason::KeyCompromise) });
        assert_eq!(judge(moment(), &[named(moment())], None), revoked(moment()));
        assert_eq!(judge(moment(), &[named(before)], None), revoked(before));
        assert_eq!(judge(moment(), &[named(moment().plus_secs(1))], None), Ok(StatusThen::Good));
        // Its own shard, and another.
        let own = unit().crl_place();
        assert!(own.is_some());
        assert_eq!(judge(moment(), &[list(after, None, own)], None), Ok(StatusThen::Good));
        let other = judge(moment(), &[list(after, None, Some("http://pki.example/crl/x.crl".to_owned()))], None);
        assert!(matches!(other, Err(StatusDoubt::List(_))), "{other:?}");
    }

    #[test]
    fn outside_its_validity() {
        assert_eq!(judge(start().minus_millis(2_000), &[], None), Ok(StatusThen::NotYetValid));
        let end = unit().validity().not_after;
        assert_eq!(judge(end.plus_secs(1), &[], None), Ok(StatusThen::Expired));
        // A list that was made when it had expired may have dropped it.
        let late = list(end.plus_secs(5), None, None);
        assert_eq!(judge(end, &[late], None), Err(StatusDoubt::NoList));
    }

    #[test]
    fn a_revocation_by_its_entry() {
        let tag = |n| vec![Tag::new(TagSpace::Certificate, unit().digest().as_bytes(), n)];
        let entry = |tags, time| proof(CaKind::CertificateRevoked, time, Digest::of(b"fact"), tags);
        let revoked = entry(tag(1), moment());
        assert_eq!(judge(moment(), &[], Some(&revoked)), Ok(StatusThen::Revoked { at: moment(), reason: None }));
        assert_eq!(judge(moment().minus_millis(1), &[], Some(&revoked)), Err(StatusDoubt::NoList));
        for other in [entry(tag(0), moment()), proof(CaKind::CrlIssued, moment(), Digest::of(b"fact"), tag(1))] {
            let judged = judge(moment(), &[], Some(&other));
            assert!(matches!(judged, Err(StatusDoubt::NotLogged { what: "the revocation", .. })), "{judged:?}");
        }
    }

    #[test]
    fn what_is_not_logged_or_by_others_proves_nothing() {
        let after = moment().plus_secs(1);
        let (der, good) = list(after, None, None);
        let other = proof(CaKind::CrlIssued, after, Digest::of(b"another list"), Vec::new());
        let judged = judge(moment(), &[(der.clone(), other)], None);
        assert!(matches!(judged, Err(StatusDoubt::NotLogged { what: "a list", .. })), "{judged:?}");
        let bent = good.replace("index 1", "index 0");
        assert!(matches!(judge(moment(), &[(der.clone(), bent)], None), Err(StatusDoubt::NotLogged { .. })));
        let mut changed = der;
        *changed.last_mut().unwrap() ^= 1;
        let proof_of_changed = proof(CaKind::CrlIssued, after, Digest::of(&changed), Vec::new());
        assert!(matches!(judge(moment(), &[(changed, proof_of_changed)], None), Err(StatusDoubt::List(_))));

        let (wrong, issued) = (proof(CaKind::CrlIssued, start(), unit().digest(), Vec::new()), issued());
        let with = |bytes, proof, issuer| {
            let certificate = Logged { bytes, proof };
            status_at(&StatusEvidence { certificate, issuer, lists: Vec::new(), revoked: None }, moment(), &trust())
        };
        let judged = with(unit().der(), &wrong, PKI.ca.der());
        assert!(matches!(judged, Err(StatusDoubt::NotLogged { what: "the certificate", .. })), "{judged:?}");
        assert!(matches!(with(unit().der(), &issued, PKI.root.der()), Err(StatusDoubt::Certificate(_))));
        assert!(matches!(with(b"", &issued, PKI.ca.der()), Err(StatusDoubt::Certificate(_))));
    }
}
