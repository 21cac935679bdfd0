//! Documents that are kept sealed, each so that it can be erased: see `semper_ttp::vault` for what they look like.
//!
//! ```text
//! content → seal → Sealed { artefact, row of its key } → the caller's commit: fact, artefact and key in one batch
//! artefact → unseal → content;  None of it where its key was destroyed
//! ```
//!
//! The sealed octets are the artefact, so the entry's digest is theirs and tells nothing of the content. Nothing is written here.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use semper_ledger::sequencer::RoleRow;
use semper_ttp::vault::{self, Content, DataKey, DataKeyId, KeyWrap, Object, VaultFault, WrapFault};

use super::{Service, ServiceFault};

/// The key that wraps the keys of documents.
pub(crate) struct Vault {
    wrap: Arc<dyn KeyWrap>,
    /// The ledger tells of its making: then no other passes for it at a later start.
    recorded: AtomicBool,
}

impl From<Arc<dyn KeyWrap>> for Vault {
    fn from(wrap: Arc<dyn KeyWrap>) -> Self {
        Self { wrap, recorded: AtomicBool::new(false) }
    }
}

/// A document that was sealed under a key of its own. Both are for one commit.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The sealed octets, as the fact's artefact.
    pub artefact: Vec<u8>,
    /// The name of the key: whoever destroys it erases what it sealed.
    pub key: DataKeyId,
    wrapped: Vec<u8>,
}

impl Sealed {
    /// The key's row, for the commit in which `artefact` is that of the fact `draft`.
    #[must_use]
    pub fn row(&self, draft: usize) -> RoleRow {
        RoleRow::Key { draft, id: self.key.0, wrapped: self.wrapped.clone() }
    }
}

/// Why a document was not sealed or not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// This service was given no key for it.
    #[error("this service keeps no documents: there is no key archive-kek")]
    NoKey,
    /// The making of the key is not in the ledger yet: the clock is in doubt.
    #[error("the making of the key that wraps others is not in the ledger yet")]
    NotReady,
    /// There is no key of this name: it was destroyed.
    #[error("the key {0} was destroyed, and with it what it sealed")]
    Destroyed(DataKeyId),
    /// The document.
    #[error(transparent)]
    Document(#[from] VaultFault),
    /// Its key.
    #[error("a data key: {0}")]
    Key(#[from] WrapFault),
    /// The service itself.
    #[error(transparent)]
    Fault(#[from] ServiceFault),
}

impl From<semper_ledger::store::Fault> for SealFault {
    fn from(fault: semper_ledger::store::Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<semper_ttp::crypto::EntropyFault> for SealFault {
    fn from(fault: semper_ttp::crypto::EntropyFault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Service {
    /// Seals a document under a key of its own.
    ///
    /// # Errors
    /// [`SealFault::NoKey`], [`SealFault::NotReady`], [`SealFault::Document`] of one that is too large.
    pub fn seal(&self, object: Object, content: &[u8]) -> Result<Sealed, SealFault> {
        let vault = self.vault.as_ref().ok_or(SealFault::NoKey)?;
        if !vault.recorded.load(Ordering::Acquire) {
            return Err(SealFault::NotReady);
        }
        let key = DataKey::generate(&*self.entropy)?;
        let wrapped = vault.wrap.wrap(&key, &*self.entropy)?;
        Ok(Sealed { artefact: vault::seal(content, &key, object, &*self.entropy)?, key: key.id(), wrapped })
    }

    /// Seals another document under a key that is there: that of a party. Whoever may destroy the key meanwhile shares a turn with
    /// whoever commits what this gives, or it is committed and never opened.
    ///
    /// # Errors
    /// As [`Service::seal`]; [`SealFault::Destroyed`].
    pub fn seal_under(&self, key: DataKeyId, object: Object, content: &[u8]) -> Result<Vec<u8>, SealFault> {
        Ok(vault::seal(content, &self.data_key(key)?, object, &*self.entropy)?)
    }

    /// Opens an artefact that was sealed, in the memory that it has.
    ///
    /// # Errors
    /// [`SealFault::Destroyed`]; [`SealFault::Document`] of what was changed, or is another document.
    pub fn unseal(&self, artefact: Vec<u8>, object: Object) -> Result<Content, SealFault> {
        let key = self.data_key(vault::key_of(&artefact).ok_or(VaultFault::NotSealed)?)?;
        Ok(vault::open(artefact, &key, object)?)
    }

    /// Whether there is a key of this name: none once it was destroyed.
    pub(super) fn has_data_key(&self, id: DataKeyId) -> Result<bool, ServiceFault> {
        Ok(self.reader().wrapped_key(&id.0)?.is_some())
    }

    fn data_key(&self, id: DataKeyId) -> Result<DataKey, SealFault> {
        let vault = self.vault.as_ref().ok_or(SealFault::NoKey)?;
        let wrapped = self.reader().wrapped_key(&id.0)?.ok_or(SealFault::Destroyed(id))?;
        Ok(vault.wrap.unwrap(id, &wrapped)?)
    }

    /// The key that wraps others is the one whose making the ledger tells, if it tells: another opens nothing of what is kept, and
    /// what it wraps would be lost when the right one comes back.
    pub(super) fn check_wrapping_key(&self) -> Result<(), ServiceFault> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let key = vault.wrap.id();
        let Some(known) = self.known_key(key)? else { return Ok(()) };
        if known.public_key != vault.wrap.check_value() {
            return Err(ServiceFault::OtherKey { key, made_at: known.made_at });
        }
        vault.recorded.store(true, Ordering::Release);
        Ok(())
    }

    /// Gives the making of the key that wraps others its entry, once. Blocks on the disk.
    ///
    /// # Errors
    /// The ledger takes nothing, or the clock is in doubt.
    pub fn record_wrapping_key(&self) -> Result<(), ServiceFault> {
        let Some(vault) = &self.vault else { return Ok(()) };
        if vault.recorded.load(Ordering::Acquire) {
            return Ok(());
        }
        self.record_key_made(vault.wrap.id(), vault.wrap.check_value(), self.ledger_now()?)?;
        self.check_wrapping_key()
    }
}
