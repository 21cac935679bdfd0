//! An honest side: the program's own client (`semper_ttp::client`) with a disk of its own, which may be killed between any two steps.
//! And sides that break one of its rules, so that what the simulation checks is known to bite.

use semper_ttp::{
    b64u::B64u,
    client::{
        automaton::{Act, End, Originator},
        dossier::{Dossier, Piece, Stand},
        message::{Beside, Message},
        party::{Drawn, Parcel, Party, Pen, Request, Terms},
        verdict::Given,
    },
    crypto::OsEntropy,
    statement::{
        Body as _, Jws, Salt,
        exchange::{
            Assurance, Line, Protocol, Side,
            asw_r::{M2, M3, M4},
            cd_r::{D2, D3, D4, Mode},
        },
    },
};
use serde_json::{Value, json};

use crate::{
    draw::random32,
    rule::Rule,
    stage::{Stage, other},
    world::{
        delivery::MESSAGE,
        exchange::sign,
        office::{DELTA_MS, random},
    },
};

/// Where the program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    No,
    /// What has happened is forgotten.
    BeforeStoring,
    /// What is on the disk has not left.
    BeforeSending,
}

/// What lies on its disk.
struct Disk {
    dossier: Vec<u8>,
    /// What comes with the first message.
    beside: Vec<u8>,
    /// What the dossier says, so that it need not be read at each look.
    end: Option<End>,
    overdue_at: Option<u64>,
    asks: bool,
}

pub(crate) struct Honest {
    pub(crate) side: Side,
    rule: Rule,
    patience_ms: u64,
    disk: Option<Disk>,
    /// What the running program has of it.
    party: Option<(Party, Vec<u8>)>,
    pub(crate) is_up: bool,
    /// Since when it asks the arbiter.
    pub(crate) asks_since: Option<u64>,
    /// Until when the arbiter has promised to answer what it asks.
    pub(crate) promised_until: Option<u64>,
    /// What it signs against a rule that it does not keep.
    extra: Vec<Jws>,
}

fn with_delta(party: &Party, delta_ms: u64) -> Party {
    let mut dossier = party.dossier().clone();
    dossier.delta_ms = delta_ms;
    Party::open(dossier).expect("it was open before")
}

impl Honest {
    pub(crate) fn new(side: Side, rule: Rule, patience_ms: u64) -> Self {
        Self {
            side,
            rule,
            patience_ms,
            disk: None,
            party: None,
            is_up: true,
            asks_since: None,
            promised_until: None,
            extra: Vec::new(),
        }
    }

    fn pen<'s>(&self, stage: &'s Stage) -> Pen<'s> {
        Pen { key: &stage.member(self.side).sign, salt: Salt(B64u(random())), now: stage.now() }
    }

    /// What lies on its disk, as whoever looks at it later reads it.
    pub(crate) fn kept(&self) -> Option<(Party, &[u8])> {
        let Disk { dossier, beside, .. } = self.disk.as_ref()?;
        Some((Party::open(Dossier::parse(dossier).expect("it wrote it")).expect("it wrote it"), beside))
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.disk.is_some()
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.disk.as_ref()?.end
    }

    /// When it has to do something that it cannot leave for later: wait no longer, or have asked.
    pub(crate) fn due_at(&self, asking_ms: u64) -> Option<u64> {
        let disk = self.disk.as_ref()?;
        match self.asks_since {
            // Who has a receipt relies on it.
            Some(since) => Some(self.promised_until.map_or(since + asking_ms, |until| until + 1)),
            None if disk.asks => Some(0),
            None => disk.overdue_at,
        }
    }

    /// The originator begins.
    pub(crate) fn offer(&mut self, stage: &Stage, protocol: Protocol, t_exp: Option<u64>) -> Option<Act> {
        let (own, peer) = (stage.chain(self.side), stage.chain(other(self.side)));
        let chains = (&own[..], &peer[..]);
        let offer = stage.offer(t_exp);
        let begun = match protocol {
            Protocol::CdR => {
                let parcel = Parcel {
                    o: offer.o,
                    r: offer.r,
                    ttp: stage.escrow_arbiter(),
                    message: MESSAGE.to_vec(),
                    about: Line::new("letter").expect("a line"),
                    mode: Mode::Basic,
                    pay: None,
                    t_exp: offer.t_exp,
                    assurance: Assurance::NonQualified,
                };
                Party::deliver(parcel, &stage.house, chains, self.patience_ms, &OsEntropy, &self.pen(stage))
            }
            _ => {
                let text = b"I sell, you buy.".to_vec();
                let terms = Terms {
                    o: offer.o,
                    r: offer.r,
                    ttp: offer.ttp,
                    text: text.clone(),
                    media: offer.terms_media,
                    t_exp: offer.t_exp,
                    assurance: Assurance::NonQualified,
                };
                let drawn = Drawn { nonce: random32(), terms_salt: random32() };
                Party::offer(terms, &stage.house, chains, self.patience_ms, drawn, &self.pen(stage))
                    .map(|party| (party, text))
            }
        };
        self.party = Some(self.weakened(begun.expect("an offer in time")));
        Some(Act::SendOffer)
    }

    /// The same with δ as this side takes it when it waits.
    fn weakened(&self, (party, beside): (Party, Vec<u8>)) -> (Party, Vec<u8>) {
        (if self.rule == Rule::Delta { with_delta(&party, 0) } else { party }, beside)
    }

    /// A message comes. What does not hold changes nothing.
    pub(crate) fn take(&mut self, stage: &Stage, octets: &[u8]) -> Option<Act> {
        let message = Message::parse(octets).ok()?;
        if self.party.is_none() {
            return if self.side == Side::Responder { self.accept(stage, &message) } else { None };
        }
        if self.rule == Rule::NoOpeningAfterAbort {
            self.open_all_the_same(stage, &message.statement);
        }
        let pen = self.pen(stage);
        let (party, beside) = self.party.as_mut()?;
        party.take(&message.statement, None, beside, &pen).ok()?
    }

    fn accept(&mut self, stage: &Stage, message: &Message) -> Option<Act> {
        let own = stage.chain(self.side);
        let offer = Party::read_offer(message, &own, &stage.house, stage.now()).ok()?;
        if stage.register.contains(&offer.run().x) || stage.register.contains(&offer.course.once()) {
            return None;
        }
        let beside = match &offer.beside {
            Beside::Contract(contract) => contract.text.clone(),
            Beside::Content(content) => content.clone(),
        };
        let chains = (&own[..], &message.certificates[..]);
        let drawn = (random32(), Vec::new());
        let party = Party::accept(&offer, &stage.house, chains, self.patience_ms, drawn, &self.pen(stage)).ok()?;
        self.party = Some(self.weakened((party, beside)));
        Some(Act::SendAnswer)
    }

    /// It waits no longer.
    pub(crate) fn overdue(&mut self, stage: &Stage) -> Option<Act> {
        let pen = self.pen(stage);
        let (party, _) = self.party.as_mut()?;
        party.overdue(&pen).expect("its own key signs")
    }

    /// Puts the state on the disk, and what may be answered only once.
    pub(crate) fn store(&mut self, stage: &mut Stage) {
        let Some((party, beside)) = &self.party else { return };
        if self.side == Side::Responder {
            stage.register.extend([party.course().run().x, party.course().once()]);
        }
        self.disk = Some(Disk {
            dossier: party.dossier().to_bytes(),
            beside: beside.clone(),
            end: party.end(),
            overdue_at: party.overdue_at(),
            asks: party.request().is_some(),
        });
    }

    pub(crate) fn stores_first(&self) -> bool {
        self.rule != Rule::StoreFirst
    }

    /// What an act sends, in the octets that were signed; and what no act sends, where a rule is not kept.
    pub(crate) fn letters(&mut self, stage: &Stage, act: Option<Act>) -> Vec<Vec<u8>> {
        let Some((party, beside)) = &self.party else { return Vec::new() };
        if party.request().is_some() && self.asks_since.is_none() {
            self.asks_since = Some(stage.now().millis());
        }
        if self.rule == Rule::NoClosingBeforeOpening && act == Some(Act::SendAnswer) {
            self.extra.push(self.closing(stage));
        }
        let protocol = party.dossier().protocol;
        let sent = act.and_then(|act| party.message(act, beside));
        let certificates = stage.chain(self.side);
        let extra = std::mem::take(&mut self.extra).into_iter();
        let extra =
            extra.map(|statement| Message { protocol, statement, certificates: certificates.clone(), beside: None });
        sent.into_iter().chain(extra).map(|message| message.to_bytes()).collect()
    }

    /// The program is killed.
    pub(crate) fn kill(&mut self) {
        (self.party, self.is_up, self.asks_since, self.promised_until) = (None, false, None, None);
    }

    /// It is started again, and goes on with what lies on the disk.
    pub(crate) fn start(&mut self) -> Option<Act> {
        self.is_up = true;
        self.party = self.kept().map(|(party, beside)| (party, beside.to_vec()));
        self.party.as_ref().and_then(|(party, _)| party.again())
    }

    pub(crate) fn asks(&self) -> bool {
        self.party.as_ref().is_some_and(|(party, _)| party.request().is_some())
    }

    /// What it asks of the arbiter.
    pub(crate) fn request(&self) -> Option<Request> {
        self.party.as_ref()?.0.request()
    }

    /// The arbiter has answered.
    pub(crate) fn decided(&mut self, stage: &mut Stage, answer: &Value) -> Result<(), String> {
        let given = Given::parse(answer.to_string().as_bytes()).map_err(|fault| fault.to_string())?;
        let (mut party, beside) = self.party.take().expect("it has asked");
        // What the arbiter's word is worth, it judges by the δ of the policy whatever its rule.
        party = with_delta(&party, DELTA_MS);
        let decided = party.decided(&given, stage.now());
        self.party = Some(self.weakened((party, beside)));
        decided.map_err(|stays| stays.to_string())?;
        (self.asks_since, self.promised_until) = (None, None);
        self.store(stage);
        Ok(())
    }

    /// Everything that it has signed in this run, and what it received.
    pub(crate) fn files(&self) -> Vec<Jws> {
        let kept = self.kept().map(|(party, _)| {
            let read =
                |piece: &Piece| party.dossier().statement(*piece).map(|text| Jws::parse(text.as_bytes()).unwrap());
            [Piece::Second, Piece::Third, Piece::Fourth, Piece::Abort].iter().filter_map(read).collect::<Vec<_>>()
        });
        kept.unwrap_or_default()
    }

    /// The secret in its dossier, by its name there.
    fn secret(&self, of: &str, name: &str) -> Value {
        let (party, _) = self.party.as_ref().expect("it runs");
        let dossier: Value = serde_json::from_slice(&party.dossier().to_bytes()).expect("JSON");
        dossier["secret"][of][name].clone()
    }

    fn open_all_the_same(&mut self, stage: &Stage, answer: &Jws) {
        let Some((party, _)) = &self.party else { return };
        let has_aborted =
            matches!(party.dossier().stand, Stand::Originator(Originator::Aborting | Originator::Done(End::Aborted)));
        if !has_aborted || ![M2::TAG, D2::TAG].contains(&answer.tag()) || party.expects(answer).is_err() {
            return;
        }
        let (x, key) = (Some(party.course().run().x), &stage.member(self.side).sign);
        let third = match party.dossier().protocol {
            Protocol::CdR => {
                sign(key, x, serde_json::from_value::<D3>(json!({ "k": self.secret("sealed", "k") })).unwrap())
            }
            _ => {
                let c_r = answer.payload_as::<M2>().unwrap().body.c_r;
                let n_o = serde_json::from_value(self.secret("contract", "nonce")).unwrap();
                sign(key, x, M3 { n_o, c_r })
            }
        };
        self.extra = vec![third];
    }

    fn closing(&self, stage: &Stage) -> Jws {
        let (party, _) = self.party.as_ref().expect("it runs");
        let (x, key) = (Some(party.course().run().x), &stage.member(self.side).sign);
        match party.course() {
            semper_ttp::client::course::Course::Delivery { posted, .. } => sign(key, x, D4 { hm: posted.delivery.hm }),
            semper_ttp::client::course::Course::Contract { offered, .. } => {
                let n_r = serde_json::from_value(self.secret("contract", "nonce")).unwrap();
                sign(key, x, M4 { n_r, c_o: offered.offer.c_o })
            }
        }
    }
}
