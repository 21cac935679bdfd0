//! Runs in the words of a terminal.

use std::path::Path;

use semper_ttp::asn1::oid;
use semper_ttp::b64u;
use semper_ttp::client::automaton::{End, Originator, Responder};
use semper_ttp::client::course::Course;
use semper_ttp::client::dossier::{Goal, Piece, Stand};
use semper_ttp::client::message::{Beside, Message};
use semper_ttp::client::party::{Offer, Party};
use semper_ttp::client::peer::Holder;
use semper_ttp::digest::Digest;
use semper_ttp::statement::Body as _;
use semper_ttp::statement::exchange::Side;
use semper_ttp::statement::exchange::asw_r::M1;
use semper_ttp::statement::exchange::cd_r::D1;
use semper_ttp::statement::exchange::inline::I1;
use semper_ttp::statement::exchange::pg::GoodsOrder;
use semper_ttp::statement::exchange::pr::PaymentOffer;
use semper_ttp::time::Timestamp;
use serde_json::{Value, json};

use super::driver::Driver;
use crate::commands::say;
use crate::exit::Exit;

/// The longest text that is shown as it is, octets.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// Where a run stands, what lies ready to be sent, and what comes next.
pub(super) fn told(driver: &Driver, done: &str, send: Option<&Path>, more: Option<(&str, Value)>, as_json: bool) {
    let (party, place) = (&driver.party, driver.folder.path());
    let next = next(party, place, send);
    if as_json {
        let run = party.course().run();
        let mut document = json!({
            "run": place,
            "x": b64u::encode(&run.x.0),
            "protocol": party.dossier().protocol,
            "side": party.side().name(),
            "state": party.dossier().stand.name(),
            "sentence": stands(party),
            "fulfilled": party.end().map(End::is_fulfilled),
            "send": send,
            "delivered": driver.folder.delivered(),
            "overdue_at": party.overdue_at().map(time),
            "ends_at": run.t_exp.map(time),
            "next": next,
        });
        if let Some((name, value)) = more {
            document[name] = value;
        }
        return say::json(&document);
    }
    if !done.is_empty() {
        say::out(done);
    }
    say::out(stands(party));
    if let Some(file) = send {
        say::out(format!("  send        {}", file.display()));
    }
    if let Some(file) = driver.folder.delivered().filter(|_| party.side() == Side::Responder) {
        say::out(format!("  delivered   {}", file.display()));
    }
    next.into_iter().for_each(|next| say::out(format!("  next        {next}")));
}

/// How a command ends that tells of a run: one that is over without a contract is a failure of it.
pub(super) fn exit(party: &Party) -> Exit {
    match party.end() {
        Some(end) if !end.is_fulfilled() => Exit::Falsified,
        _ => Exit::Ok,
    }
}

pub(super) fn time(millis: u64) -> String {
    Timestamp::from_millis(millis).to_string()
}

/// What the third message does, for whoever has it to send.
pub(super) const fn opening(party: &Party) -> &'static str {
    match party.dossier().goal() {
        Goal::Contract => "taken: your signature is opened by the third message, which is ready",
        Goal::Delivery => "taken: the third message, which is ready, has the key",
    }
}

/// Where it stands, in a sentence.
pub(super) fn stands(party: &Party) -> String {
    let until = party.overdue_at().map(|at| format!("; the other side is waited for until {}", time(at)));
    let until = until.unwrap_or_default();
    match party.dossier().goal() {
        Goal::Contract => contract_stands(party.dossier().stand, &until),
        Goal::Delivery => delivery_stands(party.dossier().stand, &until),
    }
}

fn contract_stands(stand: Stand, until: &str) -> String {
    match stand {
        Stand::Originator(Originator::Offered) => {
            format!("OPEN: you have offered, and the other side has not answered; nobody is bound{until}")
        }
        Stand::Originator(Originator::Opened) => format!(
            "OPEN: you have opened your signature, and the other side's last message is missing; you can have the contract from the \
             arbiter at any time{until}"
        ),
        Stand::Originator(Originator::Aborting) => {
            "OPEN: you want to take the offer back, and the arbiter has not answered yet".to_owned()
        }
        Stand::Originator(Originator::Resolving) | Stand::Responder(Responder::Resolving) => {
            "OPEN: you want the contract from the arbiter, which has not answered yet".to_owned()
        }
        Stand::Responder(Responder::Answered) => format!(
            "OPEN: you have answered, and the other side has not opened its signature; it may have the contract, or may take its \
             offer back{until}"
        ),
        Stand::Originator(Originator::Done(end)) | Stand::Responder(Responder::Done(end)) => match end {
            End::Standard => "CONTRACT: both have signed it, by all four messages".to_owned(),
            End::Replacement => "CONTRACT: by the arbiter's verdict".to_owned(),
            End::Aborted | End::Void => "NO CONTRACT: the offer was taken back".to_owned(),
            End::Expired => "NO CONTRACT: the run's time was over before anybody asked".to_owned(),
        },
    }
}

fn delivery_stands(stand: Stand, until: &str) -> String {
    match stand {
        Stand::Originator(Originator::Offered) => {
            format!("OPEN: you have sent the sealed content, and the recipient has not answered{until}")
        }
        Stand::Originator(Originator::Opened) => format!(
            "OPEN: you have sent the key, and the receipt is missing; you can have one from the arbiter at any time{until}"
        ),
        Stand::Originator(Originator::Aborting) => {
            "OPEN: you want to take the delivery back, and the arbiter has not answered yet".to_owned()
        }
        Stand::Originator(Originator::Resolving) => {
            "OPEN: you want the receipt from the arbiter, which has not answered yet".to_owned()
        }
        Stand::Responder(Responder::Resolving) => {
            "OPEN: you want the key from the arbiter, which has not answered yet".to_owned()
        }
        Stand::Responder(Responder::Answered) => {
            format!("OPEN: you will take what is in the sealed content, and its key has not come{until}")
        }
        Stand::Originator(Originator::Done(end)) => match end {
            End::Standard => "DELIVERED: you have the recipient's receipt".to_owned(),
            End::Replacement => "DELIVERED: you have the arbiter's verdict as receipt".to_owned(),
            End::Aborted => "NOT DELIVERED: it was taken back".to_owned(),
            End::Expired => "NOT DELIVERED: the run's time was over before anybody asked".to_owned(),
            End::Void => "NOT DELIVERED: the arbiter says that the escrow did not hold the key".to_owned(),
        },
        Stand::Responder(Responder::Done(end)) => match end {
            End::Standard => "DELIVERED: you have the key, and have given a receipt".to_owned(),
            End::Replacement => "DELIVERED: you have the key from the arbiter, whose verdict is the receipt".to_owned(),
            End::Aborted => "NOT DELIVERED: the originator took it back".to_owned(),
            End::Expired => "NOT DELIVERED: the run's time was over before anybody asked".to_owned(),
            End::Void => "NOT DELIVERED: the originator's escrow did not hold the key; keep the folder, it convicts it"
                .to_owned(),
        },
    }
}

fn next(party: &Party, place: &Path, send: Option<&Path>) -> Option<String> {
    let run = place.display();
    let take = |what: &str| format!("semper exchange take {what} --run {run}");
    let ask = format!("semper exchange ask --run {run}");
    let message = |piece: Piece| format!("{}.json", piece.name(party.dossier().goal()));
    let before = if send.is_some() { "send that file, and when the answer comes: " } else { "when its answer comes: " };
    Some(match party.dossier().stand {
        Stand::Originator(Originator::Offered) => {
            format!("{before}{}; to take the offer back: {ask} --abort", take(&message(Piece::Second)))
        }
        Stand::Originator(Originator::Opened) => {
            format!("{before}{}; if none comes: {ask}", take(&message(Piece::Fourth)))
        }
        Stand::Responder(Responder::Answered) => {
            format!("{before}{}; if none comes: {ask}", take(&message(Piece::Third)))
        }
        Stand::Originator(Originator::Aborting | Originator::Resolving) | Stand::Responder(Responder::Resolving) => ask,
        Stand::Responder(Responder::Done(End::Standard)) if send.is_some() => {
            "send that file, so that the other side has its evidence, too; keep this folder".to_owned()
        }
        Stand::Originator(Originator::Done(_)) | Stand::Responder(Responder::Done(_)) => return None,
    })
}

/// What an answer to an offer would sign.
pub(super) fn offer(offer: &Offer, peer: &[Vec<u8>], contract_at: Option<&Path>) -> (Vec<String>, Value) {
    let run = offer.run();
    let name = Holder::read(peer).ok().and_then(|holder| holder.certificate.subject_attribute(oid::COMMON_NAME));
    let name = name.unwrap_or_default();
    let ends = run.t_exp.map(time);
    let mut lines = vec![
        format!("offered by  {} (party {}, key {})", name.escape_debug(), run.o.id, run.o.key),
        format!("to you      party {}, key {}", run.r.id, run.r.key),
        format!("arbiter     {} at {}, key {}", run.ttp.id.as_str(), run.ttp.url.as_str().escape_debug(), run.ttp.key),
        format!("policy      {}, which leaves {} s for asking", run.policy, offer.delta_ms / 1_000),
        format!("ends        {}", ends.as_deref().unwrap_or("never")),
    ];
    let mut document = json!({
        "x": b64u::encode(&run.x.0),
        "protocol": run.protocol,
        "from": { "name": name, "party": run.o.id, "key": run.o.key },
        "to": { "party": run.r.id, "key": run.r.key },
        "arbiter": { "id": run.ttp.id.as_str(), "url": run.ttp.url.as_str(), "key": run.ttp.key },
        "policy": run.policy.to_string(),
        "delta_ms": offer.delta_ms,
        "ends_at": ends,
    });
    match (&offer.course, &offer.beside) {
        (Course::Contract { offered, .. }, Beside::Contract(contract)) => {
            let media = offered.offer.terms_media.as_str();
            let (octets, sha256) = (contract.text.len(), Digest::of(&contract.text).to_string());
            lines.push(format!("contract    {octets} octets, {}, SHA-256 {sha256}", media.escape_debug()));
            if let Some(place) = contract_at {
                lines.push(format!("to be read  {}", place.display()));
            }
            let text = std::str::from_utf8(&contract.text).ok().filter(|text| text.len() <= SHOWN_BYTES_MAX);
            if let Some(text) = text.filter(|_| media.starts_with("text/")) {
                lines.push("the text:".to_owned());
                lines.extend(text.lines().map(|line| format!("  | {}", visible(line))));
            }
            document["contract"] =
                json!({ "octets": octets, "media_type": media, "sha256": sha256, "file": contract_at });
        }
        (Course::Delivery { posted, .. }, Beside::Content(content)) => {
            let about = posted.delivery.subject.class.as_str();
            lines.push(format!("delivers    \"{}\", {} octets, sealed", about.escape_debug(), content.len()));
            lines.push("for         a receipt: whoever answers takes the key, read or not".to_owned());
            let paid_by = paid_by(offer).map(|x| b64u::encode(&x.0));
            if let Some(x) = &paid_by {
                lines.push(format!(
                    "and         the money of the payment {x}, which your receipt moves to the other side"
                ));
            }
            document["delivery"] = json!({
                "about": about,
                "octets": content.len(),
                "mode": posted.delivery.mode,
                "paid_by": paid_by,
            });
        }
        _ => {}
    }
    (lines, document)
}

/// The payment, by its x, that a delivery's receipt moves.
pub(super) fn paid_by(offer: &Offer) -> Option<Digest> {
    match &offer.course {
        Course::Delivery { posted, .. } => posted.delivery.pay.map(Into::into),
        Course::Contract { .. } => None,
    }
}

/// A line as it is, but for what would move a terminal's cursor or turn the direction of what follows: that is shown as an escape, so that
/// nobody reads something else than is signed.
pub(super) fn visible(line: &str) -> String {
    let mut shown = String::new();
    for c in line.chars() {
        match c {
            '"' | '\'' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Which command takes a message that came: one of semper exchange, but for a payment's.
pub(super) fn then(message: &Message) -> &'static str {
    match message.statement.tag() {
        M1::TAG | D1::TAG => "accept",
        I1::TAG => "join",
        GoodsOrder::TAG | PaymentOffer::TAG => super::pay::PAYMENT,
        _ => "take",
    }
}

/// The same, as it is typed.
pub(super) fn command(message: &Message) -> String {
    match then(message) {
        super::pay::PAYMENT => format!("semper {}", super::pay::PAYMENT),
        then => format!("semper exchange {then}"),
    }
}

/// Who the other side is.
pub(super) const fn other(side: Side) -> &'static str {
    side.other().name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reads_something_else_than_is_signed() {
        for (line, shown) in [
            ("Don't pay \"more\" than 5 €.", "Don't pay \"more\" than 5 €."),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("5\u{202e}001", "5\\u{202e}001"),
            ("a\\u{1b}", "a\\\\u{1b}"),
        ] {
            assert_eq!(visible(line), shown);
        }
    }
}
