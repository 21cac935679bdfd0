//! Take a list that the root has signed offline, or the last one of a CA that is taken over. Its signature is verified by whoever
//! read it.

use std::collections::BTreeSet;

use super::super::crl::{Listed, Revoked};
use super::super::state::CrlState;
use super::super::{Authority, CaFact, Crl, CrlEffect, CrlRefusal, ListId};
use super::issue_crl::ROOT_LIFE_SECS_MAX;
use crate::role::Decided;
use crate::time::Timestamp;

pub(super) fn import_crl(
    state: &CrlState,
    list: ListId,
    listed: &Listed,
    revoked: &[Revoked],
    now: Timestamp,
) -> Result<Decided<Crl>, CrlRefusal> {
    let is_last_of_others = list.ca.authority == Authority::Imported;
    if (list.ca.authority != Authority::Root && !is_last_of_others) || list.partition != 0 {
        return Err(CrlRefusal::NotOfRoot);
    }
    let Listed { number, this_update, next_update, ref serials, .. } = *listed;
    if let Some(last) = state.last.filter(|last| number <= last.number) {
        return Err(CrlRefusal::Number { number, last: last.number });
    }
    let follows = state.last.is_none_or(|last| this_update >= last.this_update);
    // The last one of others may be over: the first of ours follows at once.
    if !follows || this_update > now || next_update <= this_update || (next_update <= now && !is_last_of_others) {
        return Err(CrlRefusal::Period { this_update, next_update });
    }
    let life_secs = u32::try_from(next_update.secs() - this_update.secs()).unwrap_or(u32::MAX);
    if life_secs > ROOT_LIFE_SECS_MAX && !is_last_of_others {
        return Err(CrlRefusal::Life { life_secs, max: ROOT_LIFE_SECS_MAX });
    }
    // What has expired may be in it or not (RFC 5280 §3.3); what is revoked and has not, must be; what is not revoked, must not.
    let all: BTreeSet<_> = revoked.iter().map(|one| &one.serial).collect();
    let due: BTreeSet<_> = revoked.iter().filter(|one| one.not_after >= this_update).map(|one| &one.serial).collect();
    let named: BTreeSet<_> = serials.iter().collect();
    if named.len() != serials.len() || !due.is_subset(&named) || !named.is_subset(&all) {
        return Err(CrlRefusal::Entries { listed: serials.len(), revoked: revoked.len() });
    }
    let fact = CaFact::CrlIssued { list, number, this_update, next_update, entries: serials.len() as u64 };
    let wake_at = this_update.plus_millis(u64::from(life_secs) * 500);
    Ok((vec![fact], vec![CrlEffect::WakeAt(wake_at)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::crl::Reason;
    use crate::ca::state::LastCrl;
    use crate::digest::Digest;

    const DAY: u64 = 24 * 3600;
    const T: u64 = 1_772_366_400;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn listed(number: u64, this_update: u64, next_update: u64, serials: &[u8]) -> Listed {
        let serials = serials.iter().map(|serial| vec![*serial]).collect();
        Listed { digest: Digest::of(b""), number, this_update: at(this_update), next_update: at(next_update), serials }
    }

    fn revoked(serial: u8, not_after: u64) -> Revoked {
        Revoked { serial: vec![serial], at: at(T), reason: Reason::Superseded, not_after: at(not_after) }
    }

    #[test]
    fn decides() {
        let last = CrlState { last: Some(LastCrl { number: 7, this_update: at(T), next_update: at(T + DAY) }) };
        let (root, list) = (ListId::first(Authority::Root), |serials: &[u8]| listed(8, T, T + 60 * DAY, serials));
        let (live, over) = (revoked(1, T + DAY), revoked(2, T - 1));
        let period = |this_update, next_update| {
            Err(CrlRefusal::Period { this_update: at(this_update), next_update: at(next_update) })
        };
        let entries = |listed, revoked| Err(CrlRefusal::Entries { listed, revoked });
        let max = ROOT_LIFE_SECS_MAX;
        let taken_over = ListId::first(Authority::Imported);
        let of_shard = ListId { partition: 1, ..taken_over };
        let table = [
            ("none revoked", root, list(&[]), vec![], Ok(0)),
            ("the first", root, listed(1, T, T + DAY, &[]), vec![], Err(CrlRefusal::Number { number: 1, last: 7 })),
            (
                "the same number",
                root,
                listed(7, T, T + DAY, &[]),
                vec![],
                Err(CrlRefusal::Number { number: 7, last: 7 }),
            ),
            ("older", root, listed(8, T - 1, T + DAY, &[]), vec![], period(T - 1, T + DAY)),
            ("of tomorrow", root, listed(8, T + 11, T + DAY, &[]), vec![], period(T + 11, T + DAY)),
            ("over", root, listed(8, T, T + 10, &[]), vec![], period(T, T + 10)),
            ("a year", root, listed(8, T, T + 365 * DAY, &[]), vec![], Ok(0)),
            (
                "too long",
                root,
                listed(8, T, T + 365 * DAY + 1, &[]),
                vec![],
                Err(CrlRefusal::Life { life_secs: max + 1, max }),
            ),
            ("names what is revoked", root, list(&[1]), vec![live.clone(), over.clone()], Ok(1)),
            ("and what has expired", root, list(&[2, 1]), vec![live.clone(), over.clone()], Ok(2)),
            ("forgets", root, list(&[2]), vec![live.clone(), over.clone()], entries(1, 2)),
            ("names what is not revoked", root, list(&[1, 3]), vec![live.clone(), over.clone()], entries(2, 2)),
            ("names it twice", root, list(&[1, 1]), vec![live, over], entries(2, 2)),
            ("another CA's", ListId::first(Authority::Tsu), list(&[]), vec![], Err(CrlRefusal::NotOfRoot)),
            ("one that is taken over", taken_over, listed(8, T, T + DAY, &[]), vec![], Ok(0)),
            ("its last one, over since", taken_over, listed(8, T, T + 5, &[]), vec![], Ok(0)),
            ("of ten years", taken_over, listed(8, T, T + 3_650 * DAY, &[]), vec![], Ok(0)),
            ("that ends before it begins", taken_over, listed(8, T, T, &[]), vec![], period(T, T)),
            ("one of its shards", of_shard, list(&[]), vec![], Err(CrlRefusal::NotOfRoot)),
        ];
        for (name, id, listed, revoked, expected) in table {
            let decided = import_crl(&last, id, &listed, &revoked, at(T + 10));
            let Listed { number, this_update, next_update, .. } = listed;
            let expected = expected.map(|entries| {
                let fact = CaFact::CrlIssued { list: id, number, this_update, next_update, entries };
                let half = (next_update.secs() - this_update.secs()) * 500;
                (vec![fact], vec![CrlEffect::WakeAt(this_update.plus_millis(half))])
            });
            assert_eq!(decided, expected, "{name}");
        }
    }
}
