//! Proofs of misbehaviour that were accepted: the file is one, of the kind and with the hash that its fact tells. Whether it convicts,
//! `semper verify` says of the file, to whoever has the anchors of whom it accuses.

use super::service::made_again;
use super::{Case, Given, Outcome, Reason, difference_of, recorded};
use crate::account::{AccountFact, Proof};
use crate::digest::Digest;

pub(super) fn judge_proof(given: &Given<'_>, case: &mut Case) -> Outcome {
    let fact = given.fact;
    let stated = match recorded::<AccountFact>(fact, case) {
        Ok(stated) => stated,
        Err(outcome) => return outcome,
    };
    let AccountFact::Misbehaviour { proof, kind, .. } = stated;
    let again = made_again(fact, stated, AccountFact::aggregate(&proof), 0, proof);
    if let Some(what) = difference_of(fact, &again) {
        case.differs(what);
    }
    let file = match given.artefact() {
        Ok(file) => file,
        Err(outcome) => return outcome,
    };
    if Digest::of(file) != proof {
        case.differs("its artefact is another file than its fact tells of");
    }
    match Proof::parse(file) {
        Ok(read) if read.kind == kind => Outcome::Not(Reason::Outside),
        Ok(_) => case.ends("its artefact is a proof of another kind"),
        Err(_) => case.ends("its artefact is no proof of misbehaviour"),
    }
}
