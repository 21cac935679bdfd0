//! Everything that CAs emit: a certificate of every profile with every kind of key that it allows, lists with and without entries,
//! and OCSP responses of every kind, by CAs with P-256 and one list each, and by CAs with RSA and shards.

use std::sync::{Arc, LazyLock};

use openssl::pkey::{PKey, Private};
use semper_tests::pki::{Names, Pki, PkiSettings, ocsp_request, private_key, subject};
use semper_ttp::ca::Authority;
use semper_ttp::ca::crl::Reason;
use semper_ttp::ca::name::Attribute;
use semper_ttp::ca::ocsp::response::{ReadResponse, read};
use semper_ttp::ca::ocsp::{ErrorStatus, HashAlgorithm};
use semper_ttp::ca::profile::{Profile, builtin};
use semper_ttp::crypto::{KeyKind, SignatureAlgorithm};
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
    /// A list of revoked certificates, and whether it is of CAs.
    List { of_cas: bool },
    /// An OCSP response.
    Status,
}

/// Everything, made once for all tests.
pub(crate) static EMITTED: LazyLock<Vec<Artefact>> = LazyLock::new(|| {
    let (mut emitted, mut keys) = (Emitted::default(), Keys::new());
    for (shards, algorithm, how) in
        [(0, SignatureAlgorithm::EcdsaP256Sha256, "P-256"), (2, SignatureAlgorithm::RsaPkcs1Sha256, "RSA")]
    {
        let pki = Pki::new(&PkiSettings { algorithm, shards, base_url: Some(BASE_URL) });
        emit(&mut emitted, &pki, shards, &keys, how);
        // What is certified does not depend on how it is signed: all kinds of keys once are enough.
        keys.0.truncate(1);
    }
    for status in ErrorStatus::ALL {
        emitted.status(&status.to_string(), &status.der());
    }
    for profile in builtin() {
        let is_its =
            |one: &Artefact| matches!(&one.kind, Kind::Certificate { profile: of, .. } if of == profile.name());
        assert!(emitted.0.iter().any(is_its), "nothing of {}", profile.name());
    }
    emitted.0
});

#[derive(Default)]
struct Emitted(Vec<Artefact>);

impl Emitted {
    fn add(&mut self, title: &str, der: &[u8], kind: Kind) {
        self.0.push(Artefact { title: title.to_owned(), der: der.to_vec(), kind });
    }

    fn certificate(&mut self, profile: &str, title: &str, certificate: &Certificate, issuer: &Certificate) {
        let kind = Kind::Certificate { profile: profile.to_owned(), issuer: issuer.der().to_vec() };
        self.add(&format!("{profile}, {title}"), certificate.der(), kind);
    }

    /// Every list of a CA.
    fn lists(&mut self, pki: &Pki, authority: Authority, shards: u32, title: &str) {
        let name = authority.name();
        for place in std::iter::once(name.to_owned()).chain((1..=shards).map(|shard| format!("{name}/{shard}"))) {
            let kind = Kind::List { of_cas: authority == Authority::Root };
            self.add(&format!("{place}, {title}"), &pki.list(&place), kind);
        }
    }

    fn status(&mut self, title: &str, response: &[u8]) {
        self.add(title, response, Kind::Status);
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
    for authority in Authority::ALL {
        emitted.lists(
            pki,
            authority,
            shards * u32::from(authority != Authority::Root),
            &format!("without entries, {how}"),
        );
    }
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
    pki.revoke(Authority::Root, pki.ca(Authority::Tsu), Reason::CaCompromise);
    pki.revoke(Authority::Root, pki.ca(Authority::Server), Reason::CessationOfOperation);
    pki.pass(1);
    pki.renew_lists();
    for authority in Authority::ALL {
        emitted.lists(
            pki,
            authority,
            shards * u32::from(authority != Authority::Root),
            &format!("with entries, {how}"),
        );
    }
}

/// OCSP responses of one CA: good, revoked for every reason, unknown; one and several, with and without a nonce, errors.
fn statuses(emitted: &mut Emitted, pki: &Pki, authority: Authority, how: &str) {
    let profile = Profile::named("ocsp-responder");
    let issue = || {
        pki.issue(authority, &profile, private_key(KeyKind::EcdsaP256), Names::from(&subject("Some key"))).certificate
    };
    let mut ask = |title: &str, about: &[&[u8]], hash, nonce: Option<&[u8]>| {
        let about: Vec<_> = about.iter().map(|serial| pki.cert_id(authority, hash, serial)).collect();
        let response = pki.ask(&ocsp_request(&about, nonce));
        emitted.status(&format!("{}, {title}, {how}", authority.name()), &response);
        let ReadResponse::Basic(basic) = read(&response).expect("a response") else { panic!("{title}: an error") };
        (basic.certificates[0].clone(), about.len())
    };
    let (good, never) = (issue().serial(), [0x41; 16]);
    let (sha1, sha256) = (HashAlgorithm::Sha1, HashAlgorithm::Sha256);
    let (responder, _) = ask("good", &[&good], sha1, None);
    ask("good by SHA-256", &[&good], sha256, None);
    for length in [1, 32, 128] {
        ask(&format!("good, nonce of {length}"), &[&good], sha1, Some(&vec![7; length]));
    }
    ask("unknown", &[&never], sha1, None);
    ask("unknown with a nonce", &[&never], sha256, Some(&[9; 32]));
    let mut all = vec![good, never.to_vec()];
    for reason in REASONS {
        let revoked = issue();
        pki.revoke(authority, &revoked, reason);
        ask(&format!("revoked, {}", reason.name()), &[&revoked.serial()], sha1, None);
        ask(&format!("revoked, {} with a nonce", reason.name()), &[&revoked.serial()], sha256, Some(&[3; 32]));
        all.push(revoked.serial());
    }
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    ask("several", &all, sha1, None);
    emitted.certificate("ocsp-responder", &format!("{}'s own {how}", authority.name()), &responder, pki.ca(authority));
}
