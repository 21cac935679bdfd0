//! A run of four messages begins: `semper exchange offer`, `deliver`, `accept`.

use std::path::{Path, PathBuf};

use semper_ledger::disk;
use semper_ttp::b64u;
use semper_ttp::client::automaton::Act;
use semper_ttp::client::message::{Beside, CONTRACT_BYTES_MAX, MESSAGE_BYTES_MAX, Message};
use semper_ttp::client::party::{Drawn, House, Offer, Parcel, Party, Stays, Terms};
use semper_ttp::client::peer::Holder;
use semper_ttp::crypto::OsEntropy;
use semper_ttp::statement::Body as _;
use semper_ttp::statement::Millis;
use semper_ttp::statement::exchange::asw_r::M1;
use semper_ttp::statement::exchange::cd_r::{D1, Mode};
use semper_ttp::statement::exchange::{Arbiter, Assurance, Line, Participant, Scheme};

use super::driver::{Driver, failed, pen, require_same_time};
use super::folder::{Folder, Known, Register, named_after, parent_of, require_free};
use super::pay::Paid;
use super::settings::Settings;
use super::{service, words};
use crate::cli;
use crate::clock::now;
use crate::commands::atomic;
use crate::commands::pem_file::certificates_of;
use crate::commands::remote::Remote;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

pub(super) fn offer(args: &cli::ExchangeOffer, as_json: bool) -> Result<Exit, Failed> {
    let text = read(&args.file, CONTRACT_BYTES_MAX)?;
    let media = Line::new(&args.media_type).ok_or_else(|| Failed::usage(&"--media-type is one line of text"))?;
    let patience_ms = args.of.signer.patience_secs.saturating_mul(1_000);
    let Opening { settings, own, peer, house, ttp, o, r } = Opening::of(&args.of.to, &args.of.signer.key)?;
    let terms = Terms {
        o,
        r,
        ttp,
        text: text.clone(),
        media,
        t_exp: args.of.ends.map(Millis::from),
        assurance: Assurance::NonQualified,
    };
    let drawn = Drawn { nonce: service::drawn()?, terms_salt: service::drawn()? };
    let (key, _) = settings.signer()?;
    let party = Party::offer(terms, &house, (&own, &peer), patience_ms, drawn, &pen(&key)?).map_err(failed)?;
    let folder = Folder::create(&place_of(args.of.run.as_deref(), &party), &party, &settings, &text)?;
    let driver = Driver { folder, party, settings };
    send(&driver, "offered: the first message is ready", Act::SendOffer, as_json)
}

pub(super) fn deliver(args: &cli::ExchangeDeliver, as_json: bool) -> Result<Exit, Failed> {
    let message = read(&args.file, CONTRACT_BYTES_MAX)?;
    let about = Line::new(&args.about).ok_or_else(|| Failed::usage(&"--about is one line of text"))?;
    let patience_ms = args.of.signer.patience_secs.saturating_mul(1_000);
    let Opening { settings, own, peer, house, ttp, o, r } = Opening::of(&args.of.to, &args.of.signer.key)?;
    let mut paid = args.paid_by.as_deref().map(Paid::open).transpose()?;
    let ends = match &mut paid {
        Some(paid) => Some(paid.delivery_end(args.of.ends)?),
        None => args.of.ends,
    };
    let parcel = Parcel {
        o,
        r,
        ttp: service::escrow_arbiter(&house, ttp)?,
        message: message.clone(),
        about,
        mode: if args.basic { Mode::Basic } else { Mode::Consent },
        pay: paid.as_ref().map(Paid::x),
        t_exp: ends.map(Millis::from),
        assurance: Assurance::NonQualified,
    };
    let (key, _) = settings.signer()?;
    let begun = Party::deliver(parcel, &house, (&own, &peer), patience_ms, &OsEntropy, &pen(&key)?);
    let (party, content) = begun.map_err(failed)?;
    if let Some(paid) = &paid {
        paid.require_for(party.course().first())?;
    }
    let folder = Folder::create(&place_of(args.of.run.as_deref(), &party), &party, &settings, &content)?;
    folder.keep_message(&message)?;
    let driver = Driver { folder, party, settings };
    send(&driver, "sealed: the first message is ready", Act::SendOffer, as_json)
}

fn place_of(named: Option<&Path>, party: &Party) -> PathBuf {
    named.map_or_else(|| named_after(Path::new("."), &party.course().run().x), Path::to_owned)
}

/// What an originator has before it signs: itself, the other side, the arbiter.
pub(super) struct Opening {
    pub(super) settings: Settings,
    pub(super) own: Vec<Vec<u8>>,
    pub(super) peer: Vec<Vec<u8>>,
    pub(super) house: House,
    pub(super) ttp: Arbiter,
    pub(super) o: Participant,
    pub(super) r: Participant,
}

impl Opening {
    pub(super) fn of(to: &Path, key: &cli::OfKey) -> Result<Self, Failed> {
        let settings = Settings::of(key)?;
        let own = settings.chain()?;
        let peer = chain_at(to, &own)?;
        let remote = settings.remote()?;
        let (house, ttp) = service::house(&remote, &key.trust)?;
        let (o, r) = (participant(&remote, "your", &own)?, participant(&remote, "the other side's", &peer)?);
        Ok(Self { settings, own, peer, house, ttp, o, r })
    }
}

/// A certificate and those above it, out of a file.
pub(super) fn chain_at(path: &Path, own: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failed> {
    let mut chain = certificates_of(path)?;
    if chain.len() == 1 {
        // A bare certificate: its CA is ours, or it is none that leads to our root.
        chain.extend(own.iter().skip(1).cloned());
    }
    Ok(chain)
}

/// Whom a chain is of: its key as the register of parties has it, good now.
pub(super) fn participant(remote: &Remote, whose: &str, chain: &[Vec<u8>]) -> Result<Participant, Failed> {
    let holder = Holder::read(chain).map_err(|fault| Failed::usage(&format!("{whose} certificate: {fault}")))?;
    let key = holder.key.thumbprint();
    let found = service::key_of(remote, key);
    let (id, certificate) = found.map_err(|Failed(exit, why)| Failed(exit, format!("{whose} key: {why}")))?;
    if certificate != holder.certificate.digest().to_string() {
        let why = format!("{whose} key is bound to its party by another certificate than this one");
        return Err(Failed(Exit::Falsified, why));
    }
    Ok(Participant { id, scheme: Scheme::Semper, key })
}

/// Puts a message where it can be sent from, and tells where the run stands.
pub(super) fn send(driver: &Driver, done: &str, act: Act, as_json: bool) -> Result<Exit, Failed> {
    let message = driver.message(act)?;
    let file = message.map(|message| driver.folder.put_message(&message)).transpose()?;
    words::told(driver, done, file.as_deref(), None, as_json);
    Ok(words::exit(&driver.party))
}

/// A file of a bounded length.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let refused = |why: &dyn std::fmt::Display| Failed::usage(&format!("{}: {why}", path.display()));
    match disk::read_at_most(path, bytes_max).map_err(|error| Failed::usage(&error))? {
        None => Err(refused(&"there is no such file")),
        Some(bytes) if bytes.len() > bytes_max => Err(refused(&format!("it is longer than {bytes_max} octets"))),
        Some(bytes) => Ok(bytes),
    }
}

/// Reads a message out of a file.
pub(super) fn message(path: &Path) -> Result<Message, Failed> {
    let bytes = read(path, MESSAGE_BYTES_MAX)?;
    Message::parse(&bytes).map_err(|fault| Failed(Exit::Falsified, format!("{}: {fault}", path.display())))
}

pub(super) fn accept(args: &cli::ExchangeAccept, as_json: bool) -> Result<Exit, Failed> {
    let message = message(&args.message)?;
    let desk = Desk::of(&args.signer)?;
    let offer = desk.read(&message)?;
    let x = offer.run().x;
    if let Some(place) = &args.pays {
        let paid = Paid::open(place)?;
        paid.require_for(offer.course.first())?;
    }
    if !args.yes {
        let place = match &offer.beside {
            Beside::Contract(contract) => {
                let place = args.contract_out.clone();
                let place = place.unwrap_or_else(|| PathBuf::from(format!("{}.contract", hex::encode(&x.0[..8]))));
                let there = |error| Failed::usage(&format!("{}: {error}", place.display()));
                atomic::write_new(&place, &contract.text).map_err(there)?;
                Some(place)
            }
            // Nobody can read it yet.
            Beside::Content(_) => None,
        };
        let (lines, document) = words::offer(&offer, &message.certificates, place.as_deref());
        let next = format!(
            "to sign it, the same command with --yes: semper exchange accept {} --yes …",
            args.message.display()
        );
        if as_json {
            say::json(&serde_json::json!({ "offer": document, "signed": false, "next": next }));
        } else {
            lines.into_iter().for_each(say::out);
            say::out(format!("NOT SIGNED: nothing was answered\n  next        {next}"));
        }
        return Ok(Exit::Ok);
    }
    // Whoever gives a receipt that costs money says for what.
    if let (Some(x), None) = (words::paid_by(&offer), &args.pays) {
        let why = format!(
            "your receipt would move the money of the payment {} to the other side: name that payment's folder with --pays",
            b64u::encode(&x.0)
        );
        return Err(Failed::usage(&why));
    }
    let place = args.run.clone().unwrap_or_else(|| named_after(Path::new("."), &x));
    let driver = desk.answer(&message, &offer, &place)?;
    if !as_json {
        words::offer(&offer, &message.certificates, None).0.into_iter().for_each(say::out);
    }
    send(&driver, "answered: the second message is ready", Act::SendAnswer, as_json)
}

/// Whether a message begins a run.
pub(super) fn is_offer(message: &Message) -> bool {
    [M1::TAG, D1::TAG].contains(&message.statement.tag())
}

/// A responder who may answer offers.
pub(super) struct Desk {
    settings: Settings,
    own: Vec<Vec<u8>>,
    remote: Remote,
    house: House,
    patience_ms: u64,
}

impl Desk {
    pub(super) fn of(signer: &cli::OfSigner) -> Result<Self, Failed> {
        let settings = Settings::of(&signer.key)?;
        let own = settings.chain()?;
        let remote = settings.remote()?;
        let (house, _) = service::house(&remote, &signer.key.trust)?;
        Ok(Self { settings, own, remote, house, patience_ms: signer.patience_secs.saturating_mul(1_000) })
    }

    /// What is known of the arbiter's service.
    pub(super) const fn house(&self) -> &House {
        &self.house
    }

    /// Reads and judges an offer; signs nothing.
    pub(super) fn read(&self, message: &Message) -> Result<Offer, Failed> {
        if !is_offer(message) {
            let tag = message.statement.tag().to_owned();
            let command = words::command(message);
            return Err(Failed::usage(&format!("it is no offer but {tag}: {command} takes it")));
        }
        let offer = Party::read_offer(message, &self.own, &self.house, now()).map_err(failed)?;
        let own = participant(&self.remote, "your", &self.own)?;
        let run = offer.run();
        if own.id != run.r.id {
            let (named, found) = (run.r.id.to_string(), own.id.to_string());
            return Err(failed(Stays::OtherParty { named, found }));
        }
        service::require_good(&self.remote, &run.o, &message.certificates)?;
        Ok(offer)
    }

    /// Answers an offer that was read, once and for all: has it stamped, looks the other side's key up again, signs, and puts all of it
    /// on the disk.
    pub(super) fn answer(&self, message: &Message, offer: &Offer, place: &Path) -> Result<Driver, Failed> {
        let run = offer.run();
        let (x, once) = (run.x, offer.course.once());
        let parent = parent_of(place);
        // Held until the folder is there: two commands answer one offer once.
        let mut register = Register::open(&parent)?;
        match register.find(&x, &once) {
            Some(Known::Answered(name)) => return Err(answered_before(&parent.join(name))),
            Some(Known::Begun(name)) if parent.join(&name).exists() => {
                // The command that made it was killed before it said so, and so before anything left.
                let driver = Driver::open(&parent.join(&name), &cli::Instead::default())?;
                if driver.x() != x {
                    return Err(answered_before(&parent.join(name)));
                }
                register.answered(&x, &once, driver.folder.path())?;
                return Ok(driver);
            }
            Some(Known::Begun(_)) | None => {}
        }
        require_free(place)?;
        let stamped = service::stamp(&self.remote, message.statement.bytes())?;
        service::require_good(&self.remote, &run.o, &message.certificates)?;
        require_same_time(stamped.at, run.t_exp.is_some(), offer.delta_ms)?;
        let (key, _) = self.settings.signer()?;
        let chains = (&self.own[..], &message.certificates[..]);
        let drawn = (service::drawn()?, stamped.token);
        let party = Party::accept(offer, &self.house, chains, self.patience_ms, drawn, &pen(&key)?).map_err(failed)?;
        let beside = match &offer.beside {
            Beside::Contract(contract) => &contract.text,
            Beside::Content(content) => content,
        };
        register.begin(&x, &once, place)?;
        let folder = Folder::create(place, &party, &self.settings, beside)?;
        register.answered(&x, &once, place)?;
        Ok(Driver { folder, party, settings: self.settings.clone() })
    }
}

pub(super) fn answered_before(place: &Path) -> Failed {
    let place = place.display();
    Failed::usage(&format!(
        "this offer, or another one with its commitment, was answered before, and is never answered again; see semper exchange status \
         --run {place}"
    ))
}
