//! Validation of a path (RFC 5280 §6.1), which goes on after every fault.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ObjectId;
use super::build::Path;
use super::certificate::Certificate;
use super::checks::{Checked, Checks};
use super::constraints::Subtrees;
use super::extensions::id;
use super::policies::Policies;
use super::problem::{Flaw, Problem};
use super::settings::Settings;
use crate::crypto::{KeyFault, StrangerKey};
use crate::path::algorithms::Matter;
use crate::time::Timestamp;
use crate::x509::KeyUsage;

/// What validation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Every failing constraint, from the anchor to the target; empty for a valid path.
    pub problems: Vec<Problem>,
    /// authority-constrained-policy-set (RFC 9618 §5.6): the policies under which all of the path was issued; anyPolicy for any.
    pub authority_policies: BTreeSet<ObjectId>,
    /// user-constrained-policy-set: those of them that the settings accept.
    pub user_policies: BTreeSet<ObjectId>,
}

impl Judgement {
    /// True if nothing is wrong.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Validates `path` at the moment `at`. Revocation is [`super::revocation`]'s affair. Of a target that is the anchor's own
/// certificate only validity and purpose are judged.
#[must_use]
pub fn validate(path: &Path, at: Timestamp, settings: &Settings, checks: &mut Checks) -> Judgement {
    let certificates = path.certificates();
    let mut policies = Policies::new(&settings.policies, certificates.len());
    let mut walk = Walk {
        at,
        settings,
        checks,
        problems: Vec::new(),
        subtrees: Subtrees::new(&settings.names),
        path_length: (settings.limits.certificates as u64, 0),
    };
    if path.is_direct() {
        walk.validity(0, path.target());
        walk.purpose(0, path.target());
        let none = BTreeSet::new();
        return Judgement { problems: walk.problems, authority_policies: none.clone(), user_policies: none };
    }
    let keys = path.keys();
    let mut issuer_name = path.anchor().name();
    for (i, certificate) in certificates.iter().enumerate() {
        let is_last = i + 1 == certificates.len();
        // §6.1.3 (a)
        let issuer_key = if i == 0 { Ok(path.anchor().key()) } else { keys[i - 1].as_ref() };
        walk.signature(i, certificate, issuer_key);
        walk.validity(i, certificate);
        if certificate.issuer() != issuer_name {
            let (issuer, subject) = (certificate.issuer().to_string(), issuer_name.to_string());
            walk.tell(i, Flaw::NameChaining { issuer, subject });
        }
        // (b), (c)
        if is_last || !certificate.is_self_issued() {
            let flaws = walk.subtrees.judge(certificate);
            flaws.into_iter().for_each(|flaw| walk.tell(i, flaw));
        }
        // (d) to (f)
        let flaw = policies.enter(certificate, is_last);
        flaw.into_iter().for_each(|flaw| walk.tell(i, flaw));
        walk.extensions(i, certificate);
        if let Err(why) = &keys[i] {
            walk.tell(i, Flaw::Key { why: *why });
        }
        if !is_last {
            let flaw = policies.leave(certificate);
            flaw.into_iter().for_each(|flaw| walk.tell(i, flaw));
            walk.leave(i, certificate);
        }
        issuer_name = certificate.subject();
    }
    // §6.1.5
    let last = certificates.len() - 1;
    let ((authority_policies, user_policies), flaw) = policies.finish(path.target());
    flaw.into_iter().for_each(|flaw| walk.tell(last, flaw));
    walk.purpose(last, path.target());
    if let Ok(key) = &keys[last] {
        let refused = settings.algorithms.judge(Matter::Key(key.kind()), at).err();
        refused.into_iter().for_each(|refusal| walk.tell(last, Flaw::Algorithm(refusal)));
    }
    Judgement { problems: walk.problems, authority_policies, user_policies }
}

/// The state of §6.1.2 without policies and names.
struct Walk<'a> {
    at: Timestamp,
    settings: &'a Settings,
    checks: &'a mut Checks,
    problems: Vec<Problem>,
    subtrees: Subtrees<'a>,
    /// max_path_length, and the index from 1 of the certificate that set it.
    path_length: (u64, usize),
}

impl<'a> Walk<'a> {
    fn tell(&mut self, certificate: usize, flaw: Flaw) {
        self.problems.push(Problem { certificate, flaw });
    }

    /// (a)(1), and whether its algorithms were acceptable. A key that cannot be used is told of the certificate that has it.
    fn signature(&mut self, i: usize, certificate: &Certificate, key: Result<&Arc<StrangerKey>, &KeyFault>) {
        if !certificate.signed().algorithms_agree() {
            self.tell(i, Flaw::AlgorithmMismatch);
        }
        let Some(scheme) = certificate.signed().scheme() else {
            let algorithm = certificate.signed().algorithm();
            return self.tell(i, Flaw::UnknownAlgorithm { algorithm });
        };
        let Ok(key) = key else { return };
        match self.checks.check(key, scheme, certificate.signed()) {
            Checked::Good => {}
            Checked::Bad => self.tell(i, Flaw::Signature { issuer: certificate.issuer().to_string() }),
            Checked::TooMany => self.tell(i, Flaw::TooManyChecks { max: self.checks.max() }),
        }
        for refusal in self.settings.algorithms.judge_signature(scheme, key.kind(), self.at) {
            self.tell(i, Flaw::Algorithm(refusal));
        }
    }

    /// (a)(2)
    fn validity(&mut self, i: usize, certificate: &Certificate) {
        let (at, period) = (self.at, certificate.validity());
        if at < period.not_before {
            self.tell(i, Flaw::NotYetValid { not_before: period.not_before, at });
        }
        if at.whole_secs() > period.not_after {
            self.tell(i, Flaw::Expired { not_after: period.not_after, at });
        }
    }

    /// §4.2: none twice; §6.1.4 (o), §6.1.5 (f): none that is critical and not processed.
    fn extensions(&mut self, i: usize, certificate: &Certificate) {
        for id in certificate.extensions().doubled() {
            self.tell(i, Flaw::DoubledExtension { id });
        }
        for id in certificate.malformed_extensions() {
            self.tell(i, Flaw::MalformedExtension { id: id.clone() });
        }
        for id in certificate.extensions().unknown_critical(id::CERTIFICATE) {
            self.tell(i, Flaw::UnknownCritical { id });
        }
    }

    /// §6.1.4 (g), (k) to (n).
    fn leave(&mut self, i: usize, certificate: &'a Certificate) {
        if let Some(constraints) = certificate.name_constraints() {
            self.subtrees.add(constraints);
        }
        if certificate.version() < 3 {
            self.tell(i, Flaw::NotVersion3 { version: certificate.version() });
        } else if !certificate.is_ca() {
            self.tell(i, Flaw::NotCa);
        }
        if !certificate.is_self_issued() {
            let (allowed, set_by) = self.path_length;
            if allowed == 0 {
                self.tell(i, Flaw::PathLength { set_by });
            }
            self.path_length.0 = allowed.saturating_sub(1);
        }
        let own = certificate.basic_constraints().and_then(|constraints| constraints.path_length);
        if let Some(length) = own.filter(|length| *length < self.path_length.0) {
            self.path_length = (length, i + 1);
        }
        if !certificate.may(KeyUsage::KEY_CERT_SIGN) {
            self.tell(i, Flaw::KeyCertSign);
        }
    }

    fn purpose(&mut self, i: usize, target: &Certificate) {
        let settings = self.settings;
        if let Some(purpose) = settings.purpose.as_ref().filter(|purpose| !target.may_serve(purpose.content())) {
            self.tell(i, Flaw::Purpose { purpose: purpose.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::der::{self, sequence, tlv};
    use crate::path::testing::{Draft, KEYS, anchor, ca, checks, days, extension, name, purpose, settings};
    use crate::path::{Anchor, GeneralName, NameConstraints, build};

    fn judge(certificates: Vec<Arc<Certificate>>, at: Timestamp, settings: &Settings) -> Vec<String> {
        let path = Path::new(anchor(), certificates).unwrap();
        let judged = validate(&path, at, settings, &mut checks());
        judged.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_path_has_no_problem() {
        let [root, ca_key, end, ..] = &*KEYS;
        let above = Draft::new("CA", ca_key, "Root", root).with(ca(Some(0))).make();
        let target = Draft::new("Ada", end, "CA", ca_key).make();
        assert_eq!(judge(vec![above, target], days(0), &settings()), Vec::<String>::new());
    }

    /// EN 319 102-1: no fault hides another one.
    #[test]
    fn everything_that_is_wrong_is_told() {
        let [root, ca_key, end, other, _] = &*KEYS;
        let key_usage = extension(id::KEY_USAGE, true, &tlv(der::BIT_STRING, &[7, 0x80]));
        let mut above = Draft::new("CA", ca_key, "Somebody", root).with(key_usage).with(ca(Some(0)));
        above.to = days(-1);
        let mut middle = Draft::new("Sub", end, "CA", other).with(extension(&[0x55, 0x1D, 99], true, &[]));
        middle.version = None;
        middle.from = days(1);
        let doubled = extension(id::KEY_USAGE, false, &tlv(der::BIT_STRING, &[7, 0x80]));
        let target = Draft::new("Ada", other, "Sub", end)
            .with(doubled.clone())
            .with(doubled)
            .with(extension(id::SUBJECT_KEY, false, &[1]))
            .with(purpose(id::OCSP_SIGNING));
        let mut settings = settings();
        settings.purpose = Some("1.3.6.1.5.5.7.3.8".parse().unwrap());
        settings.policies.require_explicit = true;
        settings.names.permitted = vec![GeneralName::Directory(name("CA"))];
        settings.names.excluded = vec![GeneralName::Directory(name("Sub"))];
        settings.algorithms.accepted.retain(|line| line.name != "p256");
        let told = judge([above, middle, target].iter().map(Draft::make).collect(), days(0), &settings);
        let expected = [
            "certificate 1 of the path: p256 is not among the accepted algorithms",
            "certificate 1 of the path: expired at",
            "certificate 1 of the path: names CN=Somebody as its issuer, and the certificate before it belongs to CN=Root",
            "certificate 1 of the path: an acceptable policy is required for the whole path, and none is left here",
            "certificate 1 of the path: issued a certificate, but its keyUsage does not permit that (keyCertSign)",
            "certificate 2 of the path: its signature does not verify with the key of CN=CA",
            "certificate 2 of the path: p256 is not",
            "certificate 2 of the path: not valid before",
            "certificate 2 of the path: its name directory:CN=Sub is not among those that its issuers may name",
            "certificate 2 of the path: its name directory:CN=Sub is excluded by the name constraint directory:CN=Sub",
            "certificate 2 of the path: has the critical extension 2.5.29.99, which is not processed here",
            "certificate 2 of the path: issued a certificate, but is of version 1, which cannot say that it is a CA",
            "certificate 2 of the path: more CAs follow than the path length constraint of certificate 1 permits",
            "certificate 3 of the path: p256 is not",
            "certificate 3 of the path: its name directory:CN=Ada is not among",
            "certificate 3 of the path: has the extension 2.5.29.15 twice",
            "certificate 3 of the path: its extension 2.5.29.14 is malformed",
            "certificate 3 of the path: its extended key usage does not permit 1.3.6.1.5.5.7.3.8",
            "certificate 3 of the path: p256 is not",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} instead of {expected}");
        }
    }

    #[test]
    fn an_anchor_needs_no_path() {
        let [root, ..] = &*KEYS;
        let own = Draft::new("Root", root, "Root", root).make();
        let anchor = Arc::new(Anchor::from_certificate(own.clone()).unwrap());
        let (material, settings) = (crate::path::Material::new(), settings());
        let paths = build(&own, &material, &[anchor], &settings.limits, &mut checks());
        assert_eq!((paths.len(), paths[0].is_direct()), (1, true));
        assert!(validate(&paths[0], days(0), &settings, &mut checks()).is_valid());
        assert!(!validate(&paths[0], days(366), &settings, &mut checks()).is_valid());
    }

    /// CVE-2023-0464: policies that double with each certificate. RFC 9618 §4.
    #[test]
    fn policies_do_not_grow_beyond_bounds() {
        let [root, ..] = &*KEYS;
        let policy = |n: u8| tlv(der::OID, &[0x2A, n]);
        let policies = (0..40).map(|n| sequence(&[&policy(n)])).collect::<Vec<_>>().concat();
        let mappings = (0..40_u8).flat_map(|from| (0..40_u8).map(move |to| (from, to)));
        let mappings = mappings.map(|(from, to)| sequence(&[&policy(from), &policy(to)])).collect::<Vec<_>>().concat();
        let draft = |subject, issuer| {
            Draft::new(subject, root, issuer, root)
                .with(ca(None))
                .with(extension(id::POLICIES, false, &sequence(&[&policies])))
                .with(extension(id::POLICY_MAPPINGS, false, &sequence(&[&mappings])))
        };
        let certificates = [("A", "Root"), ("B", "A"), ("C", "B"), ("D", "C"), ("E", "D"), ("F", "E"), ("G", "F")];
        let certificates = certificates.map(|(subject, issuer)| draft(subject, issuer).make()).to_vec();
        let path = Path::new(anchor(), certificates).unwrap();
        let judged = validate(&path, days(0), &settings(), &mut checks());
        assert!(judged.is_valid(), "{:?}", judged.problems);
        assert_eq!(judged.authority_policies.len(), 40);
    }

    #[test]
    fn names_and_constraints_by_the_thousand_end() {
        let [root, ca_key, end, ..] = &*KEYS;
        let dns = |n: usize| tlv(0x82, format!("{n}.x").as_bytes());
        let subtrees = (0..6_000).map(|n| sequence(&[&dns(n)])).collect::<Vec<_>>().concat();
        let constraints = sequence(&[&tlv(0xA1, &subtrees)]);
        let names = sequence(&[&(0..6_000).map(|n| dns(n + 10_000)).collect::<Vec<_>>().concat()]);
        let above = Draft::new("CA", ca_key, "Root", root)
            .with(ca(None))
            .with(extension(id::NAME_CONSTRAINTS, true, &constraints))
            .make();
        let target = Draft::new("Ada", end, "CA", ca_key).with(extension(id::SUBJECT_ALT_NAME, false, &names)).make();
        assert!(NameConstraints::from_der(&constraints).is_some());
        let told = judge(vec![above, target], days(0), &settings());
        assert_eq!(told, ["certificate 2 of the path: has more names under constraints than are compared"]);
    }
}
