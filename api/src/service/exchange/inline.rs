//! Exchanges through the arbiter: both sides agree, each leaves its item, one decision lets both go or neither.
//!
//! ```text
//! i1, i2 | deposit with its item | cancel, waive, collect | a timer → the rules of the run → turn of this run: fold, door, decide, keys, sign → one commit
//! ```
//!
//! Like everywhere at the arbiter the statement's own signature says whose it is. What was answered is answered again. A deposit that is not
//! what it says is no refusal but a fact: its depositor gets that signed, and may leave another.

mod answer;
mod commit;
mod due;
mod items;

use std::sync::Arc;
use std::time::Instant;

use semper_ledger::sequencer::Refused;
use semper_ttp::{
    crypto::jose::Thumbprint,
    digest::Digest,
    evidence::KeyPurpose,
    exchange::{
        Broken,
        inline::{
            Agreed, Agreement, Clocked, Deposited, Ends, Inline, InlineEvent, InlineRefusal, InlineState, Proposed,
            STATEMENT_BYTES_MAX, Signed,
        },
        policy::{ExchangePolicy, InlinePolicy},
    },
    role::{Role as _, Snapshot},
    statement::{
        Body as _, Jws, StatementFault,
        exchange::{
            Protocol, Side,
            inline::{Cancel, Collect, Deposit, DepositFault, I1, I2, Registered, Waive},
            item::MatchResult,
        },
    },
    timestamp::ClockVerdict,
};

pub(crate) use self::answer::{InlineAnswer, InlineView, Item};
use self::items::SealedItem;
use super::super::{Service, ServiceFault, act::ATTEMPTS_MAX, desk::RoleKey};
use super::{ExchangeFault, check::read, keys::Signers};
use crate::body::Room;

/// Items that are exchanged here: how long one may be, and how many octets of them are on their way at once.
#[derive(Clone, Copy, Debug)]
pub struct ItemSettings {
    /// Octets of one item, or of its ciphertext.
    pub bytes_max: usize,
    /// Octets of all that come or go at one moment.
    pub in_flight_bytes: usize,
}

/// What stands around an item in JSON: its deposit, with an escrow.
const AROUND_BYTES: usize = 16 << 10;

/// Where items come and go.
pub(crate) struct ItemRoom {
    pub(crate) bytes_max: usize,
    /// In base64, with what stands around it.
    pub(crate) json: Room,
}

impl From<ItemSettings> for ItemRoom {
    fn from(ItemSettings { bytes_max, in_flight_bytes }: ItemSettings) -> Self {
        let json = Room::new(in_base64(bytes_max) + AROUND_BYTES, in_base64(in_flight_bytes));
        Self { bytes_max, json }
    }
}

/// So many octets in base64.
const fn in_base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// A run that both sides have agreed on, as its statements say.
struct AgreedRun {
    proposed: Proposed,
    agreed: Agreed,
    policy: ExchangePolicy,
    inline: InlinePolicy,
    /// The key that signs for it.
    key: Arc<RoleKey>,
}

/// What happens in it.
enum Act {
    Register,
    Deposit {
        deposited: Box<Deposited>,
        found: Result<MatchResult, DepositFault>,
        /// What came beside it, where it may be taken.
        sealed: Option<SealedItem>,
    },
    Cancel(Signed),
    Waive(Signed, [Digest; 2]),
    Collect(Signed),
    Wake,
}

impl AgreedRun {
    fn x(&self) -> Digest {
        self.proposed.run.x
    }

    fn agreement(&self) -> Agreement {
        self.proposed.agreement(&self.agreed, &self.inline)
    }
}

impl Act {
    fn event(&self, run: &AgreedRun) -> InlineEvent {
        match self {
            Self::Register => InlineEvent::Register(Box::new(run.agreement())),
            Self::Deposit { deposited, found, .. } => {
                InlineEvent::Deposit { moved: deposited.moved(), size: deposited.deposit.size.get(), found: *found }
            }
            Self::Cancel(signed) => InlineEvent::Cancel { side: signed.side, request: signed.jws.x() },
            Self::Waive(signed, items) => {
                InlineEvent::Waive { side: signed.side, request: signed.jws.x(), items: *items }
            }
            Self::Collect(signed) => InlineEvent::Collect { side: signed.side, request: signed.jws.x() },
            Self::Wake => InlineEvent::Wake,
        }
    }

    /// Whose statement it is, and the statement.
    fn signed(&self) -> Option<(Side, &Jws)> {
        match self {
            Self::Deposit { deposited, .. } => Some((deposited.deposit.side, &deposited.jws)),
            Self::Cancel(signed) | Self::Waive(signed, _) | Self::Collect(signed) => Some((signed.side, &signed.jws)),
            Self::Register | Self::Wake => None,
        }
    }
}

/// What a statement led to, or why to nothing; with the certificate of who made it, where that is known.
pub(crate) type Shown = Result<InlineAnswer, (ExchangeFault, Option<Digest>)>;

impl Service {
    /// Where items come and go; `None` where nothing is exchanged through the arbiter.
    pub(crate) fn item_room(&self) -> Option<&ItemRoom> {
        self.items.as_ref().filter(|_| self.is_arbiter() && self.keeps_documents())
    }

    /// Takes both sides' agreement, from whomever. Blocks.
    pub(crate) fn register_exchange(&self, first: &[u8], second: &[u8]) -> Shown {
        let nobody = |fault: ExchangeFault| (fault, None);
        self.require_inline().map_err(nobody)?;
        let signers = Signers::of(self);
        let run = self.agreed_run(first, second, &signers).map_err(nobody)?;
        let known = self.state_of::<Inline>(&Inline::aggregate(&run.x())).map_err(|fault| nobody(fault.into()))?;
        if known.state.agreement.is_none() {
            let (now, _) = self.arbiter_time();
            run.proposed.require_policy(&run.inline, now).map_err(|broken| nobody(broken.into()))?;
        }
        self.inline_turn(&run, &Act::Register, &signers).map_err(nobody)
    }

    /// Takes one side's deposit, with what came beside it. Blocks, and computes.
    pub(crate) fn deposit_item(&self, x: &Digest, statement: &[u8], octets: &[u8]) -> Shown {
        self.shown_in_run(x, statement, &[Deposit::TAG], |run, jws, signers| {
            let keys = |name: &Thumbprint| signers.key(name);
            let deposited = run.proposed.deposited(jws, &keys)?;
            let (found, sealed) = self.look_at_item(run, &deposited, octets)?;
            Ok(Act::Deposit { deposited: Box::new(deposited), found, sealed })
        })
    }

    /// Takes one side's word that it cancels, waives or collects. Blocks.
    pub(crate) fn show_statement(&self, x: &Digest, statement: &[u8]) -> Shown {
        self.shown_in_run(x, statement, &[Cancel::TAG, Waive::TAG, Collect::TAG], |run, jws, signers| {
            let keys = |name: &Thumbprint| signers.key(name);
            Ok(match jws.tag() {
                Cancel::TAG => Act::Cancel(run.proposed.cancelled(jws, &keys)?),
                Waive::TAG => {
                    let (signed, items) = run.proposed.waived(jws, &keys)?;
                    Act::Waive(signed, items)
                }
                _ => Act::Collect(run.proposed.collects(jws, &keys)?),
            })
        })
    }

    fn shown_in_run(
        &self,
        x: &Digest,
        statement: &[u8],
        tags: &[&str],
        act: impl FnOnce(&AgreedRun, Jws, &Signers<'_>) -> Result<Act, ExchangeFault>,
    ) -> Shown {
        let nobody = |fault: ExchangeFault| (fault, None);
        self.require_inline().map_err(nobody)?;
        let signers = Signers::of(self);
        let jws = read_short(statement).map_err(nobody)?;
        let signer = signers.verify(&jws).map_err(nobody)?;
        let signer = (jws.common().x == Some((*x).into())).then_some(signer);
        let known = |fault: ExchangeFault| (fault, signer);
        if !tags.contains(&jws.tag()) {
            return Err(known(ExchangeFault::Request("the statement is none that is taken here")));
        }
        let run = self.registered_run(x, &signers).map_err(known)?;
        let act = act(&run, jws, &signers).map_err(known)?;
        self.inline_turn(&run, &act, &signers).map_err(known)
    }

    fn require_inline(&self) -> Result<(), ExchangeFault> {
        if !self.is_arbiter() {
            return Err(ExchangeFault::NoArbiter);
        }
        self.item_room().map(|_| ()).ok_or(ExchangeFault::NoInline)
    }

    /// Reads both first statements of a run.
    fn agreed_run(&self, first: &[u8], second: &[u8], signers: &Signers<'_>) -> Result<AgreedRun, ExchangeFault> {
        let keys = |name: &Thumbprint| signers.key(name);
        let proposed = Proposed::read(read(first, I1::TAG)?, &keys)?;
        let key = self.arbiter_of(&proposed.run)?;
        let escrow_key = proposed.escrow_key();
        if self.desks.named(KeyPurpose::ArbiterEscrow, &escrow_key).is_none() {
            return Err(Broken::EscrowKey { key: escrow_key.to_string() }.into());
        }
        let policy = self.exchange_policy(&proposed.run.policy)?.ok_or(ExchangeFault::Policy)?;
        let inline = policy.inline.clone().ok_or(ExchangeFault::Policy)?;
        let agreed = proposed.agreed(read(second, I2::TAG)?, &keys)?;
        Ok(AgreedRun { proposed, agreed, policy, inline, key })
    }

    /// The run as it was registered.
    fn registered_run(&self, x: &Digest, signers: &Signers<'_>) -> Result<AgreedRun, ExchangeFault> {
        let registered = self.reader().artefact_of_step(&Inline::aggregate(x).0, 0)?;
        let registered = registered.and_then(|bytes| Jws::parse(&bytes).ok());
        let registered = registered.and_then(|jws| jws.payload_as::<Registered>().ok());
        match registered.map(|statement| statement.body.basis) {
            Some(basis) if basis.len() == 2 => self.agreed_run(basis[0].as_bytes(), basis[1].as_bytes(), signers),
            // Also of a run of another protocol, which has no such artefact.
            _ => Err(InlineRefusal::NotRegistered.into()),
        }
    }

    /// Folds, decides, signs, commits; anew where somebody else was faster.
    fn inline_turn(&self, run: &AgreedRun, act: &Act, signers: &Signers<'_>) -> Result<InlineAnswer, ExchangeFault> {
        let aggregate = Inline::aggregate(&run.x());
        let _turn = self.turns.wait(&aggregate);
        for attempt in 0..ATTEMPTS_MAX {
            let before: Snapshot<InlineState> = self.state_of::<Inline>(&aggregate)?;
            let (now, clock) = self.arbiter_time();
            // Before the ends are looked up: what was away is told before anything is decided again.
            let inside = self.pass_door(now);
            // While the door is shut nothing new is asserted, as if there were no clock; what is known is told.
            let clock = if inside.is_ok() { clock } else { ClockVerdict::Stopped };
            let ends = self.ends_of(run)?;
            let event = Clocked { event: act.event(run), ends: ends.clone(), clock };
            let (facts, effects) = match Inline::decide(&before.state, &event, now) {
                Ok(done) => done,
                Err(_) if inside.is_err() => return Err(super::NOT_READY),
                Err(refusal) => {
                    if matches!(refusal, InlineRefusal::Clock { .. }) {
                        self.presence.close();
                    }
                    return Err(refusal.into());
                }
            };
            if facts.is_empty() {
                self.inline_due.put(&run.x(), before.state.wakes_after(&ends));
                return self.inline_answer(run, act, &before.state, false);
            }
            let _inside = inside?;
            if attempt == 0 {
                self.require_good_signers(run, act, signers)?;
            }
            let (commit, state) = self.commit_of_inline(run, act, &before, &facts, &effects, now)?;
            match self.ledger.append(commit) {
                Ok(_) => {
                    self.presence.was_there(now.millis());
                    self.inline_due.put(&run.x(), state.wakes_after(&ends));
                    if let (None, Some((_, decision))) = (&before.state.decision, &state.decision) {
                        self.metrics.exchange().decided(Protocol::Inline, decision.outcome);
                    }
                    return self.inline_answer(run, act, &state, true);
                }
                // Decided anew, on what the other one has left.
                Err(Refused::Stale { .. } | Refused::StepTaken { .. } | Refused::TagSeen { .. }) => {}
                Err(Refused::Busy) => return Err(ExchangeFault::Busy),
                Err(refused) => return Err(ServiceFault::from(refused).into()),
            }
        }
        Err(ExchangeFault::Busy)
    }

    /// Both ends of a run, moved by the arbiter's absences as far as the ledger tells of them.
    fn ends_of(&self, run: &AgreedRun) -> Result<Ends, ServiceFault> {
        let (t_dep, t_exp) = (run.proposed.proposal.t_dep.get(), run.proposed.proposal.t_exp.get());
        let delta_ms = run.policy.delta_ms;
        let outages = self.outages_since(t_dep.min(t_exp).saturating_sub(delta_ms))?;
        Ok(Ends::of(t_dep, t_exp, delta_ms, &outages))
    }

    /// Whether the keys of those who act were good, and nobody asks too much. What nobody asks for needs the arbiter's key alone.
    fn require_good_signers(&self, run: &AgreedRun, act: &Act, signers: &Signers<'_>) -> Result<(), ExchangeFault> {
        if let Some(revoked) = self.revoked_since(&run.key.digest)? {
            return Err(ExchangeFault::ArbiterRevoked(revoked));
        }
        let sides = &run.proposed.run;
        if let (Act::Deposit { .. }, Some(escrow)) = (act, self.escrow_of(run))
            && let Some(revoked) = self.revoked_since(&escrow.digest)?
        {
            return Err(ExchangeFault::ArbiterRevoked(revoked));
        }
        match (act, act.signed()) {
            (Act::Register, _) => {
                signers.require_good(&sides.o, None)?;
                signers.require_good(&sides.r, None)?;
                let taken = self.runs_quota.take(sides.o.id, Instant::now());
                taken.map_err(|over| ExchangeFault::TooMany(over.limit))
            }
            // It binds nobody: an item waits for its owner also when a certificate has ended meanwhile.
            (Act::Collect(_), Some((side, _))) => signers.require_unrevoked(sides.participant(side)),
            (_, Some((side, _))) => signers.require_good(sides.participant(side), None),
            (_, None) => Ok(()),
        }
    }
}

/// Reads a statement that follows.
fn read_short(bytes: &[u8]) -> Result<Jws, ExchangeFault> {
    let broken = |fault| ExchangeFault::Broken(Broken::Statement { of: "the statement", fault });
    if bytes.len() > STATEMENT_BYTES_MAX {
        return Err(broken(StatementFault::TooLong));
    }
    Jws::parse(bytes).map_err(broken)
}
