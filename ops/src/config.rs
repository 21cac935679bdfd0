//! Settings: one TOML file, one struct per section, unknown keys refused, every default named in one place.
//!
//! Three steps, each with its own answer when it fails: [`Config::from_toml`] parses (unknown keys and wrong types are
//! errors), the command line overrides, [`Config::verify`] checks bounds and the rules between fields. `serve --check`
//! runs all three and stops.
//!
//! Every setting may be lowered later without touching the stored data. What can never change is no setting: origin,
//! public URL, the organisation's names and the ledger's maximum merge delay are asked once, by `semper init`, and then
//! read from the data folder. A file that states them again must state the same ([`Identity::differences`],
//! `data::keep_promises`).
//!
//! Secrets are never in the file: it names a file or an environment variable. [`Secret`] prints as `[redacted]`.
//!
//! `deploy/semper.toml` is the commented sample; a test holds it to [`Config::default`] field by field.

mod ca;
mod endpoints;
mod exchange;
mod identity;
mod keys;
mod listen;
mod notary;
mod notices;
mod secret;
mod sections;
mod statements;
mod witness;
mod witnesses;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use ca::Ca;
pub(crate) use endpoints::{ENDPOINTS, endpoint_settings};
pub(crate) use exchange::{Exchange, Rail, RailKind};
pub(crate) use identity::{Identity, IdentityIncomplete};
pub(crate) use keys::Keys;
pub(crate) use listen::Listen;
pub(crate) use notary::Notary;
pub(crate) use notices::Notices;
pub(crate) use secret::{Secret, SecretError, from_file as secret_in};
pub(crate) use sections::{
    ClockSection, ClockSource, HashName, Init, Ledger, Limits, Log, LogFormat, Service, Shutdown, Storage, TEST_POLICY,
    Tsa,
};
pub(crate) use statements::Statements;
pub(crate) use witness::WitnessConfig;
pub(crate) use witnesses::Witnesses;

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) service: Service,
    pub(crate) init: Init,
    pub(crate) listen: Listen,
    pub(crate) limits: Limits,
    pub(crate) ledger: Ledger,
    pub(crate) witnesses: Witnesses,
    pub(crate) tsa: Tsa,
    pub(crate) ca: Ca,
    pub(crate) clock: ClockSection,
    pub(crate) storage: Storage,
    pub(crate) log: Log,
    pub(crate) keys: Keys,
    pub(crate) shutdown: Shutdown,
    pub(crate) statements: Statements,
    pub(crate) notices: Notices,
    pub(crate) notary: Notary,
    pub(crate) exchange: Exchange,
}

/// Why a configuration is not taken. Each names the key and says what would be taken, so that the line can be put right
/// without opening a manual.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type. Names the line but does not show it: it may hold a
    /// secret that somebody put there by mistake.
    #[error("{}line {line}: {message}", in_file(path.as_deref()))]
    Unparsable {
        /// The file, if there is one.
        path: Option<PathBuf>,
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// Values out of bounds or against a rule: all of them, not only the first.
    #[error("{}", lines(.0))]
    Refused(Vec<Fault>),
}

/// One value that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `section.key`.
    pub(crate) key: &'static str,
    /// What is wrong and what would be right.
    pub(crate) text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

fn in_file(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!("{}: ", path.display()))
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads a file; without one, the defaults. Does not [`verify`](Self::verify): the command line may still override.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub(crate) fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        let Some(path) = path else { return Ok(Config::default()) };
        load(path)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// Not TOML, an unknown key, or a value of the wrong type.
    pub(crate) fn from_toml(text: &str) -> Result<Config, ConfigError> {
        parse(text)
    }

    /// Bounds of every value and the rules between fields.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with every fault found.
    pub(crate) fn verify(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        self.listen.verify(&mut faults);
        self.limits.verify(&mut faults);
        self.ledger.verify(&mut faults);
        self.witnesses.verify(&mut faults);
        self.ca.verify(&mut faults);
        self.tsa.verify(&mut faults);
        self.clock.verify(&mut faults);
        self.storage.verify(&mut faults);
        self.log.verify(&mut faults);
        self.keys.verify(&mut faults);
        self.shutdown.verify(&mut faults);
        self.statements.verify(&mut faults);
        self.notices.verify(&mut faults);
        self.notary.verify(self.clock.source, &mut faults);
        self.exchange.verify(&mut faults);
        identity::verify(&self.ledger, &self.service, &mut faults);
        self.verify_between(&mut faults);
        if faults.0.is_empty() { Ok(()) } else { Err(ConfigError::Refused(faults.0)) }
    }

    /// The settings of the clock's state machine: the accuracy is promised in `[tsa]`, the rest is kept in `[clock]`.
    pub(crate) fn clock_settings(&self) -> semper_ttp::clock::Settings {
        self.clock.settings(self.tsa.accuracy_ms)
    }

    fn verify_between(&self, faults: &mut Faults) {
        // A token must not claim more than its clock can hold (EN 319 421 TIS-7.7.1-05).
        if let Err(refused) = self.clock_settings().verify() {
            faults.add("clock", refused.to_string());
        }
        // Time that nobody vouches for is asserted under a policy that says so, and never under another. The other way
        // round, a real clock under the test policy would make tokens that nobody may rely on.
        let policies = self.tsa.policies();
        match self.clock.source {
            ClockSource::Assumed => {
                if policies.iter().any(|policy| policy != TEST_POLICY) {
                    faults.add(
                        "tsa.policy_default",
                        format!(
                            "with clock.source = \"assumed\" only the test policy {TEST_POLICY} may be used; \
                             leave the policies out"
                        ),
                    );
                }
                if self.tsa.qualified {
                    faults.add("tsa.qualified", "needs clock.source = \"kernel\"".into());
                }
            }
            ClockSource::Kernel => {
                if self.tsa.policy_default.is_none() {
                    faults.add(
                        "tsa.policy_default",
                        "is missing: the object identifier of your time-stamp policy \
                         (for a trial without one, set clock.source = \"assumed\")"
                            .into(),
                    );
                }
                if policies.iter().any(|policy| sections::is_test(policy)) {
                    faults.add(
                        "tsa.policy_default",
                        "is a test policy, which only a service with clock.source = \"assumed\" has".into(),
                    );
                }
                if self.tsa.qualified && self.clock.utc_laboratories.is_empty() {
                    faults.add(
                        "clock.utc_laboratories",
                        "must name the UTC(k) laboratories when tsa.qualified is true (EN 319 421 TIS-7.7.1-04)".into(),
                    );
                }
            }
        }
    }
}

/// Reads a file.
fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    parse(&text).map_err(|error| match error {
        ConfigError::Unparsable { line, message, .. } => {
            ConfigError::Unparsable { path: Some(path.to_owned()), line, message }
        }
        other => other,
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        ConfigError::Unparsable { path: None, line, message: error.message().to_owned() }
    })
}

/// Collects faults, so that one start shows all of them.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, key: &'static str, text: String) {
        self.0.push(Fault { key, text });
    }

    /// The value must lie in a closed range.
    fn within<T: PartialOrd + fmt::Display>(&mut self, key: &'static str, value: T, least: T, most: T) {
        if value < least || value > most {
            self.add(key, format!("is {value} and must be from {least} to {most}"));
        }
    }
}

#[cfg(test)]
mod tests;
