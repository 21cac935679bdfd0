//! The policies of the folder: what the operator may write, judged before the service starts.
//!
//! ```text
//! DIR/ roles.toml       who holds which trusted role; without it nobody holds any
//!      terms.md         what applicants accept; without it nobody can apply
//!      validation/      policy.toml: by what a notary judges signatures; signers/ and timestamps/: whose it trusts besides its own root,
//!                       certificates in PEM or DER
//!      profiles/        NAME.toml   certificate profiles of the operator's own, or in the place of those that come with the program
//! ```
//!
//! The settings that decisions depend on are a policy, too. What is in force is not read here: the ledger says so.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use semper_api::{AuthorityKey, Policies};
use semper_ttp::asn1::pem;
use semper_ttp::ca::Authority;
use semper_ttp::ca::profile::{Profile, ProfileCode};
use semper_ttp::digest::Digest;
use semper_ttp::policy::roles::TrustedRole;
use semper_ttp::time::Timestamp;
use semper_ttp::validation::Rules;

use super::{DataError, DataFolder, TERMS, files};
use crate::config::Config;

/// Who holds which trusted role.
pub(crate) const ROLES: &str = "roles.toml";

/// The folder of what a notary judges by.
pub(crate) const VALIDATION: &str = "validation";

/// The folder of the operator's profiles.
pub(crate) const PROFILES: &str = "profiles";

/// Most profiles of an operator.
const PROFILES_MAX: usize = 256;

/// What trial certificates are built for.
pub(crate) struct Trial<'a> {
    pub(crate) authorities: &'a [AuthorityKey],
    pub(crate) base_url: &'a str,
    pub(crate) now: Timestamp,
}

impl<'a> Trial<'a> {
    /// None: profiles are read and judged by themselves.
    pub(crate) const fn none(base_url: &'a str) -> Self {
        Self { authorities: &[], base_url, now: Timestamp::from_millis(0) }
    }
}

impl DataFolder {
    /// Everything that is to be in force.
    ///
    /// # Errors
    /// [`DataError::Policy`], which says which file is wrong and why.
    pub(crate) fn policies(&self, config: &Config, trial: &Trial<'_>) -> Result<Policies, DataError> {
        let mut policies = Policies::builtin();
        policies.set_settings(settings(config));
        let refused = |path: &Path, reason: String| DataError::Policy { path: path.to_owned(), reason };
        let terms = self.terms()?;
        if !terms.is_empty() {
            policies.set_terms(terms);
        }
        let path = self.path(ROLES);
        if let Some(roles) = there(&path)? {
            policies.set_roles(roles).map_err(|fault| refused(&path, fault.to_string()))?;
        }
        if config.notary.enabled {
            policies.set_validation(self.validation()?);
        }
        if config.exchange.enabled {
            policies.set_exchange(config.exchange.policy(config.ledger.mmd_ms()));
        }
        for path in self.profile_files()? {
            let profile = read_profile(&path, config, trial).map_err(|reason| refused(&path, reason))?;
            policies.set_profile(Arc::new(profile));
        }
        Ok(policies)
    }

    /// What is permitted and seldom meant: told at a start, and by `serve --check`.
    pub(crate) fn policy_doubts(&self, policies: &Policies) -> Vec<String> {
        let nobody = |role: &&TrustedRole| policies.roles().holders(**role) == 0;
        let roles = [TrustedRole::Operator, TrustedRole::RegistrationOfficer, TrustedRole::RevocationOfficer];
        let roles = roles.iter().filter(nobody);
        let mut doubts: Vec<_> = roles.map(|role| format!("{ROLES}: nobody holds the role {}", role.name())).collect();
        if !self.path(ROLES).exists() {
            doubts.push(format!("{ROLES} is not there"));
        }
        match (policies.terms(), self.path(TERMS).exists()) {
            (Some(_), _) => {}
            (None, true) => doubts.push(format!("{TERMS} is empty: whoever applies accepts nothing")),
            (None, false) => doubts.push(format!("{TERMS} is not there: a start puts the program's own text in force")),
        }
        doubts
    }

    /// By what signatures are judged.
    fn validation(&self) -> Result<Rules, DataError> {
        let folder = self.path(VALIDATION);
        let policy = there(&folder.join("policy.toml"))?;
        let (signers, timestamps) =
            (certificates_in(&folder.join("signers"))?, certificates_in(&folder.join("timestamps"))?);
        Rules::new(policy.as_deref(), &signers, &timestamps)
            .map_err(|fault| DataError::Policy { path: folder, reason: fault.to_string() })
    }

    /// The operator's profiles, in the order of their names. Others than `NAME.toml` are what editors leave behind.
    fn profile_files(&self) -> Result<Vec<PathBuf>, DataError> {
        let folder = self.path(PROFILES);
        let mut paths = files_in(&folder)?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        if paths.len() > PROFILES_MAX {
            return Err(DataError::Policy { path: folder, reason: format!("more than {PROFILES_MAX} profiles") });
        }
        Ok(paths)
    }
}

/// The files of a folder that are not hidden, in the order of their names; none where there is no folder.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = |error| DataError::Io { action: "read", path: folder.to_owned(), error };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(read));
    let mut paths: Vec<_> = paths.collect::<Result<_, _>>()?;
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    Ok(paths)
}

/// Every certificate in the files of a folder, DER.
fn certificates_in(folder: &Path) -> Result<Vec<Vec<u8>>, DataError> {
    let mut all = Vec::new();
    for path in files_in(folder)? {
        let bytes = files::read(&path)?;
        let refused = |reason: &str| DataError::Policy { path: path.clone(), reason: reason.to_owned() };
        match std::str::from_utf8(&bytes).ok().filter(|text| text.contains("-----BEGIN")) {
            Some(text) => {
                let found = pem::decode("CERTIFICATE", text).filter(|found| !found.is_empty());
                all.extend(found.ok_or_else(|| refused("no certificate in PEM or DER"))?);
            }
            None => all.push(bytes),
        }
    }
    Ok(all)
}

fn there(path: &Path) -> Result<Option<Vec<u8>>, DataError> {
    match files::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(DataError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads one profile and puts it on trial with every authority that may issue by it.
fn read_profile(path: &Path, config: &Config, trial: &Trial<'_>) -> Result<Profile, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let profile = Profile::parse(&text).map_err(|fault| fault.to_string())?;
    let name = profile.name();
    if path.file_stem().is_none_or(|stem| stem != name) {
        return Err(format!("its name is \"{name}\": call the file {name}.toml"));
    }
    if let ProfileCode::Root | ProfileCode::IssuingCa | ProfileCode::Tsu | ProfileCode::OcspResponder = profile.code() {
        return Err(
            "certificates of this class are the service's own, by the profile that comes with the program".to_owned()
        );
    }
    // Each CA is for one kind of holders: who relies on it relies on that.
    let line = if profile.code() == ProfileCode::Server { Authority::Server } else { Authority::Party };
    if profile.issuers() != [line] {
        return Err(format!("issuers: certificates of this class are issued by {} alone", line.name()));
    }
    let replaced = semper_ttp::ca::profile::builtin().iter().find(|known| known.name() == name);
    if replaced.is_some_and(|known| known.code() != profile.code() || name == SERVICE_TLS) {
        return Err(format!("\"{name}\" is a profile of the program for something else: give yours another name"));
    }
    // Who says "qualified" without being it breaks the law (eIDAS, Article 3(12), Annex I).
    if profile.is_qualified() && !config.ca.qualified {
        return Err(
            "it claims qualified certificates: where the supervisory body has granted that status, say so with \
                    ca.qualified = true; else take compliance and the policies of EN 319 411-2 out"
                .to_owned(),
        );
    }
    let profile = Arc::new(profile);
    for authority in trial.authorities.iter().filter(|held| profile.issuers().contains(&held.ca.authority)) {
        let judged = profile.trial(&authority.issuer, trial.base_url, trial.now);
        judged.map_err(|fault| format!("a certificate by it would not be issued: {fault}"))?;
    }
    Ok(Arc::unwrap_or_clone(profile))
}

/// The profile of the HTTPS listener's own certificate.
const SERVICE_TLS: &str = "service-tls";

/// Names the rules that decisions are made by: SHA-256 of the settings that bear on them. Stands in every fact.
pub(crate) fn policy_hash(config: &Config) -> Digest {
    Digest::of(&settings(config))
}

/// The settings that decisions depend on, as a document.
pub(crate) fn settings(config: &Config) -> Vec<u8> {
    let clock = config.clock_settings();
    // Spelt out: another name for a field in the program is no other policy.
    let rules = serde_json::json!({
        "default": config.policy_default(),
        "accepted": config.policies_accepted(),
        "accuracy_ms": config.tsa.accuracy_ms,
        "qualified": config.tsa.qualified,
        "clock": {
            "accuracy_ms": clock.accuracy_ms,
            "offset_bound_ms": clock.offset_bound_ms,
            "drift_ppm": clock.drift_ppm,
            "sample_interval_ms": clock.sample_interval_ms,
            "sample_age_max_ms": clock.sample_age_max_ms,
            "good_samples_needed": clock.good_samples_needed,
        },
        "mmd_ms": config.ledger.mmd_ms(),
        "notices": {
            "days_before": config.notices.days_before,
            "networks_allowed": config.notices.networks_allowed,
        },
    });
    rules.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::testing::demonstration;
    use super::*;
    use crate::data::Custody;
    use crate::exit::Exit;

    const NOW: Timestamp = Timestamp::from_millis(1_772_366_400_000);

    /// What the start says of a folder in which `files` lie.
    fn judge(files: &[(&str, &str)], qualified: bool) -> Result<Policies, String> {
        let dir = demonstration();
        let folder = DataFolder::open(dir.path()).unwrap();
        for (name, text) in files {
            fs::write(folder.path(name), text).unwrap();
        }
        let mut config = folder.config(None).unwrap();
        config.ca.qualified = qualified;
        let opened = folder.open_keys(&config, &Custody::new(&folder, &config.keys).unwrap()).unwrap();
        let trial = Trial { authorities: &opened.authorities, base_url: &opened.identity.public_url, now: NOW };
        folder.policies(&config, &trial).map_err(|error| {
            assert_eq!(error.exit(), Exit::Usage, "{error}");
            error.to_string()
        })
    }

    fn profile(name: &str) -> String {
        String::from_utf8(Profile::named(name).bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_an_operator_writes_is_taken() {
        let own = profile("party-legal").replace("name = \"party-legal\"", "name = \"party-vip\"");
        let longer = profile("party-natural").replace("life_days = 730", "life_days = 365");
        let taken = judge(
            &[
                ("profiles/party-vip.toml", &own),
                ("profiles/party-natural.toml", &longer),
                ("profiles/.party-vip.toml.swp", "half"),
                ("profiles/party-vip.toml~", "older"),
                ("terms.md", "Pay on time."),
            ],
            false,
        )
        .unwrap();
        assert_eq!(taken.profile("party-vip").unwrap().bytes(), own.as_bytes());
        assert_eq!(taken.profile("party-natural").unwrap().life_days(), 365, "in the place of the program's");
        assert_eq!(taken.profiles().count(), semper_ttp::ca::profile::builtin().len() + 1);
        assert_eq!(taken.terms(), Some(&b"Pay on time."[..]));
        // What is gone is not in force; nothing is invented in its place.
        let dir = demonstration();
        let folder = DataFolder::open(dir.path()).unwrap();
        for name in [ROLES, super::super::TERMS] {
            fs::remove_file(folder.path(name)).unwrap();
        }
        fs::remove_dir(folder.path(PROFILES)).unwrap();
        let trial = Trial { authorities: &[], base_url: "http://pki.example", now: NOW };
        let bare = folder.policies(&folder.config(None).unwrap(), &trial).unwrap();
        assert_eq!((bare.terms(), bare.roles()), (None, &Default::default()));
    }

    #[test]
    fn what_would_go_wrong_later_stops_the_start() {
        let named = |name: &str, text: &str| text.replace("name = \"party-legal\"", &format!("name = \"{name}\""));
        let legal = profile("party-legal");
        let qualified = named("x", &legal).replace("0.4.0.2042.1.3", "0.4.0.194112.1.1");
        assert_ne!(qualified, named("x", &legal));
        let tls = profile("tls-server").replace("name = \"tls-server\"", "name = \"x\"");
        let table = [
            ("profiles/x.toml", "name = \"x\"".to_owned(), "missing field"),
            ("profiles/x.toml", legal.clone(), "its name is \"party-legal\": call the file party-legal.toml"),
            ("profiles/x.toml", named("x", &legal).replace("officers = 1", "officers = 3"), "officers: 1 or 2"),
            ("profiles/tsu.toml", profile("tsu"), "are the service's own"),
            ("profiles/service-tls.toml", profile("service-tls"), "for something else"),
            ("profiles/operator.toml", named("operator", &legal), "for something else"),
            ("profiles/x.toml", qualified.clone(), "ca.qualified = true"),
            (
                "profiles/x.toml",
                tls.replace("life_days = 90", "life_days = 500"),
                "would not be issued: the lint stops it: server_life",
            ),
            ("roles.toml", "[roles]\nking = []".to_owned(), "unknown variant `king`"),
        ];
        for (file, text, expected) in table {
            let said = judge(&[(file, &text)], false).unwrap_err();
            assert!(said.contains(file) && said.contains(expected), "{said}");
        }
        judge(&[("profiles/x.toml", &qualified)], true).expect("by the operator's word");
    }
}
