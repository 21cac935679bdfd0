//! What came with a request and is kept sealed: documents, each under a key of its own, and what opens the commitments of the request,
//! under the key of who asked. To erase one is to destroy its key.

use std::sync::Arc;

use semper_ttp::{
    digest::Digest,
    id::ActId,
    notary::{JournalFact, Keep},
    vault::{Content, Object},
};

use super::{
    super::{SealFault, Service, ServiceFault, act::read_fact},
    NotaryFault, SealedDocument,
};
use crate::body::Held;

/// A document of an act, as no other object is named.
fn document_object(act: ActId, place: u64) -> Object {
    let name = [b"semper/act-document/v1\0", &act.octets()[..], &place.to_be_bytes()].concat();
    Object { id: Digest::of(&name).0, version: 1 }
}

/// The same of what opens an act's commitments.
pub(super) fn personal_object(act: ActId) -> Object {
    Object { id: Digest::of(&[b"semper/act-personal/v1\0", &act.octets()[..]].concat()).0, version: 1 }
}

/// What was kept sealed, open.
pub(crate) struct Opened {
    content: Content,
    _held: Held,
}

impl AsRef<[u8]> for Opened {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl Service {
    /// Whether documents are kept here.
    pub(crate) fn keeps_documents(&self) -> bool {
        self.vault.is_some()
    }

    /// Seals the documents of an act, in their order; none where this service keeps none. Computes, and has its room until then.
    pub(super) async fn seal_documents(
        self: &Arc<Self>,
        act: ActId,
        contents: Arc<Vec<Vec<u8>>>,
        held: Held,
    ) -> Result<Vec<SealedDocument>, NotaryFault> {
        if !self.keeps_documents() {
            return Ok(Vec::new());
        }
        let service = self.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let one = |(place, octets): (u64, &Vec<u8>)| -> Result<SealedDocument, SealFault> {
                let event = Keep { id: act, place, document: Digest::of(octets), size: octets.len() as u64 };
                Ok(SealedDocument { event, sealed: service.seal(document_object(act, place), octets)? })
            };
            let sealed = (0..).zip(contents.iter()).map(one).collect::<Result<Vec<_>, _>>();
            drop(held);
            sealed
        });
        // It panicked, which was printed.
        Ok(sealing.await.map_err(|_| ServiceFault::Facts("a document was not sealed".to_owned()))??)
    }

    /// A document of an act, if it is kept, within the room for documents, which it has until it is dropped. Blocks, and computes.
    pub(crate) fn document_of(&self, act: ActId, wanted: u64) -> Result<Option<Opened>, NotaryFault> {
        let size = |fact: &JournalFact| match fact {
            JournalFact::Kept { place, size, .. } if *place == wanted => Some(*size),
            _ => None,
        };
        self.opened_artefact(act, document_object(act, wanted), size)
    }

    /// What opens the commitments of an act, if it is kept. Blocks.
    pub(crate) fn personal_of(&self, act: ActId) -> Result<Option<Opened>, NotaryFault> {
        let size = |fact: &JournalFact| matches!(fact, JournalFact::Personal { .. }).then_some(0);
        self.opened_artefact(act, personal_object(act), size)
    }

    fn opened_artefact(
        &self,
        act: ActId,
        object: Object,
        size_of: impl Fn(&JournalFact) -> Option<u64>,
    ) -> Result<Option<Opened>, NotaryFault> {
        for index in self.indexes_of_act(act)? {
            let Some(size) = size_of(&read_fact(&self.reader().fact(index)?.unwrap_or_default())?) else { continue };
            let room = self.rooms().and_then(|rooms| rooms.plain.hold(usize::try_from(size).ok()?));
            let held = room.ok_or(NotaryFault::Busy)?;
            // Of what was destroyed the octets may go, too.
            let sealed = self.reader().artefact(index)?.ok_or(NotaryFault::Erased)?;
            return Ok(Some(Opened { content: self.unseal(sealed, object)?, _held: held }));
        }
        Ok(None)
    }
}
