use std::fs;
use std::os::unix::fs::PermissionsExt;

use semper_ttp::evidence::Genesis;
use tempfile::TempDir;

use super::testing::demonstration;
use super::*;

fn folder() -> (TempDir, DataFolder) {
    let dir = demonstration();
    let folder = DataFolder::open(dir.path()).unwrap();
    (dir, folder)
}

fn load(folder: &DataFolder) -> Result<(), DataError> {
    folder.load(&folder.config(None)?).map(drop)
}

#[test]
fn a_copy_elsewhere_loads_and_is_locked_meanwhile() {
    let (_dir, folder) = folder();
    let config = folder.config(None).unwrap();
    assert_eq!(config.keys.passphrase_file, Some(folder.path("passphrase")));
    let loaded = folder.load(&config).unwrap();
    assert_eq!(loaded.authorities.len(), 4);
    assert!(matches!(folder.load(&config), Err(DataError::Store(_) | DataError::Anchor(_))));
    drop(loaded);
    assert!(folder.load(&config).is_ok());
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let (_dir, folder) = folder();
    let key = folder.path("keys/tsu-ec.1.p8");
    for mode in [0o644, 0o640, 0o604, 0o610] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let refused = load(&folder).unwrap_err();
        assert!(matches!(&refused, DataError::KeyReadable { mode: found, .. } if *found == mode), "{refused}");
        assert!(refused.to_string().contains(&format!("(mode {mode:04o})")), "{refused}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(load(&folder).is_ok());
}

#[test]
fn what_is_missing_unfinished_or_wrong_is_named() {
    assert!(matches!(DataFolder::open(Path::new("/nowhere")), Err(DataError::Missing(_))));

    let (_dir, folder) = folder();
    fs::write(folder.path(INCOMPLETE), "").unwrap();
    assert!(matches!(DataFolder::open(&folder.root), Err(DataError::Incomplete(_))));
    fs::remove_file(folder.path(INCOMPLETE)).unwrap();

    let put = |name: &str, bytes: &[u8]| {
        let before = fs::read(folder.path(name)).unwrap();
        fs::write(folder.path(name), bytes).unwrap();
        before
    };
    let read = |name: &str| fs::read(folder.path(name)).unwrap();

    // The right passphrase for another key, so to speak.
    let good = put("passphrase", b"guess\n");
    assert!(matches!(load(&folder), Err(DataError::Key { .. })));
    put("passphrase", &good);

    // A valid certificate of the wrong kind, a damaged one, one for another key.
    let unit = put("certs/tsu-ec.1.cer", &read("certs/operator.cer"));
    assert!(matches!(load(&folder), Err(DataError::Unfit { path, .. }) if path.ends_with("certs/tsu-ec.1.cer")));
    put("certs/tsu-ec.1.cer", &unit[1..]);
    assert!(matches!(load(&folder), Err(DataError::Certificate { path, .. }) if path.ends_with("certs/tsu-ec.1.cer")));
    put("certs/tsu-ec.1.cer", &unit);
    let ca = put("certs/ca-party.cer", &read("certs/ca-server.cer"));
    assert!(matches!(load(&folder), Err(DataError::Unfit { path, .. }) if path.ends_with("certs/ca-party.cer")));
    put("certs/ca-party.cer", &ca);

    // A key that cannot make checkpoints.
    let note = put("keys/log-note.1.p8", &read("keys/tsu-rsa.1.p8"));
    assert!(matches!(load(&folder), Err(DataError::KeyKind(id)) if id.to_string() == "log-note.1"));
    put("keys/log-note.1.p8", &note);

    let identity = put("identity.json", b"{}");
    assert!(matches!(load(&folder), Err(DataError::Identity { .. })));
    put("identity.json", &identity);
    assert!(load(&folder).is_ok());

    fs::remove_file(folder.path("keys/ca-tsu.1.p8")).unwrap();
    let missing = load(&folder).unwrap_err().to_string();
    assert!(missing.starts_with("there is no key ca-tsu.N.p8 or .p11 in "), "{missing}");
}

/// The newest key of a line that has a certificate is used: one without is of a rotation that did not end.
#[test]
fn the_newest_certified_key_counts() {
    let (_dir, folder) = folder();
    fs::copy(folder.path("keys/tsu-ec.1.p8"), folder.path("keys/tsu-ec.10.p8")).unwrap();
    fs::copy(folder.path("keys/tsu-ec.1.p8"), folder.path("keys/tsu-ec.2.p8")).unwrap();
    let in_use = || folder.load(&folder.config(None).unwrap()).unwrap().units[0].0.key().to_string();
    assert_eq!(in_use(), "tsu-ec.1");
    fs::copy(folder.path("certs/tsu-ec.1.cer"), folder.path("certs/tsu-ec.10.cer")).unwrap();
    assert_eq!(in_use(), "tsu-ec.10");
    fs::rename(folder.path("certs/tsu-ec.1.cer"), folder.path("certs/elsewhere.cer")).unwrap();
    fs::remove_file(folder.path("certs/tsu-ec.10.cer")).unwrap();
    let missing = load(&folder).unwrap_err();
    assert!(matches!(&missing, DataError::Io { path, .. } if path.ends_with("certs/tsu-ec.10.cer")), "{missing}");
}

/// A demonstration's certificates are under the test policy; tokens under another would say more than these.
#[test]
fn a_trials_certificates_serve_no_real_policy() {
    let (_dir, folder) = folder();
    let mut config = folder.config(None).unwrap();
    config.clock.source = crate::config::ClockSource::Kernel;
    config.tsa.policy_default = Some("1.3.6.1.4.1.99999.1".to_owned());
    assert_eq!(config.verify().map_err(|error| error.to_string()), Ok(()));
    let refused = folder.load(&config).map(drop).unwrap_err();
    assert!(matches!(&refused, DataError::Unfit { path, .. } if path.ends_with("certs/tsu-ec.1.cer")), "{refused}");
    assert!(refused.to_string().contains("test policy"), "{refused}");
}

#[test]
fn the_configuration_of_another_service_is_refused() {
    let (dir, folder) = folder();
    let file = dir.path().join("other.toml");
    fs::write(&file, "service.country = \"DE\"\nclock.source = \"assumed\"\n").unwrap();
    let refused = folder.config(Some(&file)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "service.country is \"DE\" in the configuration, but this data folder was made for \"FR\""
    );
    fs::write(&file, "service.country = \"FR\"\nkeys.passphrase_file = \"elsewhere\"\n").unwrap();
    let config = folder.config(Some(&file)).unwrap();
    assert_eq!(config.keys.passphrase_file, Some("elsewhere".into()), "as seen from where the command runs");
}

/// The merge delay that genesis promised binds: a file without it takes it over, one that states another is refused.
#[test]
fn a_promise_of_genesis_is_kept() {
    let (_dir, folder) = folder();
    let config = folder.config(None).unwrap();
    let (store, _anchor) = folder.open_storage(&config.ledger, &folder.log_identity().unwrap(), |_| Ok(())).unwrap();
    let genesis = read_genesis(&*store).unwrap();
    let kept = |stated, promised| {
        let mut config = config.clone();
        config.ledger.mmd_ms = stated;
        keep_promises(&mut config, &Genesis { mmd_ms: promised, ..genesis.clone() }).map(|()| config.ledger.mmd_ms())
    };
    assert_eq!(genesis.mmd_ms, 5_000);
    assert_eq!(kept(None, 1_234).unwrap(), 1_234);
    assert_eq!(kept(Some(1_234), 1_234).unwrap(), 1_234);
    let refused = kept(Some(5_000), 1_234).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "ledger.mmd_ms is \"5000\" in the configuration, but this data folder was made for \"1234\""
    );
    assert_eq!(refused.exit(), Exit::Usage);
}

#[test]
fn a_store_without_genesis_says_so() {
    use semper_ledger::store::{Batch, Store, Table, keys, memory::MemoryStore};
    let store = MemoryStore::default();
    let said = |store: &MemoryStore| read_genesis(store).unwrap_err().to_string();
    assert!(said(&store).contains("genesis is missing"), "{}", said(&store));
    let mut batch = Batch::default();
    batch.put(Table::Artefact, &keys::number(0), b"{}");
    store.commit(&batch).unwrap();
    assert!(said(&store).contains("not a genesis document"), "{}", said(&store));
}

#[test]
fn the_policy_changes_with_what_is_promised_only() {
    let config = Config::default();
    let with = |change: fn(&mut Config)| {
        let mut config = config.clone();
        change(&mut config);
        policy_hash(&config)
    };
    assert_eq!(with(|config| config.listen.http.set_port(1)), policy_hash(&config));
    let changed = [
        with(|config| config.tsa.accuracy_ms = 999),
        with(|config| config.tsa.qualified = true),
        with(|config| config.ledger.mmd_ms = Some(1_000)),
        with(|config| config.tsa.policy_default = Some("1.2.3".to_owned())),
        with(|config| config.clock.drift_ppm = 1),
    ];
    for hash in changed {
        assert_ne!(hash, policy_hash(&config));
    }
}
