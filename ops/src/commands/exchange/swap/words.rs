//! Swaps in the words of a terminal.

use semper_ttp::asn1::oid;
use semper_ttp::b64u;
use semper_ttp::client::peer::Holder;
use semper_ttp::client::swap::begin::Invitation;
use semper_ttp::client::swap::{At, Decided, End};
use semper_ttp::digest::Digest;
use semper_ttp::exchange::inline::Proposed;
use semper_ttp::statement::exchange::Side;
use semper_ttp::statement::exchange::inline::DepositMode;
use semper_ttp::statement::exchange::item::{Fairness, ItemDescriptor};
use serde_json::{Value, json};

use super::super::words::{time, visible};
use super::{Swapper, collected};
use crate::commands::remote::text;
use crate::commands::running::Failed;
use crate::commands::say;
use crate::exit::Exit;

/// Where a swap stands, what lies ready to be sent, and what comes next; `more` is a member of the document. Gives how the command ends.
pub(in super::super) fn told(
    swapper: &Swapper,
    done: &str,
    more: Option<(&str, Value)>,
    as_json: bool,
) -> Result<Exit, Failed> {
    let send = swapper.to_send().map(|message| swapper.folder.put_message(&message)).transpose()?;
    let (swap, place) = (&swapper.swap, swapper.folder.path());
    let (proposal, run) = (&swap.proposed().proposal, &swap.proposed().run);
    let (collected, next) = (collected(swapper), next(swapper));
    if as_json {
        let mut document = json!({
            "run": place,
            "x": b64u::encode(&run.x.0),
            "protocol": run.protocol,
            "side": swap.side().name(),
            "state": swap.at().name(),
            "sentence": stands(swapper),
            "fulfilled": swap.end().map(|end| end == End::Swapped),
            "fairness": proposal.fairness,
            "gives": swap.proposed().item(swap.side()),
            "gets": swap.proposed().item(swap.side().other()),
            "send": send,
            "collected": collected,
            "deposits_until": time(proposal.t_dep.get()),
            "ends_at": time(proposal.t_exp.get()),
            "next": next,
        });
        if let Some((name, value)) = more {
            document[name] = value;
        }
        say::json(&document);
    } else {
        if !done.is_empty() {
            say::out(done);
        }
        say::out(stands(swapper));
        if let Some(file) = send {
            say::out(format!("  send        {}", file.display()));
        }
        if let Some(file) = collected {
            say::out(format!("  {:<12}{}", file.file_name().unwrap_or_default().to_string_lossy(), file.display()));
        }
        next.into_iter().for_each(|next| say::out(format!("  next        {next}")));
    }
    Ok(match swap.at() {
        At::Done(End::Returned | End::Dropped) | At::Collecting(Decided::Returned) | At::Refused => Exit::Falsified,
        _ => Exit::Ok,
    })
}

/// The same beside what the arbiter says of it, which it does not sign.
pub(super) fn told_beside(swapper: &Swapper, view: Option<&Value>, as_json: bool) -> Result<Exit, Failed> {
    let Some(view) = view else { return told(swapper, "", None, as_json) };
    if !as_json {
        let waits: Vec<_> = view["waiting_on"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let waits = match waits[..] {
            [] => "nobody".to_owned(),
            _ => waits
                .iter()
                .map(|side| if *side == "o" { "the originator" } else { "the responder" })
                .collect::<Vec<_>>()
                .join(" and "),
        };
        let (phase, due) = (text(view, "phase"), text(view, "due_by"));
        say::out(format!("the arbiter says: {phase}; it waits for {waits}, until {due}"));
        if let Some(silent) = view["next_if_silent"].as_str() {
            say::out(format!("  if nobody does anything: {silent}"));
        }
    }
    let members = ["phase", "waiting_on", "due_by", "next_if_silent", "deposits", "outcome", "erased"];
    let said: serde_json::Map<_, _> = members.iter().map(|name| ((*name).to_owned(), view[*name].clone())).collect();
    told(swapper, "", Some(("arbiter", Value::Object(said))), as_json)
}

/// With whom, through whom, what for what.
pub(super) fn run(swapper: &Swapper) -> Vec<String> {
    let (proposed, side) = (swapper.swap.proposed(), swapper.swap.side());
    let run = &proposed.run;
    let (own, other) = (side.name(), side.other().name());
    let mut lines = vec![
        format!("you are the {own}; the {other} is the party {}", run.participant(side.other()).id),
        format!("  arbiter     {} at {}", run.ttp.id.as_str(), run.ttp.url.as_str().escape_debug()),
    ];
    lines.extend(goods(proposed, side).into_iter().map(|line| format!("  {line}")));
    lines
}

fn goods(proposed: &Proposed, side: Side) -> Vec<String> {
    let proposal = &proposed.proposal;
    let worth = match proposal.fairness {
        Fairness::Strong => "strong: at the end both have what was agreed, or neither has anything",
        Fairness::Weak => "WEAK: only people can tell what the items are, and what they are worth is for a dispute",
    };
    let mode = match proposal.mode {
        DepositMode::Content => "as they are",
        DepositMode::Sealed => "sealed; the arbiter sees them while it checks them",
    };
    let kept = match proposal.retention_ms {
        Some(ms) => format!("within {} h of the decision; then they are erased", ms.get() / 3_600_000),
        None => "as long as the arbiter's policy keeps items (/.well-known/semper)".to_owned(),
    };
    vec![
        format!("you give    {}", described(proposed.item(side))),
        format!("you get     {}", described(proposed.item(side.other()))),
        format!("worth       {worth}"),
        format!("deposits    {mode}; until {}", time(proposal.t_dep.get())),
        format!("ends        {}", time(proposal.t_exp.get())),
        format!("collected   {kept}"),
    ]
}

/// A description in a line.
fn described(item: &ItemDescriptor) -> String {
    let ItemDescriptor { kind, sha256, len, media, amount, predicate, verifier, recovery: _ } = item;
    let mut said = vec![kind.name().to_owned()];
    said.extend(len.map(|len| format!("{} octets", len.get())));
    said.extend(media.as_ref().map(|media| visible(media.as_str())));
    said.extend(sha256.map(|sha256| format!("SHA-256 {}", Digest::from(sha256))));
    said.extend(predicate.as_ref().map(|rule| format!("that keeps the rule {}", rule.as_str())));
    said.extend(amount.as_ref().map(|amount| format!("{} {} in minor units", amount.minor(), amount.currency())));
    said.extend(verifier.map(|key| format!("judged by the key {key}")));
    if sha256.is_none() && predicate.is_none() {
        said.push("WHICH one it is, only people can tell".to_owned());
    }
    said.join(", ")
}

/// What an agreement would sign.
pub(super) fn proposal(invitation: &Invitation, peer: &[Vec<u8>]) -> (Vec<String>, Value) {
    let (proposed, run) = (&invitation.proposed, &invitation.proposed.run);
    let name = Holder::read(peer).ok().and_then(|holder| holder.certificate.subject_attribute(oid::COMMON_NAME));
    let name = name.unwrap_or_default();
    let mut lines = vec![
        format!("proposed by {} (party {}, key {})", name.escape_debug(), run.o.id, run.o.key),
        format!("to you      party {}, key {}", run.r.id, run.r.key),
        format!("arbiter     {} at {}, key {}", run.ttp.id.as_str(), run.ttp.url.as_str().escape_debug(), run.ttp.key),
        format!("policy      {}", run.policy),
    ];
    lines.extend(goods(proposed, Side::Responder));
    let document = json!({
        "x": b64u::encode(&run.x.0),
        "protocol": run.protocol,
        "from": { "name": name, "party": run.o.id, "key": run.o.key },
        "to": { "party": run.r.id, "key": run.r.key },
        "arbiter": { "id": run.ttp.id.as_str(), "url": run.ttp.url.as_str(), "key": run.ttp.key },
        "policy": run.policy.to_string(),
        "fairness": proposed.proposal.fairness,
        "mode": proposed.proposal.mode,
        "gives": proposed.item(Side::Responder),
        "gets": proposed.item(Side::Originator),
        "deposits_until": time(proposed.proposal.t_dep.get()),
        "ends_at": time(proposed.proposal.t_exp.get()),
    });
    (lines, document)
}

/// What a waiver would be of: what the arbiter says that the other side has deposited.
pub(super) fn to_waive(swapper: &Swapper, view: &Value, as_json: bool) -> Result<Exit, Failed> {
    let other = if swapper.swap.side() == Side::Originator { "r" } else { "o" };
    let deposits = view["deposits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let item = deposits.iter().find(|deposit| deposit["side"] == other);
    let sha256 = item.and_then(|item| b64u::decode(item["item_sha256"].as_str()?.as_bytes()));
    let (Some(item), Some(sha256)) = (item, sha256.map(hex::encode)) else {
        return Err(Failed(Exit::Busy, "the other side has deposited nothing yet".to_owned()));
    };
    let next = format!("semper exchange waive --item {sha256} --run {}", swapper.folder.path().display());
    let (size, media) = (&item["size"], text(item, "media"));
    if as_json {
        say::json(&json!({
            "run": swapper.folder.path(),
            "item": { "sha256": sha256, "octets": size, "media_type": media },
            "promised": swapper.swap.proposed().item(swapper.swap.side().other()),
            "signed": false,
            "next": next,
        }));
        return Ok(Exit::Ok);
    }
    say::out(format!("deposited   {size} octets, {}, SHA-256 {sha256}, as the arbiter says", visible(media)));
    say::out(format!("promised    {}", described(swapper.swap.proposed().item(swapper.swap.side().other()))));
    say::out(format!("NOT SIGNED: to take both items as they are, which cannot be taken back:\n  next        {next}"));
    Ok(Exit::Ok)
}

/// Where it stands, in a sentence.
pub(in super::super) fn stands(swapper: &Swapper) -> String {
    let swap = &swapper.swap;
    let proposal = &swap.proposed().proposal;
    let (until, ends) = (time(proposal.t_dep.get()), time(proposal.t_exp.get()));
    match swap.at() {
        At::Proposed => format!(
            "OPEN: you have proposed the swap, and the other side has not agreed; nobody is bound, and it can until {until}"
        ),
        At::Agreed => format!("OPEN: both have agreed, and your item is not deposited yet; it can be until {until}"),
        At::Depositing => {
            format!("OPEN: your item is on its way to the arbiter, which has not acknowledged it; it can until {until}")
        }
        At::Deposited if swap.is_for_people() => format!(
            "OPEN: the arbiter has your item; no machine can judge the two, so both sides have to take them as they are until {ends}, or \
             each comes back"
        ),
        At::Deposited => format!(
            "OPEN: the arbiter has your item; it lets both go when the other one is there, and returns yours after {until}"
        ),
        At::Refused => {
            "OPEN: the arbiter did not take your item, and has said so in writing; nothing of yours can leave"
                .to_owned()
        }
        At::Waiving => {
            format!("OPEN: you take both items as they are; the other side has to say so, too, until {ends}")
        }
        At::Cancelling => {
            format!(
                "OPEN: you want no more of it; the arbiter has not returned it, and does so after {ends} at the latest"
            )
        }
        At::Collecting(Decided::Released) => {
            "SWAPPED: the arbiter has let both items go, and the other side's waits for you there".to_owned()
        }
        At::Collecting(Decided::Returned) => {
            "NOT SWAPPED: the arbiter has decided so, and your own item waits for you there".to_owned()
        }
        At::Done(End::Swapped) => {
            "SWAPPED: you have the other side's item, and it has yours at its disposal".to_owned()
        }
        At::Done(End::Returned) => "NOT SWAPPED: nobody got anything of the other".to_owned(),
        At::Done(End::Dropped) => "NOT SWAPPED: you have dropped the proposal before anybody agreed".to_owned(),
    }
}

fn next(swapper: &Swapper) -> Option<String> {
    let run = swapper.folder.path().display();
    let command = |name: &str| format!("semper exchange {name} --run {run}");
    Some(match swapper.swap.at() {
        At::Proposed => format!(
            "send that file, and when the answer comes: {}; to drop it: {}",
            command("take m2.json"),
            command("cancel")
        ),
        At::Agreed if swapper.to_send().is_some() => {
            format!("send that file, so that the other side can deposit, too; then {}", command("deposit"))
        }
        At::Agreed | At::Depositing => command("deposit"),
        At::Deposited if swapper.swap.is_for_people() => {
            format!(
                "when both have deposited: {}; until then, to take it back: {}",
                command("waive"),
                command("cancel")
            )
        }
        At::Deposited => format!(
            "{}; to take it back while the other side has deposited nothing: {}",
            command("collect"),
            command("cancel")
        ),
        At::Refused => format!("{}, and keep the folder", command("cancel")),
        At::Waiving | At::Collecting(_) => command("collect"),
        At::Cancelling => command("cancel"),
        At::Done(End::Swapped) => "keep this folder: what is in it shows a judge what each has got".to_owned(),
        At::Done(End::Returned | End::Dropped) => return None,
    })
}
