//! Object identifiers that we name.

use rasn::types::Oid;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $($arc:literal).+;)+) => {
        $($(#[$doc])* pub const $name: &Oid = Oid::const_new(&[$($arc),+]);)+
    };
}

oids! {
    /// id-signedData, RFC 5652 §5.1.
    SIGNED_DATA = 1 . 2 . 840 . 113549 . 1 . 7 . 2;
    /// id-ct-TSTInfo, RFC 3161 §2.4.2.
    TST_INFO = 1 . 2 . 840 . 113549 . 1 . 9 . 16 . 1 . 4;
    /// id-ct-DVCSResponseData, RFC 3029 appendix A.
    DVCS_RESPONSE_DATA = 1 . 2 . 840 . 113549 . 1 . 9 . 16 . 1 . 8;
    /// contentType, RFC 5652 §11.1.
    CONTENT_TYPE = 1 . 2 . 840 . 113549 . 1 . 9 . 3;
    /// messageDigest, RFC 5652 §11.2.
    MESSAGE_DIGEST = 1 . 2 . 840 . 113549 . 1 . 9 . 4;
    /// signingCertificateV2, RFC 5035 §3.
    SIGNING_CERTIFICATE_V2 = 1 . 2 . 840 . 113549 . 1 . 9 . 16 . 2 . 47;
    /// CMSAlgorithmProtection, RFC 6211 §2.
    ALGORITHM_PROTECTION = 1 . 2 . 840 . 113549 . 1 . 9 . 52;
    /// SHA-256.
    SHA256 = 2 . 16 . 840 . 1 . 101 . 3 . 4 . 2 . 1;

    /// subjectKeyIdentifier, RFC 5280 §4.2.1.2.
    SUBJECT_KEY_IDENTIFIER = 2 . 5 . 29 . 14;
    /// keyUsage, §4.2.1.3.
    KEY_USAGE = 2 . 5 . 29 . 15;
    /// privateKeyUsagePeriod, RFC 5280 appendix A.2.
    PRIVATE_KEY_USAGE_PERIOD = 2 . 5 . 29 . 16;
    /// subjectAltName, §4.2.1.6.
    SUBJECT_ALT_NAME = 2 . 5 . 29 . 17;
    /// basicConstraints, §4.2.1.9.
    BASIC_CONSTRAINTS = 2 . 5 . 29 . 19;
    /// cRLNumber, §5.2.3.
    CRL_NUMBER = 2 . 5 . 29 . 20;
    /// reasonCode, §5.3.1.
    CRL_REASON = 2 . 5 . 29 . 21;
    /// cRLDistributionPoints, §4.2.1.13.
    CRL_DISTRIBUTION_POINTS = 2 . 5 . 29 . 31;
    /// certificatePolicies, §4.2.1.4.
    CERTIFICATE_POLICIES = 2 . 5 . 29 . 32;
    /// authorityKeyIdentifier, §4.2.1.1.
    AUTHORITY_KEY_IDENTIFIER = 2 . 5 . 29 . 35;
    /// extKeyUsage, §4.2.1.12.
    EXTENDED_KEY_USAGE = 2 . 5 . 29 . 37;
    /// authorityInfoAccess, §4.2.2.1.
    AUTHORITY_INFO_ACCESS = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 1 . 1;
    /// caIssuers, §4.2.2.1.
    CA_ISSUERS = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 48 . 2;
    /// id-ad-ocsp, §4.2.2.1.
    AD_OCSP = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 48 . 1;
    /// id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1.
    OCSP_NOCHECK = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 48 . 1 . 5;
    /// issuingDistributionPoint, RFC 5280 §5.2.5.
    ISSUING_DISTRIBUTION_POINT = 2 . 5 . 29 . 28;
    /// deltaCRLIndicator.
    DELTA_CRL_INDICATOR = 2 . 5 . 29 . 27;
    /// qcStatements, RFC 3739 §3.2.6.
    QC_STATEMENTS = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 1 . 3;
    /// extensionRequest, RFC 2985 §5.4.2.
    EXTENSION_REQUEST = 1 . 2 . 840 . 113549 . 1 . 9 . 14;
    /// anyPolicy, §4.2.1.4.
    ANY_POLICY = 2 . 5 . 29 . 32 . 0;

    /// id-kp-serverAuth.
    KP_SERVER_AUTH = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 3 . 1;
    /// id-kp-clientAuth.
    KP_CLIENT_AUTH = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 3 . 2;
    /// id-kp-OCSPSigning.
    KP_OCSP_SIGNING = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 3 . 9;
    /// id-kp-dvcs, RFC 3029 §9.
    KP_DVCS = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 3 . 10;
    /// id-kp-documentSigning, RFC 9336.
    KP_DOCUMENT_SIGNING = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 3 . 36;
    /// id-kp-timeStamping.
    KP_TIME_STAMPING = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 3 . 8;

    /// id-pkix-ocsp-basic, RFC 6960 §4.2.1.
    OCSP_BASIC = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 48 . 1 . 1;
    /// id-pkix-ocsp-nonce, RFC 9654 §2.1.
    OCSP_NONCE = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 48 . 1 . 2;
    /// id-pkix-ocsp-extended-revoke, RFC 6960 §4.4.8.
    OCSP_EXTENDED_REVOKE = 1 . 3 . 6 . 1 . 5 . 5 . 7 . 48 . 1 . 9;

    /// commonName.
    COMMON_NAME = 2 . 5 . 4 . 3;
    /// surname.
    SURNAME = 2 . 5 . 4 . 4;
    /// serialNumber.
    SERIAL_NUMBER = 2 . 5 . 4 . 5;
    /// countryName.
    COUNTRY = 2 . 5 . 4 . 6;
    /// localityName.
    LOCALITY = 2 . 5 . 4 . 7;
    /// stateOrProvinceName.
    STATE_OR_PROVINCE = 2 . 5 . 4 . 8;
    /// organizationName.
    ORGANIZATION = 2 . 5 . 4 . 10;
    /// organizationalUnitName.
    ORGANIZATIONAL_UNIT = 2 . 5 . 4 . 11;
    /// title.
    TITLE = 2 . 5 . 4 . 12;
    /// givenName.
    GIVEN_NAME = 2 . 5 . 4 . 42;
    /// pseudonym.
    PSEUDONYM = 2 . 5 . 4 . 65;
    /// organizationIdentifier, ETSI EN 319 412-1 §5.1.4.
    ORGANIZATION_IDENTIFIER = 2 . 5 . 4 . 97;
}
