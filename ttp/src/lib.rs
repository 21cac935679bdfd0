//! What each trusted third party decides: pure, synchronous, without I/O.
//!
//! A role is a function `decide(state, event, now) → facts + effects | refusal` and a function `apply(state, fact)` that
//! cannot fail ([`role::Role`]). Nothing here reads a clock, a disk, a socket or a random source: time is an argument,
//! serials, nonces and salts lie in the event, keys are behind the ports of [`crypto`]. The shell (`semper-api`) draws,
//! signs, commits and answers.
//!
//! Where to begin: the toy role in the tests of [`role`] shows the whole life of a decision on one screen; then
//! [`timestamp`], which has no state, then [`ca`], which has.
//!
//! | module | what |
//! |---|---|
//! | [`time`], [`digest`] | the moment and the hash, in the only form that we use |
//! | [`id`] | the names of parties and applications |
//! | [`money`] | amounts in minor units of a currency (ISO 4217), and their shares |
//! | [`json`], [`b64u`] | what strangers write, read so that it has one meaning and one spelling |
//! | [`address`] | which network addresses anybody can reach |
//! | [`evidence`] | facts byte for byte as they are stored, the names of roles and kinds |
//! | [`role`] | the `Role` trait, `step`, folding facts into state and its snapshot |
//! | [`cms`] | SignedData (RFC 5652) written as a template, and read |
//! | [`crypto`] | ports `Signer`, `Verifier`, `Entropy`, and soft keys behind them; the one place naming openssl |
//! | [`timestamp`] | the timestamping authority (RFC 3161, ETSI EN 319 422) |
//! | [`ca`] | certificates and CRLs (RFC 5280), OCSP (RFC 6960) |
//! | [`registration`], [`party`] | applications for certificates and who decided them; what is known of each party |
//! | [`notary`] | notarial acts in a journal, data validation certificates (RFC 3029) |
//! | [`exchange`], [`client`] | the fair-exchange arbiter, and the automata of the parties who ask it |
//! | [`payment`] | money held for an exchange: rails, the hold's states, the double-entry book |
//! | [`notice`] | what holders are told of their certificates, when, and how it is signed |
//! | [`policy`] | which policies are in force, and who holds which trusted role |
//! | [`statement`] | what parties and third parties sign: JWS in a narrow profile, one type for each kind |
//! | [`path`] | certification paths of strangers, built and judged: every fault, and what is missing (RFC 5280 §6) |
//! | [`verify`] | offline verification of what the others made; shares only formats with them |
//! | [`validation`] | signatures of strangers, judged after EN 319 102-1: CMS, PDF, our statements |
//! | [`vault`] | what the private store keeps sealed, each document under a key that can be destroyed |
//! | [`audit`] | every fact folded, and what can be decided again decided again |
//! | [`account`] | proofs of misbehaviour: bytes that convict a third party, and their judgement |
//!
//! Out of scope: HTTP, storage and the clock (`semper-api`, `semper-ops`), the tree and its proofs (`semper-ledger`).

pub mod account;
pub mod address;
pub mod asn1;
pub mod audit;
pub mod b64u;
pub mod ca;
pub mod cbor;
pub mod client;
pub mod clock;
pub mod cms;
pub mod crypto;
pub mod digest;
pub mod evidence;
pub mod exchange;
pub mod id;
pub mod json;
pub mod money;
pub mod notary;
pub mod notice;
pub mod party;
pub mod path;
pub mod payment;
pub mod policy;
pub mod registration;
pub mod role;
pub mod statement;
#[cfg(test)]
mod testing;
pub mod time;
pub mod timestamp;
pub mod validation;
pub mod vault;
pub mod verify;
pub mod x509;
