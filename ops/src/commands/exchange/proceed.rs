//! A run goes on: `semper exchange take`, `ask`, `status`.

use std::path::{Path, PathBuf};

use semper_ttp::client::automaton::{Act, End, Originator};
use semper_ttp::client::dossier::{Goal, Stand};
use semper_ttp::statement::exchange::Outcome;
use serde_json::{Value, json};

use super::begin::{message, send};
use super::driver::Driver;
use super::folder::{is_swap, named_after};
use super::{service, swap, words};
use crate::cli;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

pub(super) fn take(args: &cli::ExchangeTake, as_json: bool) -> Result<Exit, Failed> {
    let message = message(&args.message)?;
    if words::then(&message) != "take" {
        let command = words::command(&message);
        return Err(Failed::usage(&format!("it begins a run: {command} shows and answers it")));
    }
    let place: PathBuf = args.run.clone().unwrap_or_else(|| named_after(Path::new("."), &message.x()));
    if is_swap(&place) {
        return swap::take(&message, &place, &args.instead, as_json);
    }
    let mut driver = Driver::open(&place, &args.instead)?;
    let act = driver.take(&message)?;
    let done = match act {
        Some(Act::SendOpening) => words::opening(&driver.party),
        Some(Act::SendClosing) => "taken: the fourth message is ready",
        Some(Act::AskAbort) => "taken, and too late to go on with: the arbiter is to be asked to take the offer back",
        _ => "taken",
    };
    match act {
        Some(act) => send(&driver, done, act, as_json),
        None => {
            words::told(&driver, done, None, None, as_json);
            Ok(words::exit(&driver.party))
        }
    }
}

pub(super) fn ask(args: &cli::ExchangeAsk, as_json: bool) -> Result<Exit, Failed> {
    let mut driver = Driver::open(&args.of.run, &args.of.instead)?;
    may_ask(&driver, args.abort)?;
    if driver.party.request().is_none() {
        driver.overdue()?;
    }
    let wants_abort = matches!(driver.party.dossier().stand, Stand::Originator(Originator::Aborting));
    let outcome = match args.no_wait {
        false => driver.ask()?,
        true => match driver.leave()? {
            Ok(outcome) => outcome,
            Err((receipt, by)) => {
                let by = by.to_string();
                let done = format!("the arbiter has the request, and answers it by {by}: {}", receipt.display());
                let promised = json!({ "by": by, "receipt": receipt.to_string_lossy() });
                words::told(&driver, &done, None, Some(("promised", promised)), as_json);
                return Ok(Exit::Undecided);
            }
        },
    };
    let done = format!("the arbiter has decided: {}", outcome.name());
    words::told(&driver, &done, None, Some(("outcome", json!(outcome))), as_json);
    if let Some(bad) = driver.bad_content()? {
        let place = driver.folder.path().display();
        return Err(Failed(
            Exit::Falsified,
            format!(
                "{bad}: the originator sent something else than it promised; keep {place}, it convicts the originator"
            ),
        ));
    }
    let is_fulfilled = End::from(outcome).is_fulfilled();
    Ok(if is_fulfilled != wants_abort { Exit::Ok } else { Exit::Falsified })
}

/// What a person may want of the arbiter where the run stands.
fn may_ask(driver: &Driver, abort: bool) -> Result<(), Failed> {
    let place = driver.folder.path().display();
    match driver.party.dossier().stand {
        stand if stand.end().is_some() => Err(Failed::usage(&"the run is over: there is nothing to ask")),
        Stand::Originator(Originator::Offered) if !abort && !driver.is_overdue() => Err(Failed::usage(&format!(
            "the other side is not overdue yet, and all that can be asked is to take the offer back: semper exchange ask --abort --run \
             {place}"
        ))),
        Stand::Originator(Originator::Opened | Originator::Resolving) if abort => Err(Failed::usage(&format!(
            "you have sent the third message, so the offer cannot be taken back any more: semper exchange ask --run {place} gets what was \
             agreed"
        ))),
        Stand::Responder(_) if abort => Err(Failed::usage(
            &"only the originator takes its offer back; a responder who has answered asks for what was agreed, without --abort",
        )),
        _ => Ok(()),
    }
}

pub(super) fn status(args: &cli::ExchangeStatus, as_json: bool) -> Result<Exit, Failed> {
    if is_swap(&args.of.run) {
        return swap::status(args, as_json);
    }
    let driver = Driver::open(&args.of.run, &args.of.instead)?;
    let act = driver.party.again().filter(|act| !matches!(act, Act::AskAbort | Act::AskResolve));
    let message = act.map(|act| driver.message(act)).transpose()?.flatten();
    let file = message.map(|message| driver.folder.put_message(&message)).transpose()?;
    let mut more: Option<(&str, Value)> = None;
    if args.ask {
        let course = driver.party.course();
        let remote = driver.settings.remote()?;
        let (status, signed) = service::status(&remote, driver.party.dossier(), &course.run().x, course.first())?;
        // Against a verdict, or a promise, it convicts its signer.
        driver.folder.keep_word("status", &signed)?;
        contradicts(&driver, status.outcome)?;
        let (size, at) = (status.size.get(), words::time(status.at_ms.get()));
        if !as_json {
            let said = match status.outcome {
                None => "has decided nothing".to_owned(),
                Some(outcome) => format!("has decided {}", outcome.name()),
            };
            say::out(format!("the arbiter {said}, as of entry {size} of its log at {at}"));
        }
        more = Some(("arbiter", json!({ "outcome": status.outcome, "size": size, "at": at })));
    }
    if !as_json {
        let run = driver.party.course().run();
        let side = driver.party.side();
        let peer = run.participant(side.other());
        say::out(format!("you are the {}; the {} is the party {}", side.name(), words::other(side), peer.id));
        say::out(format!("  arbiter     {}; ends {}", run.ttp.id.as_str(), ends(run.t_exp)));
    }
    words::told(&driver, "", file.as_deref(), more, as_json);
    Ok(words::exit(&driver.party))
}

fn ends(t_exp: Option<u64>) -> String {
    t_exp.map_or_else(|| "never".to_owned(), words::time)
}

/// A run that is over by a verdict has that verdict at the arbiter's, too.
fn contradicts(driver: &Driver, outcome: Option<Outcome>) -> Result<(), Failed> {
    let expected = match driver.party.end() {
        Some(End::Replacement) => match driver.party.dossier().goal() {
            Goal::Contract => Outcome::Resolved,
            Goal::Delivery => Outcome::Released,
        },
        Some(End::Void) => Outcome::Void,
        Some(End::Aborted) => Outcome::Aborted,
        Some(End::Expired) => Outcome::Expired,
        Some(End::Standard) | None => return Ok(()),
    };
    match outcome == Some(expected) {
        true => Ok(()),
        false => Err(Failed(
            Exit::Falsified,
            format!(
                "the arbiter's status contradicts the verdict in {}: keep the folder, it convicts the arbiter",
                driver.folder.path().display()
            ),
        )),
    }
}
