//! `semper exchange listen`: takes messages over HTTP, as the one who is called, or out of the mailbox at the service, and asks the arbiter for
//! runs whose other side is overdue. Swaps through the arbiter it brings to their end. What is not of a run in its folder is refused, but for offers of those whom it was told to take offers of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use semper_api::messages::{self, Recipient, Refused};
use semper_ttp::client::automaton::Act;
use semper_ttp::client::course::Course;
use semper_ttp::client::dossier::Piece;
use semper_ttp::client::message::Message;
use semper_ttp::digest::Digest;
use semper_ttp::exchange::cd_r::Posted;
use semper_ttp::exchange::run::Run;
use semper_ttp::statement::Body as _;
use semper_ttp::statement::exchange::Side;
use semper_ttp::statement::exchange::cd_r::Mode;
use semper_ttp::statement::exchange::erds::ErdsEvidence;
use serde_json::json;
use tokio::sync::watch;

use super::begin::Desk;
use super::driver::Driver;
use super::folder::{is_payment, is_run, is_swap, named_after};
use super::registered::notice;
use super::service::{self, Waiting};
use super::settings::Settings;
use super::swap::{self, Swapper};
use super::words;
use crate::cli;
use crate::clock::now;
use crate::commands::remote::Remote;
use crate::commands::running::{Failed, address_of, all_the_cores, reserve, signals};
use crate::commands::{atomic, say};
use crate::exit::Exit;

/// How often it is looked whether a run is overdue.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the mailbox is looked into.
const LOOK_INTO_MAILBOX_EVERY: Duration = Duration::from_secs(5);

/// How often the arbiter is asked how far a swap has come, milliseconds.
const ASK_AGAIN_ABOUT_SWAPS_MS: u64 = 5_000;

/// Messages that were not taken and are passed over from then on; when there are more, all are looked at again.
const PASSED_OVER_MAX: usize = 1_024;

/// How long a run rests whose arbiter could not be asked, milliseconds.
const ASK_AGAIN_MS: u64 = 5_000;

/// Offers that wait to be read by a person: more are refused, so that nobody fills the disk.
const OFFERS_MAX: usize = 100;

/// What is known of a run without opening its folder.
struct Known {
    place: PathBuf,
    /// When somebody has to look after it again, milliseconds since 1970; `None` for a run that is over.
    due_ms: Option<u64>,
}

/// Why a message is still in the mailbox.
enum Taken {
    /// It may be taken in a while.
    Later(String),
    /// It is for a person.
    Not(String),
}

struct Listener {
    runs: PathBuf,
    desk: Desk,
    accept_from: Vec<String>,
    yes: bool,
    as_json: bool,
    known: Mutex<BTreeMap<[u8; 32], Known>>,
    /// One message is handled at a time: each may sign.
    turn: Mutex<()>,
    /// Messages in the mailbox that were not taken: they wait there for a person.
    passed_over: Mutex<BTreeSet<String>>,
}

pub(super) fn listen(args: &cli::ExchangeListen, as_json: bool) -> Result<Exit, Failed> {
    if !args.bind.ip().is_loopback() && !args.without_tls {
        let why = "others on the network could read the contracts: listen at a loopback address, with a proxy with TLS in front of it, \
                   or give --without-tls";
        return Err(Failed::usage(&format!("{}: {why}", args.bind)));
    }
    let listener = Arc::new(Listener {
        runs: args.runs.clone(),
        desk: Desk::of(&args.signer)?,
        accept_from: args.accept_from.clone(),
        yes: args.yes,
        as_json,
        known: Mutex::default(),
        turn: Mutex::default(),
        passed_over: Mutex::default(),
    });
    listener.find_runs(true)?;
    let runtime = all_the_cores().map_err(|error| Failed::fault(&error))?;
    if args.mailbox {
        let remote = Arc::new(Settings::of(&args.signer.key)?.remote()?);
        runtime.block_on(by_mailbox(listener, remote, as_json));
        return Ok(Exit::Ok);
    }
    runtime.block_on(async {
        let socket = reserve(args.bind)?.listen()?;
        let address = address_of(&socket)?;
        let (stop, stopped) = watch::channel(false);
        let recipient: Arc<dyn Recipient> = listener.clone();
        let served = tokio::spawn(messages::serve(socket, recipient, stopped.clone()));
        let timers = tokio::spawn(look(listener.clone(), stopped));
        // Before the line: whoever waits for it may send SIGTERM at once.
        let signalled = signals();
        match as_json {
            true => say::json(&json!({ "listening": { "http": address } })),
            false => say::out(format!("listening http={address}")),
        }
        signalled.await;
        let _ = stop.send(true); // both are there, or gone already
        let _ = served.await;
        let _ = timers.await;
        Ok::<_, Failed>(())
    })?;
    Ok(Exit::Ok)
}

/// Looks into the mailbox and after the runs until it is told to stop.
async fn by_mailbox(listener: Arc<Listener>, remote: Arc<Remote>, as_json: bool) {
    let (stop, mut stopped) = watch::channel(false);
    let timers = tokio::spawn(look(listener.clone(), stopped.clone()));
    let looks = tokio::spawn(async move {
        while !*stopped.borrow() {
            let (looking, remote) = (listener.clone(), remote.clone());
            // As above.
            let _ = tokio::task::spawn_blocking(move || looking.look_into_mailbox(&remote)).await;
            let _ = tokio::time::timeout(LOOK_INTO_MAILBOX_EVERY, stopped.wait_for(|stop| *stop)).await;
        }
    });
    // Before the line: whoever waits for it may send SIGTERM at once.
    let signalled = signals();
    match as_json {
        true => say::json(&json!({ "listening": { "mailbox": true } })),
        false => say::out("listening mailbox"),
    }
    signalled.await;
    let _ = stop.send(true);
    let _ = looks.await;
    let _ = timers.await;
}

async fn look(listener: Arc<Listener>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let looking = listener.clone();
        // A look that panics is a bug, and the next one comes all the same.
        let _ = tokio::task::spawn_blocking(move || looking.look_after_runs()).await;
        let _ = tokio::time::timeout(LOOK_EVERY, stopped.wait_for(|stop| *stop)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When somebody has to look after a run again.
fn due_of(driver: &Driver) -> Option<u64> {
    match driver.party.again() {
        Some(Act::AskAbort | Act::AskResolve) => Some(0),
        _ => driver.party.overdue_at(),
    }
}

impl Listener {
    /// Which runs lie in its folder that it does not know yet.
    fn find_runs(&self, is_start: bool) -> Result<(), Failed> {
        let there = |error| Failed::usage(&format!("{}: {error}", self.runs.display()));
        for entry in fs::read_dir(&self.runs).map_err(there)? {
            let place = entry.map_err(there)?.path();
            if !is_run(&place) || lock(&self.known).values().any(|known| known.place == place) || is_payment(&place) {
                continue;
            }
            let found = match is_swap(&place) {
                true => Swapper::open(&place, &cli::Instead::default()).map(|swapper| self.note_swap(&swapper, 0)),
                false => Driver::open(&place, &cli::Instead::default()).map(|driver| self.note(&driver)),
            };
            // Somebody works on it, or it does not read: the others are looked after all the same.
            if let Err(Failed(_, why)) = found
                && is_start
            {
                self.tell(&place, &format!("is passed over: {why}"));
            }
        }
        Ok(())
    }

    fn note(&self, driver: &Driver) {
        let place = driver.folder.path().to_owned();
        lock(&self.known).insert(driver.x().0, Known { place, due_ms: due_of(driver) });
    }

    fn note_swap(&self, swapper: &Swapper, again_ms: u64) {
        let place = swapper.folder.path().to_owned();
        let due_ms = match (swapper.swap.end(), swapper.swap.asks()) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(again_ms),
            (None, None) => Some(swapper.swap.proposed().proposal.t_dep.get()),
        };
        lock(&self.known).insert(swapper.x().0, Known { place, due_ms });
    }

    fn place_of(&self, x: &Digest) -> Option<PathBuf> {
        let known = lock(&self.known).get(&x.0).map(|known| known.place.clone());
        // One that was begun meanwhile.
        known.or_else(|| Some(named_after(&self.runs, x)).filter(|place| is_run(place)))
    }

    fn tell(&self, place: &Path, what: &str) {
        match self.as_json {
            true => say::json(&json!({ "run": place, "event": what })),
            false => say::out(format!("{}: {what}", place.display())),
        }
    }

    /// Asks the arbiter for each run that is overdue, or whose request got no answer yet.
    fn look_after_runs(&self) {
        // Some were begun meanwhile, by other commands.
        if let Err(Failed(_, why)) = self.find_runs(false) {
            self.tell(&self.runs, &why);
        }
        let due = |known: &Known| known.due_ms.is_some_and(|due| now().millis() > due);
        let places: Vec<_> = lock(&self.known).values().filter(|known| due(known)).map(|k| k.place.clone()).collect();
        for place in places {
            let _turn = lock(&self.turn);
            match self.look_after(&place) {
                Ok(()) => {}
                Err(Failed(_, why)) => {
                    self.tell(&place, &why);
                    let later = now().millis() + ASK_AGAIN_MS;
                    lock(&self.known).values_mut().filter(|known| known.place == place).for_each(|known| {
                        known.due_ms = Some(later);
                    });
                }
            }
        }
    }

    fn look_after(&self, place: &Path) -> Result<(), Failed> {
        if is_swap(place) {
            return self.look_after_swap(place);
        }
        let mut driver = Driver::open(place, &cli::Instead::default())?;
        if driver.is_overdue() {
            driver.overdue()?;
        }
        if driver.party.request().is_some() {
            driver.ask()?;
            self.tell(place, &words::stands(&driver.party));
            if let Some(bad) = driver.bad_content()? {
                self.tell(place, &format!("{bad}: keep the folder, it convicts the originator"));
            }
        }
        self.note(&driver);
        Ok(())
    }

    /// Goes on with a swap as far as that goes now.
    fn look_after_swap(&self, place: &Path) -> Result<(), Failed> {
        let mut swapper = Swapper::open(place, &cli::Instead::default())?;
        let remote = swapper.settings.remote()?;
        if swapper.swap.is_overdue(now()) {
            swapper.cancel()?;
        }
        let began = swapper.swap.at();
        loop {
            let before = swapper.swap.at();
            if swapper.swap.asks().is_some() {
                swapper.ask(&remote)?;
            }
            if swapper.swap.at() == before {
                break;
            }
        }
        if swapper.swap.at() != began {
            self.tell(place, &swap::stands(&swapper));
        }
        self.note_swap(&swapper, now().millis() + ASK_AGAIN_ABOUT_SWAPS_MS);
        Ok(())
    }

    /// A message of a swap that is there.
    fn go_on_with_swap(&self, place: &Path, message: &Message) -> Result<Option<Message>, Failed> {
        let mut swapper = Swapper::open(place, &cli::Instead::default())?;
        let is_proposal = message.statement.bytes() == swapper.swap.proposed().jws.bytes();
        if !is_proposal {
            swapper.take(message)?;
        }
        self.note_swap(&swapper, 0);
        self.tell(place, &format!("took {}; {}", message.statement.tag(), swap::stands(&swapper)));
        // The very proposal that was agreed to: the agreement, exactly as it was.
        Ok(swapper.swap.message().filter(|_| is_proposal && swapper.swap.side() == Side::Responder))
    }

    /// Takes what waits in the mailbox: what follows from each is left for its sender before it is forgotten there.
    fn look_into_mailbox(&self, remote: &Remote) {
        let waiting = match service::waiting(remote) {
            Ok(waiting) => waiting,
            Err(Failed(_, why)) => return self.tell(&self.runs, &format!("the mailbox: {why}")),
        };
        for mail in waiting {
            if lock(&self.passed_over).contains(&mail.id) {
                continue;
            }
            match self.take_mail(remote, &mail) {
                Ok(()) => {}
                // It comes again.
                Err(Taken::Later(why)) => self.tell(&self.runs, &format!("{} waits: {why}", mail.id)),
                Err(Taken::Not(why)) => {
                    self.tell(&self.runs, &format!("{} stays in the mailbox: {why}", mail.id));
                    let mut passed_over = lock(&self.passed_over);
                    if passed_over.len() >= PASSED_OVER_MAX {
                        passed_over.clear();
                    }
                    passed_over.insert(mail.id);
                }
            }
        }
    }

    fn take_mail(&self, remote: &Remote, mail: &Waiting) -> Result<(), Taken> {
        let later = |Failed(_, why)| Taken::Later(why);
        let bytes = service::fetch(remote, &mail.id).map_err(later)?;
        let message = Message::parse(&bytes).map_err(|fault| Taken::Not(fault.to_string()))?;
        // The arbiter's word that a delivery was submitted: d1 comes beside it, from its sender.
        if message.statement.tag() == ErdsEvidence::TAG {
            notice(&message, self.desk.house())
                .map_err(|why| Taken::Not(format!("a notice that does not count: {why}")))?;
            self.keep_notice(&message).map_err(later)?;
            return service::forget(remote, &mail.id).map_err(later);
        }
        let next = self.take(&message).map_err(|refused| match refused {
            Refused::Later(why) => Taken::Later(why),
            Refused::Unknown | Refused::Wrong(_) => Taken::Not(refused.to_string()),
        })?;
        if let Some(next) = next {
            service::leave(remote, mail.from, next.to_bytes()).map_err(later)?;
        }
        // Killed before this, it takes the same once more, and leaves the same.
        service::forget(remote, &mail.id).map_err(later)
    }

    /// A message of a run that is there.
    fn go_on(&self, place: &Path, message: &Message) -> Result<Option<Message>, Failed> {
        if is_swap(place) {
            return self.go_on_with_swap(place, message);
        }
        let mut driver = Driver::open(place, &cli::Instead::default())?;
        // The very offer that was answered: the answer, exactly as it was.
        let is_offer = driver
            .party
            .dossier()
            .statement(Piece::First)
            .is_some_and(|first| first.as_bytes() == message.statement.bytes());
        let act = match is_offer {
            true => driver.party.dossier().statement(Piece::Second).map(|_| Act::SendAnswer),
            false => driver.take(message)?,
        };
        self.note(&driver);
        self.tell(place, &format!("took {}; {}", message.statement.tag(), words::stands(&driver.party)));
        act.map(|act| driver.message(act)).transpose().map(Option::flatten)
    }

    /// An offer of a run that is not there.
    fn begin(&self, message: &Message) -> Result<Option<Message>, Failed> {
        let claimed = Run::claimed(&message.statement).map_err(|fault| Failed(Exit::Falsified, fault.to_string()))?;
        let from = [claimed.o.id.to_string(), claimed.o.key.to_string()];
        if !self.accept_from.iter().any(|allowed| from.contains(allowed)) {
            return Err(Failed(Exit::Undecided, String::new()));
        }
        // Nobody but a person says which item is given for it, or pays; and it is judged when that is said.
        match words::then(message) {
            "join" => {
                return self.keep_for_a_person(message, "a swap was proposed: semper exchange join shows it");
            }
            super::pay::PAYMENT => {
                return self.keep_for_a_person(message, "an order came: semper payment take shows it");
            }
            _ => {}
        }
        // That it is by that key, and the key that party's, is judged here.
        let offer = self.desk.read(message)?;
        let x = offer.run().x;
        // Its sender wants a person to be asked, or the receipt costs money.
        let is_consent = |posted: &Posted| posted.delivery.mode == Mode::Consent || posted.delivery.pay.is_some();
        let asks_a_person = matches!(&offer.course, Course::Delivery { posted, .. } if is_consent(posted));
        if !self.yes || asks_a_person {
            return self.keep_for_a_person(message, "an offer came: semper exchange accept shows it");
        }
        let driver = self.desk.answer(message, &offer, &named_after(&self.runs, &x))?;
        self.note(&driver);
        self.tell(driver.folder.path(), &format!("answered an offer; {}", words::stands(&driver.party)));
        driver.message(Act::SendAnswer)
    }

    fn keep_for_a_person(&self, message: &Message, what: &str) -> Result<Option<Message>, Failed> {
        self.keep(&format!("offer-{}.json", hex::encode(&message.x().0[..8])), message, what).map(|()| None)
    }

    /// Keeps a notice of a registered delivery, so that notices do not fill the mailbox.
    fn keep_notice(&self, message: &Message) -> Result<(), Failed> {
        let name = format!("offer-notice-{}.json", &Digest::of(&message.to_bytes()).to_string()[..16]);
        self.keep(&name, message, "a notice came that a delivery was submitted to you")
    }

    /// Keeps a message as a file for a person to read, and tells of it once.
    fn keep(&self, name: &str, message: &Message, what: &str) -> Result<(), Failed> {
        let place = self.runs.join(name);
        self.require_room(&place)?;
        let bytes = message.to_bytes();
        if fs::read(&place).is_ok_and(|there| there == bytes) {
            return Ok(()); // it came before
        }
        let kept = atomic::write_new_closed(&place, &bytes);
        kept.map_err(|error| Failed::fault(&format!("{}: {error}", place.display())))?;
        self.tell(&place, what);
        Ok(())
    }

    fn require_room(&self, place: &Path) -> Result<(), Failed> {
        let entries = fs::read_dir(&self.runs).map_err(|error| Failed::fault(&error))?;
        let is_offer = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("offer-");
        let waiting = entries.filter_map(Result::ok).filter(|entry| is_offer(entry)).count();
        match waiting < OFFERS_MAX || place.exists() {
            true => Ok(()),
            false => Err(Failed(Exit::Busy, "too many offers wait to be read".to_owned())),
        }
    }
}

impl Recipient for Listener {
    fn take(&self, message: &Message) -> Result<Option<Message>, Refused> {
        let _turn = lock(&self.turn);
        let taken = match self.place_of(&message.x()) {
            Some(place) => self.go_on(&place, message),
            None if words::then(message) != "take" => self.begin(message),
            None => return Err(Refused::Unknown),
        };
        taken.map_err(|Failed(exit, why)| {
            if exit == Exit::Undecided {
                return Refused::Unknown;
            }
            // What exactly is the matter is told here: it may name files of this machine.
            self.tell(&self.runs, &format!("{} was not taken: {why}", message.statement.tag()));
            match exit {
                Exit::Falsified | Exit::Usage => {
                    Refused::Wrong("it breaks a rule of its run, or does not fit where that stands".to_owned())
                }
                _ => Refused::Later("it cannot be taken now".to_owned()),
            }
        })
    }
}
