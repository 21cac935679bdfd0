//! The practice statement (CPS, in the outline of RFC 3647) and the disclosure statement (PDS, EN 319 411-1 annex A), made from the
//! settings and files with which the service runs: they cannot promise what is not on, and change when the settings do.
//!
//! What a program cannot know, people and buildings above all, it says to be unknown to it; `[statements]` of the settings
//! holds the few texts that only the operator can write.

mod disclosure;
mod practice;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use semper_api::{Policies, Statements};
use semper_ttp::ca::Authority;
use semper_ttp::evidence::{KeyId, KeyPurpose};
use semper_ttp::policy::Policy;
use semper_ttp::x509::Certificate;

use crate::config::{ClockSource, Config, Identity};
use crate::data::{DataError, DataFolder};

/// What a statement says of a text that the operator did not write.
const NOT_STATED: &str = "Not stated by the operator.";

const DAY_SECS: u64 = 24 * 3600;

/// Everything that the statements are made from.
pub(crate) struct Known<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) config: &'a Config,
    pub(crate) policies: &'a Policies,
    /// All generations with their certificates, in the order of [`Authority::ALL`].
    pub(crate) authorities: Vec<(Authority, u32, Certificate)>,
    /// The service's keys, and where each is.
    pub(crate) keys: Vec<(KeyPurpose, Vec<(KeyId, Place)>)>,
    /// Whether there is an HTTPS listener.
    pub(crate) https: bool,
}

/// Where a private key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the data folder, encrypted.
    File,
    /// In the PKCS#11 token that the settings call so.
    Token(String),
}

impl<'a> Known<'a> {
    /// Reads what is public in the folder.
    ///
    /// # Errors
    /// A certificate does not read, or the folder of keys.
    pub(crate) fn of(
        folder: &DataFolder,
        config: &'a Config,
        identity: &'a Identity,
        policies: &'a Policies,
    ) -> Result<Self, DataError> {
        let mut authorities = Vec::new();
        for authority in Authority::ALL {
            // The first of our own is there in every folder. Of those that followed, one may still wait for the root.
            let own = (authority != Authority::Imported).then_some(1);
            let keys = folder.key_ids(authority.key_purpose())?.into_iter().map(|id| id.generation);
            for generation in own.into_iter().chain(keys).collect::<BTreeSet<_>>() {
                if Some(generation) == own || folder.certificate_file(&authority.place(generation)).exists() {
                    authorities.push((authority, generation, folder.certificate(&authority.place(generation))?));
                }
            }
        }
        let place = |id| match folder.key_file(id).exists() {
            true => Ok((id, Place::File)),
            false => folder.place_in_token(id).map(|(token, _)| (id, Place::Token(token))),
        };
        let of_purpose = |purpose| {
            let ids = folder.key_ids(purpose)?.into_iter().map(place);
            Ok((purpose, ids.collect::<Result<Vec<_>, DataError>>()?))
        };
        let of_notary = NOTARY_KEYS.into_iter().filter(|_| config.notary.enabled);
        let of_arbiter = ARBITER_KEYS.into_iter().filter(|_| config.exchange.enabled);
        let of_sealed = (config.notary.enabled || config.exchange.enabled).then_some(KeyPurpose::ArchiveKek);
        let all = KEYS.into_iter().chain(of_notary).chain(of_arbiter).chain(of_sealed);
        let keys: Vec<_> = all.map(of_purpose).collect::<Result<_, DataError>>()?;
        let own = keys.iter().any(|(purpose, ids)| *purpose == KeyPurpose::Tls && !ids.is_empty());
        let https = own || config.listen.https_certificate_path.is_some();
        Ok(Self { identity, config, policies, authorities, keys, https })
    }

    /// Both statements.
    pub(crate) fn statements(&self) -> Statements {
        Statements { practice: practice::write(self), disclosure: disclosure::write(self) }
    }

    fn is_test(&self) -> bool {
        self.config.clock.source == ClockSource::Assumed
    }

    fn is_root_offline(&self) -> bool {
        self.keys.iter().any(|(purpose, ids)| *purpose == KeyPurpose::CaRoot && ids.is_empty())
    }

    /// The profiles of a class of holders, each with its line.
    fn profile_table(&self) -> String {
        let mut table = String::from(
            "| profile | for | issued by | life, days | keys | policies | officers | SHA-256 \
             |\n|---|---|---|---|---|---|---|---|\n",
        );
        for profile in self.policies.profiles() {
            let issuers: Vec<_> = profile.issuers().iter().map(|authority| authority.name()).collect();
            let keys: Vec<_> = profile.keys().iter().map(|kind| kind.name()).collect();
            let policies: Vec<_> = profile.policies().iter().map(dotted).collect();
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                profile.name(),
                profile.title().replace('|', "/"),
                issuers.join(", "),
                profile.life_days(),
                keys.join(", "),
                policies.join(", "),
                profile.officers(),
                profile.digest(),
            );
        }
        table
    }

    fn policy_list(&self) -> String {
        let line = |policy: &Policy| format!("- {}: {}\n", policy.name, policy.digest());
        self.policies.all().filter(|policy| !policy.name.to_string().starts_with("profile/")).map(line).collect()
    }

    fn contact(&self) -> &str {
        self.config.statements.contact.as_deref().unwrap_or(NOT_STATED)
    }

    fn revocation_contact(&self) -> &str {
        let own = self.config.statements.revocation_contact.as_deref();
        own.unwrap_or("Not stated by the operator apart from the contact above.")
    }

    /// Whether and when holders are told that their certificates end.
    fn notices(&self) -> String {
        let mut days = self.config.notices.days_before.clone();
        days.sort_unstable_by(|one, other| other.cmp(one));
        days.dedup();
        match days.as_slice() {
            [] => "No holder is told that its certificate ends.".to_owned(),
            [most @ .., last] => {
                let most: Vec<_> = most.iter().map(u16::to_string).collect();
                let days = if most.is_empty() { last.to_string() } else { format!("{} and {last}", most.join(", ")) };
                format!(
                    "Who named a webhook in its application is told there {days} days before its certificate ends, as \
                     far as it takes the notice; that none came prolongs no certificate."
                )
            }
        }
    }

    /// What no reader may overlook.
    fn notice(&self) -> &'static str {
        if self.is_test() {
            "**TEST SERVICE: nobody vouches for its clock. Certificates and timestamps bear a test policy and \
             prove nothing.**\n\n"
        } else {
            ""
        }
    }

    fn qualified(&self) -> &'static str {
        match (self.config.ca.qualified, self.config.tsa.qualified) {
            (false, false) => {
                "No certificate and no timestamp of this service is qualified (Regulation (EU) No 910/2014)."
            }
            (true, false) => {
                "The operator states that certificates by profiles with QcCompliance are qualified; no timestamp is."
            }
            (false, true) => "The operator states that its timestamps are qualified; no certificate is.",
            (true, true) => {
                "The operator states that its timestamps, and certificates by profiles with QcCompliance, are \
                 qualified."
            }
        }
    }
}

/// The keys that a service has, in the order in which the statement lists them.
const KEYS: [KeyPurpose; 13] = [
    KeyPurpose::CaRoot,
    KeyPurpose::CaParty,
    KeyPurpose::CaServer,
    KeyPurpose::CaTsu,
    KeyPurpose::OcspParty,
    KeyPurpose::OcspServer,
    KeyPurpose::OcspTsu,
    KeyPurpose::TsuEc,
    KeyPurpose::TsuRsa,
    KeyPurpose::LogNote,
    KeyPurpose::LogReceipt,
    KeyPurpose::Tls,
    KeyPurpose::Webhook,
];

/// Those of a notary.
const NOTARY_KEYS: [KeyPurpose; 2] = [KeyPurpose::NotaryAct, KeyPurpose::NotaryDvcs];

/// Those of an arbiter.
const ARBITER_KEYS: [KeyPurpose; 2] = [KeyPurpose::ArbiterVerdict, KeyPurpose::ArbiterEscrow];

fn dotted(policy: &semper_ttp::asn1::ObjectIdentifier) -> String {
    policy.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// `2 days`, `36 hours`, `5 seconds`: in the largest unit that is whole.
fn span(secs: u64) -> String {
    let (number, unit) = match secs {
        0 => (0, "second"),
        secs if secs.is_multiple_of(DAY_SECS) => (secs / DAY_SECS, "day"),
        secs if secs.is_multiple_of(3600) => (secs / 3600, "hour"),
        secs if secs.is_multiple_of(60) => (secs / 60, "minute"),
        secs => (secs, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
