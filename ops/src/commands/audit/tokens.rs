//! `--tokens`: which tokens were issued, by unit and time (EN 319 421 OVR-7.12), so that those of a doubtful unit or hour can
//! be named (OVR-7.13).
//!
//! In the order of the ledger, which is that of time up to the maximum merge delay. Nothing is judged here. Of a token that a
//! restore lost, only the entry is left: its digest and the entry's time are listed, whatever unit is asked for.

use semper_ledger::complete;
use semper_ledger::entry::Entry;
use semper_ledger::merkle::TILE_WIDTH;
use semper_ttp::audit::{Row, Stored};
use semper_ttp::evidence::{Fact, KeyId, Kind, Recorded, TimestampKind};
use semper_ttp::time::Timestamp;
use semper_ttp::timestamp::TimestampFact;
use semper_ttp::verify::TokenReading;
use serde_json::json;

use super::{Failed, Opened, evidence, rows, say};
use crate::cli;
use crate::exit::Exit;

/// Which are wanted.
struct Wanted {
    unit: Option<KeyId>,
    from: Timestamp,
    /// Not included.
    to: Timestamp,
}

/// Lists them, a line each; ends with 2 if the facts of some are lost or do not read.
///
/// # Errors
/// The store cannot be read to its end.
pub(super) fn list(opened: &Opened, args: &cli::AuditAll, json: bool) -> Result<Exit, Failed> {
    let wanted = Wanted { unit: args.unit, from: args.from.unwrap_or_default(), to: args.to.unwrap_or(Timestamp::MAX) };
    let (reader, store) = (&opened.reader, opened.store());
    let mmd_ms = opened.config.ledger.mmd_ms();
    // An entry is at most so much later than its token, and never earlier.
    let end = evidence::first_at(reader, wanted.to.millis().saturating_add(mmd_ms))?;
    let mut next = evidence::first_at(reader, wanted.from.millis())? / TILE_WIDTH * TILE_WIDTH;
    if !json {
        say::out("index\ttime\tserial number\tunit\tpolicy\tclock\thash\timprint\ttoken's digest");
    }
    let (mut exit, mut lost_tokens) = (Exit::Ok, 0_u64);
    let lost = complete::lost(store)?;
    while next < end {
        let chunk = rows::chunk(store, next, reader.size(), &lost)?;
        let mut lines = String::new();
        for (row, _) in chunk.rows().filter(|(row, _)| row.index < end) {
            match line(&row, &wanted, json) {
                Listed::Line(line) => {
                    lines.push_str(&line);
                    lines.push('\n');
                }
                Listed::Lost(line) => {
                    lines.push_str(&line);
                    lines.push('\n');
                    lost_tokens += 1;
                }
                Listed::Other => {}
                Listed::Unread => {
                    say::trouble(false, format_args!("the fact of the token in entry {} does not read", row.index));
                    exit = Exit::Undecided;
                }
            }
        }
        say::bytes(lines.as_bytes());
        next += chunk.len();
    }
    if lost_tokens > 0 {
        say::trouble(
            false,
            format_args!(
                "{lost_tokens} of these were lost and restored from a public copy: which unit signed them, and when exactly, only \
                 whoever holds them can show; the time that is listed is the entry's"
            ),
        );
        exit = Exit::Undecided;
    }
    Ok(exit)
}

enum Listed {
    Line(String),
    /// Its fact is gone with a machine.
    Lost(String),
    /// No token, or none that is wanted.
    Other,
    Unread,
}

fn line(row: &Row<'_>, wanted: &Wanted, json: bool) -> Listed {
    let token = Kind::Timestamp(TimestampKind::Token);
    let Some(entry) =
        Entry::decode(row.entry).ok().filter(|entry| Kind::from_codes(entry.role, entry.kind) == Some(token))
    else {
        return Listed::Other;
    };
    let bytes = match row.fact {
        Stored::Kept(bytes) => bytes,
        Stored::Lost => return lost(row.index, &entry, wanted, json),
        Stored::Absent | Stored::Unreadable => return Listed::Unread,
    };
    let Ok(fact) = Fact::decode(bytes) else { return Listed::Unread };
    let Ok(TimestampFact::TokenIssued { serial, algorithm, policy, clock, key, .. }) = TimestampFact::from_fact(&fact)
    else {
        return Listed::Unread;
    };
    let asked = wanted.unit.is_none_or(|unit| unit == key) && wanted.from <= fact.now && fact.now < wanted.to;
    if !asked {
        return Listed::Other;
    }
    // The fact has the imprint's hash only; the imprint itself is in the token, as long as that is kept.
    let imprint = match row.artefact {
        Stored::Kept(token) => TokenReading::of(token).ok().map(|reading| hex::encode(reading.imprint)),
        Stored::Absent | Stored::Unreadable | Stored::Lost => None,
    };
    let (serial, digest) = (hex::encode(serial.content()), hex::encode(entry.digest));
    Listed::Line(if json {
        json!({
            "index": row.index,
            "gen_time": fact.now,
            "serial": serial,
            "unit": key.to_string(),
            "policy": policy.to_string(),
            "clock": clock.name(),
            "hash": algorithm.name(),
            "imprint": imprint,
            "digest": digest,
        })
        .to_string()
    } else {
        let imprint = imprint.unwrap_or_else(|| "-".to_owned());
        let (index, now, clock, hash) = (row.index, fact.now, clock.name(), algorithm.name());
        format!("{index}\t{now}\t{serial}\t{key}\t{policy}\t{clock}\t{hash}\t{imprint}\t{digest}")
    })
}

fn lost(index: u64, entry: &Entry, wanted: &Wanted, json: bool) -> Listed {
    let (made, digest) = (Timestamp::from_millis(entry.time_ms), hex::encode(entry.digest));
    if made < wanted.from {
        return Listed::Other; // no token is younger than its entry
    }
    Listed::Lost(if json {
        json!({ "index": index, "lost": true, "entry_time": made, "digest": digest }).to_string()
    } else {
        format!("{index}\t{made}\tLOST\t-\t-\t-\t-\t-\t{digest}")
    })
}
