//! The witnesses in the anchor's place: what each of them has cosigned last.

use std::fmt;

use semper_api::witnesses;
use semper_ledger::reader::Reader;

use super::known::{Outside, Shown, ahead};
use crate::commands::running::Failed;
use crate::exit::Exit;

/// Who was asked for a new anchor, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct Vouched {
    /// How many were asked.
    pub(super) asked: u64,
    /// Those whose newest checkpoint is of this history: once the store is completed, if it must be, it holds what they have seen.
    pub(super) names: Vec<String>,
    /// They are a quorum by the policy.
    pub(super) quorum: bool,
    /// The others, and why.
    silent: Vec<(String, String)>,
}

/// What goes wrong if the newest state is not the newest.
pub(in crate::commands) const FORKS: &str = "if anybody was answered for more than this, the ledger is FORKED from its next entry \
on: two entries for one place, both signed by this service, which convicts it before everybody and cannot be taken back";

/// Asks every witness of the policy; gives what they show that the store lacks.
///
/// # Errors
/// One of them shows another history.
pub(super) fn ask(outside: &Outside<'_>, reader: &Reader) -> Result<(Vec<Shown>, Vouched), Failed> {
    let Some(policy) = outside.policy else { return Ok((Vec::new(), Vouched::default())) };
    let urls = &outside.config.witnesses.monitoring_urls;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::fault(&error))?;
    let asking = runtime.block_on(witnesses::ask_before_start(policy, urls, reader));
    let asking = asking.map_err(|error| Failed::usage(&format!("witnesses.policy_path: {error}")))?;
    let (mut names, mut shown) = (asking.vouched, Vec::new());
    for (name, found) in asking.ahead {
        shown.extend(ahead(reader, format!("the witness {name}"), &found.note)?);
        names.push(name);
    }
    let asked = policy.witnesses().iter().filter(|witness| witness.url.is_some() || urls.contains_key(&witness.name));
    let quorum = policy.needs_witnesses() && policy.is_met(|place| names.contains(&policy.witnesses()[place].name));
    Ok((shown, Vouched { asked: asked.count() as u64, names, quorum, silent: asking.silent }))
}

impl Vouched {
    /// Enough of them were there for a ledger that is to go on.
    ///
    /// # Errors
    /// They were not, and it was not said that it shall be enough.
    pub(super) fn suffices(&self, outside: &Outside<'_>) -> Result<(), Failed> {
        if self.quorum || outside.unwitnessed {
            return Ok(());
        }
        let what = match outside.policy {
            None => "the settings name no witnesses (witnesses.policy_path), so nobody can say whether this is the newest state"
                .to_owned(),
            Some(_) => {
                let silent: Vec<_> = self.silent.iter().map(|(name, why)| format!("{name}: {why}")).collect();
                format!(
                    "the witnesses that vouch for this state ({}) are no quorum, so it may not be the newest ({}). Try again when \
                     more of them answer",
                    if self.names.is_empty() { "none".to_owned() } else { self.names.join(", ") },
                    if silent.is_empty() { "the policy asks for none".to_owned() } else { silent.join("; ") },
                )
            }
        };
        let what = format!(
            "{what}. --unwitnessed goes on without them, and {FORKS}. Compare first with the largest size that anybody remembers: a \
             mirror, a monitor, the newest proof of a client"
        );
        Err(Failed(Exit::Undecided, what))
    }
}

impl Vouched {
    /// What is to be said of a new anchor for which no quorum vouched.
    pub(in crate::commands) fn warning(&self) -> Option<String> {
        let look = "look for a larger size before you serve (a mirror, a monitor, the newest proof of a client), and do not serve \
                    if you find one";
        (!self.quorum).then(|| format!("nobody vouches for this being the newest state: {FORKS}; {look}"))
    }
}

impl fmt::Display for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked == 0 {
            return f.write_str("no witness was asked whether this is the newest state");
        }
        write!(
            f,
            "{} of {} witnesses have seen nothing newer ({}){}",
            self.names.len(),
            self.asked,
            if self.names.is_empty() { "none".to_owned() } else { self.names.join(", ") },
            if self.quorum { ", a quorum" } else { ", which is no quorum" },
        )
    }
}
