//! What a start learns from the witnesses, before anything is written or signed.

use std::collections::BTreeMap;

use semper_ledger::policy::Policy;
use semper_ledger::reader::Reader;

use super::{Contradiction, WitnessesError, client_of, compare, monitoring_path};
use crate::client::ClientError;

/// Each witness's newest checkpoint against this ledger.
#[derive(Debug)]
pub struct Asking {
    /// Names, with the checkpoints that contradict the ledger.
    pub ahead: Vec<(String, Contradiction)>,
    /// Names of those that gave no answer of use, and why.
    pub silent: Vec<(String, String)>,
    /// Names of those whose newest checkpoint of ours the ledger continues.
    pub vouched: Vec<String>,
}

/// Asks all witnesses of a policy at once, a second each, where `monitoring_urls` says or else where they are asked for
/// cosignatures.
///
/// # Errors
/// An address is none.
pub async fn ask_before_start(
    policy: &Policy,
    monitoring_urls: &BTreeMap<String, String>,
    reader: &Reader,
) -> Result<Asking, WitnessesError> {
    let mut asking = Asking { ahead: Vec::new(), silent: Vec::new(), vouched: Vec::new() };
    let mut answers = tokio::task::JoinSet::new();
    for witness in policy.witnesses() {
        let Some(url) = monitoring_urls.get(&witness.name).or(witness.url.as_ref()) else { continue };
        let name = witness.name.clone();
        let (client, path) = (client_of(&name, url)?, monitoring_path(reader.vkey().name()));
        answers.spawn(async move { (name, client.get(&path).await) });
    }
    while let Some(answer) = answers.join_next().await {
        let Ok((name, answer)) = answer else { continue }; // it panicked, which was printed
        match answer {
            Err(ClientError::NotFound { .. }) => {
                let why = "it shows no checkpoint of ours: it has cosigned none, or shows them at another address, which \
                           witnesses.monitoring_urls can name";
                asking.silent.push((name, why.to_owned()));
            }
            Err(error) => asking.silent.push((name, error.to_string())),
            Ok(note) => match compare(reader, &note) {
                Ok(Some(found)) => asking.ahead.push((name, found)),
                Ok(None) => asking.vouched.push(name),
                Err(why) => asking.silent.push((name, why)),
            },
        }
    }
    Ok(asking)
}
