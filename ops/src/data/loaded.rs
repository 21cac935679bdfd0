//! What `serve` needs of the folder, judged before it is used: a wrong certificate must stop the start, not the customers.

use std::path::Path;
use std::sync::Arc;

use semper_api::tls::{ServerIdentity, TlsFault};
use semper_api::{AuthorityKey, ResponderKey};
use semper_ledger::anchor::file::FileAnchor;
use semper_ledger::note::NoteSigner;
use semper_ledger::reader::Reader;
use semper_ledger::sequencer::LogKeys;
use semper_ledger::store::rocks::RocksStore;
use semper_ttp::asn1::pem;
use semper_ttp::ca::certificate::Issuer;
use semper_ttp::ca::{Authority, CaId};
use semper_ttp::crypto::{Entropy, LogSigner, PublicKey, SignatureAlgorithm, Signer, Verifier as _};
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::timestamp::Tsu;
use semper_ttp::vault::KeyWrap;
use semper_ttp::x509::Certificate;

use super::{Custody, DataError, DataFolder, files, keys};
use crate::config::{ClockSource, Config, Identity, TEST_POLICY};

/// Everything that a running service has from its folder. Store and anchor are locked while it lives.
pub(crate) struct Loaded {
    pub(crate) identity: Identity,
    pub(crate) log_keys: LogKeys,
    /// In the order of [`Authority::ALL`], each line from its first on.
    pub(crate) authorities: Vec<AuthorityKey>,
    /// Keys that answer OCSP, one for each line of issuing CAs.
    pub(crate) responders: Vec<ResponderKey>,
    /// The timestamping units with their keys: P-256, then RSA.
    pub(crate) units: Vec<(Tsu, Arc<dyn Signer>)>,
    /// What the HTTPS listener shows of itself; `None` in a folder of an earlier version whose settings name no certificate.
    pub(crate) https: Option<Https>,
    /// The key that signs notices to holders; `None` in a folder of an earlier version, until a server runs on it.
    pub(crate) notices: Option<(KeyId, Arc<dyn Signer>)>,
    /// The notary's keys; `None` in a folder that has none.
    pub(crate) notary: Option<NotaryKeys>,
    /// The arbiter's keys, of each purpose one for each generation; none in a folder that has none.
    pub(crate) arbiter: Vec<NamedKey>,
    /// Wraps the keys of documents; `None` in a folder that keeps none.
    pub(crate) key_wrap: Option<Arc<dyn KeyWrap>>,
    pub(crate) store: Arc<RocksStore>,
    pub(crate) anchor: Arc<FileAnchor>,
}

/// Everything but the storage.
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) log_keys: LogKeys,
    pub(crate) authorities: Vec<AuthorityKey>,
    pub(crate) responders: Vec<ResponderKey>,
    pub(crate) units: Vec<(Tsu, Arc<dyn Signer>)>,
    pub(crate) https: Option<Https>,
    pub(crate) notices: Option<(KeyId, Arc<dyn Signer>)>,
    pub(crate) notary: Option<NotaryKeys>,
    pub(crate) arbiter: Vec<NamedKey>,
    pub(crate) key_wrap: Option<Arc<dyn KeyWrap>>,
}

/// The purposes of the arbiter's keys: what it signs, what it opens.
const ARBITER: [KeyPurpose; 2] = [KeyPurpose::ArbiterVerdict, KeyPurpose::ArbiterEscrow];

/// A key with its name.
pub(crate) type NamedKey = (KeyId, Arc<dyn Signer>);

/// The two keys of the notary.
pub(crate) struct NotaryKeys {
    pub(crate) act: NamedKey,
    pub(crate) dvcs: NamedKey,
}

/// The newest key of a purpose that a folder may lack.
fn newest_if_any(custody: &Custody, purpose: KeyPurpose) -> Result<Option<NamedKey>, DataError> {
    match custody.newest(purpose) {
        Ok(key) => Ok(Some(key)),
        Err(DataError::NoKey { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the HTTPS listener shows.
pub(crate) struct Https {
    pub(crate) identity: ServerIdentity,
    /// Key and certificate, where they are of our own CA.
    pub(crate) own: Option<(KeyId, Certificate)>,
}

impl DataFolder {
    /// Opens keys, certificates, store and anchor; the passphrase is found as `config` says.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn load(&self, config: &Config) -> Result<Loaded, DataError> {
        self.load_judged(config, &Custody::new(self, &config.keys)?, |_| Ok(()))
    }

    /// As [`Self::load`]; the keys come out of `custody`, and `further` may refuse the store when everything here has found it good, and before a byte of it
    /// changes.
    ///
    /// # Errors
    /// [`DataError`].
    pub(crate) fn load_judged(
        &self,
        config: &Config,
        custody: &Custody,
        further: impl FnOnce(&Reader) -> Result<(), DataError>,
    ) -> Result<Loaded, DataError> {
        let Opened { identity, log_keys, authorities, responders, units, https, notices, notary, arbiter, key_wrap } =
            self.open_keys(config, custody)?;
        let (store, anchor) = self.open_storage(&config.ledger, log_keys.identity(), further)?;
        Ok(Loaded {
            identity,
            log_keys,
            authorities,
            responders,
            units,
            https,
            notices,
            notary,
            arbiter,
            key_wrap,
            store,
            anchor,
        })
    }

    /// Keys and certificates.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn open_keys(&self, config: &Config, custody: &Custody) -> Result<Opened, DataError> {
        let identity = self.identity()?;
        let log_keys = self.log_keys(&identity, custody)?;
        let mut authorities = Vec::new();
        for authority in Authority::ALL {
            for id in self.authority_keys(authority)? {
                let ca = CaId { authority, generation: id.generation };
                authorities.push(self.authority(ca, custody, config.ca.crl_shards)?);
            }
        }
        let units = [KeyPurpose::TsuEc, KeyPurpose::TsuRsa].into_iter().map(|purpose| self.unit(purpose, custody));
        let units: Vec<_> = units.collect::<Result<_, _>>()?;
        self.check_policies(config, &units)?;
        let responders = Authority::ISSUING.into_iter().filter_map(|authority| self.responder(authority, custody));
        let responders = responders.collect::<Result<_, _>>()?;
        let https = self.https(config, custody)?;
        let notices = newest_if_any(custody, KeyPurpose::Webhook)?;
        let act = newest_if_any(custody, KeyPurpose::NotaryAct)?;
        let notary = act.zip(newest_if_any(custody, KeyPurpose::NotaryDvcs)?);
        let notary = notary.map(|(act, dvcs)| NotaryKeys { act, dvcs });
        let mut arbiter = Vec::new();
        for purpose in ARBITER {
            for id in self.key_ids(purpose)? {
                arbiter.push((id, custody.open(id)?));
            }
        }
        let key_wrap = custody.newest_wrapping()?;
        Ok(Opened { identity, log_keys, authorities, responders, units, https, notices, notary, arbiter, key_wrap })
    }

    /// The keys of a purpose that have a certificate, by their generations, the newest last. One without is of a rotation that did
    /// not end: the service finishes or clears it. If none has one, the newest stands there alone, so that its lack is told.
    fn certified(&self, purpose: KeyPurpose) -> Result<Vec<KeyId>, DataError> {
        let all = self.key_ids(purpose)?;
        let newest = *all.last().ok_or_else(|| DataError::NoKey { purpose, folder: self.path("keys") })?;
        let certified: Vec<_> =
            all.into_iter().filter(|id| self.certificate_file(&certificate_name(*id)).exists()).collect();
        Ok(if certified.is_empty() { vec![newest] } else { certified })
    }

    /// The same of a CA; the root's key may have been carried away, and none may have been taken over.
    fn authority_keys(&self, authority: Authority) -> Result<Vec<KeyId>, DataError> {
        match self.certified(authority.key_purpose()) {
            Err(DataError::NoKey { purpose, .. }) if authority == Authority::Root => Ok(vec![KeyId::new(purpose, 1)]),
            Err(DataError::NoKey { .. }) if authority == Authority::Imported => Ok(Vec::new()),
            // One without a certificate is of a command that did not end.
            Ok(mut keys) if authority == Authority::Imported => {
                keys.retain(|id| self.certificate_file(&certificate_name(*id)).exists());
                Ok(keys)
            }
            found => found,
        }
    }

    /// The one in use.
    fn in_use(&self, purpose: KeyPurpose) -> Result<KeyId, DataError> {
        Ok(*self.certified(purpose)?.last().expect("one at the least"))
    }

    /// A unit that was certified for a trial makes no timestamps that look real: whoever reads the token alone would take
    /// it for what its certificate denies.
    fn check_policies(&self, config: &Config, units: &[(Tsu, Arc<dyn Signer>)]) -> Result<(), DataError> {
        let of_trial = units.iter().find(|(tsu, _)| tsu.certificate().is_of_test());
        match of_trial.filter(|_| config.clock.source == ClockSource::Kernel) {
            Some((tsu, _)) => {
                let path = self.certificate_file(&tsu.key().to_string());
                let reason = format!(
                    "is under the test policy {TEST_POLICY}, so it serves clock.source = \"assumed\" only; \
                     make a real service with semper init --config FILE"
                );
                Err(DataError::Unfit { path, reason })
            }
            None => Ok(()),
        }
    }

    /// A certificate of `certs/`.
    ///
    /// # Errors
    /// It does not read, or its DER has another spelling.
    pub(crate) fn certificate(&self, name: &str) -> Result<Certificate, DataError> {
        let path = self.certificate_file(name);
        let der = files::read(&path)?;
        Certificate::from_der(&der).map_err(|fault| DataError::Certificate { path, fault })
    }

    /// The keys that sign for the log.
    ///
    /// # Errors
    /// They do not open, or are of another kind.
    pub(crate) fn log_keys(&self, identity: &Identity, custody: &Custody) -> Result<LogKeys, DataError> {
        let signer = |purpose| {
            let (id, key) = custody.newest(purpose)?;
            LogSigner::new(key).map(Arc::new).ok_or(DataError::KeyKind(id))
        };
        let note = NoteSigner::new(&identity.origin, signer(KeyPurpose::LogNote)?)?;
        Ok(LogKeys::new(note, signer(KeyPurpose::LogReceipt)?, &identity.public_url))
    }

    fn authority(&self, ca: CaId, custody: &Custody, crl_shards: u32) -> Result<AuthorityKey, DataError> {
        let (id, name) = (ca.key(), ca.place());
        let unfit = |reason: String| DataError::Unfit { path: self.certificate_file(&name), reason };
        let certificate = self.certificate(&name)?;
        // A root's key may be kept elsewhere: its certificate is served, and its lists come from there.
        let signer = match ca.authority == Authority::Root && !self.has_key(id) {
            true => None,
            false => Some(custody.open(id)?),
        };
        let spki = certificate.spki_der();
        if signer.as_ref().is_some_and(|signer| signer.spki_der() != spki) {
            return Err(unfit(format!("is not for the key {id}")));
        }
        let public = PublicKey::from_spki_der(&spki).map_err(|fault| unfit(fault.to_string()))?;
        let issuer = Issuer::new(ca.authority, &certificate, public.algorithm());
        let issuer = issuer.map_err(|fault| unfit(fault.to_string()))?.of_generation(ca.generation);
        Ok(AuthorityKey {
            ca,
            certificate: certificate.der().to_vec(),
            issuer,
            signer,
            crl_life_secs: ca.authority.crl_life_secs(),
            // The root issues a handful of certificates, and what was issued elsewhere names one list.
            shards: if matches!(ca.authority, Authority::Root | Authority::Imported) { 0 } else { crl_shards },
        })
    }

    /// `None` for a line whose folder is from before there was OCSP, until [`Self::make_later_keys`] was called.
    fn responder(&self, authority: Authority, custody: &Custody) -> Option<Result<ResponderKey, DataError>> {
        match custody.newest(authority.responder_purpose()?) {
            Ok((key, signer)) => Some(Ok(ResponderKey { authority, key, signer })),
            Err(DataError::NoKey { .. }) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Makes the keys that folders of earlier versions do not have: of OCSP responders, of notices, and of the notary and the
    /// arbiter if the settings want one. Their making becomes an entry when the service runs.
    ///
    /// # Errors
    /// The disk, libcrypto, the token.
    pub(crate) fn make_later_keys(
        &self,
        config: &Config,
        custody: &Custody,
        entropy: &dyn Entropy,
    ) -> Result<(), DataError> {
        let responders = Authority::ISSUING.into_iter().filter_map(Authority::responder_purpose);
        let later = responders.map(|purpose| (purpose, SignatureAlgorithm::EcdsaP256Sha256));
        let later = later.chain([(KeyPurpose::Webhook, SignatureAlgorithm::Ed25519)]);
        let of_notary = [KeyPurpose::NotaryAct, KeyPurpose::NotaryDvcs].into_iter().filter(|_| config.notary.enabled);
        let of_notary = of_notary.map(|purpose| (purpose, SignatureAlgorithm::EcdsaP256Sha256));
        let of_arbiter = ARBITER.into_iter().filter(|_| config.exchange.enabled);
        let of_arbiter = of_arbiter.map(|purpose| (purpose, SignatureAlgorithm::EcdsaP256Sha256));
        for (purpose, algorithm) in later.chain(of_notary).chain(of_arbiter) {
            if self.key_ids(purpose)?.is_empty() {
                custody.make(KeyId::new(purpose, 1), algorithm, entropy)?;
            }
        }
        let keeps_documents = config.notary.enabled || config.exchange.enabled && config.exchange.items().is_some();
        if keeps_documents && self.key_ids(KeyPurpose::ArchiveKek)?.is_empty() {
            custody.make_secret(KeyId::new(KeyPurpose::ArchiveKek, 1), entropy)?;
        }
        Ok(())
    }

    /// The certificate that the settings name, else the one of our own CA.
    fn https(&self, config: &Config, custody: &Custody) -> Result<Option<Https>, DataError> {
        if let (Some(chain), Some(key)) = (&config.listen.https_certificate_path, &config.listen.https_key_path) {
            return Ok(Some(Https { identity: named_identity(chain, key)?, own: None }));
        }
        if self.key_ids(KeyPurpose::Tls)?.is_empty() {
            return Ok(None);
        }
        let id = self.in_use(KeyPurpose::Tls)?;
        let own = self.certificate(&id.to_string())?;
        let above = self.issuer_of(Authority::Server, &own)?;
        let identity = self.server_identity(custody, id, &[own.der(), above.der()])?;
        Ok(Some(Https { identity, own: Some((id, own)) }))
    }

    /// Keeps the certificate of a key that was made while the server runs. A unit's and its CA's go to the verifiers' anchors, too,
    /// and there first: a crash between the two leaves a key that is not found by its certificate, so that this is done again.
    ///
    /// # Errors
    /// The disk; the anchors do not read.
    pub(crate) fn keep_certificate(&self, key: KeyId, der: &[u8]) -> Result<(), DataError> {
        if matches!(key.purpose, KeyPurpose::TsuEc | KeyPurpose::TsuRsa | KeyPurpose::CaTsu) {
            let path = self.path("trust").join("tsa-chain.pem");
            let mut chain = String::from_utf8_lossy(&files::read(&path)?).into_owned();
            let added = pem::encode("CERTIFICATE", der);
            if !chain.contains(&added) {
                chain.push_str(&added);
                files::replace(&path, 0o644, chain.as_bytes())?;
            }
        }
        files::replace(&self.certificate_file(&certificate_name(key)), 0o644, der)
    }

    /// What the HTTPS listener shows with this key and this chain.
    ///
    /// # Errors
    /// The key does not open, or the two do not fit each other.
    pub(crate) fn server_identity(
        &self,
        custody: &Custody,
        id: KeyId,
        chain: &[&[u8]],
    ) -> Result<ServerIdentity, DataError> {
        let key = custody.open_soft(id)?;
        let unfit = |path, reason: String| DataError::Unfit { path, reason };
        let pkcs8 = key.to_pkcs8_der().map_err(|fault| unfit(self.key_file(id), fault.to_string()))?;
        let unfit_to_show = |fault| unfit(self.certificate_file(&id.to_string()), format!("serves no HTTPS: {fault}"));
        ServerIdentity::from_der(chain, &pkcs8).map_err(unfit_to_show)
    }

    /// The certificate of the CA of this line that signed `certificate`, told by its key; the newest where none did, so that
    /// whoever verifies the chain says what is wrong.
    fn issuer_of(&self, authority: Authority, certificate: &Certificate) -> Result<Certificate, DataError> {
        let wanted = certificate.authority_key_identifier();
        let mut newest = None;
        for id in self.certified(authority.key_purpose())?.into_iter().rev() {
            let issuer = self.certificate(&certificate_name(id))?;
            if issuer.subject_key_identifier() == wanted {
                return Ok(issuer);
            }
            newest.get_or_insert(issuer);
        }
        Ok(newest.expect("one at the least"))
    }

    fn unit(&self, purpose: KeyPurpose, custody: &Custody) -> Result<(Tsu, Arc<dyn Signer>), DataError> {
        let id = self.in_use(purpose)?;
        let key = custody.open(id)?;
        let name = id.to_string();
        let certificate = self.certificate(&name)?;
        let chain = [self.issuer_of(Authority::Tsu, &certificate)?.der().to_vec()];
        let root = self.certificate(Authority::Root.name())?;
        let tsu = Tsu::load(id, key.algorithm(), key.spki_der(), certificate.der(), &chain, root.der());
        let unfit = |reason| DataError::Unfit { path: self.certificate_file(&name), reason };
        Ok((tsu.map_err(|fault| unfit(fault.to_string()))?, key))
    }
}

/// The name in `certs/` of a key's certificate: a CA's is that under which it is served.
pub(crate) fn certificate_name(id: KeyId) -> String {
    match Authority::ALL.into_iter().find(|authority| authority.key_purpose() == id.purpose) {
        Some(authority) => authority.place(id.generation),
        None => id.to_string(),
    }
}

/// What the settings name, of another authority.
fn named_identity(chain: &Path, key: &Path) -> Result<ServerIdentity, DataError> {
    let refused = |path: &Path, reason: String| DataError::Https { path: path.to_owned(), reason };
    let unread = |error: DataError| match error {
        DataError::Io { path, error, .. } => refused(&path, error.to_string()),
        other => other,
    };
    let identity =
        ServerIdentity::from_pem(&files::read(chain).map_err(unread)?, &keys::read_closed(key).map_err(unread)?);
    identity.map_err(|fault| {
        let path = if matches!(fault, TlsFault::Key | TlsFault::Mismatch) { key } else { chain };
        refused(path, fault.to_string())
    })
}
