//! The extensions of a certificate, built from its profile.

use rasn::prelude::*;
use rasn_pkix::{
    AccessDescription, AuthorityKeyIdentifier, BasicConstraints, DistributionPoint, DistributionPointName, Extension,
    GeneralName, PolicyInformation, PrivateKeyUsagePeriod,
};

use super::{Profile, ProfileCode};
use crate::asn1::oid;
use crate::time::Timestamp;
use crate::x509::{Period, encode};

/// What the extensions of one certificate are made from.
pub(in crate::ca) struct Inputs<'a> {
    pub(in crate::ca) profile: &'a Profile,
    /// SHA-1 of the subject's key bits.
    pub(in crate::ca) subject_key_id: [u8; 20],
    /// The issuer's subjectKeyIdentifier.
    pub(in crate::ca) authority_key_id: &'a [u8],
    /// `http://host[:port]`, without a slash at its end.
    pub(in crate::ca) base_url: &'a str,
    /// The issuer's name in URLs.
    pub(in crate::ca) issuer: &'a str,
    /// Which of the issuer's lists would revoke it.
    pub(in crate::ca) crl: &'a str,
    /// At least one, except for the root.
    pub(in crate::ca) policies: &'a [ObjectIdentifier],
    /// In this order.
    pub(in crate::ca) alternative_names: Vec<GeneralName>,
    /// For a timestamping unit.
    pub(in crate::ca) key_period: Option<Period>,
}

/// The extensions, in ascending order of their identifiers within id-ce, those of id-pe last.
pub(in crate::ca) fn extensions(inputs: &Inputs<'_>) -> Vec<Extension> {
    let Inputs { profile, base_url, .. } = *inputs;
    let mut list = Vec::with_capacity(11);
    let mut add = |id, critical, value: Vec<u8>| list.push(extension(id, critical, value));
    if profile.subject_key_identifier {
        add(oid::SUBJECT_KEY_IDENTIFIER, false, encode(&OctetString::from(inputs.subject_key_id)));
    }
    add(oid::KEY_USAGE, true, encode(&profile.key_usage.to_bits()));
    if let Some(Period { not_before, not_after }) = inputs.key_period {
        let general = |t: Timestamp| Some(t.whole_secs().to_chrono().into());
        let period = PrivateKeyUsagePeriod { not_before: general(not_before), not_after: general(not_after) };
        add(oid::PRIVATE_KEY_USAGE_PERIOD, false, encode(&period));
    }
    if !inputs.alternative_names.is_empty() {
        add(oid::SUBJECT_ALT_NAME, false, encode(&inputs.alternative_names));
    }
    if profile.basic_constraints {
        let path_len_constraint = (profile.class == ProfileCode::IssuingCa).then_some(Integer::ZERO);
        let basic = BasicConstraints { ca: profile.class.is_ca(), path_len_constraint };
        add(oid::BASIC_CONSTRAINTS, true, encode(&basic));
    }
    if profile.crl_distribution_point {
        let name = uri(format!("{base_url}/crl/{}.crl", inputs.crl));
        let point = DistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![name])),
            ..DistributionPoint::default()
        };
        add(oid::CRL_DISTRIBUTION_POINTS, false, encode(&vec![point]));
    }
    if !inputs.policies.is_empty() {
        let policy =
            |id: &ObjectIdentifier| PolicyInformation { policy_identifier: id.clone(), policy_qualifiers: None };
        let policies: Vec<_> = inputs.policies.iter().map(policy).collect();
        add(oid::CERTIFICATE_POLICIES, false, encode(&policies));
    }
    if profile.class != ProfileCode::Root {
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::from(inputs.authority_key_id)),
            ..AuthorityKeyIdentifier::default()
        };
        add(oid::AUTHORITY_KEY_IDENTIFIER, false, encode(&authority));
    }
    if !profile.extended_key_usage.is_empty() {
        let critical = profile.extended_key_usage_critical;
        add(oid::EXTENDED_KEY_USAGE, critical, encode(&profile.extended_key_usage));
    }
    let mut access = Vec::new();
    if profile.ocsp {
        let place = uri(format!("{base_url}/ocsp"));
        access.push(AccessDescription { access_method: oid::AD_OCSP.into(), access_location: place });
    }
    if profile.ca_issuers {
        let place = uri(format!("{base_url}/ca/{}.cer", inputs.issuer));
        access.push(AccessDescription { access_method: oid::CA_ISSUERS.into(), access_location: place });
    }
    if !access.is_empty() {
        add(oid::AUTHORITY_INFO_ACCESS, false, encode(&access));
    }
    if let Some(statements) = &profile.qc_statements {
        add(oid::QC_STATEMENTS, false, statements.to_der());
    }
    if profile.ocsp_nocheck {
        add(oid::OCSP_NOCHECK, false, encode(&()));
    }
    list
}

fn uri(url: String) -> GeneralName {
    GeneralName::Uri(Ia5String::try_from(url).expect("the base URL was checked to be ASCII"))
}

fn extension(id: &Oid, critical: bool, value: Vec<u8>) -> Extension {
    Extension { extn_id: id.into(), critical, extn_value: OctetString::from(value) }
}
