//! Everything that CAs emit: a certificate of every profile with every kind of key that it allows, lists with and without entries,
//! and OCSP responses of every kind, by CAs with P-256 and one list each, and by CAs with RSA and shards.

use std::sync::{Arc, LazyLock};

use openssl::pkey::{PKey, Private};
use semper_tests::pki::{DAY_SECS, Names, Pki, PkiSettings, ocsp_request, private_key, subject};
use semper_ttp::ca::Authority;
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::name::{Attribute, Subject};
use semper_ttp::ca::ocsp::response::{ReadResponse, read};
use semper_ttp::ca::ocsp::{ErrorStatus, HashAlgorithm};
use semper_ttp::ca::profile::{Profile, builtin};
use semper_ttp::crypto::{KeyKind, SignatureAlgorithm};
use semper_ttp::time::Timestamp;
use semper_ttp::x509::Certificate;

/// What certificates name; a linter knows that nobody outside reaches 127.0.0.1.
const BASE_URL: &str = "http://pki.example.com";

/// Reasons for which a certificate that is no CA's may be revoked.
const REASONS: [Reason; 6] = [
    Reason::Unspecified,
    Reason::KeyCompromise,
    Reason::AffiliationChanged,
    Reason::Superseded,
    Reason::CessationOfOperation,
    Reason::PrivilegeWithdrawn,
];

/// An artefact, and what it is.
pub(crate) struct Artefact {
    pub(crate) title: String,
    pub(crate) der: Vec<u8>,
    pub(crate) kind: Kind,
}

/// What an artefact is.
pub(crate) enum Kind {
    /// A certificate: its profile, and its issuer's certificate.
    Certificate { profile: String, issuer: Vec<u8> },
    /// A list of revoked certificates: whether it is of CAs, its issuer's certificate, its own place where it is a shard, and whom it
    /// must name.
    List { of_cas: bool, issuer: Vec<u8>, shard: Option<String>, names: Vec<Gone> },
    /// An OCSP response.
    Status,
}

/// A certificate that was revoked.
#[derive(Clone)]
pub(crate) struct Gone {
    issuer: Authority,
    /// The list that it names.
    place: String,
    pub(crate) serial: Vec<u8>,
    pub(crate) at: Timestamp,
    pub(crate) reason: Reason,
}

/// Everything, made once for all tests.
pub(crate) static EMITTED: LazyLock<Vec<Artefact>> = LazyLock::new(|| {
    let (mut emitted, mut keys) = (Emitted::default(), Keys::new());
    for (shards, algorithm, how) in
        [(0, SignatureAlgorithm::EcdsaP256Sha256, "P-256"), (2, SignatureAlgorithm::RsaPkcs1Sha256, "RSA")]
    {
        let profiles = vec![qualified()];
        let pki = Pki::new(&PkiSettings { algorithm, shards, base_url: Some(BASE_URL), profiles });
        emit(&mut emitted, &pki, shards, &keys, how);
        // What is certified does not depend on how it is signed: all kinds of keys once are enough.
        keys.0.truncate(1);
    }
    for status in ErrorStatus::ALL {
        emitted.add(&status.to_string(), &status.der(), Kind::Status);
    }
    for profile in builtin() {
        let is_its =
            |one: &Artefact| matches!(&one.kind, Kind::Certificate { profile: of, .. } if of == profile.name());
        assert!(emitted.artefacts.iter().any(is_its), "nothing of {}", profile.name());
    }
    emitted.artefacts
});

#[derive(Default)]
struct Emitted {
    artefacts: Vec<Artefact>,
    /// By the hierarchy that is at work.
    gone: Vec<Gone>,
}

impl Emitted {
    fn add(&mut self, title: &str, der: &[u8], kind: Kind) {
        self.artefacts.push(Artefact { title: title.to_owned(), der: der.to_vec(), kind });
    }

    fn certificate(&mut self, profile: &str, title: &str, certificate: &Certificate, issuer: &Certificate) {
        let kind = Kind::Certificate { profile: profile.to_owned(), issuer: issuer.der().to_vec() };
        self.add(&format!("{profile}, {title}"), certificate.der(), kind);
    }

    /// Every list of every CA.
    fn lists(&mut self, pki: &Pki, shards: u32, title: &str) {
        for authority in Authority::OWN {
            let name = authority.name();
            let of_cas = authority == Authority::Root;
            for shard in 0..=if of_cas { 0 } else { shards } {
                let place = if shard == 0 { name.to_owned() } else { format!("{name}/{shard}") };
                let url = format!("{BASE_URL}/crl/{place}.crl");
                let names = self.gone.iter().filter(|one| one.issuer == authority && (shard == 0 || one.place == url));
                let (names, shard) = (names.cloned().collect(), (shard > 0).then_some(url));
                let kind = Kind::List { of_cas, issuer: pki.ca(authority).der().to_vec(), shard, names };
                self.add(&format!("{place}, {title}"), &pki.list(&place), kind);
            }
        }
    }

    fn revoke(&mut self, pki: &Pki, issuer: Authority, certificate: &Certificate, reason: Reason) {
        pki.revoke(issuer, certificate, reason);
        let place = certificate.crl_place().unwrap_or_default();
        self.gone.push(Gone { issuer, place, serial: certificate.serial(), at: pki.now().whole_secs(), reason });
    }
}

/// One key of each kind for all certificates: an RSA key takes long to make.
struct Keys(Vec<(KeyKind, PKey<Private>)>);

impl Keys {
    fn new() -> Self {
        let kinds = [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Rsa3072, KeyKind::Ed25519];
        Self(kinds.map(|kind| (kind, private_key(kind))).into())
    }

    fn allowed_by<'k>(&'k self, profile: &'k Profile) -> impl Iterator<Item = (&'k KeyKind, PKey<Private>)> {
        self.0.iter().filter(|(kind, _)| profile.keys().contains(kind)).map(|(kind, key)| (kind, key.clone()))
    }
}

/// A profile that makes the legal claims which ours leave to their operators.
fn qualified() -> Arc<Profile> {
    let natural = include_str!("../../../schemas/profiles/party-natural.toml");
    let text =
        natural.replace("\"party-natural\"", "\"party-qualified\"").replace("0.4.0.2042.1.3", "0.4.0.194112.1.2");
    let claims = r#"
        compliance = true
        type = "esign"
        sscd = true
        retention_years = 10
        limit = { currency = "EUR", amount = 5, exponent = 3 }
        disclosure = [{ url = "https://pki.example.com/pds", language = "en" }]
    "#;
    let profile = Profile::parse(&[&text, claims].concat()).expect("a profile");
    assert!(profile.is_qualified());
    Arc::new(profile)
}

/// Names for a profile: what it demands, and then all that it allows.
fn names_for(profile: &Profile) -> Vec<(&'static str, Names)> {
    use Attribute::*;
    let organization = [(Country, "FR"), (Organization, "Étude Exemple"), (OrganizationIdentifier, "NTRFR-123456789")];
    let with = |more: &[(Attribute, &str)]| Names::of(&[&organization[..], more].concat());
    let mail = |mut names: Names| {
        names.1.email = vec!["contact@example.com".to_owned()];
        names
    };
    match profile.name() {
        "party-natural" | "party-qualified" | "party-auth" => {
            let person = [(Country, "FR"), (SerialNumber, "PASFR-12AB34567"), (CommonName, "Jeanne Martin")];
            let named = [&person[..], &[(GivenName, "Jeanne"), (Surname, "Martin")]].concat();
            let pseudonym =
                [(Country, "BE"), (SerialNumber, "PNOBE-77"), (Pseudonym, "Corvus"), (CommonName, "Corvus")];
            let employed = [&organization[..], &named, &[(Title, "Notaire")]].concat();
            let mut all = vec![
                ("a name", Names::of(&named)),
                ("a pseudonym", Names::of(&pseudonym)),
                ("an employee", mail(Names::of(&employed))),
            ];
            if profile.name() == "party-auth" {
                all.push(("an organisation", with(&[(CommonName, "Étude Exemple")])));
            }
            all
        }
        "party-legal" => vec![
            ("an organisation", with(&[(CommonName, "Étude Exemple")])),
            (
                "a part of it",
                mail(with(&[(CommonName, "Achats"), (Locality, "Paris"), (OrganizationalUnit, "Achats")])),
            ),
            (
                "one with a global identifier",
                Names::of(&[
                    (Country, "DE"),
                    (Organization, "Beispiel AG"),
                    (OrganizationIdentifier, "LEIXG-529900T8BM49AURSDO55"),
                    (CommonName, "Beispiel AG"),
                ]),
            ),
        ],
        "tls-server" => {
            let shop = [(Country, "FR"), (Locality, "Paris"), (Organization, "Boutique Exemple")];
            let many = [&shop[..], &[(StateOrProvince, "Île-de-France")]].concat();
            vec![
                ("one name", Names::of(&shop).with_dns(&["shop.example.com"])),
                (
                    "several names",
                    Names::of(&many).with_dns(&["example.com", "*.example.com", "xn--caf-dma.example.com"]),
                ),
            ]
        }
        "service-tls" => {
            let mut address = with(&[]);
            address.1.ip = vec!["9.9.9.9".parse().expect("an address")];
            vec![
                ("a name", with(&[(CommonName, "semper.example.com")]).with_dns(&["semper.example.com"])),
                ("an address", address),
            ]
        }
        _ => vec![("an organisation", Names::from(&subject("Clé 7")))],
    }
}

/// All certificates, statuses and lists of one hierarchy.
fn emit(emitted: &mut Emitted, pki: &Pki, shards: u32, keys: &Keys, how: &str) {
    let root = pki.ca(Authority::Root);
    emitted.certificate("root", how, root, root);
    for authority in Authority::ISSUING {
        emitted.certificate("issuing-ca", &format!("{} {how}", authority.name()), pki.ca(authority), root);
    }
    emitted.lists(pki, shards, &format!("without entries, {how}"));
    let qualified = qualified();
    for profile in builtin().iter().filter(|profile| !profile.code().is_ca()).chain([&qualified]) {
        for authority in profile.issuers() {
            for (kind, key) in keys.allowed_by(profile) {
                for (whose, names) in names_for(profile) {
                    let issued = pki.issue(*authority, profile, key.clone(), names).certificate;
                    let title = format!("{whose}, {kind:?}, by {} {how}", authority.name());
                    emitted.certificate(profile.name(), &title, &issued, pki.ca(*authority));
                }
            }
        }
    }
    for authority in Authority::ISSUING {
        statuses(emitted, pki, authority, how);
    }
    emitted.revoke(pki, Authority::Root, pki.ca(Authority::Tsu), Reason::CaCompromise);
    emitted.revoke(pki, Authority::Root, pki.ca(Authority::Server), Reason::CessationOfOperation);
    // Until also the lists of all are issued anew, beside the shards.
    pki.pass(DAY_SECS);
    pki.renew_lists();
    emitted.lists(pki, shards, &format!("with entries, {how}"));
    emitted.gone.clear();
}

/// OCSP responses of one CA: good, revoked for every reason, unknown; one and several, with and without a nonce.
fn statuses(emitted: &mut Emitted, pki: &Pki, authority: Authority, how: &str) {
    let name = authority.name();
    let profile = Profile::named(match authority {
        Authority::Server => "service-tls",
        Authority::Tsu => "tsu",
        Authority::Root | Authority::Party | Authority::Imported => "party-legal",
    });
    let issue = || {
        let names = Names::from(&Subject { common_name: "id.example.com".to_owned(), ..subject("") });
        let names = if authority == Authority::Server { names.with_dns(&["id.example.com"]) } else { names };
        pki.issue(authority, &profile, private_key(KeyKind::EcdsaP256), names).certificate
    };
    let ask = |emitted: &mut Emitted, title: &str, about: &[&[u8]], hash, nonce: Option<&[u8]>| {
        let about: Vec<_> = about.iter().map(|serial| pki.cert_id(authority, hash, serial)).collect();
        let response = pki.ask(&ocsp_request(&about, nonce));
        emitted.add(&format!("{name}, {title}, {how}"), &response, Kind::Status);
        response
    };
    let (sha1, sha256) = (HashAlgorithm::Sha1, HashAlgorithm::Sha256);
    let (good, never) = (issue().serial(), [0x41; 16]);
    let response = ask(emitted, "good", &[&good], sha1, None);
    let ReadResponse::Basic(basic) = read(&response).expect("a response") else { panic!("an error") };
    emitted.certificate("ocsp-responder", &format!("{name}'s own {how}"), &basic.certificates[0], pki.ca(authority));
    ask(emitted, "good by SHA-256", &[&good], sha256, None);
    for length in [1, 32, 128] {
        ask(emitted, &format!("good, nonce of {length}"), &[&good], sha1, Some(&vec![7; length]));
    }
    ask(emitted, "unknown", &[&never], sha1, None);
    ask(emitted, "unknown with a nonce", &[&never], sha256, Some(&[9; 32]));
    let mut all = vec![good, never.to_vec()];
    for reason in REASONS {
        let revoked = issue();
        emitted.revoke(pki, authority, &revoked, reason);
        let (serial, title) = (revoked.serial(), format!("revoked, {}", reason.name()));
        ask(emitted, &title, &[&serial], sha1, None);
        ask(emitted, &format!("{title} with a nonce"), &[&serial], sha256, Some(&[3; 32]));
        all.push(serial);
    }
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    ask(emitted, "several", &all, sha1, None);
}
