//! Genesis, keys, the clock and the service itself.

use semper_ledger::note::VerifierKey;

use super::keys::{signs_for_role, used_with};
use super::{Auditor, Case, Given, Outcome, Reason, TokenBefore, difference_of, recorded};
use crate::crypto::PublicKey;
use crate::digest::Digest;
use crate::evidence::{Aggregate, Envelope, Fact, Genesis, KeyId, LedgerFact, OpsFact, OpsKind, Recorded};
use crate::time::Timestamp;

/// How much later than it happened the loss of the clock may still be told without a doubt about when the clock was back,
/// milliseconds. The fact is made when the clock is good again, and tried again every 10 s while the ledger is busy.
const TOLD_LATE_MILLIS: u64 = 60_000;

/// How exactly the moment of the loss is known, milliseconds: the worst accuracy that may be declared (EN 319 421
/// TIS-7.7.1-06). Realtime and monotonic clock are slewed together, so only a step parts them, which is itself a loss.
const LOSS_MARGIN_MILLIS: u64 = 1_000;

/// The event of facts that nothing but the service's own life led to.
const NO_EVENT: &[u8] = &[];

/// The fact made again around another body, in its own envelope but for what is known of it.
pub(super) fn made_again(
    fact: &Fact,
    body: impl Recorded,
    aggregate: Aggregate,
    seq: u64,
    event_digest: Digest,
) -> Fact {
    let Fact { now, salt, policy_hash, .. } = *fact;
    body.into_fact(&Envelope { aggregate, seq, now, salt, policy_hash, event_digest })
}

/// That the log got a new anchor, at the very size that the log then had. Who vouched for it lay outside.
pub(super) fn judge_anchor(given: &Given<'_>, index: u64, case: &mut Case) -> Outcome {
    let fact = given.fact;
    let stated = match recorded::<LedgerFact>(fact, case) {
        Ok(stated) => stated,
        Err(outcome) => return outcome,
    };
    if let LedgerFact::AnchorRemade { size, .. } = stated
        && size != index
    {
        case.differs(format!("the new anchor is told to be of {size} entries, and {index} stand in front of it"));
    }
    let again = made_again(fact, stated, LedgerFact::anchors(), fact.seq, Digest::of(NO_EVENT));
    if let Some(what) = difference_of(fact, &again) {
        case.differs(what);
    }
    Outcome::Not(Reason::Outside)
}

impl Auditor {
    pub(super) fn judge_genesis(&mut self, given: &Given<'_>, case: &mut Case) -> Outcome {
        let fact = given.fact;
        if let Err(outcome) = recorded::<LedgerFact>(fact, case) {
            return outcome;
        }
        if let Err(outcome) = given.artefact() {
            return outcome;
        }
        let Some(genesis) = &self.genesis else { return case.ends("its artefact is no genesis document") };
        let Some(again) = fact_of(genesis) else { return case.ends("the keys in the genesis document do not read") };
        let aggregate = Aggregate::of("ledger", genesis.origin.as_bytes());
        // The settings that led to it are the operator's file, which he may have changed since.
        let again = made_again(fact, again, aggregate, 0, fact.event_digest);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        if genesis.policy != fact.policy_hash {
            case.differs("its document names another policy");
        }
        Outcome::Same
    }

    pub(super) fn judge_ops(
        &mut self,
        kind: OpsKind,
        given: &Given<'_>,
        token_before: TokenBefore,
        case: &mut Case,
    ) -> Outcome {
        let fact = given.fact;
        let stated = match recorded::<OpsFact>(fact, case) {
            Ok(stated) => stated,
            Err(outcome) => return outcome,
        };
        let nothing = Digest::of(NO_EVENT);
        let (aggregate, seq, event) = match kind {
            OpsKind::KeyMade => (key_of(&stated), 0, fact.event_digest),
            OpsKind::KeyFirstUse | OpsKind::KeyEnded => (key_of(&stated), fact.seq, nothing),
            OpsKind::ClockSynchronised
            | OpsKind::ClockSuspect
            | OpsKind::ClockLost
            | OpsKind::LeapSecond
            | OpsKind::Started
            | OpsKind::CallRefused
            | OpsKind::Outage
            | OpsKind::Stopped => (Some(Aggregate::service()), fact.now.millis(), nothing),
            // What led to it is the document, which its entry is of.
            OpsKind::PolicyChanged => (Some(fact.aggregate), fact.seq, Digest(given.entry.digest)),
            // What they are about has many names.
            OpsKind::OperatorAct | OpsKind::Access => (Some(fact.aggregate), fact.seq, fact.event_digest),
        };
        let again = made_again(fact, stated.clone(), aggregate.unwrap_or(fact.aggregate), seq, event);
        if let Some(what) = difference_of(fact, &again) {
            case.differs(what);
        }
        match stated {
            OpsFact::KeyMade { key, public_key } => self.judge_key_made(key, public_key, case),
            OpsFact::KeyFirstUse { key } => {
                if !self.keys.first_used(key, case.index) {
                    case.differs("the key's first use was recorded before");
                }
                // Of the notary's and the arbiter's it stands in front of what is signed in that commit, for which see there.
                if signs_for_role(used_with(key.purpose)) {
                    self.keys.announced(key, case.index, fact.now);
                    return Outcome::Same;
                }
                // Its entry stands in the commit of the key's first token, behind it.
                match token_before {
                    TokenBefore::By(by, at) if (by, at) == (key, fact.now) => Outcome::Same,
                    TokenBefore::Unread => Outcome::Not(Reason::Unreadable),
                    TokenBefore::By(..) | TokenBefore::No => {
                        case.ends("the entry in front of it is no token of this key at that moment")
                    }
                }
            }
            OpsFact::KeyEnded { key, destroyed } => self.judge_key_ended(key, destroyed, fact.now, case),
            OpsFact::ClockLost { ago_millis, .. } => {
                self.judge_stop(fact.now, ago_millis, case);
                Outcome::Not(Reason::Outside)
            }
            OpsFact::PolicyChanged { policy } => self.judge_policy(policy, given, case),
            OpsFact::OperatorAct { act, subject } => {
                if super::act::has_artefact(fact)
                    && let Ok(artefact) = given.artefact()
                {
                    self.judge_act(act, &subject, artefact, fact.now, case);
                }
                Outcome::Not(Reason::Outside)
            }
            OpsFact::Outage { from_millis, to_millis } => {
                if from_millis > to_millis || to_millis != fact.now.millis() {
                    case.differs("it does not end at its own moment, or before it began");
                }
                if !self.exchanges.outage((from_millis, to_millis), case.index) {
                    case.differs("the arbiter decided within the time in which it says that it was away");
                }
                Outcome::Not(Reason::Outside)
            }
            OpsFact::ClockSynchronised { .. }
            | OpsFact::ClockSuspect { .. }
            | OpsFact::LeapSecond { .. }
            | OpsFact::Access { .. }
            | OpsFact::CallRefused { .. }
            | OpsFact::Started { .. }
            | OpsFact::Stopped => Outcome::Not(Reason::Outside),
        }
    }

    fn judge_key_made(&mut self, key: KeyId, public_key: Digest, case: &mut Case) -> Outcome {
        if !self.keys.made(key, public_key) {
            case.differs("the key's making was recorded before");
        }
        let named = self.genesis.as_ref().and_then(|genesis| genesis.keys.get(&key.to_string()));
        match named {
            Some(named) if *named == public_key => Outcome::Same,
            Some(_) => case.ends("genesis names another public key"),
            None => Outcome::Not(Reason::LaterKey),
        }
    }

    fn judge_key_ended(&mut self, key: KeyId, destroyed: bool, now: Timestamp, case: &mut Case) -> Outcome {
        let history = self.keys.history(key);
        let told = history.ended.is_some();
        history.ended.get_or_insert(now);
        if destroyed {
            return Outcome::Not(Reason::Outside); // by people, and after its end
        }
        if told {
            case.differs("the key's end was recorded before");
        }
        // A key may end before its time when another has followed it.
        if self.keys.is_followed(key) {
            return Outcome::Same;
        }
        let Some(unit) = self.keys.unit(key) else { return Outcome::Not(Reason::NoCertificate) };
        let not_after = unit.tsu.key_period().not_after;
        if now <= not_after {
            case.differs(format!("the key's end is recorded at {now}, and its period ends at {not_after}"));
        }
        Outcome::Same
    }

    /// No token bears a time at which the clock was stopped.
    fn judge_stop(&self, now: Timestamp, ago_millis: u64, case: &mut Case) {
        let lost_at = now.minus_millis(ago_millis);
        let told_late = now.minus_millis(TOLD_LATE_MILLIS);
        let back_at = lost_at.plus_millis(self.rules.stop_millis_min).min(now).max(told_late);
        // Whole seconds within the stop.
        let from = lost_at.plus_millis(LOSS_MARGIN_MILLIS + 999).secs();
        if let Some(second) = self.seconds_with_tokens.first_in(from..back_at.secs()) {
            case.differs(format!(
                "the clock was lost at {lost_at}, and was not back before {back_at}; a token bears the time {}",
                Timestamp::from_secs(second)
            ));
        }
    }
}

fn key_of(fact: &OpsFact) -> Option<Aggregate> {
    match fact {
        OpsFact::KeyMade { key, .. } | OpsFact::KeyFirstUse { key } | OpsFact::KeyEnded { key, .. } => {
            Some(Aggregate::of_key(*key))
        }
        _ => None,
    }
}

/// What the document of genesis says, as its fact says it.
fn fact_of(genesis: &Genesis) -> Option<LedgerFact> {
    let vkey = VerifierKey::parse(&genesis.vkey).ok().filter(|vkey| vkey.name() == genesis.origin)?;
    let log_note = PublicKey::from_ed25519(vkey.key().try_into().ok()?).ok()?;
    Some(LedgerFact::Genesis {
        origin_hash: Digest::of(genesis.origin.as_bytes()),
        log_note: Digest::of(log_note.spki_der()),
        log_receipt: Digest::of(&hex::decode(&genesis.receipt_key).ok()?),
        root_certificate: genesis.root_certificate,
        mmd_ms: genesis.mmd_ms,
        formats: genesis.formats,
    })
}
