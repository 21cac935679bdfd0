//! What is asked once, at `semper init`, and can never change: it is in the genesis entry, in certificates, in every
//! checkpoint. Stored in the data folder; the configuration only supplies it.

use std::fmt;

use semper_ttp::ca::name::Subject;
use serde::{Deserialize, Serialize};

use super::{Config, Faults, Ledger, Service};

/// Who this service is, for good. Reaches disk (`identity` of the data folder): fields are only ever added, as
/// `Option`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// The ledger's name: the first line of every checkpoint and the name of its note key (C2SP tlog-checkpoint).
    pub(crate) origin: String,
    /// Where the world reaches the plain HTTP surface; in CRL and CA addresses of certificates. No slash at the end.
    pub(crate) public_url: String,
    /// Where the service is established: ISO 3166-1 alpha-2 (EN 319 422: C of the TSU certificate).
    pub(crate) country: String,
    /// Its full registered name (O of the certificates).
    pub(crate) organisation: String,
    /// Its registration, such as `VATFR-…` or `NTRFR-…` (2.5.4.97, EN 319 412-1 section 5.1.4).
    pub(crate) organisation_identifier: String,
}

/// `init` was asked to begin without knowing who it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdentityIncomplete(pub(crate) Vec<&'static str>);

impl fmt::Display for IdentityIncomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration must state {} (they can never change later)", self.0.join(", "))
    }
}

impl std::error::Error for IdentityIncomplete {}

impl Identity {
    /// The organisation's names with another common name, as certificates of our own have them.
    pub(crate) fn subject(&self, common_name: &str) -> Subject {
        Subject {
            country: self.country.clone(),
            organization: self.organisation.clone(),
            organization_identifier: self.organisation_identifier.clone(),
            common_name: common_name.to_owned(),
        }
    }

    /// The identity that the configuration states.
    ///
    /// # Errors
    /// The keys that are missing, all of them.
    pub(crate) fn from_config(config: &Config) -> Result<Identity, IdentityIncomplete> {
        let mut missing = Vec::new();
        let [origin, public_url, country, organisation, organisation_identifier] =
            stated(&config.ledger, &config.service).map(|(key, value)| {
                value.clone().unwrap_or_else(|| {
                    missing.push(key);
                    String::new()
                })
            });
        if missing.is_empty() {
            Ok(Identity { origin, public_url, country, organisation, organisation_identifier })
        } else {
            Err(IdentityIncomplete(missing))
        }
    }

    /// Test values for `init --demo`. `random` keeps two demonstrations from sharing an origin. The address is the
    /// default of `[listen] http`, so that the addresses in the certificates work on the same machine.
    pub(crate) fn demo(random: &str) -> Identity {
        Identity {
            origin: format!("demo.semper.example/{random}"),
            public_url: "http://127.0.0.1:8080".into(),
            country: "FR".into(),
            organisation: "Semper Demonstration".into(),
            organisation_identifier: "NTRFR-000000000".into(),
        }
    }

    /// The keys that the configuration states otherwise than this stored identity: `key`, stored, stated. Not empty =
    /// refuse to start, since the file describes another service than the data.
    pub(crate) fn differences(&self, config: &Config) -> Vec<(&'static str, String, String)> {
        let stored = [&self.origin, &self.public_url, &self.country, &self.organisation, &self.organisation_identifier];
        std::iter::zip(stated(&config.ledger, &config.service), stored)
            .filter_map(|((key, stated), stored)| {
                let stated = stated.as_ref()?;
                (stated != stored).then(|| (key, stored.clone(), stated.clone()))
            })
            .collect()
    }
}

fn stated<'a>(ledger: &'a Ledger, service: &'a Service) -> [(&'static str, &'a Option<String>); 5] {
    [
        ("ledger.origin", &ledger.origin),
        ("service.public_url", &service.public_url),
        ("service.country", &service.country),
        ("service.organisation", &service.organisation),
        ("service.organisation_identifier", &service.organisation_identifier),
    ]
}

/// Checks the form of what is stated; what is missing matters to `init` only.
pub(super) fn verify(ledger: &Ledger, service: &Service, faults: &mut Faults) {
    for (key, value) in stated(ledger, service) {
        if let Some(fault) = value.as_deref().and_then(|value| form(key, value)) {
            faults.add(key, fault);
        }
    }
    // EN 319 422 wants two different statements; a copied value is a slip of the operator.
    if service.organisation.is_some() && service.organisation == service.organisation_identifier {
        faults.add("service.organisation_identifier", "must differ from service.organisation".into());
    }
}

fn form(key: &str, value: &str) -> Option<String> {
    let fault = match key {
        // The origin is also a note key name (C2SP signed-note): no spaces, no plus sign. It is a name and not an
        // address, so it carries no scheme.
        "ledger.origin" => {
            let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
            let fits = (1..=255).contains(&value.len()) && !value.contains(bad) && !value.contains("://");
            (!fits).then_some(
                "must be a name such as ledger.example.org/2026: no scheme, no space, no plus sign, \
                 at most 255 bytes",
            )
        }
        "service.public_url" => (!is_public_url(value)).then_some(
            "must be http://HOST or https://HOST, with port and path if need be, without a slash at the end",
        ),
        "service.country" => {
            let fits = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
            (!fits).then_some("must be two capital letters (ISO 3166-1), such as FR")
        }
        // X.520: organizationName has at most 64 characters.
        "service.organisation" => (!is_name(value, 64)).then_some("must be a name of 1 to 64 characters on one line"),
        _ => (!is_organisation_identifier(value)).then_some(
            "must be three capital letters for the register, the country, a hyphen and the number, \
             such as VATFR-12345678901",
        ),
    };
    fault.map(str::to_owned)
}

fn is_name(value: &str, chars_max: usize) -> bool {
    let trimmed = value.trim() == value;
    trimmed && (1..=chars_max).contains(&value.chars().count()) && !value.contains(char::is_control)
}

fn is_public_url(value: &str) -> bool {
    let Some(rest) = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")) else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '<' | '>' | '\\');
    !host.is_empty() && !host.starts_with(':') && !value.ends_with('/') && rest.chars().all(plain)
}

/// EN 319 412-1 section 5.1.4: three letters of the scheme, two of the country, a hyphen, the reference; or a national
/// scheme, two letters and a colon in place of the three.
fn is_organisation_identifier(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (Some(scheme), Some(country), Some(b'-')) = (bytes.get(..3), bytes.get(3..5), bytes.get(5)) else {
        return false;
    };
    let capitals = |part: &[u8]| part.iter().all(u8::is_ascii_uppercase);
    let scheme_fits = capitals(scheme) || (capitals(&scheme[..2]) && scheme[2] == b':');
    scheme_fits && capitals(country) && is_name(&value[6..], 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut config = Config::default();
        let identity = Identity::demo("abc");
        config.ledger.origin = Some(identity.origin);
        config.service = Service {
            public_url: Some(identity.public_url),
            country: Some(identity.country),
            organisation: Some(identity.organisation),
            organisation_identifier: Some(identity.organisation_identifier),
        };
        config
    }

    fn faults(config: &Config) -> Vec<&'static str> {
        let mut faults = Faults::default();
        verify(&config.ledger, &config.service, &mut faults);
        faults.0.iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn the_demo_identity_passes_its_own_rules() {
        assert_eq!(faults(&config()), [""; 0]);
        assert_eq!(Identity::from_config(&config()), Ok(Identity::demo("abc")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut config = config();
        config.ledger.origin = None;
        config.service.country = None;
        let missing = IdentityIncomplete(vec!["ledger.origin", "service.country"]);
        assert_eq!(Identity::from_config(&config), Err(missing));
        assert_eq!(faults(&config), [""; 0], "a running server needs no identity in its file");
    }

    #[test]
    fn another_identity_than_the_stored_one_is_found() {
        let mut config = config();
        let stored = Identity::demo("abc");
        assert_eq!(stored.differences(&config), []);
        assert_eq!(stored.differences(&Config::default()), []);
        config.service.country = Some("DE".into());
        assert_eq!(stored.differences(&config), [("service.country", "FR".into(), "DE".into())]);
    }

    #[test]
    fn forms() {
        let table: &[(&'static str, &[&str], &[&str])] = &[
            (
                "ledger.origin",
                &["ledger.example.org", "ledger.example.org/2026", "demo.semper.example/x"],
                &["", "https://ledger.example.org", "a b", "a+b", "a\nb", "a\u{a0}b"],
            ),
            (
                "service.public_url",
                &["http://127.0.0.1:8080", "https://tsa.example.org", "https://example.org/semper", "http://[::1]:80"],
                &[
                    "",
                    "tsa.example.org",
                    "ftp://a",
                    "http://",
                    "http://a/",
                    "http:///x",
                    "http://:80",
                    "http://a b",
                    "http://u@a",
                    "http://a?x",
                ],
            ),
            ("service.country", &["FR", "CH"], &["", "fr", "FRA", "F", "F1"]),
            ("service.organisation", &["Étude Notariale SARL"], &["", " a", "a\nb", &"x".repeat(65)]),
            (
                "service.organisation_identifier",
                &["VATFR-12345678901", "NTRFR-1", "EI:SE-5567"],
                &["", "VATFR", "VATFR-", "vatFR-1", "VATFR_1", "VATfr-1", "VÄFR-1"],
            ),
        ];
        for (key, right, wrong) in table {
            for value in *right {
                assert_eq!(form(key, value), None, "{key} {value}");
            }
            for value in *wrong {
                assert!(form(key, value).is_some(), "{key} {value:?}");
            }
        }
        let mut config = config();
        config.service.organisation = config.service.organisation_identifier.clone();
        assert_eq!(faults(&config), ["service.organisation_identifier"]);
    }

    /// The stored form is read for ever.
    #[test]
    fn the_stored_form_stays_readable() {
        let stored = r#"{"origin":"demo.semper.example/abc","public_url":"http://127.0.0.1:8080","country":"FR","organisation":"Semper Demonstration","organisation_identifier":"NTRFR-000000000"}"#;
        assert_eq!(serde_json::from_str::<Identity>(stored).unwrap(), Identity::demo("abc"));
        assert_eq!(serde_json::to_string(&Identity::demo("abc")).unwrap(), stored);
    }
}
