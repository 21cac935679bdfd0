//! A payment for goods or for a receipt between parties of a world.

use std::sync::Arc;

use semper_ttp::{
    crypto::{
        Signer as _,
        jose::{Key, Thumbprint},
    },
    digest::Digest,
    evidence::{Fact, Kind, Recorded as _},
    exchange::{
        judge::{Filed, Finding, paid},
        terms_hash,
    },
    money::{Amount, Currency, RailId},
    payment::{Change, PaymentFact, book::Book},
    statement::{
        Body, Count, Jws, Millis,
        exchange::{
            FeeBps, Line, Outcome, Participant, Scheme,
            asw_r::M1,
            pg::{Accept, Goods, GoodsOrder},
            pr::PaymentOffer,
        },
    },
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{
    START,
    exchange::{ask_at, name_of, offer, sign, text},
    office::{Member, World},
};

const MINUTE: u64 = 60_000;
pub(crate) const T_HOLD: u64 = START.millis() + 60 * MINUTE;
pub(crate) const T_SHIP: u64 = START.millis() + 120 * MINUTE;
pub(crate) const T_EXP: u64 = START.millis() + 600 * MINUTE;
pub(crate) const T_ACCEPT: u64 = 30 * MINUTE;
pub(crate) const PRICE: u64 = 10_000;
/// What the service keeps of it.
pub(crate) const FEE: u64 = 250;

fn participant(member: &Member) -> Participant {
    Participant { id: member.id, scheme: Scheme::Semper, key: name_of(&member.sign) }
}

pub(crate) fn eur() -> Currency {
    Currency::new("EUR").unwrap()
}

/// A payment with all whom it names.
pub(crate) struct Sale<'w> {
    pub(crate) payer: &'w Member,
    pub(crate) payee: &'w Member,
    pub(crate) carrier: Option<&'w Member>,
    pub(crate) first: Jws,
}

impl<'w> Sale<'w> {
    /// Goods that a hand brings, with a carrier, or that come by a delivery.
    pub(crate) fn goods(
        world: &World,
        payer: &'w Member,
        payee: &'w Member,
        carrier: Option<&'w Member>,
        is_physical: bool,
        change: impl FnOnce(&mut GoodsOrder),
    ) -> Self {
        let mut order = Self::order(world, payer, payee, carrier, is_physical);
        change(&mut order);
        let first = sign(&payer.sign, None, order);
        Self { payer, payee, carrier, first }
    }

    /// What the buyer of goods says.
    pub(crate) fn order(
        world: &World,
        payer: &Member,
        payee: &Member,
        carrier: Option<&Member>,
        is_physical: bool,
    ) -> GoodsOrder {
        let M1 { policy, ttp, assurance, .. } = offer(world, payer, payee, None);
        let millis = |at| Millis::new(at).unwrap();
        GoodsOrder {
            deal: None,
            policy,
            buyer: participant(payer),
            seller: participant(payee),
            carrier: carrier.map(participant),
            ttp,
            terms: terms_hash(&[3; 32], b"One bicycle, blue.").into(),
            terms_media: Line::new("text/plain").unwrap(),
            goods: if is_physical { Goods::Physical {} } else { Goods::Digital { hm: None } },
            amount: Amount::new(PRICE, eur()).unwrap(),
            fee_bps: FeeBps::new(250).unwrap(),
            rail: RailId::new("sim").unwrap(),
            t_hold: millis(T_HOLD),
            t_ship: is_physical.then(|| millis(T_SHIP)),
            t_accept: is_physical.then(|| Count::new(T_ACCEPT).unwrap()),
            t_exp: millis(T_EXP),
            assurance,
        }
    }

    pub(crate) fn receipt(world: &World, payer: &'w Member, payee: &'w Member) -> Self {
        let first = sign(&payer.sign, None, Self::offer(world, payer, payee));
        Self { payer, payee, carrier: None, first }
    }

    /// What the payer of a receipt says.
    pub(crate) fn offer(world: &World, payer: &Member, payee: &Member) -> PaymentOffer {
        let M1 { policy, ttp, assurance, .. } = offer(world, payer, payee, None);
        PaymentOffer {
            deal: None,
            policy,
            payer: participant(payer),
            payee: participant(payee),
            ttp,
            receipt: terms_hash(&[3; 32], b"Paid for March.").into(),
            receipt_media: Line::new("text/plain").unwrap(),
            amount: Amount::new(PRICE, eur()).unwrap(),
            fee_bps: FeeBps::new(250).unwrap(),
            rail: RailId::new("sim").unwrap(),
            t_exp: Millis::new(T_EXP).unwrap(),
            assurance,
        }
    }

    pub(crate) fn x(&self) -> Digest {
        self.first.x()
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/v1/payments/{}{what}", semper_ttp::b64u::encode(self.x().as_bytes()))
    }

    /// The order is brought to the arbiter.
    pub(crate) async fn open(&self, world: &World) -> Value {
        let (status, answer) = ask_at(world, "/v1/payments", &json!({ "statement": text(&self.first) })).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) fn accept(&self) -> Jws {
        sign(&self.payee.sign, Some(self.x()), Accept { order: self.first.digest().into() })
    }

    /// A statement of somebody's in this run.
    pub(crate) fn by<B: Body>(&self, who: &Member, body: B) -> Jws {
        sign(&who.sign, Some(self.x()), body)
    }

    pub(crate) async fn say(&self, world: &World, jws: &Jws) -> (u16, Value) {
        ask_at(world, &self.path("/statements"), &json!({ "statement": text(jws) })).await
    }

    /// One that moves the run on.
    pub(crate) async fn said(&self, world: &World, jws: &Jws) -> Value {
        let (status, answer) = self.say(world, jws).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn seen_by(&self, world: &World, who: &Member) -> (u16, Value) {
        world.get(&who.login, &self.path("")).await
    }

    /// What is known now.
    pub(crate) async fn shown(&self, world: &World) -> Value {
        let (status, answer) = self.seen_by(world, self.payer).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The verdict, judged with what a court has, and whether there is a receipt that counts.
    pub(crate) fn judged(&self, world: &World, answer: &Value, others: &[Jws]) -> (Outcome, bool) {
        let verdict = Jws::parse(answer["decided"]["verdict"].as_str().expect("a verdict").as_bytes()).unwrap();
        let members = [Some(self.payer), Some(self.payee), self.carrier];
        let spki = members.into_iter().flatten().map(|member| member.sign.spki_der().to_vec());
        let known = spki.chain([world.disk.arbiter_spki()]).map(|spki| Arc::new(Key::from_spki_der(&spki).unwrap()));
        let known: Vec<_> = known.collect();
        let keys = |name: &Thumbprint| known.iter().find(|key| key.thumbprint() == *name).cloned();
        let evidence = paid::Evidence {
            first: self.first.clone(),
            statements: others.to_vec(),
            verdicts: vec![Filed { jws: verdict, is_logged: true }],
        };
        let judgement = paid::judge(&evidence, &keys).unwrap();
        assert_eq!(judgement.findings.iter().collect::<Vec<&Finding>>(), Vec::<&Finding>::new(), "{judgement:?}");
        assert_eq!(judgement.rejected, []);
        let proof = answer["decided"]["proof"].as_str().unwrap();
        let proof = semper_ledger::receipt::tlog_proof::TlogProof::parse(proof).unwrap();
        let log = [world.service.reader().vkey().clone()];
        proof.verify(&log, &semper_ttp::crypto::LogVerifier).unwrap();
        let entry = semper_ledger::entry::Entry::decode(proof.extra.as_deref().unwrap()).unwrap();
        assert_eq!(entry.tags.as_slice(), [semper_ttp::exchange::tag_of_verdict(&self.x())]);
        (judgement.decided.expect("decided").0, judgement.receipt)
    }
}

/// Time passes for the service and its rail, and the arbiter is there all the while; then it is looked for what is due.
pub(crate) fn pass_and_look(world: &World, millis: u64) {
    let at = Timestamp::from_millis(millis);
    super::exchange::pass_to(world, at);
    world.disk.rail.advance_to(at);
    world.service.look_at_payments();
}

/// All facts about money.
pub(crate) fn money_facts(world: &World) -> Vec<PaymentFact> {
    let reader = world.service.reader();
    let facts = (0..reader.size()).map(|index| Fact::decode(&reader.fact(index).unwrap().unwrap()).unwrap());
    let of_money = facts.filter(|fact| matches!(fact.kind, Kind::Payment(_)));
    of_money.map(|fact| PaymentFact::from_fact(&fact).unwrap()).collect()
}

/// The book that follows from the facts: nothing broken, nothing made or lost, every hold over exactly once, and as the rail has it.
/// Gives how often money was captured, and how often it went back.
pub(crate) fn balanced(world: &World) -> (usize, usize) {
    let facts = money_facts(world);
    let mut book = Book::default();
    for fact in &facts {
        assert_eq!(book.post(fact), [], "{fact:?}");
    }
    assert_eq!(book.check(), []);
    let sum: i128 = book.balances().filter(|(account, ..)| !account.is_memo()).map(|(.., minor)| minor).sum();
    assert_eq!(sum, 0, "all accounts together are nothing");
    let rail = RailId::new("sim").unwrap();
    assert_eq!(book.kept_by(&rail, eur()), world.disk.rail.kept(eur()), "the book is as the rail's statement");
    let count = |is: &dyn Fn(&Change) -> bool| facts.iter().filter(|fact| is(&fact.change)).count();
    let held = count(&|change| matches!(change, Change::Held { .. }));
    let captured = count(&|change| matches!(change, Change::Captured { .. }));
    let back = count(&|change| matches!(change, Change::Released { .. } | Change::Expired { .. }));
    assert_eq!(held, captured + back, "each hold is over, and once: {facts:?}");
    (captured, back)
}

impl Sale<'_> {
    /// What is owed to the payee, and what the service keeps.
    pub(crate) fn owed(&self, world: &World) -> (i128, i128) {
        use semper_ttp::payment::book::Account;
        let mut book = Book::default();
        money_facts(world).iter().for_each(|fact| drop(book.post(fact)));
        (book.balance(&Account::Payable(self.payee.id), eur()), book.balance(&Account::Fees, eur()))
    }
}
