//! Object identifiers as they stand in signatures: content octets, so that nothing is decoded to compare them.

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $words:literal, [$($octet:literal),+ $(,)?];)+) => {
        $($(#[$doc])* pub(crate) const $name: &[u8] = &[$($octet),+];)+

        /// What people call it; dotted, if nothing else.
        pub(crate) fn name(oid: &[u8]) -> String {
            match oid {
                $($name => $words.to_owned(),)+
                _ => dotted(oid),
            }
        }
    };
}

oids! {
    /// RFC 5652 §4: 1.2.840.113549.1.7.1.
    DATA = "id-data", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1];
    /// RFC 5652 §5.1: 1.2.840.113549.1.7.2.
    SIGNED_DATA = "id-signedData", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
    /// RFC 3161 §2.4.2: 1.2.840.113549.1.9.16.1.4.
    TST_INFO = "id-ct-TSTInfo", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 1, 4];
    /// RFC 5652 §11.1: 1.2.840.113549.1.9.3.
    CONTENT_TYPE = "contentType", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 3];
    /// RFC 5652 §11.2: 1.2.840.113549.1.9.4.
    MESSAGE_DIGEST = "messageDigest", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 4];
    /// RFC 5652 §11.3: 1.2.840.113549.1.9.5.
    SIGNING_TIME = "signingTime", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 5];
    /// RFC 5652 §11.4: 1.2.840.113549.1.9.6.
    COUNTERSIGNATURE = "countersignature", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 6];
    /// RFC 6211 §2: 1.2.840.113549.1.9.52.
    ALGORITHM_PROTECTION = "CMSAlgorithmProtection", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 52];
    /// RFC 2634 §5.4: 1.2.840.113549.1.9.16.2.12.
    SIGNING_CERTIFICATE = "signing-certificate", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 12];
    /// RFC 5035 §3: 1.2.840.113549.1.9.16.2.47.
    SIGNING_CERTIFICATE_V2 = "signing-certificate-v2", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 47];
    /// EN 319 122-1 §5.2.9: 1.2.840.113549.1.9.16.2.15.
    SIGNATURE_POLICY = "signature-policy-identifier", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 15];
    /// EN 319 122-1 §5.3: 1.2.840.113549.1.9.16.2.14.
    SIGNATURE_TIMESTAMP = "signature-time-stamp", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 14];
    /// EN 319 122-1 §5.2.8: 1.2.840.113549.1.9.16.2.20.
    CONTENT_TIMESTAMP = "content-time-stamp", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 20];
    /// EN 319 122-1 annex A.1.1.2: 1.2.840.113549.1.9.16.2.23.
    CERTIFICATE_VALUES = "certificate-values", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 23];
    /// EN 319 122-1 annex A.1.2.2: 1.2.840.113549.1.9.16.2.24.
    REVOCATION_VALUES = "revocation-values", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 24];
    /// EN 319 122-1 annex A.2.4, long ago: 1.2.840.113549.1.9.16.2.48.
    ARCHIVE_TIMESTAMP_V2 = "archive-time-stamp", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 16, 2, 48];
    /// EN 319 122-1 §5.5.3: 0.4.0.1733.2.4.
    ARCHIVE_TIMESTAMP_V3 = "archive-time-stamp-v3", [0x04, 0x00, 0x8D, 0x45, 2, 4];
    /// ats-hash-index of TS 101 733, which v3 of the index replaced: 0.4.0.1733.2.5.
    ATS_HASH_INDEX = "ats-hash-index", [0x04, 0x00, 0x8D, 0x45, 2, 5];
    /// EN 319 122-1 §5.5.2: 0.4.0.19122.1.5.
    ATS_HASH_INDEX_V3 = "ats-hash-index-v3", [0x04, 0x00, 0x81, 0x95, 0x32, 1, 5];
    /// ISO 32000-2 §12.8.3.3.2: 1.2.840.113583.1.1.8.
    ADOBE_REVOCATION = "adbe-revocationInfoArchival", [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x2F, 1, 1, 8];
    /// RFC 5940 §2.1: 1.3.6.1.5.5.7.16.2.
    RI_OCSP_RESPONSE = "id-ri-ocsp-response", [0x2B, 6, 1, 5, 5, 7, 16, 2];
    /// RFC 6960 §4.2.1: 1.3.6.1.5.5.7.48.1.1.
    OCSP_BASIC = "id-pkix-ocsp-basic", [0x2B, 6, 1, 5, 5, 7, 48, 1, 1];
    /// 1.3.14.3.2.26.
    SHA1 = "SHA-1", [0x2B, 14, 3, 2, 26];
    /// 2.16.840.1.101.3.4.2.1.
    SHA256 = "SHA-256", [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
}

/// `1.2.840…` of content octets that X.690 §8.19 permits; hex of any other.
pub(crate) fn dotted(oid: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0_u128;
    for octet in oid {
        let Some(shifted) = arc.checked_mul(128) else { return hex::encode(oid) };
        arc = shifted | u128::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    let Some((first, rest)) = arcs.split_first() else { return hex::encode(oid) };
    let (top, second) = if *first < 80 { (first / 40, first % 40) } else { (2, first - 80) };
    let rest: String = rest.iter().map(|arc| format!(".{arc}")).collect();
    format!("{top}.{second}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_those_of_the_dotted_form() {
        let check = |oid: &[u8], expected: &str| assert_eq!(dotted(oid), expected);
        check(SIGNED_DATA, "1.2.840.113549.1.7.2");
        check(ADOBE_REVOCATION, "1.2.840.113583.1.1.8");
        check(ARCHIVE_TIMESTAMP_V3, "0.4.0.1733.2.4");
        check(ATS_HASH_INDEX_V3, "0.4.0.19122.1.5");
        check(RI_OCSP_RESPONSE, "1.3.6.1.5.5.7.16.2");
        check(OCSP_BASIC, "1.3.6.1.5.5.7.48.1.1");
        check(SHA1, "1.3.14.3.2.26");
        check(SHA256, "2.16.840.1.101.3.4.2.1");
        check(CONTENT_TIMESTAMP, "1.2.840.113549.1.9.16.2.20");
        check(&[0x88, 0x37], "2.999");
        check(&[], "");
        assert_eq!((name(SHA256), name(&[0x2A, 3])), ("SHA-256".to_owned(), "1.2.3".to_owned()));
    }
}
