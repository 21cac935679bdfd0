//! `semper exchange run`: brings a run to its end over HTTP, as the one who calls, or by mailboxes. The automaton says what is to be done; this loop does it,
//! waits, and never gives up before the arbiter was asked.

use std::time::Duration;

use semper_ttp::client::automaton::{Act, End};
use semper_ttp::client::message::Message;
use semper_ttp::digest::Digest;
use semper_ttp::id::PartyId;
use semper_ttp::statement::exchange::Side;

use super::driver::Driver;
use super::folder::is_swap;
use super::settings::Settings;
use super::swap::{self, BOTH, Swapper};
use super::transport::{Listening, Mailbox, Transport};
use super::words;
use crate::cli;
use crate::clock::now;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

/// Between two tries, at first and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// How long a side that has its contract tries to bring the other one its last message. The other one can have the contract from the
/// arbiter anyway.
const LAST_MESSAGE_SECS: u64 = 60;

/// Pauses that grow, so that nobody is asked without end.
struct Pause(Duration);

impl Pause {
    fn wait(&mut self, until_ms: Option<u64>) {
        let left = until_ms.map(|until| Duration::from_millis(until.saturating_sub(now().millis()).saturating_add(1)));
        std::thread::sleep(left.map_or(self.0, |left| left.min(self.0)));
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}

/// Whether it may be better in a while.
fn is_passing(failed: &Failed) -> bool {
    matches!(failed.0, Exit::Unreachable | Exit::Busy)
}

pub(super) fn run(args: &cli::ExchangeRun, as_json: bool) -> Result<Exit, Failed> {
    if is_swap(&args.of.run) {
        return run_swap(args, as_json);
    }
    let mut driver = Driver::open(&args.of.run, &args.of.instead)?;
    let run = driver.party.course().run();
    let other = run.participant(driver.party.side().other()).id;
    let peer = way(args, &driver.settings, (other, run.x))?;
    let tell = |line: &str| {
        if !as_json {
            say::out(line);
        }
    };
    let mut pause = Pause(PAUSE_FIRST);
    while let Some(act) = driver.party.again() {
        let before = driver.party.dossier().stand;
        match turn(&mut driver, &*peer, act, &tell) {
            Ok(true) => break,
            Ok(false) => {}
            Err(failed) if is_passing(&failed) => tell(&format!("  not yet: {}", failed.1)),
            Err(failed) => return Err(failed),
        }
        if driver.party.dossier().stand == before {
            if has_ended_long_ago(&driver) {
                tell("  the other side did not take the last message; it can have the contract from the arbiter");
                break;
            }
            pause.wait(driver.party.overdue_at());
        } else {
            pause = Pause(PAUSE_FIRST);
            tell(&words::stands(&driver.party));
        }
    }
    let file = driver.party.again().map(|act| driver.message(act)).transpose()?.flatten();
    let file = file.map(|message| driver.folder.put_message(&message)).transpose()?;
    words::told(&driver, "", file.as_deref(), None, as_json);
    Ok(words::exit(&driver.party))
}

/// How messages travel.
fn way(args: &cli::ExchangeRun, settings: &Settings, run: (PartyId, Digest)) -> Result<Box<dyn Transport>, Failed> {
    Ok(match &args.peer {
        Some(url) => Box::new(Listening::at(url)?),
        None => Box::new(Mailbox::of(settings.remote()?, run.0, run.1)),
    })
}

/// The same of items through the arbiter: whose word is missing is waited for; then the arbiter is asked until it has decided.
fn run_swap(args: &cli::ExchangeRun, as_json: bool) -> Result<Exit, Failed> {
    let mut swapper = Swapper::open(&args.of.run, &args.of.instead)?;
    let remote = swapper.settings.remote()?;
    let peer = way(args, &swapper.settings, (swapper.peer(), swapper.x()))?;
    let tell = |line: &str| {
        if !as_json {
            say::out(line);
        }
    };
    let (mut pause, mut has_sent) = (Pause(PAUSE_FIRST), false);
    while swapper.swap.end().is_none() {
        let before = swapper.swap.at();
        if let Some(message) = swapper.to_send().filter(|_| !has_sent) {
            match peer.deliver(&message) {
                Ok(Some(next)) => {
                    match swapper.take(&next) {
                        Err(Failed(Exit::Falsified | Exit::Usage, why)) => {
                            tell(&format!("  the other side's answer was not taken: {why}"));
                        }
                        taken => taken?,
                    }
                    peer.done()?;
                }
                // An originator goes on asking; a responder has said all that it has to say.
                Ok(None) => has_sent = swapper.swap.side() == Side::Responder,
                Err(Failed(_, why)) => tell(&format!("  the other side: {why}")),
            }
        }
        if swapper.swap.is_overdue(now()) {
            tell("  nobody has agreed in time");
            swapper.cancel()?;
        }
        if swapper.swap.asks().is_some() {
            match swapper.ask(&remote) {
                Ok(phase) if phase == BOTH && swapper.waits_for_people() => {
                    tell("  both items are there, and people have to say whether they take them");
                    break;
                }
                Ok(_) => {}
                Err(failed) if is_passing(&failed) => tell(&format!("  not yet: {}", failed.1)),
                Err(failed) => return Err(failed),
            }
        }
        if swapper.swap.at() == before {
            pause.wait(swapper.next_end(now()));
        } else {
            pause = Pause(PAUSE_FIRST);
            tell(&swap::stands(&swapper));
        }
    }
    swap::told(&swapper, "", None, as_json)
}

fn has_ended_long_ago(driver: &Driver) -> bool {
    let since = driver.party.dossier().since_ms;
    driver.party.end().is_some() && now().millis().saturating_sub(since) > LAST_MESSAGE_SECS * 1_000
}

/// One try of what is to be done; whether that was the last.
fn turn(driver: &mut Driver, peer: &dyn Transport, act: Act, tell: &dyn Fn(&str)) -> Result<bool, Failed> {
    if matches!(act, Act::AskAbort | Act::AskResolve) {
        driver.ask()?;
        return Ok(false);
    }
    if driver.is_overdue() {
        tell("  the other side is overdue: the arbiter is asked");
        driver.overdue()?;
        return Ok(false);
    }
    let Some(message) = driver.message(act)? else { return Ok(false) };
    match peer.deliver(&message) {
        Ok(None) => Ok(driver.party.end() == Some(End::Standard)),
        Ok(Some(next)) => {
            take(driver, &next, tell)?;
            peer.done()?;
            Ok(false)
        }
        // Whatever the other side refuses, it may think better of; and if not, the arbiter is asked when it is overdue.
        Err(Failed(_, why)) => {
            tell(&format!("  the other side: {why}"));
            Ok(false)
        }
    }
}

/// Takes the other side's answer. One that breaks a rule is told of and changes nothing: the run goes on until the other side is overdue.
fn take(driver: &mut Driver, message: &Message, tell: &dyn Fn(&str)) -> Result<(), Failed> {
    match driver.take(message) {
        Err(Failed(Exit::Falsified | Exit::Usage, why)) => {
            tell(&format!("  the other side's answer was not taken: {why}"));
            Ok(())
        }
        taken => taken.map(drop),
    }
}
