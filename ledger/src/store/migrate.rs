//! The version of what is on disk. A newer one is refused; an older one would be brought up one version at a time.

use super::{Fault, Read, Table, read};

/// The format that this program writes. Format 1, before any release, had no kept nodes in the rows of full tiles.
pub const FORMAT: u32 = 2;

// Tables that came later need no format of their own: `store/rocks.rs` refuses a store with a table that it does not know.

/// The format of a store in which something was erased: the same, with lines of the erasure journal among its meta rows. So a
/// program that does not know the journal, and would not write it, refuses the store; one that has nothing erased stays
/// readable to it.
pub const FORMAT_ERASED: u32 = 3;

/// Key of the version in [`Table::Meta`].
pub(crate) const FORMAT_KEY: &[u8] = b"format";

/// A store that this program cannot use.
#[derive(Debug, thiserror::Error)]
pub enum BadFormat {
    /// Reading failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no ledger here.
    #[error("the store holds no ledger; `semper init` makes one")]
    Missing,
    /// A program before the first release wrote it.
    #[error("the store has format {found}, which was never released, and this program reads {FORMAT}: make a new one")]
    Older {
        /// The format found.
        found: u32,
    },
    /// A later program wrote it.
    #[error("the store has format {found}, this program knows formats up to {FORMAT_ERASED}: use a newer semper")]
    Newer {
        /// The format found.
        found: u32,
    },
}

/// Refuses a store of a newer format.
pub fn check_format<R: Read + ?Sized>(rows: &R) -> Result<(), BadFormat> {
    let row = read(rows, Table::Meta, FORMAT_KEY)?.ok_or(BadFormat::Missing)?;
    let found = <[u8; 4]>::try_from(row.as_slice()).map(u32::from_be_bytes);
    match found.map_err(|_| Fault::corrupt(Table::Meta, FORMAT_KEY, "not a format number"))? {
        FORMAT | FORMAT_ERASED => Ok(()),
        found @ 1..FORMAT => Err(BadFormat::Older { found }),
        found if found > FORMAT_ERASED => Err(BadFormat::Newer { found }),
        _ => Err(Fault::corrupt(Table::Meta, FORMAT_KEY, "a format that never was").into()),
    }
}
