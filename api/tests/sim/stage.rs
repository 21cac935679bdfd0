//! What many runs share: an arbiter with its ledger and its clock, two parties, and what a listener kept of their earlier runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use semper_ledger::sequencer::Clock as _;
use semper_ttp::{
    asn1::pem,
    client::party::House,
    crypto::{jose::Key, jwe::AgreementPublic},
    digest::Digest,
    evidence::{Fact, Kind, Recorded as _},
    payment::{PaymentFact, book::Book, rail::RailClass},
    statement::exchange::{Side, asw_r::M1, cd_r::EscrowArbiter},
    time::Timestamp,
    x509::Certificate,
};
use serde_json::Value;

use crate::{
    optimistic::old::Old,
    paid::rail::PlayedRail,
    world::{
        audit::{audited, entry_of},
        exchange::{ask_at, known, offer},
        notary::{open, ready},
        office::{Member, World, exchange_policy},
    },
};

/// The longest that time passes without a look whether the arbiter is there.
const LOOK_MS: u64 = 20_000;

pub(crate) const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

pub(crate) const fn index(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

pub(crate) const fn other(side: Side) -> Side {
    match side {
        Side::Originator => Side::Responder,
        Side::Responder => Side::Originator,
    }
}

pub(crate) struct Stage {
    /// `None` only while the server is started again.
    world: Option<World>,
    /// The two sides, and one who carries goods.
    members: [Member; 3],
    pub(crate) house: House,
    /// Which offers the party that answers has ever answered, by their run and by what they use once.
    pub(crate) register: BTreeSet<Digest>,
    /// The verdict that was given at each path, in all runs.
    pub(crate) verdicts: BTreeMap<String, String>,
    /// When the arbiter was last seen.
    seen_ms: u64,
    /// What anybody may send again.
    pub(crate) old: Vec<Old>,
    /// What was asked in exchanges that are over: by whom, where, and whether a certificate was shown.
    pub(crate) asked: Vec<(Side, String, Value, bool)>,
    /// One has the money, the other holds it at a bank.
    pub(crate) rails: [Arc<PlayedRail>; 2],
    /// The book of all payments, as far as they were counted.
    pub(crate) book: Book,
    counted: u64,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let rails = [PlayedRail::new("sim", RailClass::Funded), PlayedRail::new("bank", RailClass::Auth)];
        let mut world = World::new();
        world.disk.provider = Some(rails[0].clone());
        world.disk.others = vec![rails[1].clone()];
        let world = open(world.restart(false));
        let officer = world.staff("officer");
        let members = [world.party(&officer).await, world.party(&officer).await, world.party(&officer).await];
        let named = known(&world).await;
        let chain = |shown: &Value| {
            let der = pem::decode("CERTIFICATE", shown.as_str().expect("a certificate")).unwrap().remove(0);
            let is_below = Certificate::from_der(&der).unwrap().issuer() == world.pki.ca.subject();
            let above = is_below.then(|| world.pki.ca.der().to_vec());
            std::iter::once(der).chain(above).collect::<Vec<_>>()
        };
        let house = House {
            root: world.pki.root.der().to_vec(),
            logs: vec![world.service.reader().vkey().clone()],
            arbiter: chain(&named["exchange"]["certificate"]),
            escrow: chain(&named["exchange"]["escrow"]["certificate"]),
            policy: exchange_policy().to_bytes(),
        };
        let seen_ms = world.now.now_ms();
        let (register, verdicts) = (BTreeSet::new(), BTreeMap::new());
        let (old, asked) = (Vec::new(), Vec::new());
        let (book, counted) = (Book::default(), world.service.reader().size());
        rails.iter().for_each(|rail| rail.advance_to(Timestamp::from_millis(seen_ms)));
        let mut stage =
            Self { world: Some(world), members, house, register, verdicts, seen_ms, old, asked, rails, book, counted };
        stage.old = Old::of(&stage);
        // The earlier runs were answered.
        stage.register.extend(stage.old.iter().flat_map(|old| [old.x, old.once]));
        stage
    }

    pub(crate) fn world(&self) -> &World {
        self.world.as_ref().expect("the server is there between two starts")
    }

    /// Who pays, who is paid, who carries: the sides first.
    pub(crate) fn party(&self, place: usize) -> &Member {
        &self.members[place]
    }

    /// The certificates of all three.
    pub(crate) fn everybody(&self) -> Vec<Vec<Vec<u8>>> {
        let chain = |member: &Member| vec![member.sign_certificate.der().to_vec(), self.world().pki.ca.der().to_vec()];
        self.members.iter().map(chain).collect()
    }

    pub(crate) fn member(&self, side: Side) -> &Member {
        &self.members[index(side)]
    }

    pub(crate) fn chain(&self, side: Side) -> Vec<Vec<u8>> {
        vec![self.member(side).sign_certificate.der().to_vec(), self.world().pki.ca.der().to_vec()]
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.world().now.now_ms())
    }

    /// What an offer between the two parties says before anybody has changed it.
    pub(crate) fn offer(&self, t_exp: Option<u64>) -> M1 {
        offer(self.world(), self.member(Side::Originator), self.member(Side::Responder), t_exp)
    }

    /// The same arbiter as it stands in a delivery.
    pub(crate) fn escrow_arbiter(&self) -> EscrowArbiter {
        let ttp = self.offer(None).ttp;
        let escrow_key = AgreementPublic::from_spki_der(&self.world().disk.escrow_spki()).unwrap().thumbprint();
        EscrowArbiter { id: ttp.id, key: ttp.key, escrow_key, url: ttp.url, log: ttp.log }
    }

    /// The keys of both parties and of the arbiter.
    pub(crate) fn keys(&self) -> Vec<Arc<Key>> {
        let of = |spki: &[u8]| Arc::new(Key::from_spki_der(spki).unwrap());
        let mut keys: Vec<_> = SIDES.iter().map(|side| of(&self.member(*side).sign_certificate.spki_der())).collect();
        keys.push(of(&self.world().disk.arbiter_spki()));
        keys
    }

    pub(crate) async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        ask_at(self.world(), path, body).await
    }

    /// Time passes, and the arbiter is there all the while.
    pub(crate) fn pass(&mut self, mut ms: u64) {
        while ms > 0 {
            let step = ms.min(LOOK_MS);
            self.world().now.at(Timestamp::from_millis(self.now().millis() + step));
            self.look();
            ms -= step;
        }
    }

    fn look(&mut self) {
        self.rails.iter().for_each(|rail| rail.advance_to(self.now()));
        let seen = self.world().service.arbiter_is_alive().unwrap();
        self.seen_ms = seen.expect("a synchronised clock and a good key");
    }

    /// For so long nobody is there: a process that stands still.
    pub(crate) fn stand_still(&mut self, ms: u64) {
        self.world().now.at(Timestamp::from_millis(self.now().millis() + ms));
        self.look();
    }

    /// The process is killed, and after so long there is another one on what lies on the disk.
    pub(crate) fn crash(&mut self, ms: u64) {
        let world = self.world.take().expect("the server is there between two starts");
        world.now.at(Timestamp::from_millis(world.now.now_ms() + ms));
        let world = world.restart(false);
        world.service.recall_arbiter(Some(self.seen_ms)).unwrap();
        self.world = Some(ready(world));
        self.look();
    }

    /// The facts about money that nobody has counted yet, which are posted now.
    ///
    /// # Errors
    /// What they break.
    pub(crate) fn take_money_facts(&mut self) -> Result<Vec<PaymentFact>, String> {
        let size = self.size();
        let from = std::mem::replace(&mut self.counted, size);
        let reader = self.world().service.reader();
        let facts = (from..self.counted).map(|index| Fact::decode(&reader.fact(index).unwrap().unwrap()).unwrap());
        let of_money = facts.filter(|fact| matches!(fact.kind, Kind::Payment(_)));
        let facts: Vec<_> = of_money.map(|fact| PaymentFact::from_fact(&fact).unwrap()).collect();
        for fact in &facts {
            let broken = self.book.post(fact);
            if !broken.is_empty() {
                return Err(format!("{broken:?} by {fact:?}"));
            }
        }
        Ok(facts)
    }

    /// Entries in the ledger.
    pub(crate) fn size(&self) -> u64 {
        self.world().service.reader().size()
    }

    /// What an auditor finds wrong with the whole ledger, from an entry on.
    pub(crate) fn audited(&self, from: u64) -> Vec<(u64, String)> {
        let found = audited(self.world()).into_iter();
        let found = found.map(|difference| (entry_of(&difference).unwrap_or(u64::MAX), difference.to_string()));
        found.filter(|(at, _)| *at >= from).collect()
    }
}
