//! An exchange through the arbiter, between two parties of a world.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use semper_ttp::{
    b64u,
    crypto::{
        OsEntropy, SecretKey,
        jwe::{AgreementKey, AgreementPublic, seal},
    },
    digest::Digest,
    exchange::{
        inline::sealed::{escrow_context, key_hash, seal_item},
        item::fairness,
    },
    statement::{
        Count, Jws, Millis,
        exchange::{
            Arbiter, Line, Side,
            asw_r::M1,
            cd_r::{EscrowArbiter, EscrowText},
            inline::{Cancel, Collect, Deposit, DepositMode, I1, I2, SealedItem, Waive},
            item::{ItemDescriptor, ItemKind, MatchResult, Recovery},
        },
    },
};
use serde_json::{Value, json};

use super::{
    START,
    exchange::{ask_at, name_of, offer, sign, text},
    office::{DELTA_MS, Member, World, exchange_policy},
};

/// The items, the originator's first.
pub(crate) const ITEMS: [&[u8]; 2] = [b"The plans of the house.", br#"{"licence":7}"#];

pub(crate) const MEDIA: [&str; 2] = ["text/plain", "application/json"];

pub(crate) const T_DEP: u64 = START.millis() + 10 * DELTA_MS;
pub(crate) const T_EXP: u64 = START.millis() + 20 * DELTA_MS;

pub(crate) const SIDES: [Side; 2] = [Side::Originator, Side::Responder];

const fn at(side: Side) -> usize {
    match side {
        Side::Originator => 0,
        Side::Responder => 1,
    }
}

/// A file that is named by its hash.
pub(crate) fn file(octets: &[u8], media: &str) -> ItemDescriptor {
    ItemDescriptor {
        kind: ItemKind::Bytes,
        sha256: Some(Digest::of(octets).into()),
        len: Count::new(octets.len() as u64),
        media: Line::new(media),
        amount: None,
        predicate: None,
        verifier: None,
        recovery: Recovery::None,
    }
}

/// Goods: of their papers a machine knows nothing.
pub(crate) fn goods() -> ItemDescriptor {
    ItemDescriptor { kind: ItemKind::Physical, sha256: None, len: None, media: None, ..file(b"", "a") }
}

/// An exchange as far as the arbiter hears of it.
pub(crate) struct Exchange<'w> {
    pub(crate) o: &'w Member,
    pub(crate) r: &'w Member,
    pub(crate) proposal: I1,
    pub(crate) i1: Jws,
    pub(crate) i2: Jws,
    escrow: AgreementPublic,
}

impl<'w> Exchange<'w> {
    /// Plans for a licence, each named by its hash.
    pub(crate) fn new(world: &World, o: &'w Member, r: &'w Member, mode: DepositMode) -> Self {
        Self::with(world, (o, r), |proposal| proposal.mode = mode)
    }

    /// With other terms, which are worth what they are worth.
    pub(crate) fn with(world: &World, (o, r): (&'w Member, &'w Member), change: impl Fn(&mut I1)) -> Self {
        let rules = exchange_policy().inline.expect("it has such a part").predicates;
        Self::of(world, (o, r), |proposal| {
            change(proposal);
            proposal.fairness = fairness(&proposal.o_item, &proposal.r_item, &rules);
        })
    }

    /// With terms that need not be right.
    pub(crate) fn of(world: &World, (o, r): (&'w Member, &'w Member), change: impl Fn(&mut I1)) -> Self {
        let M1 { policy, o: from, r: to, ttp, assurance, .. } = offer(world, o, r, None);
        let Arbiter { id, key, url, log } = ttp;
        let escrow = AgreementPublic::from_spki_der(&world.disk.escrow_spki()).unwrap();
        let mut proposal = I1 {
            deal: None,
            policy,
            o: from,
            r: to,
            ttp: EscrowArbiter { id, key, escrow_key: escrow.thumbprint(), url, log },
            o_item: file(ITEMS[0], MEDIA[0]),
            r_item: file(ITEMS[1], MEDIA[1]),
            mode: DepositMode::Content,
            fairness: semper_ttp::statement::exchange::item::Fairness::Strong,
            t_dep: Millis::new(T_DEP).unwrap(),
            t_exp: Millis::new(T_EXP).unwrap(),
            retention_ms: None,
            assurance,
        };
        change(&mut proposal);
        let i1 = sign(&o.sign, None, proposal);
        Self::proposed(world, (o, r), i1)
    }

    /// One that was proposed, and is agreed to.
    pub(crate) fn proposed(world: &World, (o, r): (&'w Member, &'w Member), i1: Jws) -> Self {
        let escrow = AgreementPublic::from_spki_der(&world.disk.escrow_spki()).unwrap();
        let proposal = i1.payload_as::<I1>().unwrap().body;
        let i2 = sign(&r.sign, Some(i1.x()), I2 { m1: i1.digest().into() });
        Self { o, r, proposal, i1, i2, escrow }
    }

    pub(crate) fn x(&self) -> Digest {
        self.i1.x()
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/v1/exchanges/{}{what}", b64u::encode(self.x().as_bytes()))
    }

    pub(crate) fn member(&self, side: Side) -> &Member {
        match side {
            Side::Originator => self.o,
            Side::Responder => self.r,
        }
    }

    pub(crate) fn agreement(&self) -> Value {
        json!({ "i1": text(&self.i1), "i2": text(&self.i2) })
    }

    pub(crate) async fn register(&self, world: &World) -> (u16, Value) {
        ask_at(world, "/v1/exchanges", &self.agreement()).await
    }

    /// What a side says that it deposits, and what comes beside it.
    pub(crate) fn deposit_of(&self, side: Side, item: &[u8]) -> (Deposit, Vec<u8>) {
        let key = SecretKey::generate(&OsEntropy).unwrap();
        let (sealed, beside) = match self.proposal.mode {
            DepositMode::Content => (None, item.to_vec()),
            DepositMode::Sealed => {
                let (sealed, content) = self.sealed(side, item, &key, &key);
                (Some(sealed), content)
            }
        };
        let deposit = Deposit {
            side,
            item_sha256: Digest::of(item).into(),
            size: Count::new(item.len() as u64).unwrap(),
            media: Line::new(MEDIA[at(side)]).unwrap(),
            result: MatchResult::Match,
            sealed,
        };
        (deposit, beside)
    }

    /// An item sealed under one key, with another one in its escrow perhaps.
    pub(crate) fn sealed(
        &self,
        side: Side,
        item: &[u8],
        key: &SecretKey,
        escrowed: &SecretKey,
    ) -> (SealedItem, Vec<u8>) {
        let content = seal_item(key, &self.x(), side, item, &OsEntropy).unwrap();
        let (c_sha256, hk) = (Digest::of(&content), key_hash(key));
        let context = escrow_context(&self.x(), side, &c_sha256, &Digest::of(item), &hk).0;
        let ephemeral = AgreementKey::generate().unwrap();
        let sender = name_of(&self.member(side).sign).0.0;
        let esc = seal(escrowed, &self.escrow, &sender, &context, &ephemeral, &OsEntropy).unwrap();
        let c_len = Count::new(content.len() as u64).unwrap();
        let esc = EscrowText::new(&esc).unwrap();
        (SealedItem { c_sha256: c_sha256.into(), c_len, hk: hk.into(), esc }, content)
    }

    /// The body of a deposit.
    pub(crate) fn deposit(&self, side: Side, item: &[u8]) -> Value {
        let (deposit, beside) = self.deposit_of(side, item);
        self.body_of(side, deposit, &beside)
    }

    pub(crate) fn body_of(&self, side: Side, deposit: Deposit, beside: &[u8]) -> Value {
        let deposit = sign(&self.member(side).sign, Some(self.x()), deposit);
        json!({ "deposit": text(&deposit), "item": BASE64_STANDARD.encode(beside) })
    }

    /// Leaves what was promised.
    pub(crate) async fn leave(&self, world: &World, side: Side) -> (u16, Value) {
        self.leave_this(world, side, &self.deposit(side, ITEMS[at(side)])).await
    }

    pub(crate) async fn leave_this(&self, world: &World, side: Side, body: &Value) -> (u16, Value) {
        world.post(&self.member(side).login, &self.path("/deposits"), body).await
    }

    pub(crate) fn collect(&self, side: Side) -> Value {
        self.statement(&sign(&self.member(side).sign, Some(self.x()), Collect {}))
    }

    pub(crate) fn cancel(&self, side: Side) -> Value {
        self.statement(&sign(&self.member(side).sign, Some(self.x()), Cancel {}))
    }

    pub(crate) fn waive(&self, side: Side, items: [&[u8]; 2]) -> Value {
        let [o_item, r_item] = items.map(|item| Digest::of(item).into());
        self.statement(&sign(&self.member(side).sign, Some(self.x()), Waive { o_item, r_item }))
    }

    fn statement(&self, jws: &Jws) -> Value {
        json!({ "statement": text(jws) })
    }

    pub(crate) async fn state(&self, world: &World, body: &Value) -> (u16, Value) {
        ask_at(world, &self.path("/statements"), body).await
    }

    pub(crate) async fn show(&self, world: &World, side: Side) -> (u16, Value) {
        world.get(&self.member(side).login, &self.path("")).await
    }
}
