//! Names of the facts of a notary's journal: by number, by act, by document, by who asked.

use crate::digest::Digest;
use crate::id::ActId;
use crate::notary::JournalFact;
use crate::policy::person::{Officer, Person};

const JOURNAL: u8 = 11;
const ACT: u8 = 12;
const SUBJECT: u8 = 13;
const ASKED_BY: u8 = 14;
const PERSONAL: u8 = 15;
const TO_SIGN: u8 = 19;

pub(super) fn of(seq: u64, fact: &JournalFact) -> Vec<Vec<u8>> {
    let of_act = |id: ActId| [&act(id)[..], &seq.to_be_bytes()].concat();
    match fact {
        JournalFact::Validated { id, number, subject, requester, .. } => {
            let mut names = numbered(*number, seq, subject, requester.as_ref());
            names.push(of_act(*id));
            names
        }
        JournalFact::Opened { id, number, subject, requester, signers, .. } => {
            let mut names = numbered(*number, seq, subject, Some(requester));
            names.push(of_act(*id));
            let place = place(*number, seq);
            names.extend(signers.iter().map(|signer| [&to_sign(&Person::Party(*signer))[..], &place].concat()));
            names
        }
        JournalFact::Recorded(recorded) => {
            let mut names = numbered(recorded.number, seq, &recorded.subject, Some(&recorded.requester));
            names.push(of_act(recorded.id));
            names
        }
        JournalFact::Signed { id, .. }
        | JournalFact::Assigned { id, .. }
        | JournalFact::Reported { id, .. }
        | JournalFact::Kept { id, .. } => vec![of_act(*id)],
        JournalFact::Personal { id, of, .. } => {
            vec![of_act(*id), [&personal(&of.person)[..], &seq.to_be_bytes(), id.octets()].concat()]
        }
    }
}

fn numbered(number: u64, seq: u64, document: &Digest, requester: Option<&Officer>) -> Vec<Vec<u8>> {
    let place = place(number, seq);
    let mut names = vec![[&[JOURNAL][..], &place].concat(), [&subject(document)[..], &place].concat()];
    names.extend(requester.map(|officer| [&asked_by(&officer.person)[..], &place].concat()));
    names
}

fn place(number: u64, seq: u64) -> [u8; 16] {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&number.to_be_bytes());
    place[8..].copy_from_slice(&seq.to_be_bytes());
    place
}

/// Where the names begin of acts with this number or a later one; all begin with the first octet of this. An act that was open has
/// two: when it was opened and when it ended.
#[must_use]
pub fn journal_from(number: u64) -> Vec<u8> {
    [&[JOURNAL][..], &number.to_be_bytes()].concat()
}

/// The number that such a name is of.
#[must_use]
pub fn read_journal(name: &[u8]) -> Option<u64> {
    read_place(name.strip_prefix(&[JOURNAL])?)
}

/// What the names begin with of all that became of an act.
#[must_use]
pub fn act(id: ActId) -> Vec<u8> {
    [&[ACT][..], id.octets()].concat()
}

/// The act that such a name is of.
#[must_use]
pub fn read_act(name: &[u8]) -> Option<ActId> {
    let (id, _) = name.strip_prefix(&[ACT])?.split_first_chunk::<16>()?;
    Some((*id).into())
}

/// What the names of acts begin with that are about this document; of a DVC, about this imprint.
#[must_use]
pub fn subject(document: &Digest) -> Vec<u8> {
    [&[SUBJECT][..], document.as_bytes()].concat()
}

/// What the names of acts begin with that this person asked for.
#[must_use]
pub fn asked_by(person: &Person) -> Vec<u8> {
    of_person(ASKED_BY, person)
}

/// What the names begin with of what opened an act that this person is to sign.
#[must_use]
pub fn to_sign(person: &Person) -> Vec<u8> {
    of_person(TO_SIGN, person)
}

/// What the names of all begin with that is kept about this person, in the order in which it was.
#[must_use]
pub fn personal(person: &Person) -> Vec<u8> {
    of_person(PERSONAL, person)
}

fn of_person(kind: u8, person: &Person) -> Vec<u8> {
    match person {
        Person::Party(party) => [&[kind][..], party.octets(), &[0; 16]].concat(),
        Person::Certificate(digest) => [&[kind][..], digest.as_bytes()].concat(),
    }
}

/// Where those of such names begin that are of this number or a later one: `prefix` is as [`subject`], [`asked_by`] or [`to_sign`] say.
#[must_use]
pub fn numbered_from(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

/// The number that a name is of which begins as [`subject`], [`asked_by`] or [`to_sign`] say.
#[must_use]
pub fn read_numbered(name: &[u8]) -> Option<u64> {
    matches!(name.first()?, &SUBJECT | &ASKED_BY | &TO_SIGN).then_some(())?;
    read_place(name.get(33..)?)
}

fn read_place(place: &[u8]) -> Option<u64> {
    let (number, seq) = place.split_first_chunk::<8>()?;
    (seq.len() == 8).then(|| u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notary::{ActType, Checks, RecordedAct, Service};

    /// What begins alike would be found among what it is not.
    #[test]
    fn each_kind_of_names_has_its_number() {
        use super::super::*;
        let of_others = [
            REVOKED,
            EXPIRES,
            KEY,
            COMPROMISED,
            APPLIED,
            DECIDED,
            REGISTERED,
            PARTY_KEY,
            ISSUED_FOR,
            APPROVED_KEY,
            POLICY,
            BULK_ORDERED,
            BULK_DONE,
            OUTAGE,
            exchange::EXCHANGE,
        ];
        let all = [&of_others[..], &[JOURNAL, ACT, SUBJECT, ASKED_BY, PERSONAL, TO_SIGN]].concat();
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn acts_are_found_by_number_document_and_person() {
        let who = Officer { certificate: Digest([1; 32]), person: Person::Party([2; 16].into()) };
        let id = ActId::from([3; 16]);
        let document = Digest([4; 32]);
        let recorded = JournalFact::Recorded(Box::new(RecordedAct {
            id,
            number: 7,
            at: crate::time::Timestamp::from_secs(9),
            opened_at: crate::time::Timestamp::from_secs(8),
            act: ActType::Contract,
            request: Digest([5; 32]),
            requester: who,
            subject: document,
            reason: None,
            officer: None,
            checks: Checks::none(),
            report: None,
        }));
        let names = of(11, &recorded);
        assert_eq!(names.len(), 4);
        assert_eq!(hex::encode(&names[0]), format!("0b{:016x}{:016x}", 7, 11));
        assert_eq!(read_journal(&names[0]), Some(7));
        assert!(names[0] > journal_from(7) && names[0] < journal_from(8));
        for (name, prefix) in [(&names[1], subject(&document)), (&names[2], asked_by(&who.person))] {
            assert!(name.starts_with(&prefix));
            assert_eq!(read_numbered(name), Some(7));
            assert!(*name > numbered_from(&prefix, 7) && *name < numbered_from(&prefix, 8));
        }
        assert!(names[3].starts_with(&act(id)));
        assert_eq!(read_act(&names[3]), Some(id));
        // One of another kind, or cut.
        assert_eq!((read_journal(&names[1]), read_act(&names[0]), read_numbered(&names[0])), (None, None, None));
        assert_eq!((read_journal(&names[0][..16]), read_numbered(&names[1][..40])), (None, None));
        // Whoever holds a certificate that no application led to is found by it.
        let validated = JournalFact::Validated {
            id,
            number: 1,
            at: crate::time::Timestamp::from_secs(9),
            service: Service::Ccpd,
            request: Digest([5; 32]),
            requester: Some(Officer::itself(Digest([6; 32]))),
            subject: document,
            serial: [7; 16],
            granted: true,
            report: None,
        };
        let names = of(0, &validated);
        assert_eq!(names.len(), 4);
        assert!(names[2].starts_with(&asked_by(&Person::Certificate(Digest([6; 32])))));
        // An act is found by whoever is to sign it, from when it is opened.
        let opened = JournalFact::Opened {
            id,
            number: 5,
            at: crate::time::Timestamp::from_secs(9),
            act: ActType::Contract,
            request: Digest([5; 32]),
            requester: who,
            subject: document,
            held: false,
            signers: [[8; 16].into(), [9; 16].into()].into(),
            needs_person: false,
            expires_at: crate::time::Timestamp::from_secs(10),
            report: None,
        };
        let names = of(12, &opened);
        assert_eq!(names.len(), 6);
        assert!(names[5].starts_with(&to_sign(&Person::Party([9; 16].into()))));
        assert_eq!((read_numbered(&names[4]), read_numbered(&names[5])), (Some(5), Some(5)));
    }
}
