//! What a monitor keeps between two runs, besides tiles and tags: rows of [`Table::Meta`].

use super::{MemoryError, Misbehaviour};
use crate::{
    note::VerifierKey,
    receipt::tlog_proof::TlogProof,
    store::{Batch, Store, Table, read},
};

/// The format of a monitor's rows; a number of its own, since its store is no ledger's.
const FORMAT: [u8; 4] = 1u32.to_be_bytes();

const FORMAT_KEY: &[u8] = b"monitor";
const KEY_KEY: &[u8] = b"key";
const VERIFIED_KEY: &[u8] = b"verified";
const STAGED_KEY: &[u8] = b"staged";
const GENESIS_KEY: &[u8] = b"genesis";
const LAST_KEY: &[u8] = b"last";
/// The newest entry of the verified part, which is gone back to when the staged part is forgotten.
const LAST_VERIFIED_KEY: &[u8] = b"last-verified";
const SUSPICION_KEY: &[u8] = b"suspicion";
const NOTES_KEY: &[u8] = b"notes";

/// An entry with its place.
pub(super) type Placed = (u64, Vec<u8>);

/// The newest entry: its place and time, its bytes.
type Last = ((u64, u64), Vec<u8>);

/// The rows, read.
#[derive(Debug, Default)]
pub(super) struct Memory {
    key: String,
    /// The newest checkpoint verified.
    pub(super) verified: Option<String>,
    /// Entries read.
    pub(super) staged: u64,
    /// Entry 0, of a log of ours.
    pub(super) genesis: Option<Vec<u8>>,
    /// The newest entry, of a log of ours.
    pub(super) last: Option<Last>,
    last_verified: Option<Last>,
    /// The first entry that convicts, once its checkpoint is verified.
    pub(super) suspicion: Option<Suspicion>,
    /// Whatever the caller keeps with it.
    pub(super) notes: Vec<u8>,
}

impl Memory {
    pub(super) fn load(store: &dyn Store, key: &VerifierKey) -> Result<Self, MemoryError> {
        let row = |name: &[u8]| read(store, Table::Meta, name);
        let key = key.to_string();
        match row(FORMAT_KEY)? {
            None if store.first(Table::Meta, &[], crate::store::Direction::Up)?.is_none() => {
                return Ok(Self { key, ..Self::default() });
            }
            Some(format) if format == FORMAT => {}
            _ => return Err(MemoryError::Damaged("it is of another format")),
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| MemoryError::Damaged("a text is none"));
        let found = row(KEY_KEY)?.map(text).transpose()?.unwrap_or_default();
        if found != key {
            return Err(MemoryError::OtherLog { found, asked: key });
        }
        let number = |bytes: Vec<u8>| bytes.try_into().map(u64::from_be_bytes).ok();
        let staged = row(STAGED_KEY)?.and_then(number).ok_or(MemoryError::Damaged("its size is missing"))?;
        let last = |name| -> Result<Option<Last>, MemoryError> {
            let Some(row) = row(name)? else { return Ok(None) };
            let read = || {
                let (index, rest) = row.split_first_chunk::<8>()?;
                let (time, bytes) = rest.split_first_chunk::<8>()?;
                Some(((u64::from_be_bytes(*index), u64::from_be_bytes(*time)), bytes.to_vec()))
            };
            read().map(Some).ok_or(MemoryError::Damaged("its newest entry is cut"))
        };
        let suspicion = row(SUSPICION_KEY)?.map(|row| Suspicion::decode(&row));
        let suspicion = match suspicion {
            Some(None) => return Err(MemoryError::Damaged("its evidence is cut")),
            Some(suspicion) => suspicion,
            None => None,
        };
        Ok(Self {
            verified: row(VERIFIED_KEY)?.map(text).transpose()?,
            staged,
            genesis: row(GENESIS_KEY)?,
            last: last(LAST_KEY)?,
            last_verified: last(LAST_VERIFIED_KEY)?,
            suspicion,
            notes: row(NOTES_KEY)?.unwrap_or_default(),
            key,
        })
    }

    pub(super) fn store(&mut self, batch: &mut Batch) {
        let verified = self.verified.clone();
        batch.put(Table::Meta, FORMAT_KEY, &FORMAT);
        batch.put(Table::Meta, KEY_KEY, self.key.as_bytes());
        batch.put(Table::Meta, NOTES_KEY, &self.notes);
        batch.put(Table::Meta, STAGED_KEY, &self.staged.to_be_bytes());
        let mut optional = |name: &[u8], row: Option<Vec<u8>>| match row {
            Some(row) => batch.put(Table::Meta, name, &row),
            None => batch.delete(Table::Meta, name),
        };
        let last = |((index, time), bytes): &Last| [&index.to_be_bytes()[..], &time.to_be_bytes(), bytes].concat();
        optional(VERIFIED_KEY, verified.map(String::into_bytes));
        optional(GENESIS_KEY, self.genesis.clone());
        optional(LAST_KEY, self.last.as_ref().map(last));
        optional(LAST_VERIFIED_KEY, self.last_verified.as_ref().map(last));
        optional(SUSPICION_KEY, self.suspicion.as_ref().map(Suspicion::encode));
    }

    /// Everything staged is verified.
    pub(super) fn verify(&mut self, note: &str) {
        self.verified = Some(note.to_owned());
        self.last_verified.clone_from(&self.last);
    }

    /// Back to what is verified: `size` entries.
    pub(super) fn forget_staged(&mut self, size: u64) {
        self.staged = size;
        self.last.clone_from(&self.last_verified);
        if size == 0 {
            self.genesis = None;
        }
        // One that stands in the verified part was told when that was verified.
        self.suspicion = self.suspicion.take().filter(|suspicion| suspicion.other.0 < size);
    }

    /// The first suspicion is kept: one convicts.
    pub(super) fn suspect(&mut self, suspicion: impl FnOnce() -> Suspicion) {
        self.suspicion.get_or_insert_with(suspicion);
    }

    pub(super) fn last_time_ms(&self) -> u64 {
        self.last.as_ref().map_or(0, |((_, time), _)| *time)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    TagTwice = 1,
    TimeFell = 2,
    NoEntry = 3,
}

/// Two entries that will convict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    what: What,
    pub(super) one: Placed,
    pub(super) other: Placed,
}

impl Suspicion {
    pub(super) fn tag_twice(one: Placed, other: Placed) -> Self {
        Self { what: What::TagTwice, one, other }
    }

    pub(super) fn time_fell(one: Placed, other: Placed) -> Self {
        Self { what: What::TimeFell, one, other }
    }

    pub(super) fn no_entry(genesis: Placed, other: Placed) -> Self {
        Self { what: What::NoEntry, one: genesis, other }
    }

    /// With the proofs of both, and of genesis.
    pub(super) fn misbehaviour(&self, genesis: TlogProof, one: TlogProof, other: TlogProof) -> Misbehaviour {
        match self.what {
            What::TagTwice => Misbehaviour::TagTwice(genesis, [one, other]),
            What::TimeFell => Misbehaviour::TimeFell(genesis, [one, other]),
            What::NoEntry => Misbehaviour::NoEntry(genesis, [other]),
        }
    }

    /// What ‖ index ‖ length ‖ bytes ‖ index ‖ bytes.
    fn encode(&self) -> Vec<u8> {
        let length = (self.one.1.len() as u32).to_be_bytes();
        let parts: [&[u8]; 6] = [
            &[self.what as u8],
            &self.one.0.to_be_bytes(),
            &length,
            &self.one.1,
            &self.other.0.to_be_bytes(),
            &self.other.1,
        ];
        parts.concat()
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let (what, rest) = row.split_first()?;
        let (one, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (one_bytes, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (other, other_bytes) = rest.split_first_chunk::<8>()?;
        let all = [What::TagTwice, What::TimeFell, What::NoEntry];
        let what = all.into_iter().find(|one| *one as u8 == *what)?;
        let one = (u64::from_be_bytes(*one), one_bytes.to_vec());
        Some(Self { what, one, other: (u64::from_be_bytes(*other), other_bytes.to_vec()) })
    }
}
