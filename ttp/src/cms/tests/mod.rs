//! SignedData of strangers, and SignedData that has one form.

mod ber;
mod der;
