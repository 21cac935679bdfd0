//! Items through the arbiter: `semper exchange swap`, `join`, `deposit`, `waive`, `cancel`, `collect`, and what `take`, `status`, `run` and
//! `listen` do with such a run.
//!
//! ```text
//! driver.rs  joins a side (`semper_ttp::client::swap`), its folder and the service
//! words.rs   what is told, and which command comes next
//! ```

mod driver;
mod words;

use std::path::{Path, PathBuf};

use semper_ttp::client::message::Message;
use semper_ttp::client::swap::begin::{Barter, Own};
use semper_ttp::client::swap::side::Swap;
use semper_ttp::client::swap::{At, Decided, End};
use semper_ttp::crypto::OsEntropy;
use semper_ttp::digest::Digest;
use semper_ttp::json;
use semper_ttp::statement::exchange::inline::DepositMode;
use semper_ttp::statement::exchange::item::{ItemDescriptor, ItemKind, Recovery};
use semper_ttp::statement::exchange::{Assurance, Line, Side};
use semper_ttp::statement::{Count, Millis};
use serde_json::Value;

use super::begin::{Opening, answered_before, message, participant, read};
use super::driver::{failed, pen};
use super::folder::{Known, Register, named_after, parent_of, require_free};
use super::service;
use super::settings::Settings;
use crate::cli;
use crate::clock::now;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

pub(super) use driver::{BOTH, Swapper};
pub(super) use words::{stands, told};

/// The longest item, octets: as long as a service may be set to take.
const ITEM_BYTES_MAX: usize = 256 << 20;

/// The longest description, octets.
const DESCRIPTION_BYTES_MAX: usize = 16 << 10;

fn media(text: &str) -> Result<Line, Failed> {
    Line::new(text).ok_or_else(|| Failed::usage(&"--media-type is one line of text"))
}

/// A description that promises nothing but that it is octets.
fn something() -> ItemDescriptor {
    ItemDescriptor {
        kind: ItemKind::Bytes,
        sha256: None,
        len: None,
        media: None,
        amount: None,
        predicate: None,
        verifier: None,
        recovery: Recovery::None,
    }
}

fn described(path: &Path) -> Result<ItemDescriptor, Failed> {
    let refused = |why: &dyn std::fmt::Display| Failed::usage(&format!("{}: no description: {why}", path.display()));
    let members = json::read_object(&read(path, DESCRIPTION_BYTES_MAX)?).map_err(|fault| refused(&fault))?;
    serde_json::from_value(Value::Object(members)).map_err(|error| refused(&error))
}

/// What somebody wants; `None` where it says nothing.
fn wanted(wanted: &cli::OfWanted) -> Result<Option<ItemDescriptor>, Failed> {
    let cli::OfWanted { want_sha256, want_media, want_rule, want } = wanted;
    if let Some(path) = want {
        return described(path).map(Some);
    }
    if want_sha256.is_none() && want_media.is_none() && want_rule.is_none() {
        return Ok(None);
    }
    let line = |text: &String| Line::new(text).ok_or_else(|| Failed::usage(&"--want-media is one line of text"));
    Ok(Some(ItemDescriptor {
        sha256: want_sha256.map(Into::into),
        media: want_media.as_ref().map(line).transpose()?,
        predicate: want_rule.clone(),
        ..something()
    }))
}

pub(super) fn swap(args: &cli::ExchangeSwap, as_json: bool) -> Result<Exit, Failed> {
    let item = read(&args.file, ITEM_BYTES_MAX)?;
    let media = media(&args.media_type)?;
    let wants = wanted(&args.wanted)?.ok_or_else(|| {
        Failed::usage(&"say what you want for it: --want-sha256, --want-media, --want-rule, or --want")
    })?;
    let gives = match &args.described {
        Some(path) => described(path)?,
        None => ItemDescriptor {
            sha256: Some(Digest::of(&item).into()),
            len: Count::new(item.len() as u64),
            media: Some(media.clone()),
            ..something()
        },
    };
    let Opening { settings, own, peer, house, ttp, o, r } = Opening::of(&args.to, &args.key)?;
    let barter = Barter {
        o,
        r,
        ttp: service::escrow_arbiter(&house, ttp)?,
        gives,
        wants,
        mode: if args.sealed { DepositMode::Sealed } else { DepositMode::Content },
        t_dep: Millis::from(args.deposits_until.unwrap_or(args.ends)),
        t_exp: Millis::from(args.ends),
        retention_ms: None,
        assurance: Assurance::NonQualified,
    };
    let (key, _) = settings.signer()?;
    let own_item = Own { octets: &item, media: &media, takes_weak: args.weak };
    let begun = Swap::propose(barter, &own_item, &house, (&own, &peer), &OsEntropy, &pen(&key)?);
    let (swap, beside) = begun.map_err(failed)?;
    let place = args.run.clone().unwrap_or_else(|| named_after(Path::new("."), &swap.proposed().run.x));
    let swapper = Swapper::create(&place, swap, settings, &beside)?;
    told(&swapper, "proposed: the first message is ready", None, as_json)
}

pub(super) fn join(args: &cli::ExchangeJoin, as_json: bool) -> Result<Exit, Failed> {
    let message = message(&args.message)?;
    if super::words::then(&message) != "join" {
        let command = super::words::command(&message);
        return Err(Failed::usage(&format!("it proposes no swap: {command} takes it")));
    }
    let settings = Settings::of(&args.key)?;
    let (own, remote) = (settings.chain()?, settings.remote()?);
    let (house, _) = service::house(&remote, &args.key.trust)?;
    let invitation = Swap::read(&message, &own, &house, now()).map_err(failed)?;
    let run = &invitation.proposed.run;
    let this = participant(&remote, "your", &own)?;
    if this.id != run.r.id {
        let (named, found) = (run.r.id.to_string(), this.id.to_string());
        return Err(failed(semper_ttp::client::party::Stays::OtherParty { named, found }));
    }
    service::require_good(&remote, &run.o, &message.certificates)?;
    let (lines, document) = words::proposal(&invitation, &message.certificates);
    if !args.yes {
        let next = format!(
            "to agree to it, the same command with --give FILE --yes: semper exchange join {} --give FILE --yes …",
            args.message.display()
        );
        if as_json {
            say::json(&serde_json::json!({ "proposal": document, "signed": false, "next": next }));
        } else {
            lines.into_iter().for_each(say::out);
            say::out(format!("NOT SIGNED: nothing was answered\n  next        {next}"));
        }
        return Ok(Exit::Ok);
    }
    let give = args.give.as_deref().ok_or_else(|| Failed::usage(&"name your item: --give FILE"))?;
    let item = read(give, ITEM_BYTES_MAX)?;
    let promised = invitation.proposed.item(Side::Responder).media.clone();
    let media = match (&args.media_type, promised) {
        (Some(text), _) => media(text)?,
        (None, Some(promised)) => promised,
        (None, None) => media("application/octet-stream")?,
    };
    // Whoever says nothing else takes what was shown.
    let expects = wanted(&args.wanted)?;
    let expects = expects.unwrap_or_else(|| invitation.proposed.item(Side::Originator).clone());
    let place = args.run.clone().unwrap_or_else(|| named_after(Path::new("."), &run.x));
    let own_item = Own { octets: &item, media: &media, takes_weak: args.weak };
    let agree = || {
        let (key, _) = settings.signer()?;
        let chains = (&own[..], &message.certificates[..]);
        let joined = Swap::join(&invitation, (&own_item, &expects), &house, chains, &OsEntropy, &pen(&key)?);
        joined.map_err(failed)
    };
    let swapper = once(&run.x, &place, &settings, agree)?;
    if !as_json {
        lines.into_iter().for_each(say::out);
    }
    told(&swapper, "agreed: the second message is ready", None, as_json)
}

/// Begins a run that was proposed once and for all, whatever is killed in between: see [`Register`].
fn once(
    x: &Digest,
    place: &Path,
    settings: &Settings,
    begin: impl FnOnce() -> Result<(Swap, Vec<u8>), Failed>,
) -> Result<Swapper, Failed> {
    let parent = parent_of(place);
    let mut register = Register::open(&parent)?;
    match register.find(x, x) {
        Some(Known::Answered(name)) => return Err(answered_before(&parent.join(name))),
        Some(Known::Begun(name)) if parent.join(&name).exists() => {
            // The command that made it was killed before it said so, and so before anything left.
            let swapper = Swapper::open(&parent.join(&name), &cli::Instead::default())?;
            if swapper.x() != *x {
                return Err(answered_before(&parent.join(name)));
            }
            register.answered(x, x, swapper.folder.path())?;
            return Ok(swapper);
        }
        Some(Known::Begun(_)) | None => {}
    }
    // Before the register says that it was begun there: it would be held for answered for ever.
    require_free(place)?;
    let (swap, beside) = begin()?;
    register.begin(x, x, place)?;
    let swapper = Swapper::create(place, swap, settings.clone(), &beside)?;
    register.answered(x, x, place)?;
    Ok(swapper)
}

/// Takes the other side's word that it agrees.
pub(super) fn take(message: &Message, place: &Path, instead: &cli::Instead, as_json: bool) -> Result<Exit, Failed> {
    let mut swapper = Swapper::open(place, instead)?;
    swapper.take(message)?;
    told(&swapper, "taken: both have agreed", None, as_json)
}

pub(super) fn deposit(args: &cli::ExchangeDeposit, as_json: bool) -> Result<Exit, Failed> {
    let mut swapper = Swapper::open(&args.of.run, &args.of.instead)?;
    match swapper.swap.at() {
        At::Proposed => return Err(Failed::usage(&"the other side has not agreed: its answer comes first")),
        At::Cancelling => return Err(Failed::usage(&"you have cancelled: nothing is deposited any more")),
        _ => {}
    }
    let remote = swapper.settings.remote()?;
    while matches!(swapper.swap.at(), At::Agreed | At::Depositing) {
        swapper.ask(&remote)?;
    }
    let exit = told(&swapper, "", None, as_json)?;
    Ok(if swapper.swap.at() == At::Refused { Exit::Falsified } else { exit })
}

pub(super) fn waive(args: &cli::ExchangeWaive, as_json: bool) -> Result<Exit, Failed> {
    let mut swapper = Swapper::open(&args.of.run, &args.of.instead)?;
    let remote = swapper.settings.remote()?;
    let Some(item) = args.item else {
        let view = service::shown(&remote, &swapper.x())?;
        return words::to_waive(&swapper, &view, as_json);
    };
    if swapper.swap.at() != At::Waiving {
        swapper.waive(item)?;
    }
    swapper.ask(&remote)?;
    told(&swapper, "you take both items as they are", None, as_json)
}

pub(super) fn cancel(args: &cli::ExchangeCancel, as_json: bool) -> Result<Exit, Failed> {
    let mut swapper = Swapper::open(&args.of.run, &args.of.instead)?;
    if swapper.swap.at() != At::Cancelling {
        swapper.cancel()?;
    }
    if swapper.swap.end().is_none() {
        let remote = swapper.settings.remote()?;
        while swapper.swap.at() == At::Cancelling {
            swapper.ask(&remote)?;
        }
    }
    let _is_over = told(&swapper, "", None, as_json)?;
    // A return is what was asked for.
    Ok(match swapper.swap.at() {
        At::Collecting(Decided::Released) | At::Done(End::Swapped) => Exit::Falsified,
        _ => Exit::Ok,
    })
}

pub(super) fn collect(args: &cli::ExchangeCollect, as_json: bool) -> Result<Exit, Failed> {
    let mut swapper = Swapper::open(&args.of.run, &args.of.instead)?;
    let remote = swapper.settings.remote()?;
    match swapper.swap.at() {
        At::Proposed | At::Agreed | At::Depositing => {
            return Err(Failed::usage(&"nothing of yours is with the arbiter yet: see semper exchange status"));
        }
        At::Collecting(_) | At::Done(_) => {}
        _ => drop(swapper.ask(&remote)?),
    }
    if matches!(swapper.swap.at(), At::Collecting(_)) {
        swapper.ask(&remote)?;
    }
    let exit = told(&swapper, "", None, as_json)?;
    Ok(if swapper.swap.end().is_some() { exit } else { Exit::Busy })
}

pub(super) fn status(args: &cli::ExchangeStatus, as_json: bool) -> Result<Exit, Failed> {
    let swapper = Swapper::open(&args.of.run, &args.of.instead)?;
    let view = match args.ask {
        true => Some(service::shown(&swapper.settings.remote()?, &swapper.x())?),
        false => None,
    };
    if !as_json {
        words::run(&swapper).into_iter().for_each(say::out);
    }
    words::told_beside(&swapper, view.as_ref(), as_json)
}

/// Where what was collected lies, once it does.
fn collected(swapper: &Swapper) -> Option<PathBuf> {
    let name = match swapper.swap.at() {
        At::Done(End::Swapped) => driver::RECEIVED,
        At::Done(End::Returned) => driver::RETURNED,
        _ => return None,
    };
    Some(swapper.folder.path().join(name)).filter(|path| path.is_file())
}
