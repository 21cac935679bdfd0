//! The profiles that come with the program: `schemas/profiles/`.

use std::sync::{Arc, LazyLock};

use super::Profile;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../../schemas/profiles/", $name, ".toml")))),+]
    };
}

/// By name.
static FILES: LazyLock<Vec<Arc<Profile>>> = LazyLock::new(|| {
    files![
        "root",
        "issuing-ca",
        "tsu",
        "operator",
        "officer",
        "ocsp-responder",
        "party-natural",
        "party-legal",
        "party-auth",
        "tls-server",
        "tls-client",
        "service-tls",
        "notary-dvcs",
        "notary-act",
        "arbiter-verdict",
        "arbiter-escrow",
        "dispute-verdict",
        "archive-report",
        "bundle-seal",
    ]
    .into_iter()
    .map(|(name, text)| {
        let profile = Profile::parse(text).unwrap_or_else(|fault| panic!("schemas/profiles/{name}.toml: {fault}"));
        assert_eq!(profile.name(), name, "a file is called after its profile");
        Arc::new(profile)
    })
    .collect()
});

/// Every profile that comes with the program; a test reads them all, so none of them is faulty.
#[must_use]
pub fn builtin() -> &'static [Arc<Profile>] {
    &FILES
}

impl Profile {
    /// The one of this name among those that come with the program.
    ///
    /// # Panics
    /// If there is none: the names are written into the program.
    #[must_use]
    pub fn named(name: &str) -> Arc<Profile> {
        let found = FILES.iter().find(|profile| profile.name() == name);
        found.unwrap_or_else(|| panic!("no profile {name} comes with the program")).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ProfileCode;
    use super::*;

    #[test]
    fn every_file_reads_and_every_class_has_one() {
        let classes: std::collections::BTreeSet<_> = builtin().iter().map(|profile| profile.code()).collect();
        // What others issued has none.
        assert_eq!(classes, ProfileCode::ALL.into_iter().filter(|class| *class != ProfileCode::Imported).collect());
        assert!(builtin().iter().all(|profile| !profile.is_qualified()), "a legal claim is the operator's to make");
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/profiles"));
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), builtin().len(), "a file that nobody reads");
    }
}
