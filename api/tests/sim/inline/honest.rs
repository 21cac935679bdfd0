//! An honest side of an exchange through the arbiter: the program's own client (`semper_ttp::client::swap`) with a disk of its own, which may
//! be killed between any two steps. And sides that break one of its rules.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use semper_ttp::{
    b64u::{self, B64u},
    client::{
        message::Message,
        party::Pen,
        swap::{
            Act, At, End,
            begin::{Barter, Own},
            dossier::{Piece, SwapDossier},
            given::Given,
            side::{Asks, Swap},
        },
    },
    crypto::OsEntropy,
    digest::Digest,
    statement::{
        Jws, Salt,
        exchange::{Line, Side, item::MatchResult},
    },
};
use serde_json::{Value, json};

use super::Bargain;
use crate::{
    rule::Rule,
    stage::{Stage, index, other},
    world::{inline::MEDIA, office::random},
};

/// What lies on its disk.
#[derive(Clone)]
struct Disk {
    dossier: Vec<u8>,
    /// What it leaves at the arbiter: its item, or the ciphertext.
    beside: Vec<u8>,
    /// What it has collected.
    got: Option<Vec<u8>>,
    /// What the dossier says, so that it need not be read at each look.
    at: At,
}

/// What it asks of the arbiter.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) body: Value,
    /// Whether it shows its certificate.
    pub(super) logs_in: bool,
}

pub(super) struct Honest {
    pub(super) side: Side,
    rule: Rule,
    disk: Option<Disk>,
    /// What the running program has of it.
    swap: Option<(Swap, Vec<u8>)>,
    pub(super) is_up: bool,
    /// Whether its user takes what no machine can check.
    pub(super) is_content: bool,
    /// It has gone away without a word of the arbiter's, against the rule.
    has_gone: bool,
}

impl Honest {
    pub(super) fn new(side: Side, rule: Rule, is_content: bool) -> Self {
        Self { side, rule, disk: None, swap: None, is_up: true, is_content, has_gone: false }
    }

    fn pen<'s>(&self, stage: &'s Stage) -> Pen<'s> {
        Pen { key: &stage.member(self.side).sign, salt: Salt(B64u(random())), now: stage.now() }
    }

    /// What lies on its disk, as whoever looks at it later reads it.
    pub(super) fn kept(&self) -> Option<(Swap, Option<&[u8]>)> {
        let disk = self.disk.as_ref()?;
        let dossier = SwapDossier::parse(&disk.dossier).expect("it wrote it");
        Some((Swap::open(dossier).expect("it wrote it"), disk.got.as_deref()))
    }

    pub(super) fn has_begun(&self) -> bool {
        self.disk.is_some()
    }

    pub(super) fn at(&self) -> Option<At> {
        Some(self.disk.as_ref()?.at)
    }

    /// How it ended, as it believes.
    pub(super) fn end(&self) -> Option<End> {
        if self.has_gone { Some(End::Returned) } else { self.disk.as_ref()?.at.end() }
    }

    /// Whether there is anything for it to ask.
    pub(super) fn asks(&self) -> bool {
        self.swap.as_ref().is_some_and(|(swap, _)| swap.asks().is_some()) && !self.has_gone
    }

    /// The originator begins; gives the message that is sent.
    pub(super) fn propose(&mut self, stage: &Stage, bargain: &Bargain) -> Option<Vec<u8>> {
        let (own, peer) = (stage.chain(self.side), stage.chain(other(self.side)));
        let offer = stage.offer(None);
        let [gives, wants] = bargain.described.clone();
        let barter = Barter {
            o: offer.o,
            r: offer.r,
            ttp: stage.escrow_arbiter(),
            gives,
            wants,
            mode: bargain.mode,
            t_dep: bargain.t_dep,
            t_exp: bargain.t_exp,
            retention_ms: None,
            assurance: offer.assurance,
        };
        let media = Line::new(MEDIA[0]).expect("a line");
        let item = Own { octets: &bargain.items[0], media: &media, takes_weak: true };
        let begun = Swap::propose(barter, &item, &stage.house, (&own, &peer), &OsEntropy, &self.pen(stage));
        self.swap = Some(begun.expect("a proposal in time"));
        self.message()
    }

    /// A message comes. What does not hold changes nothing. Gives what is sent for it.
    pub(super) fn take(&mut self, stage: &Stage, octets: &[u8], bargain: &Bargain) -> Option<Vec<u8>> {
        let message = Message::parse(octets).ok()?;
        let pen = self.pen(stage);
        if let Some((swap, _)) = &mut self.swap {
            // Who has agreed sends that again to whoever proposes again.
            return match self.side {
                Side::Originator => swap.take(&message.statement, &pen).ok().and(None),
                Side::Responder => self.message().filter(|_| message.x() == self.x()),
            };
        }
        if self.side == Side::Originator {
            return None;
        }
        let own = stage.chain(self.side);
        let invitation = Swap::read(&message, &own, &stage.house, stage.now()).ok()?;
        if stage.register.contains(&invitation.proposed.run.x) {
            return None;
        }
        let media = Line::new(MEDIA[1]).expect("a line");
        let item = Own { octets: &bargain.items[1], media: &media, takes_weak: true };
        let chains = (&own[..], &message.certificates[..]);
        let expects = (&item, &bargain.described[0]);
        self.swap = Some(Swap::join(&invitation, expects, &stage.house, chains, &OsEntropy, &pen).ok()?);
        self.message()
    }

    fn message(&self) -> Option<Vec<u8>> {
        self.swap.as_ref()?.0.message().map(|message| message.to_bytes())
    }

    /// The run, once it has begun.
    fn x(&self) -> Digest {
        self.swap.as_ref().expect("it has begun").0.proposed().run.x
    }

    /// What it has to send as long as nobody has answered.
    pub(super) fn again(&self) -> Option<Vec<u8>> {
        let waits = match self.side {
            Side::Originator => self.at() == Some(At::Proposed),
            Side::Responder => self.has_begun() && self.end().is_none(),
        };
        self.message().filter(|_| waits)
    }

    /// Its user wants no more of it, where that can be said.
    pub(super) fn cancel(&mut self, stage: &Stage) -> bool {
        let pen = self.pen(stage);
        let at = self.at();
        if self.rule == Rule::GivesUp && at == Some(At::Proposed) {
            return false;
        }
        if self.rule == Rule::OverByVerdictAlone && at == Some(At::Deposited) {
            self.has_gone = true;
            return false;
        }
        self.swap.as_mut().is_some_and(|(swap, _)| swap.cancel(&pen).is_ok())
    }

    /// Whether its user is to say that it takes both items as they are.
    pub(super) fn is_asked(&self) -> bool {
        let swap = self.swap.as_ref().map(|(swap, _)| swap);
        self.is_content && swap.is_some_and(|swap| swap.at() == At::Deposited && swap.is_for_people())
    }

    /// Its user takes the other's item, which has this hash.
    pub(super) fn waive(&mut self, stage: &Stage, hash: Digest) {
        let pen = self.pen(stage);
        if let Some((swap, _)) = &mut self.swap {
            swap.waive(hash, &pen).expect("it has deposited");
        }
    }

    /// Puts the state on the disk, and what may be answered only once.
    pub(super) fn store(&mut self, stage: &mut Stage) {
        let Some((swap, beside)) = &self.swap else { return };
        if self.side == Side::Responder {
            stage.register.insert(swap.proposed().run.x);
        }
        let got = self.disk.take().and_then(|disk| disk.got);
        let (dossier, at) = (swap.dossier().to_bytes(), swap.at());
        self.disk = Some(Disk { dossier, beside: beside.clone(), got, at });
    }

    /// The program is killed.
    pub(super) fn kill(&mut self) {
        (self.swap, self.is_up) = (None, false);
    }

    /// It is started again, and goes on with what lies on the disk.
    pub(super) fn start(&mut self) {
        self.is_up = true;
        self.swap = self.disk.as_ref().map(|disk| {
            let dossier = SwapDossier::parse(&disk.dossier).expect("it wrote it");
            (Swap::open(dossier).expect("it wrote it"), disk.beside.clone())
        });
    }

    /// What it asks of the arbiter next.
    pub(super) fn asked(&self) -> Option<Asked> {
        let (swap, beside) = self.swap.as_ref()?;
        let path = |what: &str| format!("/v1/exchanges/{}{what}", b64u::encode(swap.proposed().run.x.as_bytes()));
        Some(match swap.asks()? {
            Asks::Register { i1, i2 } => {
                Asked { path: "/v1/exchanges".to_owned(), body: json!({ "i1": i1, "i2": i2 }), logs_in: false }
            }
            Asks::Deposit(deposit) => Asked {
                path: path("/deposits"),
                body: json!({ "deposit": deposit, "item": BASE64_STANDARD.encode(beside) }),
                logs_in: true,
            },
            Asks::State(statement) => {
                Asked { path: path("/statements"), body: json!({ "statement": statement }), logs_in: false }
            }
        })
    }

    /// The arbiter has answered. What is collected lies on the disk before the state says so.
    pub(super) fn answered(&mut self, stage: &Stage, answer: &Value) -> Result<(), String> {
        let given = Given::parse(answer.to_string().as_bytes()).map_err(|fault| fault.to_string())?;
        let pen = self.pen(stage);
        let (swap, _) = self.swap.as_mut().expect("it has asked");
        if swap.act() != Some(Act::Collect) {
            return swap.answered(&given, &pen).map_err(|stays| stays.to_string());
        }
        let (item, found) = swap.collected(&given).map_err(|stays| stays.to_string())?;
        if found == MatchResult::Mismatch {
            return Err("it is not what was described".to_owned());
        }
        swap.has_collected(&pen).map_err(|stays| stays.to_string())?;
        if let Some(disk) = &mut self.disk {
            disk.got = Some(item.to_vec());
        }
        Ok(())
    }

    /// The arbiter has nothing for it any more.
    pub(super) fn nothing_to_collect(&mut self, stage: &Stage) -> Result<(), String> {
        let pen = self.pen(stage);
        let (swap, _) = self.swap.as_mut().expect("it has asked");
        swap.nothing_to_collect(&pen).map_err(|stays| stays.to_string())
    }

    /// What it gives away before the arbiter has anything of the other side, where it does not keep that rule.
    pub(super) fn gives_first(&self) -> bool {
        self.rule == Rule::ThroughTheArbiter && matches!(self.at(), Some(At::Depositing))
    }

    /// A statement of its dossier.
    pub(super) fn statement(&self, piece: Piece) -> Option<Jws> {
        let (swap, _) = self.kept()?;
        swap.dossier().statement(piece).map(|text| Jws::parse(text.as_bytes()).expect("it was kept"))
    }
}

pub(super) const fn other_item(side: Side) -> usize {
    1 - index(side)
}
