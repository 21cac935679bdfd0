//! A store that keeps a copy of every batch: what the sequencer wrote can be written again without it.

use std::sync::{Arc, Mutex, PoisonError};

use semper_ledger::store::{Batch, Direction, Fault, Read, SEAL_BYTES, Store, Table, Visit};

/// Passes everything through, and keeps the batches.
pub(crate) struct Recorder {
    store: Arc<dyn Store>,
    batches: Mutex<Vec<Batch>>,
}

impl Recorder {
    /// In front of `store`.
    pub(crate) fn new(store: Arc<dyn Store>) -> Recorder {
        Recorder { store, batches: Mutex::new(Vec::new()) }
    }

    /// What was committed since the last call, in order: the same rows and bytes.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Read for Recorder {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.store.get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.store.scan(table, from, direction, visit)
    }
}

impl Store for Recorder {
    fn view(&self) -> Box<dyn Read + '_> {
        self.store.view()
    }

    fn commit(&self, batch: &Batch) -> Result<(), Fault> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(copy(batch));
        self.store.commit(batch)
    }
}

fn copy(batch: &Batch) -> Batch {
    let mut copied = Batch::default();
    for (table, key, value) in batch.rows() {
        match value {
            // The seal is put on again.
            Some(sealed) => copied.put(table, key, &sealed[..sealed.len() - SEAL_BYTES]),
            None => copied.delete(table, key),
        }
    }
    copied
}

#[cfg(test)]
mod tests {
    use semper_ledger::store::memory::MemoryStore;

    use super::*;

    #[test]
    fn a_copy_has_the_same_rows_and_bytes() {
        let store = Recorder::new(Arc::new(MemoryStore::default()));
        let mut batch = Batch::default();
        batch.put(Table::Fact, b"key", b"value");
        batch.put_parts(Table::Tag, b"", &[b"a", b"b"]);
        batch.delete(Table::Artefact, b"gone");
        store.commit(&batch).unwrap();
        let batches = store.take();
        assert_eq!(batches.len(), 1);
        assert!(batches[0].rows().eq(batch.rows()));
        assert!(store.get(Table::Fact, b"key").unwrap().is_some());
        assert!(store.take().is_empty());
    }
}
