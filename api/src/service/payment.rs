//! Payments for goods and for receipts: what sides, carriers and rails say goes to the roles `paid` and `payment`, each step committed before
//! the next, and money moves by what stands in the ledger.
//!
//! ```text
//! statement → who signs → what it is (Opened) → turn of this run: fold, keys, door, decide, sign → commit ─┐
//! timer, start, a delivery's verdict, a callback ──────────────────────────────────────────────────────────┤
//!   ┌──────────────────────────────────────────────────────────────────────────────────────────────────────┘
//!   └▶ tell the run what became of its money → what is due by time → order → commit │ call the rail │ commit its answer ─▶ again
//! ```
//!
//! **One turn for both histories of a run**, its decisions and its money. No turn is held while a rail is asked: what is asked stands in the
//! ledger before, so whoever comes next, also after a crash, finds the call with its key and asks the same once more.
//!
//! Out of scope: what is decided (`semper_ttp::exchange::paid`, `semper_ttp::payment`), HTTP ([`crate::v1`]), the rails ([`crate::rails`]).

mod callback;
mod deliveries;
mod due;
mod run;
mod settle;
mod view;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, atomic::AtomicBool};
use std::time::Instant;

use semper_ttp::{
    crypto::jose::{Key, Thumbprint},
    digest::Digest,
    evidence::KeyPurpose,
    exchange::{
        Broken,
        paid::{DELIVERY_VERDICT_BYTES_MAX, Opened, PaidEvent, PaidRefusal, Shelved, Show, Shown},
        run::Keys,
    },
    money::RailId,
    payment::callback::{CallbackFault, Secret, Seen},
    payment::{
        PaymentRefusal,
        rail::{PaymentRail, RailClass},
    },
    statement::{
        Body as _, Jws, StatementFault,
        exchange::{
            Participant,
            cd_r::{D1, D4},
            pg::GoodsOrder,
            verdict::Verdict,
        },
    },
};
use tokio::sync::Semaphore;

pub(crate) use self::callback::{CALLBACK_TOLERANCE_SECS, is_replayed};
pub use self::due::payments_in_background;
pub(crate) use self::view::{KnownPayment, Recorded as RecordedStatement};
use self::{
    due::{Schedule, Settling},
    run::RunHere,
};
use super::{
    Service, ServiceFault,
    exchange::{ExchangeFault, keys::Signers},
};

/// Calls that one rail is asked at a time: a provider that hangs keeps that many threads, and no more.
const CALLS_AT_ONCE: usize = 16;

/// A rail as the service is given it.
pub struct RailParts {
    /// What moves the money.
    pub rail: Arc<dyn PaymentRail>,
    /// With what its provider signs callbacks, the old secret beside the new for a while; empty for a rail that sends none.
    pub secrets: Vec<Secret>,
    /// True where no real money is behind it: parties are told.
    pub is_simulated: bool,
}

/// All rails, and what is to be done for runs.
#[derive(Default)]
pub(super) struct Payments {
    rails: Vec<Rail>,
    schedule: Mutex<Schedule>,
    settling: Mutex<Settling>,
    /// Payments whose rail has declined for good what was decided.
    unsettled: Mutex<BTreeSet<Digest>>,
    /// Whether it was looked for what an earlier process has left.
    is_recalled: AtomicBool,
}

struct Rail {
    rail: Arc<dyn PaymentRail>,
    secrets: Vec<Secret>,
    is_simulated: bool,
    seen: Mutex<Seen>,
    permits: Semaphore,
}

impl From<Vec<RailParts>> for Payments {
    fn from(rails: Vec<RailParts>) -> Self {
        let rail = |RailParts { rail, secrets, is_simulated }: RailParts| Rail {
            rail,
            secrets,
            is_simulated,
            seen: Mutex::default(),
            permits: Semaphore::new(CALLS_AT_ONCE),
        };
        Self { rails: rails.into_iter().map(rail).collect(), ..Self::default() }
    }
}

impl Payments {
    fn rail(&self, id: &RailId) -> Option<&Rail> {
        self.rails.iter().find(|rail| rail.rail.id() == id)
    }
}

/// A statement as it was received.
#[derive(Clone, Debug)]
pub(crate) struct SentStatement {
    pub(crate) statement: Vec<u8>,
    /// Tokens of our own that prove when it was there.
    pub(crate) tokens: Vec<Vec<u8>>,
}

/// Why nothing was done for a payment.
#[derive(Debug, thiserror::Error)]
pub enum PaymentFault {
    /// As in any run.
    #[error(transparent)]
    Exchange(#[from] ExchangeFault),
    /// The rules of paid runs.
    #[error(transparent)]
    Paid(#[from] PaidRefusal),
    /// The rules of money, towards a rail.
    #[error(transparent)]
    Money(#[from] PaymentRefusal),
    /// No such run.
    #[error("there is no such payment")]
    None,
    /// No such rail.
    #[error("the payment names the rail {0:?}, and there is none of that name here")]
    NoRail(String),
    /// What a provider sends is not taken.
    #[error(transparent)]
    Callback(#[from] CallbackFault),
}

/// What is not of this role's making.
macro_rules! by_exchange {
    ($($fault:ty),+) => {
        $(impl From<$fault> for PaymentFault {
            fn from(fault: $fault) -> Self {
                Self::Exchange(fault.into())
            }
        })+
    };
}

by_exchange!(Broken, ServiceFault, semper_ledger::store::Fault);

/// What goes wrong, and the certificate of who asked, where it is known and the statement is of this run: such a refusal is recorded.
pub(crate) type RefusedStatement = (PaymentFault, Option<Digest>);

impl Service {
    /// Begins a run by its first statement, `pg/order` or `pr/offer`; one that was begun is as it is. Blocks.
    ///
    /// # Errors
    /// [`PaymentFault`], with who signed.
    pub(crate) fn open_payment(&self, sent: &SentStatement) -> Result<KnownPayment, RefusedStatement> {
        let nobody = |fault: PaymentFault| (fault, None);
        if !self.is_arbiter() {
            return Err(nobody(ExchangeFault::NoArbiter.into()));
        }
        let signers = Signers::of(self);
        let first = read(&sent.statement, "the first statement").map_err(nobody)?;
        let asker = signers.verify(&first).map_err(|fault| nobody(fault.into()))?;
        let somebody = |fault: PaymentFault| (fault, Some(asker));
        let opened = Opened::read(first, &|name| signers.key(name)).map_err(|broken| somebody(broken.into()))?;
        let x = opened.run.x;
        self.begin_run(opened, &signers, &sent.tokens).map_err(somebody)?;
        self.carry_on(&x);
        self.known_payment(&x).and_then(|known| known.ok_or(PaymentFault::None)).map_err(somebody)
    }

    fn begin_run(&self, opened: Opened, signers: &Signers<'_>, tokens: &[Vec<u8>]) -> Result<(), PaymentFault> {
        let mut run = self.new_run(opened)?;
        let terms = Box::new(run.opened.terms.clone());
        // What was begun stays so, whatever became of keys and rails.
        if self.paid_run(&terms.x)?.is_some() {
            return Ok(());
        }
        self.payments.rail(&terms.rail).ok_or_else(|| PaymentFault::NoRail(terms.rail.to_string()))?;
        // Before the turn: to look a party up may write to its history, which has a turn of its own.
        let (payer, payee) = (run.opened.run.o, run.opened.run.r);
        let proven = self.proven_times(tokens)?;
        signers.require_good(&payer, proven.earliest(&run.opened.jws))?;
        // They have signed nothing yet; that they are whom the first statement names is asked all the same.
        signers.require_known(&payee)?;
        if let Some(carrier) = carrier_of(&run.opened) {
            signers.require_known(&carrier)?;
        }
        self.require_quota(&payer)?;
        let _turn = self.turns.wait(&run.aggregate);
        if self.paid_run(&terms.x)?.is_some() {
            return Ok(());
        }
        let kept = run.opened.jws.clone();
        self.advance(&mut run, PaidEvent::Open(terms), Some(&kept))
    }

    /// Takes a later statement of a run: of a side, the carrier, or of the delivery that brings the goods. Blocks.
    ///
    /// # Errors
    /// [`PaymentFault`], with who signed.
    pub(crate) fn show_in_payment(&self, x: &Digest, sent: &SentStatement) -> Result<KnownPayment, RefusedStatement> {
        let nobody = |fault: PaymentFault| (fault, None);
        if !self.is_arbiter() {
            return Err(nobody(ExchangeFault::NoArbiter.into()));
        }
        let signers = Signers::of(self);
        let jws = read(&sent.statement, "the statement").map_err(nobody)?;
        let asker = match jws.tag() {
            // The arbiter's own word about a delivery, whoever brings it.
            Verdict::TAG => None,
            _ => Some(signers.verify(&jws).map_err(|fault| nobody(fault.into()))?),
        };
        // What was signed for another run is no act of its signer's in this one: anybody may have sent it here.
        let asker = asker.filter(|_| jws.common().x == Some((*x).into()));
        let known = self.take_statement(x, jws, &signers, &sent.tokens).and_then(|()| {
            self.carry_on(x);
            self.known_payment(x)?.ok_or(PaymentFault::None)
        });
        known.map_err(|fault| (fault, asker))
    }

    fn take_statement(
        &self,
        x: &Digest,
        jws: Jws,
        signers: &Signers<'_>,
        tokens: &[Vec<u8>],
    ) -> Result<(), PaymentFault> {
        let run = self.paid_run(x)?.ok_or(PaymentFault::None)?;
        let keys = |name: &Thumbprint| signers.key(name).or_else(|| self.verdict_key(name));
        let (show, kept) = self.what_is_shown(&run, jws, &keys)?;
        let is_known = |known: &Shelved| (known.what, known.statement) == (show.what, show.statement);
        if run.state.shown.iter().any(is_known) {
            return Ok(());
        }
        if let Some(signer) = signer_of(&run.opened, &show) {
            let proven = self.proven_times(tokens)?;
            signers.require_good(&signer, proven.earliest(&kept))?;
            self.require_quota(&signer)?;
        }
        let _turn = self.turns.wait(&run.aggregate);
        let mut run = self.paid_run(x)?.ok_or(PaymentFault::None)?;
        self.advance(&mut run, PaidEvent::Show(show), Some(&kept))
    }

    /// What a statement is to a run, and what is kept of it.
    fn what_is_shown(&self, run: &RunHere, jws: Jws, keys: Keys<'_>) -> Result<(Show, Jws), PaymentFault> {
        let opened = &run.opened;
        Ok(match jws.tag() {
            D1::TAG => {
                let (show, posted) = opened.posted(jws, keys)?;
                (show, posted.jws)
            }
            D4::TAG => {
                let first = self.kept_in(run, Shown::Posted)?.ok_or(ExchangeFault::Request(
                    "the first statement of the delivery is shown before the receipt for it",
                ))?;
                let (_, posted) = opened.posted(first, keys)?;
                (opened.delivered(&posted, &jws, keys)?, jws)
            }
            Verdict::TAG => {
                let delivery = opened.delivery_decided(&jws, keys)?.delivery.ok_or(Broken::NotLogged)?;
                // Of what the ledger has, the very octets, whatever signature the copy bears.
                let own = self.verdict_about(&delivery)?.filter(|own| own.x() == jws.x()).ok_or(Broken::NotLogged)?;
                (opened.delivery_decided(&own, keys)?, own)
            }
            _ => (opened.shown(&jws, keys)?, jws),
        })
    }

    /// The public half of a key of the arbiter's.
    fn verdict_key(&self, name: &Thumbprint) -> Option<Arc<Key>> {
        let key = self.desks.named(KeyPurpose::ArbiterVerdict, name)?;
        Key::from_spki_der(key.signer.spki_der()).ok().map(Arc::new)
    }

    fn require_quota(&self, signer: &Participant) -> Result<(), ExchangeFault> {
        let taken = self.runs_quota.take(signer.id, Instant::now());
        taken.map_err(|over| ExchangeFault::TooMany(over.limit))
    }

    /// By what it holds and moves money: the name, where the money is meanwhile, and whether that is imaginary.
    pub(crate) fn rails(&self) -> impl Iterator<Item = (&RailId, RailClass, bool)> {
        self.payments.rails.iter().map(|rail| (rail.rail.id(), rail.rail.class(), rail.is_simulated))
    }

    /// Whether this service holds money for runs.
    pub(crate) fn has_rails(&self) -> bool {
        !self.payments.rails.is_empty()
    }
}

/// Who carries physical goods, where the order names somebody.
fn carrier_of(opened: &Opened) -> Option<Participant> {
    opened.jws.payload_as::<GoodsOrder>().ok().and_then(|order| order.body.carrier)
}

/// Whose key must be good for a statement to count; `None` for the arbiter's own.
fn signer_of(opened: &Opened, show: &Show) -> Option<Participant> {
    let named = [Some(opened.run.o), Some(opened.run.r), carrier_of(opened)];
    named.into_iter().flatten().find(|participant| participant.key == show.by)
}

/// Reads a statement; how long one of its kind may be is asked when it is known what it is.
fn read(bytes: &[u8], of: &'static str) -> Result<Jws, PaymentFault> {
    let broken = |fault| PaymentFault::from(Broken::Statement { of, fault });
    if bytes.len() > DELIVERY_VERDICT_BYTES_MAX {
        return Err(broken(StatementFault::TooLong));
    }
    Jws::parse(bytes).map_err(broken)
}
