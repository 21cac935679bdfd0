//! Operators' acts that keep a document: what was asked of an offline root, and the records of key ceremonies.

use serde_json::Value;

use super::{Auditor, Case};
use crate::ca::offline::{ACT_ASKED_OF_ROOT, RootRequest, Wanted};
use crate::digest::Digest;
use crate::evidence::{Fact, Kind, OpsFact, OpsKind, Recorded};
use crate::policy::roles::TrustedRole;
use crate::statement::Jws;
use crate::statement::ceremony::{ACT_CEREMONY, attested_by};
use crate::time::Timestamp;

/// Whether the fact is of an act whose document is kept.
pub(super) fn has_artefact(fact: &Fact) -> bool {
    fact.kind == Kind::Ops(OpsKind::OperatorAct)
        && matches!(OpsFact::from_fact(fact), Ok(OpsFact::OperatorAct { act: ACT_ASKED_OF_ROOT | ACT_CEREMONY, .. }))
}

impl Auditor {
    /// That the document is what the fact says it is about.
    pub(super) fn judge_act(&self, act: u64, subject: &Digest, artefact: &[u8], now: Timestamp, case: &mut Case) {
        let service = self.genesis.as_ref().map(|genesis| genesis.origin.as_str());
        let about = match act {
            ACT_ASKED_OF_ROOT => asked(artefact),
            ACT_CEREMONY => attested(artefact, service).map(|(transcript, people)| {
                self.judge_people(people, now, case);
                transcript
            }),
            _ => return,
        };
        match about {
            None => case.differs("its document does not read, or says something else than its statements"),
            Some(about) if about != *subject => case.differs("its document is about something else than its fact"),
            Some(_) => {}
        }
    }

    /// An operator and an officer, who are two people.
    fn judge_people(&self, [one, other]: [Digest; 2], now: Timestamp, case: &mut Case) {
        if self.officer(&one).is(&self.officer(&other)) {
            case.differs("one person has attested it twice");
        }
        let (operator, officer) =
            if self.is_granted(&one, TrustedRole::Operator) { (one, other) } else { (other, one) };
        self.judge_role(&operator, TrustedRole::Operator, now, case);
        let roles = [TrustedRole::RegistrationOfficer, TrustedRole::RevocationOfficer];
        self.judge_either(&officer, roles, now, case);
    }
}

/// What a root was asked to sign: the to-be-signed octets of a certificate; a list as the request has it.
fn asked(document: &[u8]) -> Option<Digest> {
    match RootRequest::read(document).ok()?.wanted {
        Wanted::IssuingCa { to_be_signed, .. } => hex::decode(to_be_signed).ok().map(|octets| Digest::of(&octets)),
        Wanted::Arl { .. } => Some(Digest::of(document)),
    }
}

/// The transcript of a ceremony that two statements attest, and the certificates that they name. Whether these have signed them was
/// looked up when it was recorded.
fn attested(record: &[u8], service: Option<&str>) -> Option<(Digest, [Digest; 2])> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let transcript = Digest::of(record["transcript"].as_str()?.as_bytes());
    let [one, other] = &record["statements"].as_array()?[..] else { return None };
    let attests = |statement: &Value| {
        let jws = Jws::parse(statement.as_str()?.as_bytes()).ok()?;
        attested_by(&jws, &transcript, service?)
    };
    Some((transcript, [attests(one)?, attests(other)?]))
}
