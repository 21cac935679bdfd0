//! The file as a whole: smallest, sample, wrong.

use super::*;

const SAMPLE: &str = include_str!("../../deploy/semper.toml");

/// The smallest file with which a server starts on a real clock: its policy. All else has a default.
const SMALLEST: &str = r#"
[tsa]
policy_default = "1.3.6.1.4.1.99999.1.1"
"#;

fn refused(text: &str) -> Vec<&'static str> {
    match Config::from_toml(text).unwrap().verify() {
        Ok(()) => vec![],
        Err(ConfigError::Refused(faults)) => faults.iter().map(|fault| fault.key).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_smallest_files() {
    assert_eq!(refused(SMALLEST), [""; 0]);
    let config = Config::from_toml(SMALLEST).unwrap();
    assert_eq!(config.policy_default(), Some("1.3.6.1.4.1.99999.1.1"));
    assert_eq!(config.policies_accepted(), ["1.3.6.1.4.1.99999.1.1"]);
    // For a trial: no policy, and tokens say that nobody vouches for the time.
    let trial = "[clock]\nsource = \"assumed\"";
    assert_eq!(refused(trial), [""; 0]);
    let config = Config::from_toml(trial).unwrap();
    assert_eq!(
        (config.policy_default(), config.policies_accepted()),
        (Some(TEST_POLICY), vec![TEST_POLICY.to_owned()])
    );
    // Nothing at all is not enough: a missing policy stops the start.
    assert_eq!(refused(""), ["tsa.policy_default"]);
}

#[test]
fn the_sample_states_every_default() {
    let sample = Config::from_toml(SAMPLE).unwrap();
    let Config { service, init, listen, limits, ledger, witnesses, tsa, ca, clock, storage, log, keys, .. } =
        Config::default();
    let Config { shutdown, statements, notices, notary, .. } = Config::default();
    assert_eq!(sample.service, service);
    assert_eq!(sample.init, init);
    assert_eq!(sample.listen, listen);
    assert_eq!(sample.limits, limits);
    assert_eq!(sample.ledger, ledger);
    assert_eq!(sample.witnesses, witnesses);
    assert_eq!(sample.tsa, tsa);
    assert_eq!(sample.ca, ca);
    assert_eq!(sample.clock, clock);
    assert_eq!(sample.storage, storage);
    assert_eq!(sample.log, log);
    assert_eq!(sample.keys, keys);
    assert_eq!(sample.shutdown, shutdown);
    assert_eq!(sample.statements, statements);
    assert_eq!(sample.notices, notices);
    assert_eq!(sample.notary, notary);
}

/// A rail that nobody could ask, or that would be asked in the clear.
#[test]
fn rails_are_named_once_and_asked_over_tls() {
    let check = |rails: &[&str], expected: &[&str]| {
        let rails: String = rails.iter().map(|rail| format!("[[exchange.rail]]\n{rail}\n")).collect();
        let faults = refused(&format!("{SMALLEST}\n[exchange]\nenabled = true\n{rails}"));
        assert_eq!(faults, expected, "{rails}");
    };
    let sim = "name = \"sim\"\nkind = \"simulator\"\nclass = \"funded\"";
    let bank = |url: &str| {
        format!("name = \"bank\"\nkind = \"webhook\"\nclass = \"auth\"\nurl = \"{url}\"\nsecret_file = \"/s\"")
    };
    check(&[], &[]);
    check(&[sim, &bank("https://bank.example/semper")], &[]);
    check(&[&bank("http://127.0.0.1:8080")], &[]);
    check(&[sim, sim], &["exchange.rail"]);
    check(&[&bank("http://bank.example/")], &["exchange.rail"]);
    check(&[&sim.replace("sim\"\nkind", "Sim ulator\"\nkind")], &["exchange.rail"]);
    check(&[&format!("{sim}\nurl = \"https://bank.example\"")], &["exchange.rail"]);
    check(&["name = \"bank\"\nkind = \"webhook\"\nclass = \"auth\""], &["exchange.rail"]);
}

/// The keys that a table takes, as serde names them when it refuses one.
fn keys_of(section: Option<&str>) -> Vec<String> {
    let probe = "no-such-key";
    let text = section.map_or_else(|| format!("{probe} = 0"), |section| format!("[{section}]\n{probe} = 0"));
    let message = Config::from_toml(&text).unwrap_err().to_string();
    let (_, expected) = message.split_once(", expected ").unwrap_or_else(|| panic!("{message}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Sections and keys of the sample, those without a default included: they stand there as `# key = "example"`.
fn keys_in_sample() -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.to_owned(), vec![]));
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && let Some((_, keys)) = sections.last_mut()
        {
            keys.push(key.to_owned());
        }
    }
    sections
}

#[test]
fn the_sample_names_every_key_once() {
    let mut sections = keys_of(None);
    assert!(sections.contains(&"shutdown".to_owned()), "{sections:?}");
    let in_sample = keys_in_sample();
    let mut named: Vec<_> = in_sample.iter().map(|(name, _)| name.clone()).collect();
    sections.sort();
    named.sort();
    assert_eq!(named, sections);
    for (section, mut named) in in_sample {
        let mut keys = keys_of(Some(&section));
        keys.sort();
        named.sort();
        assert_eq!(named, keys, "[{section}]");
    }
}

/// Also those that stand there as comments: uncommented, the sample is a whole valid file.
#[test]
fn the_samples_examples_are_valid() {
    let mut text = String::new();
    for line in SAMPLE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_key = bare.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        // Two ways to give a passphrase exclude each other.
        if is_key && !bare.starts_with("passphrase_env") {
            text.push_str(bare);
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    let config = Config::from_toml(&text).unwrap();
    config.verify().unwrap();
    assert_eq!(Identity::from_config(&config).unwrap().country, "FR");
    assert!(config.keys.passphrase_file.is_some() && config.ledger.anchor_path.is_some());
}

#[test]
fn unknown_keys_and_wrong_types_are_refused() {
    for text in [
        "typo = 1",
        "[tsaa]",
        "[tsa]\npolicy = \"1.2.3\"",
        "[listen]\nhttp = \"localhost\"",
        "[listen]\nhttp = 8080",
        "[limits]\nbody_bytes_max = -1",
        "[limits]\nbody_bytes_max = \"64k\"",
        "[clock]\nsource = \"gps\"",
        "[tsa]\nhashes_accepted = [\"sha1\"]",
        "[log]\nformat = \"xml\"",
        "[keys]\npassphrase = \"hunter2\"",
        "[tsa",
    ] {
        assert!(matches!(Config::from_toml(text), Err(ConfigError::Unparsable { .. })), "{text}");
    }
}

#[test]
fn errors_name_the_line_and_never_show_a_secret() {
    let error = Config::from_toml("# a comment\n[keys]\npassphrase = \"hunter2\"\n").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("line 3: unknown field `passphrase`, expected one of `passphrase_file`"), "{text}");
    assert!(!text.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{text}");
    let text = Config::from_toml("[keys]\npassphrase_env = \"hunter2 is no name\"").unwrap().verify().unwrap_err();
    assert!(!text.to_string().contains("hunter2"), "{text}");
}

#[test]
fn values_out_of_bounds_are_refused_by_name() {
    let table = [
        ("[limits]\nbody_bytes_max = 1023", "limits.body_bytes_max"),
        ("[limits]\nheader_read_timeout_secs = 0", "limits.header_read_timeout_secs"),
        ("[limits]\nbody_read_timeout_secs = 0", "limits.body_read_timeout_secs"),
        ("[limits]\nidle_timeout_secs = 3601", "limits.idle_timeout_secs"),
        ("[limits]\nconnections_max = 0", "limits.connections_max"),
        ("[limits]\nconnections_per_address_max = 0", "limits.connections_per_address_max"),
        ("[ledger]\nqueue_commits_max = 15", "ledger.queue_commits_max"),
        ("[ledger]\ngroup_commits_max = 0", "ledger.group_commits_max"),
        ("[ledger]\ngroup_bytes_max = 1", "ledger.group_bytes_max"),
        ("[ledger]\nmmd_ms = 999", "ledger.mmd_ms"),
        ("[ledger]\nmmd_ms = 5001", "ledger.mmd_ms"),
        ("[ledger]\nblock_cache_bytes = 0", "ledger.block_cache_bytes"),
        ("[ledger]\nwrite_buffer_bytes = 0", "ledger.write_buffer_bytes"),
        ("[ledger]\norigin = \"https://a\"", "ledger.origin"),
        ("[service]\ncountry = \"fr\"", "service.country"),
        ("[tsa]\npolicies_accepted = [\"x\"]", "tsa.policies_accepted"),
        ("[tsa]\nhashes_accepted = []", "tsa.hashes_accepted"),
        ("[tsa]\nquota_per_address_per_minute = 0", "tsa.quota_per_address_per_minute"),
        ("[tsa]\nsign_threads_per_key = 0", "tsa.sign_threads_per_key"),
        ("[tsa]\nsign_queue_per_key_max = 0", "tsa.sign_queue_per_key_max"),
        ("[clock]\ndrift_ppm = 501", "clock.drift_ppm"),
        ("[clock]\nsample_interval_ms = 999", "clock.sample_interval_ms"),
        ("[clock]\ngood_samples_needed = 1001", "clock.good_samples_needed"),
        ("[clock]\nutc_laboratories = [\"P T B\"]", "clock.utc_laboratories"),
        ("[storage]\ndisk_free_min_bytes = 0", "storage.disk_free_min_bytes"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[keys]\npassphrase_env = \"s3 cret\"", "keys.passphrase_env"),
        ("[keys]\npassphrase_env = \"A\"\npassphrase_file = \"b\"", "keys.passphrase_env"),
        ("[shutdown]\ndrain_secs = 3601", "shutdown.drain_secs"),
        ("[listen]\nhttp = \"127.0.0.1:9464\"", "listen.admin"),
        ("[listen]\nhttp = \"0.0.0.0:9464\"", "listen.admin"),
        ("[listen]\nhttp = \"127.0.0.1:8443\"", "listen.https"),
        ("[listen]\nhttps = \"0.0.0.0:9464\"", "listen.admin"),
        ("[listen]\nhttps_names = [\"localhost\"]", "listen.https_names"),
        ("[listen]\nhttps_names = [\"a.example\", \"a.example\"]", "listen.https_names"),
        ("[listen]\nhttps_key_path = \"/key.pem\"", "listen.https_key_path"),
        ("[listen]\nhttps_certificate_path = \"/chain.pem\"", "listen.https_key_path"),
        ("[limits]\ntls_handshake_timeout_secs = 0", "limits.tls_handshake_timeout_secs"),
    ];
    for (text, key) in table {
        let text = if text.contains("[tsa]") {
            text.replace("[tsa]", "[tsa]\npolicy_default = \"1.2.3\"")
        } else {
            format!("{text}\n{SMALLEST}")
        };
        assert_eq!(refused(&text), [key], "{text}");
    }
}

#[test]
fn rules_between_fields() {
    let real = "policy_default = \"1.2.3\"";
    let table: [(String, &[&str]); 9] = [
        (format!("[tsa]\n{real}\naccuracy_ms = 203"), &[]),
        (format!("[tsa]\n{real}\naccuracy_ms = 202"), &["clock"]),
        (format!("[tsa]\n{real}\naccuracy_ms = 1001"), &["clock"]),
        (format!("[clock]\nsample_age_max_ms = 19999\n[tsa]\n{real}"), &["clock"]),
        (format!("[tsa]\n{real}\nqualified = true"), &["clock.utc_laboratories"]),
        (format!("[clock]\nutc_laboratories = [\"PTB\", \"OP\"]\n[tsa]\n{real}\nqualified = true"), &[]),
        (format!("[tsa]\npolicy_default = \"{TEST_POLICY}\""), &["tsa.policy_default"]),
        (format!("[clock]\nsource = \"assumed\"\n[tsa]\n{real}"), &["tsa.policy_default"]),
        ("[clock]\nsource = \"assumed\"\n[tsa]\nqualified = true".into(), &["tsa.qualified"]),
    ];
    for (text, keys) in table {
        assert_eq!(refused(&text), keys, "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_read_well() {
    let config = Config::from_toml("[limits]\nconnections_max = 0\n[shutdown]\ndrain_secs = 9999").unwrap();
    let text = config.verify().unwrap_err().to_string();
    let expected = "limits.connections_max: is 0 and must be from 1 to 1000000\n\
                    shutdown.drain_secs: is 9999 and must be from 0 to 3600\n\
                    tsa.policy_default: is missing: ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn port_zero_may_be_used_again_and_again() {
    let listen = ["http", "https", "admin"].map(|name| format!("{name} = \"127.0.0.1:0\"\n")).concat();
    assert_eq!(refused(&format!("[listen]\n{listen}{SMALLEST}")), [""; 0]);
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("semper.toml");
    let missing = Config::load(Some(&path)).unwrap_err();
    assert!(missing.to_string().contains("semper.toml"), "{missing}");
    std::fs::write(&path, "[tsa]\npolicy = 1").unwrap();
    let wrong = Config::load(Some(&path)).unwrap_err().to_string();
    assert!(wrong.contains("semper.toml: line 2: ") && wrong.contains("policy_default"), "{wrong}");
    std::fs::write(&path, SMALLEST).unwrap();
    assert_eq!(Config::load(Some(&path)).unwrap(), Config::from_toml(SMALLEST).unwrap());
    assert_eq!(Config::load(None).unwrap(), Config::default());
}
