//! The Public Key Interoperability Test Suite of NIST (PKITS 1.0.1, of 2011) judges the certification paths of strangers: every case of
//! its sections 4.1 to 4.16, those with several settings as several rows.
//!
//! All 405 certificates and 173 lists of the suite are the material of every case, not only those that its document names for it:
//! whatever path there is must be found among them, and no case may be saved by what another one brings.
//!
//! No case is left out. What the suite asks beside them is not asked here: that user notices and CPS pointers are displayed (4.8.15 to
//! 4.8.20; qualifiers are left out of [`semper_ttp::path`], the paths are judged), and the sections on S/MIME, which are no paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use semper_tests::strangers;
use semper_ttp::path::{
    Accepted, AlgorithmTable, Anchor, Certificate, Checks, Crl, Doubt, Flaw, InitialPolicies, Judgement, Material,
    MissingWhat, ObjectId, Path, Settings, Status, Verdict, build, revocation, validate,
};
use semper_ttp::time::Timestamp;

/// What must come out, and for a path that must not be accepted, why.
#[derive(Clone, Copy)]
enum Expected {
    Valid,
    /// Among the problems of each path.
    Flaw(fn(&Flaw) -> bool, &'static str),
    /// A certificate of each path was revoked.
    Revoked,
    /// Nobody can say whether one was revoked, and this is among the reasons.
    Doubt(fn(&Doubt) -> bool, &'static str),
    /// Nobody can say, and there is nothing to look at.
    NoEvidence,
    /// Nobody can say, for some of the reasons for revocation.
    Reasons,
    /// No path is found; on the one with these certificates above the target names do not chain.
    Apart(&'static [&'static str]),
}

use Expected::{Apart, NoEvidence, Reasons, Revoked, Valid};

macro_rules! flaw {
    ($($pattern:tt)+) => { Expected::Flaw(|flaw| matches!(flaw, Flaw::$($pattern)+), stringify!($($pattern)+)) };
}

macro_rules! doubt {
    ($($pattern:tt)+) => { Expected::Doubt(|doubt| matches!(doubt, Doubt::$($pattern)+), stringify!($($pattern)+)) };
}

/// 2021-03-01: the suite's certificates are of 2010 to 2030.
const AT: Timestamp = Timestamp::from_secs(1_614_556_800);

/// NIST-test-policy-n, 2.16.840.1.101.3.2.1.48.n.
fn policies(numbers: &[u8]) -> BTreeSet<ObjectId> {
    numbers.iter().map(|n| format!("2.16.840.1.101.3.2.1.48.{n}").parse().unwrap()).collect()
}

/// The default settings of the suite: any policy, nothing required, nothing inhibited.
fn plain() -> InitialPolicies {
    InitialPolicies::default()
}

fn accepting(numbers: &[u8]) -> InitialPolicies {
    InitialPolicies { acceptable: policies(numbers), ..plain() }
}

fn explicit(numbers: &[u8]) -> InitialPolicies {
    InitialPolicies { require_explicit: true, ..accepting(numbers) }
}

fn unmapped(numbers: &[u8]) -> InitialPolicies {
    InitialPolicies { inhibit_mapping: true, ..accepting(numbers) }
}

fn without_any() -> InitialPolicies {
    InitialPolicies { inhibit_any: true, ..plain() }
}

type Row = (&'static str, &'static str, InitialPolicies, Expected);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        // 4.1 Signature Verification
        ("4.1.1", "ValidCertificatePathTest1EE", plain(), Valid),
        ("4.1.2", "InvalidCASignatureTest2EE", plain(), flaw!(Signature { .. })),
        ("4.1.3", "InvalidEESignatureTest3EE", plain(), flaw!(Signature { .. })),
        ("4.1.4", "ValidDSASignaturesTest4EE", plain(), Valid),
        ("4.1.5", "ValidDSAParameterInheritanceTest5EE", plain(), Valid),
        ("4.1.6", "InvalidDSASignatureTest6EE", plain(), flaw!(Signature { .. })),
        // 4.2 Validity Periods
        ("4.2.1", "InvalidCAnotBeforeDateTest1EE", plain(), flaw!(NotYetValid { .. })),
        ("4.2.2", "InvalidEEnotBeforeDateTest2EE", plain(), flaw!(NotYetValid { .. })),
        ("4.2.3", "Validpre2000UTCnotBeforeDateTest3EE", plain(), Valid),
        ("4.2.4", "ValidGeneralizedTimenotBeforeDateTest4EE", plain(), Valid),
        ("4.2.5", "InvalidCAnotAfterDateTest5EE", plain(), flaw!(Expired { .. })),
        ("4.2.6", "InvalidEEnotAfterDateTest6EE", plain(), flaw!(Expired { .. })),
        ("4.2.7", "Invalidpre2000UTCEEnotAfterDateTest7EE", plain(), flaw!(Expired { .. })),
        ("4.2.8", "ValidGeneralizedTimenotAfterDateTest8EE", plain(), Valid),
        // 4.3 Verifying Name Chaining
        ("4.3.1", "InvalidNameChainingTest1EE", plain(), Apart(&["GoodCACert"])),
        ("4.3.2", "InvalidNameChainingOrderTest2EE", plain(), Apart(&["NameOrderingCACert"])),
        ("4.3.3", "ValidNameChainingWhitespaceTest3EE", plain(), Valid),
        ("4.3.4", "ValidNameChainingWhitespaceTest4EE", plain(), Valid),
        ("4.3.5", "ValidNameChainingCapitalizationTest5EE", plain(), Valid),
        ("4.3.6", "ValidNameUIDsTest6EE", plain(), Valid),
        ("4.3.7", "ValidRFC3280MandatoryAttributeTypesTest7EE", plain(), Valid),
        ("4.3.8", "ValidRFC3280OptionalAttributeTypesTest8EE", plain(), Valid),
        ("4.3.9", "ValidUTF8StringEncodedNamesTest9EE", plain(), Valid),
        ("4.3.10", "ValidRolloverfromPrintableStringtoUTF8StringTest10EE", plain(), Valid),
        ("4.3.11", "ValidUTF8StringCaseInsensitiveMatchTest11EE", plain(), Valid),
        // 4.4 Basic Certificate Revocation Tests
        ("4.4.1", "InvalidMissingCRLTest1EE", plain(), NoEvidence),
        ("4.4.2", "InvalidRevokedCATest2EE", plain(), Revoked),
        ("4.4.3", "InvalidRevokedEETest3EE", plain(), Revoked),
        ("4.4.4", "InvalidBadCRLSignatureTest4EE", plain(), doubt!(Signature { .. })),
        ("4.4.5", "InvalidBadCRLIssuerNameTest5EE", plain(), doubt!(OtherIssuer { .. })),
        ("4.4.6", "InvalidWrongCRLTest6EE", plain(), doubt!(OtherIssuer { .. })),
        ("4.4.7", "ValidTwoCRLsTest7EE", plain(), Valid),
        ("4.4.8", "InvalidUnknownCRLEntryExtensionTest8EE", plain(), doubt!(UnknownCritical { .. })),
        ("4.4.9", "InvalidUnknownCRLExtensionTest9EE", plain(), doubt!(UnknownCritical { .. })),
        ("4.4.10", "InvalidUnknownCRLExtensionTest10EE", plain(), doubt!(UnknownCritical { .. })),
        ("4.4.11", "InvalidOldCRLnextUpdateTest11EE", plain(), doubt!(Stale { .. })),
        ("4.4.12", "Invalidpre2000CRLnextUpdateTest12EE", plain(), doubt!(Stale { .. })),
        ("4.4.13", "ValidGeneralizedTimeCRLnextUpdateTest13EE", plain(), Valid),
        ("4.4.14", "ValidNegativeSerialNumberTest14EE", plain(), Valid),
        ("4.4.15", "InvalidNegativeSerialNumberTest15EE", plain(), Revoked),
        ("4.4.16", "ValidLongSerialNumberTest16EE", plain(), Valid),
        ("4.4.17", "ValidLongSerialNumberTest17EE", plain(), Valid),
        ("4.4.18", "InvalidLongSerialNumberTest18EE", plain(), Revoked),
        ("4.4.19", "ValidSeparateCertificateandCRLKeysTest19EE", plain(), Valid),
        ("4.4.20", "InvalidSeparateCertificateandCRLKeysTest20EE", plain(), Revoked),
        ("4.4.21", "InvalidSeparateCertificateandCRLKeysTest21EE", plain(), doubt!(SignerRevoked { .. })),
        // 4.5 Verifying Paths with Self-Issued Certificates
        ("4.5.1", "ValidBasicSelfIssuedOldWithNewTest1EE", plain(), Valid),
        ("4.5.2", "InvalidBasicSelfIssuedOldWithNewTest2EE", plain(), Revoked),
        ("4.5.3", "ValidBasicSelfIssuedNewWithOldTest3EE", plain(), Valid),
        ("4.5.4", "ValidBasicSelfIssuedNewWithOldTest4EE", plain(), Valid),
        ("4.5.5", "InvalidBasicSelfIssuedNewWithOldTest5EE", plain(), Revoked),
        ("4.5.6", "ValidBasicSelfIssuedCRLSigningKeyTest6EE", plain(), Valid),
        ("4.5.7", "InvalidBasicSelfIssuedCRLSigningKeyTest7EE", plain(), Revoked),
        ("4.5.8", "InvalidBasicSelfIssuedCRLSigningKeyTest8EE", plain(), flaw!(KeyCertSign)),
        // 4.6 Verifying Basic Constraints
        ("4.6.1", "InvalidMissingbasicConstraintsTest1EE", plain(), flaw!(NotCa)),
        ("4.6.2", "InvalidcAFalseTest2EE", plain(), flaw!(NotCa)),
        ("4.6.3", "InvalidcAFalseTest3EE", plain(), flaw!(NotCa)),
        ("4.6.4", "ValidbasicConstraintsNotCriticalTest4EE", plain(), Valid),
        ("4.6.5", "InvalidpathLenConstraintTest5EE", plain(), flaw!(PathLength { .. })),
        ("4.6.6", "InvalidpathLenConstraintTest6EE", plain(), flaw!(PathLength { .. })),
        ("4.6.7", "ValidpathLenConstraintTest7EE", plain(), Valid),
        ("4.6.8", "ValidpathLenConstraintTest8EE", plain(), Valid),
        ("4.6.9", "InvalidpathLenConstraintTest9EE", plain(), flaw!(PathLength { .. })),
        ("4.6.10", "InvalidpathLenConstraintTest10EE", plain(), flaw!(PathLength { .. })),
        ("4.6.11", "InvalidpathLenConstraintTest11EE", plain(), flaw!(PathLength { .. })),
        ("4.6.12", "InvalidpathLenConstraintTest12EE", plain(), flaw!(PathLength { .. })),
        ("4.6.13", "ValidpathLenConstraintTest13EE", plain(), Valid),
        ("4.6.14", "ValidpathLenConstraintTest14EE", plain(), Valid),
        ("4.6.15", "ValidSelfIssuedpathLenConstraintTest15EE", plain(), Valid),
        ("4.6.16", "InvalidSelfIssuedpathLenConstraintTest16EE", plain(), flaw!(PathLength { .. })),
        ("4.6.17", "ValidSelfIssuedpathLenConstraintTest17EE", plain(), Valid),
        // 4.7 Key Usage
        ("4.7.1", "InvalidkeyUsageCriticalkeyCertSignFalseTest1EE", plain(), flaw!(KeyCertSign)),
        ("4.7.2", "InvalidkeyUsageNotCriticalkeyCertSignFalseTest2EE", plain(), flaw!(KeyCertSign)),
        ("4.7.3", "ValidkeyUsageNotCriticalTest3EE", plain(), Valid),
        ("4.7.4", "InvalidkeyUsageCriticalcRLSignFalseTest4EE", plain(), doubt!(MayNotSignLists { .. })),
        ("4.7.5", "InvalidkeyUsageNotCriticalcRLSignFalseTest5EE", plain(), doubt!(MayNotSignLists { .. })),
        // 4.8 Certificate Policies
        ("4.8.1.1", "ValidCertificatePathTest1EE", explicit(&[]), Valid),
        ("4.8.1.2", "ValidCertificatePathTest1EE", explicit(&[1]), Valid),
        ("4.8.1.3", "ValidCertificatePathTest1EE", explicit(&[2]), flaw!(NoPolicy)),
        ("4.8.1.4", "ValidCertificatePathTest1EE", explicit(&[1, 2]), Valid),
        ("4.8.2.1", "AllCertificatesNoPoliciesTest2EE", plain(), Valid),
        ("4.8.2.2", "AllCertificatesNoPoliciesTest2EE", explicit(&[]), flaw!(NoPolicy)),
        ("4.8.3.1", "DifferentPoliciesTest3EE", plain(), Valid),
        ("4.8.3.2", "DifferentPoliciesTest3EE", explicit(&[]), flaw!(NoPolicy)),
        ("4.8.3.3", "DifferentPoliciesTest3EE", explicit(&[1, 2]), flaw!(NoPolicy)),
        ("4.8.4", "DifferentPoliciesTest4EE", plain(), flaw!(NoPolicy)),
        ("4.8.5", "DifferentPoliciesTest5EE", plain(), flaw!(NoPolicy)),
        ("4.8.6.1", "OverlappingPoliciesTest6EE", plain(), Valid),
        ("4.8.6.2", "OverlappingPoliciesTest6EE", accepting(&[1]), Valid),
        ("4.8.6.3", "OverlappingPoliciesTest6EE", accepting(&[2]), flaw!(NoPolicy)),
        ("4.8.7", "DifferentPoliciesTest7EE", plain(), flaw!(NoPolicy)),
        ("4.8.8", "DifferentPoliciesTest8EE", plain(), flaw!(NoPolicy)),
        ("4.8.9", "DifferentPoliciesTest9EE", plain(), flaw!(NoPolicy)),
        ("4.8.10.1", "AllCertificatesSamePoliciesTest10EE", plain(), Valid),
        ("4.8.10.2", "AllCertificatesSamePoliciesTest10EE", accepting(&[1]), Valid),
        ("4.8.10.3", "AllCertificatesSamePoliciesTest10EE", accepting(&[2]), Valid),
        ("4.8.11.1", "AllCertificatesanyPolicyTest11EE", plain(), Valid),
        ("4.8.11.2", "AllCertificatesanyPolicyTest11EE", accepting(&[1]), Valid),
        ("4.8.12", "DifferentPoliciesTest12EE", plain(), flaw!(NoPolicy)),
        ("4.8.13.1", "AllCertificatesSamePoliciesTest13EE", accepting(&[1]), Valid),
        ("4.8.13.2", "AllCertificatesSamePoliciesTest13EE", accepting(&[2]), Valid),
        ("4.8.13.3", "AllCertificatesSamePoliciesTest13EE", accepting(&[3]), Valid),
        ("4.8.14.1", "AnyPolicyTest14EE", accepting(&[1]), Valid),
        ("4.8.14.2", "AnyPolicyTest14EE", accepting(&[2]), flaw!(NoPolicy)),
        ("4.8.15", "UserNoticeQualifierTest15EE", plain(), Valid),
        ("4.8.16", "UserNoticeQualifierTest16EE", plain(), Valid),
        ("4.8.17", "UserNoticeQualifierTest17EE", plain(), Valid),
        ("4.8.18.1", "UserNoticeQualifierTest18EE", accepting(&[1]), Valid),
        ("4.8.18.2", "UserNoticeQualifierTest18EE", accepting(&[2]), Valid),
        ("4.8.19", "UserNoticeQualifierTest19EE", plain(), Valid),
        ("4.8.20", "CPSPointerQualifierTest20EE", plain(), Valid),
        // 4.9 Require Explicit Policy
        ("4.9.1", "ValidrequireExplicitPolicyTest1EE", plain(), Valid),
        ("4.9.2", "ValidrequireExplicitPolicyTest2EE", plain(), Valid),
        ("4.9.3", "InvalidrequireExplicitPolicyTest3EE", plain(), flaw!(NoPolicy)),
        ("4.9.4", "ValidrequireExplicitPolicyTest4EE", plain(), Valid),
        ("4.9.5", "InvalidrequireExplicitPolicyTest5EE", plain(), flaw!(NoPolicy)),
        ("4.9.6", "ValidSelfIssuedrequireExplicitPolicyTest6EE", plain(), Valid),
        ("4.9.7", "InvalidSelfIssuedrequireExplicitPolicyTest7EE", plain(), flaw!(NoPolicy)),
        ("4.9.8", "InvalidSelfIssuedrequireExplicitPolicyTest8EE", plain(), flaw!(NoPolicy)),
        // 4.10 Policy Mappings
        ("4.10.1.1", "ValidPolicyMappingTest1EE", accepting(&[1]), Valid),
        ("4.10.1.2", "ValidPolicyMappingTest1EE", accepting(&[2]), flaw!(NoPolicy)),
        ("4.10.1.3", "ValidPolicyMappingTest1EE", unmapped(&[1]), flaw!(NoPolicy)),
        ("4.10.2.1", "InvalidPolicyMappingTest2EE", plain(), flaw!(NoPolicy)),
        ("4.10.2.2", "InvalidPolicyMappingTest2EE", unmapped(&[]), flaw!(NoPolicy)),
        ("4.10.3.1", "ValidPolicyMappingTest3EE", accepting(&[1]), flaw!(NoPolicy)),
        ("4.10.3.2", "ValidPolicyMappingTest3EE", accepting(&[2]), Valid),
        ("4.10.4", "InvalidPolicyMappingTest4EE", plain(), flaw!(NoPolicy)),
        ("4.10.5.1", "ValidPolicyMappingTest5EE", accepting(&[1]), Valid),
        ("4.10.5.2", "ValidPolicyMappingTest5EE", accepting(&[6]), flaw!(NoPolicy)),
        ("4.10.6.1", "ValidPolicyMappingTest6EE", accepting(&[1]), Valid),
        ("4.10.6.2", "ValidPolicyMappingTest6EE", accepting(&[6]), flaw!(NoPolicy)),
        ("4.10.7", "InvalidMappingFromanyPolicyTest7EE", plain(), flaw!(MapsAnyPolicy)),
        ("4.10.8", "InvalidMappingToanyPolicyTest8EE", plain(), flaw!(MapsAnyPolicy)),
        ("4.10.9", "ValidPolicyMappingTest9EE", plain(), Valid),
        ("4.10.10", "InvalidPolicyMappingTest10EE", plain(), flaw!(NoPolicy)),
        ("4.10.11", "ValidPolicyMappingTest11EE", plain(), Valid),
        ("4.10.12.1", "ValidPolicyMappingTest12EE", accepting(&[1]), Valid),
        ("4.10.12.2", "ValidPolicyMappingTest12EE", accepting(&[2]), Valid),
        ("4.10.13", "ValidPolicyMappingTest13EE", plain(), Valid),
        ("4.10.14", "ValidPolicyMappingTest14EE", plain(), Valid),
        // 4.11 Inhibit Policy Mapping
        ("4.11.1", "InvalidinhibitPolicyMappingTest1EE", plain(), flaw!(NoPolicy)),
        ("4.11.2", "ValidinhibitPolicyMappingTest2EE", plain(), Valid),
        ("4.11.3", "InvalidinhibitPolicyMappingTest3EE", plain(), flaw!(NoPolicy)),
        ("4.11.4", "ValidinhibitPolicyMappingTest4EE", plain(), Valid),
        ("4.11.5", "InvalidinhibitPolicyMappingTest5EE", plain(), flaw!(NoPolicy)),
        ("4.11.6", "InvalidinhibitPolicyMappingTest6EE", plain(), flaw!(NoPolicy)),
        ("4.11.7", "ValidSelfIssuedinhibitPolicyMappingTest7EE", plain(), Valid),
        ("4.11.8", "InvalidSelfIssuedinhibitPolicyMappingTest8EE", plain(), flaw!(NoPolicy)),
        ("4.11.9", "InvalidSelfIssuedinhibitPolicyMappingTest9EE", plain(), flaw!(NoPolicy)),
        ("4.11.10", "InvalidSelfIssuedinhibitPolicyMappingTest10EE", plain(), flaw!(NoPolicy)),
        ("4.11.11", "InvalidSelfIssuedinhibitPolicyMappingTest11EE", plain(), flaw!(NoPolicy)),
        // 4.12 Inhibit Any Policy
        ("4.12.1", "InvalidinhibitAnyPolicyTest1EE", plain(), flaw!(NoPolicy)),
        ("4.12.2", "ValidinhibitAnyPolicyTest2EE", plain(), Valid),
        ("4.12.3.1", "inhibitAnyPolicyTest3EE", plain(), Valid),
        ("4.12.3.2", "inhibitAnyPolicyTest3EE", without_any(), flaw!(NoPolicy)),
        ("4.12.4", "InvalidinhibitAnyPolicyTest4EE", plain(), flaw!(NoPolicy)),
        ("4.12.5", "InvalidinhibitAnyPolicyTest5EE", plain(), flaw!(NoPolicy)),
        ("4.12.6", "InvalidinhibitAnyPolicyTest6EE", plain(), flaw!(NoPolicy)),
        ("4.12.7", "ValidSelfIssuedinhibitAnyPolicyTest7EE", plain(), Valid),
        ("4.12.8", "InvalidSelfIssuedinhibitAnyPolicyTest8EE", plain(), flaw!(NoPolicy)),
        ("4.12.9", "ValidSelfIssuedinhibitAnyPolicyTest9EE", plain(), Valid),
        ("4.12.10", "InvalidSelfIssuedinhibitAnyPolicyTest10EE", plain(), flaw!(NoPolicy)),
        // 4.13 Name Constraints
        ("4.13.1", "ValidDNnameConstraintsTest1EE", plain(), Valid),
        ("4.13.2", "InvalidDNnameConstraintsTest2EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.3", "InvalidDNnameConstraintsTest3EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.4", "ValidDNnameConstraintsTest4EE", plain(), Valid),
        ("4.13.5", "ValidDNnameConstraintsTest5EE", plain(), Valid),
        ("4.13.6", "ValidDNnameConstraintsTest6EE", plain(), Valid),
        ("4.13.7", "InvalidDNnameConstraintsTest7EE", plain(), flaw!(Excluded { .. })),
        ("4.13.8", "InvalidDNnameConstraintsTest8EE", plain(), flaw!(Excluded { .. })),
        ("4.13.9", "InvalidDNnameConstraintsTest9EE", plain(), flaw!(Excluded { .. })),
        ("4.13.10", "InvalidDNnameConstraintsTest10EE", plain(), flaw!(Excluded { .. })),
        ("4.13.11", "ValidDNnameConstraintsTest11EE", plain(), Valid),
        ("4.13.12", "InvalidDNnameConstraintsTest12EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.13", "InvalidDNnameConstraintsTest13EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.14", "ValidDNnameConstraintsTest14EE", plain(), Valid),
        ("4.13.15", "InvalidDNnameConstraintsTest15EE", plain(), flaw!(Excluded { .. })),
        ("4.13.16", "InvalidDNnameConstraintsTest16EE", plain(), flaw!(Excluded { .. })),
        ("4.13.17", "InvalidDNnameConstraintsTest17EE", plain(), flaw!(Excluded { .. })),
        ("4.13.18", "ValidDNnameConstraintsTest18EE", plain(), Valid),
        ("4.13.19", "ValidDNnameConstraintsTest19EE", plain(), Valid),
        ("4.13.20", "InvalidDNnameConstraintsTest20EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.21", "ValidRFC822nameConstraintsTest21EE", plain(), Valid),
        ("4.13.22", "InvalidRFC822nameConstraintsTest22EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.23", "ValidRFC822nameConstraintsTest23EE", plain(), Valid),
        ("4.13.24", "InvalidRFC822nameConstraintsTest24EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.25", "ValidRFC822nameConstraintsTest25EE", plain(), Valid),
        ("4.13.26", "InvalidRFC822nameConstraintsTest26EE", plain(), flaw!(Excluded { .. })),
        ("4.13.27", "ValidDNandRFC822nameConstraintsTest27EE", plain(), Valid),
        ("4.13.28", "InvalidDNandRFC822nameConstraintsTest28EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.29", "InvalidDNandRFC822nameConstraintsTest29EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.30", "ValidDNSnameConstraintsTest30EE", plain(), Valid),
        ("4.13.31", "InvalidDNSnameConstraintsTest31EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.32", "ValidDNSnameConstraintsTest32EE", plain(), Valid),
        ("4.13.33", "InvalidDNSnameConstraintsTest33EE", plain(), flaw!(Excluded { .. })),
        ("4.13.34", "ValidURInameConstraintsTest34EE", plain(), Valid),
        ("4.13.35", "InvalidURInameConstraintsTest35EE", plain(), flaw!(NotPermitted { .. })),
        ("4.13.36", "ValidURInameConstraintsTest36EE", plain(), Valid),
        ("4.13.37", "InvalidURInameConstraintsTest37EE", plain(), flaw!(Excluded { .. })),
        ("4.13.38", "InvalidDNSnameConstraintsTest38EE", plain(), flaw!(NotPermitted { .. })),
        // 4.14 Distribution Points
        ("4.14.1", "ValiddistributionPointTest1EE", plain(), Valid),
        ("4.14.2", "InvaliddistributionPointTest2EE", plain(), Revoked),
        ("4.14.3", "InvaliddistributionPointTest3EE", plain(), doubt!(OtherPoint)),
        ("4.14.4", "ValiddistributionPointTest4EE", plain(), Valid),
        ("4.14.5", "ValiddistributionPointTest5EE", plain(), Valid),
        ("4.14.6", "InvaliddistributionPointTest6EE", plain(), Revoked),
        ("4.14.7", "ValiddistributionPointTest7EE", plain(), Valid),
        ("4.14.8", "InvaliddistributionPointTest8EE", plain(), doubt!(OtherPoint)),
        ("4.14.9", "InvaliddistributionPointTest9EE", plain(), doubt!(OtherPoint)),
        ("4.14.10", "ValidNoissuingDistributionPointTest10EE", plain(), Valid),
        ("4.14.11", "InvalidonlyContainsUserCertsTest11EE", plain(), doubt!(Scope { .. })),
        ("4.14.12", "InvalidonlyContainsCACertsTest12EE", plain(), doubt!(Scope { .. })),
        ("4.14.13", "ValidonlyContainsCACertsTest13EE", plain(), Valid),
        ("4.14.14", "InvalidonlyContainsAttributeCertsTest14EE", plain(), doubt!(Scope { .. })),
        ("4.14.15", "InvalidonlySomeReasonsTest15EE", plain(), Revoked),
        ("4.14.16", "InvalidonlySomeReasonsTest16EE", plain(), Revoked),
        ("4.14.17", "InvalidonlySomeReasonsTest17EE", plain(), Reasons),
        ("4.14.18", "ValidonlySomeReasonsTest18EE", plain(), Valid),
        ("4.14.19", "ValidonlySomeReasonsTest19EE", plain(), Valid),
        ("4.14.20", "InvalidonlySomeReasonsTest20EE", plain(), Revoked),
        ("4.14.21", "InvalidonlySomeReasonsTest21EE", plain(), Revoked),
        ("4.14.22", "ValidIDPwithindirectCRLTest22EE", plain(), Valid),
        ("4.14.23", "InvalidIDPwithindirectCRLTest23EE", plain(), Revoked),
        ("4.14.24", "ValidIDPwithindirectCRLTest24EE", plain(), Valid),
        ("4.14.25", "ValidIDPwithindirectCRLTest25EE", plain(), Valid),
        ("4.14.26", "InvalidIDPwithindirectCRLTest26EE", plain(), doubt!(OtherIssuer { .. })),
        ("4.14.27", "InvalidcRLIssuerTest27EE", plain(), doubt!(OtherIssuer { .. })),
        ("4.14.28", "ValidcRLIssuerTest28EE", plain(), Valid),
        ("4.14.29", "ValidcRLIssuerTest29EE", plain(), Valid),
        ("4.14.30", "ValidcRLIssuerTest30EE", plain(), Valid),
        ("4.14.31", "InvalidcRLIssuerTest31EE", plain(), Revoked),
        ("4.14.32", "InvalidcRLIssuerTest32EE", plain(), Revoked),
        ("4.14.33", "ValidcRLIssuerTest33EE", plain(), Valid),
        ("4.14.34", "InvalidcRLIssuerTest34EE", plain(), Revoked),
        ("4.14.35", "InvalidcRLIssuerTest35EE", plain(), doubt!(OtherIssuer { .. })),
        // 4.15 Delta-CRLs
        ("4.15.1", "InvaliddeltaCRLIndicatorNoBaseTest1EE", plain(), doubt!(NoBase)),
        ("4.15.2", "ValiddeltaCRLTest2EE", plain(), Valid),
        ("4.15.3", "InvaliddeltaCRLTest3EE", plain(), Revoked),
        ("4.15.4", "InvaliddeltaCRLTest4EE", plain(), Revoked),
        ("4.15.5", "ValiddeltaCRLTest5EE", plain(), Valid),
        ("4.15.6", "InvaliddeltaCRLTest6EE", plain(), Revoked),
        ("4.15.7", "ValiddeltaCRLTest7EE", plain(), Valid),
        ("4.15.8", "ValiddeltaCRLTest8EE", plain(), Valid),
        ("4.15.9", "InvaliddeltaCRLTest9EE", plain(), Revoked),
        ("4.15.10", "InvaliddeltaCRLTest10EE", plain(), doubt!(NoBase)),
        // 4.16 Private Certificate Extensions
        ("4.16.1", "ValidUnknownNotCriticalCertificateExtensionTest1EE", plain(), Valid),
        ("4.16.2", "InvalidUnknownCriticalCertificateExtensionTest2EE", plain(), flaw!(UnknownCritical { .. })),    ]
}

struct Suite {
    folder: PathBuf,
    anchor: Arc<Anchor>,
    material: Material,
}

impl Suite {
    fn certificate(&self, name: &str) -> Arc<Certificate> {
        Arc::new(Certificate::from_der(&fs::read(self.folder.join(format!("certs/{name}.crt"))).unwrap()).unwrap())
    }
}

static SUITE: LazyLock<Suite> = LazyLock::new(|| {
    let folder = folder();
    let mut material = Material::new();
    for file in files(&folder.join("certs")) {
        material.add_certificate(&Arc::new(Certificate::from_der(&fs::read(file).unwrap()).unwrap())).unwrap();
    }
    for file in files(&folder.join("crls")) {
        material.add_crl(&Arc::new(Crl::from_der(&fs::read(file).unwrap()).unwrap())).unwrap();
    }
    // Two of the 173 files are one list.
    assert_eq!((material.certificates().len(), material.crls().len()), (405, 172));
    let root = Certificate::from_der(&fs::read(folder.join("certs/TrustAnchorRootCertificate.crt")).unwrap()).unwrap();
    Suite { anchor: Arc::new(Anchor::from_certificate(Arc::new(root)).unwrap()), folder, material }
});

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn settings(policies: InitialPolicies) -> Settings {
    // The suite is of 2011; its algorithms are not its subject.
    let names = ["sha1", "sha256", "rsa-pkcs1", "dsa", "rsa"];
    let line = |name: &&str| Accepted { name: (*name).to_owned(), bits_min: 1024, until: None };
    let algorithms = AlgorithmTable { name: "PKITS".to_owned(), accepted: names.iter().map(line).collect() };
    Settings { policies, algorithms, ..Settings::new(AT) }
}

/// What was found of one path.
struct Outcome {
    judgement: Judgement,
    statuses: Vec<Status>,
}

impl Outcome {
    fn of(path: &Path, settings: &Settings, checks: &mut Checks) -> Self {
        let judgement = validate(path, AT, settings, checks);
        let all = 0..path.certificates().len();
        let statuses = all.map(|index| revocation(path, index, AT, &SUITE.material, settings, checks)).collect();
        Self { judgement, statuses }
    }

    fn is_good(&self) -> bool {
        let good = |status: &Status| matches!(status.verdict, Verdict::Good { .. } | Verdict::NotAsked(_));
        self.judgement.is_valid() && self.statuses.iter().all(good)
    }

    fn is(&self, expected: Expected) -> bool {
        let of = |verdict: fn(&Verdict) -> bool| self.statuses.iter().filter(move |status| verdict(&status.verdict));
        let mut unknown = of(|verdict| *verdict == Verdict::Undetermined);
        match expected {
            Valid => self.is_good(),
            Expected::Flaw(fits, _) => self.judgement.problems.iter().any(|problem| fits(&problem.flaw)),
            Apart(_) => self.judgement.problems.iter().any(|problem| matches!(problem.flaw, Flaw::NameChaining { .. })),
            Revoked => of(|verdict| matches!(verdict, Verdict::Revoked(_))).next().is_some(),
            Expected::Doubt(fits, _) => {
                unknown.any(|status| status.looked_at.iter().any(|looked| looked.doubts.iter().any(fits)))
            }
            NoEvidence => unknown.any(|status| {
                let others =
                    status.looked_at.iter().all(|looked| matches!(looked.doubts[..], [Doubt::OtherIssuer { .. }]));
                others && status.missing.iter().any(|missing| missing.what == MissingWhat::Evidence)
            }),
            Reasons => unknown
                .any(|status| status.missing.iter().any(|missing| matches!(missing.what, MissingWhat::Reasons(_)))),
        }
    }

    fn told(&self) -> String {
        let problems = self.judgement.problems.iter().map(ToString::to_string);
        let statuses = self
            .statuses
            .iter()
            .enumerate()
            .filter(|(_, status)| !matches!(status.verdict, Verdict::Good { later: None }));
        let statuses = statuses.map(|(index, status)| {
            let looked =
                status.looked_at.iter().filter(|looked| !matches!(looked.doubts[..], [Doubt::OtherIssuer { .. }]));
            let looked =
                looked.map(|looked| format!("\n      {:?} of {}: {:?}", looked.kind, looked.issuer, looked.doubts));
            format!("status of {}: {:?}{}", index + 1, status.verdict, looked.collect::<String>())
        });
        problems.chain(statuses).map(|line| format!("\n    {line}")).collect()
    }
}

/// Everything that is wrong with what is found.
fn judge((number, target, policies, expected): Row) -> Option<String> {
    let suite = &*SUITE;
    let (target, settings, mut checks) = (suite.certificate(target), settings(policies), Checks::default());
    let paths = build(&target, &suite.material, std::slice::from_ref(&suite.anchor), &settings.limits, &mut checks);
    let mut outcomes: Vec<_> = paths.iter().map(|path| Outcome::of(path, &settings, &mut checks)).collect();
    if let Apart(above) = expected {
        if !outcomes.is_empty() {
            return Some(format!("{number}: a path was found"));
        }
        let above = above.iter().map(|name| suite.certificate(name));
        let path = Path::new(suite.anchor.clone(), above.chain([target]).collect()).unwrap();
        outcomes.push(Outcome::of(&path, &settings, &mut checks));
    }
    let accepted = outcomes.iter().any(Outcome::is_good);
    let right = match expected {
        Valid => accepted,
        _ => !accepted && !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.is(expected)),
    };
    let wanted = match expected {
        Valid => "valid",
        Expected::Flaw(_, text) | Expected::Doubt(_, text) => text,
        Revoked => "revoked",
        NoEvidence => "no evidence",
        Reasons => "reasons not covered",
        Apart(_) => "names that do not chain",
    };
    let told = || {
        outcomes.iter().enumerate().map(|(i, outcome)| format!("\n  path {i}:{}", outcome.told())).collect::<String>()
    };
    (!right).then(|| format!("{number} should be {wanted}{}", told()))
}

#[test]
fn every_case_of_pkits() {
    let rows = rows();
    // 224 cases, some of them with several settings.
    assert_eq!(rows.len(), 247);
    let ends = files(&SUITE.folder.join("certs"))
        .into_iter()
        .filter_map(|file| file.file_stem()?.to_str().filter(|name| name.ends_with("EE")).map(str::to_owned));
    let judged: BTreeSet<_> = rows.iter().map(|row| row.1.to_owned()).collect();
    assert_eq!(ends.collect::<BTreeSet<_>>(), judged, "every end entity's certificate is judged");

    let wrong: Vec<_> = rows.into_iter().filter_map(judge).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Where `ops/setup.sh` has pip put the suite.
fn folder() -> PathBuf {
    let code = "import cryptography_vectors as v; print(v.__path__[0])";
    let output = strangers::run(strangers::python().args(["-c", code]));
    assert!(output.status.success(), "{}: run ops/setup.sh", strangers::text(&output));
    PathBuf::from(strangers::text(&output).trim()).join("x509/PKITS_data")
}
