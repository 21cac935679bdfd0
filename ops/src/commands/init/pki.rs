//! Keys, certificates, first CRLs, and the facts about all of them, in the order in which they enter the ledger: genesis, keys,
//! policies, certificates, who of their holders has which trusted role, CRLs.

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_api::draft;
use semper_ledger::entry::{Tag, TagSpace, Tags};
use semper_ledger::receipt::LogIdentity;
use semper_ledger::sequencer::{Draft, RoleRow};
use semper_ledger::store::FORMAT;
use semper_ttp::asn1::PolicyId;
use semper_ttp::ca::certificate::{self, BuildFault, CertificateSerial, Issuer, IssuerFault, Template};
use semper_ttp::ca::crl::{self, CrlFault};
use semper_ttp::ca::name::{AlternativeNames, Attribute, DistinguishedName, SubjectFault};
use semper_ttp::ca::profile::{Profile, ProfileCode};
use semper_ttp::ca::{
    Authority, CaId, Crl, CrlEffect, CrlEvent, CrlRefusal, Grounds, ListId, common_name, issued, lint,
};
use semper_ttp::crypto::{
    ChainFault, CryptoFault, Entropy, EntropyFault, Purpose, SignError, SignatureAlgorithm, Signer, SoftKey,
    verify_chain,
};
use semper_ttp::digest::Digest;
use semper_ttp::evidence::{
    Aggregate, Envelope, FACT_VERSION, Formats, Genesis, KeyId, KeyPurpose, LedgerFact, OpsFact, Recorded,
};
use semper_ttp::policy::roles::{TrustedRole, TrustedRoles};
use semper_ttp::policy::{Policy, PolicyName};
use semper_ttp::role::{Snapshot, encode_snapshot, step};
use semper_ttp::time::Timestamp;
use semper_ttp::x509::{Certificate, Period};

use crate::config::{Identity, Init, TEST_POLICY};
use crate::data::{Custody, DataError};
use crate::progress::Progress;

/// The version that opens every entry (ledger.md §3).
const ENTRY_VERSION: u64 = 1;

const DAY_SECS: u64 = 24 * 3600;

/// Why keys, certificates or facts were not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PkiFault {
    /// A certificate.
    #[error("certificate of {name}: {fault}")]
    Build {
        /// Whose.
        name: String,
        /// Why.
        fault: BuildFault,
    },
    /// A CA.
    #[error(transparent)]
    Issuer(#[from] IssuerFault),
    /// A certificate that libcrypto does not accept.
    #[error("certificate of {name}: {fault}")]
    Chain {
        /// Whose.
        name: String,
        /// Why.
        fault: ChainFault,
    },
    /// A CRL was refused: its life is out of bounds.
    #[error("a CRL is not issued: {0:?}")]
    Crl(CrlRefusal),
    /// A CRL was not built.
    #[error(transparent)]
    CrlBuild(#[from] CrlFault),
    /// A key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// libcrypto.
    #[error(transparent)]
    Crypto(#[from] CryptoFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
}

/// The service keys of a new service, generation 1 of each.
pub(super) struct Keys(BTreeMap<KeyId, Arc<dyn Signer>>);

impl Keys {
    /// What is made, and how each signs.
    pub(super) const PURPOSES: [(KeyPurpose, SignatureAlgorithm); 13] = [
        (KeyPurpose::LogNote, SignatureAlgorithm::Ed25519),
        (KeyPurpose::LogReceipt, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::CaRoot, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::CaParty, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::CaServer, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::CaTsu, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::OcspParty, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::OcspServer, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::OcspTsu, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::TsuEc, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::TsuRsa, SignatureAlgorithm::RsaPkcs1Sha256),
        (KeyPurpose::Tls, SignatureAlgorithm::EcdsaP256Sha256),
        (KeyPurpose::Webhook, SignatureAlgorithm::Ed25519),
    ];

    /// Makes them, each where the settings say.
    pub(super) fn make(custody: &Custody, entropy: &dyn Entropy, progress: &Progress) -> Result<Keys, DataError> {
        let mut keys = BTreeMap::new();
        for (purpose, algorithm) in Self::PURPOSES {
            let id = KeyId::new(purpose, 1);
            keys.insert(id, custody.make(id, algorithm, entropy)?);
            progress.add(1);
        }
        Ok(Keys(keys))
    }

    /// All, in the order of their purposes' numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = (KeyId, &dyn Signer)> {
        self.0.iter().map(|(id, key)| (*id, &**key))
    }

    /// One that was made.
    pub(super) fn get(&self, purpose: KeyPurpose) -> &dyn Signer {
        &*self.0[&KeyId::new(purpose, 1)]
    }

    /// The same, to be kept.
    pub(super) fn shared(&self, purpose: KeyPurpose) -> (KeyId, Arc<dyn Signer>) {
        let id = KeyId::new(purpose, 1);
        (id, self.0[&id].clone())
    }

    fn public(&self, purpose: KeyPurpose) -> Digest {
        Digest::of(self.get(purpose).spki_der())
    }
}

/// What everything is made from.
pub(super) struct Setting<'a> {
    pub(super) identity: &'a Identity,
    pub(super) log: &'a LogIdentity,
    pub(super) init: &'a Init,
    /// What the certificate of the HTTPS listener names.
    pub(super) https_names: &'a AlternativeNames,
    pub(super) keys: &'a Keys,
    /// True if nobody vouches for the clock: certificates then carry the test policy.
    pub(super) test: bool,
    pub(super) policy_hash: Digest,
    /// What is in force from the beginning: settings, terms, profiles.
    pub(super) policies: &'a [Policy],
    pub(super) mmd_ms: u64,
    /// The settings that the operator gave: the event that led to all of this.
    pub(super) request: &'a [u8],
    pub(super) now: Timestamp,
    pub(super) entropy: &'a dyn Entropy,
}

/// What was made, signed but not yet logged.
pub(super) struct Pki {
    /// By the names of `certs/`, in the order of issue.
    pub(super) certificates: Vec<(String, Certificate)>,
    /// The keys of the first two people.
    pub(super) people: [(&'static str, SoftKey); 2],
    /// Which trusted roles these two hold, as a file.
    pub(super) roles: String,
    pub(super) drafts: Vec<Draft>,
    pub(super) rows: Vec<RoleRow>,
}

/// Judges every name that will stand in a certificate, before anything is made.
pub(super) fn check_names(identity: &Identity, init: &Init) -> Result<(), SubjectFault> {
    [&init.operator, &init.officer].into_iter().try_for_each(|name| identity.subject(name).to_name().map(drop))
}

/// The name of a key of the first generation.
fn name_of(purpose: KeyPurpose) -> String {
    common_name(KeyId::new(purpose, 1)).unwrap_or_default()
}

impl Pki {
    /// Makes all of it.
    pub(super) fn make(setting: &Setting<'_>) -> Result<Pki, PkiFault> {
        let mut maker = Maker { setting, drafts: Vec::new(), rows: Vec::new(), issued: Vec::new() };
        let people = maker.certificates()?;
        maker.record_genesis()?;
        maker.record_keys()?;
        setting.policies.iter().try_for_each(|policy| maker.record_policy(policy))?;
        maker.record_certificates()?;
        let roles = maker.roles();
        maker.record_policy(&Policy { name: PolicyName::Roles, bytes: roles.clone().into_bytes() })?;
        maker.crls()?;
        let certificates = maker.issued.into_iter().map(|issued| (issued.name, issued.certificate)).collect();
        Ok(Pki { certificates, people, roles, drafts: maker.drafts, rows: maker.rows })
    }

    /// One of the certificates.
    pub(super) fn certificate(&self, name: &str) -> &Certificate {
        let found = self.certificates.iter().find(|(found, _)| found == name);
        &found.expect("Maker::certificates issues every name that is asked for").1
    }
}

/// One certificate with what its fact needs.
struct Issued {
    name: String,
    certificate: Certificate,
    issuer: Authority,
    profile: ProfileCode,
    grounds: Grounds,
    /// SHA-256 of what was signed: the event of the fact.
    request: Digest,
}

struct Maker<'a> {
    setting: &'a Setting<'a>,
    drafts: Vec<Draft>,
    rows: Vec<RoleRow>,
    issued: Vec<Issued>,
}

impl Maker<'_> {
    /// Root, issuing CAs, units, the HTTPS listener, people.
    fn certificates(&mut self) -> Result<[(&'static str, SoftKey); 2], PkiFault> {
        let Setting { identity, init, keys, .. } = self.setting;
        let root_key = keys.get(KeyPurpose::CaRoot);
        let root_name = name_of(KeyPurpose::CaRoot);
        let root_subject = identity.subject(&root_name);
        let itself = Issuer::self_signed(&root_subject, root_key.spki_der(), root_key.algorithm())?;
        self.issue("root", "root", &root_name, root_key, &itself)?;
        let root = self.issuer(Authority::Root)?;
        for authority in Authority::ISSUING {
            let key = keys.get(authority.key_purpose());
            self.issue("issuing-ca", authority.name(), &name_of(authority.key_purpose()), key, &root)?;
        }
        let tsu_ca = self.issuer(Authority::Tsu)?;
        for purpose in [KeyPurpose::TsuEc, KeyPurpose::TsuRsa] {
            let file = KeyId::new(purpose, 1).to_string();
            self.issue("tsu", &file, &name_of(purpose), keys.get(purpose), &tsu_ca)?;
        }
        // Clients know a server by the address that they asked for, so it needs no name of its own (RFC 9525 §2).
        let mut listener = DistinguishedName::from(&identity.subject(""));
        listener.0.remove(&Attribute::CommonName);
        let (file, names) = (KeyId::new(KeyPurpose::Tls, 1).to_string(), self.setting.https_names.clone());
        let server_ca = self.issuer(Authority::Server)?;
        self.issue_to(listener, names, ("service-tls", &file), keys.get(KeyPurpose::Tls), &server_ca)?;
        let party_ca = self.issuer(Authority::Party)?;
        let mut person = |file: &'static str, name: &str| {
            let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256)?;
            self.issue(file, file, name, &key, &party_ca)?;
            Ok::<_, PkiFault>((file, key))
        };
        let operator = person("operator", &init.operator)?;
        let officer = person("officer", &init.officer)?;
        Ok([operator, officer])
    }

    fn period(&self, days: u32) -> Period {
        let not_before = self.setting.now.whole_secs();
        Period { not_before, not_after: not_before.plus_secs(u64::from(days) * DAY_SECS) }
    }

    fn certificate(&self, name: &str) -> &Certificate {
        let found = self.issued.iter().find(|issued| issued.name == name);
        &found.expect("issuers are made before what they issue").certificate
    }

    fn issuer(&self, authority: Authority) -> Result<Issuer, IssuerFault> {
        let key = self.setting.keys.get(authority.key_purpose());
        Issuer::new(authority, self.certificate(authority.name()), key.algorithm())
    }

    /// To the organisation, under another common name.
    fn issue(
        &mut self,
        profile: &str,
        file: &str,
        name: &str,
        key: &dyn Signer,
        issuer: &Issuer,
    ) -> Result<(), PkiFault> {
        let subject = (&self.setting.identity.subject(name)).into();
        self.issue_to(subject, AlternativeNames::default(), (profile, file), key, issuer)
    }

    fn issue_to(
        &mut self,
        subject: DistinguishedName,
        alternative_names: AlternativeNames,
        (profile, file): (&str, &str),
        key: &dyn Signer,
        issuer: &Issuer,
    ) -> Result<(), PkiFault> {
        let mut random = [0; 16];
        self.setting.entropy.fill(&mut random)?;
        let profile = Profile::named(profile);
        let code = profile.code();
        let test = TEST_POLICY.parse::<PolicyId>().ok().and_then(|policy| policy.to_rasn());
        let test = test.expect("an object identifier with small arcs");
        let template = Template {
            policies: if self.setting.test && !code.is_ca() { vec![test] } else { profile.policies().to_vec() },
            validity: self.period(profile.life_days()),
            key_period: profile.key_life_days().map(|days| self.period(days)),
            profile,
            subject,
            alternative_names,
            spki_der: key.spki_der().to_vec(),
            serial: CertificateSerial::from_random(random),
            base_url: self.setting.identity.public_url.clone(),
            partition: 0,
        };
        let build = |fault| PkiFault::Build { name: file.to_owned(), fault };
        let unsigned = certificate::prepare(&template, issuer).map_err(build)?;
        let signing = self.setting.keys.get(issuer.authority().key_purpose());
        let signature = signing.sign(unsigned.message())?;
        let request = Digest::of(unsigned.message());
        let findings = unsigned.lint().numbers();
        let certificate = unsigned.finish(&signature).map_err(build)?;
        let issuer = issuer.authority();
        self.verify(code, file, &certificate, issuer)?;
        let grounds = Grounds {
            generation: 1,
            profile: template.profile.digest(),
            lint_version: lint::LINT_VERSION,
            findings,
            ..Grounds::default()
        };
        self.issued.push(Issued { name: file.to_owned(), certificate, issuer, profile: code, grounds, request });
        Ok(())
    }

    /// libcrypto's strict verifier is the second opinion before anything is published.
    fn verify(
        &self,
        profile: ProfileCode,
        name: &str,
        certificate: &Certificate,
        issuer: Authority,
    ) -> Result<(), PkiFault> {
        let purpose = match profile {
            ProfileCode::Tsu => Purpose::Timestamping,
            ProfileCode::Operator | ProfileCode::Officer => Purpose::Client,
            ProfileCode::Server => Purpose::Server,
            _ => Purpose::Any,
        };
        let root = match profile {
            ProfileCode::Root => certificate,
            _ => self.certificate(Authority::Root.name()),
        };
        let middle = match issuer {
            Authority::Root | Authority::Imported => Vec::new(),
            Authority::Party | Authority::Server | Authority::Tsu => {
                vec![self.certificate(issuer.name()).der().to_vec()]
            }
        };
        verify_chain(certificate.der(), &middle, root.der(), self.setting.now, purpose)
            .map_err(|fault| PkiFault::Chain { name: name.to_owned(), fault })
    }

    fn record_genesis(&mut self) -> Result<(), PkiFault> {
        let Setting { identity, log, keys, policy_hash, mmd_ms, .. } = self.setting;
        let formats = Formats { entry: ENTRY_VERSION, fact: FACT_VERSION, store: FORMAT.into() };
        let root_certificate = self.certificate(Authority::Root.name()).digest();
        let document = Genesis {
            r#type: Genesis::TYPE.to_owned(),
            version: Genesis::VERSION,
            origin: identity.origin.clone(),
            vkey: log.note_key.to_string(),
            receipt_key: hex::encode(keys.get(KeyPurpose::LogReceipt).spki_der()),
            root_certificate,
            keys: keys.all().map(|(id, key)| (id.to_string(), Digest::of(key.spki_der()))).collect(),
            policy: *policy_hash,
            mmd_ms: *mmd_ms,
            formats,
        };
        let fact = LedgerFact::Genesis {
            origin_hash: Digest::of(identity.origin.as_bytes()),
            log_note: keys.public(KeyPurpose::LogNote),
            log_receipt: keys.public(KeyPurpose::LogReceipt),
            root_certificate,
            mmd_ms: *mmd_ms,
            formats,
        };
        let aggregate = Aggregate::of("ledger", identity.origin.as_bytes());
        self.record(fact, aggregate, Digest::of(self.setting.request), Some(document.encode()), Tags::default())
    }

    fn record_keys(&mut self) -> Result<(), PkiFault> {
        let made: Vec<_> = self.setting.keys.all().map(|(id, key)| (id, Digest::of(key.spki_der()))).collect();
        for (key, public_key) in made {
            let aggregate = Aggregate::of_key(key);
            let fact = OpsFact::KeyMade { key, public_key };
            self.record(fact, aggregate, Digest::of(self.setting.request), None, Tags::default())?;
        }
        Ok(())
    }

    fn record_policy(&mut self, policy: &Policy) -> Result<(), PkiFault> {
        let digest = policy.digest();
        let fact = OpsFact::PolicyChanged { policy: digest };
        self.record(fact, policy.name.aggregate(), digest, Some(policy.bytes.clone()), Tags::default())
    }

    /// The first officer decides, revokes and acts as a notary, the first operator does neither; an auditor is to be somebody else.
    fn roles(&self) -> String {
        let [operator, officer] = ["operator", "officer"].map(|name| self.certificate(name).digest());
        TrustedRoles::file(&[
            (TrustedRole::Operator, operator),
            (TrustedRole::RegistrationOfficer, officer),
            (TrustedRole::RevocationOfficer, officer),
            (TrustedRole::NotaryOfficer, officer),
        ])
    }

    fn record_certificates(&mut self) -> Result<(), PkiFault> {
        for at in 0..self.issued.len() {
            let Issued { certificate, issuer, profile, grounds, request, .. } = &self.issued[at];
            let (issuer, request, der) = (*issuer, *request, certificate.der().to_vec());
            let fact = issued(issuer, *profile, certificate, Some(grounds.clone()));
            let aggregate = CaId::first(issuer).certificate(&certificate.serial());
            let tag = Tag::new(TagSpace::Certificate, certificate.digest().as_bytes(), 0);
            let tags = Tags::new(vec![tag]).expect("one tag is not too many");
            self.record(fact, aggregate, request, Some(der), tags)?;
        }
        Ok(())
    }

    /// The first list of each authority, with the state that `serve` continues.
    fn crls(&mut self) -> Result<(), PkiFault> {
        for authority in Authority::OWN {
            let mut snapshot = Snapshot::default();
            let (list, life_secs) = (ListId::first(authority), authority.crl_life_secs());
            let event = CrlEvent::Issue { list, life_secs, force: true, revoked: Vec::new(), distribution_point: None };
            let (facts, effects) = step::<Crl>(&mut snapshot.state, &event, self.setting.now).map_err(PkiFault::Crl)?;
            snapshot.next_seq = facts.len() as u64;
            let issuer = self.issuer(authority)?;
            let key = self.setting.keys.get(authority.key_purpose());
            let lists = effects.iter().filter_map(|effect| match effect {
                CrlEffect::Sign(content) => Some(content),
                CrlEffect::WakeAt(_) => None, // `serve` looks at every list when it starts
            });
            let aggregate = list.aggregate();
            for (fact, content) in facts.into_iter().zip(lists) {
                let unsigned = crl::prepare(content, &issuer)?;
                let der = unsigned.finish(&key.sign(unsigned.message())?)?;
                self.record(fact, aggregate, Digest::of(&event.encode()), Some(der), Tags::default())?;
            }
            self.rows.push(RoleRow::Snapshot { aggregate: aggregate.0, bytes: encode_snapshot::<Crl>(&snapshot) });
        }
        Ok(())
    }

    /// Every fact of `init` is the first of its aggregate.
    fn record(
        &mut self,
        fact: impl Recorded,
        aggregate: Aggregate,
        event_digest: Digest,
        artefact: Option<Vec<u8>>,
        tags: Tags,
    ) -> Result<(), PkiFault> {
        let mut salt = [0; 16];
        self.setting.entropy.fill(&mut salt)?;
        let Setting { now, policy_hash, .. } = *self.setting;
        let fact = fact.into_fact(&Envelope { aggregate, seq: 0, now, salt, policy_hash, event_digest });
        self.drafts.push(Draft { tags, ..draft(&fact, artefact) });
        Ok(())
    }
}
