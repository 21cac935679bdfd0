//! Operators' acts that keep a document: what was asked of an offline root, and the records of key ceremonies.

use serde_json::Value;

use super::Case;
use crate::ca::offline::{ACT_ASKED_OF_ROOT, RootRequest, Wanted};
use crate::digest::Digest;
use crate::evidence::{Fact, Kind, OpsFact, OpsKind, Recorded};
use crate::statement::Jws;
use crate::statement::ceremony::{ACT_CEREMONY, attested_by};

/// Whether the fact is of an act whose document is kept.
pub(super) fn has_artefact(fact: &Fact) -> bool {
    fact.kind == Kind::Ops(OpsKind::OperatorAct)
        && matches!(OpsFact::from_fact(fact), Ok(OpsFact::OperatorAct { act: ACT_ASKED_OF_ROOT | ACT_CEREMONY, .. }))
}

/// That the document is what the fact says it is about.
pub(super) fn judge(act: u64, subject: &Digest, artefact: &[u8], service: Option<&str>, case: &mut Case) {
    let about = match act {
        ACT_ASKED_OF_ROOT => asked(artefact),
        ACT_CEREMONY => attested(artefact, service),
        _ => return,
    };
    match about {
        None => case.differs("its document does not read, or says something else than its statements"),
        Some(about) if about != *subject => case.differs("its document is about something else than its fact"),
        Some(_) => {}
    }
}

/// What a root was asked to sign: the to-be-signed octets of a certificate; a list as the request has it.
fn asked(document: &[u8]) -> Option<Digest> {
    match RootRequest::read(document).ok()?.wanted {
        Wanted::IssuingCa { to_be_signed, .. } => hex::decode(to_be_signed).ok().map(|octets| Digest::of(&octets)),
        Wanted::Arl { .. } => Some(Digest::of(document)),
    }
}

/// The transcript of a ceremony that two statements attest. Who had signed them was looked up when it was recorded.
fn attested(record: &[u8], service: Option<&str>) -> Option<Digest> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let transcript = Digest::of(record["transcript"].as_str()?.as_bytes());
    let statements = record["statements"].as_array().filter(|all| all.len() == 2)?;
    let attests = |statement: &Value| {
        let jws = Jws::parse(statement.as_str()?.as_bytes()).ok()?;
        attested_by(&jws, &transcript, service?)
    };
    statements.iter().all(|statement| attests(statement).is_some()).then_some(transcript)
}
