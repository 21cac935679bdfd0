//! What else facts are found by: names that follow from a fact alone, so that `fsck` can hold each row of the ledger's table
//! `name` against the fact that it points to. Facts are kept for ever, and so are their names: a list of what is still open
//! is the difference of two.
//!
//! ```text
//! name = kind u8 ‖ …                                                          numbers are big endian
//!   1 revoked       authority u8 ‖ generation u32 ‖ partition u32 ‖ at secs u64 ‖ reason u8
//!                   ‖ not_after secs u64 ‖ serial
//!   2 expires       not_after secs u64 ‖ aggregate 32
//!   3 key           SHA-256(SPKI) 32 ‖ aggregate 32
//!   4 compromised   SHA-256(SPKI) 32 ‖ aggregate 32
//!   5 applied       registration 16
//!   6 decided       registration 16                  approved in full, or refused
//!   7 registered    registration 16 ‖ party 16
//!   8 party key     thumbprint 32 ‖ party 16
//!   9 issued for    registration 16 ‖ serial
//!  10 approved key  SHA-256(SPKI) 32 ‖ registration 16
//!  11 journal       number u64 ‖ seq u64            an act got its number, or its outcome
//!  12 act           act 16 ‖ seq u64               all that became of it
//!  13 subject       SHA-256 of a document 32 ‖ number u64 ‖ seq u64
//!  14 asked by      SHA-256 of a person 32 ‖ number u64 ‖ seq u64
//!  15 personal      person 32 ‖ act 16 ‖ seq u64    what is kept about a person
//!  16 policy        aggregate 32 ‖ seq u64
//!  17 bulk ordered  order 16
//!  18 bulk done     order 16
//!  19 to sign       person 32 ‖ number u64 ‖ seq u64    who is to sign an act
//!  20 outage        to ms u64 ‖ from ms u64
//!  21 exchange      thumbprint 32 ‖ at ms u64 ‖ x 32    a run that was decided, for each of its sides
//!  22 rail asked    key 32 ‖ x 32                  a call that a payment rail is asked
//!  23 rail answered key 32 ‖ x 32                  it was answered: what is among the asked alone is under way
//!  24 misbehaviour  at ms u64 ‖ SHA-256 of the file 32  a proof that was accepted
//!  25 inline         x 32                          both sides have agreed on an inline exchange
//!  26 inline closed  x 32                          it was decided, and nothing that was deposited is left
//!  32 paid by       thumbprint 32 ‖ at ms u64 ‖ x 32    a paid run that was begun, for each of its sides
//!  33 paid run      x 32
//!  34 paid decided  x 32
//!  35 delivery      part u8 ‖ x 32                 something is awaited of a registered delivery: 0 until it is consigned, 1 until it is collected
//!  36 delivery closed  part u8 ‖ x 32 ‖ event u8   nothing more of that part, as the event says
//! ```

mod exchange;
mod journal;
mod paid;

pub use exchange::{
    DELIVERY_PARTS, INLINE_REGISTERED, OPEN_DELIVERIES, delivery_closed, exchanges_of, inline_closed, read_exchange,
    read_inline_registered, read_open_delivery,
};
pub use journal::{
    act, asked_by, journal_from, numbered_from, personal, read_act, read_journal, read_numbered, subject, to_sign,
};

pub use paid::{DECIDED_PAID_RUNS, PAID_RUNS, paid_of, read_paid, read_paid_run};

use super::{
    AccountKind, Aggregate, CaKind, ExchangeKind, Fact, Kind, OpsFact, OpsKind, PartyKind, PaymentKind, Recorded,
};
use crate::account::AccountFact;
use crate::b64u::B64u;
use crate::ca::bulk::OrderId;
use crate::ca::credential::Revocation;
use crate::ca::crl::Reason;
use crate::ca::{CaFact, CaId, ListId};
use crate::crypto::jose::Thumbprint;
use crate::digest::Digest;
use crate::exchange::ExchangeFact;
use crate::exchange::erds::ErdsFact;
use crate::exchange::inline::InlineFact;
use crate::exchange::paid::PaidFact;
use crate::id::{PartyId, RegistrationId};
use crate::notary::JournalFact;
use crate::party::PartyFact;
use crate::payment::PaymentFact;
use crate::registration::RegistrationFact;
use crate::time::Timestamp;

/// Every name of a fact. What does not read as a fact of its kind has none: whoever walks the facts says so.
#[must_use]
pub fn of(fact: &Fact) -> Vec<Vec<u8>> {
    match fact.kind {
        Kind::Ca(
            CaKind::CertificateIssued
            | CaKind::CertificateRevoked
            | CaKind::CertificateImported
            | CaKind::BulkOrdered
            | CaKind::BulkDone,
        ) => CaFact::from_fact(fact).map_or(Vec::new(), |ca| of_certificate(fact, &ca)),
        Kind::Party(
            PartyKind::RegistrationApplied | PartyKind::RegistrationApproved | PartyKind::RegistrationRefused,
        ) => RegistrationFact::from_fact(fact).map_or(Vec::new(), |fact| of_registration(&fact)),
        Kind::Party(PartyKind::Registered | PartyKind::KeyBound) => {
            PartyFact::from_fact(fact).map_or(Vec::new(), |fact| of_party(&fact))
        }
        Kind::Notary(_) => JournalFact::from_fact(fact).map_or(Vec::new(), |journal| journal::of(fact.seq, &journal)),
        Kind::Ops(OpsKind::PolicyChanged) => {
            vec![[&POLICIES[..], &fact.aggregate.0, &fact.seq.to_be_bytes()].concat()]
        }
        Kind::Ops(OpsKind::Outage) => OpsFact::from_fact(fact).map_or(Vec::new(), |ops| of_outage(&ops)),
        Kind::Exchange(
            ExchangeKind::Aborted
            | ExchangeKind::Resolved
            | ExchangeKind::Expired
            | ExchangeKind::Released
            | ExchangeKind::Void,
        ) => ExchangeFact::from_fact(fact).map_or(Vec::new(), |exchange| exchange::of_exchange(&exchange)),
        Kind::Exchange(
            ExchangeKind::Registered
            | ExchangeKind::InlineReleased
            | ExchangeKind::Returned
            | ExchangeKind::ItemsErased,
        ) => InlineFact::from_fact(fact).map_or(Vec::new(), |inline| exchange::of_inline(&inline)),
        Kind::Exchange(ExchangeKind::DeliveryEvent | ExchangeKind::DeliverySubmitted) => {
            ErdsFact::from_fact(fact).map_or(Vec::new(), |delivery| exchange::of_delivery(&delivery))
        }
        Kind::Exchange(ExchangeKind::PaidOpened | ExchangeKind::PaidDecided) => {
            PaidFact::from_fact(fact).map_or(Vec::new(), |paid| paid::of_paid(&paid))
        }
        Kind::Payment(
            PaymentKind::Frozen
            | PaymentKind::Thawed
            | PaymentKind::Chargeback
            | PaymentKind::Payout
            | PaymentKind::Contradicted
            | PaymentKind::Cleared,
        ) => Vec::new(),
        Kind::Payment(_) => PaymentFact::from_fact(fact).map_or(Vec::new(), |payment| of_payment(&payment)),
        Kind::Account(AccountKind::Misbehaviour) => AccountFact::from_fact(fact).map_or(Vec::new(), |account| {
            let AccountFact::Misbehaviour { proof, .. } = account;
            vec![[&MISBEHAVIOUR[..], &fact.now.millis().to_be_bytes(), proof.as_bytes()].concat()]
        }),
        Kind::Ledger(_)
        | Kind::Ops(_)
        | Kind::Timestamp(_)
        | Kind::Exchange(
            ExchangeKind::Answer
            | ExchangeKind::Anomaly
            | ExchangeKind::KeyDeposited
            | ExchangeKind::KeyCollected
            | ExchangeKind::Submitted
            | ExchangeKind::SubmissionRefused
            | ExchangeKind::Waived
            | ExchangeKind::ItemKept
            | ExchangeKind::ItemCollected
            | ExchangeKind::PaidShown
            | ExchangeKind::PaidMoney
            | ExchangeKind::PaidFrozen
            | ExchangeKind::PaidThawed,
        )
        | Kind::Archive(_)
        | Kind::Party(
            PartyKind::IdentityRecorded
            | PartyKind::KeyUnbound
            | PartyKind::TermsAccepted
            | PartyKind::Suspended
            | PartyKind::Reinstated,
        )
        | Kind::Ca(CaKind::CrlIssued | CaKind::IssueRefused | CaKind::AuthorityImported | CaKind::RevocationAsked) => {
            Vec::new()
        }
    }
}

fn of_certificate(fact: &Fact, ca: &CaFact) -> Vec<Vec<u8>> {
    let aggregate = &fact.aggregate.0[..];
    match ca {
        // Those of the first form had no names when they were written.
        CaFact::CertificateIssued { grounds: Some(grounds), not_after, public_key, serial, .. } => {
            let mut names =
                vec![[&expires(*not_after)[..], aggregate].concat(), [&key(public_key)[..], aggregate].concat()];
            // Empty for the service's own keys.
            if let Ok(registration) = <[u8; 16]>::try_from(grounds.registration.as_slice()) {
                names.push([&issued_for(registration.into())[..], serial].concat());
            }
            names
        }
        CaFact::CertificateRevoked { list, serial, at, reason, not_after, public_key, .. } => {
            let revocation = Revocation { at: *at, reason: *reason };
            of_revocation(*list, serial, revocation, *not_after, public_key, aggregate)
        }
        CaFact::CertificateImported { ca, serial, public_key, not_after, revoked, .. } => {
            let list = ListId { ca: *ca, partition: 0 };
            let mut names =
                vec![[&expires(*not_after)[..], aggregate].concat(), [&key(public_key)[..], aggregate].concat()];
            if let Some(revocation) = revoked {
                names.extend(of_revocation(list, serial, *revocation, *not_after, public_key, aggregate));
            }
            names
        }
        CaFact::BulkOrdered { order, .. } => vec![[&[BULK_ORDERED][..], order.octets()].concat()],
        CaFact::BulkDone { order, .. } => vec![[&[BULK_DONE][..], order.octets()].concat()],
        CaFact::CertificateIssued { .. }
        | CaFact::CrlIssued { .. }
        | CaFact::IssueRefused { .. }
        | CaFact::RevocationAsked { .. }
        | CaFact::AuthorityImported { .. } => Vec::new(),
    }
}

fn of_revocation(
    list: ListId,
    serial: &[u8],
    Revocation { at, reason }: Revocation,
    not_after: Timestamp,
    public_key: &Digest,
    aggregate: &[u8],
) -> Vec<Vec<u8>> {
    let mut names = vec![RevokedName { list, at, reason, not_after, serial: serial.to_vec() }.name()];
    if reason == Reason::KeyCompromise {
        names.push([&compromised(public_key)[..], aggregate].concat());
    }
    names
}

fn of_registration(fact: &RegistrationFact) -> Vec<Vec<u8>> {
    match fact {
        RegistrationFact::Applied { id, .. } => vec![applied(*id)],
        RegistrationFact::Refused { id, .. } => vec![decided(*id)],
        RegistrationFact::Approved { id, remaining: 0, public_keys, .. } => {
            let keys = public_keys.iter().map(|key| [&approved_key(key)[..], id.octets()].concat());
            std::iter::once(decided(*id)).chain(keys).collect()
        }
        RegistrationFact::Approved { .. } | RegistrationFact::IdentityRecorded { .. } => Vec::new(),
    }
}

fn of_party(fact: &PartyFact) -> Vec<Vec<u8>> {
    match fact {
        PartyFact::Registered { party, registration, .. } => {
            vec![[&registered_by(*registration)[..], party.octets()].concat()]
        }
        PartyFact::KeyBound { party, thumbprint, .. } => {
            vec![[&party_key(*thumbprint)[..], party.octets()].concat()]
        }
        PartyFact::KeyUnbound { .. }
        | PartyFact::TermsAccepted { .. }
        | PartyFact::Suspended { .. }
        | PartyFact::Reinstated { .. } => Vec::new(),
    }
}

fn of_outage(fact: &OpsFact) -> Vec<Vec<u8>> {
    match fact {
        OpsFact::Outage { from_millis, to_millis } => {
            vec![[&[OUTAGE][..], &to_millis.to_be_bytes(), &from_millis.to_be_bytes()].concat()]
        }
        _ => Vec::new(),
    }
}

fn of_payment(fact: &PaymentFact) -> Vec<Vec<u8>> {
    let asked = fact.asks().map(|key| [&RAIL_ASKED[..], key.as_bytes(), fact.x.as_bytes()].concat());
    let answered = fact.answers().map(|key| [&rail_answered(&key)[..], fact.x.as_bytes()].concat());
    asked.into_iter().chain(answered).collect()
}

const REVOKED: u8 = 1;
const EXPIRES: u8 = 2;
const KEY: u8 = 3;
const COMPROMISED: u8 = 4;
const APPLIED: u8 = 5;
const DECIDED: u8 = 6;
const REGISTERED: u8 = 7;
const PARTY_KEY: u8 = 8;
const ISSUED_FOR: u8 = 9;
const APPROVED_KEY: u8 = 10;
const POLICY: u8 = 16;
const BULK_ORDERED: u8 = 17;
const BULK_DONE: u8 = 18;
const OUTAGE: u8 = 20;

/// What the names of all calls begin with that payment rails are asked. Those whose key is not among the answered ones are under way.
pub const RAIL_ASKED: [u8; 1] = [22];

/// What the name of a call's answer begins with.
#[must_use]
pub fn rail_answered(key: &Digest) -> Vec<u8> {
    [&[23][..], key.as_bytes()].concat()
}

/// What the name of a call says: its key, and the run.
#[must_use]
pub fn read_rail_asked(name: &[u8]) -> Option<(Digest, Digest)> {
    let (key, x) = name.strip_prefix(&RAIL_ASKED)?.split_first_chunk::<32>()?;
    Some((Digest(*key), Digest::from_slice(x)?))
}

/// What the names of all applications begin with. Those that are not among the decided ones are open.
pub const APPLICATIONS: [u8; 1] = [APPLIED];

/// What the names of all decided applications begin with.
pub const DECIDED_APPLICATIONS: [u8; 1] = [DECIDED];

/// What the names of all orders of bulk revocation begin with.
pub const BULK_ORDERS: [u8; 1] = [BULK_ORDERED];

/// What the names of all certificates that expire begin with.
pub const CERTIFICATES: [u8; 1] = [EXPIRES];

/// What the names of all parties begin with.
pub const PARTIES: [u8; 1] = [REGISTERED];

/// What the names of all changes of policies begin with; those of one history stand together, in its order.
pub const POLICIES: [u8; 1] = [POLICY];

/// What the names of all proofs of misbehaviour begin with, in the order in which they were accepted.
pub const MISBEHAVIOUR: [u8; 1] = [24];

/// The name of the end of an order of bulk revocation.
#[must_use]
pub fn bulk_done(order: OrderId) -> Vec<u8> {
    [&[BULK_DONE][..], order.octets()].concat()
}

/// Reads the name of an order of bulk revocation.
#[must_use]
pub fn read_bulk_ordered(name: &[u8]) -> Option<OrderId> {
    Some(<[u8; 16]>::try_from(name.strip_prefix(&[BULK_ORDERED])?).ok()?.into())
}

/// The name of an application.
#[must_use]
pub fn applied(registration: RegistrationId) -> Vec<u8> {
    [&[APPLIED][..], registration.octets()].concat()
}

/// The name of an application's decision.
#[must_use]
pub fn decided(registration: RegistrationId) -> Vec<u8> {
    [&[DECIDED][..], registration.octets()].concat()
}

/// What the name of the party begins with that was registered by this application.
#[must_use]
pub fn registered_by(registration: RegistrationId) -> Vec<u8> {
    [&[REGISTERED][..], registration.octets()].concat()
}

/// What the names of parties begin with that this key was bound to, whether it still is or not.
#[must_use]
pub fn party_key(thumbprint: Thumbprint) -> Vec<u8> {
    [&[PARTY_KEY][..], thumbprint.0.as_bytes()].concat()
}

/// What the names of certificates begin with that were issued for this application.
#[must_use]
pub fn issued_for(registration: RegistrationId) -> Vec<u8> {
    [&[ISSUED_FOR][..], registration.octets()].concat()
}

/// What the names of everything begin with that one list revokes.
#[must_use]
pub fn revoked(list: ListId) -> Vec<u8> {
    [&revoked_by(list.ca)[..], &list.partition.to_be_bytes()].concat()
}

/// The same for all lists of one CA.
#[must_use]
pub fn revoked_by(ca: CaId) -> Vec<u8> {
    [&[REVOKED, ca.authority as u8][..], &ca.generation.to_be_bytes()].concat()
}

/// What the names of certificates begin with that were issued for this key (SHA-256 of its SubjectPublicKeyInfo).
#[must_use]
pub fn key(public_key: &Digest) -> Vec<u8> {
    [&[KEY][..], public_key.as_bytes()].concat()
}

/// What the names of approved applications begin with that asked for a certificate of this key.
#[must_use]
pub fn approved_key(public_key: &Digest) -> Vec<u8> {
    [&[APPROVED_KEY][..], public_key.as_bytes()].concat()
}

/// What the names of certificates begin with whose key was compromised.
#[must_use]
pub fn compromised(public_key: &Digest) -> Vec<u8> {
    [&[COMPROMISED][..], public_key.as_bytes()].concat()
}

/// What all of those begin with.
pub const COMPROMISED_KEYS: [u8; 1] = [COMPROMISED];

/// The key that such a name is of.
#[must_use]
pub fn read_compromised(name: &[u8]) -> Option<Digest> {
    let (key, _) = name.strip_prefix(&COMPROMISED_KEYS)?.split_first_chunk::<32>()?;
    Some(Digest(*key))
}

/// Where the names begin of certificates that expire at `at` or later; all begin with the first octet of this.
#[must_use]
pub fn expires(at: Timestamp) -> Vec<u8> {
    [&[EXPIRES][..], &at.secs().to_be_bytes()].concat()
}

/// What the name of a certificate that expires says: when, and its aggregate.
#[must_use]
pub fn read_expires(name: &[u8]) -> Option<(Timestamp, [u8; 32])> {
    let (secs, aggregate) = name.strip_prefix(&[EXPIRES])?.split_first_chunk::<8>()?;
    Some((Timestamp::from_secs(u64::from_be_bytes(*secs)), aggregate.try_into().ok()?))
}

/// Reads the name of an application.
#[must_use]
pub fn read_applied(name: &[u8]) -> Option<RegistrationId> {
    Some(<[u8; 16]>::try_from(name.strip_prefix(&[APPLIED])?).ok()?.into())
}

/// Reads the name of an application's decision.
#[must_use]
pub fn read_decided(name: &[u8]) -> Option<RegistrationId> {
    Some(<[u8; 16]>::try_from(name.strip_prefix(&[DECIDED])?).ok()?.into())
}

/// Reads the name of a party: by which application it was registered, and who it is.
#[must_use]
pub fn read_registered(name: &[u8]) -> Option<(RegistrationId, PartyId)> {
    let (registration, party) = name.strip_prefix(&[REGISTERED])?.split_first_chunk::<16>()?;
    Some(((*registration).into(), <[u8; 16]>::try_from(party).ok()?.into()))
}

/// Reads the name of a party's key: the key, and whose it is or was.
#[must_use]
pub fn read_party_key(name: &[u8]) -> Option<(Thumbprint, PartyId)> {
    let (thumbprint, party) = name.strip_prefix(&[PARTY_KEY])?.split_first_chunk::<32>()?;
    Some((Thumbprint(B64u(*thumbprint)), <[u8; 16]>::try_from(party).ok()?.into()))
}

/// Reads the name of a certificate that was issued for an application: which application, and the content octets of the serial
/// number.
#[must_use]
pub fn read_issued_for(name: &[u8]) -> Option<(RegistrationId, &[u8])> {
    let (registration, serial) = name.strip_prefix(&[ISSUED_FOR])?.split_first_chunk::<16>()?;
    Some(((*registration).into(), serial))
}

/// Reads the name of a change of policy: in which history, and at which step of it.
#[must_use]
pub fn read_policy(name: &[u8]) -> Option<(Aggregate, u64)> {
    let (aggregate, seq) = name.strip_prefix(&[POLICY])?.split_first_chunk::<32>()?;
    Some((Aggregate(*aggregate), u64::from_be_bytes(seq.try_into().ok()?)))
}

/// Where the names begin of outages that ended at this moment or later; all begin with the first octet of this.
#[must_use]
pub fn outages_from(to_millis: u64) -> Vec<u8> {
    [&[OUTAGE][..], &to_millis.to_be_bytes()].concat()
}

/// Reads the name of an outage: from when to when, milliseconds since 1970.
#[must_use]
pub fn read_outage(name: &[u8]) -> Option<(u64, u64)> {
    let (to, from) = name.strip_prefix(&[OUTAGE])?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(from.try_into().ok()?), u64::from_be_bytes(*to)))
}

/// Reads the name of a proof of misbehaviour: when it was accepted, milliseconds since 1970, and the SHA-256 of its file.
#[must_use]
pub fn read_misbehaviour(name: &[u8]) -> Option<(u64, Digest)> {
    let (at, proof) = name.strip_prefix(&MISBEHAVIOUR)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at), Digest(proof.try_into().ok()?)))
}

/// A revocation as its name tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedName {
    /// The list that its certificate names.
    pub list: ListId,
    /// When, whole seconds.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// When it would have expired, whole seconds.
    pub not_after: Timestamp,
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
}

impl RevokedName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let Self { list, at, reason, not_after, serial } = self;
        let when = [&at.secs().to_be_bytes()[..], &[reason.code() as u8], &not_after.secs().to_be_bytes()].concat();
        [&revoked(*list)[..], &when, serial].concat()
    }
}

/// Where the names begin, among those of one list, of what was revoked at `at` or later.
#[must_use]
pub fn revoked_from(list: ListId, at: Timestamp) -> Vec<u8> {
    [&revoked(list)[..], &at.secs().to_be_bytes()].concat()
}

/// Reads the name of a revocation.
#[must_use]
pub fn read_revoked(name: &[u8]) -> Option<RevokedName> {
    let (authority, rest) = name.strip_prefix(&[REVOKED])?.split_first()?;
    let (generation, rest) = rest.split_first_chunk::<4>()?;
    let (partition, rest) = rest.split_first_chunk::<4>()?;
    let (secs, rest) = rest.split_first_chunk::<8>()?;
    let (reason, rest) = rest.split_first()?;
    let (not_after, serial) = rest.split_first_chunk::<8>()?;
    let ca = CaId {
        authority: crate::ca::Authority::from_code((*authority).into())?,
        generation: u32::from_be_bytes(*generation),
    };
    Some(RevokedName {
        list: ListId { ca, partition: u32::from_be_bytes(*partition) },
        at: Timestamp::from_secs(u64::from_be_bytes(*secs)),
        reason: Reason::from_code((*reason).into())?,
        not_after: Timestamp::from_secs(u64::from_be_bytes(*not_after)),
        serial: serial.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::profile::ProfileCode;
    use crate::ca::{Authority, Grounds};
    use crate::evidence::{Envelope, OpsFact};
    use crate::party::UnbindReason;
    use crate::policy::person::Officer;
    use crate::registration::{RefusalReason, RefusedBy, RequestedKey};

    fn stored(fact: impl Recorded) -> Fact {
        fact.into_fact(&Envelope {
            aggregate: Aggregate([7; 32]),
            seq: 0,
            now: Timestamp::from_millis(1_772_366_400_250),
            salt: [0; 16],
            policy_hash: Digest::default(),
            event_digest: Digest::default(),
        })
    }

    #[test]
    fn outages_are_found() {
        let outage = names_of(OpsFact::Outage { from_millis: 7, to_millis: 9 });
        assert_eq!(outage, [[&[20][..], &9_u64.to_be_bytes(), &7_u64.to_be_bytes()].concat()]);
        assert!(outage[0].starts_with(&outages_from(9)) && outage[0] > outages_from(8) && outage[0] < outages_from(10));
        assert_eq!(read_outage(&outage[0]), Some((7, 9)));
    }

    fn names_of(fact: impl Recorded) -> Vec<Vec<u8>> {
        of(&stored(fact))
    }

    #[test]
    fn names_are_as_drawn_and_read_back() {
        let list = ListId { ca: CaId { authority: Authority::Party, generation: 2 }, partition: 5 };
        let (at, end) = (Timestamp::from_secs(1_772_366_400), Timestamp::from_secs(1_772_366_401));
        let revoked_fact = stored(CaFact::CertificateRevoked {
            list,
            serial: vec![0x41; 16],
            at,
            reason: Reason::KeyCompromise,
            not_after: end,
            public_key: Digest([9; 32]),
            certificate: Digest([8; 32]),
            officer: Digest([6; 32]),
        });
        let names = of(&revoked_fact);
        let drawn = format!("01 01 00000002 00000005 0000000069a42a40 01 0000000069a42a41 {}", "41".repeat(16))
            .replace(' ', "");
        assert_eq!(hex::encode(&names[0]), drawn);
        assert_eq!(hex::encode(&names[1]), format!("04{}{}", "09".repeat(32), "07".repeat(32)));
        assert!(names[0].starts_with(&revoked(list)) && names[0].starts_with(&revoked_by(list.ca)));
        let read = read_revoked(&names[0]).unwrap();
        let reason = Reason::KeyCompromise;
        assert_eq!(read, RevokedName { list, at, reason, not_after: end, serial: vec![0x41; 16] });
        let issued = |grounds| CaFact::CertificateIssued {
            issuer: Authority::Party,
            profile: ProfileCode::Party,
            serial: vec![0x41; 16],
            public_key: Digest([9; 32]),
            not_before: at,
            not_after: at,
            grounds,
        };
        let names = of(&stored(issued(Some(Grounds::default()))));
        assert_eq!(names[0], [&expires(at)[..], &[7; 32]].concat());
        assert_eq!(read_expires(&names[0]), Some((at, [7; 32])));
        assert_eq!(names[1], [&key(&Digest([9; 32]))[..], &[7; 32]].concat());
        // A store of an earlier program has no rows for what it wrote.
        assert_eq!(of(&stored(issued(None))), [[0; 0]; 0]);
        for name in [&[][..], &[1], &[1, 9], &names[0][..]] {
            assert_eq!(read_revoked(name), None);
        }
    }

    #[test]
    fn orders_without_an_end_are_found() {
        let (order, at) = (OrderId::from([5; 16]), Timestamp::from_millis(7));
        let (document, officer, reason) = (Digest([1; 32]), Digest([2; 32]), Reason::Superseded);
        let ordered = of(&stored(CaFact::BulkOrdered { order, at, document, reason, officer }));
        assert_eq!(ordered.iter().map(hex::encode).collect::<Vec<_>>(), [format!("11{}", "05".repeat(16))]);
        assert_eq!((read_bulk_ordered(&ordered[0]), read_bulk_ordered(&ordered[0][1..])), (Some(order), None));
        assert!(ordered[0].starts_with(&BULK_ORDERS));
        assert_eq!(of(&stored(CaFact::BulkDone { order, at, revoked: 1 })), [bulk_done(order)]);
    }

    #[test]
    fn changes_of_policies_are_found() {
        let changed = stored(OpsFact::PolicyChanged { policy: Digest([1; 32]) });
        let names = of(&changed);
        assert_eq!(
            names.iter().map(hex::encode).collect::<Vec<_>>(),
            [format!("10{}{}", "07".repeat(32), "00".repeat(8))]
        );
        assert_eq!(read_policy(&names[0]), Some((Aggregate([7; 32]), 0)));
        assert_eq!((read_policy(&names[0][1..]), read_policy(&names[0][..40])), (None, None));
        assert_eq!(of(&stored(OpsFact::Stopped)), [[0; 0]; 0]);
    }

    #[test]
    fn applications_and_parties_are_found() {
        let (id, party, at) = (RegistrationId::from([5; 16]), PartyId::from([6; 16]), Timestamp::from_millis(7));
        let hexed = |fact: Fact| of(&fact).iter().map(hex::encode).collect::<Vec<_>>();
        let (registration, holder) = ("05".repeat(16), "06".repeat(16));
        let key =
            RequestedKey { profile: Digest([1; 32]), class: 6, request: Digest([2; 32]), public_key: Digest([3; 32]) };
        let asked = RegistrationFact::Applied {
            id,
            at,
            keys: vec![key],
            subject: Digest([4; 32]),
            applicant: None,
            terms: Digest([5; 32]),
            officers_needed: 2,
            applied_by: None,
        };
        assert_eq!(hexed(stored(asked)), [format!("05{registration}")]);
        let officer = Digest([9; 32]);
        let approved = |remaining: u8| {
            let (serials, public_keys) = match remaining {
                0 => (vec![[0x41; 16]], vec![Digest([3; 32])]),
                _ => (Vec::new(), Vec::new()),
            };
            let (party, officer) = ((remaining == 0).then_some(party), Officer::itself(officer));
            stored(RegistrationFact::Approved { id, at, officer, remaining, serials, public_keys, party })
        };
        assert_eq!(hexed(approved(1)), [""; 0], "it is still open");
        let of_key = format!("0a{}{registration}", "03".repeat(32));
        assert_eq!(hexed(approved(0)), [format!("06{registration}"), of_key]);
        let (reason, by) = (RefusalReason::Duplicate, RefusedBy::Officer(officer));
        assert_eq!(hexed(stored(RegistrationFact::Refused { id, at, reason, by })), [format!("06{registration}")]);
        let recorded =
            RegistrationFact::IdentityRecorded { id, at, record: Digest([1; 32]), officer: Officer::itself(officer) };
        assert_eq!(hexed(stored(recorded)), [""; 0]);

        let registered = stored(PartyFact::Registered { party, at, registration: id, terms: Digest([5; 32]) });
        assert_eq!(hexed(registered.clone()), [format!("07{registration}{holder}")]);
        assert_eq!(read_registered(&of(&registered)[0]), Some((id, party)));
        let thumbprint = Thumbprint(B64u([8; 32]));
        let bound = stored(PartyFact::KeyBound {
            party,
            at,
            thumbprint,
            certificate: Digest([1; 32]),
            history: Aggregate([2; 32]),
            not_after: at.whole_secs(),
        });
        assert_eq!(hexed(bound.clone()), [format!("08{}{holder}", "08".repeat(32))]);
        assert!(of(&bound)[0].starts_with(&party_key(thumbprint)));
        assert_eq!(read_party_key(&of(&bound)[0]), Some((thumbprint, party)));
        let unbound = PartyFact::KeyUnbound { party, at, thumbprint, reason: UnbindReason::Revoked };
        assert_eq!(hexed(stored(unbound)), [""; 0]);

        let issued = |registration| CaFact::CertificateIssued {
            issuer: Authority::Party,
            profile: ProfileCode::Party,
            serial: vec![0x41; 16],
            public_key: Digest([9; 32]),
            not_before: at,
            not_after: at,
            grounds: Some(Grounds { registration, ..Grounds::default() }),
        };
        let certified = of(&stored(issued(vec![5; 16])));
        assert_eq!(hex::encode(&certified[2]), format!("09{registration}{}", "41".repeat(16)));
        assert_eq!(read_issued_for(&certified[2]), Some((id, &[0x41; 16][..])));
        assert_eq!(of(&stored(issued(Vec::new()))).len(), 2, "a key of the service's own");

        assert_eq!((read_applied(&applied(id)), read_decided(&applied(id))), (Some(id), None));
        assert_eq!((read_applied(&decided(id)), read_decided(&decided(id))), (None, Some(id)));
        assert!(applied(id).starts_with(&APPLICATIONS) && decided(id).starts_with(&DECIDED_APPLICATIONS));
        assert!(registered_by(id).starts_with(&PARTIES));
        for short in [&[][..], &[5], &[5; 16], &[5; 18], &[7; 32], &[7; 34], &[8; 48], &[8; 50], &[9; 16]] {
            let read = (read_applied(short), read_registered(short), read_party_key(short), read_issued_for(short));
            assert_eq!(read, (None, None, None, None), "{short:?}");
        }
    }
}
