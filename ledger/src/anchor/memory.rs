//! An anchor in memory, for tests.

use std::sync::{Arc, Mutex};

use super::{Advance, Anchor, AnchorError, Anchored};

/// Clones share the state, so a clone is what the next start would find.
#[derive(Clone, Debug, Default)]
pub struct MemoryAnchor(Arc<Mutex<Option<Anchored>>>);

impl MemoryAnchor {
    /// An anchor at a given state, as a restored machine image would have it.
    pub fn at(anchored: Option<Anchored>) -> Self {
        Self(Arc::new(Mutex::new(anchored)))
    }
}

impl Anchor for MemoryAnchor {
    fn load(&self) -> Result<Option<Anchored>, AnchorError> {
        Ok(self.0.lock().expect("no panic holds this lock").clone())
    }

    fn advance(&self, expected: Option<&Anchored>, next: &Anchored) -> Advance {
        let mut anchored = self.0.lock().expect("no panic holds this lock");
        if anchored.as_ref() != expected {
            return Advance::Conflict(anchored.clone());
        }
        *anchored = Some(next.clone());
        Advance::Done
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn keeps_the_contract() {
        let anchor = super::MemoryAnchor::default();
        super::super::suite::run(|| anchor.clone());
    }
}
