//! The witnesses in the anchor's place: what each of them has cosigned last.

use semper_api::witnesses;
use semper_ledger::checkpoint::Checkpoint;
use semper_ledger::note::Note;
use semper_ledger::reader::Reader;

use super::known::{Known, Verdict, Vouched};
use crate::cli;
use crate::commands::running::Failed;
use crate::commands::serve::read_policy;
use crate::config::Config;
use crate::exit::Exit;

/// Asks every witness of the policy.
///
/// # Errors
/// One of them shows another history; or too few answered, and that was not said to be enough.
pub(super) fn judge(args: &cli::Restore, config: &Config, reader: &Reader) -> Result<Verdict, Failed> {
    let Some(policy) = read_policy(&config.witnesses)? else {
        return match args.unwitnessed {
            true => Ok(Verdict::Reaches { size: 0, vouched: Vouched::default() }),
            false => Err(Failed(
                Exit::Undecided,
                "the settings name no witnesses (witnesses.policy_path), so nobody can say whether this backup is the newest \
                 state. If you know that it is, or that nobody was answered since, add --unwitnessed"
                    .to_owned(),
            )),
        };
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::fault(&error))?;
    let asking = runtime.block_on(witnesses::ask_before_start(&policy, &config.witnesses.monitoring_urls, reader));
    let asking = asking.map_err(|error| Failed::usage(&format!("witnesses.policy_path: {error}")))?;

    let (mut newest, mut ahead, mut also): (Option<Known>, Vec<_>, Vec<_>) = (None, Vec::new(), Vec::new());
    for (name, shown) in asking.ahead {
        ahead.push(name.clone());
        let (note, what) = (shown.note, shown.what);
        let found = Note::parse(&note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
        let Some(found) = found.filter(|found| found.size > reader.size()) else {
            let what = format!("the witness {name} {what}: corruption or a fork. It shows:\n{note}");
            return Err(Failed(Exit::Falsified, what));
        };
        also.push((found.size, hex::encode(found.root)));
        if newest.as_ref().is_none_or(|newest| newest.size < found.size) {
            newest = Some(Known {
                size: found.size,
                root: hex::encode(found.root),
                time_ms: None,
                by: format!("the witness {name}"),
                also: Vec::new(),
                vouched: Vouched::default(),
            });
        }
    }
    let urls = &config.witnesses.monitoring_urls;
    let asked = policy.witnesses().iter().filter(|witness| witness.url.is_some() || urls.contains_key(&witness.name));
    let asked = asked.count() as u64;
    if let Some(known) = newest {
        // Once completed, the ledger holds what every one of these has seen; whether that is a quorum is the same question.
        let names: Vec<_> = asking.vouched.into_iter().chain(ahead).collect();
        let quorum = policy.needs_witnesses() && policy.is_met(|place| names.contains(&policy.witnesses()[place].name));
        if args.complete_from.is_some() && !quorum && !args.unwitnessed {
            return Err(no_quorum(&names, &asking.silent));
        }
        return Ok(Verdict::Older(Known { also, vouched: Vouched { asked, names, quorum }, ..known }));
    }
    let quorum = policy.is_met(|place| asking.vouched.contains(&policy.witnesses()[place].name));
    let quorum = quorum && policy.needs_witnesses();
    if !quorum && !args.unwitnessed {
        return Err(no_quorum(&asking.vouched, &asking.silent));
    }
    Ok(Verdict::Reaches { size: 0, vouched: Vouched { asked, names: asking.vouched, quorum } })
}

fn no_quorum(vouched: &[String], silent: &[(String, String)]) -> Failed {
    let silent: Vec<_> = silent.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    Failed(
        Exit::Undecided,
        format!(
            "the witnesses that vouch for this state ({}) are no quorum, so it may not be the newest ({}). Try again when more of \
             them answer; or, if you know that it is the newest, add --unwitnessed",
            if vouched.is_empty() { "none".to_owned() } else { vouched.join(", ") },
            if silent.is_empty() { "the policy asks for none".to_owned() } else { silent.join("; ") },
        ),
    )
}
