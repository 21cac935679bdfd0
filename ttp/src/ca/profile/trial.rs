//! A certificate on trial: what the lint would say of the first one by a profile, before somebody has applied for it.

use std::sync::Arc;

use super::super::certificate::{BuildFault, CertificateSerial, Issuer, Template, prepare};
use super::super::name::{AlternativeNames, Attribute, DistinguishedName};
use super::{KeyKind, Presence, Profile, ProfileCode};
use crate::asn1::der;
use crate::time::Timestamp;
use crate::x509::Period;

const DAY_SECS: u64 = 86_400;

/// The name of the server on trial (RFC 2606).
const HOST: &str = "www.example.org";

impl Profile {
    /// Builds a certificate by this profile for a sample of each kind of key and lints it: everything but a signature. Nothing
    /// that it names exists, and nobody has its keys.
    ///
    /// # Errors
    /// [`BuildFault`], as the first issue would meet it.
    pub fn trial(self: &Arc<Self>, issuer: &Issuer, base_url: &str, now: Timestamp) -> Result<(), BuildFault> {
        // The clock may be set later, and the issuer renewed; that is no fault of the profile.
        let not_before = match issuer.validity() {
            Some(own) if !own.contains(now) => own.not_before,
            _ => now.whole_secs(),
        };
        let end = |days: u32| not_before.plus_secs(u64::from(days) * DAY_SECS - 1);
        let not_after = issuer.validity().map_or(end(self.life_days), |own| own.not_after.min(end(self.life_days)));
        for kind in &self.keys {
            let template = Template {
                profile: self.clone(),
                subject: self.sample_subject(),
                alternative_names: self.sample_names(),
                spki_der: sample_key(*kind),
                serial: CertificateSerial::from_random([0x5A; 16]),
                validity: Period { not_before, not_after },
                base_url: base_url.to_owned(),
                policies: self.policies.clone(),
                key_period: self.key_life_days.map(|days| Period { not_before, not_after: end(days).min(not_after) }),
                partition: 0,
            };
            prepare(&template, issuer)?.finish(&[])?;
        }
        Ok(())
    }

    /// All attributes that there may be, and of a person's names one kind.
    fn sample_subject(&self) -> DistinguishedName {
        let named = self.subject(Attribute::GivenName) != Presence::Forbidden;
        let there = |attribute: Attribute| match (self.subject(attribute), attribute) {
            (Presence::Optional, Attribute::Pseudonym) => !named,
            (presence, _) => presence != Presence::Forbidden,
        };
        let text = |attribute: Attribute| match attribute {
            Attribute::Country => "FR",
            Attribute::OrganizationIdentifier => "NTRFR-000000000",
            Attribute::SerialNumber => "PASFR-000000000",
            Attribute::CommonName if self.class == ProfileCode::Server => HOST,
            attribute => attribute.name(),
        };
        let attributes = Attribute::ALL.into_iter().filter(|attribute| there(*attribute));
        DistinguishedName(attributes.map(|attribute| (attribute, text(attribute).to_owned())).collect())
    }

    fn sample_names(&self) -> AlternativeNames {
        let rules = self.alternative_names;
        let is = |presence: Presence| presence != Presence::Forbidden;
        AlternativeNames {
            dns: is(rules.dns).then(|| HOST.to_owned()).into_iter().collect(),
            // One that anybody can reach, as the rules for web servers want it; nothing is signed.
            ip: is(rules.ip).then_some(core::net::Ipv4Addr::new(9, 9, 9, 9).into()).into_iter().collect(),
            email: is(rules.email).then(|| "name@example.org".to_owned()).into_iter().collect(),
        }
    }
}

/// SubjectPublicKeyInfo of a key that nobody uses: the generators of the curves, any octets for Ed25519, an odd number for RSA.
fn sample_key(kind: KeyKind) -> Vec<u8> {
    const EC_PUBLIC_KEY: &[u8] = &[6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
    let ec = |curve: &[u8], point: &str| {
        let point = hex::decode(point).expect("hexadecimal digits");
        let bits = der::tlv(der::BIT_STRING, &[&[0, 4], &point[..]].concat());
        der::sequence(&[&der::sequence(&[EC_PUBLIC_KEY, curve]), &bits])
    };
    match kind {
        // SEC 2, 2.4.2 and 2.5.1.
        KeyKind::EcdsaP256 => ec(
            &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7],
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
             4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ),
        KeyKind::EcdsaP384 => ec(
            &[6, 5, 0x2B, 0x81, 4, 0, 0x22],
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7\
             3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ),
        KeyKind::Rsa3072 => {
            let modulus = der::tlv(der::INTEGER, &[&[0][..], &[0xC5; 384]].concat());
            let key = der::sequence(&[&modulus, &der::tlv(der::INTEGER, &[1, 0, 1])]);
            let algorithm = der::sequence(&[&[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1, 5, 0]]);
            der::sequence(&[&algorithm, &der::tlv(der::BIT_STRING, &[&[0], &key[..]].concat())])
        }
        KeyKind::Ed25519 => {
            let algorithm = der::sequence(&[&[6, 3, 0x2B, 0x65, 0x70]]);
            der::sequence(&[&algorithm, &der::tlv(der::BIT_STRING, &[&[0][..], &[0x5A; 32]].concat())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;
    use crate::ca::Authority;
    use crate::crypto::Signer;
    use crate::testing::{GEN_TIME, PKI};

    fn judge(profile: &Arc<Profile>, authority: Authority) -> Result<(), BuildFault> {
        let issuer = Issuer::new(authority, &PKI.ca, PKI.ca_key.algorithm()).unwrap();
        profile.trial(&issuer, "http://pki.example", GEN_TIME)
    }

    #[test]
    fn what_comes_with_the_program_passes() {
        // A root would have to be its own issuer.
        for profile in builtin().iter().filter(|profile| !profile.code().is_ca()) {
            for authority in profile.issuers() {
                assert_eq!(judge(profile, *authority), Ok(()), "{}", profile.name());
            }
        }
    }

    #[test]
    fn what_the_first_certificate_would_fail_at_is_found() {
        let text = include_str!("../../../../schemas/profiles/tls-server.toml");
        let change = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            let profile = Arc::new(Profile::parse(&text.replace(from, to)).unwrap());
            judge(&profile, Authority::Server).unwrap_err().to_string()
        };
        let said = change("life_days = 90", "life_days = 399");
        assert!(said.contains("server_life (BR 6.3.2)"), "{said}");
        let said = change("key_usage = [\"digitalSignature\"]", "key_usage = [\"keyEncipherment\"]");
        assert!(said.contains("key_usage_of_key"), "{said}");
    }
}
