//! `semper payment`: a payment for goods or a receipt, from one of its sides or its carrier. Its folder is one of an exchange, with a document of
//! its own (`semper_ttp::client::pay`): signed, put on the disk, and only then sent.

use std::path::{Path, PathBuf};

use semper_api::client::ClientError;
use semper_ttp::b64u;
use semper_ttp::client::message::{CONTRACT_BYTES_MAX, Message};
use semper_ttp::client::party::{House, Stays};
use semper_ttp::client::pay::dossier::{PAYMENT_BYTES_MAX, PaymentDossier};
use semper_ttp::client::pay::{Deal, Part, Payment, Standing, Word};
use semper_ttp::client::peer::Holder;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::paid::Thing;
use semper_ttp::exchange::terms_hash;
use semper_ttp::money::Amount;
use semper_ttp::statement::exchange::pg::{Goods, GoodsOrder};
use semper_ttp::statement::exchange::pr::PaymentOffer;
use semper_ttp::statement::exchange::{Assurance, FeeBps, Line, Outcome};
use semper_ttp::statement::{Count, Jws, Millis};
use semper_ttp::time::Timestamp;
use serde_json::json;

use super::begin::{Opening, chain_at, message, participant, read};
use super::driver::{Driver, failed, pen};
use super::folder::{Folder, named_after};
use super::service;
use super::settings::Settings;
use super::words::{time, visible};
use crate::cli::{self, PaymentCommand};
use crate::clock::now;
use crate::commands::remote::Remote;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

/// The text of an order or a receipt.
const TEXT: &str = "contract";

/// Runs one of them.
pub(crate) fn run(args: cli::Payment, json: bool) -> Exit {
    let (name, done) = match args.command {
        PaymentCommand::Order(args) => ("order", order(&args, json)),
        PaymentCommand::Offer(args) => ("offer", offer(&args, json)),
        PaymentCommand::Take(args) => ("take", take(&args, json)),
        PaymentCommand::Say(args) => ("say", say_word(&args, json)),
        PaymentCommand::Show(args) => ("show", show(&args, json)),
        PaymentCommand::Status(args) => ("status", status(&args, json)),
        PaymentCommand::Send(args) => ("send", send(&args, json)),
    };
    done.unwrap_or_else(|Failed(exit, sentence)| {
        say::trouble(json, format_args!("payment {name}: {sentence}"));
        exit
    })
}

/// Somebody's payment on this machine.
struct Desk {
    folder: Folder,
    payment: Payment,
    settings: Settings,
}

impl Desk {
    fn create(place: &Path, payment: Payment, settings: Settings, text: &[u8]) -> Result<Self, Failed> {
        let folder = Folder::make(place, &settings, (TEXT, text), |folder| store(folder, &payment))?;
        Ok(Self { folder, payment, settings })
    }

    fn open(of: &cli::OfRun) -> Result<Self, Failed> {
        let folder = Folder::open(&of.run)?;
        let settings = folder.settings()?.with(&of.instead)?;
        let refused = |why: &dyn std::fmt::Display| Failed::usage(&format!("{}: {why}", of.run.display()));
        let dossier = PaymentDossier::parse(&folder.state(PAYMENT_BYTES_MAX)?).map_err(|fault| refused(&fault))?;
        let payment = Payment::open(dossier).map_err(|stays| refused(&stays))?;
        copy(&folder, &payment)?;
        Ok(Self { folder, payment, settings })
    }

    fn x(&self) -> Digest {
        self.payment.opened().run.x
    }

    fn first(&self) -> Result<String, Failed> {
        let first = self.payment.dossier().first().map(str::to_owned);
        first.ok_or_else(|| Failed::fault(&"no first statement"))
    }

    /// Brings the first statement, which may be there already.
    fn bring(&mut self, remote: &Remote) -> Result<Standing, Failed> {
        let first = self.first()?;
        let answer = service::pay(remote, None, &first)?;
        self.answered(&answer, Some(&first))
    }

    /// Brings a word; the payment, too, if the arbiter does not know it yet.
    fn bring_word(&mut self, remote: &Remote, word: &str) -> Result<Standing, Failed> {
        let x = self.x();
        let answer = match service::pay(remote, Some(&x), word) {
            Err(error) if is_unknown(&error) => {
                self.bring(remote)?;
                service::pay(remote, Some(&x), word)
            }
            answer => answer,
        };
        self.answered(&answer?, Some(word))
    }

    fn look(&mut self, remote: &Remote) -> Result<Standing, Failed> {
        match service::payment(remote, &self.x()) {
            Err(error) if is_unknown(&error) => self.bring(remote),
            answer => self.answered(&answer?, None),
        }
    }

    /// Takes an answer if all of it holds; what was decided is on the disk on return.
    fn answered(&mut self, answer: &[u8], said: Option<&str>) -> Result<Standing, Failed> {
        match self.payment.answered(answer, said) {
            Ok(standing) => {
                store(&self.folder, &self.payment)?;
                Ok(standing)
            }
            Err(stays) => {
                let kept = self.folder.keep_evidence("answer", answer)?;
                let Failed(exit, why) = failed(stays);
                Err(Failed(exit, format!("{why}; the arbiter's answer was kept as {}", kept.display())))
            }
        }
    }
}

fn is_unknown(error: &ClientError) -> bool {
    matches!(error, ClientError::NotFound { .. } | ClientError::Refused { status: 404, .. })
}

fn store(folder: &Folder, payment: &Payment) -> Result<(), Failed> {
    folder.replace_state(&payment.dossier().to_bytes())?;
    copy(folder, payment)
}

/// Files for people and judges; what is right is in the state.
fn copy(folder: &Folder, payment: &Payment) -> Result<(), Failed> {
    let dossier = payment.dossier();
    for (tag, statement) in dossier.statements() {
        folder.write(&format!("{}.jws", tag.rsplit('/').next().unwrap_or(tag)), statement.as_bytes())?;
    }
    folder.write("contract.salt", b64u::encode(&dossier.text_salt()).as_bytes())?;
    let pem = |chain: &[semper_ttp::client::dossier::Octets]| -> String {
        chain.iter().map(|der| semper_ttp::asn1::pem::encode("CERTIFICATE", &der.0)).collect()
    };
    folder.write("arbiter.pem", pem(&dossier.arbiter).as_bytes())?;
    let opened = payment.opened();
    for chain in &dossier.everybody {
        let octets: Vec<_> = chain.iter().map(|der| der.0.clone()).collect();
        let key = Holder::read(&octets).map(|holder| holder.key.thumbprint());
        let name = match key {
            Ok(key) if key == opened.run.o.key => "o.pem",
            Ok(key) if key == opened.run.r.key => "r.pem",
            Ok(key) if Some(key) == opened.carrier => "carrier.pem",
            _ => continue,
        };
        folder.write(name, pem(chain).as_bytes())?;
    }
    if let Some((verdict, proof)) = dossier.verdict() {
        folder.write("verdict.jws", verdict.as_bytes())?;
        folder.write("verdict.jws.tlog-proof", proof.as_bytes())?;
    }
    Ok(())
}

/// What both kinds of payments begin with.
struct Begun {
    opening: Opening,
    text: Vec<u8>,
    salt: [u8; 32],
    media: Line,
    amount: Amount,
    fee_bps: FeeBps,
}

impl Begun {
    fn of(file: &Path, of: &cli::OfMoney) -> Result<Self, Failed> {
        let text = read(file, CONTRACT_BYTES_MAX)?;
        let media = Line::new(&of.media_type).ok_or_else(|| Failed::usage(&"--media-type is one line of text"))?;
        let amount = Amount::new(of.amount, of.currency).ok_or_else(|| Failed::usage(&"--amount is too much"))?;
        let fee_bps = FeeBps::new(of.fee_bps).ok_or_else(|| Failed::usage(&"--fee-bps is more than the whole"))?;
        let salt = service::drawn()?;
        Ok(Self { opening: Opening::of(&of.to, &of.key)?, text, salt, media, amount, fee_bps })
    }

    /// Signs, puts it on the disk, and brings it to the arbiter.
    fn done(self, deal: Deal, carrier: Option<Vec<Vec<u8>>>, of: &cli::OfMoney, as_json: bool) -> Result<Exit, Failed> {
        let Self { opening: Opening { settings, own, peer, house, .. }, text, salt, .. } = self;
        let everybody: Vec<_> = [own, peer].into_iter().chain(carrier).collect();
        let (key, _) = settings.signer()?;
        let payment = Payment::begin(deal, (&salt, &text), &house, &everybody, &pen(&key)?).map_err(failed)?;
        let place = place_of(of.run.as_deref(), &payment);
        let mut desk = Desk::create(&place, payment, settings, &text)?;
        let remote = desk.settings.remote()?;
        let standing = desk.bring(&remote)?;
        told(&desk, "signed, and brought to the arbiter", &standing, as_json)
    }
}

fn policy_of(house: &House) -> Digest {
    Digest::of(&house.policy)
}

fn place_of(named: Option<&Path>, payment: &Payment) -> PathBuf {
    named.map_or_else(|| named_after(Path::new("."), &payment.opened().run.x), Path::to_owned)
}

fn order(args: &cli::PaymentOrder, as_json: bool) -> Result<Exit, Failed> {
    let begun = Begun::of(&args.file, &args.of)?;
    let Opening { own, house, ttp, o, r, settings, .. } = &begun.opening;
    let chain = args.carrier.as_deref().map(|path| chain_at(path, own)).transpose()?;
    let carrier = match &chain {
        Some(chain) => Some(participant(&settings.remote()?, "the carrier's", chain)?),
        None => None,
    };
    let window = args.reject_within_secs.checked_mul(1_000).and_then(Count::new);
    let window = window.ok_or_else(|| Failed::usage(&"--reject-within-secs is too long"))?;
    let deal = Deal::Goods(Box::new(GoodsOrder {
        deal: None,
        policy: policy_of(house).into(),
        buyer: *o,
        seller: *r,
        carrier,
        ttp: ttp.clone(),
        terms: terms_hash(&begun.salt, &begun.text).into(),
        terms_media: begun.media.clone(),
        goods: if args.digital { Goods::Digital { hm: None } } else { Goods::Physical {} },
        amount: begun.amount,
        fee_bps: begun.fee_bps,
        rail: args.of.rail.clone(),
        t_hold: Millis::from(args.hold_until),
        t_ship: args.ship_until.map(Millis::from),
        t_accept: Some(window).filter(|window| !args.digital || window.get() > 0),
        t_exp: Millis::from(args.of.ends),
        assurance: Assurance::NonQualified,
    }));
    begun.done(deal, chain, &args.of, as_json)
}

fn offer(args: &cli::PaymentOffer, as_json: bool) -> Result<Exit, Failed> {
    let begun = Begun::of(&args.file, &args.of)?;
    let Opening { house, ttp, o, r, .. } = &begun.opening;
    let deal = Deal::Receipt(Box::new(PaymentOffer {
        deal: None,
        policy: policy_of(house).into(),
        payer: *o,
        payee: *r,
        ttp: ttp.clone(),
        receipt: terms_hash(&begun.salt, &begun.text).into(),
        receipt_media: begun.media.clone(),
        amount: begun.amount,
        fee_bps: begun.fee_bps,
        rail: args.of.rail.clone(),
        t_exp: Millis::from(args.of.ends),
        assurance: Assurance::NonQualified,
    }));
    begun.done(deal, None, &args.of, as_json)
}

fn take(args: &cli::PaymentTake, as_json: bool) -> Result<Exit, Failed> {
    let message = message(&args.message)?;
    if super::words::then(&message) != PAYMENT {
        return Err(Failed::usage(&"it is neither an order nor an offer to pay: semper exchange takes it"));
    }
    let settings = Settings::of(&args.key)?;
    let (own, remote) = (settings.chain()?, settings.remote()?);
    let (house, _) = service::house(&remote, &args.key.trust)?;
    let (_, certificate) = settings.signer()?;
    let key = Holder::read(&[certificate.der().to_vec()]).map_err(|fault| Failed::usage(&fault))?.key.thumbprint();
    let mut everybody = vec![message.certificates.clone(), own.clone()];
    for path in &args.certificate {
        everybody.push(chain_at(path, &own)?);
    }
    let payment = Payment::take(&message, key, &house, &everybody, now()).map_err(failed)?;
    service::require_good(&remote, &payment.opened().run.o, &message.certificates)?;
    let text = match &message.beside {
        Some(semper_ttp::client::message::Beside::Contract(contract)) => contract.text.clone(),
        _ => Vec::new(),
    };
    let mut desk = Desk::create(&place_of(args.run.as_deref(), &payment), payment, settings, &text)?;
    let standing = desk.bring(&remote)?;
    if !as_json {
        say::out(format!("text        {}", desk.folder.path().join(TEXT).display()));
    }
    told(&desk, "taken: nothing was signed", &standing, as_json)
}

fn say_word(args: &cli::PaymentSay, as_json: bool) -> Result<Exit, Failed> {
    let mut desk = Desk::open(&args.of)?;
    let (key, _) = desk.settings.signer()?;
    let word = desk.payment.say(args.word, &pen(&key)?).map_err(failed)?;
    store(&desk.folder, &desk.payment)?;
    let remote = desk.settings.remote()?;
    let standing = desk.bring_word(&remote, &word)?;
    told(&desk, &format!("said: {}", args.word.name()), &standing, as_json)
}

fn show(args: &cli::PaymentShow, as_json: bool) -> Result<Exit, Failed> {
    let delivery = Driver::open(&args.delivery, &cli::Instead::default())?;
    let mut desk = Desk::open(&args.of)?;
    let shown = desk.payment.delivered(delivery.party.dossier()).map_err(|stays| match stays {
        Stays::Lacks(_) => Failed::usage(&format!(
            "{}: there is no receipt yet ({})",
            args.delivery.display(),
            super::words::stands(&delivery.party)
        )),
        other => failed(other),
    })?;
    store(&desk.folder, &desk.payment)?;
    let remote = desk.settings.remote()?;
    let [first, receipt] = &shown;
    desk.bring_word(&remote, first)?;
    let standing = desk.bring_word(&remote, receipt)?;
    told(&desk, "shown: the receipt for what was delivered", &standing, as_json)
}

fn status(args: &cli::PaymentStatus, as_json: bool) -> Result<Exit, Failed> {
    let mut desk = Desk::open(&args.of)?;
    let remote = desk.settings.remote()?;
    let standing = desk.look(&remote)?;
    told(&desk, "", &standing, as_json)
}

fn send(args: &cli::PaymentSend, as_json: bool) -> Result<Exit, Failed> {
    let desk = Desk::open(&args.of)?;
    let message = to_send(&desk)?.ok_or_else(|| Failed::usage(&"only the payer has something to send"))?;
    let to = desk.payment.opened().run.r.id;
    service::leave(&desk.settings.remote()?, to, message.to_bytes())?;
    match as_json {
        true => say::json(&json!({ "run": desk.folder.path(), "sent": message.statement.tag(), "to": to })),
        false => say::out(format!("{} waits in the mailbox of the party {to}", message.statement.tag())),
    }
    Ok(Exit::Ok)
}

/// A payment whose goods a delivery brings.
pub(super) struct Paid(Desk);

impl Paid {
    /// The payment in a folder, which nobody else works on meanwhile.
    pub(super) fn open(run: &Path) -> Result<Self, Failed> {
        Ok(Self(Desk::open(&cli::OfRun { run: run.to_owned(), instead: cli::Instead::default() })?))
    }

    pub(super) fn x(&self) -> Digest {
        self.0.x()
    }

    /// Until when its goods may be delivered, now that its money is held.
    pub(super) fn delivery_end(&mut self, wanted: Option<Timestamp>) -> Result<Timestamp, Failed> {
        let end = self.0.payment.delivery_end(wanted).map_err(failed)?;
        let remote = self.0.settings.remote()?;
        let standing = self.0.look(&remote)?;
        match (standing.outcome, standing.stage.as_str()) {
            (None, "HELD") => Ok(end),
            _ => Err(Failed::usage(&format!("nothing is delivered for this payment now: {}", stands(&standing)))),
        }
    }

    /// Whether a delivery brings them.
    pub(super) fn require_for(&self, d1: &Jws) -> Result<(), Failed> {
        self.0.payment.is_for(d1).map_err(failed)
    }
}

/// The command that takes an order or an offer to pay.
pub(super) const PAYMENT: &str = "payment take";

/// What the payee, and a carrier, are to have.
fn to_send(desk: &Desk) -> Result<Option<Message>, Failed> {
    if desk.payment.dossier().part != Part::Payer {
        return Ok(None);
    }
    Ok(desk.payment.message(&desk.folder.read(TEXT, CONTRACT_BYTES_MAX)?))
}

/// Where it stands, in a sentence.
fn stands(standing: &Standing) -> String {
    let sentence = match (standing.outcome, standing.stage.as_str()) {
        (Some(Outcome::Captured), _) => "PAID: the arbiter has decided that the money is the payee's",
        (Some(Outcome::Released), _) => "NOT PAID: the arbiter has decided that the money goes back to the payer",
        (Some(Outcome::Expired), _) => "NOT PAID: its time was over before the money was held",
        (Some(_), _) => "NOT PAID: nobody is bound",
        (None, "ORDERED") => "OPEN: it was ordered, and nothing is held yet",
        (None, "ACCEPTED") => "OPEN: the payee has accepted; the rail has not said yet that it holds the money",
        (None, "HELD") => "OPEN: the money is held",
        (None, "SHIPPED") => "OPEN: the money is held, and the goods are on their way",
        (None, "HANDED_OVER") => {
            "OPEN: the goods were handed over; the money is the payee's unless they are rejected in time"
        }
        (None, "REJECTED") => {
            "OPEN: the goods were rejected; the money goes back at the end unless somebody opens a case"
        }
        (None, "CAPTURING") => "OPEN: the payee has given its receipt; the rail has not said yet that it has paid",
        (None, other) => return format!("OPEN: {}, as the arbiter says", visible(other)),
    };
    sentence.to_owned()
}

/// Words that this part may say now, as far as the arbiter tells what it awaits.
fn sayable(desk: &Desk, standing: &Standing) -> Vec<Word> {
    let awaited = standing.awaited["statements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let part = desk.payment.dossier().part.name();
    let is_awaited = |word: &Word| {
        let name = match word {
            Word::Accept => "accepted".to_owned(),
            Word::Cancel => format!("cancelled-by-{part}"),
            other => other.name().to_owned(),
        };
        awaited.iter().any(|one| *one == name) && desk.payment.dossier().statement(word.tag()).is_none()
    };
    desk.payment.words().into_iter().filter(is_awaited).collect()
}

/// How the goods are delivered, or what shows that they were.
fn deliver(desk: &Desk, standing: &Standing) -> Option<String> {
    if desk.payment.opened().terms.thing != Thing::Digital || standing.outcome.is_some() || standing.stage != "HELD" {
        return None;
    }
    let run = desk.folder.path().display();
    Some(match desk.payment.dossier().part {
        Part::Payee => format!(
            "semper exchange deliver FILE --paid-by {run} …; when the receipt is there: semper payment show --delivery DIR --run {run}"
        ),
        _ => format!("when the delivery comes: semper exchange accept MESSAGE --pays {run} …"),
    })
}

fn told(desk: &Desk, done: &str, standing: &Standing, as_json: bool) -> Result<Exit, Failed> {
    let message = to_send(desk)?.filter(|_| standing.outcome.is_none());
    let send = message.map(|message| desk.folder.put_message(&message)).transpose()?;
    let (opened, place) = (desk.payment.opened(), desk.folder.path());
    let (terms, words) = (&opened.terms, sayable(desk, standing));
    let say = |word: &Word| format!("semper payment say {} --run {}", word.name(), place.display());
    let next: Vec<_> = words.iter().map(say).chain(deliver(desk, standing)).collect();
    let until = standing.awaited["until"].as_str();
    if as_json {
        say::json(&json!({
            "run": place,
            "x": b64u::encode(&opened.run.x.0),
            "protocol": opened.run.protocol,
            "part": desk.payment.dossier().part,
            "stage": standing.stage,
            "sentence": stands(standing),
            "outcome": standing.outcome,
            "fulfilled": standing.outcome.map(|outcome| outcome == Outcome::Captured),
            "amount": terms.amount,
            "fee_bps": terms.fee_bps,
            "rail": terms.rail.as_str(),
            "payer": terms.payer.0,
            "payee": terms.payee.0,
            "carrier_key": opened.carrier,
            "hold_until": time(terms.t_hold),
            "ship_until": terms.t_ship.map(time),
            "reject_within_ms": terms.t_accept,
            "money": standing.money,
            "awaited": standing.awaited,
            "ends_at": time(terms.t_exp),
            "send": send,
            "next": next,
        }));
    } else {
        if !done.is_empty() {
            say::out(done);
        }
        say::out(stands(standing));
        let (minor, currency) = (terms.amount.minor(), terms.amount.currency());
        let state = standing.money["state"].as_str().unwrap_or("-");
        say::out(format!(
            "  money       {minor} {currency} in minor units by the rail {}: {}, as the arbiter says",
            terms.rail.as_str(),
            visible(state)
        ));
        let fee = f64::from(terms.fee_bps) / 100.0;
        say::out(format!("  from        {}, to {}, less a fee of {fee} %", terms.payer.0, terms.payee.0));
        let mut ends = vec![format!("held until {}", time(terms.t_hold))];
        ends.extend(terms.t_ship.map(|until| format!("shipped until {}", time(until))));
        ends.extend(terms.t_accept.map(|ms| format!("rejected within {} s", ms / 1_000)));
        say::out(format!("  rules       {}, ends {}", ends.join(", "), time(terms.t_exp)));
        if let Some(carrier) = opened.carrier {
            say::out(format!(
                "  carrier     the key {carrier}, whose word that it has shipped or handed over moves the money"
            ));
        }
        if let Some(until) = until {
            let then = standing.awaited["then"].as_str().unwrap_or("-");
            say::out(format!("  until       {}; if nobody says anything: {}", visible(until), visible(then)));
        }
        if let Some(file) = &send {
            say::out(format!("  send        {}", file.display()));
        }
        next.into_iter().for_each(|next| say::out(format!("  next        {next}")));
    }
    Ok(match standing.outcome {
        None | Some(Outcome::Captured) => Exit::Ok,
        Some(_) => Exit::Falsified,
    })
}
