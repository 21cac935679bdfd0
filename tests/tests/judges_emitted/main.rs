//! Everything that our CAs emit, before programs of others: pkilint, and two other parsers of DER.

mod emission;
mod lint;
mod parsers;
