//! The folder's keys as the service rotates them.

use std::sync::Arc;

use semper_api::tls::ServerIdentity;
use semper_api::{KeyStore, KeyStoreFault};
use semper_ttp::crypto::{OsEntropy, Signer};
use semper_ttp::evidence::{KeyId, KeyPurpose};

use crate::data::{Custody, DataError, DataFolder, certificate_name};

/// Keys and certificates of a data folder. The passphrase of the key files stays in memory: a key that is made while the server runs
/// is encrypted under it.
pub(super) struct FolderKeys {
    pub(super) folder: DataFolder,
    pub(super) custody: Custody,
}

fn fault(error: DataError) -> KeyStoreFault {
    KeyStoreFault { why: error.to_string() }
}

impl KeyStore for FolderKeys {
    fn make(&self, key: KeyId, like: &dyn Signer) -> Result<Arc<dyn Signer>, KeyStoreFault> {
        self.custody.clear().map_err(fault)?;
        self.custody.make(key, like.algorithm(), &OsEntropy).map_err(fault)
    }

    fn open(&self, key: KeyId) -> Result<Arc<dyn Signer>, KeyStoreFault> {
        self.custody.open(key).map_err(fault)
    }

    fn unfinished(&self, purpose: KeyPurpose) -> Result<Vec<KeyId>, KeyStoreFault> {
        let mut keys = self.folder.key_ids(purpose).map_err(fault)?;
        let is_certified = |key: &KeyId| self.folder.certificate_file(&certificate_name(*key)).exists();
        let newest = keys.iter().rposition(is_certified).map_or(0, |at| at + 1);
        Ok(keys.split_off(newest))
    }

    fn discard(&self, key: KeyId) -> Result<(), KeyStoreFault> {
        self.custody.discard(key).map_err(fault)
    }

    fn keep_certificate(&self, key: KeyId, der: &[u8]) -> Result<(), KeyStoreFault> {
        self.folder.keep_certificate(key, der).map_err(fault)
    }

    fn server_identity(&self, key: KeyId, chain: &[&[u8]]) -> Result<ServerIdentity, KeyStoreFault> {
        self.folder.server_identity(&self.custody, key, chain).map_err(fault)
    }
}
