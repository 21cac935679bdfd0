//! A store in memory, for tests: same contract, durable as long as the value lives.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{Arc, Mutex},
};

use super::{Batch, Direction, Fault, Read, Store, Table, Visit};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Rows in memory. Clones share them, so a clone is what a reopened store would see.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Arc<Rows>>>);

impl MemoryStore {
    /// An independent copy of the present rows, as a backup would be.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.rows())))
    }

    /// Changes a row as stored, behind the back of every check; `None` deletes it.
    pub fn tamper(&self, table: Table, key: &[u8], stored: Option<Vec<u8>>) {
        let mut rows = self.0.lock().expect("no panic holds this lock");
        let rows = Arc::make_mut(&mut rows);
        match stored {
            Some(stored) => rows.insert((table, key.to_vec()), stored),
            None => rows.remove(&(table, key.to_vec())),
        };
    }

    fn rows(&self) -> Arc<Rows> {
        self.0.lock().expect("no panic holds this lock").clone()
    }
}

impl Read for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        View(self.rows()).get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault> {
        View(self.rows()).scan(table, from, direction, visit)
    }
}

impl Store for MemoryStore {
    fn view(&self) -> Box<dyn Read + '_> {
        Box::new(View(self.rows()))
    }

    fn commit(&self, batch: &Batch) -> Result<(), Fault> {
        let mut rows = self.0.lock().expect("no panic holds this lock");
        let rows = Arc::make_mut(&mut rows);
        for (table, key, value) in batch.rows() {
            match value {
                Some(value) => rows.insert((table, key.to_vec()), value.to_vec()),
                None => rows.remove(&(table, key.to_vec())),
            };
        }
        Ok(())
    }
}

struct View(Arc<Rows>);

impl Read for View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, from: &[u8], direction: Direction, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let from = (table, from.to_vec());
        let mut call = |((found, key), value): (&(Table, Vec<u8>), &Vec<u8>)| {
            if *found == table { visit(key, value) } else { ControlFlow::Break(()) }
        };
        let _ = match direction {
            Direction::Up => self.0.range((Bound::Included(from), Bound::Unbounded)).try_for_each(&mut call),
            Direction::Down => self.0.range((Bound::Unbounded, Bound::Included(from))).rev().try_for_each(&mut call),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        let rows = MemoryStore::default();
        super::super::suite::run(|| rows.clone());
    }

    #[test]
    fn a_copy_is_independent() {
        let store = MemoryStore::default();
        let copy = store.copy();
        let mut batch = Batch::default();
        batch.put(Table::Meta, b"k", b"v");
        store.commit(&batch).unwrap();
        assert!(copy.get(Table::Meta, b"k").unwrap().is_none());
    }
}
