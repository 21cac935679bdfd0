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
use semper_ttp::asn1::PolicyId;
use semper_ttp::ca::certificate::Issuer;
use semper_ttp::ca::{Authority, CaId};
use semper_ttp::crypto::{Entropy, KeyFileFault, LogSigner, Passphrase, SignatureAlgorithm, Signer, SoftKey};
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::timestamp::Tsu;
use semper_ttp::x509::Certificate;

use super::{DataError, DataFolder, files, has_key, keys, open_key, seal_key};
use crate::config::{ClockSource, Config, Identity, TEST_POLICY};

/// Everything that a running service has from its folder. Store and anchor are locked while it lives.
pub(crate) struct Loaded {
    pub(crate) identity: Identity,
    pub(crate) log_keys: LogKeys,
    /// In the order of [`Authority::ALL`].
    pub(crate) authorities: Vec<AuthorityKey>,
    /// Keys that answer OCSP, one for each line of issuing CAs.
    pub(crate) responders: Vec<ResponderKey>,
    /// The timestamping units with their keys: P-256, then RSA.
    pub(crate) units: Vec<(Tsu, Arc<dyn Signer>)>,
    /// What the HTTPS listener shows of itself; `None` in a folder of an earlier version whose settings name no certificate.
    pub(crate) https: Option<ServerIdentity>,
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
    pub(crate) https: Option<ServerIdentity>,
}

impl DataFolder {
    /// Opens keys, certificates, store and anchor; the passphrase is found as `config` says.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn load(&self, config: &Config) -> Result<Loaded, DataError> {
        self.load_judged(config, |_| Ok(()))
    }

    /// As [`Self::load`]; `further` may refuse the store when everything here has found it good, and before a byte of it
    /// changes.
    ///
    /// # Errors
    /// [`DataError`].
    pub(crate) fn load_judged(
        &self,
        config: &Config,
        further: impl FnOnce(&Reader) -> Result<(), DataError>,
    ) -> Result<Loaded, DataError> {
        let Opened { identity, log_keys, authorities, responders, units, https } = self.open_keys(config)?;
        let (store, anchor) = self.open_storage(&config.ledger, log_keys.identity(), further)?;
        Ok(Loaded { identity, log_keys, authorities, responders, units, https, store, anchor })
    }

    /// Keys and certificates.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn open_keys(&self, config: &Config) -> Result<Opened, DataError> {
        let passphrase = config.keys.passphrase(|name| std::env::var_os(name))?;
        let passphrase = Passphrase::new(passphrase.expose().to_owned());
        let identity = self.identity()?;
        let log_keys = self.log_keys(&identity, &passphrase)?;
        let authorities =
            Authority::ALL.into_iter().map(|authority| self.authority(authority, &passphrase, config.ca.crl_shards));
        let authorities = authorities.collect::<Result<_, _>>()?;
        let units = [KeyPurpose::TsuEc, KeyPurpose::TsuRsa].into_iter().map(|purpose| self.unit(purpose, &passphrase));
        let units: Vec<_> = units.collect::<Result<_, _>>()?;
        self.check_policies(config, &units)?;
        let responders = Authority::ISSUING.into_iter().filter_map(|authority| self.responder(authority, &passphrase));
        let responders = responders.collect::<Result<_, _>>()?;
        let https = self.https(config, &passphrase)?;
        Ok(Opened { identity, log_keys, authorities, responders, units, https })
    }

    /// A unit that was certified for a trial makes no timestamps that look real: whoever reads the token alone would take
    /// it for what its certificate denies.
    fn check_policies(&self, config: &Config, units: &[(Tsu, Arc<dyn Signer>)]) -> Result<(), DataError> {
        let test = TEST_POLICY.parse::<PolicyId>().expect("an object identifier");
        let of_trial = units.iter().find(|(tsu, _)| tsu.certificate().has_policy(&test));
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
    pub(crate) fn log_keys(&self, identity: &Identity, passphrase: &Passphrase) -> Result<LogKeys, DataError> {
        let signer = |purpose| {
            let (id, key) = open_key(self, purpose, passphrase)?;
            LogSigner::new(Arc::new(key)).map(Arc::new).ok_or(DataError::KeyKind(id))
        };
        let note = NoteSigner::new(&identity.origin, signer(KeyPurpose::LogNote)?)?;
        Ok(LogKeys::new(note, signer(KeyPurpose::LogReceipt)?, &identity.public_url))
    }

    fn authority(
        &self,
        authority: Authority,
        passphrase: &Passphrase,
        crl_shards: u32,
    ) -> Result<AuthorityKey, DataError> {
        let unfit = |reason: String| DataError::Unfit { path: self.certificate_file(authority.name()), reason };
        let certificate = self.certificate(authority.name())?;
        let (id, key) = open_key(self, authority_purpose(authority), passphrase)?;
        if certificate.spki_der() != key.spki_der() {
            return Err(unfit(format!("is not for the key {id}")));
        }
        let issuer = Issuer::new(authority, &certificate, key.algorithm()).map_err(|fault| unfit(fault.to_string()))?;
        Ok(AuthorityKey {
            ca: CaId { authority, generation: id.generation },
            certificate: certificate.der().to_vec(),
            issuer,
            signer: Arc::new(key),
            crl_life_secs: authority.crl_life_secs(),
            // The root issues a handful of certificates.
            shards: if authority == Authority::Root { 0 } else { crl_shards },
        })
    }

    /// `None` for a line whose folder is from before there was OCSP, until [`Self::make_responder_keys`] was called.
    fn responder(&self, authority: Authority, passphrase: &Passphrase) -> Option<Result<ResponderKey, DataError>> {
        match open_key(self, authority.responder_purpose()?, passphrase) {
            Ok((key, signer)) => Some(Ok(ResponderKey { authority, key, signer: Arc::new(signer) })),
            Err(DataError::NoKey { .. }) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Makes the keys of OCSP responders that are not there yet. Their making becomes an entry when the service runs.
    ///
    /// # Errors
    /// The disk, the passphrase, libcrypto.
    pub(crate) fn make_responder_keys(&self, config: &Config, entropy: &dyn Entropy) -> Result<(), DataError> {
        let passphrase = config.keys.passphrase(|name| std::env::var_os(name))?;
        let passphrase = Passphrase::new(passphrase.expose().to_owned());
        for authority in Authority::ISSUING {
            let Some(purpose) = authority.responder_purpose() else { continue };
            if has_key(self, purpose)? {
                continue;
            }
            let id = KeyId::new(purpose, 1);
            let key = SoftKey::generate(SignatureAlgorithm::EcdsaP256Sha256);
            let key = key.map_err(|fault| DataError::Key { id, fault: KeyFileFault::from(fault) })?;
            seal_key(self, id, &key, &passphrase, entropy)?;
        }
        Ok(())
    }

    /// The certificate that the settings name, else the one of our own CA.
    fn https(&self, config: &Config, passphrase: &Passphrase) -> Result<Option<ServerIdentity>, DataError> {
        if let (Some(chain), Some(key)) = (&config.listen.https_certificate_path, &config.listen.https_key_path) {
            return named_identity(chain, key).map(Some);
        }
        if !has_key(self, KeyPurpose::Tls)? {
            return Ok(None);
        }
        let (id, key) = open_key(self, KeyPurpose::Tls, passphrase)?;
        let unfit = |path, reason: String| DataError::Unfit { path, reason };
        let pkcs8 = key.to_pkcs8_der().map_err(|fault| unfit(self.key_file(id), fault.to_string()))?;
        let name = id.to_string();
        let (own, above) = (self.certificate(&name)?, self.certificate(Authority::Server.name())?);
        let identity = ServerIdentity::from_der(&[own.der(), above.der()], &pkcs8);
        identity.map(Some).map_err(|fault| unfit(self.certificate_file(&name), format!("serves no HTTPS: {fault}")))
    }

    fn unit(&self, purpose: KeyPurpose, passphrase: &Passphrase) -> Result<(Tsu, Arc<dyn Signer>), DataError> {
        let (id, key) = open_key(self, purpose, passphrase)?;
        let name = id.to_string();
        let certificate = self.certificate(&name)?;
        let chain = [self.certificate(Authority::Tsu.name())?.der().to_vec()];
        let root = self.certificate(Authority::Root.name())?;
        let tsu = Tsu::load(id, key.algorithm(), key.spki_der(), certificate.der(), &chain, root.der());
        let unfit = |reason| DataError::Unfit { path: self.certificate_file(&name), reason };
        Ok((tsu.map_err(|fault| unfit(fault.to_string()))?, Arc::new(key)))
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

/// The key that an authority signs with.
pub(crate) const fn authority_purpose(authority: Authority) -> KeyPurpose {
    authority.key_purpose()
}
